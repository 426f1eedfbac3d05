"""The arguments of the public functions: what is accepted, and what a wrong one is told.

A wrong argument is an `ArgumentError` where it is given, which names the argument, its value and what to give instead.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from numbers import Integral, Real
from pathlib import Path

from wfdb2dicom.acquisition import (
    ANNOTATION_COLUMNS,
    COLUMNS,
    Acquisition,
    as_text,
    from_row,
    normalise_id,
    normalise_time,
)
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.part10 import is_dicom
from wfdb2dicom.errors import ArgumentError, ConfigError, StudyError, SubjectMismatch
from wfdb2dicom.system.paths import WFDB_SUFFIXES, given_path

PathLike = str | os.PathLike[str]
Metadata = Mapping[str, object] | PathLike | Acquisition
SIGNAL_FORMATS = (16, 24, 32)  # WFDB formats in which a record is restored
_MOST_PIXELS = 50  # per mm: a page of 14,850 × 10,500 pixels, 620 MB while it is drawn


def record_path(record: PathLike) -> str:
    """Path of a record without the extension of one of its files.

    Raises
    ------
    ArgumentError
        When it is not a path, or is that of something else than a record.
    """
    path = given_path("record", record, "a WFDB record")
    stem, suffix = os.path.splitext(path)
    if suffix in WFDB_SUFFIXES:
        return stem
    if os.path.exists(path) and not os.path.exists(f"{path}.hea"):
        kind = "a folder" if os.path.isdir(path) else "not a WFDB record"
        raise ArgumentError(
            f"record: {path!r} is {kind}, because {path + '.hea'!r} does not exist; give the path of the record's"
            " header, with or without .hea"
        )
    return path


def options_or_default(options: Options | None) -> Options:
    """The options, those of the configuration's defaults where none are given."""
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise ArgumentError(f"options: {options!r} is not an Options object; write wfdb2dicom.Options(lead_order=...)")
    return options


def output_path(out: PathLike, record: str) -> Path:
    """The file to write; no file that belongs to a record or to something else is replaced."""
    path = given_path("out", out, "the DICOM file to write")
    if os.path.isdir(path) or path.endswith("/"):
        path = os.path.join(path, f"{os.path.basename(record)}.dcm")
    if os.path.splitext(path)[1] in WFDB_SUFFIXES:
        raise ConfigError(f"{path} has the name of a WFDB file; give the name of the DICOM file to write")
    if os.path.exists(path) and not os.path.isfile(path):  # such as /dev/null, which would become a file
        raise ConfigError(f"{path} exists and is not a regular file; give another name")
    # A damaged DICOM file is written anew; it still has its extension.
    if not path.endswith(".dcm") and os.path.isfile(path) and os.path.getsize(path) and not is_dicom(path):
        raise ConfigError(f"{path} exists and is not a DICOM file; give another name")
    return Path(path)


def acquisition_of(
    record: str,
    metadata: Metadata | None,
    options: Options,
    subject_id: object,
    study_id: object,
    ecg_time: object,
) -> Acquisition:
    """Everything that is known of a recording besides its record."""
    given = {
        "subject_id": _identifier("subject_id", subject_id, "p"),
        "study_id": _identifier("study_id", study_id, "s"),
        "ecg_time": _time(ecg_time),
    }
    if isinstance(metadata, (str, os.PathLike)):
        given["study_id"] = given["study_id"] or normalise_id(os.path.basename(record), "s")
        return _looked_up(record, Path(given_path("metadata", metadata, "a table")), options, given)
    if metadata is None:
        known = Acquisition()
    elif isinstance(metadata, Acquisition):
        known = _of_text(metadata)
    else:
        known = from_row(_row(metadata), annotations=options.annotations)
        for name in ("subject_id", "study_id"):
            _require_printable(name, getattr(known, name))
    for name in ("subject_id", "study_id"):
        theirs, ours = getattr(known, name), given[name]
        if theirs and ours and theirs != ours:
            raise SubjectMismatch(f"the metadata are of {name} {theirs}, the argument says {ours}; correct one of them")
    if not isinstance(metadata, Acquisition):
        given["study_id"] = given["study_id"] or known.study_id or normalise_id(os.path.basename(record), "s")
    subject, study, time = given.values()
    return replace(
        known,
        subject_id=subject or known.subject_id,
        study_id=study or known.study_id,
        ecg_time=time or known.ecg_time,
    )


