"""The public functions: one record to DICOM and back, with arguments checked where they are given.

Use them as ``wfdb2dicom.convert_record`` and so on; docs/api.md has examples. What a function needs beyond the
conversion itself (pydicom, matplotlib, pyarrow) is imported when it is called.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdb2dicom.arguments import (
    Metadata,
    PathLike,
    acquisition_of,
    options_or_default,
    order_of_signals,
    output_path,
    record_path,
    resolution,
    signal_format_or_default,
)
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import ArgumentError
from wfdb2dicom.system.output_tree import OutputTree
from wfdb2dicom.system.paths import given_path
from wfdb2dicom.system.regular_file import read_file

if TYPE_CHECKING:
    from pydicom import Dataset

    from wfdb2dicom.conformance.attributes import Violation


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
        The record; ``.hea``, ``.dat`` or ``.mat`` at its end is ignored.
    out : path
        The file to write, or a folder (one that exists, or a path that ends in ``/``) for ``<record name>.dcm``.
        Missing folders are made. A file that is up to date stays as it is; one that is neither DICOM nor named
        ``.dcm`` is not replaced.
    metadata : mapping, path or Acquisition, optional
        What is known besides the record: one row of machine_measurements (a mapping or a pandas Series), or the path
        of a whole table (CSV, Parquet, pickle) in which the row is looked up by `study_id`. The table is read by each
        call: for many records give rows.
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
        When an argument or a table of metadata is wrong.
    StudyError
        When the record cannot be converted.
    OSError
        When its files cannot be read.
    OutputError
        When the DICOM file cannot be written.
    """
    options = options_or_default(options)
    name = record_path(record)
    path = output_path(out, name)
    acquisition = acquisition_of(name, metadata, options, subject_id, study_id, ecg_time)
    with closing(OutputTree(os.path.dirname(os.path.abspath(path)))) as target:
        converter = Converter("", target, options)
        done = converter.convert(converter.prepare(name, acquisition), path.name)
    return Outcome(path, *done[:4], json.loads(done.facts))


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

    options = options_or_default(options)
    name = record_path(record)
    acquisition = acquisition_of(name, metadata, options, subject_id, study_id, ecg_time)
    converter = Converter("", OutputTree(os.curdir, make=False), options)
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
    ConfigError
        When an argument is wrong.
    StudyError
        When `record` cannot be read as a WFDB record.
    OSError
        When a file cannot be read.
    """
    from wfdb2dicom.conformance.checker import check_file

    path = Path(given_path("dicom", dicom, "a DICOM file"))
    name = None if record is None else record_path(record)
    findings = check_file(path)
    if name is not None:
        from wfdb2dicom.conformance.source import check_source

        findings += check_source(path, name)
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
        Order of the signals: ``stored``, ``mimic``, ``standard``, or lead names; other leads follow.
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

    path = Path(given_path("dicom", dicom, "a DICOM file"))
    target = Path(given_path("folder", folder, "the folder of the record"))
    if target.exists() and not target.is_dir():
        raise ArgumentError(f"folder: {str(target)!r} is not a folder; name one, which is made where it is missing")
    if not isinstance(name, str):
        raise ArgumentError(f"name: {name!r} is not text; write {str(name)!r}")
    order = order_of_signals(order, ("stored", *restoring.ORDERS))
    signal_format = signal_format_or_default(signal_format)
    found = restoring.restore(read_file(path, follow_links=True), name, order=order, signal_format=signal_format)
    return found.write(target, overwrite=overwrite)


def draw(dicom: PathLike | Dataset, out: PathLike, *, pixels_per_mm: float = 7) -> None:
    """Draw the ECG of a DICOM object on a page of 297 × 210 mm: 25 mm/s, 10 mm/mV.

    Parameters
    ----------
    dicom : path or pydicom.Dataset
        The object, of this package or any other software.
    out : path
        The page: a ``.png``, ``.pdf`` or ``.svg`` file.
    pixels_per_mm : float
        Resolution of a PNG, from 1 to 50; whole numbers keep the grid even.

    Raises
    ------
    EcgError
        When the file does not hold an ECG.
    ConfigError
        When an argument is wrong, such as another extension of `out`.
    OSError
        When a file cannot be read or written.
    """
    from wfdb2dicom.page import draw as drawing

    page = Path(given_path("out", out, "the page to write"))
    kind = page.suffix.lower().removeprefix(".")
    if kind not in drawing.FORMATS:
        raise ArgumentError(f"out: {str(page)!r}: a page is a .{', .'.join(drawing.FORMATS)} file; name one")
    if page.exists() and not page.is_file():
        raise ArgumentError(f"out: {str(page)!r} exists and is not a regular file; give another name")
    drawing.draw(dicom, page, kind, pixels_per_mm=resolution(pixels_per_mm))
