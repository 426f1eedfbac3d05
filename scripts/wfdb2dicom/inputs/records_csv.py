"""The study CSV that is made of RECORDS where a collection has no other index."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.csv_text import RowWriter
from wfdb2dicom.inputs.locator import Locator
from wfdb2dicom.inputs.records_list import RECORDS, ids_of_records, list_records
from wfdb2dicom.inputs.zip_copies import COPIES, keep_copy
from wfdb2dicom.system.paths import is_below, is_zip
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.system.zip_directory import ZipDirectory


def studies_of_records(options: Mapping[str, Any], found: str, *, write: bool) -> str:
    """The study CSV that takes the place of an `input_csv` named RECORDS.

    It has the columns study_id, path, and folder: the name of the folder that the record lies in, which is the patient
    in collections with a folder for each.

    Parameters
    ----------
    options : mapping
        The configuration; its `input_csv` as the user gave it.
    found : str
        Where `wfdb2dicom.inputs.find_tables.find_tables` found it in wfdb_dir, "" where it exists as given.
    write : bool
        Whether to write the CSV; a process that only joins a run finds it.

    Returns
    -------
    str
        Its path; "" where `input_csv` is not named RECORDS, or does not exist.

    Raises
    ------
    ConfigError
        As `list_records`.
    """
    given, tree = options["input_csv"], options["wfdb_dir"]
    path = Path(found or given)
    if Path(given).name != RECORDS or not path.is_file():
        return ""
    zipped = bool(found) and is_zip(tree)
    # One for each RECORDS of a ZIP: the age of the ZIP does not tell which of them a copy was made of.
    made = COPIES / f"{given if zipped else RECORDS}.csv"

    def make() -> bytes:
        locator = Locator(Path(tree), ZipDirectory(tree) if is_zip(tree) else None)
        folder = os.path.dirname(given) if found else _folder_in(tree, given)
        return _as_csv(list_records(locator.read, path.read_bytes(), os.path.join(folder, "") if folder else ""))

    if write and zipped:
        keep_copy(made, path.stat().st_mtime_ns, make)  # that of the copy of RECORDS is that of the ZIP
    elif write and (content := make()) != _present(made):
        replace_file(made, content)
    return str(made)


def _present(file: Path) -> bytes | None:
    """What a file holds; None where there is none, or something else of this name, which would be waited for."""
    try:
        return read_file(file)
    except OSError:
        return None


def _folder_in(tree: str, file: str) -> str:
    """The folder of a file relative to wfdb_dir; "" for one elsewhere, whose paths count from wfdb_dir."""
    folder, root = os.path.realpath(os.path.dirname(file)), os.path.realpath(tree)
    return os.path.relpath(folder, root) if folder != root and is_below(folder, root) else ""


def _as_csv(records: list[str]) -> bytes:
    if not records:
        raise ConfigError(f"input_csv: {RECORDS} lists no records. Add a line for each record to convert.")
    table = io.StringIO(newline="")
    writer = RowWriter(table)
    writer.write_row(("study_id", "path", "folder"))
    for record, study_id in ids_of_records(records).items():
        writer.write_row((study_id, record, os.path.basename(os.path.dirname(record))))
    return table.getvalue().encode("utf-8")
