"""Short records in MIMIC-IV-ECG's layout, older than anything that a run writes."""

import os
from pathlib import Path

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")  # MIMIC-IV-ECG's order
FIRST = 40_000_000  # the first study
BEFORE = 1_700_000_000 * 10**9  # ns


def studies(count: int) -> range:
    return range(FIRST, FIRST + count)


def subject_of(study: int) -> int:
    return 10_000_000 + (study - FIRST) // 4


def study_path(study: int) -> str:
    return f"files/p1000/p{subject_of(study)}/s{study}/{study}"


def write(path: Path, content: bytes | str, mtime_ns: int = BEFORE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def header_text(name: str, samples: np.ndarray, subject: object = 10_000_000) -> str:
    """A header as MIMIC-IV-ECG has it."""
    sums = samples.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"{name} {samples.shape[1]} 500 {len(samples)} 08:44:00 23/07/2180"]
    lines += [f"{name}.dat 16 200.0(0)/mV 16 0 {samples[0, n]} {sums[n]} 0 {LEADS[n]}" for n in range(samples.shape[1])]
    return "\n".join([*lines, f"# <subject_id>: {subject}"]) + "\n"


def add_study(
    tree: Path, study: int, *, seed: int | None = None, samples: int = 250, path: str = "", mtime_ns: int = BEFORE
) -> Path:
    """Write the record of a study; another seed gives other samples."""
    values = np.random.default_rng(seed or study).integers(-500, 500, (samples, 12)).astype("<i2")
    stem = tree / (path or study_path(study))
    write(stem.parent / f"{stem.name}.hea", header_text(stem.name, values, subject_of(study)), mtime_ns)
    write(stem.parent / f"{stem.name}.dat", values.tobytes(), mtime_ns)
    return stem
