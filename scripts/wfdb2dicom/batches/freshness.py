"""Whether results are still up to date: compare files as they are now with what plan files and receipts say of them.

Snakemake notices that an input or an option changed. It does not look at the source files and the DICOMs, more than
two million of them: here they are compared by size and modification time, once when a run starts.
That decides which batches run; of a study in them, `wfdb2dicom.convert` compares the bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from wfdb2dicom.batches.plan_files import TOKEN_FILE
from wfdb2dicom.batches.rerun_token import TokenFile
from wfdb2dicom.batches.tables import (
    OTHER_FILES,
    PlanRow,
    ReceiptRow,
    TableError,
    read_plan,
    read_receipt,
    same_generation,
    same_rows,
    table_digest,
)
from wfdb2dicom.errors import is_transient
from wfdb2dicom.records.stamps import STAT_THREADS, other_file_stamps, record_stamps
from wfdb2dicom.system.paths import is_zip, stamp_of
from wfdb2dicom.system.pool import map_in_order, process_count, studies_in

UNCHANGED, CHANGED = 0, 10  # exit status of `wfdb2dicom freshness`; any other means that it failed


@dataclass(frozen=True)
class Policy:
    """When a batch whose plan did not change runs again.

    Attributes
    ----------
    retry_failed : {"transient", "all", "none"}
        Which failures are tried again.
    overwrite : bool
        Whether everything is converted again.
    watch_sources : bool
        Whether to look at source files and DICOMs, or at plan files and receipts only.
    """

    retry_failed: str = "transient"
    overwrite: bool = False
    watch_sources: bool = True

    def tries_again(self, failure: ReceiptRow) -> bool:
        """Whether a failure is tried again although nothing of its study has changed."""
        return self.retry_failed == "all" or (self.retry_failed == "transient" and is_transient(failure.error))

    def holds(self, planned: Sequence[PlanRow], receipt: Sequence[ReceiptRow], options: Mapping[str, Any]) -> bool:
        """Whether the receipt of a batch still agrees with its plan, the DICOMs and the source files.

        Parameters
        ----------
        planned, receipt : sequences of rows
            Of one batch; a receipt that is missing or damaged has no rows.
        options : mapping
            Of the plan file.
        """
        if self.overwrite or not same_rows(options, planned, receipt):
            return False
        return all(map(partial(self._row_holds, options), planned, receipt))

    def _row_holds(self, options: Mapping[str, Any], row: PlanRow, done: ReceiptRow) -> bool:
        if self.watch_sources and other_files_changed(options["wfdb_dir"], row, done):
            return False
        if done.status == "failed":
            # Failures that the plan itself found need not be tried again: every plan looks for them.
            return bool(row.error) or not self.tries_again(done)
        return not self.watch_sources or stamp_of(os.path.join(options["dcm_dir"], done.dicom)) == done.stamp


def other_files_changed(tree: str, row: PlanRow, receipt: ReceiptRow) -> bool:
    """Whether the other files of a study have changed since it was converted or failed.

    A study that failed in a ZIP has the ZIP itself as its other file: the same members of a fresh copy may be whole.
    """
    if OTHER_FILES not in receipt.facts:
        return False
    then: str = json.loads(receipt.facts)[OTHER_FILES]
    if row.members:
        return stamp_of(tree) != then
    return other_file_stamps(os.path.join(tree, row.record)) != then


def plan_token(
    plans: Path, receipts: Path, *, inputs: Iterable[Path] = (), wfdb_dir: str = "", policy: Policy | None = None
) -> str:
    """The token of the plan, see `wfdb2dicom.batches.rerun_token`: it stays while the plan holds.

    Parameters
    ----------
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    inputs : iterable of Path
        The tables that a plan is made from. Snakemake notices newer ones only, not one put in place with an old time.
    wfdb_dir : str
        The tree; records that are elsewhere in it now need a new plan. "" skips this check.
    policy : Policy, optional
    """
    policy = policy or Policy()

    def unchanged(stored: dict[str, Any]) -> bool:
        if (
            policy.overwrite
            or stored["plans"] != plans_digest(plans)
            or stored["inputs"] != stamps([*inputs, *zips(wfdb_dir)])
        ):
            return False
        if policy.watch_sources and wfdb_dir and not _lie_as_before(wfdb_dir, dict(stored["answers"])):
            return False
        return not _changed_by_program(plans, receipts, policy)

    return TokenFile(plans / TOKEN_FILE).current(unchanged)


def stored_plan_token(plans: Path) -> str:
    """The token that the last plan was given; "" if there is none."""
    return TokenFile(plans / TOKEN_FILE).stored()


def store_plan_token(
    plans: Path, token: str, inputs: Mapping[str, str] | None = None, answers: Mapping[str, bool | str] | None = None
) -> None:
    """Store the token that a plan was given, once the plan is whole.

    Parameters
    ----------
    plans : Path
    token : str
    inputs : mapping
        The `stamps` that its tables had before it read them.
    answers : mapping
        What it looked up in the tree, see `wfdb2dicom.inputs.locator.Locator`.
    """
    TokenFile(plans / TOKEN_FILE).store(
        token, plans=plans_digest(plans), inputs=dict(inputs or {}), answers=dict(answers or {})
    )


def stamps(files: Iterable[Path]) -> dict[str, str]:
    """``size:mtime_ns`` of each file, ``-`` for a missing one."""
    return {str(file): stamp_of(str(file)) for file in files}


def zips(wfdb_dir: str) -> list[Path]:
    """The ZIP that the records are in, if they are in one: its stamp covers all of its members."""
    return [Path(wfdb_dir)] if is_zip(wfdb_dir) else []


def plans_digest(plans: Path) -> str:
    """A digest over names and digests of all plan files; readers of a plan file verify its digest."""
    digest = blake2b(digest_size=16)
    for path in sorted(plans.glob("*.tsv")):
        digest.update(f"{path.name}\0{table_digest(path)}\0".encode())
    return digest.hexdigest()


def anything_changed(plans: Path, receipts: Path, policy: Policy, *, processes: int = 1) -> bool:
    """Whether any batch differs from its plan file or receipt; the search ends at the first difference.

    Parameters
    ----------
    plans, receipts, policy
        As for `plan_token`.
    processes : int
        Processes that share the batches, see `wfdb2dicom.system.pool`.
    """
    changed = partial(_batch_changed, receipts=receipts, policy=policy)
    threads = STAT_THREADS if policy.watch_sources else 1
    results = map_in_order(changed, sorted(plans.glob("*.tsv")), processes=processes, threads=threads)
    with contextlib.closing(results):
        return any(results)


def _lie_as_before(wfdb_dir: str, answers: dict[str, bool | str]) -> bool:
    """Whether what the last plan looked up in the tree is unchanged."""
    from wfdb2dicom.inputs.locator import Locator  # 10 ms of imports that batch jobs do not need

    return Locator(Path(wfdb_dir)).unchanged_since(answers)


def _changed_by_program(plans: Path, receipts: Path, policy: Policy) -> bool:
    """`anything_changed`, by a separate program with several processes where there are many studies."""
    if process_count(studies_in(plans.glob("*.tsv")), STAT_THREADS) > 1:
        # Forking the process that calls this, Snakemake's, is not safe: it has threads.
        package = Path(__file__).resolve().parents[1]
        command: list[str | Path] = [sys.executable, package, "freshness", plans, receipts]
        command += [f"--retry-failed={policy.retry_failed}"] + ["--watch-sources"] * policy.watch_sources
        with contextlib.suppress(OSError):
            status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
            if status in (UNCHANGED, CHANGED):
                return status == CHANGED
    return anything_changed(plans, receipts, policy)  # the program failed


def _sources_changed(rows: Iterable[PlanRow], wfdb_dir: str) -> bool:
    if is_zip(wfdb_dir):  # its own stamp is that of an input of the plan
        return False
    tree = os.path.join(wfdb_dir, "")
    return any(row.dicom and record_stamps(tree + row.record) != row.sources for row in rows)


def _batch_changed(plan: Path, receipts: Path, policy: Policy) -> bool:
    """Whether a batch differs from its plan file or receipt."""
    receipt = receipts / plan.name
    try:
        options, rows = read_plan(plan)
        if policy.watch_sources and _sources_changed(rows, options["wfdb_dir"]):
            return True
        if not receipt.exists():  # Snakemake runs the batch by itself
            return False
        if not same_generation(plan, receipt):
            return True
        return not policy.holds(rows, read_receipt(receipt), options)
    except (TableError, OSError):
        return True
