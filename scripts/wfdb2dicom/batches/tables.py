"""The two tables through which the stages meet: plan files and receipts.

Both are tab-separated text: a marker line with the format version, a line of column names, then a row a study.
``\\t``, ``\\n``, ``\\r`` and ``\\\\`` within values are escaped, so that a line is always a row. The last line is
``#end`` and a digest of all before it: a table that was cut short or altered in any way is a damaged one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from wfdb2dicom.errors import Wfdb2DicomError
from wfdb2dicom.system.whole_file import replace_file

PLAN_MARKER = "#wfdb2dicom-plan 1 "
RECEIPT_MARKER = "#wfdb2dicom-receipt 1"


class TableError(Wfdb2DicomError):
    """A plan file or receipt that is damaged, cut short or of another version: it is made again, never trusted."""


class PlanRow(NamedTuple):
    """A study as `plan` saw it; ``error`` is why it cannot be converted, if that is known already.

    ``sources`` holds ``size:mtime_ns`` of the header and of each signal file, comma separated, ``-`` for a missing one.
    """

    study_id: str
    subject_id: str
    record: str
    dicom: str
    sources: str
    acquisition: str
    error: str


class ReceiptRow(NamedTuple):
    """What became of a study: ``status`` is ``converted``, ``current`` or ``failed``; ``facts`` is compact JSON."""

    study_id: str
    status: str
    error: str
    plan_row: str
    dicom: str
    size: str
    mtime_ns: str
    sha256: str
    facts: str


def failure(row: PlanRow, error: str, facts: str = "") -> ReceiptRow:
    """The receipt of a study that failed."""
    return ReceiptRow(row.study_id, "failed", error, "", row.dicom, "", "", "", facts)


_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPE = str.maketrans(_ESCAPES)
_END = len(b"#end 0123456789abcdef\n")  # bytes of the last line
_UNESCAPES = {value[1]: key for key, value in _ESCAPES.items()}
Row = TypeVar("Row", PlanRow, ReceiptRow)


def _escape(row: Iterable[str]) -> str:
    line = "\t".join(row)
    return "\t".join(value.translate(_ESCAPE) for value in row) if _is_special(line, row) else line


def _is_special(line: str, row: Iterable[str]) -> bool:
    return "\\" in line or "\n" in line or "\r" in line or line.count("\t") != len(tuple(row)) - 1


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    parts = iter(value)
    return "".join(_UNESCAPES.get(next(parts, ""), "") if c == "\\" else c for c in parts)


def fingerprint(options_line: str, row: PlanRow) -> str:
    """16 hex digits that change when anything the plan says of a study changes."""
    return blake2b("\0".join((options_line, *row)).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def options_line(options: dict[str, Any]) -> str:
    """The options as the plan file's first line holds them: compact JSON, keys sorted."""
    return json.dumps(options, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _table(marker: str, columns: tuple[str, ...], rows: Iterable[PlanRow | ReceiptRow]) -> bytes:
    lines = [marker, "\t".join(columns), *map(_escape, rows), ""]
    content = "\n".join(lines).encode("utf-8", "surrogateescape")
    return content + _end(content)


def _end(content: bytes) -> bytes:
    return b"#end %s\n" % blake2b(content, digest_size=8).hexdigest().encode()


def table_digest(path: Path) -> str:
    """The digest at the end of a table; "" where there is none. That it is right, reading the table says."""
    with open(path, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _END))
        end = stream.read(_END)
    return end[5:-1].decode("ascii", "replace") if end.startswith(b"#end ") else ""


def write_plan(path: Path, options: dict[str, Any], rows: Iterable[PlanRow]) -> None:
    """Write the plan file of one batch; equal arguments give equal bytes."""
    replace_file(path, _table(PLAN_MARKER + options_line(options), PlanRow._fields, rows))


def write_receipt(
    path: Path, rows: Iterable[ReceiptRow], *, sync: bool = True, run: Mapping[str, Any] | None = None
) -> None:
    """Write the receipt of one batch, durably; `run` holds what is to be known of the job itself, see `read_run`."""
    marker = RECEIPT_MARKER + (" " + options_line(dict(run)) if run else "")
    replace_file(path, _table(marker, ReceiptRow._fields, rows), sync=sync)


def read_run(receipt: Path) -> dict[str, Any]:
    """What a receipt says of the job that wrote it: studies, converted, current, failed, seconds, started; or nothing.

    Only the first line is read.
    """
    with open(receipt, encoding="utf-8", errors="surrogateescape") as stream:
        line = stream.readline(10_000)
    try:
        run = json.loads(line.removeprefix(RECEIPT_MARKER))
    except ValueError:
        return {}
    return run if isinstance(run, dict) else {}


def _read(path: Path, marker: str, make: Callable[[list[str]], Row], columns: tuple[str, ...]) -> tuple[str, list[Row]]:
    content = path.read_bytes()
    body = content[: content.rfind(b"#end ")]
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    whole = body + _end(body) == content and len(lines) >= 3 and lines[1] == "\t".join(columns)
    if not (whole and lines[0].startswith(marker)):
        raise TableError(f"{path} is not a whole table of this version; delete it and run again")
    rows = []
    for line in lines[2:-1]:
        values = line.split("\t")
        if len(values) != len(columns):
            raise TableError(f"{path} has a row of {len(values)} values instead of {len(columns)}: {line[:80]!r}")
        rows.append(make([_unescape(v) for v in values] if "\\" in line else values))
    return lines[0][len(marker) :], rows


def read_plan(path: Path) -> tuple[dict[str, Any], list[PlanRow]]:
    """Options and rows of a plan file.

    Raises
    ------
    TableError
        When the file is not a whole plan file of this version.
    """
    options, rows = _read(path, PLAN_MARKER, PlanRow._make, PlanRow._fields)
    try:
        return json.loads(options), rows
    except ValueError as error:
        raise TableError(f"{path} has damaged options: {error}") from error


def read_receipt(path: Path) -> list[ReceiptRow]:
    """Rows of a receipt; raises `TableError` as `read_plan` does."""
    return _read(path, RECEIPT_MARKER, ReceiptRow._make, ReceiptRow._fields)[1]
