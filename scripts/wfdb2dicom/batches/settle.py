"""One batch of a plan: its plan file with the sources as they are now, and whether its receipt still holds.

Each batch needs nothing but its own plan file and receipt, so large runs have several processes do this.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom.batches import watch
from wfdb2dicom.batches.remembered import Memory
from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    read_plan,
    read_receipt,
    write_plan,
    write_receipt,
)
from wfdb2dicom.records import stamps
from wfdb2dicom.system.pool import spread

_SOME = 10  # rows of each batch


class Task(NamedTuple):
    """A batch to be planned: its rows, whose sources are not looked at yet; or the digest of the kept file of it."""

    name: str
    rows: list[PlanRow] | None
    kept: str = ""


class Settled(NamedTuple):
    """A batch that is planned.

    Attributes
    ----------
    name : str
    studies, failed : int
        Number of studies, and of those already known to fail.
    holds : bool
        Whether its receipt holds, or there is none.
    told : list of ReceiptRow
        Rows of the receipt that tell of a failure, or that one is over.
    """

    name: str
    studies: int
    failed: int
    holds: bool
    told: list[ReceiptRow]


class Settlement(NamedTuple):
    """Numbers of studies, of those already known to fail, and of receipts of today's batches that were forgotten."""

    studies: int
    failed: int
    forgotten: int


@dataclass(frozen=True)
class Settling:
    """What settling a batch needs besides it.

    Attributes
    ----------
    plans, receipts : Path
        The folders.
    options : dict
        What determines the output, see `wfdb2dicom.batches.plan.Request.table_options`.
    earlier : frozenset of str
        Studies that the last plan handed over as failed.
    retry_failed, overwrite, watch_files
        As for `wfdb2dicom.batches.watch.token`.
    """

    plans: Path
    receipts: Path
    options: dict[str, Any]
    earlier: frozenset[str] = frozenset()
    retry_failed: str = "transient"
    overwrite: bool = False
    watch_files: bool = True

    def __call__(self, task: Task) -> Settled:
        """Write the plan file of a batch and judge its receipt.

        Raises
        ------
        TableError
            When the kept plan file is not as it should be.
        """
        memory = Memory(self.plans)
        before = memory.rows(task.name, task.kept) if task.rows is None else sorted(task.rows, key=_place)
        rows = self._look(before)
        if not (task.rows is None and rows == before and memory.give(task.name)):
            write_plan(self.plans / f"{task.name}.tsv", self.options, rows)
        receipt = self.receipts / f"{task.name}.tsv"
        found = self.found(receipt)
        holds = bool(found) and not watch.receipt_mismatch(
            rows, found, self.options, self.retry_failed, watch_files=self.watch_files
        )
        failed = sum(bool(row.error) for row in rows)
        return Settled(task.name, len(rows), failed, holds or not receipt.exists(), self.tellers(found))

    def threads(self, tasks: Sequence[Task]) -> int:
        """How many threads are to settle these batches; rows of all of them are looked at to decide."""
        some = [row for task in tasks for row in (task.rows or ())[:_SOME]]
        if not some:
            return stamps.LOOKERS
        return stamps.choose_lookers([f"{self.options['wfdb_dir']}/{row.record}" for row in some if row.record])

    def found(self, receipt: Path) -> list[ReceiptRow]:
        """The rows of a receipt that may still hold."""
        return [] if self.overwrite else rows_or_nothing(receipt)

    def tellers(self, found: Iterable[ReceiptRow]) -> list[ReceiptRow]:
        """The rows of a receipt that tell of a failure, or that one is over."""
        return [row for row in found if row.status == "failed" or row.study_id in self.earlier]

    def _look(self, rows: list[PlanRow]) -> list[PlanRow]:
        tree = os.path.join(self.options["wfdb_dir"], "")
        seen = [stamps.sources(tree + row.record) if row.record else row.sources for row in rows]
        return [row if row.sources == now else row._replace(sources=now) for row, now in zip(rows, seen, strict=True)]


def _place(row: PlanRow) -> tuple[str, str]:
    """The order of the tree, not that of the CSV: it reads neighbours one after the other."""
    return row.record, row.study_id


def rows_or_nothing(path: Path) -> list[ReceiptRow]:
    """The rows of a receipt, which has one at least; none of one that is damaged or missing."""
    try:
        return read_receipt(path)
    except (TableError, FileNotFoundError):
        return []


def settle(settling: Settling, tasks: Sequence[Task], batch_of: Callable[[str], str], processes: int = 1) -> Settlement:
    """Write all plan files, remove those of other batches, and each receipt that no longer holds.

    A receipt holds while its batch is planned as it was, the files that it speaks of are as it says, and it holds
    no failure to be tried again. What failed for good is handed to the batches in ``previous/<batch>.tsv``: a study
    whose plan is the same is not tried again.

    Parameters
    ----------
    settling : Settling
    tasks : sequence of Task
        All batches.
    batch_of : callable
        The batch of a study.
    processes : int
        That share the batches, see `wfdb2dicom.system.pool.spread`.

    Raises
    ------
    TableError
        When a kept plan file is not as it should be.
    """
    plans, receipts = settling.plans, settling.receipts
    names = {task.name for task in tasks}
    # Handed over by the last plan, whose batches may not have run since.
    earlier = {row.study_id: row for path in receipts.glob("previous/*.tsv") for row in rows_or_nothing(path)}
    settling = replace(settling, earlier=frozenset(earlier))
    known = {} if settling.overwrite else earlier
    for path in sorted(receipts.glob("*.tsv")):
        if path.stem not in names:
            known |= {row.study_id: row for row in settling.tellers(settling.found(path))}
            path.unlink()
    numbers = Settlement(0, 0, 0)
    for batch in spread(settling, tasks, processes=processes, threads=settling.threads(tasks)):
        known |= {row.study_id: row for row in batch.told}
        if not batch.holds:
            (receipts / f"{batch.name}.tsv").unlink()
        added = (batch.studies, batch.failed, not batch.holds)
        numbers = Settlement(*(sum(pair) for pair in zip(numbers, added, strict=True)))
    for stale in plans.glob("*.tsv"):
        if stale.stem not in names:
            stale.unlink()
    failures: dict[str, list[ReceiptRow]] = {}
    for row in known.values():
        if row.status == "failed" and not watch.wants_retry(row, settling.retry_failed):
            failures.setdefault(batch_of(row.study_id), []).append(row)
    _hand_over(receipts / "previous", plans, {name: failures[name] for name in sorted(names & failures.keys())})
    return numbers


def _hand_over(folder: Path, plans: Path, failures: dict[str, list[ReceiptRow]]) -> None:
    """Write what failed for good into the folder `previous`, by the batches of today."""
    kept = set()
    for name, failed in failures.items():
        options, rows = read_plan(plans / f"{name}.tsv")
        by_study = {row.study_id: row for row in failed}
        both = [(row, by_study[row.study_id]) for row in rows if row.study_id in by_study]
        known = [
            receipt for row, receipt in both if not watch.further_sources_changed(options["wfdb_dir"], row, receipt)
        ]
        if known:
            write_receipt(folder / f"{name}.tsv", known, sync=False)
            kept.add(name)
    for stale in folder.glob("*.tsv"):
        if stale.stem not in kept:
            stale.unlink()
