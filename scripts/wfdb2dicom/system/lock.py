"""One run at a time in a folder, and no trace of a run that was killed.

The lock belongs to the process: the kernel takes it back however the process ends, so nothing has to be unlocked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from wfdb2dicom.errors import ConfigError

_held: list[int] = []  # descriptors that stay open until the process ends
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


def hold(path: Path) -> bool:
    """Hold the lock until this process ends.

    Returns
    -------
    bool
        False where the file system knows no locks.

    Raises
    ------
    ConfigError
        When another process holds it; says which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 500, 0).decode("utf-8", "replace").strip() or "unknown"
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
    _held.append(descriptor)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {now}\n".encode(), 0)
    return True
