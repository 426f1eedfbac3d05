"""Locks: one that allows one run at a time in a folder, and those of files that the jobs of a run share.

A lock belongs to the process and the kernel drops it when the process ends, even when it is killed, so nothing is left
locked.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from wfdb2dicom.errors import ConfigError
from wfdb2dicom.system.regular_file import open_regular, read_fully, write_fully

_held: dict[str, int] = {}  # descriptors by path, which stay open until the process ends
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


def hold(path: Path) -> bool:
    """Hold the lock until this process ends; one that is held already stays so.

    Returns
    -------
    bool
        False where the file system does not support locks.

    Raises
    ------
    ConfigError
        When another process holds it; the message says which.
    OSError
        When `path` is not a regular file, or cannot be made.
    """
    name = os.path.abspath(path)
    if name in _held:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = read_fully(descriptor, 500).decode("utf-8", "replace").strip() or "unknown"
        os.close(descriptor)
        raise ConfigError(
            f"another run is using {path.parent.absolute()} ({owner}): wait until it ends, "
            "or give this one a folder of its own with --directory"
        ) from None
    except OSError as error:
        os.close(descriptor)
        if error.errno in _UNSUPPORTED:
            return False
        raise
    _held[name] = descriptor
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    write_fully(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {now}\n".encode())
    return True


def is_held(path: Path) -> bool:
    """Whether another process holds the lock; it does not count as held where that cannot be known."""
    if os.path.abspath(path) in _held:
        return False
    try:
        descriptor = open_regular(path)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, flags: int = 0) -> Iterator[int]:
    """The descriptor of a file that other processes lock too, which are waited for; it is made where it is missing.

    Parameters
    ----------
    path : Path
    flags : int
        Those of `os.open` besides reading and writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | flags)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