def order_of_signals(order: str | Sequence[str], known: Sequence[str]) -> str | tuple[str, ...]:
    """One of the known orders, or the names of leads."""
    if isinstance(order, str):
        if order in known:
            return order
        raise ArgumentError(f"order: {order!r} is none of {', '.join(known)}; or give a list of lead names")
    names = tuple(order) if isinstance(order, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"order: {order!r} is neither one of {', '.join(known)} nor a list of lead names")
    return names


def signal_format_or_default(signal_format: object) -> int | None:
    """A WFDB format that can be written; None for that of the samples."""
    if signal_format is None:
        return None
    if isinstance(signal_format, Integral) and int(signal_format) in SIGNAL_FORMATS:
        return int(signal_format)
    known = ", ".join(map(str, SIGNAL_FORMATS))
    raise ArgumentError(f"signal_format: {signal_format!r} is none of {known}; give one of them")


def resolution(pixels_per_mm: object) -> float:
    """Pixels per millimetre of a page."""
    number = isinstance(pixels_per_mm, Real) and not isinstance(pixels_per_mm, bool)
    if not number or not 1 <= float(pixels_per_mm) <= _MOST_PIXELS:  # type: ignore[arg-type]
        raise ArgumentError(f"pixels_per_mm: {pixels_per_mm!r} is not a number from 1 to {_MOST_PIXELS}; 7 is usual")
    return float(pixels_per_mm)  # type: ignore[arg-type]


def _looked_up(record: str, table: Path, options: Options, given: dict[str, str]) -> Acquisition:
    from wfdb2dicom.inputs.measurements import read_metadata
    from wfdb2dicom.inputs.studies import Study

    study = Study(given["study_id"], given["subject_id"], record, os.path.basename(record), given["ecg_time"], "")
    known, error = read_metadata(table, "study_id", annotations=options.annotations).lookup(study)
    if error:
        raise StudyError(f"{error} {study.study_id} in {table}")
    return known


def _of_text(known: Acquisition) -> Acquisition:
    """An Acquisition all of whose texts are text."""
    for field in fields(known):
        value = getattr(known, field.name)
        if isinstance(field.default, str) and not isinstance(value, str):
            raise ArgumentError(f"metadata: {field.name} {value!r} is not text; write {str(value)!r}")
    return known


def _row(metadata: object) -> dict[str, object]:
    """One row of a table; a pandas Series is one, a whole frame is not."""
    if not isinstance(metadata, Mapping) and not (hasattr(metadata, "items") and getattr(metadata, "ndim", 0) == 1):
        kind = type(metadata).__name__
        raise ArgumentError(
            f"metadata: a {kind} is not a row; give the row of this study (of a pandas frame: frame.loc[...] or"
            " frame.iloc[...]), or the path of a table"
        )
    row: dict[str, object] = dict(metadata.items())
    known = {*COLUMNS, "study_id", *ANNOTATION_COLUMNS}
    if row and not known & set(row):
        shown = ", ".join(map(str, list(row)[:10]))
        raise ArgumentError(f"metadata: none of {shown} is a column of machine_measurements")
    return row


def _identifier(name: str, value: object, prefix: str) -> str:
    """An id as text; "" for None and the missing values of pandas."""
    text = as_text(value)
    if not text:
        return ""
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool) or not (isinstance(value, str) or whole):
        raise ArgumentError(f"{name}: {value!r} is not an id; give text or a whole number")
    _require_printable(name, text)
    return normalise_id(text, prefix)


def _require_printable(name: str, text: str) -> None:
    if not text.isprintable():  # a line break, or half of a character, which no file can hold
        raise ArgumentError(f"{name}: {text!r} has characters that are not printable; correct it")


def _time(value: object) -> str:
    """A time of day with its date as text; "" for None and the missing values of pandas."""
    text = as_text(value)
    if not text:
        return ""
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ArgumentError(f"ecg_time: {value} has a UTC offset; DICOM ECG times are local, so give it without one")
    time = normalise_time(text)
    if not time:
        raise ArgumentError(f"ecg_time: {value!r} is not YYYY-MM-DD HH:MM:SS")
    return time
