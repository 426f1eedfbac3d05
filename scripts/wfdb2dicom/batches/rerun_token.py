"""Tokens make Snakemake, which compares parameters, notice changes that it does not look for.

A rule has a token as parameter. As long as everything that the token represents is unchanged, it is the text that the
last job stored; otherwise it is a new one, and the rule runs again. There are three: of the plan (sources, DICOMs and
receipts are as planned, see `wfdb2dicom.batches.freshness`), of the results (no result was altered or lost), and of
each batch in the archive (the archive took every object).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from wfdb2dicom.system.regular_file import file_digest, open_regular
from wfdb2dicom.system.whole_file import replace_file


class TokenFile:
    """A token and a description of what it represents, as JSON in the first line of a file.

    Parameters
    ----------
    path : Path
    marker : str
        What precedes the JSON, in a file that holds more.
    """

    def __init__(self, path: Path, marker: str = "") -> None:
        self._path = path
        self._marker = marker.encode()

    def read(self) -> dict[str, Any]:
        """Token (key ``token``) and description; empty when the file is missing or damaged."""
        try:
            with open(open_regular(self._path), "rb") as stream:
                content = json.loads(stream.readline().removeprefix(self._marker))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) and isinstance(content.get("token"), str) else {}

    def stored(self) -> str:
        """The token as stored; "" if there is none."""
        return str(self.read().get("token", ""))

    def current(self, unchanged: Callable[[dict[str, Any]], bool]) -> str:
        """The stored token if `unchanged` is true of the description, else a new one."""
        content = self.read()
        try:
            keep = bool(content.get("token")) and unchanged(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # a damaged description
            keep = False
        return str(content["token"]) if keep else new_token()

    def store(self, token: str, **description: Any) -> None:
        """Store a token with the description of what it represents."""
        replace_file(self._path, json.dumps({"token": token} | description).encode())


def new_token() -> str:
    """A text that was never a token before."""
    return secrets.token_hex(8)


def results_token(digests: Path) -> str:
    """The token of the results: a new one once any of them is not what the last aggregate wrote."""
    return TokenFile(digests).current(lambda stored: all(file_digest(p) == d for p, d in stored["files"].items()))


def store_results(digests: Path, token: str, files: Iterable[Path]) -> None:
    """Store the token that an aggregate was given, and a digest of each file that it wrote.

    Not their times: Snakemake sets those when the job has ended.
    """
    TokenFile(digests).store(token, files={str(path): file_digest(path) for path in files})
