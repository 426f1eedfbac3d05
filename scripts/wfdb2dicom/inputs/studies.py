"""The study CSV: which studies there are, where their records lie and where their DICOMs go.

Cells are text and stay text. What is wrong with the file as a whole stops the run (`ConfigError`); what is wrong with
one row is that study's error and nobody else's.

Forms of ``path`` that are understood, for the record ``files/p1000/p10000032/s40689238/40689238``: with or without
``files/``, with the folder of the data set in front, with ``.hea``, ``.dat`` or ``.mat``, absolute within wfdb_dir,
with back-slashes, under the column name ``waveform_path`` or ``file_name``, or no path at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.acquisition import as_text, normalise_id, stated_time
from wfdb2dicom.errors import ConfigError, PathError, StudyError, SubjectMismatch, describe
from wfdb2dicom.inputs.csv_text import iter_rows, missing_column
from wfdb2dicom.inputs.shared_files import Files, find_shared
from wfdb2dicom.system.zip_directory import ZipDirectory

__all__ = ["IdError", "Locator", "Study", "identify", "iter_rows", "read_studies", "study_key"]

OTHER_PATH_COLUMNS = ("waveform_path", "file_name")

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROUNDED = re.compile(r"[0-9]*\.[0-9]+|[0-9.]+e[+-]?[0-9]+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:/")
_SUFFIXES = frozenset({".hea", ".dat", ".mat"})
_USUAL_PATH = re.compile(r"(?:files/)?p[0-9]{4}/p[0-9]{8}/s[0-9]{8}/[0-9]{8}")  # nothing about it needs tidying
# All that stands before `files/pNNNN…/`, or the data set's folder where `files/` has been left out.
_DATA_SET = re.compile(r".*/(?=files/p[0-9]{4,}/)|mimic-iv-ecg[^/]*/(?:[0-9.]+/)?(?=.)", re.IGNORECASE)
_MIMIC_STUDY = re.compile(r"[0-9]{8,9}")
_MIMIC_SUBJECT = re.compile(r"[0-9]{8}")

_LONGEST_NAME = 255 - len(".dcm") - 24  # bytes: file systems allow 255, and the temporary name needs a few more
_LONGEST_PATH = 2048


class IdError(StudyError):
    """An id that is missing or no identifier."""


class Study(NamedTuple):
    """A row of the study CSV.

    Attributes
    ----------
    study_id, subject_id : str
        Digits where they are numbers; subject_id is "" when unknown. study_id is never empty: a row whose id cannot
        be used is called ``line-N`` after its line in the CSV.
    record : str
        Path of the record without extension, relative to wfdb_dir.
    path : str
        The same as the CSV names it (with or without ``files/``): the DICOM's path without ``.dcm``.
    ecg_time : str
        See `wfdb2dicom.acquisition.stated_time`; "" when unknown.
    error : str
        Why the study cannot be converted, in the words of the result CSV; "" if nothing is known against it. Then
        record and path may be empty, and must not be used.
    """

    study_id: str
    subject_id: str
    record: str
    path: str
    ecg_time: str
    error: str

    @property
    def dicom(self) -> str:
        """Path of the DICOM relative to dcm_dir; it never leaves it. "" without a path."""
        return self.path + ".dcm" if self.path else ""


def path_prefix(dcm_dir: str) -> str:
    """What the relative path of a DICOM is appended to, so that the path is also the name of a target."""
    return "" if dcm_dir == "." else os.path.join(dcm_dir, "")


def identify(cell: str, line: int) -> tuple[str, str]:
    """The study_id of a row from its cell and line, and the error for a cell that is no id.

    The study_id is what `Study`, plan and receipt call the row.
    """
    if _MIMIC_STUDY.fullmatch(cell):
        return cell, ""
    study_id = normalise_id(as_text(cell), "s")
    if _IDENTIFIER.fullmatch(study_id) and not _ROUNDED.fullmatch(study_id):
        return study_id, ""
    shown = repr(cell if len(cell) <= 80 else cell[:80] + "…")
    if not study_id:
        reason = f"the study_id in line {line} is empty"
    elif _ROUNDED.fullmatch(study_id):
        reason = f"study_id {shown} in line {line} is a rounded number; export the column as whole numbers or text"
    else:
        reason = (
            f"study_id {shown} in line {line} is no identifier; it may have 64 letters A-Z, digits, '.', '_' and '-', "
            "and begins with a letter or digit"
        )
    return f"line-{line}", describe(IdError(reason))


def study_key(study_id: str) -> str:
    """What two spellings of one study_id have in common: ``00012`` of a text column is ``12`` of a number column."""
    return study_id.lstrip("0") or "0" if study_id.isdecimal() else study_id


class Locator:
    """Turns paths as CSVs name them into paths of records below wfdb_dir.

    Whether ``files/`` stands between wfdb_dir and a folder is looked up once for each top folder (1,000 of them in
    MIMIC-IV-ECG, not 800,035 records), so trees and CSVs that mix both forms come out right.

    Parameters
    ----------
    wfdb_dir : Path
    directory : ZipDirectory, optional
        Of wfdb_dir, where that is a ZIP.

    Attributes
    ----------
    answers : dict
        What was asked of the disk, and whether it was there: all that the results depend on besides the arguments.
        Paths relative to wfdb_dir; those of folders end in a slash. Empty for a ZIP, which is asked no disk.
    """

    def __init__(self, wfdb_dir: Path, directory: ZipDirectory | None = None) -> None:
        self._directory = directory
        self.answers: dict[str, bool] = {}
        self._root = os.path.abspath(wfdb_dir)
        self._roots = tuple({root.rstrip("/") + "/" for root in (self._root, os.path.realpath(wfdb_dir))})
        self._name = directory.top if directory else os.path.basename(self._root)
        self._prefixes: dict[str, str | None] = {}

    def locate(self, cell: str) -> tuple[str, str]:
        """Record relative to wfdb_dir, and path for the DICOM, both without extension.

        Raises
        ------
        PathError
            When there is no path, it leaves wfdb_dir, or it cannot be a file name.
        """
        path = self._tidy(cell)
        if self._stands(path):  # as it is written goes first
            return path, path
        if match := _DATA_SET.match(path):
            path = path[match.end() :]
        top, separator, rest = path.partition("/")
        if separator and top == self._name and top != "files" and not self._is_folder(top):
            path = rest  # the CSV counts from the folder above wfdb_dir
        if self._stands(path):  # also where there is the same below files/
            return path, path
        bare = path[6:] if path.startswith("files/") else path
        folder, separator, _ = bare.partition("/")
        prefix = self._prefix(folder) if separator else self._prefix_of_record(bare)
        if prefix is None:  # neither is there: the message about the missing file shall name the CSV's path
            return path, path
        record = prefix + bare
        return (path, path) if record == path else (record, path)

    def rebuild(self, subject_id: str, study_id: str) -> tuple[str, str]:
        """`locate` for a row without a path: MIMIC-IV-ECG's, or that of its demo where wfdb_dir is laid out so."""
        if not (_MIMIC_SUBJECT.fullmatch(subject_id) and study_id.isdecimal()):
            raise PathError(
                f"the CSV has no path, and none can be made of subject_id {subject_id!r} and study_id {study_id!r}; "
                "add a column of paths and name it in path_col"
            )
        record = f"p{subject_id}/s{study_id}/{study_id}"
        group = f"p{subject_id[:4]}"
        if self._prefix(group) is None and self._prefix(f"p{subject_id}") is not None:
            return self.locate(f"files/{record}")
        return self.locate(f"files/{group}/{record}")

    def _tidy(self, cell: str) -> str:
        """The path relative to wfdb_dir as the cell names it: forward slashes, no extension."""
        if _USUAL_PATH.fullmatch(cell):
            return cell
        path = cell.strip().replace("\\", "/")
        shown = repr(cell if len(cell) <= 200 else cell[:200] + "…")
        if not path:
            raise PathError("the path is empty")
        if _CONTROL.search(path):
            raise PathError(f"path {shown} holds a control character")
        if path[0] == "/" or _DRIVE.match(path):
            root = next((r for r in self._roots if path.startswith(r)), None)
            if root is None:
                raise PathError(f"path {shown} is not in wfdb_dir {self._root!r}")
            path = path[len(root) :]
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise PathError(f"path {shown} leaves its folder by '..'")
        path = "/".join(parts)
        if path[-4:].lower() in _SUFFIXES and path[-5:-4] not in ("", "/"):
            path = path[:-4]
        if not path:
            raise PathError(f"path {shown} names no record")
        if len(path) * 4 > _LONGEST_NAME:
            _require_short(path, shown)
        return path

    def _stands(self, path: str) -> bool:
        """Whether the folder that a path begins with is below wfdb_dir; behind ``files``, the one that follows it."""
        folder, separator, _ = path.rpartition("/")
        top, *rest = folder.split("/", 2)
        lead = f"files/{rest[0]}" if top == "files" and rest else top
        return bool(separator) and self._is_folder(lead)

    def _prefix(self, folder: str) -> str | None:
        """What stands before a folder on disk, ``files/`` or nothing; None where it is in neither place."""
        try:
            return self._prefixes[folder]
        except KeyError:
            found = next((prefix for prefix in ("files/", "") if self._is_folder(prefix + folder)), None)
            self._prefixes[folder] = found
            return found

    def _prefix_of_record(self, name: str) -> str | None:
        """The same for a record that lies in no folder of its own."""
        if self._prefix(".") == "":  # no folder files/ in wfdb_dir
            return ""
        places = ("", "files/")
        return next((p for p in places if self._ask(f"{p}{name}.hea")), None)

    def _is_folder(self, path: str) -> bool:
        known = self.answers.get(path + "/")
        return self._ask(path + "/") if known is None else known

    def _ask(self, path: str) -> bool:
        if self._directory is not None:
            return self._directory.has(path)
        test = os.path.isdir if path.endswith("/") else os.path.exists
        answer = self.answers[path] = test(f"{self._root}/{path}")
        return answer

    def answers_are(self, answers: Mapping[str, bool]) -> bool:
        """Whether the disk still answers what was asked of it as it did then."""
        return all(self._ask(path) == answer for path, answer in answers.items())


