"""One refused log-in stops all jobs of a run: archives lock accounts after a few wrong passwords.

The jobs of a run share a file that says whether the archive has let one of them in. Until it says so, they make their
first contact one after the other. The file names its run, so the next run begins anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wfdb2dicom.archive.client import LoginRefused
from wfdb2dicom.system.lock import locked
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.system.whole_file import replace_file

_ACCEPTED, _REFUSED = "accepted", "refused"


class LoginGate:
    """Lets a job contact the archive unless the log-in of its run was refused.

    Parameters
    ----------
    folder : Path
        Where the jobs of the run share files.
    run : str
        Names the run; "" for a job that belongs to none, which may always try.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._state = folder / "login"
        self._lock = folder / "login.lock"
        self._run = run

    def check(self) -> None:
        """Return if the log-in was not refused.

        Raises
        ------
        LoginRefused
        """
        state, _, reason = self._read().partition(" ")
        if state == _REFUSED:
            raise LoginRefused(f"not tried, since the archive refused the log-in of another job of this run: {reason}")

    @contextmanager
    def contact(self) -> Iterator[None]:
        """Everything that asks the archive; the first time in a run, one job at a time."""
        self.check()
        with contextlib.ExitStack() as stack:
            if self._run and not self._read():
                stack.enter_context(locked(self._lock))
                self.check()
            try:
                yield
            except LoginRefused as error:
                self._write(f"{_REFUSED} {error}")
                raise
            if not self._read():
                self._write(_ACCEPTED)

    def _read(self) -> str:
        """What is known of this run: "" for nothing."""
        try:
            run, _, state = read_file(self._state).decode().partition("\n")
        except (OSError, ValueError):
            return ""
        return state if run == self._run else ""

    def _write(self, state: str) -> None:
        if self._run:
            replace_file(self._state, f"{self._run}\n{state}".encode())
