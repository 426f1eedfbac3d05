"""``manifest.parquet``: one row per study, typed, for pandas, DuckDB and the like.

`COLUMNS` says what each column means. A value is null where the study failed or the value is not known.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, TableError
from wfdb2dicom.inputs.studies import path_prefix
from wfdb2dicom.system.regular_file import DESCRIPTORS, open_regular

_TEXT, _NAMES = pa.string(), pa.list_(pa.string())
COLUMNS = (  # name, type, meaning
    ("study_id", _TEXT, "The study; digits only where the id in the study CSV is a number."),
    ("subject_id", _TEXT, "The patient: of the WFDB header, else of the study CSV; null where not known."),
    ("dcm_path", _TEXT, "The DICOM file; null where there is none."),
    ("error", _TEXT, "Why there is no DICOM file; null where there is one."),
    ("size", pa.int64(), "Bytes of the DICOM file."),
    ("sha256", _TEXT, "SHA-256 digest of the DICOM file."),
    ("study_uid", _TEXT, "Study Instance UID."),
    ("series_uid", _TEXT, "Series Instance UID."),
    ("sop_instance_uid", _TEXT, "SOP Instance UID."),
    ("sop_class_uid", _TEXT, "SOP Class UID: which of DICOM's ECG classes the object is of."),
    ("acquired", pa.timestamp("us"), "Date and time of the recording, without a time zone; null where not known."),
    ("time_source", _TEXT, "Where that time is from: header, ecg_time (the study CSV or the metadata), placeholder."),
    ("unused_times", _NAMES, "Times of header and study CSV that were not used, each with its source."),
    ("ecg_time", _TEXT, "The time in the study CSV or the metadata."),
    ("time_difference", pa.int64(), "Seconds from ecg_time to the time in the header, where both are known."),
    ("sampling_frequency", pa.float64(), "Sampling frequency in hertz."),
    ("n_samples", pa.int32(), "Samples in each channel."),
    ("n_channels", pa.int32(), "Channels: the leads of the recording."),
    ("invalid_samples", pa.int32(), "Samples without a value, which have the padding value, over all leads."),
    ("invalid_leads", _NAMES, "The leads that have invalid samples."),
    ("flat_leads", _NAMES, "The leads in which all samples are equal."),
    ("checksums", _TEXT, "missing or placeholder where the header states no checksums, else null."),
    ("warnings", _NAMES, "What is worth knowing of the conversion, a sentence each."),
    ("baseline", _TEXT, "zero where the WFDB baselines were subtracted from the samples, else source."),
    ("originality", _TEXT, "DERIVED where invalid samples hold the last valid value, else ORIGINAL."),
    ("omitted_signals", _NAMES, "Signals that are not an ECG and were left out."),
    ("filter_low", pa.float64(), "High-pass cut-off in hertz: Filter Low Frequency."),
    ("filter_high", pa.float64(), "Low-pass cut-off in hertz: Filter High Frequency."),
    ("notch", pa.float64(), "Notch filter in hertz."),
    ("cart_id", _TEXT, "The ECG cart: Station Name."),
    (
        "record",
        _TEXT,
        "The WFDB record, relative to the top of its collection, without extension; an unusable path as it is.",
    ),
)
SCHEMA = pa.schema([(name, kind) for name, kind, _ in COLUMNS])
_TEXTS = ("study_uid", "series_uid", "sop_instance_uid", "sop_class_uid", "time_source", "checksums", "cart_id")
_NUMBERS = ("sampling_frequency", "filter_low", "filter_high", "notch")
_COUNTS = ("n_samples", "n_channels")
_LISTS = ("unused_times", "flat_leads", "warnings", "omitted_signals")

_TIME_LENGTH = len("YYYY-MM-DD HH:MM:SS")


def read_manifest(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The manifest of a run, or some of its columns; those that it lacks are left out.

    Raises
    ------
    TableError
        When it is not a Parquet file.
    OSError
        When it cannot be read.
    """
    descriptor = open_regular(path)
    try:
        with pa.OSFile(f"{DESCRIPTORS}/{descriptor}") as stream, pq.ParquetFile(stream) as file:
            known = file.schema_arrow.names
            return file.read(columns=None if columns is None else [name for name in columns if name in known])
    except pa.ArrowInvalid as error:
        raise TableError(f"{path} is damaged ({error}); delete it and run again") from error
    finally:
        os.close(descriptor)


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
        "baseline": [
            ("zero" if fact.get("subtracted_baselines") else "source") if ok else None
            for fact, ok in zip(facts, good, strict=True)
        ],
        "originality": [
            ("DERIVED" if fact.get("held") else "ORIGINAL") if ok else None
            for fact, ok in zip(facts, good, strict=True)
        ],
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
