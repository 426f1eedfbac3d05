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
from wfdb2dicom.system import current_run
from wfdb2dicom.system.folders import Folder, Folders

# What the study's own path is to blame for; every other error on the target stops the job.
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
    return OutputError(f"cannot write {path!r}: {error.strerror or error}; nothing is lost, mend it and run again")


class OutputTree:
    """A tree to write into.

    Parameters
    ----------
    root : str
        The folder; it is made when it is missing.
    make : bool
        Whether to make it. A tree that is only read from may be missing: it has no files then.
    """

    def __init__(self, root: str, *, make: bool = True) -> None:
        self.root = root
        if make:
            try:
                os.makedirs(root, exist_ok=True)
            except OSError as error:
                raise _output_error(root, error) from error
        self._folders = Folders(root)
        self._device = os.stat(root).st_dev if make else -1  # -1: no file system's, should it be written to after all
        self._seen: set[str] = set()

    def path(self, relative: str) -> str:
        """The path of a file of this tree as the user wrote the root."""
        return os.path.join(self.root, relative)

    def exists(self, relative: str) -> bool:
        """Whether the tree has a file or link of this name."""
        return os.path.lexists(self.path(relative))

    def read(self, relative: str, size: int) -> tuple[bytes, int] | None:
        """Content and mtime_ns of a file that has exactly `size` bytes; None for any other or none.

        Links are not followed: a link in the file's place is not a file that this program wrote.
        """
        try:
            fd = os.open(self.path(relative), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if status.st_size != size:
                return None
            content = os.pread(fd, size, 0)
            return (content, status.st_mtime_ns) if len(content) == size else None
        except OSError:
            return None
        finally:
            os.close(fd)

    def write(self, relative: str, content: bytes) -> Written:
        """Write a file so that its name never holds a part of it; what is on disk is compared before it counts.

        Raises
        ------
        PathError
            When the path leaves the root or no such name can exist.
        ValidationFailed
            When the file read back is not the content given.
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
        """Let go of the folders; a later call enters them anew."""
        self._folders.leave()

    def _sweep(self, path: str, folder: Folder) -> None:
        """Remove what a killed writer left in a folder, once a folder."""
        if path in self._seen:
            return
        self._seen.add(path)
        for name in [] if folder.new else os.listdir(folder.fd):
            if _TEMPORARY(name) and _is_abandoned(name, folder.fd):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder.fd)


def _sync(folder: int, name: str) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
        os.fsync(folder)
    finally:
        os.close(fd)


def _is_abandoned(name: str, folder: int) -> bool:
    """Whether a temporary file's writer is dead: a writer holds a lock on it, and locks end with their process."""
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
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
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        written = os.pwrite(fd, content, 0)
        while written < len(content):  # a full disk takes a part first and says why at the next write
            written += os.pwrite(fd, memoryview(content)[written:], written)
        if os.pread(fd, len(content) + 1, 0) != content:
            raise ValidationFailed(f"{path!r} does not read back as written; check the disk")
        status = os.fstat(fd)
        current_run.require()
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return Written(len(content), status.st_mtime_ns)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(fd)
