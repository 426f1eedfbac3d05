"""Fetching files into memory before they are read, while other studies are being converted.

Waiting for a file that is not in the page cache takes longer than converting it: 0.5 ms for a signal file on a local
disk, and half of that when it was requested eight studies before. On a network file system the difference is larger.
"""

from __future__ import annotations

import contextlib
import os

from wfdb2dicom.records.source_file import OPEN_SOURCE

_MOST = 4 << 20  # bytes of a file: the beginning is enough of a recording of several days


class ReadAhead:
    """Opens files and asks the kernel to fetch them; their reader takes the descriptor.

    A file that cannot be opened is ignored here: its reader tries again and reports why.
    """

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}

    def request(self, path: str) -> None:
        """Start fetching a file."""
        if path in self._descriptors:
            return
        try:
            fd = os.open(path, OPEN_SOURCE)
        except (OSError, ValueError):
            return
        self._descriptors[path] = fd
        if hasattr(os, "posix_fadvise"):  # not on macOS
            with contextlib.suppress(OSError):  # such as a FIFO
                os.posix_fadvise(fd, 0, _MOST, os.POSIX_FADV_WILLNEED)

    def __contains__(self, path: str) -> bool:
        """Whether a file was requested, could be opened, and has not been taken yet."""
        return path in self._descriptors

    def take(self, path: str) -> int | None:
        """The descriptor of a file, which the caller now owns; None when it was not requested or cannot be opened."""
        return self._descriptors.pop(path, None)

    def drop(self, path: str) -> None:
        """Close a file that nobody has taken."""
        fd = self.take(path)
        if fd is not None:
            os.close(fd)
