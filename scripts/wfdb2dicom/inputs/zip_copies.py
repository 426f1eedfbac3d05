"""Copies of single members of a ZIP, such as a study CSV or a list of digests, for code that needs a file."""

from __future__ import annotations

import os
from pathlib import Path

from wfdb2dicom.errors import ConfigError, SignalError
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.system.zip_directory import find_member
from wfdb2dicom.system.zip_member import read_member, refuse_bomb

COPIES = Path("results/inputs")


def copy_of_member(zip_path: str, name: str) -> str:
    """A copy of one member of a ZIP, with the modification time of the ZIP; "" if the ZIP has no such member.

    It is written only if the ZIP has another modification time than the last copy.

    Raises
    ------
    ConfigError
        When it cannot be read.
    """
    copy = COPIES / name
    written = os.stat(zip_path).st_mtime_ns
    if copy.is_file() and copy.stat().st_mtime_ns == written:
        return str(copy)
    member = find_member(zip_path, os.path.normpath(name))
    if member is None:
        return ""
    fd = os.open(zip_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        refuse_bomb(member, zip_path)
        replace_file(copy, read_member(fd, member, zip_path))
    except SignalError as error:
        raise ConfigError(f"wfdb_dir: {name} cannot be read: {error}") from error
    finally:
        os.close(fd)
    os.utime(copy, ns=(written, written))
    return str(copy)
