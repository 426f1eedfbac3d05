"""Run a command and say what it cost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes
    ----------
    wall, cpu : float
        Seconds; CPU of the command and all its descendants.
    peak_mb : float
        Peak memory of the largest of these processes.
    main_cpu, main_peak_mb : float
        The same of the command's own process, without its descendants: to a fifth of a second.
    """

    wall: float
    cpu: float
    peak_mb: float
    main_cpu: float
    main_peak_mb: float

    def as_dict(self) -> dict[str, float]:
        """For the JSON file, rounded to what is meant."""
        return {key: round(value, 3) for key, value in asdict(self).items()}


def run(
    command: Sequence[str | os.PathLike[str]],
    cwd: Path | None = None,
    log: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Cost:
    """Run a command to its end, with these environment variables besides.

    Raises
    ------
    SystemExit
        When it fails, with the end of its output.
    """
    # Compiled modules are kept, as everywhere where this is not switched off: they are a third of a job's start.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= variables or {}
    start = time.monotonic()
    with open(log or os.devnull, "wb") as out:
        process = subprocess.Popen(
            [str(c) for c in command], cwd=cwd, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        with _Watch(process.pid) as watch:
            _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status:
        tail = log.read_text(errors="replace")[-3000:] if log else ""
        sys.exit(f"{' '.join(map(str, command))} failed with status {status}\n{tail}")
    # ru_maxrss of a waited-for process covers the largest of its descendants too (getrusage(2)).
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, watch.cpu, watch.peak_mb)


class _Watch:
    """CPU and peak memory of one process while a block runs: `wait4` cannot tell a parent from its children."""

    def __init__(self, pid: int) -> None:
        self.cpu = 0.0
        self.peak_mb = 0.0
        self._process = Path(f"/proc/{pid}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            try:
                status = (self._process / "status").read_text()
                times = (self._process / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                return
            self.cpu = max(self.cpu, (int(times[11]) + int(times[12])) / _TICKS)  # utime and stime, proc_pid_stat(5)
            peaks = [line for line in status.splitlines() if line.startswith("VmHWM")]
            self.peak_mb = max([self.peak_mb] + [int(line.split()[1]) / 1024 for line in peaks])
