"""Compressed tables, decompressed no further than a table of their size can be: a few kB may hold gigabytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wfdb2dicom.system.limits import most_unpacked

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its name."""
    return path.suffix.lower() in _OPENERS


def open_decompressed(path: Path) -> io.BufferedReader:
    """Open a file, compressed or not; reading more than a table of its size can hold raises `OSError`."""
    if not is_compressed(path):
        return open(path, "rb")
    limit = most_unpacked(path.stat().st_size)
    return io.BufferedReader(_Bounded(_OPENERS[path.suffix.lower()](path, "rb"), limit), 1 << 16)


class _Bounded(io.RawIOBase):
    """A stream from which only a limited number of bytes can be read."""

    def __init__(self, stream: io.BufferedIOBase, limit: int) -> None:
        self._stream, self._limit, self._left = stream, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise OSError(f"it unpacks to more than {self._limit // 10**6} MB, which no table of its size does")
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
