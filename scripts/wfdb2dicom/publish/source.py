"""What is known of the collection that was converted, from the option publish and the tree itself.

None of it is guessed: what is not given is left out, and without a name and a licence nothing is published.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfdb2dicom.batches.rerun_token import TokenFile
from wfdb2dicom.checks.published_digests import SUMS
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.zip_copies import copy_of_member
from wfdb2dicom.system.paths import is_zip, stamp_of
from wfdb2dicom.system.regular_file import file_digest

LICENSE = "LICENSE.txt"


@dataclass(frozen=True)
class Source:
    """The collection, and the data set that is made from it.

    Attributes
    ----------
    given : mapping
        The option publish.
    license_text : bytes
        The text of the licence; empty where only its address is known.
    zip_name, zip_sha256 : str
        Name and digest of the ZIP that was converted; empty for a folder.
    sums_sha256 : str
        Digest of the publisher's SHA256SUMS.txt, which pins every file of the source; empty where there is none.
    """

    given: Mapping[str, Any]
    license_text: bytes
    zip_name: str = ""
    zip_sha256: str = ""
    sums_sha256: str = ""

    def get(self, key: str) -> str:
        """A text of the option publish, "" where it is not given."""
        return str(self.given.get(key, ""))

    def texts(self, key: str) -> list[str]:
        """A list of texts of the option publish."""
        return list(self.given.get(key, ()))

    @property
    def full_name(self) -> str:
        """Name and version."""
        version = self.get("version")
        return f"{self.get('name')}, version {version}" if version else self.get("name")

    @property
    def title(self) -> str:
        """The title of the data set that is published."""
        return self.get("title") or f"{self.get('name')} as DICOM ECG objects"


def read_source(given: Mapping[str, Any], wfdb_dir: str, plan_token: Path, state: TokenFile) -> Source:
    """Read what is known.

    Parameters
    ----------
    given : mapping
        The option publish.
    wfdb_dir : str
        Folder or ZIP of the records.
    plan_token : Path
        The file in which the plan says what the ZIP looked like, see `wfdb2dicom.batches.freshness`.
    state : TokenFile
        Of the last publication, which keeps the digest of the ZIP.

    Raises
    ------
    ConfigError
        When name or licence is not given, or a file of the source cannot be read.
    """
    text = _license_text(given, wfdb_dir)
    needed = {
        "name (of the source)": given.get("name"),
        "license (of the source)": given.get("license"),
        "license_url (the licence's address, or its text as license_file)": text or given.get("license_url"),
    }
    if missing := [key for key, value in needed.items() if not value]:
        raise ConfigError(
            f"publish: missing: {', '.join(missing)}; nothing is guessed, so add what is missing to the configuration, "
            "see docs/publishing.md"
        )
    zip_sha256 = _digest_of_zip(wfdb_dir, plan_token, state) if is_zip(wfdb_dir) else ""
    sums = _file_of_source(wfdb_dir, SUMS)
    return Source(
        given,
        text,
        zip_name=os.path.basename(wfdb_dir) if zip_sha256 else "",
        zip_sha256=zip_sha256,
        sums_sha256=file_digest(sums, "sha256", follow_links=True) if sums else "",
    )


def _license_text(given: Mapping[str, Any], wfdb_dir: str) -> bytes:
    """The text of the licence: of license_file, else that which the source came with."""
    name = given.get("license_file", "")
    path = name if name and os.path.isfile(name) else _file_of_source(wfdb_dir, name or LICENSE)
    if name and not path:
        raise ConfigError(
            f"publish: license_file: {name!r} is neither below {os.getcwd()} nor in wfdb_dir: correct the path"
        )
    return Path(path).read_bytes() if path else b""


def _file_of_source(wfdb_dir: str, name: str) -> str:
    """A file at the top of the tree; of a ZIP its copy; "" where there is none."""
    if is_zip(wfdb_dir):
        return copy_of_member(wfdb_dir, name)
    path = os.path.join(wfdb_dir, name)
    return path if os.path.isfile(path) else ""


def _digest_of_zip(path: str, plan_token: Path, state: TokenFile) -> str:
    """SHA-256 of the ZIP, computed once: a ZIP of the same size and time is taken for the same."""
    stamp = stamp_of(path)
    planned = TokenFile(plan_token).read().get("inputs", {})
    if planned.get(str(Path(path))) != stamp:
        raise ConfigError(
            f"wfdb_dir: {path!r} is not the ZIP that was converted: its size or time differs; run the workflow "
            "again, then publish"
        )
    known = state.read().get("zip", {})
    return str(known["sha256"]) if known.get("stamp") == stamp else file_digest(path, "sha256", follow_links=True)
