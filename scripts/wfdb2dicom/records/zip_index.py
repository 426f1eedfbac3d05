"""Finding the files of records in a ZIP: once, while a run is planned. Jobs read them at the offsets noted here."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import NamedTuple

from wfdb2dicom.errors import StudyError, describe
from wfdb2dicom.records.source_file import MAX_HEADER_BYTES
from wfdb2dicom.records.stamps import named_files
from wfdb2dicom.records.zip_source import members_text
from wfdb2dicom.system.zip_directory import ZipDirectory
from wfdb2dicom.system.zip_member import Member, read_member


class ZipRecord(NamedTuple):
    """The files of a record in a ZIP.

    Attributes
    ----------
    sources : str
        ``size:CRC-32`` of each file, comma separated, the header first, ``-`` for one that is missing.
    members : str
        Their offsets, see `wfdb2dicom.records.zip_source.members_text`.
    error : str
        Why the record cannot be read, in the words of the result CSV.
    """

    sources: str
    members: str
    error: str


class ZipIndex:
    """Finds the files of records in a ZIP.

    Parameters
    ----------
    path : str
        The ZIP.

    Raises
    ------
    ConfigError
        When it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.directory = ZipDirectory(path)
        self._path = path

    def find(self, records: Iterable[str]) -> list[ZipRecord]:
        """The files of each record (path without extension)."""
        wanted = list(records)
        counts = self.directory.neighbours([f"{record}.hea" for record in wanted])
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return [self._find(record, count, fd) for record, count in zip(wanted, counts, strict=True)]
        finally:
            os.close(fd)

    def _find(self, record: str, neighbours: int, fd: int) -> ZipRecord:
        try:
            header = self.directory.member(f"{record}.hea")
            if header is None:
                return ZipRecord("-,-", "", self._missing(f"{record}.hea"))
            signals = [self.directory.member(f"{record}.{kind}") for kind in ("dat", "mat")]
            files = {f"{record}.hea": header} | {f"{record}{m.name[-4:]}": m for m in signals if m}
            # A record that is alone in its folder has no other files, so its header need not be read here.
            if neighbours > len(files) or len(files) == 1:
                files |= self._named(record, fd)
        except StudyError as error:
            return ZipRecord("-,-", "", describe(error))
        sources = [f"{member.size}:{member.crc}" for member in files.values()]
        folder = os.path.dirname(record)
        members = {_relative(name, folder): member for name, member in files.items()}
        return ZipRecord(",".join(sources if len(sources) > 1 else [*sources, "-"]), members_text(members), "")

    def _named(self, record: str, fd: int) -> dict[str, Member]:
        """The files that a header names and the ZIP has; the job reports those that are missing."""

        def read_text(path: str) -> bytes:
            member = self.directory.member(path)
            if member is None or member.size > MAX_HEADER_BYTES:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return read_member(fd, member, self._path)

        found = {}
        for path in named_files(record, read_text):
            path = os.path.normpath(path)
            if member := self.directory.member(path):
                found[path] = member
        return found

    def _missing(self, name: str) -> str:
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.path.join(self._path, name))
        other = self.directory.alike(name)
        if not other:
            return describe(missing)
        # WFDB knows no other extension, so no path in input_csv would find a .HEA.
        remedy = (
            "correct the path in input_csv" if other.endswith(".hea") else "rename it to .hea, and pack the ZIP again"
        )
        return f"{describe(missing)}; the ZIP has {other!r}: {remedy}"


def _relative(path: str, folder: str) -> str:
    """`os.path.relpath`, many times as fast for nearly all files: those in the record's own folder."""
    parent, _, name = path.rpartition("/")
    return name if parent == folder else os.path.relpath(path, folder or ".")