def _require_short(path: str, shown: str) -> None:
    *folders, name = path.split("/")
    if len(name.encode()) > _LONGEST_NAME or any(len(folder.encode()) > 255 for folder in folders):
        raise PathError(f"path {shown} has a name longer than file systems allow; shorten it")
    if len(path.encode()) > _LONGEST_PATH:
        raise PathError(f"path {shown} is longer than {_LONGEST_PATH} bytes; shorten it")


def read_studies(
    input_csv: Path, study_id_col: str, path_col: str, wfdb_dir: Path, locator: Locator | None = None
) -> list[Study]:
    """All studies of the CSV, in its order.

    Parameters
    ----------
    path_col
        Column of the paths. Where ``path``, the default, is missing, ``waveform_path`` and ``file_name`` (if it holds
        paths) are taken, and then MIMIC-IV-ECG's layout of subject_id and study_id. Any other name must be there;
        "" means that there is no path.
    locator : Locator, optional
        For wfdb_dir, of a caller that wants to know what it asks.

    Raises
    ------
    ConfigError
        As `iter_rows`; and for a missing column, no rows at all, or a study that stands twice.
    """
    header, first, rows, path_at = _begin(input_csv, study_id_col, path_col)
    id_at = header.index(study_id_col)
    subject_at = header.index("subject_id") if "subject_id" in header else -1
    time_at = header.index("ecg_time") if "ecg_time" in header else -1
    locator = locator or Locator(wfdb_dir)
    subjects: dict[str, str] = {}  # one string for the many studies of a patient
    lines: dict[str, int] = {}
    studies = []
    for line, row in chain([first], rows):
        study_id, error = identify(row[id_at], line)
        if (other := lines.setdefault(study_key(study_id), line)) != line:
            raise ConfigError(
                f"input_csv: {input_csv} has the study {study_id} on line {other} and on line {line}. "
                f"Remove one of the rows, or set study_id_col (now {study_id_col!r}) to the column of ids."
            )
        subject_id = normalise_id(as_text(row[subject_at]), "p") if subject_at >= 0 else ""
        record = path = ""
        if not error:
            try:
                cell = row[path_at] if path_at >= 0 else None
                record, path, subject_id = _place(locator, cell, subject_id, study_id)
            except StudyError as problem:
                error = describe(problem)
        time = stated_time(as_text(row[time_at])) if time_at >= 0 else ""
        studies.append(Study(study_id, subjects.setdefault(subject_id, subject_id), record, path, time, error))
    valid = [index for index, study in enumerate(studies) if not study.error]
    for position, words in find_shared([Files(s.study_id, s.record, s.path) for s in map(studies.__getitem__, valid)]):
        studies[valid[position]] = studies[valid[position]]._replace(error=words)
    return studies


