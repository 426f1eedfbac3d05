"""Where a file is with all links resolved, whether that is within a folder, and its size and time."""

from __future__ import annotations

import os

from wfdb2dicom.errors import ArgumentError

WFDB_SUFFIXES = (".hea", ".dat", ".mat")  # of the files of a record


def given_path(name: str, value: object, what: str) -> str:
    """A path that is an argument of a public function, as text.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
        Text or a `pathlib.Path`; anything else is refused.
    what : str
        What the path is to name, such as ``a DICOM file``.

    Raises
    ------
    ArgumentError
        When it is not a path, or one that no file system can have.
    """
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str):
        kind = "None" if value is None else f"of type {type(value).__name__}"
        raise ArgumentError(f"{name} is {kind}, not a path: give the path of {what} as text or pathlib.Path")
    if not path or "\0" in path:
        raise ArgumentError(f"{name}: {path!r} is not a path: give the path of {what}")
    return path


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


def stamp_of(path: str | int) -> str:
    """``size:mtime_ns`` of a file, by its path or descriptor; ``-`` where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return "-"
    return f"{status.st_size}:{status.st_mtime_ns}"
