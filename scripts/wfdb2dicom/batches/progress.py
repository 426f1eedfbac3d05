"""The progress of a run: notes of the batches that are running, and their sum.

A batch under way keeps one small file, ``<folder>/<batch>``: studies done, and failed, so far. A batch that has ended
says so in its receipt. So a reader on any machine needs no connection to the jobs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from wfdb2dicom.batches.plan_files import TOKEN_FILE, count_studies
from wfdb2dicom.batches.tables import read_run
from wfdb2dicom.system.regular_file import open_regular, read_file

_NOTE_SECONDS = 0.5  # between two notes of a batch


class ProgressFile:
    """The progress of a running batch, in a file that is removed when the batch ends.

    Parameters
    ----------
    path : Path or None
        The file; None to note nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._done = self._failed = 0
        self._written = 0.0

    def add(self, *, failed: bool) -> None:
        """One more study is done."""
        self._done += 1
        self._failed += failed
        if self._path is not None and time.monotonic() - self._written >= _NOTE_SECONDS:
            self._write(self._path)

    def _write(self, path: Path) -> None:
        self._written = time.monotonic()
        try:
            if not self._done:
                path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_regular(path, os.O_WRONLY | os.O_CREAT)
            try:
                # Always of the same length and in one call, so that a reader never sees half of it.
                os.pwrite(descriptor, f"{self._done:>12} {self._failed:>12}\n".encode(), 0)
            finally:
                os.close(descriptor)
        except OSError:
            self._path = None  # a batch does not fail because its progress cannot be shown

    def __enter__(self) -> ProgressFile:
        if self._path is not None:
            self._write(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class RunProgress:
    """Numbers of studies: planned, done and failed so far; ``planned`` is False before there is a plan."""

    planned: bool = False
    studies: int = 0
    done: int = 0
    failed: int = 0


class ProgressReader:
    """Adds up plan files, receipts and notes; what has not changed since the last look is not read again.

    Parameters
    ----------
    plans, receipts, notes : Path
        The folders.
    """

    def __init__(self, plans: Path, receipts: Path, notes: Path) -> None:
        self._plans, self._receipts, self._notes = plans, receipts, notes
        self._seen: dict[str, tuple[int, tuple[int, int]]] = {}

    def forget(self) -> None:
        """Remove the notes of jobs that were killed; one that still runs notes its progress again."""
        for entry in _files(self._notes):
            Path(entry.path).unlink(missing_ok=True)

    def read(self) -> RunProgress:
        """The state of the run as it is now."""
        if not (self._plans / TOKEN_FILE).exists():  # written last
            return RunProgress()
        planned = self._sum(self._plans, _count_planned)
        ended = self._sum(self._receipts, _count_ended)
        studies = sum(count for count, _ in planned.values())
        done = [ended[name] for name in planned if name in ended]
        done += [note for name, note in self._under_way().items() if name in planned and name not in ended]
        return RunProgress(True, studies, sum(count for count, _ in done), sum(failed for _, failed in done))

    def _sum(self, folder: Path, count: Callable[[Path], tuple[int, int]]) -> dict[str, tuple[int, int]]:
        counts = {}
        for entry in _tables(folder):
            try:
                changed = entry.stat().st_mtime_ns
                known = self._seen.get(entry.path)
                if known is None or known[0] != changed:
                    known = self._seen[entry.path] = (changed, count(Path(entry.path)))
            except OSError:  # replaced or removed at this moment
                continue
            counts[entry.name.removesuffix(".tsv")] = known[1]
        return counts

    def _under_way(self) -> dict[str, tuple[int, int]]:
        notes = {}
        for entry in _files(self._notes):
            try:
                done, failed = read_file(entry.path).decode("ascii").split()
                notes[entry.name] = (int(done), int(failed))
            except (OSError, ValueError):
                continue
        return notes


def _files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _tables(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _files(folder) if entry.name.endswith(".tsv") and not entry.name.startswith(".")]


def _count_planned(plan: Path) -> tuple[int, int]:
    return count_studies(plan), 0


def _count_ended(receipt: Path) -> tuple[int, int]:
    run = read_run(receipt)
    return int(run.get("studies", 0)), int(run.get("failed", 0))
