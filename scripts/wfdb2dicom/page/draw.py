"""An ECG page from a DICOM object alone, as a clinician expects it: see `wfdb2dicom.page.layout` for the places.

The whole page is one coordinate system in millimetres, so that what is drawn at 25 mm is 25 mm on paper.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox
from pydicom import Dataset

from wfdb2dicom import __version__
from wfdb2dicom.page.content import INK, TRACE_MM, draw_page
from wfdb2dicom.page.ecg import Ecg, EcgError, read
from wfdb2dicom.page.layout import GRID, HEIGHT, WIDTH
from wfdb2dicom.system.whole_file import replace_file

FORMATS = ("png", "pdf", "svg")
_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
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


def draw(
    dicom: str | os.PathLike[str] | Dataset,
    out: str | os.PathLike[str] | BinaryIO,
    format: str = "png",
    *,
    pixels_per_mm: float = 7,
) -> None:
    """Draw the ECG of a DICOM object on a page of 297 × 210 mm.

    Parameters
    ----------
    dicom : path or pydicom.Dataset
        The object; nothing else is read.
    out : path or binary file
        Where the page goes. A path holds the whole page or what it held before.
    format : {"png", "pdf", "svg"}
    pixels_per_mm : float
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


def _save(figure: Figure, stream: BinaryIO, format: str, pixels_per_mm: float) -> None:
    figure.savefig(stream, format=format, dpi=pixels_per_mm * _MM_PER_INCH, metadata=_METADATA[format])


def page_figure(ecg: Ecg) -> Figure:
    """The page as a figure; its artists have millimetres for coordinates."""
    sheet = _FigureSheet()
    draw_page(sheet, ecg)
    return sheet.figure


class _FigureSheet:
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
        width: float = TRACE_MM,
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

    def grid(self, every: int, color: str, width: float) -> None:
        """Draw the lines of the grid that are `every` mm apart."""
        lines = [[(x, GRID.bottom), (x, GRID.top)] for x in np.arange(GRID.left, GRID.right + every / 2, every)] + [
            [(GRID.left, y), (GRID.right, y)] for y in np.arange(GRID.bottom, GRID.top + every / 2, every)
        ]
        grid = LineCollection(
            lines,
            colors=color,
            linewidths=width * _POINTS_PER_MM,
            transform=self.mm,
            zorder=every / 10,
            snap=True,
            gid=f"grid-{every}mm",
        )
        self.figure.add_artist(grid)


__all__ = ["FORMATS", "EcgError", "draw", "page_figure"]
