"""Every receipt against the disk: existence, length, identifiers and samples of each DICOM.

Nothing is repaired here; a plain run does that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, TableError, read_plan, read_receipt
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import describe, without_patient
from wfdb2dicom.system.output_tree import Target
from wfdb2dicom.system.whole_file import replace_file

_CHUNK = 128  # studies handed to a process at once
COLUMNS = ("study_id", "dcm_path", "finding")


class Finding(NamedTuple):
    """What does not hold of a study; of a whole receipt, with an empty study_id."""

    study_id: str
    dcm_path: str
    finding: str


@dataclass(frozen=True)
class Outcome:
    """How many DICOMs were looked at, and what does not hold."""

    checked: int
    findings: list[Finding]
    table: Path

    def __str__(self) -> str:
        return f"verify: {self.checked} DICOM objects, {len(self.findings)} do not hold: {self.table}"

    def examples(self, count: int = 5) -> str:
        """The first findings, one a line; the table has their paths, which may name patients."""
        shown = self.findings[:count]
        return "\n".join(
            f"  {f'study {f.study_id}' if f.study_id else f.dcm_path}: {without_patient(f.finding)}" for f in shown
        )


class _Chunk(NamedTuple):
    wfdb_dir: str
    dcm_dir: str
    options: Options
    rows: list[tuple[PlanRow, ReceiptRow]]


def run(plans: Path, receipts: Path, table: Path, *, workers: int = 1) -> Outcome:
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
        When there is no receipt at all.
    """
    if not any(receipts.glob("*.tsv")):
        raise TableError(f"{receipts} holds no receipts: there is nothing to verify before a first run")
    damaged = _unreceipted(plans, receipts)
    work = _chunks(plans, receipts, damaged)
    checked = 0
    findings: list[Finding] = []
    with ProcessPoolExecutor(workers) as pool:
        for count, found in _in_turn(pool, work, 2 * workers):
            checked += count
            findings += found
    findings = damaged + findings
    lines = chain(["\t".join(COLUMNS)], ("\t".join(_plain(value) for value in finding) for finding in findings))
    replace_file(table, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    return Outcome(checked, findings, table)


def _in_turn(pool: Executor, work: Iterable[_Chunk], most: int) -> Iterator[tuple[int, list[Finding]]]:
    """The results of `_check` in order, with no more than so many chunks read ahead: memory stays that of a batch."""
    running: deque[Future[tuple[int, list[Finding]]]] = deque()
    for chunk in work:
        running.append(pool.submit(_check, chunk))
        if len(running) == most:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _unreceipted(plans: Path, receipts: Path) -> list[Finding]:
    """Planned batches without a receipt: their studies cannot be vouched for."""
    names = sorted({path.name for path in plans.glob("*.tsv")} - {path.name for path in receipts.glob("*.tsv")})
    words = "this batch has no receipt, so its studies were not looked at: run the workflow first"
    return [Finding("", str(receipts / name), words) for name in names]


def _chunks(plans: Path, receipts: Path, damaged: list[Finding]) -> Iterator[_Chunk]:
    for path in sorted(receipts.glob("*.tsv")):
        try:
            results = {row.study_id: row for row in read_receipt(path)}
            options, planned = read_plan(plans / path.name)
        except FileNotFoundError:
            damaged.append(Finding("", str(path), "there is no plan for this receipt"))
            continue
        except TableError as error:
            damaged.append(Finding("", str(path), str(error)))
            continue
        rows = [(plan, results[plan.study_id]) for plan in planned if plan.study_id in results]
        if len(rows) != len(planned) or len(rows) != len(results):
            damaged.append(Finding("", str(path), "the receipt does not hold the studies of its plan"))
        done = [row for row in rows if row[1].status != "failed"]
        for start in range(0, len(done), _CHUNK):
            part = done[start : start + _CHUNK]
            yield _Chunk(options["wfdb_dir"], options["dcm_dir"], Options.from_mapping(options), part)


def _check(chunk: _Chunk) -> tuple[int, list[Finding]]:
    target = Target(chunk.dcm_dir, make=False)
    converter = Converter(chunk.wfdb_dir, target, chunk.options)
    found = []
    for plan, result in chunk.rows:
        try:
            finding = converter.check(plan.record, plan.dicom, Acquisition.from_json(plan.acquisition))
            if not finding and _digest(target.path(plan.dicom)) != result.sha256:
                finding = "the file follows from its source but is not the one that the receipt speaks of"
        except Exception as error:  # a source that is gone or damaged is a finding
            finding = f"the source does not give it any more: {describe(error)}"
        if finding:
            found.append(Finding(plan.study_id, target.path(plan.dicom), finding))
    return len(chunk.rows), found


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _plain(value: str) -> str:
    return " ".join(value.split())
