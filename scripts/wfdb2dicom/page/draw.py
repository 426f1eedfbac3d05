"""An ECG page from a DICOM object alone, as a clinician expects it: see `wfdb2dicom.page.layout` for the places.

The whole page is one coordinate system in millimetres, so that what is drawn at 25 mm is 25 mm on paper.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any, BinaryIO

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

from wfdb2dicom import __version__
from wfdb2dicom.page.ecg import Ecg, EcgError, read
from wfdb2dicom.page.layout import (
    GRID,
    HEIGHT,
    MM_PER_MILLIVOLT,
    MM_PER_SECOND,
    PULSE_MILLIVOLT,
    PULSE_SECONDS,
    TRACES_LEFT,
    WIDTH,
    Page,
    Segment,
    arrange,
)
from wfdb2dicom.system.whole_file import replace_file

FORMATS = ("png", "pdf", "svg")
_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
FINE, COARSE, INK, QUIET = "#f7d3d0", "#e8a09a", "#101018", "#555560"
ROW_INKS = (INK, "#1a4fb4", "#0a6b45")
"""Of the rows in turn where rows overlap, so that a tall lead can be told from its neighbours."""
_TRACE_MM, _FINE_MM, _COARSE_MM = 0.28, 0.1, 0.2
# Text stays text, and the same object gives the same bytes.
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "wfdb2dicom",
    "pdf.fonttype": 42,
    "path.simplify": False,
}
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": f"wfdb2dicom {__version__}"},
    "pdf": {"Creator": f"wfdb2dicom {__version__}", "CreationDate": None},
    "svg": {"Creator": f"wfdb2dicom {__version__}", "Date": None},
}
_GAP = "\N{EM SPACE}"  # several blanks in a row are one to an SVG viewer
_STATEMENT_LINES, _STATEMENT_CHARACTERS = 7, 67
_NOTE_CHARACTERS = 200  # of a line below the grid
_MEASUREMENT_LINES = 6
# Code Meaning of a measurement, and a cart's words for it.
_INTERVALS = (
    ("VRate", "Vent. rate"),
    ("RR Interval", "RR interval"),
    ("PR Interval", "PR interval"),
    ("QRS Duration", "QRS duration"),
    ("QT Interval", "QT interval"),
)
_AXES = ("P Axis", "QRS Axis", "T Axis")


def draw(
    dicom: str | os.PathLike[str],
    out: str | os.PathLike[str] | BinaryIO,
    format: str = "png",
    *,
    pixels_per_mm: int = 7,
) -> None:
    """Draw the ECG of a DICOM object on a page of 297 × 210 mm.

    Parameters
    ----------
    dicom : path
        The object; nothing else is read.
    out : path or binary file
        Where the page goes. A path holds the whole page or what it held before.
    format : {"png", "pdf", "svg"}
    pixels_per_mm : int
        Resolution of a PNG: 7 gives 2079 × 1470 pixels for reading and printing, 3 gives 891 × 630 for a thumbnail.
        Whole numbers keep the grid even.

    Raises
    ------
    EcgError
        When the file has no ECG.
    OSError
        When a file cannot be read or written.
    ValueError
        When the format is unknown.
    """
    if format not in FORMATS:
        raise ValueError(f"format {format!r} is not one of {', '.join(FORMATS)}")
    ecg = read(dicom)
    with matplotlib.rc_context(_SETTINGS):
        figure = page_figure(ecg)
        if isinstance(out, (str, os.PathLike)):
            stream = BytesIO()
            _save(figure, stream, format, pixels_per_mm)
            replace_file(Path(out), stream.getvalue())
        else:
            _save(figure, out, format, pixels_per_mm)


def _save(figure: Figure, stream: BinaryIO, format: str, pixels_per_mm: int) -> None:
    figure.savefig(stream, format=format, dpi=pixels_per_mm * _MM_PER_INCH, metadata=_METADATA[format])


def raster(dicom: str | os.PathLike[str], pixels_per_mm: int) -> npt.NDArray[np.uint8]:
    """The pixels of the PNG that `draw` makes, without the time that packing and unpacking them takes.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Red, green and blue.

    Raises
    ------
    EcgError, OSError
        As `draw`.
    """
    ecg = read(dicom)
    with matplotlib.rc_context(_SETTINGS):
        figure = page_figure(ecg)
        figure.set_dpi(pixels_per_mm * _MM_PER_INCH)
        canvas: Any = FigureCanvasAgg(figure)  # untyped
        canvas.draw()
        return np.array(np.asarray(canvas.buffer_rgba())[..., :3])  # paper is white all over, so alpha tells nothing


def page_figure(ecg: Ecg) -> Figure:
    """The page as a figure; its artists have millimetres for coordinates."""
    page = arrange(ecg)
    sheet = _Sheet()
    _draw_grid(sheet)
    high = PULSE_MILLIVOLT * MM_PER_MILLIVOLT
    for row in page.rows if page.row_height >= high else page.rows[-1:]:  # one above the other cannot be read
        _draw_pulse(sheet, row, high)
    for segment in page.segments:
        _draw_segment(sheet, segment, page)
    _draw_header(sheet, ecg)
    _draw_footer(sheet, ecg, page)
    return sheet.figure


class _Sheet:
    """A figure on which things are placed in millimetres.

    It does without axes: their ticks, spines and limits show nothing here and take a quarter of the time.
    """

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH / _MM_PER_INCH, HEIGHT / _MM_PER_INCH), facecolor="white")
        self.mm = Affine2D().scale(1 / WIDTH, 1 / HEIGHT) + self.figure.transFigure
        self._grid = TransformedBbox(Bbox.from_extents(GRID.left, GRID.bottom, GRID.right, GRID.top), self.mm)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write something."""
        self.figure.text(x, y, text, transform=self.mm, parse_math=False, **style)  # $ is a character

    def line(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        gid: str,
        *,
        width: float = _TRACE_MM,
        ink: str = INK,
        cut: bool = False,
    ) -> None:
        """Draw a line, cut at the edge of the grid if wanted."""
        line = Line2D(
            x,
            y,
            color=ink,
            linewidth=width * _POINTS_PER_MM,
            solid_joinstyle="round",
            solid_capstyle="round",
            transform=self.mm,
            zorder=3,
            gid=gid,
        )
        if cut:
            line.set_clip_box(self._grid)
        self.figure.add_artist(line)


