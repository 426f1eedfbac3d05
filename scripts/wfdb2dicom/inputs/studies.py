"""The study CSV: its studies, where their records lie and where their DICOMs go.

Cells are text and stay text. An error in the file as a whole stops the run (`ConfigError`); an error in one row fails
only that study.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.acquisition import as_text, normalise_id, stated_time
from wfdb2dicom.errors import ConfigError, StudyError, SubjectMismatch, describe
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.csv_text import iter_rows, missing_column
from wfdb2dicom.inputs.locator import Locator
from wfdb2dicom.inputs.sex_and_age_columns import read_ages, read_sexes
from wfdb2dicom.inputs.shared_files import Files, find_shared
from wfdb2dicom.inputs.shifted_rows import find_shifted
from wfdb2dicom.inputs.study_ids import MIMIC_STUDY, MIMIC_SUBJECT, IdError, identify, study_key
from wfdb2dicom.words import printable

OTHER_PATH_COLUMNS = ("waveform_path", "file_name")

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHOWN_PATH = 200  # characters of what cannot be a path


class Study(NamedTuple):
    """A row of the study CSV.

    Attributes
    ----------
    study_id, subject_id : str
        Only digits if they are numbers; subject_id is "" if unknown. study_id is never empty: a row whose id cannot be
        used is called ``line-N`` after its line in the CSV.
    record : str
        Path of the record without extension, relative to wfdb_dir; without `path`, what the CSV has in its place, for
        people.
    path : str
        The same as in the CSV (with or without ``files/``): the DICOM's path without ``.dcm``.
    ecg_time : str
        See `wfdb2dicom.acquisition.stated_time`; "" when unknown.
    error : str
        Why the study cannot be converted, as the result CSV says it; "" if no reason is known. With an error, path
        may be empty.
    sex, age : str
        Of the columns for them: CS ``M``, ``F`` or ``O``, and whole years; "" when unknown.
    """

    study_id: str
    subject_id: str
    record: str
    path: str
    ecg_time: str
    error: str
    sex: str = ""
    age: str = ""

    @property
    def dicom(self) -> str:
        """Path of the DICOM relative to dcm_dir; it never leaves it. "" without a path."""
        return self.path + ".dcm" if self.path else ""


def path_prefix(dcm_dir: str) -> str:
    """The prefix to which a DICOM's relative path is appended, so that the result is also the name of a target."""
    return "" if dcm_dir == "." else os.path.join(dcm_dir, "")


class StudyTable(NamedTuple):
    """The studies of a study CSV, in its order, and what the user should know about them, one sentence each."""

    studies: list[Study]
    warnings: tuple[str, ...]


def read_studies(input_csv: Path, columns: StudyColumns, wfdb_dir: Path, locator: Locator | None = None) -> StudyTable:
    """All studies of the CSV.

    Parameters
    ----------
    input_csv : Path
    columns : StudyColumns
        Where ``path``, the default, is missing, ``waveform_path`` and ``file_name`` (if it holds paths) are taken, and
        then MIMIC-IV-ECG's layout of subject and study, or the records that RECORDS in wfdb_dir lists by name.
    wfdb_dir : Path
    locator : Locator, optional
        For wfdb_dir, if the caller needs to know what was looked up.

    Raises
    ------
    ConfigError
        As `iter_rows`; and for a missing column, no rows at all, or a study that has two rows.
    """
    locator = locator or Locator(wfdb_dir)
    places, first, rows = _begin(input_csv, columns, locator.has_records_list)
    subjects: dict[str, str] = {}  # one string for the many studies of a patient
    lines: dict[str, int] = {}
    studies = []
    for line, row in chain([first], rows):
        study_id, error = identify(row[places.study_id], line)
        if (other := lines.setdefault(study_key(study_id), line)) != line:
            raise ConfigError(
                f"input_csv: {input_csv} has the study {study_id} on line {other} and on line {line}. "
                f"Remove one of the rows, or set study_id_col (now {columns.study_id!r}) to the column of ids."
            )
        subject_id = normalise_id(_cell(row, places.subject_id), "p")
        cell = row[places.path] if places.path >= 0 else None
        record, path = printable(cell or "", _SHOWN_PATH) if error else "", ""
        if not error:
            try:
                record, path, subject_id = _place(locator, cell, subject_id, study_id)
            except StudyError as problem:
                record, error = printable(cell or "", _SHOWN_PATH), describe(problem)
        time, sex, age = stated_time(_cell(row, places.ecg_time)), _cell(row, places.sex), _cell(row, places.age)
        subject_id = subjects.setdefault(subject_id, subject_id)
        studies.append(Study(study_id, subject_id, record, path, time, error, sex, age))
    if places.path < 0 and not any(study.record for study in studies) and locator.has_records_list():
        raise ConfigError(
            f"path_col: {input_csv} has no column of paths, and none of the ids in {columns.study_id!r} is the name of "
            "a record in RECORDS of wfdb_dir. Set path_col to its column of paths, or study_id_col to that of names."
        )
    warnings = _interpret(studies) if places.sex >= 0 or places.age >= 0 else ()
    for find in (find_shifted, find_shared):
        valid = [index for index, study in enumerate(studies) if not study.error]
        for position, words in find([Files(s.study_id, s.record, s.path) for s in map(studies.__getitem__, valid)]):
            studies[valid[position]] = studies[valid[position]]._replace(error=words)
    return StudyTable(studies, warnings)


