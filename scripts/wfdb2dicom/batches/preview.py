"""What a run would convert and why, found as the run finds it, for a dry run: nothing is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wfdb2dicom.batches import plan
from wfdb2dicom.batches.freshness import other_files_changed
from wfdb2dicom.batches.plan import PlanConfig, PlannedBatch
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, TableError, fingerprint, options_line, read_plan
from wfdb2dicom.system.paths import stamp_of
from wfdb2dicom.words import counted, part_of, printable

_LONGEST_VALUE = 60  # characters of an option that are shown

NEW = "not converted yet"
OVERWRITE = "overwrite is on"
INTERRUPTED = "planned by a run that did not come to them"
AGAIN = "failed, and are tried again (retry_failed)"
DICOM = "DICOM object missing or changed"
SOURCES = "source files changed"
POSSIBLE = "could not be converted before, as the tables were"
ROWS = "rows of the study CSV, metadata or patients changed"


@dataclass
class Work:
    """What is to be done with some studies; all are numbers of studies.

    Attributes
    ----------
    studies : int
    current : int
        Converted and up to date.
    failed : int
        Failed before, and not tried again.
    hopeless : int
        Cannot be converted, as the tables are.
    reasons : Counter
        To be converted, by the reason.
    """

    studies: int = 0
    current: int = 0
    failed: int = 0
    hopeless: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def to_convert(self) -> int:
        """The studies that are to be converted, whatever the reason."""
        return self.reasons.total()

    def add(self, other: Work) -> None:
        """Add other studies."""
        self.studies += other.studies
        self.current += other.current
        self.failed += other.failed
        self.hopeless += other.hopeless
        self.reasons.update(other.reasons)

    def __str__(self) -> str:
        words = [f"{counted(self.studies, 'study', 'studies')}, {self.to_convert:,} to convert"]
        words += [f"{self.current:,} up to date"] if self.current else []
        words += [f"{self.failed:,} failed and not tried again"] if self.failed else []
        words += [f"{self.hopeless:,} that cannot be converted"] if self.hopeless else []
        return ", ".join(words)


@dataclass
class Preview:
    """The work of a run.

    Attributes
    ----------
    batches : dict
        The work of each batch that would run, by its name.
    total : Work
        That of all batches.
    count : int
        The number of all batches.
    warnings : tuple of str
        Those of the plan.
    """

    batches: dict[str, Work] = field(default_factory=dict)
    total: Work = field(default_factory=Work)
    count: int = 0
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        total = self.total
        lines = [
            f"would convert {total.to_convert:,} of {counted(total.studies, 'study', 'studies')}; "
            f"{part_of(len(self.batches), self.count, 'batch', 'batches')} would run"
        ]
        lines += [f"  {count:,} × {reason}" for reason, count in total.reasons.most_common()]
        if set(total.reasons) - {NEW, OVERWRITE}:
            lines.append("    (of these, an object that turns out to be right already stays as it is)")
        if left := total.studies - total.to_convert:
            lines.append(f"would leave {left:,}")
            lines += [f"  {total.current:,} × up to date"] if total.current else []
            lines += [f"  {total.failed:,} × failed, and would fail again (retry_failed)"] if total.failed else []
            lines += [f"  {total.hopeless:,} × cannot be converted, as the tables are"] if total.hopeless else []
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def preview(config: PlanConfig, plans: Path, receipts: Path) -> Preview:
    """Plan anew, and compare with the last plan and the outcomes so far.

    Parameters
    ----------
    config : PlanConfig
    plans, receipts : Path
        Folders of the plan files and of the receipts, which are only read.

    Raises
    ------
    ConfigError
        When the study CSV or the metadata cannot be used.
    """
    draft = plan.draft(config, receipts)
    found = Preview(count=len(draft.names), warnings=draft.warnings)
    last = _options_of(plans)
    for batch in draft.batches:
        if batch.runs:
            found.batches[batch.name] = work = _work_in(batch, config, plans, last)
        else:
            work = _work_done(batch)
        found.total.add(work)
    return found


def _options_of(plans: Path) -> dict[str, Any]:
    """The options of the last plan; empty where there is none."""
    for path in sorted(plans.glob("*.tsv"))[:1]:
        return _read(path)[0]
    return {}


def _read(path: Path) -> tuple[dict[str, Any], list[PlanRow]]:
    try:
        return read_plan(path)
    except (OSError, TableError):
        return {}, []


def _work_done(batch: PlannedBatch) -> Work:
    """The work of a batch whose receipt holds: none."""
    hopeless = sum(bool(row.error) for row in batch.rows)
    failed = sum(row.status == "failed" for row in batch.done) - hopeless
    return Work(len(batch.rows), len(batch.rows) - failed - hopeless, failed, hopeless)


def _work_in(batch: PlannedBatch, config: PlanConfig, plans: Path, last: Mapping[str, Any]) -> Work:
    """The work of a batch whose job runs, study by study as the job decides it."""
    options = config.output_options()
    line = options_line(options)
    before = {row.study_id: row for row in batch.done}
    known = {row.plan_row for row in batch.known}
    rows = {row.study_id: row for row in _read(plans / f"{batch.name}.tsv")[1]}
    changed = _changed_options(last, options)
    work = Work(len(batch.rows))
    for row in batch.rows:
        mark = fingerprint(line, row)
        if row.error:
            work.hopeless += 1
            continue
        if mark in known:
            work.failed += 1
            continue
        if config.policy.overwrite:
            reason = OVERWRITE
        elif done := before.get(row.study_id):
            reason = _why_again(row, mark, done, rows.get(row.study_id), config, changed)
        else:
            reason = _why_anew(row, config, "" if before else changed)
        if reason:
            work.reasons[reason] += 1
        else:
            work.current += 1
    return work


def _why_again(
    row: PlanRow, mark: str, done: ReceiptRow, planned: PlanRow | None, config: PlanConfig, changed: str
) -> str:
    """Why a study with an outcome is converted again; "" where it is up to date."""
    if done.plan_row != mark:
        if changed or planned is None:
            return changed or ROWS
        if planned == row:
            return INTERRUPTED
        if planned.error:
            return POSSIBLE
        return SOURCES if (planned.sources, planned.members) != (row.sources, row.members) else ROWS
    if other_files_changed(config.wfdb_dir, row, done):
        return SOURCES
    if done.status == "failed":
        return AGAIN
    return "" if stamp_of(os.path.join(config.dcm_dir, row.dicom)) == done.stamp else DICOM


def _why_anew(row: PlanRow, config: PlanConfig, changed: str) -> str:
    """Why a study without an outcome is converted; "" where there is a DICOM, not older than its signal files."""
    try:
        written = os.stat(os.path.join(config.dcm_dir, row.dicom)).st_mtime_ns
    except (OSError, ValueError):
        return NEW
    stamps = [stamp_of(config.wfdb_dir)] if row.members else row.sources.split(",")[1:]
    times = [stamp.partition(":")[2] for stamp in stamps]
    if not all(time.isdecimal() and int(time) <= written for time in times):
        return SOURCES
    return changed


def _changed_options(last: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What is different from the options of the last plan; "" for nothing, or where there is none."""
    return ", ".join(
        f"{name} changed from {_shown(last[name])} to {_shown(value)}"
        for name, value in now.items()
        if name in last and _text(last[name]) != _text(value)
    )


def _text(value: object) -> str:
    """The value of an option; JSON makes lists of tuples."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _shown(value: object) -> str:
    return printable(_text(value), _LONGEST_VALUE) or '""'
