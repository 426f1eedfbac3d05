"""RECORDS, the list of a collection's records as PhysioNet publishes it: in place of a study CSV, or of its paths.

A line of RECORDS is the path of a record, or, with a slash at its end, a folder that has a RECORDS of its own. Paths
are relative to the folder of the file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from wfdb2dicom.acquisition import as_text, normalise_id
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.study_ids import study_key

RECORDS = "RECORDS"

ReadFile = Callable[[str], bytes | None]
"""Content of a file below wfdb_dir, None where there is none."""


def list_records(read: ReadFile, content: bytes, folder: str = "") -> list[str]:
    """The records that a RECORDS file lists, in its order and each once.

    Parameters
    ----------
    read : callable
    content : bytes
        Of the file.
    folder : str
        The file's, relative to wfdb_dir, with a slash at its end; "" for wfdb_dir itself.

    Returns
    -------
    list of str
        Paths relative to wfdb_dir.

    Raises
    ------
    ConfigError
        When a RECORDS that another one names is missing, or is not UTF-8 text.
    """
    return list(dict.fromkeys(_records(read, content, folder, {folder})))


def _records(read: ReadFile, content: bytes, folder: str, visited: set[str]) -> Iterator[str]:
    for line in _lines(content, folder):
        path = folder + line
        if not line.endswith("/"):
            yield path
            continue
        path = os.path.normpath(path) + "/" if os.path.normpath(path) != "." else ""
        if path in visited:
            continue
        visited.add(path)
        inner = None if path.startswith(("/", "../")) else read(path + RECORDS)
        if inner is None:
            raise ConfigError(
                f"input_csv: {folder}{RECORDS} lists the folder {line[:200]!r}, but wfdb_dir has no "
                f"{path[:200]}{RECORDS}: fetch it, or remove the line"
            )
        yield from _records(read, inner, path, visited)


def _lines(content: bytes, folder: str) -> Iterator[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"input_csv: {folder}{RECORDS} is not UTF-8 text (byte 0x{content[error.start]:02x}). Save it as UTF-8."
        ) from error
    return filter(None, map(str.strip, text.split("\n")))


def ids_of_records(records: Iterable[str]) -> dict[str, str]:
    """The study id of each record: its name, or its path where several records have one name."""
    names = {record: record.rpartition("/")[2] for record in records}
    keys = {record: study_key(normalise_id(as_text(name), "s")) for record, name in names.items()}
    counts = Counter(keys.values())
    return {record: name if counts[keys[record]] == 1 else record for record, name in names.items()}


def records_by_name(records: Iterable[str]) -> dict[str, list[str]]:
    """The records that a study CSV without paths may mean by an id: those with that name or path, by `study_key`."""
    found: dict[str, list[str]] = {}
    for record in records:
        for key in {study_key(normalise_id(record.rpartition("/")[2], "s")), record}:
            found.setdefault(key, []).append(record)
    return found