def _cell(row: list[str], place: int) -> str:
    return as_text(row[place]) if place >= 0 else ""


def _interpret(studies: list[Study]) -> tuple[str, ...]:
    """Replace the cells for sex and age by DICOM's values, and return warnings about cells that have none."""
    sexes, of_sexes = read_sexes(study.sex for study in studies)
    ages, of_ages = read_ages(study.age for study in studies)
    studies[:] = [study._replace(sex=sexes[study.sex], age=ages[study.age]) for study in studies]
    return (*of_sexes, *of_ages)


def check_beginning(input_csv: Path, columns: StudyColumns, records_listed: Callable[[], bool]) -> StudyColumns:
    """The columns that are read, "" for those that the file does not have; only its first row is read.

    Parameters
    ----------
    input_csv, columns
        As for `read_studies`.
    records_listed : callable
        Says whether wfdb_dir has a file RECORDS.

    Raises
    ------
    ConfigError
        As `read_studies`, as far as column names and the first row show it.
    """
    places, _, _ = _begin(input_csv, columns, records_listed)
    header, _ = iter_rows(input_csv)
    return StudyColumns(*(header[place] if place >= 0 else "" for place in places))


Row = tuple[int, list[str]]


class _Places(NamedTuple):
    """Indices of the columns of `StudyColumns`, -1 for those that the file does not have."""

    study_id: int
    path: int
    subject_id: int
    ecg_time: int
    sex: int
    age: int


def _begin(
    input_csv: Path, columns: StudyColumns, records_listed: Callable[[], bool]
) -> tuple[_Places, Row, Iterator[Row]]:
    """Places of the columns, first row, and the rows behind it."""
    header, rows = iter_rows(input_csv)
    if columns.study_id not in header:
        raise missing_column("study_id_col", columns.study_id, input_csv, header)
    first = next(rows, None)
    if first is None:
        raise ConfigError(f"input_csv: {input_csv} has column names but no rows. Add a row for each study to convert.")
    optional = [columns.place(name, header, input_csv) for name in ("subject_id", "ecg_time", "sex", "age")]
    path = _path_column(header, first[1], columns)
    if path is None:
        if columns.path not in ("path", "") or (optional[0] < 0 and not records_listed()):
            raise missing_column("path_col", columns.path, input_csv, header)
        path = -1
    return _Places(header.index(columns.study_id), path, *optional), first, rows


def _path_column(header: list[str], row: list[str], columns: StudyColumns) -> int | None:
    """Index of the column of paths; None without one."""
    if columns.path in header:
        return header.index(columns.path)
    if columns.path == "path":
        for name in OTHER_PATH_COLUMNS:
            if name in header and re.search(r"[/\\]", row[header.index(name)]):
                return header.index(name)
    return None


def _place(locator: Locator, cell: str | None, subject_id: str, study_id: str) -> tuple[str, str, str]:
    """Record, path and subject of a row, after checking that they agree about patient and study."""
    if subject_id and not _SUBJECT.fullmatch(subject_id):
        raise IdError(f"subject_id {subject_id[:80]!r} is not an identifier")
    record, path = locator.rebuild(subject_id, study_id) if cell is None else locator.locate(cell)
    if path.endswith(f"/p{subject_id}/s{study_id}/{study_id}"):
        return record, path, subject_id
    subject, *studies = _names_in(path)
    if subject and subject != subject_id and MIMIC_SUBJECT.fullmatch(subject_id):
        raise SubjectMismatch(f"path {path!r} is of subject {subject}, the row of subject {subject_id}")
    for other in studies:
        if other and other != study_id and MIMIC_STUDY.fullmatch(study_id):
            raise SubjectMismatch(f"path {path!r} is of study {other}, the row of study {study_id}")
    return record, path, subject_id or subject


def _names_in(path: str) -> tuple[str, str, str]:
    """Subject and study that the folders ``pNNNNNNNN/sNNNNNNNN`` of a path name, and the study its record is named for.

    "" for those that are not named in the way of MIMIC-IV-ECG.
    """
    patient, study, record = ("", "", *path.rsplit("/", 3))[-3:]
    return (
        patient[1:] if patient[:1] == "p" and MIMIC_SUBJECT.fullmatch(patient, 1) else "",
        study[1:] if study[:1] == "s" and MIMIC_STUDY.fullmatch(study, 1) else "",
        record if MIMIC_STUDY.fullmatch(record) else "",
    )
