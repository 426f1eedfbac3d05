"""Where everything on an ECG page goes: A4 landscape, in millimetres, the origin at the lower left corner.

25 mm are one second and 10 mm one millivolt, always. The twelve standard leads are in four columns of 2.5 s,

    I   aVR  V1  V4
    II  aVL  V2  V5
    III aVF  V3  V6
    II, 10 s (rhythm strip)

by their names, not by their places among the channels; leads beyond the twelve follow in rows of four. Other sets of
leads are drawn one to a row for 10 s, or, when there are many of them, in columns with a rhythm strip. All columns lie
on one time line: the second column begins where the first one ends. Each piece is centred on its row by its median.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wfdb2dicom.dicom.leads import STANDARD_ORDER
from wfdb2dicom.page.ecg import Ecg, Trace

MM_PER_SECOND = 25.0
MM_PER_MILLIVOLT = 10.0
WIDTH, HEIGHT = 297.0, 210.0
SECONDS = 10.0  # of a page
PULSE_MILLIVOLT, PULSE_SECONDS = 1.0, 0.2


class Box(NamedTuple):
    """A rectangle in mm."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.bottom + self.height


GRID = Box(13.0, 16.0, 270.0, 160.0)
TRACES_LEFT = GRID.left + 15.0  # behind the calibration pulse; on a 5 mm line of the grid, as are most base lines


