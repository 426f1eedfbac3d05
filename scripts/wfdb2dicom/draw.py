"""An ECG page from a DICOM object alone, as a clinician expects it: see `wfdb2dicom.page` for what stands where.

The whole page is one coordinate system in millimetres, so that what is drawn at 25 mm is 25 mm on paper.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from wfdb2dicom import __version__
from wfdb2dicom.ecg import Ecg, EcgError, read
from wfdb2dicom.page import (
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
from wfdb2dicom.wholefile import replace_file

FORMATS = ("png", "pdf", "svg")
_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
FINE, COARSE, INK, QUIET = "#f7d3d0", "#e8a09a", "#101018", "#555560"
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
_STATEMENT_LINES, _STATEMENT_CHARACTERS = 7, 66


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
        When the file holds no ECG.
    OSError
        When a file cannot be read or written.
    ValueError
        When there is no such format.
    """
    if format not in FORMATS:
        raise ValueError(f"format {format!r} is none of {', '.join(FORMATS)}")
    ecg = read(dicom)
    with matplotlib.rc_context(_SETTINGS):
        figure = page_figure(ecg)
        if isinstance(out, (str, os.PathLike)):
            stream = BytesIO()
            _save(figure, stream, format, pixels_per_mm)
            replace_file(Path(out), stream.getvalue())
        else:
            _save(figure, out, format, pixels_per_mm)


