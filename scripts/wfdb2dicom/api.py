"""The public functions: one record to DICOM and back, with arguments checked where they are given.

Use them as ``wfdb2dicom.convert_record`` and so on; docs/api.md has examples. What a function needs beyond the
conversion itself (pydicom, matplotlib, pyarrow) is imported when it is called.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wfdb2dicom.acquisition import (
    ANNOTATION_COLUMNS,
    COLUMNS,
    Acquisition,
    as_text,
    from_row,
    normalise_id,
    normalise_time,
)
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import ArgumentError, ConfigError, StudyError, SubjectMismatch
from wfdb2dicom.system.output_tree import OutputTree

if TYPE_CHECKING:
    from pydicom import Dataset

    from wfdb2dicom.conformance.attributes import Violation

PathLike = str | os.PathLike[str]
Metadata = Mapping[str, object] | PathLike | Acquisition
WFDB_SUFFIXES = (".hea", ".dat", ".mat")


@dataclass(frozen=True)
class Outcome:
    """What `convert_record` did.

    Attributes
    ----------
    path : Path
        The DICOM file.
    status : str
        ``converted``, or ``current``: the file existed already with the content that it should have.
    size : int
        Bytes of the file.
    mtime_ns : int
        Its modification time in nanoseconds.
    sha256 : str
        Its digest in hexadecimal.
    facts : mapping
        The values of the object by their names in the manifest (docs/manifest.md), as far as they are known:
        ``subject_id``, ``study_uid``, ``acquired``, ``sampling_frequency``, ``n_samples``, ``invalid_samples`` ...
    """

    path: Path
    status: str
    size: int
    mtime_ns: int
    sha256: str
    facts: Mapping[str, Any]

    @property
    def sop_instance_uid(self) -> str:
        """The SOP Instance UID of the object."""
        return str(self.facts["sop_instance_uid"])


def convert_record(
    record: PathLike,
    out: PathLike,
    metadata: Metadata | None = None,
    options: Options | None = None,
    *,
    subject_id: str | int | None = None,
    study_id: str | int | None = None,
    ecg_time: str | datetime | None = None,
) -> Outcome:
    """Convert one WFDB record to one DICOM file.

    Parameters
    ----------
    record : path
        The record; ``.hea``, ``.dat`` or ``.mat`` at its end does no harm.
    out : path
        The file to write, or an existing folder for ``<record name>.dcm``. Missing folders are made. A file that is up
        to date stays as it is; one that is neither DICOM nor named ``.dcm`` is not replaced.
    metadata : mapping, path or Acquisition, optional
        What is known besides the record: one row of machine_measurements (a mapping or a pandas Series), or the path
        of a whole table (CSV, Parquet, pickle) in which the row is looked up by `study_id`.
    options : Options, optional
    subject_id : str or int, optional
        The patient, where the header names none.
    study_id : str or int, optional
        By default that of the row, or the name of the record.
    ecg_time : str or datetime, optional
        Start of the recording, where the header has no date: ``YYYY-MM-DD HH:MM:SS``.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigError
        When an argument is wrong.
    StudyError
        When the record cannot be converted.
    OSError
        When its files cannot be read.
    OutputError
        When the DICOM file cannot be written.
    """
    options = _options(options)
    name = record_path(record)
    acquisition = _acquisition(name, metadata, options, subject_id, study_id, ecg_time)
    path = _output(out, name)
    with closing(OutputTree(os.path.dirname(path))) as target:
        converter = Converter("", target, options)
        done = converter.convert(converter.prepare(name, acquisition), os.path.basename(path))
    return Outcome(Path(out) if Path(out).name == Path(path).name else Path(path), *done[:4], _facts(done.facts))


def to_dataset(
    record: PathLike,
    metadata: Metadata | None = None,
    options: Options | None = None,
    *,
    subject_id: str | int | None = None,
    study_id: str | int | None = None,
    ecg_time: str | datetime | None = None,
) -> Dataset:
    """Convert one WFDB record to a data set in memory, equal to the file that `convert_record` writes.

    Parameters
    ----------
    record, metadata, options, subject_id, study_id, ecg_time
        As for `convert_record`.

    Returns
    -------
    pydicom.FileDataset
        With its file meta information, so that ``save_as`` writes the same file.

    Raises
    ------
    ConfigError, StudyError, OSError
        As `convert_record`.
    """
    from pydicom import dcmread

    options = _options(options)
    name = record_path(record)
    converter = Converter("", OutputTree(os.curdir, make=False), options)
    acquisition = _acquisition(name, metadata, options, subject_id, study_id, ecg_time)
    return dcmread(BytesIO(converter.encode(converter.prepare(name, acquisition)).content))


def check(dicom: PathLike, record: PathLike | None = None) -> list[Violation]:
    """Check a DICOM ECG object against the standard, also for what other validators do not look at.

    Parameters
    ----------
    dicom : path
        The object, of this package or any other software.
    record : path, optional
        The WFDB record that it was made from, to compare the amplitudes with.

    Returns
    -------
    list of Violation
        Attribute, what is wrong with it, and the section of the standard; empty when the object conforms.

    Raises
    ------
    StudyError
        When `record` cannot be read as a WFDB record.
    OSError
        When a file cannot be read.
    """
    from wfdb2dicom.conformance.checker import check_file

    findings = check_file(Path(dicom))
    if record is not None:
        from wfdb2dicom.conformance.source import check_source

        try:
            findings += check_source(Path(dicom), record_path(record))
        except ValueError as error:
            raise StudyError(f"{record} cannot be read by wfdb: {error}; check the record") from error
    return findings


def restore(
    dicom: PathLike,
    folder: PathLike,
    name: str = "",
    *,
    order: str | Sequence[str] = "stored",
    signal_format: int | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Restore the WFDB record from a DICOM ECG object.

    Parameters
    ----------
    dicom : path
        An object that this package wrote.
    folder : path
        Where ``<name>.dat`` and ``<name>.hea`` are written.
    name : str
        Name of the record; by default the Study ID, which is the name in MIMIC-IV-ECG.
    order : str or sequence of str
        Order of the signals: ``stored``, ``mimic``, ``standard``, or lead names.
    signal_format : int, optional
        16, 24 or 32; by default 16, or 32 for samples of 32 bits.
    overwrite : bool
        Replace files that exist with other content.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    RestoreError
        When the object does not hold samples as this package writes them.
    ConfigError
        When an argument is wrong, or a file exists with other content.
    OSError
        When a file cannot be read or written.
    """
    from wfdb2dicom.dicom import restore as restoring

    if isinstance(order, str) and order != "stored" and order not in restoring.ORDERS:
        known = ", ".join(("stored", *restoring.ORDERS))
        raise ArgumentError(f"order: {order!r} is none of {known}; or give a list of lead names")
    found = restoring.restore(Path(dicom).read_bytes(), name, order=order, signal_format=signal_format)
    return found.write(Path(folder), overwrite=overwrite)


