"""Where a file is with all links resolved, whether that is within a folder, and its size and time."""

from __future__ import annotations

import os


def real_path(fd: int, path: str) -> str:
    """Where an open file really lies, links resolved."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return os.path.realpath(path)


def is_below(path: str, root: str) -> bool:
    """Whether a resolved path is `root` or lies below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def is_zip(path: str) -> bool:
    """Whether a path is taken for a ZIP: that of a file, not of a folder."""
    return bool(path) and os.path.isfile(path)


def stamp_of(path: str) -> str:
    """``size:mtime_ns`` of a file, ``-`` where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return "-"
    return f"{status.st_size}:{status.st_mtime_ns}"
