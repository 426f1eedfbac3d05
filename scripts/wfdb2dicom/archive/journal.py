"""The journal of a batch: the objects that are known to have arrived in an archive, a line as soon as one is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.archive.sent_table import ARRIVED
from wfdb2dicom.archive.settings import Archive
from wfdb2dicom.system.lock import locked
from wfdb2dicom.system.regular_file import append_fully, read_fully

_MARKER = "#wfdb2dicom-journal 1 "


class Arrival(NamedTuple):
    """An object that has arrived, see `wfdb2dicom.archive.sent_table.SentObject` for its status."""

    study_id: str
    status: str


class Journal:
    """The objects that have arrived, by SOP Instance UID.

    Attributes
    ----------
    known : dict of str to Arrival
    resumed : bool
        An earlier job wrote to it: objects may have been on their way when that was killed.
    """

    def __init__(self, descriptor: int, archive: Archive) -> None:
        self._descriptor = descriptor
        self.known: dict[str, Arrival] = {}
        text = read_fully(descriptor, os.fstat(descriptor).st_size).decode("utf-8", "surrogateescape")
        self.resumed = bool(text)
        if not text:
            self._append(f"{_MARKER}{archive}\n")
        lines = text.split("\n")
        for line in lines[1:-1]:
            uid, _, rest = line.partition("\t")
            status, _, study_id = rest.partition("\t")
            if status in ARRIVED:
                self.known[uid] = Arrival(study_id, status)
        if lines[-1]:  # the last line was cut off by a power failure
            self._append("\n")

    def add(self, uid: str, arrival: Arrival) -> None:
        """Note an object that has arrived."""
        self.known[uid] = arrival
        self._append(f"{uid}\t{arrival.status}\t{arrival.study_id}\n")

    def _append(self, line: str) -> None:
        append_fully(self._descriptor, line.encode("utf-8", "surrogateescape"))


@contextmanager
def open_journal(folder: Path, archive: Archive, name: str) -> Iterator[Journal]:
    """The journal of a batch for one archive, locked: a job that outlived a killed run is waited for.

    Parameters
    ----------
    folder : Path
        Of all journals.
    archive : StowArchive or DimseArchive
    name : str
        Of the file.
    """
    path = folder / blake2b(str(archive).encode(), digest_size=6).hexdigest() / name
    with locked(path, os.O_APPEND) as descriptor:
        yield Journal(descriptor, archive)
