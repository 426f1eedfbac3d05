"""The supervisor of a batch: it deals studies to workers, and whatever happens to a worker costs one study.

A worker notes the study it is on in shared memory and reports results some at a time, so supervision costs little and
yet it is always known which study a worker is on. A worker that stays with one study longer than the timeout is
killed, in native code too; one that dies is replaced. Either costs the study it was on and no other: results not yet
reported are found again on disk.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from multiprocessing import process
from multiprocessing.connection import wait
from typing import Any

from wfdb2dicom.batches.progress import ProgressFile
from wfdb2dicom.batches.tables import ReceiptRow, failure
from wfdb2dicom.batches.worker import Job, Position, work
from wfdb2dicom.batches.worker_reports import ReportReader
from wfdb2dicom.errors import OutputError
from wfdb2dicom.system.linux import process_context
from wfdb2dicom.system.stable_storage import StableStorage

_DEATH_SECONDS = 5.0
_LOOK_SECONDS = 1.0  # the longest time between two looks at the deadlines
_STOPPED_SECONDS = 1.0  # looks at the deadlines are later than wanted by this much if this process was stopped
_MOST_EARLY_DEATHS = 4  # workers in a row that may die before their first study, which no study is to blame for
_CHUNK = 64  # studies handed to a worker at once; the next chunk waits in its pipe while it works
_CHILDREN: set[Any] = process._children  # type: ignore[attr-defined]
_PROCESSES = process_context()


class _Worker:
    """A worker process, and the studies it still has to do."""

    def __init__(self, job: Job) -> None:
        self.connection, theirs = _PROCESSES.Pipe()
        self.position = _PROCESSES.RawValue(Position, -1, 0.0)
        self.process = _PROCESSES.Process(target=work, args=(job, theirs, self.position, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()
        self.reports = ReportReader(self.connection)
        self.pending: deque[int] = deque()
        self._heard = time.monotonic()  # when it was given work, or last reported some

    def give(self, chunk: list[int]) -> None:
        """Send studies to the worker; one that has just died keeps none of them."""
        self.connection.send(chunk)
        if not self.pending:
            self._heard = time.monotonic()
        self.pending.extend(chunk)

    def hear(self) -> list[Any]:
        """Its complete reports; EOFError when it is gone."""
        reports = self.reports.take()
        self._heard = time.monotonic()
        return reports

    @property
    def since(self) -> float:
        """Since when it is on its study; where it is on none of those it has, since when nothing is heard of it."""
        return float(self.position.since) if self.position.study in self.pending else self._heard

    def kill(self) -> None:
        """End the process; one that the kernel cannot end yet, because storage does not answer, is left to it."""
        self.process.kill()
        self.process.join(_DEATH_SECONDS)
        if self.process.is_alive():
            _CHILDREN.discard(self.process)  # or this process would wait for it when it exits
        self.connection.close()


class Supervisor:
    """Deals studies to workers, collects their results, and replaces workers that hang or die."""

    def __init__(
        self,
        job: Job,
        results: list[ReceiptRow | None],
        timeout: float,
        note: ProgressFile,
        storage: StableStorage,
        check_plan: Callable[[], None] = lambda: None,
    ) -> None:
        self._job = job
        self._note = note
        self._storage = storage
        self._results = results
        self._timeout = timeout
        self._check_plan = check_plan  # raises once a later run has planned the batch
        self._checked = time.monotonic()
        self._workers: list[_Worker] = []
        self._waiting: deque[int] = deque()
        self._early_deaths = 0  # workers in a row that died before their first study
        self._listening = 0.0  # since when: no study is to blame for waiting while a disk is synced
        self._looked = time.monotonic()  # when it last looked at the deadlines

    def run(self, todo: list[int], workers: int) -> None:
        """Have the studies with these numbers converted.

        Raises
        ------
        OutputError
            When the target cannot be written, workers die before they come to a study, or `check_plan` raises it.
        """
        self._waiting.extend(todo)
        try:
            self._workers = [_Worker(self._job) for _ in range(min(workers, len(todo)))]
            while self._deal():
                if self._storage.keep_up():  # the workers have something to do meanwhile
                    self._listening = time.monotonic()
                self._collect()
                if time.monotonic() - self._checked > _LOOK_SECONDS / 2:
                    self._check_plan()
                    self._checked = time.monotonic()
        finally:
            for worker in self._workers:
                worker.kill()

    def _deal(self) -> bool:
        """Keep every worker supplied; whether anything is under way."""
        for n, worker in enumerate(self._workers):
            if self._waiting and len(worker.pending) <= _CHUNK // 2:
                size = min(_CHUNK, max(1, len(self._waiting) // (2 * len(self._workers))))
                chunk = [self._waiting.popleft() for _ in range(size)]
                try:
                    worker.give(chunk)
                except OSError:
                    self._waiting.extendleft(reversed(chunk))
                    if not worker.pending:  # it died idle; one that died at work is seen by its end of file
                        worker.kill()
                        self._workers[n] = _Worker(self._job)
        return bool(self._waiting) or any(worker.pending for worker in self._workers)

    def _collect(self) -> None:
        busy = {worker.connection: worker for worker in self._workers if worker.pending}
        if not busy:
            return
        # Not until the deadline of the studies under way now: one may follow that has used up half of its time.
        patience = min(_LOOK_SECONDS, self._timeout / 8) if self._timeout else None
        for connection in wait(list(busy), patience):
            self._receive(busy[connection])
        now = time.monotonic()
        if patience and now - self._looked > patience + _STOPPED_SECONDS:
            self._listening = now  # this process was stopped (Ctrl-Z, Slurm), wherever it was, and so were the workers
        self._looked = now
        for worker in busy.values():
            late = self._timeout and now - max(self._listening, worker.since) >= self._timeout
            if late and worker in self._workers and worker.pending and not worker.connection.poll():
                self._replace(worker, f"Timeout>{self._timeout:g}s")

    def _receive(self, worker: _Worker) -> None:
        """Take all that a worker has reported; its end of file means that it died."""
        try:
            reports = worker.hear()
        except EOFError:
            worker.process.join(_DEATH_SECONDS)
            self._replace(worker, f"WorkerCrash: {_cause(worker.process.exitcode)}")
            return
        for results in reports:
            if isinstance(results, str):
                raise OutputError(results)
            for result in results:
                self._results[worker.pending.popleft()] = result
                self._note.add(failed=result.status == "failed")
                self._storage.wrote(result.status == "converted")
            self._early_deaths = 0

    def _replace(self, worker: _Worker, error: str) -> None:
        """Give up the study that a worker is on, and hand its other ones to a new worker."""
        worker.kill()
        on = worker.position.study
        if on < 0:
            self._early_deaths += 1
            if self._early_deaths > _MOST_EARLY_DEATHS:
                raise OutputError(f"workers cannot start: {error}; check memory limits and installation")
        else:
            if on not in worker.pending:  # it died between two chunks
                on = worker.pending[0]
            worker.pending.remove(on)
            self._results[on] = failure(self._job.rows[on], error)
            self._note.add(failed=True)
        self._waiting.extendleft(reversed(worker.pending))
        self._workers[self._workers.index(worker)] = _Worker(self._job)


def _cause(exitcode: int | None) -> str:
    if exitcode is None:
        return "the worker closed its connection and does not end"
    if exitcode < 0:
        known = -exitcode in set(signal.Signals)  # real-time signals have no names
        return f"the worker was ended by {signal.Signals(-exitcode).name if known else f'signal {-exitcode}'}"
    return f"the worker ended with status {exitcode}"
