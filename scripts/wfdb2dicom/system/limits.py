"""Limits on the memory and time of a process, for reading files that may be made to exhaust the machine."""

from __future__ import annotations

import contextlib
import os
import sys

_MOST_RATIO = 100  # tables are packed to a tenth (gzip) of their size, rarely to a fiftieth (xz), and signals to less
_FREE = 16 << 20  # bytes that any file may unpack to


def most_unpacked(packed: int) -> int:
    """The most bytes that this many compressed ones may unpack to: a few kB may be made to unpack to gigabytes."""
    return _FREE + _MOST_RATIO * packed


def limit_process(memory: int, seconds: int = 0) -> None:
    """Limit this process from now on; without effect where the system has no such limits.

    Parameters
    ----------
    memory : int
        Bytes of address space besides those in use; asking for more is a `MemoryError`.
    seconds : int
        CPU seconds of the process in all, after which the kernel kills it; 0 for no limit.
    """
    if not sys.platform.startswith("linux"):
        return
    import resource

    def lower(kind: int, value: int) -> None:
        _, hard = resource.getrlimit(kind)
        with contextlib.suppress(OSError, ValueError):  # a lower limit holds already
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

    lower(resource.RLIMIT_AS, _address_space() + memory)
    if seconds:
        lower(resource.RLIMIT_CORE, 0)
        lower(resource.RLIMIT_CPU, seconds)


def physical_memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
