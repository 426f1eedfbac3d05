#!/usr/bin/env python3
"""Write a MIMIC-IV-ECG-shaped tree of any size for the benchmarks.

    tree.py OUT --studies 20000 [--samples 5000]

Signals are those of the bundled demo, each study's shifted in time and a little noisier than the last, so that no two
studies are equal. OUT gets files/pNNNN/pNNNNNNNN/sNNNNNNNN/NNNNNNNN.{hea,dat}, record_list.csv and
machine_measurements.csv with the columns and about the size of the real ones. About 1.3 % of the studies hold invalid
samples. The same arguments give the same bytes. Takes 0.15 ms a study with 10 samples, 0.8 ms with 5000.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

DEMO = Path(__file__).resolve().parent.parent / "data" / "demo"
LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
MEASURES = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end", "p_axis", "qrs_axis", "t_axis")
RECORD_COLUMNS = "subject_id,study_id,file_name,ecg_time,path"
MEASUREMENT_COLUMNS = (
    "subject_id,study_id,cart_id,ecg_time,"
    + ",".join(f"report_{n}" for n in range(18))
    + ",bandwidth,filtering,"
    + ",".join(MEASURES)
)
BANDS = (
    "0.005-150 Hz,60 Hz notch Baseline filter",
    "0.0005-150 Hz,<not specified>",
    "0.05-150 Hz,60 Hz notch Baseline filter",
)
REPORT = "Sinus rhythm,Possible left atrial enlargement,,Borderline ECG" + "," * 14
STUDIES_A_PATIENT = 5


def signals() -> list[npt.NDArray[np.int16]]:
    """The whole records of the demo, shape (5000, 12)."""
    whole = [p for p in sorted(DEMO.rglob("*.dat")) if p.stat().st_size == 120_000]
    return [np.fromfile(path, "<i2").reshape(-1, 12) for path in whole]


def studies(count: int) -> Iterator[tuple[int, int, int]]:
    """Number, subject and study id; subjects and studies are spread as in MIMIC-IV-ECG."""
    step = max(1, 9_000_000 // max(1, count // STUDIES_A_PATIENT))
    for n in range(count):
        yield n, 10_000_032 + n // STUDIES_A_PATIENT * step, 40_000_000 + (n * 7_919) % 10_000_000


def samples_of(n: int, bases: list[npt.NDArray[np.int16]], length: int) -> npt.NDArray[np.int16]:
    """The samples of study `n`, shape (length, 12), different from every other study's."""
    base = bases[n % len(bases)]
    start = n * 13 % max(1, len(base) - length + 1)
    shifted = np.roll(base, n * 13, axis=0) if length == len(base) else base[start : start + length]
    samples = shifted + np.int16(n % 17)
    samples[0] += np.int16(n % 30_000 // 17)
    if n % 77 == 5:
        samples[: max(1, length // 50), n % 12] = -32768
    return samples.astype("<i2")


def write(out: Path, count: int, length: int) -> None:
    """Write the tree and its two CSV files."""
    bases = signals()
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "record_list.csv", "w") as records, open(out / "machine_measurements.csv", "w") as measurements:
        records.write(RECORD_COLUMNS + "\n")
        measurements.write(MEASUREMENT_COLUMNS + "\n")
        for n, subject, study in studies(count):
            samples = samples_of(n, bases, length)
            year, month, day, hour, minute = 2100 + n % 110, 1 + n % 12, 1 + n % 28, n % 24, n % 60
            folder = f"files/p{subject // 10_000}/p{subject}/s{study}"
            os.makedirs(out / folder, exist_ok=True)
            sums = samples.view("<u2").sum(axis=0, dtype=np.int64) % 65536
            lines = [f"{study} 12 500 {length} {hour:02d}:{minute:02d}:00 {day:02d}/{month:02d}/{year}"]
            lines += [
                f"{study}.dat 16 200.0(0)/mV 16 0 {first} {total} 0 {lead}"
                for first, total, lead in zip(samples[0].tolist(), sums.tolist(), LEADS, strict=True)
            ]
            path = f"{out}/{folder}/{study}"
            with open(path + ".hea", "w") as header:
                header.write("\n".join(lines) + f"\n# <subject_id>: {subject}\n")
            with open(path + ".dat", "wb") as data:
                data.write(samples.tobytes())
            when = f"{year}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:00"
            records.write(f"{subject},{study},{study},{when},{folder}/{study}\n")
            band = BANDS[0 if n % 10 < 8 else 1 + n % 2]
            values = ",".join(str((n * k) % 800 + 40) for k in range(1, len(MEASURES) + 1))
            measurements.write(f"{subject},{study},{6_037_973 + n % 156},{when},{REPORT},{band},{values}\n")


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--studies", type=int, required=True)
    parser.add_argument("--samples", type=int, default=5000)
    args = parser.parse_args()
    write(args.out, args.studies, args.samples)


if __name__ == "__main__":
    main()
