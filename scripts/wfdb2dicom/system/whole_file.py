"""Small files that are whole or not there: tables, results, the token of a plan.

A file is written under a temporary name beside its own and renamed. The temporary name is always the same, so what a
killed writer left is taken over by the next one; a lock keeps two writers at the same time apart.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wfdb2dicom.system.current_run import current_run


def replace_file(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file so that its name holds the old content or the whole new one, never a part.

    With `sync`, content and name are on stable storage on return.
    """
    with whole_file(path, sync=sync) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_file(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A temporary file that takes the place of `path` at the end of the block, unless an exception ends it.

    Parameters
    ----------
    path : Path
        Missing folders are made.
    sync : bool
        Whether content and name are to be on stable storage at the end, the content first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, descriptor = _claim(path)
    try:
        yield temporary
        if sync:
            os.fsync(descriptor)
        with current_run():
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    if sync:
        _sync_folder(path.parent)


def _claim(path: Path) -> tuple[Path, int]:
    """The temporary file, empty and locked, and its descriptor; where another writer has it, one of our own."""
    temporary = path.with_name(f".{path.name[:200]}.tmp")
    while True:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a second writer of the same file, or a file system without locks
            os.close(descriptor)
            break
        if _has_name(descriptor, temporary):
            os.ftruncate(descriptor, 0)
            return temporary, descriptor
        os.close(descriptor)  # its writer has just renamed it: it is the finished file now
    temporary = path.with_name(f".{path.name[:150]}.{socket.gethostname()[:32]}-{os.getpid()}.tmp")
    return temporary, os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