def check_beginning(input_csv: Path, study_id_col: str, path_col: str) -> str:
    """The column of the paths, "" if they are rebuilt; without reading more than column names and first row.

    Raises
    ------
    ConfigError
        That of `read_studies`, for what these show.
    """
    header, _, _, place = _begin(input_csv, study_id_col, path_col)
    return header[place] if place >= 0 else ""


Row = tuple[int, list[str]]


def _begin(input_csv: Path, study_id_col: str, path_col: str) -> tuple[list[str], Row, Iterator[Row], int]:
    """Column names, first row, the rows behind it, and the index of the column of paths, -1 if they are rebuilt."""
    header, rows = iter_rows(input_csv)
    if study_id_col not in header:
        raise missing_column("study_id_col", study_id_col, input_csv, header)
    first = next(rows, None)
    if first is None:
        raise ConfigError(f"input_csv: {input_csv} has column names but no rows. Add a row for each study to convert.")
    return header, first, rows, _path_column(header, first[1], path_col, input_csv)


def _path_column(header: list[str], row: list[str], path_col: str, input_csv: Path) -> int:
    """Index of the column of paths, -1 if they are to be rebuilt."""
    if path_col in header:
        return header.index(path_col)
    if path_col == "path":
        for name in OTHER_PATH_COLUMNS:
            if name in header and re.search(r"[/\\]", row[header.index(name)]):
                return header.index(name)
    if path_col in ("path", "") and "subject_id" in header:
        return -1
    raise missing_column("path_col", path_col, input_csv, header)


