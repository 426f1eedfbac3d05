"""The two tables that pass from stage to stage: plan files and receipts.

The form of both is that of `wfdb2dicom.system.tsv`, with a marker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom.system.regular_file import open_regular
from wfdb2dicom.system.tsv import TableError as TableError
from wfdb2dicom.system.tsv import encode_table, read_table
from wfdb2dicom.system.tsv import table_digest as table_digest
from wfdb2dicom.system.whole_file import replace_file

PLAN_MARKER = "#wfdb2dicom-plan 2 "
RECEIPT_MARKER = "#wfdb2dicom-receipt 1"
OTHER_FILES = "further_sources"  # fact of a receipt row: stamps of the files that are not named like the record


class PlanRow(NamedTuple):
    """A study as `plan` saw it; ``error`` is why it cannot be converted, if that is known already.

    Without ``dicom``, ``record`` is whatever the study CSV has as a path, for human readers.

    ``sources`` holds ``size:mtime_ns`` of the header and of each signal file, comma separated, ``-`` for a missing one;
    ``size:CRC-32`` where they are in a ZIP, and ``members`` then says at which offsets.
    """

    study_id: str
    subject_id: str
    record: str
    dicom: str
    sources: str
    acquisition: str
    error: str
    members: str = ""


class ReceiptRow(NamedTuple):
    """The outcome of a study: ``status`` is ``converted``, ``current`` or ``failed``; ``facts`` is compact JSON."""

    study_id: str
    status: str
    error: str
    plan_row: str
    dicom: str
    size: str
    mtime_ns: str
    sha256: str
    facts: str

    @property
    def stamp(self) -> str:
        """``size:mtime_ns`` of the DICOM as it was written."""
        return f"{self.size}:{self.mtime_ns}"


def failure(row: PlanRow, error: str, facts: str = "") -> ReceiptRow:
    """The receipt of a study that failed."""
    return ReceiptRow(row.study_id, "failed", error, "", row.dicom, "", "", "", facts)


def fingerprint(options_line: str, row: PlanRow) -> str:
    """16 hex digits that change when anything the plan says of a study changes."""
    return blake2b("\0".join((options_line, *row)).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def options_line(options: dict[str, Any]) -> str:
    """The options as the plan file's first line holds them: compact JSON, keys sorted."""
    return json.dumps(options, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def write_plan(path: Path, options: dict[str, Any], rows: Iterable[PlanRow], generation: str = "") -> None:
    """Write the plan file of one batch; equal arguments give equal bytes.

    Parameters
    ----------
    path : Path
    options : dict
        All that determines the output besides the rows.
    rows : iterable of PlanRow
    generation : str
        A word without spaces. The receipt repeats it, so a new one makes the batch run again.
    """
    marker = f"{PLAN_MARKER}{generation or '-'} {options_line(options)}"
    replace_file(path, encode_table(PlanRow._fields, rows, marker))


def read_generation(plan: Path) -> str:
    """The generation of a plan file, see `write_plan`."""
    with open(open_regular(plan), "rb") as stream:
        word = stream.read(100).removeprefix(PLAN_MARKER.encode()).partition(b" ")[0].decode("ascii", "replace")
    return "" if word == "-" else word


def same_rows(options: Mapping[str, Any], planned: Iterable[PlanRow], receipt: Iterable[ReceiptRow]) -> bool:
    """Whether a receipt has the outcomes of just these rows of a plan file, under its options."""
    line = options_line(dict(options))
    return [fingerprint(line, row) for row in planned] == [row.plan_row for row in receipt]


def same_generation(plan: Path, receipt: Path) -> bool:
    """Whether a receipt is that of the plan file's generation, see `write_plan`."""
    return bool(read_run(receipt).get("generation", "") == read_generation(plan))


def write_receipt(
    path: Path, rows: Iterable[ReceiptRow], *, sync: bool = True, run: Mapping[str, Any] | None = None
) -> None:
    """Write the receipt of one batch, durably; `run` holds what the report says of the job, see `read_run`."""
    marker = RECEIPT_MARKER + (" " + options_line(dict(run)) if run else "")
    replace_file(path, encode_table(ReceiptRow._fields, rows, marker), sync=sync)


def read_run(receipt: Path) -> dict[str, Any]:
    """What a receipt says of its job: generation, studies, converted, current, failed, seconds, started; or nothing.

    Only the first line is read.
    """
    with open(open_regular(receipt), encoding="utf-8", errors="surrogateescape") as stream:
        line = stream.readline(10_000)
    try:
        run = json.loads(line.removeprefix(RECEIPT_MARKER))
    except ValueError:
        return {}
    return run if isinstance(run, dict) else {}


def read_plan(path: Path) -> tuple[dict[str, Any], list[PlanRow]]:
    """Options and rows of a plan file.

    Raises
    ------
    TableError
        When the file is not a whole plan file of this version.
    """
    options, rows = read_table(path, PlanRow._fields, PlanRow._make, PLAN_MARKER)
    try:
        return json.loads(options.partition(" ")[2]), rows
    except ValueError as error:
        raise TableError(f"{path} has damaged options: {error}") from error


def read_receipt(path: Path) -> list[ReceiptRow]:
    """Rows of a receipt; raises `TableError` as `read_plan` does."""
    return read_table(path, ReceiptRow._fields, ReceiptRow._make, RECEIPT_MARKER)[1]


def read_batch(plan: Path, receipt: Path) -> tuple[dict[str, Any], list[PlanRow], list[ReceiptRow]]:
    """Options, planned studies and outcomes of a batch, the latter two in the same order.

    Raises
    ------
    TableError
        When the plan file or the receipt is damaged, or the receipt is missing or not that of the plan file.
    """
    options, planned = read_plan(plan)
    if not receipt.exists():
        raise TableError(f"{receipt} is missing: run the workflow again, it will convert this batch")
    outcomes = read_receipt(receipt)
    if not (same_rows(options, planned, outcomes) and same_generation(plan, receipt)):
        raise TableError(f"{receipt} is not the receipt of {plan}: delete it and run again")
    return options, planned, outcomes
