"""Proof that a process still belongs to the run that owns a working directory.

A run that was killed may leave processes behind that hang, because storage does not answer for example, and continue
after a later run has begun. Each run writes an id of its own into a file and hands it to its jobs in the environment.
A process renames nothing into place unless the file still holds its id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from wfdb2dicom.errors import ConfigError, OutputError
from wfdb2dicom.system.regular_file import open_regular, read_file, read_fully, write_fully

VARIABLE = "WFDB2DICOM_CURRENT_RUN"  # in the environment of jobs: the run's id, a colon, the absolute path of the file
_PATIENCE = 10.0  # seconds that a new run waits for a process that is renaming a file


class _Run:
    """The run to which this process belongs."""

    def __init__(self, run_id: str, path: str) -> None:
        self.id, self.path = run_id.encode(), path
        self._seen: tuple[int, int] | None = None  # how the file looked when it held the id

    def require(self) -> None:
        """Raise OutputError unless the file holds the id; the file is read again only when it looks different."""
        try:
            status = os.stat(self.path)
            look = (status.st_ino, status.st_mtime_ns)
            if look == self._seen:
                return
            content = read_file(self.path)
        except FileNotFoundError:
            content = b""
        except OSError:  # storage that does not answer says nothing
            return
        if content != self.id:
            raise self.outlived()
        self._seen = look

    def outlived(self) -> OutputError:
        folder = os.path.dirname(self.path)
        return OutputError(
            f"a later run has begun in {folder!r}: this process of an earlier run leaves its files alone"
        )


@cache
def _run() -> _Run | None:
    run_id, _, path = os.environ.get(VARIABLE, "").partition(":")
    return _Run(run_id, path) if path else None


def begin(path: Path) -> None:
    """Begin a run: from now on no process of an earlier run renames anything into place.

    Parameters
    ----------
    path : Path
        The file for the id. The caller holds the lock of the working directory.

    Raises
    ------
    ConfigError
        When a process of an earlier run is stopped between proving that it belongs to its run and renaming a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    run_id = secrets.token_hex(8)
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        _wait_for_renames(descriptor, path)
        os.ftruncate(descriptor, 0)
        write_fully(descriptor, run_id.encode())
    finally:
        os.close(descriptor)
    os.environ[VARIABLE] = f"{run_id}:{path.absolute()}"
    _run.cache_clear()


def _wait_for_renames(descriptor: int, path: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise ConfigError(
                    f"a process of an earlier run in {path.parent.absolute()} is stopped while it writes a file: "
                    "end it, then run again"
                ) from None
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return


def require() -> None:
    """Prove that this process belongs to the current run; outside of a run there is nothing to prove.

    Raises
    ------
    OutputError
        When a later run has begun.
    """
    if run := _run():
        run.require()


@contextmanager
def current_run() -> Iterator[None]:
    """A block during which no later run begins; raises OutputError, as `require`, where one has begun."""
    run = _run()
    if run is None:
        yield
        return
    try:
        descriptor = open_regular(run.path)
    except FileNotFoundError:
        raise run.outlived() from None
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        if read_fully(descriptor, 100) != run.id:
            raise run.outlived()
        yield
    finally:
        os.close(descriptor)
