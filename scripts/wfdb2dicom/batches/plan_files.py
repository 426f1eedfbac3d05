"""Search plan files: how many studies one holds, how many of them are left to convert, and which one a study is in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    fingerprint,
    options_line,
    read_plan,
    read_receipt,
)
from wfdb2dicom.system.paths import stamp_of
from wfdb2dicom.system.regular_file import read_file

TOKEN_FILE = ".token.json"  # written last: a folder that has one holds a whole plan
KNOWN_FAILURES = "known_failures"  # folder within that of the plan files


def count_studies(plan: Path) -> int:
    """How many studies a plan file holds: its lines but for options, column names and end mark."""
    return max(0, read_file(plan).count(b"\n") - 3)


def find_plan(plans: Path, dicom: str) -> Path | None:
    """The plan file of the study that becomes `dicom` (path relative to dcm_dir); None if there is none."""
    needle = dicom.encode("utf-8", "surrogateescape")
    for path in sorted(plans.glob("*.tsv")):
        if needle in read_file(path) and find_study(path, dicom):
            return path
    return None


def find_study(plan: Path, dicom: str) -> tuple[dict[str, Any], list[PlanRow]] | None:
    """The options of a plan file and its row that becomes `dicom`; None if there is none."""
    options, rows = read_plan(plan)
    chosen = [row for row in rows if row.dicom == dicom]
    return (options, chosen) if chosen else None


def work_in(plan: Path, receipt: Path, *, overwrite: bool = False, look: bool = True) -> str:
    """The work of a batch in words: how many studies it holds, and how many of them are to be converted.

    Parameters
    ----------
    plan, receipt : Path
        The plan file, and the receipt of the batch as last run.
    overwrite : bool
        Whether also what is up to date is converted.
    look : bool
        Whether to compare plan, receipt and DICOMs, as the plan does, or to give the number of studies only. Where
        there is no receipt, DICOMs are compared with their sources, by modification time.
    """
    if not look:
        return f"{count_studies(plan)} studies"
    options, rows = read_plan(plan)
    line = options_line(options)
    done = {row.plan_row: row for row in _rows_of(receipt)}
    known = {row.plan_row for row in _rows_of(plan.parent / KNOWN_FAILURES / plan.name)}
    hopeless = failed = current = 0
    for row in rows:
        mark = fingerprint(line, row)
        if row.error:
            hopeless += 1
        elif mark in known:
            failed += 1
        elif overwrite:
            continue
        elif not done:
            current += _seems_current(row, options["dcm_dir"])
        elif (before := done.get(mark)) and before.status != "failed":
            current += stamp_of(os.path.join(options["dcm_dir"], row.dicom)) == before.stamp
    words = [f"{len(rows)} studies, {len(rows) - hopeless - failed - current} to convert"]
    words += [f"{current} already there"] if current else []
    words += [f"{failed} that failed and are not tried again"] if failed else []
    words += [f"{hopeless} that cannot be converted"] if hopeless else []
    return ", ".join(words)


def _rows_of(receipt: Path) -> list[ReceiptRow]:
    try:
        return read_receipt(receipt)
    except (OSError, TableError):
        return []


def _seems_current(row: PlanRow, dcm_dir: str) -> bool:
    """Whether there is a DICOM, not older than the signal files were when planned."""
    try:
        written = os.stat(os.path.join(dcm_dir, row.dicom)).st_mtime_ns
    except (OSError, ValueError):
        return False
    changed = [stamp.partition(":")[2] for stamp in row.sources.split(",")[1:]]
    return not row.error and all(time.isdecimal() and int(time) <= written for time in changed)