@dataclass(frozen=True)
class Segment:
    """A piece of a lead on the page.

    Attributes
    ----------
    start, seconds : float
        The time that is drawn.
    left, base : float
        Where it begins, and the line on which the median of the piece lies, mm.
    rhythm : bool
        Whether it is the rhythm strip.
    dated : bool
        Whether its start is printed, because it does not follow from its place.
    """

    trace: Trace
    start: float
    seconds: float
    left: float
    base: float
    rhythm: bool = False
    dated: bool = False

    def millivolt(self) -> npt.NDArray[np.float64]:
        """The samples of the piece."""
        first, last = self.span()
        return self.trace.millivolt[first:last]

    def span(self) -> tuple[int, int]:
        """The first of its samples, and the one behind its last."""
        frequency = self.trace.frequency
        first = round(self.start * frequency)
        # One more sample than the time holds: it joins the next column, or the end of the strip.
        return first, round((self.start + self.seconds) * frequency) + 1

    def points(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Coordinates in mm, shape (n,) each; NaN where a sample is invalid.

        An ECG has no zero line of its own: the piece is moved so that its median lies on its base line.
        """
        millivolt = self.millivolt()
        first, _ = self.span()
        times = (first + np.arange(len(millivolt))) / self.trace.frequency - self.start
        middle = np.nanmedian(millivolt) if np.isfinite(millivolt).any() else 0.0
        return self.left + MM_PER_SECOND * times, self.base + MM_PER_MILLIVOLT * (millivolt - middle)


@dataclass(frozen=True)
class Page:
    """The pieces of an ECG.

    Attributes
    ----------
    rows : tuple of float
        The base line of each row, from top to bottom, mm.
    overlapping : bool
        Whether a piece reaches into one of another row.
    notes : tuple of str
        Facts that a reader cannot see in the drawing.
    """

    segments: tuple[Segment, ...]
    rows: tuple[float, ...]
    row_height: float
    overlapping: bool
    notes: tuple[str, ...]


def arrange(ecg: Ecg) -> Page:
    """Put the leads of an ECG on a page."""
    standard, others = _sorted(ecg.traces)
    columns = _columns(standard, others)
    strip = _rhythm(standard or others) if len(columns) > 1 else None
    n_rows = max(map(len, columns)) + (strip is not None)
    rows = tuple(_base(row, n_rows) for row in range(n_rows))
    segments = list(_segments(columns, rows, ecg.duration))
    if strip is not None:
        seconds = min(SECONDS, strip.duration)
        segments.append(Segment(strip, 0.0, seconds, TRACES_LEFT, rows[-1], rhythm=True))
    overlapping = _overlap(segments, rows)
    notes = tuple(_notes(ecg, segments, overlapping))
    return Page(tuple(segments), rows, GRID.height / n_rows, overlapping, notes)


def _sorted(traces: Sequence[Trace]) -> tuple[list[Trace], list[Trace]]:
    """The standard leads in their order and the others; where some are missing and others there, as they come."""
    by_label = {trace.label: trace for trace in traces}
    standard = [by_label.pop(label) for label in STANDARD_ORDER if label in by_label]
    others = list(by_label.values())
    return (standard, others) if len(standard) == len(STANDARD_ORDER) or not others else ([], list(traces))


def _columns(standard: list[Trace], others: list[Trace]) -> list[list[Trace | None]]:
    """The leads of each column from top to bottom; None leaves a place empty."""
    if len(standard) == len(STANDARD_ORDER):
        columns: list[list[Trace | None]] = [list(standard[n : n + 3]) for n in (0, 3, 6, 9)]
        rest: list[Trace | None] = [*others, *[None] * (-len(others) % 4)]
        return [column + rest[n::4] for n, column in enumerate(columns)]
    leads = standard + others
    count = 1 if len(leads) <= 8 else 2 if len(leads) <= 14 else 4
    height = -(-len(leads) // count)
    return [list(leads[n : n + height]) for n in range(0, len(leads), height)]


def _rhythm(leads: list[Trace]) -> Trace:
    """Lead II, or the first one that there is."""
    return next((trace for trace in leads if trace.label == "II"), leads[0])


def _base(row: int, rows: int) -> float:
    """The base line of a row, on a line of the grid."""
    return GRID.bottom + round(GRID.height - (row + 0.5) * GRID.height / rows)


def _segments(columns: list[list[Trace | None]], rows: Sequence[float], duration: float) -> Iterator[Segment]:
    """The pieces of all columns: those of a record too short to fill them begin before the last column's end."""
    shown = min(SECONDS, duration)
    length = min(SECONDS / len(columns), shown)
    step = (shown - length) / (len(columns) - 1) if len(columns) > 1 else 0.0
    dated = len(columns) > 1 and not np.isclose(step, length)
    for number, column in enumerate(columns):
        left = TRACES_LEFT + number * MM_PER_SECOND * SECONDS / len(columns)
        for trace, base in zip(column, rows, strict=False):
            if trace is not None:
                yield Segment(trace, number * step, length, left, base, dated=dated)


def _overlap(segments: Sequence[Segment], rows: Sequence[float]) -> bool:
    """Whether, in any millimetre of the time line, a row reaches as high as the lowest point of a row above it."""
    highest = np.full((len(rows), int(WIDTH) + 1), -np.inf)
    lowest = np.full((len(rows), int(WIDTH) + 1), np.inf)
    for segment in segments:
        x, y = segment.points()
        valid = np.isfinite(y)
        row, millimetre = rows.index(segment.base), x[valid].astype(int)
        np.maximum.at(highest[row], millimetre, y[valid])
        np.minimum.at(lowest[row], millimetre, y[valid])
    return any(bool((highest[row] >= lowest[:row]).any()) for row in range(1, len(rows)))


def _notes(ecg: Ecg, segments: Sequence[Segment], overlapping: bool) -> Iterator[str]:
    """Notes on what a reader cannot see in the drawing."""
    if ecg.duration > SECONDS:
        yield f"First {SECONDS:g} s of {ecg.duration:.4g} s"
    if ecg.duration < SECONDS - 0.01:
        yield f"Whole record of {ecg.duration:.4g} s"
    if any(segment.dated for segment in segments):
        yield "Columns begin at the times given"
    yield "Pieces are centred on their median"
    if overlapping:
        yield "Rows that overlap have different colours"
    yield from _notes_of_invalid_samples(segments)
    cut = dict.fromkeys(segment.trace.label for segment in segments if _leaves_grid(segment))
    if cut:
        yield f"Cut at the edge of the grid: {', '.join(cut)}"
    if ecg.left_out:
        yield f"Not drawn, not a voltage: {', '.join(ecg.left_out)}"


def _notes_of_invalid_samples(segments: Sequence[Segment]) -> Iterator[str]:
    """How many each lead has on the page and elsewhere, and the leads without a valid sample."""
    traces = {segment.trace.label: segment.trace for segment in segments}
    some = [trace for trace in traces.values() if 0 < trace.invalid < len(trace.millivolt)]
    shown = {trace.label: np.zeros(len(trace.millivolt), np.bool_) for trace in some}
    for segment in segments:
        if segment.trace.label in shown:
            first, last = segment.span()
            shown[segment.trace.label][first:last] = True
    here = {trace.label: np.count_nonzero(np.isnan(trace.millivolt) & shown[trace.label]) for trace in some}
    if gaps := [f"{label} {count}" for label, count in here.items() if count]:
        yield f"Gaps, invalid samples: {', '.join(gaps)}"
    if elsewhere := [f"{t.label}: {t.invalid - here[t.label]}" for t in some if t.invalid > here[t.label]]:
        yield f"{', '.join(elsewhere)} invalid samples, not in the part shown"
    if missing := [trace.label for trace in traces.values() if trace.invalid == len(trace.millivolt)]:
        yield f"No valid sample: {', '.join(missing)}"


def _leaves_grid(segment: Segment) -> bool:
    _, y = segment.points()
    valid = y[np.isfinite(y)]
    return valid.size > 0 and bool(valid.min() < GRID.bottom or valid.max() > GRID.top)
