"""Objects to judge: the demo converted, and records whose baseline and gain are not MIMIC-IV-ECG's."""

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import from_row
from wfdb2dicom.dicom.options import Options

DAMAGED = "94000009"  # its .dat is cut off, see the demo's README
WITH_INVALID_SAMPLES = "94000006"


@pytest.fixture(scope="session")
def records(demo: Path) -> dict[str, Path]:
    """Study id → record without extension, of the demo's studies that can be converted."""
    found = {path.stem: path.with_suffix("") for path in sorted(demo.rglob("*.hea"))}
    del found[DAMAGED]
    return found


@pytest.fixture(scope="session")
def dicoms(demo: Path, records: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Study id → DICOM file."""
    folder = tmp_path_factory.mktemp("dicom")
    with open(demo / "machine_measurements.csv", newline="", encoding="utf-8") as stream:
        rows = {row["study_id"]: row for row in csv.DictReader(stream)}
    for study_id, record in records.items():
        convert_record(record, folder / f"{study_id}.dcm", from_row(rows[study_id]))
    return {study_id: folder / f"{study_id}.dcm" for study_id in records}


@pytest.fixture(scope="session")
def complete(records: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object with every attribute that the converter writes: padding value, all filters, station."""
    path = tmp_path_factory.mktemp("complete") / "complete.dcm"
    row = {"cart_id": "9000033", "bandwidth": "0.005-150 Hz", "filtering": "60 Hz notch Baseline filter"}
    convert_record(records[WITH_INVALID_SAMPLES], path, from_row(row))
    return path


@pytest.fixture(scope="session")
def annotated(demo: Path, records: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object with measurements and report lines as annotations."""
    path = tmp_path_factory.mktemp("annotated") / "annotated.dcm"
    study_id, record = next(iter(records.items()))
    with open(demo / "machine_measurements.csv", newline="", encoding="utf-8") as stream:
        row = next(row for row in csv.DictReader(stream) if row["study_id"] == study_id)
    convert_record(record, path, from_row(row, annotations=True), Options(annotations=True))
    return path


@pytest.fixture(scope="session")
def offset_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with baselines other than 0 and a different gain for each lead, as LUDB and PTB have them."""
    record = tmp_path_factory.mktemp("wfdb") / "offset"
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    time = np.arange(5000) / 500
    samples = np.stack([np.round(400 * np.sin(2 * np.pi * (1 + n / 5) * time) + 37 * n) for n in range(12)], axis=1)
    samples = samples.astype("<i2")
    lines = ["offset 12 500 5000 09:30:15 02/01/2150"]
    for n, lead in enumerate(leads):
        total = int(samples[:, n].astype("<u2").sum(dtype="<u2"))
        lines.append(f"offset.dat 16 {698.5 + 31.25 * n!r}({37 * n - 150})/mV 16 0 {samples[0, n]} {total} 0 {lead}")
    lines.append("# <subject_id>: 12345678")
    record.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record.with_suffix(".dat").write_bytes(samples.tobytes())
    return record


@pytest.fixture(scope="session")
def offset_dicom(offset_record: Path) -> Path:
    """That record as DICOM."""
    path = offset_record.with_suffix(".dcm")
    convert_record(offset_record, path, from_row({}))
    return path


@pytest.fixture(scope="session")
def complaints(dciodvfy: Path) -> Callable[[Path], list[str]]:
    """What dciodvfy says of a file: its exit status is 0 for several errors, its lines are what counts."""

    def ask(path: Path) -> list[str]:
        run = subprocess.run([dciodvfy, "-new", path], capture_output=True, text=True, errors="replace", check=False)
        lines = (run.stdout + run.stderr).splitlines()
        return [line for line in lines if line.startswith(("Error", "Warning", "Abort"))]

    return ask
