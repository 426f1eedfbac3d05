"""What is on an ECG page, drawn on any sheet that takes text and lines in millimetres.

Matplotlib's sheet (`wfdb2dicom.page.draw`) is the page itself, at full precision; that of `wfdb2dicom.page.small_svg`
is the small drawing of a report, and needs no matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wfdb2dicom import __version__
from wfdb2dicom.page.ecg import Ecg
from wfdb2dicom.page.layout import (
    GRID,
    MM_PER_MILLIVOLT,
    MM_PER_SECOND,
    PULSE_MILLIVOLT,
    PULSE_SECONDS,
    TRACES_LEFT,
    Page,
    Segment,
    arrange,
)

FINE, COARSE, INK, QUIET = "#f7d3d0", "#e8a09a", "#101018", "#555560"
ROW_INKS = (INK, "#1a4fb4", "#0a6b45")
"""Of the rows in turn where rows overlap, to distinguish a tall lead from its neighbours."""
TRACE_MM = 0.28
GAP = "\N{EM SPACE}"  # several blanks in a row are one to an SVG viewer
_FINE_MM, _COARSE_MM = 0.1, 0.2
_STATEMENT_LINES, _STATEMENT_CHARACTERS = 7, 66
_NOTE_CHARACTERS = 200  # of a line below the grid
_NO_BREAK = "\N{NO-BREAK SPACE}"  # within a note, so that a line ends behind one
_MEASUREMENT_LINES = 6
_LEFT_POINTS = 370.0  # size × characters that have room left of the measurements
# Code Meaning of a measurement, and a cart's words for it.
_INTERVALS = (
    ("VRate", "Vent. rate"),
    ("RR Interval", "RR interval"),
    ("PR Interval", "PR interval"),
    ("QRS Duration", "QRS duration"),
    ("QT Interval", "QT interval"),
)
_AXES = ("P Axis", "QRS Axis", "T Axis")


class Sheet(Protocol):
    """Paper whose coordinates are millimetres from its lower left corner."""

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write something; `style` is color, size (points), weight, ha, va and zorder as matplotlib has them."""

    def line(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        gid: str,
        *,
        width: float = TRACE_MM,
        ink: str = INK,
        cut: bool = False,
    ) -> None:
        """Draw a line, with a gap at each NaN, cut at the edge of the grid if wanted."""

    def grid(self, every: int, color: str, width: float) -> None:
        """Draw the lines of the grid that are `every` mm apart."""


def draw_page(sheet: Sheet, ecg: Ecg) -> None:
    """Draw an ECG."""
    page = arrange(ecg)
    sheet.grid(1, FINE, _FINE_MM)
    sheet.grid(5, COARSE, _COARSE_MM)
    high = PULSE_MILLIVOLT * MM_PER_MILLIVOLT
    for row in page.rows if page.row_height >= high else page.rows[-1:]:  # one above the other cannot be read
        _draw_pulse(sheet, row, high)
    for segment in page.segments:
        _draw_segment(sheet, segment, page)
    _draw_header(sheet, ecg)
    _draw_footer(sheet, ecg, page)


def _draw_pulse(sheet: Sheet, base: float, high: float) -> None:
    """The calibration pulse at the start of a row: 1 mV for 200 ms."""
    left, wide = GRID.left + 5.0, PULSE_SECONDS * MM_PER_SECOND
    x = [left - 2, left, left, left + wide, left + wide, left + wide + 2]
    sheet.line(x, [base, base, base + high, base + high, base, base], "calibration")


def _draw_segment(sheet: Sheet, segment: Segment, page: Page) -> None:
    label = segment.trace.label
    ink = ROW_INKS[page.rows.index(segment.base) % len(ROW_INKS)] if page.overlapping else INK
    x, y = segment.points()
    sheet.line(x, y, f"trace-{label}{'-rhythm' if segment.rhythm else ''}", ink=ink, cut=True)
    if not np.isfinite(y).any():
        sheet.text(segment.left + 20, segment.base, "no valid sample", color=QUIET, size=8, va="center", zorder=3)
    height = min(13.0, page.row_height * 0.34)
    words = [label, f"from {segment.start:.2f} s" if segment.dated else "", "flat" if segment.trace.flat else ""]
    text = GAP.join(filter(None, words))
    size = 10 if page.row_height >= 15 else 8
    sheet.text(segment.left + 1, segment.base + height, text, color=ink, size=size, weight="bold", zorder=2)
    if segment.left > TRACES_LEFT:  # the end of one lead and the beginning of the next
        for end in (-1, 1):
            sheet.line([segment.left] * 2, [segment.base + end * 5.0, segment.base + end * 7.0], "separator", width=0.2)