def _draw_grid(sheet: _Sheet) -> None:
    """Lines every 1 mm, and stronger ones every 5 mm."""
    for every, color, width in ((1, FINE, _FINE_MM), (5, COARSE, _COARSE_MM)):
        lines = [[(x, GRID.bottom), (x, GRID.top)] for x in np.arange(GRID.left, GRID.right + every / 2, every)] + [
            [(GRID.left, y), (GRID.right, y)] for y in np.arange(GRID.bottom, GRID.top + every / 2, every)
        ]
        grid = LineCollection(
            lines,
            colors=color,
            linewidths=width * _POINTS_PER_MM,
            transform=sheet.mm,
            zorder=every / 10,
            snap=True,
            gid=f"grid-{every}mm",
        )
        sheet.figure.add_artist(grid)


def _draw_pulse(sheet: _Sheet, base: float, high: float) -> None:
    """The calibration pulse in front of a row: 1 mV for 200 ms."""
    left, wide = GRID.left + 5.0, PULSE_SECONDS * MM_PER_SECOND
    x = [left - 2, left, left, left + wide, left + wide, left + wide + 2]
    sheet.line(x, [base, base, base + high, base + high, base, base], "calibration")


def _draw_segment(sheet: _Sheet, segment: Segment, page: Page) -> None:
    label = segment.trace.label
    ink = ROW_INKS[page.rows.index(segment.base) % len(ROW_INKS)] if page.overlapping else INK
    x, y = segment.points()
    sheet.line(x, y, f"trace-{label}{'-rhythm' if segment.rhythm else ''}", ink=ink, cut=True)
    if not np.isfinite(y).any():
        sheet.text(segment.left + 20, segment.base, "no valid sample", color=QUIET, size=8, va="center", zorder=3)
    height = min(13.0, page.row_height * 0.34)
    words = [label, f"from {segment.start:.2f} s" if segment.dated else "", "flat" if segment.trace.flat else ""]
    text = _GAP.join(filter(None, words))
    size = 10 if page.row_height >= 15 else 8
    sheet.text(segment.left + 1, segment.base + height, text, color=ink, size=size, weight="bold", zorder=2)
    if segment.left > TRACES_LEFT:  # the end of one lead and the beginning of the next
        for end in (-1, 1):
            sheet.line([segment.left] * 2, [segment.base + end * 5.0, segment.base + end * 7.0], "separator", width=0.2)


