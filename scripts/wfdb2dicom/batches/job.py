"""Convert a batch: many studies by supervised workers, with a receipt at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wfdb2dicom.batches.progress import ProgressFile
from wfdb2dicom.batches.supervisor import Supervisor
from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    failure,
    fingerprint,
    options_line,
    read_generation,
    read_plan,
    read_receipt,
    table_digest,
    write_receipt,
)
from wfdb2dicom.batches.worker import Job
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import OutputError
from wfdb2dicom.system.paths import is_zip
from wfdb2dicom.system.stable_storage import StableStorage

_WARNED = '"warnings":["'  # in the facts of a study, which are compact JSON
_MOST_WARNED = 100  # studies whose warnings the log shows


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a batch did: numbers of studies, seconds from plan to receipt, and warnings, a line each."""

    name: str
    studies: int
    converted: int
    current: int
    failed: int
    seconds: float
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        rate = self.studies / self.seconds if self.seconds > 0 else 0.0
        return (
            f"batch {self.name}: {self.studies} studies, {self.converted} converted, {self.current} up to date,"
            f" {self.failed} failed, {rate:.0f} studies/s"
        )


def run(
    plan: Path,
    receipt: Path,
    *,
    timeout: float = 60.0,
    workers: int = 1,
    overwrite: bool = False,
    known_failures: Path | None = None,
    progress: Path | None = None,
) -> BatchSummary:
    """Convert the studies of a plan file that are not up to date and write the receipt.

    Parameters
    ----------
    plan, receipt : Path
        See `wfdb2dicom.batches.tables`.
    timeout : float
        Seconds that a study may take; 0 = no limit.
    workers : int
        Processes that convert at the same time.
    overwrite : bool
        Convert also what is up to date.
    known_failures : Path, optional
        Receipt of failures that are not tried again where the plan row is the same, see
        `wfdb2dicom.batches.plan.known_failures`.
    progress : Path, optional
        A file for the progress of the batch while it runs, see `wfdb2dicom.batches.progress`.

    Returns
    -------
    BatchSummary

    Raises
    ------
    OutputError
        When the target cannot be written, or another plan has taken the place of this one. No receipt is written then;
        files already there are found by the next run.
    """
    start, started = time.monotonic(), time.time()
    digest = table_digest(plan)
    mapping, rows = read_plan(plan)
    generation = read_generation(plan)
    line = options_line(mapping)
    prints = [fingerprint(line, row) for row in rows]
    results = _without_a_try(rows, prints, _read_known(known_failures))
    todo = [n for n, result in enumerate(results) if result is None]
    if todo:
        job = Job(mapping["wfdb_dir"], mapping["dcm_dir"], Options.from_mapping(mapping), overwrite, rows)
        with _leftovers_removed(job.wfdb_dir), StableStorage(job.dcm_dir) as storage, ProgressFile(progress) as note:
            check = partial(_require_unchanged, plan, digest)
            Supervisor(job, results, timeout, note, storage, check).run(todo, max(1, workers))
            check()
    done = [row._replace(plan_row=prints[n]) for n, row in enumerate(results) if row is not None]
    count = {status: sum(row.status == status for row in done) for status in ("converted", "current", "failed")}
    summary = BatchSummary(plan.stem, len(rows), **count, seconds=time.monotonic() - start, warnings=_warnings(done))
    _give_receipt(receipt, done, summary, started, generation)
    return summary


@contextmanager
def _leftovers_removed(wfdb_dir: str) -> Iterator[None]:
    """Remove what killed workers, also those of earlier jobs, have left of records unpacked from a ZIP."""
    if not is_zip(wfdb_dir):
        yield
        return
    from wfdb2dicom.records.zip_source import remove_leftovers

    remove_leftovers()
    try:
        yield
    finally:
        remove_leftovers()


def _require_unchanged(plan: Path, digest: str) -> None:
    """Stop a job of a killed run once a later run has planned the batch: the job would overwrite its files."""
    try:
        unchanged = table_digest(plan) == digest
    except FileNotFoundError:
        unchanged = False
    except OSError:  # storage that does not answer says nothing
        return
    if not unchanged:
        raise OutputError(f"{plan} has changed: a later run has planned this batch anew, and converts it")


def _warnings(rows: list[ReceiptRow]) -> tuple[str, ...]:
    """Warnings about the conversions of the batch, by study."""
    warned = [row for row in rows if _WARNED in row.facts]
    lines = [
        f"warning: study {row.study_id}: {sentence}"
        for row in warned[:_MOST_WARNED]
        for sentence in json.loads(row.facts)["warnings"]
    ]
    if (others := len(warned) - _MOST_WARNED) > 0:
        lines.append(f"warning: {others} more studies have warnings: column warnings of results/manifest.parquet")
    return tuple(lines)


def _without_a_try(rows: list[PlanRow], prints: list[str], known: dict[str, ReceiptRow]) -> list[ReceiptRow | None]:
    """The result of each study that need not be converted; None for the others."""
    results: list[ReceiptRow | None] = [None] * len(rows)
    for n, row in enumerate(rows):
        if row.error:
            results[n] = failure(row, row.error)
        elif before := known.get(prints[n]):
            results[n] = failure(row, before.error, before.facts)
    return results


def _give_receipt(path: Path, rows: list[ReceiptRow], summary: BatchSummary, started: float, generation: str) -> None:
    """Write the receipt, with what the report says of the batch in its first line."""
    about = {name: getattr(summary, name) for name in ("studies", "converted", "current", "failed")}
    about |= {"seconds": round(summary.seconds, 3), "started": round(started, 3)}
    about |= {"generation": generation} if generation else {}
    try:
        write_receipt(path, rows, run=about)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}; fix it and run again") from error


def _read_known(path: Path | None) -> dict[str, ReceiptRow]:
    """Fingerprint of the plan row → result, of the failures that are not worth another try."""
    try:
        return {row.plan_row: row for row in read_receipt(path) if row.status == "failed"} if path else {}
    except (OSError, TableError):
        return {}
