"""A batch: many studies converted by supervised workers, with a receipt at the end.

A worker is a process that converts its studies one after the other, while the files of the next ones are fetched. It
notes the study it is on in shared memory and reports results some at a time, so supervision costs little and yet the
supervisor always knows which study a worker is on. A worker that stays silent longer than the timeout is killed, in
native code too; one that dies is replaced. Either costs the study it was on and no other: results not yet reported are
found again on disk.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.convert import Converter
from wfdb2dicom.errors import CHANGED, TargetError, describe, is_transient
from wfdb2dicom.kernel import die_with_parent, keep_freed_memory
from wfdb2dicom.options import Options
from wfdb2dicom.progress import Note
from wfdb2dicom.readahead import STUDIES as STUDIES_AHEAD
from wfdb2dicom.reports import Reports, send
from wfdb2dicom.storage import StableStorage
from wfdb2dicom.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    fingerprint,
    options_line,
    read_plan,
    read_receipt,
    write_receipt,
)
from wfdb2dicom.target import Target
from wfdb2dicom.watch import FURTHER, sources

_REPORT_SECONDS = 0.02  # a worker reports when its last report is older than this, and at the end of a chunk
_DEATH_SECONDS = 5.0
_STILLBORN = 4  # workers in a row that may die before they come to a study; it is no study's fault
_CHUNK = 64  # studies handed to a worker at once; the next chunk waits in its pipe while it works
# Forking costs a millisecond and shares what is imported; where fork is unsafe a fresh interpreter is started.
_CHILDREN: set[Any] = process._children  # type: ignore[attr-defined]
_PROCESSES: Any = get_context("fork" if sys.platform.startswith("linux") else "spawn")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a batch did: numbers of studies, and seconds from reading the plan to the receipt."""

    name: str
    studies: int
    converted: int
    current: int
    failed: int
    seconds: float

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
    previous: Path | None = None,
    retry_failed: str = "transient",
    progress: Path | None = None,
) -> Summary:
    """Convert the studies of a plan file that are not up to date and write the receipt.

    Parameters
    ----------
    plan, receipt : Path
        See `wfdb2dicom.tables`.
    timeout : float
        Seconds a study may take before it is given up; 0 = no limit.
    workers : int
        Processes that convert at the same time.
    overwrite : bool
        Convert also what is up to date.
    previous : Path, optional
        An earlier receipt of these studies: whether a study that failed before is tried again depends on
    retry_failed : {"transient", "all", "none"}
        and on whether its plan row is the same. ``transient``: only failures that are not the study's own.
    progress : Path, optional
        A file for the progress of the batch while it runs, see `wfdb2dicom.progress`.

    Returns
    -------
    Summary

    Raises
    ------
    TargetError
        When the target cannot be written. No receipt is written then; files already there are found by the next run.
    """
    start, started = time.monotonic(), time.time()
    mapping, rows = read_plan(plan)
    line = options_line(mapping)
    prints = [fingerprint(line, row) for row in rows]
    results = _settled(rows, prints, _known_failures(previous, retry_failed))
    todo = [n for n, result in enumerate(results) if result is None]
    if todo:
        job = _Job(mapping["wfdb_dir"], mapping["dcm_dir"], Options.from_mapping(mapping), overwrite, rows)
        with StableStorage(job.dcm_dir) as storage, Note(progress) as note:
            _Supervisor(job, results, timeout, note, storage).run(todo, max(1, workers))
    done = [row._replace(plan_row=prints[n]) for n, row in enumerate(results) if row is not None]
    count = {status: sum(row.status == status for row in done) for status in ("converted", "current", "failed")}
    summary = Summary(plan.stem, len(rows), **count, seconds=time.monotonic() - start)
    _give_receipt(receipt, done, summary, started)
    return summary


def _settled(rows: list[PlanRow], prints: list[str], known: dict[str, ReceiptRow]) -> list[ReceiptRow | None]:
    """The result of each study that needs no try; None for the others."""
    results: list[ReceiptRow | None] = [None] * len(rows)
    for n, row in enumerate(rows):
        if row.error:
            results[n] = _failure(row, row.error)
        elif before := known.get(prints[n]):
            results[n] = _failure(row, before.error, before.facts)
    return results


