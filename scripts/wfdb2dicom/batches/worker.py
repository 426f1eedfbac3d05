"""A worker of a batch: a process that converts studies, a few at a time, and reports their outcomes."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches.tables import OTHER_FILES, PlanRow, ReceiptRow, failure, options_line
from wfdb2dicom.batches.worker_reports import send
from wfdb2dicom.convert import Converter, PreparedRecord
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import CHANGED, OutputError, describe, is_transient, name_file
from wfdb2dicom.records.stamps import other_file_stamps, record_stamps
from wfdb2dicom.system.limits import limit_process, physical_memory
from wfdb2dicom.system.linux import die_with_parent, keep_freed_memory
from wfdb2dicom.system.output_tree import OutputTree
from wfdb2dicom.system.paths import stamp_of

_REPORT_SECONDS = 0.02  # a worker reports when its last report is older than this, and at the end of a chunk
_GROUP = 8  # studies that take each step together; asked for so long before, a file from a disk costs 0.26 ms, not 0.47


class Position(ctypes.Structure):
    """The number of the study that a worker is on and since when, by `time.monotonic`; its supervisor sees it too."""

    _fields_ = (("study", ctypes.c_long), ("since", ctypes.c_double))


class StudyClock:
    """Notes where a worker is with a chunk of studies; the time that a study took in earlier steps counts."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self._on, self._begun = -1, 0.0
        self._taken: dict[int, float] = {}  # seconds, by study

    def come_to(self, study: int) -> None:
        """Begin a step of a study."""
        now = time.monotonic()
        self._taken[self._on] = self._taken.get(self._on, 0.0) + now - self._begun
        self._on, self._begun = study, now
        self._position.since = now - self._taken.get(study, 0.0)
        self._position.study = study


@dataclass(frozen=True, slots=True)
class Job:
    """The data that all workers of a batch share."""

    wfdb_dir: str
    dcm_dir: str
    options: Options
    overwrite: bool
    rows: list[PlanRow]

    def expect(self, converter: Converter, n: int) -> None:
        """Start fetching the files of a study."""
        row = self.rows[n]
        if row.dicom:
            converter.expect(row.record, row.dicom, row.members)

    def prepare(self, converter: Converter, n: int) -> PreparedRecord | Exception:
        """Read and check the header of a study; an error is returned, not raised."""
        row = self.rows[n]
        try:
            return converter.prepare(row.record, Acquisition.from_json(row.acquisition), row.members)
        except Exception as error:  # whatever a study's files provoke is that study's error
            return error

    def convert(self, converter: Converter, n: int, prepared: PreparedRecord | Exception) -> ReceiptRow:
        """Convert a study, and give its outcome."""
        row = self.rows[n]
        if isinstance(prepared, Exception):
            return failure(row, self._words(prepared, row, converter), _with_other_files("", converter.zip_stamp))
        others = converter.zip_stamp
        try:
            others = others or _other_file_stamps(prepared)  # as the files are before they are read
            converted = converter.convert(prepared, row.dicom)
        except OutputError:
            raise
        except Exception as error:
            return failure(row, self._words(error, row, converter), _with_other_files("", others))
        return ReceiptRow(
            row.study_id,
            converted.status,
            "",
            "",
            row.dicom,
            str(converted.size),
            str(converted.mtime_ns),
            converted.sha256,
            _with_other_files(converted.facts, "" if converter.zip_stamp else others),
        )

    def _words(self, error: Exception, row: PlanRow, converter: Converter) -> str:
        """The text of an error, marked as temporary when the files are not as planned: they may be again."""
        if isinstance(error, OSError):
            name_file(error, os.path.join(self.wfdb_dir, row.record))
        words = describe(error)
        if is_transient(words):
            return words
        if row.members:
            unchanged = stamp_of(self.wfdb_dir) == converter.zip_stamp
        else:
            unchanged = record_stamps(os.path.join(self.wfdb_dir, row.record)) == row.sources
        return words if unchanged else words + CHANGED


def _other_file_stamps(prepared: PreparedRecord) -> str:
    """The stamps of signal files that are not named like the record; most records have none."""
    path, header = prepared.path, prepared.header
    if header is None or prepared.study is None:
        return other_file_stamps(path)
    usual = os.path.basename(path) + ".dat"
    return "" if header.signal_file == usual else other_file_stamps(path, [header.signal_file])


def _with_other_files(facts: str, stamps: str) -> str:
    """The facts of a study with the stamps of its other files; most studies have none."""
    return options_line({**json.loads(facts or "{}"), OTHER_FILES: stamps}) if stamps else facts


def work(job: Job, connection: Connection, position: Position, supervisor: int) -> None:
    """Main function of a worker: chunks of study numbers in, lists of receipt rows out, a string when writing fails."""
    die_with_parent(supervisor)
    keep_freed_memory()
    limit_process(physical_memory())  # a study that wants more than there is fails, instead of exhausting the machine
    gc.enable()
    gc.freeze()  # the table and what is imported stay, so they need not be searched for garbage
    results: list[ReceiptRow] = []
    try:
        converter = _converter(job)
        while chunk := connection.recv():
            reported = time.monotonic()
            for n, prepared in _prepared(job, converter, position, chunk):
                results.append(job.convert(converter, n, prepared))
                if n == chunk[-1] or time.monotonic() - reported > _REPORT_SECONDS:
                    send(connection, results)
                    results, reported = [], time.monotonic()
    except OutputError as error:
        send(connection, str(error))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass


def _converter(job: Job) -> Converter:
    """The converter of a job; no study is to blame for a ZIP that cannot be opened."""
    target = OutputTree(job.dcm_dir)
    try:
        return Converter(job.wfdb_dir, target, job.options, overwrite=job.overwrite)
    except OSError as error:
        raise OutputError(
            f"cannot open {job.wfdb_dir!r}: {error.strerror}; no result is lost; fix the cause and run again"
        ) from error


def _prepared(
    job: Job, converter: Converter, position: Position, chunk: list[int]
) -> Iterator[tuple[int, PreparedRecord | Exception]]:
    """The studies of a chunk, prepared group by group while the next group's files are fetched."""
    clock = StudyClock(position)
    for start in range(0, len(chunk), _GROUP):
        end = start + _GROUP
        for n in chunk[end if start else 0 : end + _GROUP]:
            clock.come_to(n)
            job.expect(converter, n)
        prepared = []
        for n in chunk[start:end]:
            clock.come_to(n)
            prepared.append(job.prepare(converter, n))
        for n, study in zip(chunk[start:end], prepared, strict=True):
            clock.come_to(n)
            yield n, study
