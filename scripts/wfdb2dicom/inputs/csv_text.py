"""The study CSV as text: its rows and cells unchanged, or an error that says what is wrong with the file.

Every stage that needs the study CSV reads it with this module, so that all of them see the same rows.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from wfdb2dicom.errors import ConfigError

LONGEST_CELL = 1 << 20  # characters; a longer one is the result of a quotation mark that is never closed


def iter_rows(input_csv: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and rows of the study CSV, with every cell unchanged.

    Returns
    -------
    header : list of str
    rows : iterator of (int, list of str)
        The line on which the row begins (the header is on line 1), and as many cells as the header has. Blank lines are
        skipped.

    Raises
    ------
    ConfigError
        When the file is missing or is not comma-separated UTF-8 text (RFC 4180; BOM and CRLF are accepted), when a
        column appears twice, or when a row has more or fewer cells than the header. It may be raised while the rows
        are read.
    """
    _require_csv_file(input_csv)
    rows = _parsed(input_csv)
    _, header = next(rows, (0, []))
    if not any(header):
        raise ConfigError(f"input_csv: {input_csv} is empty. It needs a line of column names and a row for each study.")
    if len(header) == 1 and (other := re.search(r"[;\t|]", header[0])):
        raise ConfigError(
            f"input_csv: {input_csv} is separated by {other[0]!r}, not by commas. Save it as comma-separated CSV."
        )
    for name, count in Counter(header).items():
        if name and count > 1:
            raise ConfigError(f"input_csv: {input_csv} has the column {name!r} twice. Rename or remove one of them.")
    return header, _complete(input_csv, rows, len(header))


def _require_csv_file(input_csv: Path) -> None:
    try:
        mode = os.stat(input_csv).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise ConfigError(f"input_csv: {input_csv} is {kind}. Set input_csv to the CSV file of your studies.")
        with open(input_csv, "rb") as stream:
            start = stream.read(4)
    except FileNotFoundError:
        raise ConfigError(f"input_csv: {input_csv} does not exist. Set input_csv to the CSV of your studies.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"input_csv: {input_csv} cannot be read: {error}") from error
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(start) == 4 and start[1::2] == b"\0\0"):
        raise ConfigError(f"input_csv: {input_csv} is UTF-16 text. Save it as UTF-8.")
    if start.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise ConfigError(f"input_csv: {input_csv} is compressed or a spreadsheet. Save it as plain CSV in UTF-8.")


def _parsed(input_csv: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line; unlike those of csv.reader, errors say where and what to do."""
    csv.field_size_limit(LONGEST_CELL)  # for the whole process, which reads no other CSV with this module
    with open(input_csv, encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(_without_nul(stream), strict=True)
        line = 1
        try:
            for row in reader:
                yield line, row
                line = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"input_csv: {input_csv} is not UTF-8 after line {reader.line_num} "
                f"(byte 0x{error.object[error.start]:02x}). Save it as UTF-8."
            ) from error
        except csv.Error as error:
            raise ConfigError(
                f"input_csv: {input_csv}, row that begins on line {line}: {error}. Look for a quotation mark that is "
                "not closed or not doubled."
            ) from error


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise csv.Error("NUL character; the file is damaged or not text")
        yield line


def _complete(input_csv: Path, rows: Iterator[tuple[int, list[str]]], columns: int) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if len(row) == columns:
            yield line, row
        elif row:
            raise ConfigError(
                f"input_csv: {input_csv}, line {line}: {len(row)} cells instead of the {columns} of the header. "
                "Quote cells that hold commas, and complete or remove this row."
            )


class RowWriter:
    """Writes rows from which `iter_rows` reads the same cells again; each row ends with a line feed.

    Before Python 3.13, csv.writer quotes a carriage return in a cell only if lines end with one, and readers end the
    row at a carriage return that is not quoted.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.write_row = csv.writer(self, lineterminator=_CRLF).writerow

    def write(self, row: str) -> None:
        """Take a row from csv.writer, which calls this once per row."""
        self._stream.write(row.removesuffix(_CRLF) + "\n")


_CRLF = "\r\n"


def missing_column(key: str, name: str, file: Path, columns: Sequence[str]) -> ConfigError:
    """The error for a missing column, which suggests columns with similar names.

    Parameters
    ----------
    key
        The configuration key that names the column.
    """
    near = near_columns(name, columns)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    shown = ", ".join(map(repr, columns[:40]))[:1000]
    return ConfigError(f"{key}: {file} has no column {name!r}. {hint}Set {key} to one of its columns: {shown}.")


def near_columns(name: str, columns: Sequence[str]) -> list[str]:
    """The columns whose names look like one that is missing, the most similar first."""
    folded = {re.sub(r"[\W_]", "", column).lower(): column for column in columns}
    return [folded[n] for n in difflib.get_close_matches(re.sub(r"[\W_]", "", name).lower(), folded, cutoff=0.6)]