def _give_receipt(path: Path, rows: list[ReceiptRow], summary: Summary, started: float) -> None:
    """Write the receipt, with what the report says of the batch in its first line."""
    about = {name: getattr(summary, name) for name in ("studies", "converted", "current", "failed")}
    about |= {"seconds": round(summary.seconds, 3), "started": round(started, 3)}
    try:
        write_receipt(path, rows, run=about)
    except OSError as error:
        raise TargetError(f"cannot write {str(path)!r}: {error.strerror}; mend it and run again") from error


def _known_failures(previous: Path | None, retry_failed: str) -> dict[str, ReceiptRow]:
    """Fingerprint of the plan row → result, of the failures that are not worth another try."""
    if previous is None or retry_failed == "all":
        return {}
    try:
        rows = read_receipt(previous)
    except (OSError, TableError):
        return {}
    keep_all = retry_failed == "none"
    return {r.plan_row: r for r in rows if r.status == "failed" and (keep_all or not is_transient(r.error))}


def _failure(row: PlanRow, error: str, facts: str = "") -> ReceiptRow:
    return ReceiptRow(row.study_id, "failed", error, "", row.dicom, "", "", "", facts)


def _with_further(facts: str, stamps: str) -> str:
    """The facts of a study with the stamps of its further signal files, of which most have none."""
    return options_line({**json.loads(facts or "{}"), FURTHER: stamps}) if stamps else facts


@dataclass(frozen=True, slots=True)
class _Job:
    """What every worker of a batch knows."""

    wfdb_dir: str
    dcm_dir: str
    options: Options
    overwrite: bool
    rows: list[PlanRow]

    def convert(self, converter: Converter, n: int) -> ReceiptRow:
        row = self.rows[n]
        try:
            outcome = converter.convert(row.record, row.dicom, Acquisition.from_json(row.acquisition))
        except TargetError:
            raise
        except Exception as error:  # whatever a study's files provoke is that study's error
            return _failure(row, self._describe(error, row), _with_further("", converter.further_sources))
        return ReceiptRow(
            row.study_id,
            outcome.status,
            "",
            "",
            row.dicom,
            str(outcome.size),
            str(outcome.mtime_ns),
            outcome.sha256,
            _with_further(outcome.facts, converter.further_sources),
        )

    def expect(self, converter: Converter, n: int, current: Any) -> None:
        """Have a study's files fetched; whatever is wrong with them is on this study's account already."""
        row = self.rows[n]
        if row.record:
            current.value = n
            converter.expect(row.record, row.dicom)

    def _describe(self, error: Exception, row: PlanRow) -> str:
        """The error's words; they say so when the files are not as planned, for then they may be again."""
        words = describe(error)
        if is_transient(words) or sources(os.path.join(self.wfdb_dir, row.record)) == row.sources:
            return words
        return words + CHANGED


def _work(job: _Job, connection: Connection, current: Any, supervisor: int) -> None:
    """A worker: chunks of study numbers in, lists of receipt rows out; a string is why the target fails."""
    die_with_parent(supervisor)
    keep_freed_memory()
    gc.enable()
    gc.freeze()  # the table and what is imported stay, so they need not be searched for garbage
    results: list[ReceiptRow] = []
    try:
        converter = Converter(job.wfdb_dir, Target(job.dcm_dir), job.options, overwrite=job.overwrite)
        while chunk := connection.recv():
            reported = time.monotonic()
            for n in _expecting(chunk, lambda n: job.expect(converter, n, current)):
                current.value = n
                results.append(job.convert(converter, n))
                if n == chunk[-1] or time.monotonic() - reported > _REPORT_SECONDS:
                    send(connection, results)
                    results, reported = [], time.monotonic()
    except TargetError as error:
        send(connection, str(error))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass


def _expecting(chunk: list[int], expect: Callable[[int], None]) -> Iterator[int]:
    """The numbers of a chunk, each after some that follow it were expected."""
    coming = iter(chunk)
    for n in islice(coming, STUDIES_AHEAD):
        expect(n)
    for n in chunk:
        for later in islice(coming, 1):
            expect(later)
        yield n


