"""Writing below one root: whole files or none, and never outside.

A file is written under a temporary name in its own folder, read back, and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
import time
from typing import NamedTuple

from wfdb2dicom.errors import OutputError, PathError, ValidationFailed
from wfdb2dicom.system.current_run import current_run
from wfdb2dicom.system.folders import Folder, Folders
from wfdb2dicom.system.regular_file import open_regular, read_fully, write_fully

# Errors that the study's own path causes; every other error of the output tree stops the job.
_STUDY_ERRNOS = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EILSEQ}
# Containers may share the host's name and process numbers, so the name of a writer has a random part.
_HOST = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:24] + secrets.token_hex(4)
_TEMPORARY = re.compile(r"\..+\.[A-Za-z0-9]+-\d+\.part").fullmatch
_STALE_AGE = 24 * 3600  # seconds after which a temporary file counts as abandoned where files cannot be locked


class Written(NamedTuple):
    """Size in bytes and modification time (ns) of a file."""

    size: int
    mtime_ns: int


def _output_error(path: str, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path!r}: {error.strerror or error}; no result is lost; fix the cause and run again"
    )


class OutputTree:
    """A folder, and the files to write below it.

    Unlike `wfdb2dicom.system.whole_file`, which needs the folder to belong to one run, several runs may write here at
    the same time, also from different hosts and where files cannot be locked: each writer has temporary names of its
    own, and what killed writers left is removed when a folder is first entered.

    Parameters
    ----------
    root : str
        The folder; it is made when it is missing.
    make : bool
        Whether to make it. A tree that is only read from may be missing, and has no files then.
    """

    def __init__(self, root: str, *, make: bool = True) -> None:
        self.root = root
        if make:
            try:
                os.makedirs(root, exist_ok=True)
            except OSError as error:
                raise _output_error(root, error) from error
        self._folders = Folders(root)
        self._device = os.stat(root).st_dev if make else -1  # -1 is the device of no file system
        self._seen: set[str] = set()

    def path(self, relative: str) -> str:
        """The path of a file of this tree as the user wrote the root."""
        return os.path.join(self.root, relative)

    def exists(self, relative: str) -> bool:
        """Whether the tree has a file or link of this name."""
        return os.path.lexists(self.path(relative))

    def read(self, relative: str, size: int, most: int = 0) -> tuple[bytes, int] | None:
        """Content and mtime_ns of a file that has `size` bytes, or up to `most`; None for any other or none.

        Links are not followed: a link in the file's place is not a file that this program wrote.
        """
        try:
            fd = open_regular(self.path(relative))
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if not size <= status.st_size <= max(size, most):
                return None
            content = read_fully(fd, status.st_size)
            return (content, status.st_mtime_ns) if len(content) == status.st_size else None
        except OSError:
            return None
        finally:
            os.close(fd)

    def write(self, relative: str, content: bytes) -> Written:
        """Write a file so that its name never holds a part of it, and compare what is on disk before it counts.

        Raises
        ------
        PathError
            When the path leaves the root, or the file system cannot hold such a name.
        ValidationFailed
            When reading the file back does not give the content.
        OutputError
            When the tree cannot be written at all: full, read-only, forbidden.
        """
        folder, name = os.path.split(relative)
        path = self.path(relative)
        try:
            try:
                return self._write(folder, name, content, path)
            except FileNotFoundError:  # a folder that was entered before is gone
                self._folders.leave()
                return self._write(folder, name, content, path)
        except OSError as error:
            if error.errno in _STUDY_ERRNOS:
                raise PathError(f"cannot write {path!r}: {error.strerror}; rename the study's path") from error
            raise _output_error(path, error) from error

    def _write(self, folder: str, name: str, content: bytes, path: str) -> Written:
        entered = self._folders.enter(folder)
        self._sweep(folder, entered)
        written = _replace(entered.fd, name, content, path)
        if entered.device != self._device:  # the sync of the root's file system will not reach this one
            _sync(entered.fd, name)
        return written

    def tidy(self, relative: str) -> None:
        """Remove what killed writers left beside a file that needs no writing."""
        folder = os.path.dirname(relative)
        if folder not in self._seen:
            with contextlib.suppress(PathError, OutputError, OSError):
                self._sweep(folder, self._folders.enter(folder))

    def close(self) -> None:
        """Close the folders; a later call enters them again."""
        self._folders.leave()

    def _sweep(self, path: str, folder: Folder) -> None:
        """Remove what killed writers left in a folder, the first time it is entered."""
        if path in self._seen:
            return
        self._seen.add(path)
        for name in [] if folder.new else os.listdir(folder.fd):
            if _TEMPORARY(name) and _is_abandoned(name, folder.fd):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder.fd)


def _sync(folder: int, name: str) -> None:
    fd = open_regular(name, dir_fd=folder)
    try:
        os.fsync(fd)
        os.fsync(folder)
    finally:
        os.close(fd)


def _is_abandoned(name: str, folder: int) -> bool:
    """Whether a temporary file's writer is dead: a writer holds a lock on it, and locks end with their process."""
    try:
        fd = open_regular(name, os.O_RDWR, dir_fd=folder)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return time.time() - os.fstat(fd).st_mtime > _STALE_AGE
    finally:
        os.close(fd)


def _replace(folder: int, name: str, content: bytes, path: str) -> Written:
    try:
        return _try_replace(folder, name, content, path)
    except FileNotFoundError:  # another process swept our file away between our creating and locking it
        return _try_replace(folder, name, content, path)


def _try_replace(folder: int, name: str, content: bytes, path: str) -> Written:
    temporary = f".{name}.{_HOST}-{os.getpid()}.part"
    if len(os.fsencode(temporary)) > 255:
        temporary = f".{os.getpid()}.{_HOST}-{os.getpid()}.part"
    fd = open_regular(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, dir_fd=folder)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_fully(fd, content)
        status = os.fstat(fd)
        if status.st_size != len(content) or read_fully(fd, len(content)) != content:
            raise ValidationFailed(f"{path!r} does not read back as written; check the disk and run again")
        with current_run():
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return Written(len(content), status.st_mtime_ns)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(fd)