def _draw_header(sheet: Sheet, ecg: Ecg) -> None:
    """Patient and date on the left, measurements beside them, the report's lines on the right, as carts print them."""
    x, y = GRID.left, 200.0
    patient = f"ID {ecg.patient_id or 'unknown'}"
    sheet.text(x, y, patient, color=INK, size=_fitting(14, patient), weight="bold")
    lines = (
        ecg.patient_name,
        f"Sex {ecg.sex or '–'}{GAP}Age {ecg.age or '–'}",
        f"{ecg.acquired or 'no date'}{f'{GAP}(date shifted)' if ecg.acquired and ecg.shifted else ''}",
        GAP.join(filter(None, (ecg.study_id and f"Study {ecg.study_id}", ecg.station and f"Cart {ecg.station}"))),
    )
    for number, line in enumerate(filter(None, lines)):
        sheet.text(x, y - 6.0 - 5.0 * number, line, color=INK, size=_fitting(10, line))
    for number, (name, value) in enumerate(_measurements(ecg)[:_MEASUREMENT_LINES]):
        line_y = y + 1.0 - 4.4 * number
        sheet.text(112.0, line_y, name, color=QUIET, size=9)
        sheet.text(166.0, line_y, value, color=INK, size=9, ha="right")
    for number, line in enumerate(_statements(ecg)):
        sheet.text(178.0, y + 1.0 - 3.7 * number, line, color=INK, size=8)


def _fitting(size: float, text: str) -> float:
    """The size of a text, smaller where it would reach into the measurements."""
    return min(size, _LEFT_POINTS / len(text))


def _measurements(ecg: Ecg) -> list[tuple[str, str]]:
    """Rate, intervals and axes in the order and words of carts, then what else the object has."""
    values = dict(ecg.measurements)
    lines = [(words, values.pop(name)) for name, words in _INTERVALS if name in values]
    axes = [values.pop(name, "–") for name in _AXES]
    if any(axis != "–" for axis in axes):
        lines.append(("P-R-T axes", GAP.join(axes)))
    return lines + list(values.items())


def _statements(ecg: Ecg) -> Iterator[str]:
    """As many of the report's lines as the header has room for."""
    room = _STATEMENT_LINES if len(ecg.statements) <= _STATEMENT_LINES else _STATEMENT_LINES - 1
    for text in ecg.statements[:room]:
        yield text if len(text) <= _STATEMENT_CHARACTERS else text[: _STATEMENT_CHARACTERS - 1] + "…"
    if len(ecg.statements) > room:
        yield f"and {len(ecg.statements) - room} more lines in the object"


def _draw_footer(sheet: Sheet, ecg: Ecg, page: Page) -> None:
    frequencies = "/".join(f"{f:g}" for f in dict.fromkeys(trace.frequency for trace in ecg.traces))
    scale = (
        f"{MM_PER_SECOND:g} mm/s",
        f"{MM_PER_MILLIVOLT:g} mm/mV",
        f"Filters {ecg.filters or 'not given'}",
        f"{frequencies} samples/s",
    )
    sheet.text(GRID.left, 11.4, (2 * GAP).join(scale), color=INK, size=10, weight="bold")
    notes = "  ·  ".join(note.replace(" ", _NO_BREAK) for note in page.notes)
    size = 8 if len(notes) <= _NOTE_CHARACTERS * 7 // 8 else 7
    for number, line in enumerate(wrap(notes, _NOTE_CHARACTERS, max_lines=2, placeholder=" …")):
        text = line.replace(_NO_BREAK, " ").rstrip(" ·")
        sheet.text(GRID.left, 7.6 - 2.6 * number, text, color=INK, size=size)
    sheet.text(GRID.left, 2.2, f"SOP Instance UID {ecg.sop_instance_uid}", color=QUIET, size=6)
    drawn = f"Drawn from the DICOM object by wfdb2dicom {__version__}. Not for diagnosis."
    sheet.text(GRID.right, 2.2, drawn, color=QUIET, size=6, ha="right")
