"""``manifest.parquet``: one row per study, typed, for pandas, DuckDB and the like.

==================  =========  =====================================================================================
Column              Type       Meaning; null where the study failed or the value is not known
==================  =========  =====================================================================================
study_id            string     As in plan and receipts: digits where the id is a number
subject_id          string     The patient: of the study CSV, else of the WFDB header
dcm_path            string     The DICOM file
error               string     Why there is none; null where there is one
size                int64      Bytes of the DICOM file
sha256              string     Of the DICOM file
study_uid …         string     Study, Series and SOP Instance UID, SOP Class UID: *study_uid*, *series_uid*,
                               *sop_instance_uid*, *sop_class_uid*
acquired            timestamp  Date and time of the recording, as in the DICOM (MIMIC-IV-ECG: shifted)
time_source         string     Where that is from: ``header`` or ``ecg_time``
ecg_time            string     The time in the study CSV or the metadata
time_difference     int64      Seconds from that to the time in the header, where both are known
sampling_frequency  float64    Hz
n_samples           int32      Samples in each channel
n_channels          int32      Leads
invalid_samples     int32      Samples without a value (padding value), over all leads
invalid_leads       list       The leads that have some
flat_leads          list       Leads in which all samples are equal
omitted_signals     list       Signals that are not an ECG and were left out
filter_low          float64    Hz, high-pass cut-off
filter_high         float64    Hz, low-pass cut-off
notch               float64    Hz
cart_id             string     The ECG cart
record              string     The WFDB record, relative to wfdb_dir, without extension
==================  =========  =====================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from wfdb2dicom.batches.tables import PlanRow, ReceiptRow
from wfdb2dicom.inputs.studies import path_prefix

SCHEMA = pa.schema(
    [
        ("study_id", pa.string()),
        ("subject_id", pa.string()),
        ("dcm_path", pa.string()),
        ("error", pa.string()),
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("study_uid", pa.string()),
        ("series_uid", pa.string()),
        ("sop_instance_uid", pa.string()),
        ("sop_class_uid", pa.string()),
        ("acquired", pa.timestamp("us")),
        ("time_source", pa.string()),
        ("ecg_time", pa.string()),
        ("time_difference", pa.int64()),
        ("sampling_frequency", pa.float64()),
        ("n_samples", pa.int32()),
        ("n_channels", pa.int32()),
        ("invalid_samples", pa.int32()),
        ("invalid_leads", pa.list_(pa.string())),
        ("flat_leads", pa.list_(pa.string())),
        ("omitted_signals", pa.list_(pa.string())),
        ("filter_low", pa.float64()),
        ("filter_high", pa.float64()),
        ("notch", pa.float64()),
        ("cart_id", pa.string()),
        ("record", pa.string()),
    ]
)
_TEXTS = ("study_uid", "series_uid", "sop_instance_uid", "sop_class_uid", "time_source", "cart_id")
_NUMBERS = ("sampling_frequency", "filter_low", "filter_high", "notch")
_COUNTS = ("n_samples", "n_channels")
_LISTS = ("flat_leads", "omitted_signals")

_TIME_LENGTH = len("YYYY-MM-DD HH:MM:SS")


class ManifestWriter:
    """Writes the manifest batch by batch, so that its memory does not grow with the number of studies.

    Parameters
    ----------
    stream : binary file
        The Parquet file; it stays open.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._writer = pq.ParquetWriter(stream, SCHEMA, compression="zstd")

    def add(self, studies: pa.Table) -> None:
        """Append the studies of one batch, see `tabulate`."""
        self._writer.write_table(studies)

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()


def tabulate(rows: Sequence[tuple[PlanRow, ReceiptRow]], dcm_dir: str) -> pa.Table:
    """The rows of the manifest for the studies of one batch.

    Parameters
    ----------
    rows : sequence of (PlanRow, ReceiptRow)
    dcm_dir : str
        Folder of the DICOMs, as configured.
    """
    folder = path_prefix(dcm_dir)
    times = [known.get("ecg_time") for known in _parsed(plan.acquisition for plan, _ in rows)]
    # For a study that failed, only what the plan knew is recorded.
    facts = _parsed("" if result.error else result.facts for _, result in rows)
    good = [not result.error for _, result in rows]
    acquired = [datetime.fromisoformat(fact["acquired"]) if fact.get("acquired") else None for fact in facts]
    invalid = [fact.get("invalid_samples") or {} for fact in facts]
    columns: dict[str, list[Any]] = {
        "study_id": [plan.study_id for plan, _ in rows],
        "subject_id": [
            fact.get("subject_id") or plan.subject_id or None for (plan, _), fact in zip(rows, facts, strict=True)
        ],
        "dcm_path": [None if result.error else folder + plan.dicom for plan, result in rows],
        "error": [result.error or None for _, result in rows],
        "size": [None if result.error else int(result.size) for _, result in rows],
        "sha256": [None if result.error else result.sha256 for _, result in rows],
        "acquired": acquired,
        "ecg_time": times,
        "time_difference": [
            _seconds_between(time, then) if fact.get("time_source") == "header" else None
            for time, then, fact in zip(times, acquired, facts, strict=True)
        ],
        "invalid_samples": [sum(leads.values()) if ok else None for leads, ok in zip(invalid, good, strict=True)],
        "invalid_leads": [list(leads) if ok else None for leads, ok in zip(invalid, good, strict=True)],
        "record": [plan.record or None for plan, _ in rows],
    }
    columns |= {name: [fact.get(name) or None for fact in facts] for name in _TEXTS}
    columns |= {name: [_number(fact.get(name)) for fact in facts] for name in _NUMBERS}
    columns |= {name: [fact.get(name) for fact in facts] for name in _COUNTS}
    columns |= {
        name: [fact.get(name) or [] if ok else None for fact, ok in zip(facts, good, strict=True)] for name in _LISTS
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], SCHEMA)


def _parsed(texts: Iterable[str]) -> list[dict[str, Any]]:
    """JSON objects, "" being an empty one; all at once takes half the time."""
    objects: list[dict[str, Any]] = json.loads(f"[{','.join(text or '{}' for text in texts)}]")
    return objects


@lru_cache(maxsize=1024)  # filters and frequencies take a few dozen values
def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def _seconds_between(ecg_time: str | None, acquired: datetime | None) -> int | None:
    """Whole seconds from the time of the CSV to that of the header."""
    if not ecg_time or acquired is None or len(ecg_time) != _TIME_LENGTH:
        return None
    try:
        return round((acquired - datetime.fromisoformat(ecg_time)).total_seconds())
    except ValueError:  # not a time, see `wfdb2dicom.acquisition.stated_time`
        return None
