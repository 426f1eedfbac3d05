"""Every receipt against the disk: existence, length, identifiers and samples of each DICOM object.

Nothing is repaired here; a plain run does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, TableError, read_plan, read_receipt
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import describe, mask_patient
from wfdb2dicom.system.output_tree import OutputTree
from wfdb2dicom.system.pool import map_in_order
from wfdb2dicom.system.regular_file import file_digest
from wfdb2dicom.system.tsv import encode_table
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.words import counted

_CHUNK = 128  # studies handed to a process at once
# A file that is there has to be deleted first: a run does not notice other bytes of the same size and time.
_REMEDY = "run without a target; --config overwrite=true makes every DICOM again"


class Discrepancy(NamedTuple):
    """How an object differs from its receipt, source or options; without a study_id, what is wrong with a receipt."""

    study_id: str
    dcm_path: str
    finding: str


@dataclass(frozen=True)
class Verification:
    """How many DICOM objects were checked, and the findings."""

    checked: int
    findings: list[Discrepancy]
    table: Path

    def __str__(self) -> str:
        found = counted(len(self.findings), "finding")
        return f"verify: {counted(self.checked, 'DICOM object')} checked, {found}: {self.table}"

    def examples(self, count: int = 5) -> str:
        """The first findings, one per line, without their paths, which may name patients."""
        shown = self.findings[:count]
        return "\n".join(
            f"  {f'study {f.study_id}' if f.study_id else f.dcm_path}: {mask_patient(f.finding)}" for f in shown
        )


class _Chunk(NamedTuple):
    wfdb_dir: str
    dcm_dir: str
    options: Options
    rows: list[tuple[PlanRow, ReceiptRow]]


def run(plans: Path, receipts: Path, table: Path, *, workers: int = 1) -> Verification:
    """Check all receipts and write what does not hold.

    Parameters
    ----------
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    table : Path
        Tab-separated: study_id, dcm_path, finding.
    workers : int
        Processes.

    Raises
    ------
    TableError
        When there are no receipts.
    OSError
        When a process is killed; the findings so far are lost.
    """
    if not any(receipts.glob("*.tsv")):
        raise TableError(
            f"{receipts} holds no receipts: there is nothing to verify before a first run; run without a target first"
        )
    damaged = _unreceipted(plans, receipts)
    work = _chunks(plans, receipts, damaged)
    checked = 0
    findings: list[Discrepancy] = []
    for count, found in map_in_order(_check, work, processes=workers):
        checked += count
        findings += found
    findings = damaged + findings
    replace_file(table, encode_table(Discrepancy._fields, findings))
    return Verification(checked, findings, table)


def _unreceipted(plans: Path, receipts: Path) -> list[Discrepancy]:
    """Planned batches without a receipt, whose studies cannot be checked."""
    names = sorted({path.name for path in plans.glob("*.tsv")} - {path.name for path in receipts.glob("*.tsv")})
    words = "this batch has no receipt, so its studies were not looked at: run the workflow first"
    return [Discrepancy("", str(receipts / name), words) for name in names]


def _chunks(plans: Path, receipts: Path, damaged: list[Discrepancy]) -> Iterator[_Chunk]:
    """The work; what is wrong with whole receipts is added to `damaged` meanwhile."""
    unplanned: list[Path] = []
    for path in sorted(receipts.glob("*.tsv")):
        try:
            results = {row.study_id: row for row in read_receipt(path)}
            options, planned = read_plan(plans / path.name)
        except FileNotFoundError:
            unplanned.append(path)
            continue
        except TableError as error:
            damaged.append(Discrepancy("", str(path), str(error)))
            continue
        rows = [(plan, results[plan.study_id]) for plan in planned if plan.study_id in results]
        if len(rows) != len(planned) or len(rows) != len(results):
            damaged.append(
                Discrepancy("", str(path), "the receipt does not hold the studies of its plan: run without a target")
            )
        done = [row for row in rows if row[1].status != "failed"]
        for start in range(0, len(done), _CHUNK):
            part = done[start : start + _CHUNK]
            yield _Chunk(options["wfdb_dir"], options["dcm_dir"], Options.from_mapping(options), part)
    damaged += _unplanned(plans, unplanned)


def _unplanned(plans: Path, receipts: list[Path]) -> Iterator[Discrepancy]:
    """Receipts without a plan file, but for those whose studies are all in other batches now."""
    if not receipts:
        return
    planned: set[str] = set()
    for path in plans.glob("*.tsv"):
        with suppress(TableError):  # which is a finding of its own
            planned.update(row.study_id for row in read_plan(path)[1])
    for path in receipts:
        if any(row.study_id not in planned for row in read_receipt(path)):
            words = "this receipt has no plan file, so its studies were not looked at: run the workflow first"
            yield Discrepancy("", str(path), words)


def _check(chunk: _Chunk) -> tuple[int, list[Discrepancy]]:
    target = OutputTree(chunk.dcm_dir, make=False)
    converter = Converter(chunk.wfdb_dir, target, chunk.options)
    found = []
    for plan, result in chunk.rows:
        try:
            finding = converter.check(plan.record, plan.dicom, Acquisition.from_json(plan.acquisition), plan.members)
            if not finding and file_digest(target.path(plan.dicom), "sha256") != result.sha256:
                finding = "the file follows from its source but is not the one that its receipt describes"
            if finding:
                finding += f": {'delete it and ' if target.exists(plan.dicom) else ''}{_REMEDY}"
        except Exception as error:  # a source that is gone or damaged is a finding
            finding = f"its source no longer gives it: {describe(error)}"
        if finding:
            found.append(Discrepancy(plan.study_id, target.path(plan.dicom), finding))
    return len(chunk.rows), found
