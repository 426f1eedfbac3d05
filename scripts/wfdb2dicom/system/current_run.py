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
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.errors import ConfigError, OutputError
from wfdb2dicom.system.regular_file import open_regular, read_fully, write_fully

VARIABLE = "WFDB2DICOM_CURRENT_RUN"  # in the environment of jobs: the run's id, a colon, the absolute path of the file
_PATIENCE = 10.0  # seconds that a new run waits for a process that is renaming a file


class _Run(NamedTuple):
    """The run to which this process belongs, and the file that holds the id of the current one."""

    id: bytes
    path: str

    def outlived(self) -> OutputError:
        folder = os.path.dirname(self.path)
        return OutputError(
            f"a later run has begun in {folder!r}: this process of an earlier run leaves its files alone"
        )


@cache
def _run() -> _Run | None:
    run_id, _, path = os.environ.get(VARIABLE, "").partition(":")
    return _Run(run_id.encode(), path) if path else None


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
        os.ftruncate(descriptor, 0)
        write_fully(descriptor, run_id.encode())  # first: none that comes after this waits for its turn
        _wait_for_renames(descriptor, path)
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


class current_run:
    """A block during which no later run begins; outside of a run there is nothing to prove.

    Every file is renamed into place in such a block: a process that is stopped between a proof and its rename, or whose
    rename hangs, would otherwise put its file in the place of that of a later run.

    Raises
    ------
    OutputError
        When a later run has begun.
    """

    def __enter__(self) -> None:  # not by contextlib: there is one per DICOM, and this takes two thirds of the time
        self._fd = -1
        run = _run()
        if run is None:
            return
        try:
            fd = self._fd = open_regular(run.path)
        except FileNotFoundError:
            raise run.outlived() from None
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(fd, fcntl.LOCK_SH)
            content = read_fully(fd, len(run.id) + 1)
        except BaseException:
            os.close(fd)
            raise
        if content != run.id:
            os.close(fd)
            raise run.outlived()

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
