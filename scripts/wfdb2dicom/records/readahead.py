"""Files that are about to be read, on their way into memory while others are being converted.

A record that is not in the page cache costs more waiting than converting it costs work: here 0.5 ms for a signal file
on a local disk, and half of that when it was asked for eight studies before; on a network file system the more.
"""

from __future__ import annotations

import contextlib
import os

from wfdb2dicom.records.source_file import OPEN_SOURCE

_MOST = 4 << 20  # bytes of a file: of a recording of days, the beginning will do


class ReadAhead:
    """Opens files and has the kernel fetch them; whoever reads them takes the descriptor.

    A file that cannot be opened is none of its business: its reader finds out, and says why.
    """

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}

    def want(self, path: str) -> None:
        """Begin to fetch a file."""
        if path in self._descriptors:
            return
        try:
            fd = os.open(path, OPEN_SOURCE)
        except (OSError, ValueError):
            return
        self._descriptors[path] = fd
        if hasattr(os, "posix_fadvise"):  # not on macOS
            with contextlib.suppress(OSError):  # a FIFO, say
                os.posix_fadvise(fd, 0, _MOST, os.POSIX_FADV_WILLNEED)

    def __contains__(self, path: str) -> bool:
        """Whether a file is wanted, could be opened, and was not taken yet."""
        return path in self._descriptors

    def take(self, path: str) -> int | None:
        """The descriptor of a file, the caller's from now on; None when it was not wanted or cannot be opened."""
        return self._descriptors.pop(path, None)

    def drop(self, path: str) -> None:
        """Close a file that nobody has taken."""
        fd = self.take(path)
        if fd is not None:
            os.close(fd)
