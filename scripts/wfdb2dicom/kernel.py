"""What only the kernel and the C library can do: durability, the end of a process with its parent, memory kept."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wfdb2dicom.errors import TargetError
from wfdb2dicom.target import Target


@contextmanager
def on_stable_storage(folder: str) -> Iterator[None]:
    """Put all that the block writes below a folder on stable storage, with one call for all files (Linux; else all
    disks).

    The folder is opened first: the kernel reports what it could not write since then, whoever else asked meanwhile.

    Raises
    ------
    TargetError
        When the folder cannot be made, or the disk lost something.
    """
    Target(folder)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield
        libc = libc_of_linux()
        if libc is None:
            os.sync()
        elif libc.syncfs(fd) != 0:
            raise TargetError(f"cannot sync {folder!r}: {os.strerror(ctypes.get_errno())}; the disk reports lost data")
    finally:
        os.close(fd)


def keep_freed_memory() -> None:
    """Have glibc's malloc keep the memory of one study for the next.

    It would return blocks of the size of a signal file to the kernel and have the next study's zeroed anew, page by
    page: a tenth of the time of a conversion.
    """
    mallopt = getattr(libc_of_linux(), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_threshold, megabyte = -1, -3, 1 << 20
        mallopt(m_trim_threshold, 64 * megabyte)
        mallopt(m_mmap_threshold, 32 * megabyte)  # the most that it takes


def libc_of_linux() -> Any:
    """The C library where it is Linux's, else None."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def die_with_parent(supervisor: int) -> None:
    """Have the kernel end this process when its supervisor ends, however that ends (Linux)."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if libc := libc_of_linux():
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)
