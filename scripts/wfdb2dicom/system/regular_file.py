"""The project's own files: opened without following a link or waiting for a FIFO, and read and written to the end."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from wfdb2dicom.errors import ConfigError, naming

if TYPE_CHECKING:
    from hashlib import _Hash

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DESCRIPTORS = "/proc/self/fd" if sys.platform.startswith("linux") else "/dev/fd"
"""The folder in which each open descriptor has a name, for libraries that open files by name."""
_MOST = 1 << 30  # bytes of one call: Linux moves 2,147,479,552 at most, and other systems fewer


class IrregularFile(OSError):
    """A link, FIFO, device or folder where one of the project's own files should be."""


def open_regular(
    path: str | os.PathLike[str], flags: int = os.O_RDONLY, *, dir_fd: int | None = None, follow_links: bool = False
) -> int:
    """Open a file that must be a regular one: every file in results/ and dcm_dir is opened here.

    Parameters
    ----------
    path : path
    flags : int
        Those of `os.open`.
    dir_fd : int, optional
        The folder that `path` is relative to.
    follow_links : bool
        For a file that a user names, which may be a link to a regular one.

    Returns
    -------
    int
        Its descriptor, which is the caller's.

    Raises
    ------
    IrregularFile
        When it is a link, a FIFO, a device or a folder; the message says which, and what to do.
    OSError
        When it cannot be opened.
    """
    remedy = "name a regular one" if follow_links else "remove it"
    try:
        fd = os.open(path, flags | (_FLAGS & ~os.O_NOFOLLOW if follow_links else _FLAGS), 0o666, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _irregular("a symbolic link", path, remedy) from None
        if error.errno == errno.ENXIO:  # a FIFO without a reader, or a socket
            raise _irregular("a FIFO or a socket", path, remedy) from None
        raise
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise _irregular("a folder" if stat.S_ISDIR(mode) else "a FIFO or a device", path, remedy)
    except BaseException:
        os.close(fd)
        raise
    return fd


def refuse_irregular(folder: str) -> None:
    """Refuse FIFOs, devices, sockets and links to files below a folder: other programs would wait or follow.

    Raises
    ------
    ConfigError
        When there are some; names the first three.
    """
    found = sorted(_find_irregular(folder))
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise ConfigError(f"not regular files but links, FIFOs or devices: {', '.join(found[:3])}{more}; remove them")


def _find_irregular(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _find_irregular(entry.path)
                elif not entry.is_file(follow_symlinks=False) and not entry.is_dir():
                    yield entry.path
    except FileNotFoundError:  # nothing has run here yet, or an entry was removed at this moment
        return


def _irregular(kind: str, path: str | os.PathLike[str], remedy: str) -> IrregularFile:
    return IrregularFile(errno.EINVAL, f"not a regular file but {kind}, {remedy}", os.fspath(path))


def read_fully(fd: int, size: int, offset: int = 0) -> bytes:
    """`size` bytes of an open file, fewer only where it ends, however few a single call returns."""
    content = os.pread(fd, size if size < _MOST else _MOST, offset)  # not min: this is called for each file
    if len(content) == size or not content:
        return content
    parts, got = [content], len(content)
    while got < size and (content := os.pread(fd, min(size - got, _MOST), offset + got)):
        parts.append(content)
        got += len(content)
    return b"".join(parts)


def write_fully(fd: int, content: bytes) -> None:
    """Write all of `content` to the start of an open file, however little a single call takes.

    A full disk takes a part first and gives the reason at the next call.
    """
    at = os.pwrite(fd, content if len(content) <= _MOST else memoryview(content)[:_MOST], 0)
    while at < len(content):
        at += os.pwrite(fd, memoryview(content)[at : at + _MOST], at)


def append_fully(fd: int, content: bytes) -> None:
    """Append all of `content` to a file opened with `os.O_APPEND`."""
    while content:
        content = content[os.write(fd, content) :]


def read_file(path: str | os.PathLike[str], *, follow_links: bool = False) -> bytes:
    """The content of a regular file; arguments and errors are those of `open_regular`."""
    fd = open_regular(path, follow_links=follow_links)
    try:
        with naming(path):
            return read_fully(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _short_digest() -> _Hash:
    return blake2b(digest_size=16)  # type: ignore[return-value]


def file_digest(
    path: str | os.PathLike[str],
    algorithm: str | Callable[[], _Hash] = _short_digest,
    *,
    follow_links: bool = False,
) -> str:
    """The digest of a regular file in hexadecimal: 32 digits of BLAKE2b unless another algorithm is named.

    Raises
    ------
    OSError
        As `open_regular`.
    """
    import hashlib  # the whole of it only where files are digested

    with open(open_regular(path, follow_links=follow_links), "rb") as stream, naming(path):
        return hashlib.file_digest(stream, algorithm).hexdigest()
