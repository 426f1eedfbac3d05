"""The progress of a run on the screen: a line at the foot of a terminal, or now and then a line of plain text.

Snakemake and its jobs write to the same terminal whenever they like. So the line has the last row of the screen to
itself and everything else scrolls in the rows above (a scroll region, DECSTBM, as apt does it): no writer needs to know
of another, and nothing is garbled.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from typing import TextIO

from wfdb2dicom.batches.progress import ProgressReader, RunProgress
from wfdb2dicom.words import duration

_WINDOW = 30.0  # seconds over which the rate is taken


class Rate:
    """Studies per second over the last half minute, and the seconds that the rest will take."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """`done` studies are done at the time `now`; fewer than before means that a new plan begins."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """0 as long as it is not known."""
        (first, before), (last, after) = (self._seen[0], self._seen[-1]) if self._seen else ((0.0, 0), (0.0, 0))
        return (after - before) / (last - first) if last > first else 0.0


def words(state: RunProgress, per_second: float) -> str:
    """The state of a run in one line, the most important first."""
    if not state.planned:
        return "planning: reading the tables, looking at the source files"
    left = state.studies - state.done
    parts = [f"{state.done:,} of {state.studies:,} studies ({_percent(state)})"]
    if left and per_second > 0:
        parts += [f"{per_second:,.0f}/s", f"{duration(left / per_second)} left"]
    elif not left:
        parts.append("writing tables and report")
    parts.append(f"{state.failed:,} failed")
    return " · ".join(parts)


def _percent(state: RunProgress) -> str:
    share = 100 * state.done / max(1, state.studies)
    return f"{share:.0f} %" if share in (0, 100) or state.studies < 200 else f"{min(share, 99.9):.1f} %"


class Display:
    """Shows the progress of a run until it is stopped, from a thread of its own.

    Parameters
    ----------
    reader : ProgressReader
    stream : text stream
        A terminal gets a line that stays at its foot, anything else a line of text every `interval` seconds.
    interval : float
        Seconds.
    """

    def __init__(self, reader: ProgressReader, stream: TextIO, interval: float = 10.0) -> None:
        self._reader = reader
        self._stream = stream
        fancy = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._foot = _Foot(stream) if fancy else None
        self._interval = 0.5 if fancy else interval
        self._shown = (False, -1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        """Begin; the terminal gets its last row back when the process ends, or before."""
        self._reader.forget()
        atexit.register(self.stop)
        if self._foot:
            self._foot.open()
        self._thread.start()

    def stop(self) -> None:
        """End, and leave the terminal as it was; a second time does nothing."""
        if not self._stop.is_set():
            self._stop.set()
            if self._thread.ident is not None:  # a quiet run ends a display that it never began
                self._thread.join(timeout=5)
            if self._foot:
                self._foot.close()

    def _run(self) -> None:
        rate, pause = Rate(), self._interval
        while not self._stop.wait(pause):
            began = time.monotonic()
            state = self._reader.read()
            rate.add(time.monotonic(), state.done)
            # Looking takes at most a twentieth of one core, however many batches there are.
            pause = max(self._interval, 20 * (time.monotonic() - began))
            if not self._foot and not self._is_news(state):
                continue
            try:
                self._show(words(state, rate.per_second))
            except (OSError, ValueError):  # the terminal is gone
                return

    def _is_news(self, state: RunProgress) -> bool:
        """Whether another tenth is done since the last line: a log is to have some lines, however long a run takes."""
        tenth = (state.planned, 10 * state.done // max(1, state.studies))
        shown, self._shown = self._shown, tenth
        return tenth != shown

    def _show(self, text: str) -> None:
        if self._foot:
            self._foot.draw(text)
        else:
            self._stream.write(f"progress: {text}\n")
            self._stream.flush()


class _Foot:
    """The last row of a terminal, kept out of the scrolling. Each change is one write, so that none is interrupted."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._size = (0, 0)

    def open(self) -> None:
        self._size = os.get_terminal_size(self._stream.fileno())
        rows = self._size[1]
        # A new line makes room, in case the cursor is in the last row; setting a region moves the cursor.
        self._write(f"\n\x1b7\x1b[1;{rows - 1}r\x1b8\x1b[1A")

    def draw(self, text: str) -> None:
        if os.get_terminal_size(self._stream.fileno()) != self._size:
            self.open()
        columns, rows = self._size
        line = text if len(text) < columns else text[: max(0, columns - 2)] + "…"
        self._write(f"\x1b7\x1b[{rows};1H\x1b[2K\x1b[7m{line}\x1b[0m\x1b8")

    def close(self) -> None:
        self._write(f"\x1b7\x1b[{self._size[1]};1H\x1b[2K\x1b[r\x1b8")

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "ascii"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()