def raster(dicom: str | os.PathLike[str], pixels_per_mm: int) -> npt.NDArray[np.uint8]:
    """The same page as pixels, without the time that packing and unpacking a PNG takes.

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


def _save(figure: Figure, stream: BinaryIO, format: str, pixels_per_mm: int) -> None:
    figure.savefig(stream, format=format, dpi=pixels_per_mm * _MM_PER_INCH, metadata=_METADATA[format])


def page_figure(ecg: Ecg) -> Figure:
    """The page as a figure with a single axes, whose data coordinates are millimetres."""
    page = arrange(ecg)
    figure = Figure(figsize=(WIDTH / _MM_PER_INCH, HEIGHT / _MM_PER_INCH), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), frameon=False)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), xticks=[], yticks=[])
    _draw_grid(axes)
    high = PULSE_MILLIVOLT * MM_PER_MILLIVOLT
    for row in page.rows if page.row_height >= high else page.rows[-1:]:  # one above the other cannot be read
        _draw_pulse(axes, row, high)
    frame = Rectangle((GRID.left, GRID.bottom), GRID.width, GRID.height, transform=axes.transData)
    for segment in page.segments:
        _draw_segment(axes, segment, page, frame)
    _draw_header(axes, ecg)
    _draw_footer(axes, ecg, page)
    return figure


def _draw_grid(axes: Axes) -> None:
    """Lines every 1 mm, and stronger ones every 5 mm."""
    for every, color, width in ((1, FINE, _FINE_MM), (5, COARSE, _COARSE_MM)):
        lines = [[(x, GRID.bottom), (x, GRID.top)] for x in np.arange(GRID.left, GRID.right + every / 2, every)] + [
            [(GRID.left, y), (GRID.right, y)] for y in np.arange(GRID.bottom, GRID.top + every / 2, every)
        ]
        grid = LineCollection(lines, colors=color, linewidths=width * _POINTS_PER_MM, zorder=every / 10, snap=True)
        grid.set_gid(f"grid-{every}mm")
        axes.add_collection(grid, autolim=False)


def _line(axes: Axes, x: ArrayLike, y: ArrayLike, gid: str, width: float = _TRACE_MM) -> Line2D:
    (line,) = axes.plot(
        x,
        y,
        color=INK,
        linewidth=width * _POINTS_PER_MM,
        solid_joinstyle="round",
        solid_capstyle="round",
        scalex=False,
        scaley=False,
        zorder=3,
        gid=gid,
    )
    return line


def _draw_pulse(axes: Axes, base: float, high: float) -> None:
    """The calibration pulse in front of a row: 1 mV for 200 ms."""
    left, wide = GRID.left + 5.0, PULSE_SECONDS * MM_PER_SECOND
    x = [left - 2, left, left, left + wide, left + wide, left + wide + 2]
    _line(axes, x, [base, base, base + high, base + high, base, base], "calibration")


def _draw_segment(axes: Axes, segment: Segment, page: Page, frame: Rectangle) -> None:
    label = segment.trace.label
    x, y = segment.points()
    line = _line(axes, x, y, f"trace-{label}{'-rhythm' if segment.rhythm else ''}")
    line.set_clip_path(frame)
    if not np.isfinite(y).any():
        axes.text(segment.left + 20, segment.base, "no valid sample", color=QUIET, size=8, va="center", zorder=3)
    height = min(13.0, page.row_height * 0.34)
    text = f"{label}{_GAP}from {segment.start:.2f} s" if segment.dated else label
    size = 10 if page.row_height >= 15 else 8
    axes.text(segment.left + 1, segment.base + height, text, color=INK, size=size, weight="bold", zorder=2)
    if segment.left > TRACES_LEFT:  # the end of one lead and the beginning of the next
        for end in (-1, 1):
            _line(axes, [segment.left] * 2, [segment.base + end * 5.0, segment.base + end * 7.0], "separator", 0.2)


def _draw_header(axes: Axes, ecg: Ecg) -> None:
    x, y = GRID.left, 200.0
    axes.text(x, y, f"ID {ecg.patient_id or 'unknown'}", color=INK, size=14, weight="bold")
    date = ecg.acquired or "date unknown"
    lines = (
        _GAP.join(filter(None, (ecg.patient_name, ecg.sex, ecg.age))),
        f"{date}{_GAP}(date shifted)" if ecg.acquired and ecg.shifted else date,
        f"Study {ecg.study_id}" if ecg.study_id else "",
        f"Cart {ecg.station}" if ecg.station else "",
    )
    for number, line in enumerate(filter(None, lines)):
        axes.text(x, y - 6.0 - 5.0 * number, line, color=INK, size=10)
    for number, (name, value) in enumerate(ecg.measurements[:10]):
        column, row = divmod(number, 5)
        left, line_y = 95.0 + 40.0 * column, y - 5.0 * row
        axes.text(left, line_y, name, color=QUIET, size=9)
        axes.text(left + 36.0, line_y, value, color=INK, size=9, ha="right")
    for number, line in enumerate(_statements(ecg)):
        axes.text(181.0, y + 1.0 - 3.7 * number, line, color=INK, size=8)


def _statements(ecg: Ecg) -> Iterator[str]:
    """As many of the report's lines as the header has room for."""
    room = _STATEMENT_LINES if len(ecg.statements) <= _STATEMENT_LINES else _STATEMENT_LINES - 1
    for text in ecg.statements[:room]:
        yield text if len(text) <= _STATEMENT_CHARACTERS else text[: _STATEMENT_CHARACTERS - 1] + "…"
    if len(ecg.statements) > room:
        yield f"and {len(ecg.statements) - room} more lines in the object"


def _draw_footer(axes: Axes, ecg: Ecg, page: Page) -> None:
    frequencies = "/".join(f"{f:g}" for f in dict.fromkeys(trace.frequency for trace in ecg.traces))
    scale = (
        f"{MM_PER_SECOND:g} mm/s",
        f"{MM_PER_MILLIVOLT:g} mm/mV",
        f"Filters {ecg.filters or 'not given'}",
        f"{frequencies} samples/s",
    )
    axes.text(GRID.left, 11.0, (2 * _GAP).join(scale), color=INK, size=10, weight="bold")
    axes.text(GRID.left, 6.8, "  ·  ".join(page.notes), color=INK, size=8)
    axes.text(GRID.left, 3.0, f"SOP Instance UID {ecg.sop_instance_uid}", color=QUIET, size=6)
    drawn = f"Drawn from the DICOM object by wfdb2dicom {__version__}. Not for diagnosis."
    axes.text(GRID.right, 3.0, drawn, color=QUIET, size=6, ha="right")


__all__ = ["FORMATS", "EcgError", "draw", "page_figure", "raster"]
