"""Source files: opened once, and checked to be regular files inside the tree that they belong to."""

from __future__ import annotations

import os
import stat

from wfdb2dicom.errors import HeaderError, PathError, SignalError, name_file
from wfdb2dicom.system.paths import is_below, real_path
from wfdb2dicom.system.regular_file import read_fully

MAX_HEADER_BYTES = 1_000_000
OPEN_SOURCE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # opening a FIFO would block


class Source:
    """An open source file, a regular one below its root.

    Parameters
    ----------
    path : str
        The file.
    root : str
        Resolved path of the tree that must contain it, "" for no restriction.
    fd : int, optional
        Its descriptor, if it is already open, see `wfdb2dicom.records.readahead`.

    Raises
    ------
    OSError
        When the file cannot be opened.
    PathError, SignalError
        When it is outside the root, or is not a regular file (reading a FIFO would block forever).
    """

    __slots__ = ("fd", "mtime_ns", "path", "size")

    def __init__(self, path: str, root: str, fd: int | None = None) -> None:
        self.path = path
        self.fd = os.open(path, OPEN_SOURCE) if fd is None else fd
        try:
            status = os.fstat(self.fd)
            if not stat.S_ISREG(status.st_mode):
                raise SignalError(f"{path} is not a regular file")
            if root and not is_below(real_path(self.fd, path), root):
                raise PathError(f"{path} leads out of wfdb_dir through a link; point wfdb_dir at the real folder")
        except BaseException:
            os.close(self.fd)
            raise
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from the start of the file."""
        try:
            return read_fully(self.fd, size)
        except OSError as error:
            name_file(error, self.path)
            raise

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes from the start of the file.

        Raises
        ------
        SignalError
            When the file, which had as many when it was opened, has fewer now.
        """
        content = self.read(size)
        if len(content) != size:
            raise SignalError(f"{self.path} gave {len(content)} of its {size} bytes; it changed while it was read")
        return content


def read_header_text(path: str, root: str = "", fd: int | None = None) -> bytes:
    """The bytes of one header file; the arguments are those of `Source`.

    Raises
    ------
    HeaderError
        When the file is empty or longer than any header is.
    """
    with Source(path, root, fd) as source:
        return header_text(source)


def header_text(source: Source) -> bytes:
    """The bytes of a header file that is already open; see `read_header_text`."""
    if source.size > MAX_HEADER_BYTES:
        raise HeaderError(f"{source.path} has {source.size} bytes; a WFDB header has a few thousand")
    text = source.read(source.size)
    if not text.strip():
        raise HeaderError(f"{source.path} is empty; fetch it again")
    return text
