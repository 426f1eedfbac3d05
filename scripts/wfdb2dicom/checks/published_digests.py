"""The digests that the publisher of a WFDB tree gives: SHA256SUMS.txt, a line per file."""

from __future__ import annotations

import os
from pathlib import Path

from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.zip_copies import copy_of_member
from wfdb2dicom.system.paths import is_zip

SUMS = "SHA256SUMS.txt"


def find_sums(wfdb_dir: str) -> Path:
    """The list of digests of a WFDB tree.

    Raises
    ------
    ConfigError
        When there is none.
    """
    if is_zip(wfdb_dir) and (copy := copy_of_member(wfdb_dir, SUMS)):
        return Path(copy)
    if is_zip(wfdb_dir):
        raise ConfigError(
            f"{wfdb_dir} holds no {SUMS}, and without the digests of the source there is nothing to compare with: "
            f"unpack it, name the folder in wfdb_dir, and put the publisher's {SUMS} there"
        )
    path = Path(wfdb_dir, SUMS)
    if not path.is_file():
        raise ConfigError(
            f"{path} does not exist, and without the digests of the source there is nothing to compare with: fetch it "
            f"from where the data are published, or make it: cd {wfdb_dir} && find . -name '*.[hdm][ea][at]' "
            f"-exec sha256sum {{}} + > {SUMS}"
        )
    return path


def read_sums(path: Path, wanted: set[str]) -> dict[str, str]:
    """Digests of the wanted files by path, from a list in PhysioNet's form or in that of sha256sum.

    Raises
    ------
    ConfigError
        When the line of a wanted file does not hold a digest.
    """
    found = {}
    with open(path, "rb") as lines:
        for line in lines:
            digest, _, name = line.rstrip(b"\r\n").partition(b" ")
            key = os.fsdecode(name.lstrip(b" *").removeprefix(b"./"))
            if key in wanted:
                if len(digest) != 64:
                    raise ConfigError(f"{path} has no SHA-256 digest for {key!r}: {digest[:80]!r}; fetch it again")
                found[key] = digest.decode("ascii", "replace").lower()
    return found