class _Worker:
    """A worker process, the studies it still has to do, and since when it is on the first of them."""

    def __init__(self, job: _Job) -> None:
        self.connection, theirs = _PROCESSES.Pipe()
        self.current = _PROCESSES.RawValue(ctypes.c_long, -1)
        self.process = _PROCESSES.Process(target=_work, args=(job, theirs, self.current, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()
        self.reports = Reports(self.connection)
        self.pending: deque[int] = deque()
        self.since = time.monotonic()

    def give(self, chunk: list[int]) -> None:
        """Hand over studies; a worker that has just died keeps none of them."""
        self.connection.send(chunk)
        if not self.pending:
            self.since = time.monotonic()
        self.pending.extend(chunk)

    def kill(self) -> None:
        """End the process; one that the kernel cannot end yet, because storage does not answer, is left to it."""
        self.process.kill()
        self.process.join(_DEATH_SECONDS)
        if self.process.is_alive():
            _CHILDREN.discard(self.process)  # or this process would wait for it when it exits
        self.connection.close()


class _Supervisor:
    """Deals studies to workers, collects their results, and replaces workers that hang or die."""

    def __init__(
        self, job: _Job, results: list[ReceiptRow | None], timeout: float, note: Note, storage: StableStorage
    ) -> None:
        self._job = job
        self._note = note
        self._storage = storage
        self._results = results
        self._timeout = timeout
        self._workers: list[_Worker] = []
        self._waiting: deque[int] = deque()
        self._stillborn = 0  # workers in a row that died before their first study

    def run(self, todo: list[int], workers: int) -> None:
        self._waiting.extend(todo)
        try:
            self._workers = [_Worker(self._job) for _ in range(min(workers, len(todo)))]
            while self._deal():
                self._collect()
        finally:
            for worker in self._workers:
                worker.kill()

    def _deal(self) -> bool:
        """Keep every worker supplied; whether anything is under way."""
        for place, worker in enumerate(self._workers):
            if self._waiting and len(worker.pending) <= _CHUNK // 2:
                size = min(_CHUNK, max(1, len(self._waiting) // (2 * len(self._workers))))
                chunk = [self._waiting.popleft() for _ in range(size)]
                try:
                    worker.give(chunk)
                except OSError:
                    self._waiting.extendleft(reversed(chunk))
                    if not worker.pending:  # it died idle; one that died at work is seen by its end of file
                        worker.kill()
                        self._workers[place] = _Worker(self._job)
        return bool(self._waiting) or any(worker.pending for worker in self._workers)

    def _collect(self) -> None:
        busy = {worker.connection: worker for worker in self._workers if worker.pending}
        if not busy:
            return
        oldest = min(worker.since for worker in busy.values())
        patience = max(0.0, oldest + self._timeout - time.monotonic()) if self._timeout else None
        ready = wait(list(busy), patience)
        for connection in ready:
            self._receive(busy[connection])
        now = time.monotonic()
        for worker in busy.values():
            late = self._timeout and now - worker.since >= self._timeout
            if late and worker in self._workers and worker.pending and not worker.connection.poll():
                self._replace(worker, f"Timeout>{self._timeout:g}s")

    def _receive(self, worker: _Worker) -> None:
        """Take all that a worker has reported; its end of file means that it died."""
        try:
            reports = worker.reports.take()
        except EOFError:
            worker.process.join()
            self._replace(worker, f"WorkerCrash: {_cause(worker.process.exitcode)}")
            return
        for results in reports:
            if isinstance(results, str):
                raise TargetError(results)
            for result in results:
                self._results[worker.pending.popleft()] = result
                self._note.add(failed=result.status == "failed")
            self._storage.wrote(sum(result.status == "converted" for result in results))
            worker.since = time.monotonic()
            self._stillborn = 0

    def _replace(self, worker: _Worker, error: str) -> None:
        """Give up the study that a worker is on, and hand its other ones to a new worker."""
        worker.kill()
        on = worker.current.value
        if on < 0:
            self._stillborn += 1
            if self._stillborn > _STILLBORN:
                raise TargetError(f"workers cannot start: {error}; check memory limits and installation")
            self._waiting.extendleft(reversed(worker.pending))
            self._workers[self._workers.index(worker)] = _Worker(self._job)
            return
        if on not in worker.pending:  # it died between two chunks
            on = worker.pending[0]
        worker.pending.remove(on)
        self._results[on] = _failure(self._job.rows[on], error)
        self._note.add(failed=True)
        self._waiting.extendleft(reversed(worker.pending))
        self._workers[self._workers.index(worker)] = _Worker(self._job)


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"the worker was ended by {signal.Signals(-exitcode).name}"
    return f"the worker ended with status {exitcode}"