def _place(locator: Locator, cell: str | None, subject_id: str, study_id: str) -> tuple[str, str, str]:
    """Record, path and subject of a row, in which all three say the same of patient and study."""
    if subject_id and not _IDENTIFIER.fullmatch(subject_id):
        raise IdError(f"subject_id {subject_id[:80]!r} is no identifier")
    record, path = locator.rebuild(subject_id, study_id) if cell is None else locator.locate(cell)
    if path.endswith(f"/p{subject_id}/s{study_id}/{study_id}"):
        return record, path, subject_id
    subject, *studies = _names_in(path)
    if subject and subject != subject_id and _MIMIC_SUBJECT.fullmatch(subject_id):
        raise SubjectMismatch(f"path {path!r} is of subject {subject}, the row of subject {subject_id}")
    for other in studies:
        if other and other != study_id and _MIMIC_STUDY.fullmatch(study_id):
            raise SubjectMismatch(f"path {path!r} is of study {other}, the row of study {study_id}")
    return record, path, subject_id or subject


def _names_in(path: str) -> tuple[str, str, str]:
    """Subject and study that the folders ``pNNNNNNNN/sNNNNNNNN`` of a path name, and the study its record is named for.

    "" for those that are not named in the way of MIMIC-IV-ECG.
    """
    patient, study, record = ("", "", *path.rsplit("/", 3))[-3:]
    return (
        patient[1:] if patient[:1] == "p" and _MIMIC_SUBJECT.fullmatch(patient, 1) else "",
        study[1:] if study[:1] == "s" and _MIMIC_STUDY.fullmatch(study, 1) else "",
        record if _MIMIC_STUDY.fullmatch(record) else "",
    )