def draw(dicom: PathLike, out: PathLike, *, pixels_per_mm: int = 7) -> None:
    """Draw the ECG of a DICOM object on a page of 297 × 210 mm: 25 mm/s, 10 mm/mV.

    Parameters
    ----------
    dicom : path
        The object, of this package or any other software.
    out : path
        The page: a ``.png``, ``.pdf`` or ``.svg`` file.
    pixels_per_mm : int
        Resolution of a PNG.

    Raises
    ------
    EcgError
        When the file does not hold an ECG.
    ConfigError
        When `out` has another extension.
    OSError
        When a file cannot be read or written.
    """
    from wfdb2dicom.page import draw as drawing

    kind = Path(out).suffix.lower().removeprefix(".")
    if kind not in drawing.FORMATS:
        raise ArgumentError(f"{out}: a page is a .{', .'.join(drawing.FORMATS)} file; name one")
    drawing.draw(dicom, out, kind, pixels_per_mm=pixels_per_mm)


def record_path(record: PathLike) -> str:
    """Path of a record without the extension of one of its files."""
    stem, suffix = os.path.splitext(os.fspath(record))
    return stem if suffix in WFDB_SUFFIXES else stem + suffix


def _options(options: Options | None) -> Options:
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise ArgumentError(f"options: {options!r} is not an Options object; write wfdb2dicom.Options(lead_order=...)")
    return options


def _output(out: PathLike, record: str) -> str:
    """The file to write; no file that belongs to a record or to something else is replaced."""
    path = os.path.abspath(out)
    if os.path.isdir(path):
        path = os.path.join(path, f"{os.path.basename(record)}.dcm")
    if os.path.splitext(path)[1] in WFDB_SUFFIXES:
        raise ConfigError(f"{path} has the name of a WFDB file; give the name of the DICOM file to write")
    # A damaged DICOM file is written anew; it still has its extension.
    if not path.endswith(".dcm") and os.path.isfile(path) and os.path.getsize(path):
        with open(path, "rb") as stream:
            if stream.read(132)[128:] != b"DICM":
                raise ConfigError(f"{path} exists and is not a DICOM file; give another name")
    return path


def _facts(text: str) -> Mapping[str, Any]:
    return MappingProxyType(json.loads(text))


def _acquisition(
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
        return _looked_up(record, Path(metadata), options, given)
    if metadata is None:
        known = Acquisition()
    elif isinstance(metadata, Acquisition):
        known = metadata
    else:
        known = from_row(_row(metadata), annotations=options.annotations)
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


def _looked_up(record: str, table: Path, options: Options, given: dict[str, str]) -> Acquisition:
    from wfdb2dicom.inputs.measurements import read_metadata
    from wfdb2dicom.inputs.studies import Study

    study = Study(given["study_id"], given["subject_id"], record, os.path.basename(record), given["ecg_time"], "")
    known, error = read_metadata(table, "study_id", annotations=options.annotations).lookup(study)
    if error:
        raise StudyError(f"{error} {study.study_id} in {table}")
    return known


def _row(metadata: object) -> dict[str, object]:
    """One row of a table; a pandas Series is one, a whole frame is not."""
    if not isinstance(metadata, Mapping) and getattr(metadata, "ndim", 0) != 1:
        kind = type(metadata).__name__
        raise ArgumentError(f"metadata: a {kind} is not a row; give the row of this study, or the path of a table")
    row: dict[str, object] = dict(metadata)  # type: ignore[call-overload]
    known = {*COLUMNS, "study_id", *ANNOTATION_COLUMNS}
    if row and not known & set(row):
        raise ArgumentError(f"metadata: none of {', '.join(map(str, row))} is a column of machine_measurements")
    return row


def _identifier(name: str, value: object, prefix: str) -> str:
    """An id as text; "" for None and the missing values of pandas."""
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return ""
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool) or not (isinstance(value, str) or whole):
        raise ArgumentError(f"{name}: {value!r} is not an id; give text or a whole number")
    return normalise_id(as_text(value), prefix)


def _time(value: object) -> str:
    """A time of day with its date as text; "" for None."""
    if value is None or value == "" or value != value:
        return ""
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ArgumentError(f"ecg_time: {value} has a UTC offset; DICOM ECG times are local, so give it without one")
    text = normalise_time(value.isoformat(" ") if isinstance(value, datetime) else str(value).strip())
    if not text:
        raise ArgumentError(f"ecg_time: {value!r} is not YYYY-MM-DD HH:MM:SS")
    return text
