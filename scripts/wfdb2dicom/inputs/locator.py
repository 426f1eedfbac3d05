"""Where records lie below wfdb_dir, whatever form their paths have in the study CSV.

These forms of ``path`` are understood for the record ``files/p1000/p10000032/s40689238/40689238``: with or without
``files/``, after the folder of the data set, with ``.hea``, ``.dat`` or ``.mat``, absolute within wfdb_dir, with
backslashes, or no path at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from wfdb2dicom.errors import ConfigError, PathError, SignalError
from wfdb2dicom.inputs.records_list import RECORDS, list_records, records_by_name
from wfdb2dicom.inputs.study_ids import MIMIC_SUBJECT, study_key
from wfdb2dicom.system.paths import WFDB_SUFFIXES, stamp_of
from wfdb2dicom.system.zip_directory import ZipDirectory

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:/")
_USUAL_PATH = re.compile(r"(?:files/)?p[0-9]{4}/p[0-9]{8}/s[0-9]{8}/[0-9]{8}")  # nothing about it needs tidying
# Whatever precedes `files/pNNNN…/`, or the data set's folder if `files/` has been left out.
_DATA_SET = re.compile(r".*/(?=files/p[0-9]{4,}/)|mimic-iv-ecg[^/]*/(?:[0-9.]+/)?(?=.)", re.IGNORECASE)

_LONGEST_NAME = 255 - len(".dcm") - 24  # bytes: file systems allow 255, and the temporary name needs a few more
_LONGEST_PATH = 2048


class Locator:
    """Converts paths in the study CSV to paths of records below wfdb_dir.

    Whether a folder is below ``files/`` or directly below wfdb_dir is looked up once per top folder (1,000 of them in
    MIMIC-IV-ECG, not 800,035 records), so trees and CSVs may mix both forms.

    Parameters
    ----------
    wfdb_dir : Path
    directory : ZipDirectory, optional
        Of wfdb_dir, where that is a ZIP.

    Attributes
    ----------
    answers : dict
        Paths that were looked up on disk, relative to wfdb_dir, those of folders with a slash at the end; and whether
        they exist, or the stamp of a file that was read. The results depend on nothing else besides the arguments.
        Empty for a ZIP, whose own stamp shows whether it has changed.
    """

    def __init__(self, wfdb_dir: Path, directory: ZipDirectory | None = None) -> None:
        self._directory = directory
        self.answers: dict[str, bool | str] = {}
        self._root = os.path.abspath(wfdb_dir)
        self._roots = tuple({root.rstrip("/") + "/" for root in (self._root, os.path.realpath(wfdb_dir))})
        self._name = directory.top if directory else os.path.basename(self._root)
        self._prefixes: dict[str, str | None] = {}

    def locate(self, cell: str) -> tuple[str, str]:
        """Record relative to wfdb_dir, and path for the DICOM, both without extension.

        Raises
        ------
        PathError
            When the path is empty, leaves wfdb_dir, or cannot be the name of a file.
        """
        path = self._tidy(cell)
        if self._exists(path):  # as it is written goes first
            return path, path
        if match := _DATA_SET.match(path):
            path = path[match.end() :]
        top, separator, rest = path.partition("/")
        if separator and top == self._name and top != "files" and not self._is_folder(top):
            path = rest  # the CSV counts from the folder above wfdb_dir
        if self._exists(path):  # also where there is the same below files/
            return path, path
        bare = path[6:] if path.startswith("files/") else path
        folder, separator, _ = bare.partition("/")
        prefix = self._prefix(folder) if separator else self._prefix_of_record(bare)
        if prefix is None:  # the message about the missing file must name the path of the CSV
            return path, path
        record = prefix + bare
        return (path, path) if record == path else (record, path)

    def rebuild(self, subject_id: str, study_id: str) -> tuple[str, str]:
        """`locate` for a row without a path.

        Ids of MIMIC-IV-ECG give its path, or that of its demo if wfdb_dir has that layout. Any other study is the
        record in RECORDS whose name or path is its id.
        """
        if not (MIMIC_SUBJECT.fullmatch(subject_id) and study_id.isdecimal()):
            if not self.has_records_list():
                raise PathError(
                    f"the CSV has no path, and none can be made of subject_id {subject_id!r} and study_id "
                    f"{study_id!r}; add a column of paths and name it in path_col"
                )
            path = self._tidy(self._listed(study_id))
            return path, path
        record = f"p{subject_id}/s{study_id}/{study_id}"
        group = f"p{subject_id[:4]}"
        if self._prefix(group) is None and self._prefix(f"p{subject_id}") is not None:
            return self.locate(f"files/{record}")
        return self.locate(f"files/{group}/{record}")

    def has_records_list(self) -> bool:
        """Whether wfdb_dir has a file RECORDS."""
        return self._ask(RECORDS)

    def _listed(self, study_id: str) -> str:
        """The record in RECORDS that has this name or path."""
        found = self._records.get(study_key(study_id), [])
        if len(found) == 1:
            return found[0]
        reason = f"{len(found)} records in RECORDS have the name" if found else "no record in RECORDS has the name"
        raise PathError(
            f"the CSV has no path, and {reason} {study_id!r}; set study_id_col to the column of the records' names, or "
            "path_col to one of paths"
        )

    @cached_property
    def _records(self) -> dict[str, list[str]]:
        """The records in RECORDS by their names and by their paths."""
        return records_by_name(list_records(self.read, self.read(RECORDS) or b""))

    def read(self, path: str) -> bytes | None:
        """Content of a small file; None where there is none.

        Raises
        ------
        ConfigError
            When it cannot be read.
        """
        try:
            if self._directory is not None:
                return self._directory.read(path)
            self.answers[path] = self._stamp(path)
            file = Path(self._root, path)
            return file.read_bytes() if file.is_file() else None
        except (OSError, SignalError) as error:
            raise ConfigError(f"wfdb_dir: {path} cannot be read: {error}") from error

    def _tidy(self, cell: str) -> str:
        """The path of a cell relative to wfdb_dir, with forward slashes and without extension."""
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
        if path[-4:].lower() in WFDB_SUFFIXES and path[-5:-4] not in ("", "/"):
            path = path[:-4]
        if not path:
            raise PathError(f"path {shown} names no record")
        if len(path) * 4 > _LONGEST_NAME:
            _require_short(path, shown)
        return path

    def _exists(self, path: str) -> bool:
        """Whether the first folder of a path exists in wfdb_dir; after ``files``, the second one."""
        folder, separator, _ = path.rpartition("/")
        top, *rest = folder.split("/", 2)
        lead = f"files/{rest[0]}" if top == "files" and rest else top
        return bool(separator) and self._is_folder(lead)

    def _prefix(self, folder: str) -> str | None:
        """What precedes a folder on disk, ``files/`` or nothing; None if it does not exist in either place."""
        try:
            return self._prefixes[folder]
        except KeyError:
            found = next((prefix for prefix in ("files/", "") if self._is_folder(prefix + folder)), None)
            self._prefixes[folder] = found
            return found

    def _prefix_of_record(self, name: str) -> str | None:
        """The same for a record without a folder of its own."""
        if self._prefix(".") == "":  # no folder files/ in wfdb_dir
            return ""
        places = ("", "files/")
        return next((p for p in places if self._ask(f"{p}{name}.hea")), None)

    def _is_folder(self, path: str) -> bool:
        known = self.answers.get(path + "/")
        return self._ask(path + "/") if known is None else bool(known)

    def _ask(self, path: str) -> bool:
        if self._directory is not None:
            return self._directory.has(path)
        self.answers[path] = answer = self._is_there(path)
        return answer

    def _is_there(self, path: str) -> bool:
        test = os.path.isdir if path.endswith("/") else os.path.exists
        return test(f"{self._root}/{path}")

    def _stamp(self, path: str) -> str:
        return stamp_of(f"{self._root}/{path}")

    def unchanged_since(self, answers: Mapping[str, bool | str]) -> bool:
        """Whether looking up the same paths again gives the same answers."""
        return all(
            (self._stamp(path) if isinstance(answer, str) else self._is_there(path)) == answer
            for path, answer in answers.items()
        )


def _require_short(path: str, shown: str) -> None:
    *folders, name = path.split("/")
    if len(name.encode()) > _LONGEST_NAME or any(len(folder.encode()) > 255 for folder in folders):
        raise PathError(f"path {shown} has a name longer than file systems allow; shorten it")
    if len(path.encode()) > _LONGEST_PATH:
        raise PathError(f"path {shown} is longer than {_LONGEST_PATH} bytes; shorten it")
