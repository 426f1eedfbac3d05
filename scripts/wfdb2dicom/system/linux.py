"""Calls that only the kernel and the C library offer: ending with the parent, keeping freed memory, syncing a disk."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from typing import Any


def keep_freed_memory() -> None:
    """Have glibc's malloc keep the memory of one study for the next.

    Otherwise it returns blocks of the size of a signal file to the kernel, which clears them page by page for the next
    study: a tenth of the time of a conversion.
    """
    mallopt = getattr(libc_of_linux(), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_threshold, megabyte = -1, -3, 1 << 20
        mallopt(m_trim_threshold, 64 * megabyte)
        mallopt(m_mmap_threshold, 32 * megabyte)  # its maximum


def libc_of_linux() -> Any:
    """The C library where it is Linux's, else None."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def process_context() -> Any:
    """How other processes are started: forked, which costs a millisecond and shares what is imported.

    Elsewhere than on Linux forking is unsafe, and a fresh interpreter is started.
    """
    from multiprocessing import get_context  # here: most programs start no other process

    return get_context("fork" if sys.platform.startswith("linux") else "spawn")


def die_with_parent(supervisor: int) -> None:
    """Have the kernel kill this process when its supervisor ends, for whatever reason (Linux)."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if libc := libc_of_linux():
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)


def sync_file_system(fd: int) -> None:
    """Put everything written to the file system of an open file on stable storage; elsewhere than on Linux, to all.

    Raises
    ------
    OSError
        When the disk lost something that was written since the file was opened, whichever process asked meanwhile.
    """
    libc = libc_of_linux()
    if libc is None:
        os.sync()
    else:
        while libc.syncfs(fd) != 0:
            number = ctypes.get_errno()
            if number != errno.EINTR:  # a signal, after which Python's own calls are repeated too
                raise OSError(number, os.strerror(number))
