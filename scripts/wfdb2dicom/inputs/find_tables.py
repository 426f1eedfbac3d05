"""Tables within wfdb_dir: publishers put the study CSV beside the records, in the same folder or ZIP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wfdb2dicom.inputs.records_list import RECORDS
from wfdb2dicom.inputs.zip_copies import COPIES, copy_of_member
from wfdb2dicom.system.paths import is_zip
from wfdb2dicom.system.zip_directory import find_member

TABLES = ("input_csv", "metadata", "patients")  # the options that name one


def find_tables(options: Mapping[str, Any], *, extract: bool) -> dict[str, str]:
    """The tables that exist relative to wfdb_dir but not relative to the working directory.

    Parameters
    ----------
    options : mapping
        The configuration.
    extract : bool
        Whether to copy tables out of a ZIP; a process that joins a run finds the copies.

    Returns
    -------
    dict
        Option → path of the file.

    Raises
    ------
    ConfigError
        When a table in the ZIP cannot be read.
    """
    found = {}
    for key in TABLES:
        name, root = options[key], options["wfdb_dir"]
        if not name or os.path.isabs(name) or os.path.lexists(name):
            continue
        if is_zip(root):
            path = _in_zip(root, name, extract=extract)
        else:
            path = str(Path(root, name)) if Path(root, name).is_file() else ""
        if path:
            found[key] = path
    return found


def _in_zip(zip_path: str, name: str, *, extract: bool) -> str:
    """The copy of a table in the ZIP; "" if the ZIP has no such table, or the run that is joined made no copy."""
    if extract:
        return copy_of_member(zip_path, name)
    return str(COPIES / name) if (COPIES / name).is_file() else ""


def has_records_list(wfdb_dir: str) -> bool:
    """Whether wfdb_dir, folder or ZIP, has a file RECORDS; does not read the names of all members of a ZIP."""
    if is_zip(wfdb_dir):
        return find_member(wfdb_dir, RECORDS) is not None
    return Path(wfdb_dir, RECORDS).is_file()
