"""Records in a ZIP, read in place by batch jobs: the plan holds the offset of each file, so no job reads the directory.

A record that needs wfdb, which reads files by name, is unpacked into a private folder that is locked while it is in
use. `remove_leftovers` removes the folders of processes that were killed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from wfdb2dicom.errors import SignalError, StudyError, name_file
from wfdb2dicom.records.source_file import OPEN_SOURCE, Source
from wfdb2dicom.system.paths import is_below, stamp_of
from wfdb2dicom.system.zip_member import Member, extent, read_member, refuse_bomb

_FOLDER = "wfdb2dicom-zip-"  # followed by the process id


def members_text(members: Mapping[str, Member]) -> str:
    """The files of a record for the plan file: compact JSON, names relative to the folder of the record."""
    return json.dumps([[name, *member[1:]] for name, member in members.items()], separators=(",", ":"))


@lru_cache(maxsize=64)  # `expect` and the two files of each study in a group ask for the same
def parse_members(text: str) -> Mapping[str, Member]:
    """The inverse of `members_text`, except that members have only the last part of their names."""
    return {name: Member(os.path.basename(name), *rest) for name, *rest in json.loads(text or "[]")}


class ZipFiles:
    """The files of records in a ZIP, which stays open as long as this object exists.

    Parameters
    ----------
    path : str
        The ZIP.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, OPEN_SOURCE)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise SignalError(f"{path} is not a regular file")
        self.mtime_ns = status.st_mtime_ns
        self.stamp = stamp_of(self._fd)

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.close(self._fd)

    def expect(self, members: str) -> None:
        """Ask the kernel to fetch the files of a record, see `members_text`."""
        if hasattr(os, "posix_fadvise"):  # not on macOS
            for member in parse_members(members).values():
                with contextlib.suppress(OSError):
                    os.posix_fadvise(self._fd, member.offset, extent(member), os.POSIX_FADV_WILLNEED)

    def open(self, record: str, path: str, members: str) -> Source:
        """A file of a record.

        Parameters
        ----------
        record : str
            Path of the record, beginning with that of the ZIP, without extension.
        path : str
            Path of the file, beginning with that of the ZIP.
        members : str
            The files of the record, see `members_text`.

        Raises
        ------
        FileNotFoundError
            When the ZIP does not contain it.
        """
        name = path.removeprefix(os.path.join(os.path.dirname(record), ""))
        member = parse_members(members).get(name)
        if member is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return _MemberSource(path, self, self._fd, member, self._path)

    @contextlib.contextmanager
    def unpacked(self, record: str, members: str) -> Iterator[tuple[str, str]]:
        """Unpack a record for as long as the context lasts, and give its path, and the root that it lies below.

        Below the root it lies as it does in the ZIP, so that its header may name files of other folders. Errors raised
        in the context name its files as they are in the ZIP.
        """
        place = record.removeprefix(os.path.join(self._path, ""))
        with _private_folder() as root:
            path = os.path.join(root, place)
            for name, member in parse_members(members).items():
                refuse_bomb(member, self._path)
                file = os.path.normpath(os.path.join(os.path.dirname(path), name))
                if not is_below(file, root):
                    continue  # the readers of records refuse such a name
                os.makedirs(os.path.dirname(file), exist_ok=True)
                with self.open(record, os.path.join(os.path.dirname(record), name), members) as source:
                    Path(file).write_bytes(source.read(source.size))
            try:
                yield path, root
            except StudyError as error:
                raise type(error)(str(error).replace(root, self._path)) from error
            except OSError as error:
                if isinstance(error.filename, str):
                    error.filename = error.filename.replace(root, self._path)
                raise


class _MemberSource(Source):
    """A file in a ZIP, decompressed when it is read."""

    __slots__ = ("_member", "_zip")

    def __init__(self, path: str, files: ZipFiles, fd: int, member: Member, zip_path: str) -> None:
        self.path = path
        self.fd = fd
        self.size = member.size
        self.mtime_ns = files.mtime_ns
        self._member = member
        self._zip = zip_path

    def __exit__(self, *_: object) -> None:
        """Keep the ZIP open."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from the start of the file."""
        try:
            content = read_member(self.fd, self._member, self._zip)
        except OSError as error:
            name_file(error, self.path)
            raise
        return content if len(content) <= size else content[:size]


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    """A folder that only this user can open, locked while it is in use and removed at the end; links resolved."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(fd)


def remove_leftovers() -> None:
    """Remove the private folders that were left by killed processes of this user."""
    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        pid = path.name.removeprefix(_FOLDER).partition("-")[0]
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.getuid() and pid.isdecimal() and not _is_running(int(pid)) and _is_free(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _is_free(path: Path) -> bool:
    """Whether no process holds the lock of a folder, not even in another container that shares the file system."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
