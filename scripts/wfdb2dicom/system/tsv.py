"""The one way to write and read tab-separated tables, both the project's own and those for users.

A table for users is a line of column names and a row per line. A table of the project's own begins with a marker, which
holds its kind, its version and whatever its readers need first, and ends with ``#end`` and a digest of all before it:
one that was cut short or altered in any way is damaged. In both, ``\\t``, ``\\n``, ``\\r`` and ``\\\\`` within values
are escaped, so that a line is always a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from wfdb2dicom.errors import Wfdb2DicomError
from wfdb2dicom.system.regular_file import IrregularFile, open_regular, read_file

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPE = str.maketrans(_ESCAPES)
_UNESCAPES = {value[1]: key for key, value in _ESCAPES.items()}
_END = len(b"#end 0123456789abcdef\n")  # bytes of the last line
Row = TypeVar("Row")


class TableError(Wfdb2DicomError):
    """A table that is damaged, cut short or of another version: it is made again, never trusted."""


def encode_table(columns: Sequence[str], rows: Iterable[Sequence[str]], marker: str = "") -> bytes:
    """The bytes of a table.

    Parameters
    ----------
    columns : sequence of str
    rows : iterable of sequences of str
        Each as long as `columns`.
    marker : str
        The first line; "" makes a table for users, without marker and digest.
    """
    lines = ["\t".join(columns), *map(_escape, rows), ""]
    if not marker:
        return "\n".join(lines).encode("utf-8", "surrogateescape")
    content = "\n".join([marker, *lines]).encode("utf-8", "surrogateescape")
    return content + end_mark(content)


def read_table(
    path: Path, columns: Sequence[str], make: Callable[[list[str]], Row], marker: str = ""
) -> tuple[str, list[Row]]:
    """The rest of the marker's line, and the rows.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    make : callable
        Makes a row of its values, which are as many as `columns`.
    marker : str
        What the first line begins with; "" for a table for users.

    Raises
    ------
    TableError
        When it is not a whole table of these columns and this marker.
    """
    try:
        content = read_file(path)
    except IrregularFile as error:
        raise TableError(f"{path} is {error.strerror}") from None
    head, body = "", content
    whole = content.endswith(b"\n")
    if marker:
        body = content[: content.rfind(b"#end ")]
        first, _, rest = body.partition(b"\n")
        whole = body + end_mark(body) == content and first.startswith(marker.encode())
        head, body = first.decode("utf-8", "surrogateescape")[len(marker) :], rest
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    if not whole or lines[0] != "\t".join(columns):
        raise TableError(f"{path} is not a whole table of this version; delete it and run again")
    rows = []
    for line in lines[1:-1]:
        values = line.split("\t")
        if len(values) != len(columns):
            raise TableError(f"{path} has a row of {len(values)} values instead of {len(columns)}: {line[:80]!r}")
        rows.append(make([_unescape(value) for value in values] if "\\" in line else values))
    return head, rows


def table_digest(path: Path) -> str:
    """The digest at the end of a table; "" where there is none. Only reading the table tells whether it is right."""
    with open(open_regular(path), "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _END))
        end = stream.read(_END)
    return end[5:-1].decode("ascii", "replace") if end.startswith(b"#end ") else ""


def end_mark(content: bytes) -> bytes:
    """The last line of a table of the project's own, after all the lines before it."""
    return b"#end %s\n" % blake2b(content, digest_size=8).hexdigest().encode()


def _escape(row: Sequence[str]) -> str:
    line = "\t".join(row)
    return "\t".join(value.translate(_ESCAPE) for value in row) if _is_special(line, row) else line


def _is_special(line: str, row: Sequence[str]) -> bool:
    return "\\" in line or "\n" in line or "\r" in line or line.count("\t") != len(row) - 1


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    parts = iter(value)
    return "".join(_UNESCAPES.get(next(parts, ""), "") if c == "\\" else c for c in parts)
