"""Copies of single members of a ZIP, such as a study CSV or a list of digests, for code that needs a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wfdb2dicom.errors import ConfigError, SignalError
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.system.zip_directory import find_member
from wfdb2dicom.system.zip_member import read_member, refuse_bomb

COPIES = Path("results/inputs")


def copy_of_member(zip_path: str, name: str) -> str:
    """A copy of one member of a ZIP, as old as the ZIP; "" if the ZIP has no such member.

    Raises
    ------
    ConfigError
        When it cannot be read, or unpacks to more than a table can.
    """
    copy = COPIES / name
    return str(copy) if keep_copy(copy, os.stat(zip_path).st_mtime_ns, lambda: _member(zip_path, name)) else ""


def keep_copy(copy: Path, mtime_ns: int, make: Callable[[], bytes | None]) -> bool:
    """Whether there is a copy with this modification time, that of its source; it is made where its own is another.

    Parameters
    ----------
    copy : Path
    mtime_ns : int
        Of the source, taken before `make` reads it.
    make : callable
        Returns the content, None where there is none.
    """
    if copy.is_file() and copy.stat().st_mtime_ns == mtime_ns:
        return True
    content = make()
    if content is None:
        return False
    replace_file(copy, content)
    os.utime(copy, ns=(mtime_ns, mtime_ns))
    return True


def _member(zip_path: str, name: str) -> bytes | None:
    member = find_member(zip_path, os.path.normpath(name))
    if member is None:
        return None
    fd = os.open(zip_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        refuse_bomb(member, zip_path)
        return read_member(fd, member, zip_path)
    except SignalError as error:
        raise ConfigError(f"wfdb_dir: {name} cannot be read: {error}") from error
    finally:
        os.close(fd)
