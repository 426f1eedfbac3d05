"""A manifest like that of all MIMIC-IV-ECG, with every kind of failure and oddity, and the receipts' first lines."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wfdb2dicom.batches.tables import RECEIPT_MARKER
from wfdb2dicom.results.manifest import SCHEMA

LEADS = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
KINDS = ["SignalError", "ChecksumError", "HeaderError", "FileNotFoundError", "Timeout>60s", "SubjectMismatch"]


def write(folder: Path, studies: int, dicom: Path, *, failed: float = 0.01) -> Path:
    """Write manifest.parquet, summary.json and receipts below `folder`; every study is drawn from the one `dicom`.

    Shares of invalid samples, flat leads, differing times, carts and filters are those of the real data set.
    """
    rng = np.random.default_rng(1)
    ids = np.arange(40_000_000, 40_000_000 + studies)
    fails = rng.random(studies) < failed
    if failed:
        fails[0] = True
    kinds = np.array(KINDS)[rng.integers(0, len(KINDS), studies)]
    errors = [
        f"{k}: {i}.dat is <b>not</b> what it should be" if f else None
        for k, i, f in zip(kinds, ids, fails, strict=True)
    ]
    invalid = np.where(rng.random(studies) < 0.0132, rng.integers(1, 5000, studies), 0)
    flat = rng.random(studies) < 0.0024
    late = np.where(rng.random(studies) < 0.0223, rng.integers(60, 10**7, studies), 0)
    bare = rng.random(studies) < 0.001
    by_csv = rng.random(studies) < 0.0005
    undated = np.zeros(studies, bool)
    # Few or many, there is one of each kind.
    for n, values in enumerate((invalid, flat, late, bare, by_csv, undated), 1):
        values[n * (studies // 8)] = 300
        fails[n * (studies // 8)] = False
    errors = [error if bad else None for error, bad in zip(errors, fails, strict=True)]
    low = rng.choice([0.005, 0.0005, 0.05], studies, p=[0.8, 0.14, 0.06])
    acquired = np.datetime64("2150-01-01T08:00:00", "s") + rng.integers(0, 10**9, studies)
    known = ~fails

    def text(prefix: str, values: np.ndarray) -> pa.Array:
        return pa.array([f"{prefix}{value}" for value in values], mask=~known)

    columns = {
        "study_id": pa.array(ids.astype(str)),
        "subject_id": pa.array((10_000_000 + ids // 5 % 161_352).astype(str)),
        "dcm_path": pa.array([str(dicom)] * studies, mask=~known),
        "error": pa.array(errors),
        "size": pa.array(np.full(studies, 123_456), mask=~known),
        "sha256": pa.array([None] * studies, pa.string()),
        "study_uid": text("2.25.1", ids),
        "series_uid": text("2.25.2", ids),
        "sop_instance_uid": text("2.25.3", ids),
        "sop_class_uid": text("1.2.840.10008.5.1.4.1.1.9.1.", np.ones(studies, int)),
        "acquired": pa.array(acquired, mask=~known | undated),
        "time_source": pa.array(np.where(undated, "placeholder", np.where(by_csv, "ecg_time", "header")), mask=~known),
        "ecg_time": pa.array(np.datetime_as_string(acquired - late)).cast(pa.string()),
        "time_difference": pa.array(late, mask=~known | by_csv | undated),
        "sampling_frequency": pa.array(np.where(ids % 1000, 500.0, 1000.0), mask=~known),
        "n_samples": pa.array(np.full(studies, 5000, np.int32), mask=~known),
        "n_channels": pa.array(np.full(studies, 12, np.int32), mask=~known),
        "invalid_samples": pa.array(invalid.astype(np.int32), mask=~known),
        "invalid_leads": pa.array([[LEADS[n % 12]] if n else [] for n in invalid]),
        "flat_leads": pa.array([["V2"] if f else [] for f in flat]),
        "warnings": pa.array(
            [["the header's time '19:46' was not used"] if n % 500 == 9 else [] for n in range(studies)]
        ),
        "omitted_signals": pa.array([["RESP"] if n % 400 == 9 else [] for n in range(studies)]),
        "filter_low": pa.array(low, mask=~known | bare),
        "filter_high": pa.array(np.full(studies, 150.0), mask=~known | bare),
        "notch": pa.array(np.full(studies, 60.0), mask=~known | bare | (ids % 7 == 0)),
        "cart_id": pa.array((6_000_000 + rng.integers(0, 156, studies)).astype(str), mask=~known | bare),
        "record": text("files/p1000/p10000032/s40689238/", ids),
    }
    folder.mkdir(parents=True, exist_ok=True)
    fields = [columns.get(field.name, pa.nulls(studies)).cast(field.type) for field in SCHEMA]
    pq.write_table(pa.Table.from_arrays(fields, schema=SCHEMA), folder / "manifest.parquet")
    _write_receipts(folder / "receipts", studies)
    (folder / "summary.json").write_text(json.dumps(_summary(studies, int(fails.sum()))))
    return folder


def _write_receipts(folder: Path, studies: int) -> None:
    folder.mkdir(exist_ok=True)
    batches = max(1, studies // 3125)
    for n in range(batches):
        run = {"studies": studies // batches, "converted": studies // batches, "current": 0, "failed": 0}
        run |= {"seconds": 2 + n % 7 / 3, "started": 1_700_000_000 + n}
        (folder / f"{batches:03d}-{n:03d}.tsv").write_text(f"{RECEIPT_MARKER} {json.dumps(run)}\n")


def _summary(studies: int, failed: int) -> dict[str, object]:
    return {
        "studies": studies,
        "succeeded": studies - failed,
        "failed": failed,
        "converted": studies - failed,
        "batches": 256,
        "batches_run": 256,
        "bytes": 123_456 * studies,
        "finished": "2026-01-01T12:00:00+00:00",
        "seconds": 754.3,
        "studies_per_second": studies / 754.3,
        "output_csv": "results/studies.with_dcm.csv",
        "error_log": "results/studies.with_dcm.errors.log",
        "versions": {"wfdb2dicom": "0.1.0", "python": "3.11.7"},
        "options": {"max_failed": 0.05, "input_csv": "record_list.csv", "overwrite": False},
    }
