"""Search plan files: how many studies one holds, and which one a study is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wfdb2dicom.batches.tables import PlanRow, read_plan
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
