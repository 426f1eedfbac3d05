"""``manifest.parquet``: one row a study, typed, for pandas, DuckDB and the like.

==================  =========  =====================================================================================
Column              Type       Meaning; null where the study failed and for what is not known
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
omitted_signals     list       Signals of the record that are no ECG and were left out
filter_low          float64    Hz, high-pass cut-off
filter_high         float64    Hz, low-pass cut-off
notch               float64    Hz
cart_id             string     The ECG cart
record              string     The WFDB record, relative to wfdb_dir, without extension
==================  =========  =====================================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from wfdb2dicom.tables import PlanRow, ReceiptRow

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
        ("acquired", pa.timestamp("s")),
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


def table_of(rows: Sequence[tuple[PlanRow, ReceiptRow]], dcm_dir: str) -> pa.Table:
    """The studies of one batch as a table with the columns of `SCHEMA`, made column by column.

    Parameters
    ----------
    rows : sequence
        What was planned, and what came of it.
    dcm_dir : str
        Folder of the DICOMs, as configured.
    """
    failed = [bool(result.error) for _, result in rows]
    # What a failed study's receipt still says of its files is nothing that the manifest tells.
    facts = _parsed("" if bad else result.facts for (_, result), bad in zip(rows, failed, strict=True))
    ecg_time = [known.get("ecg_time") for known in _parsed(plan.acquisition for plan, _ in rows)]
    acquired = [datetime.fromisoformat(f["acquired"]) if "acquired" in f else None for f in facts]
    invalid = [f.get("invalid_samples", {}) for f in facts]

    def unless_failed(values: Iterable[Any]) -> list[Any]:
        return [None if bad else value for value, bad in zip(values, failed, strict=True)]

    columns: dict[str, Iterable[Any]] = {
        "study_id": [plan.study_id for plan, _ in rows],
        "subject_id": [
            f.get("subject_id") or plan.subject_id or None for f, (plan, _) in zip(facts, rows, strict=True)
        ],
        "dcm_path": unless_failed(os.path.join(dcm_dir, plan.dicom) for plan, _ in rows),
        "error": [result.error or None for _, result in rows],
        "size": [int(result.size) if result.size else None for _, result in rows],
        "sha256": [result.sha256 or None for _, result in rows],
        "acquired": acquired,
        "ecg_time": ecg_time,
        "time_difference": [
            _seconds_between(given, header) if f.get("time_source") == "header" else None
            for f, given, header in zip(facts, ecg_time, acquired, strict=True)
        ],
        "invalid_samples": unless_failed(sum(counts.values()) for counts in invalid),
        "invalid_leads": unless_failed(list(counts) for counts in invalid),
        "record": [plan.record or None for plan, _ in rows],
    }
    columns |= {name: [f.get(name) or None for f in facts] for name in _TEXTS}
    columns |= {name: [_number(f.get(name)) for f in facts] for name in _NUMBERS}
    columns |= {name: [f.get(name) for f in facts] for name in _COUNTS}
    columns |= {name: unless_failed(f.get(name) or [] for f in facts) for name in _LISTS}
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def _parsed(texts: Iterable[str]) -> list[dict[str, Any]]:
    """JSON objects, "" being an empty one; all at once takes half the time."""
    objects: list[dict[str, Any]] = json.loads(f"[{','.join(text or '{}' for text in texts)}]")
    return objects


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def _seconds_between(ecg_time: str | None, acquired: datetime | None) -> int | None:
    """Whole seconds from the time of the CSV to that of the header."""
    if not ecg_time or acquired is None:
        return None
    try:
        return round((acquired - datetime.fromisoformat(ecg_time)).total_seconds())
    except (ValueError, TypeError):  # not a time, or one with a UTC offset
        return None
