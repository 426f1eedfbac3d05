"""Small files that are whole or absent: tables, results, the state of a run.

A file is written under a temporary name beside its own and renamed. The temporary name is always the same, so the next
writer takes over what a killed one left, and a lock keeps two simultaneous writers apart. (In `dcm_dir` several runs
may write at a time, see `wfdb2dicom.system.output_tree`.)
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wfdb2dicom.errors import naming
from wfdb2dicom.system.current_run import current_run
from wfdb2dicom.system.regular_file import open_regular, write_fully

_NEW = os.O_RDWR | os.O_CREAT


def replace_file(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file so that its name holds the old content or the whole new one, never a part.

    With `sync`, content and name are on stable storage on return.
    """
    with whole_file(path, sync=sync) as temporary, naming(path):
        write_fully(temporary.fileno(), content)


@contextmanager
def whole_file(path: Path, *, sync: bool = False) -> Iterator[BinaryIO]:
    """A new, empty file that takes the place of `path` at the end of the block, unless an exception ends it.

    It is written through the descriptor that holds its lock: where locks are mandatory, no other can write.

    Parameters
    ----------
    path : Path
        Missing folders are made.
    sync : bool
        Whether content and name are to be on stable storage at the end, the content first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, descriptor = _claim(path)
    with open(descriptor, "w+b") as stream:
        try:
            yield stream
            with naming(path):
                stream.flush()
                if sync:
                    os.fsync(descriptor)
            with current_run():
                os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    if sync:
        _sync_folder(path.parent)


def _claim(path: Path) -> tuple[Path, int]:
    """The temporary file, empty and locked, and its descriptor; where another writer has it, one of our own."""
    temporary = path.with_name(f".{path.name[:200]}.tmp")
    while True:
        descriptor = _open(temporary)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a second writer of the same file
            os.close(descriptor)
            break
        except OSError:  # a file system without locks, where nobody writes under this name
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            break
        if _has_name(descriptor, temporary):
            os.ftruncate(descriptor, 0)
            return temporary, descriptor
        os.close(descriptor)  # its writer has just renamed it: it is the finished file now
    temporary = path.with_name(f".{path.name[:150]}.{socket.gethostname()[:32]}-{os.getpid()}.tmp")
    return temporary, open_regular(temporary, _NEW | os.O_TRUNC)


def _open(temporary: Path) -> int:
    try:
        return open_regular(temporary, _NEW)
    except OSError:
        if not os.path.lexists(temporary) or (temporary.is_file() and not temporary.is_symlink()):
            raise
        temporary.unlink()  # a link or a FIFO that has our name
        return open_regular(temporary, _NEW)


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def text_of(stream: BinaryIO) -> Iterator[io.TextIOWrapper]:
    """A binary stream as one for text, in which cells that are not UTF-8 keep their bytes; the stream stays open."""
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    yield text
    text.detach()