def _draw_header(sheet: _Sheet, ecg: Ecg) -> None:
    """Patient and date on the left, measurements beside them, the report's lines on the right, as carts print them."""
    x, y = GRID.left, 200.0
    sheet.text(x, y, f"ID {ecg.patient_id or 'unknown'}", color=INK, size=14, weight="bold")
    lines = (
        ecg.patient_name,
        f"Sex {ecg.sex or '–'}{_GAP}Age {ecg.age or '–'}",
        f"{ecg.acquired or 'no date'}{f'{_GAP}(date shifted)' if ecg.acquired and ecg.shifted else ''}",
        _GAP.join(filter(None, (ecg.study_id and f"Study {ecg.study_id}", ecg.station and f"Cart {ecg.station}"))),
    )
    for number, line in enumerate(filter(None, lines)):
        sheet.text(x, y - 6.0 - 5.0 * number, line, color=INK, size=10)
    for number, (name, value) in enumerate(_measurements(ecg)[:_MEASUREMENT_LINES]):
        line_y = y + 1.0 - 4.4 * number
        sheet.text(112.0, line_y, name, color=QUIET, size=9)
        sheet.text(166.0, line_y, value, color=INK, size=9, ha="right")
    for number, line in enumerate(_statements(ecg)):
        sheet.text(178.0, y + 1.0 - 3.7 * number, line, color=INK, size=8)


def _measurements(ecg: Ecg) -> list[tuple[str, str]]:
    """Rate, intervals and axes in the order and words of carts, then what else the object has."""
    values = dict(ecg.measurements)
    lines = [(words, values.pop(name)) for name, words in _INTERVALS if name in values]
    axes = [values.pop(name, "–") for name in _AXES]
    if any(axis != "–" for axis in axes):
        lines.append(("P-R-T axes", _GAP.join(axes)))
    return lines + list(values.items())


def _statements(ecg: Ecg) -> Iterator[str]:
    """As many of the report's lines as the header has room for."""
    room = _STATEMENT_LINES if len(ecg.statements) <= _STATEMENT_LINES else _STATEMENT_LINES - 1
    for text in ecg.statements[:room]:
        yield text if len(text) <= _STATEMENT_CHARACTERS else text[: _STATEMENT_CHARACTERS - 1] + "…"
    if len(ecg.statements) > room:
        yield f"and {len(ecg.statements) - room} more lines in the object"


def _draw_footer(sheet: _Sheet, ecg: Ecg, page: Page) -> None:
    frequencies = "/".join(f"{f:g}" for f in dict.fromkeys(trace.frequency for trace in ecg.traces))
    scale = (
        f"{MM_PER_SECOND:g} mm/s",
        f"{MM_PER_MILLIVOLT:g} mm/mV",
        f"Filters {ecg.filters or 'not given'}",
        f"{frequencies} samples/s",
    )
    sheet.text(GRID.left, 11.4, (2 * _GAP).join(scale), color=INK, size=10, weight="bold")
    lines = wrap("  ·  ".join(page.notes), _NOTE_CHARACTERS, max_lines=2, placeholder=" …")
    for number, line in enumerate(lines):
        sheet.text(GRID.left, 7.8 - 2.6 * number, line, color=INK, size=7)
    sheet.text(GRID.left, 2.2, f"SOP Instance UID {ecg.sop_instance_uid}", color=QUIET, size=6)
    drawn = f"Drawn from the DICOM object by wfdb2dicom {__version__}. Not for diagnosis."
    sheet.text(GRID.right, 2.2, drawn, color=QUIET, size=6, ha="right")


__all__ = ["FORMATS", "EcgError", "draw", "page_figure", "raster"]
