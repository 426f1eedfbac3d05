"""The ECG page as a small SVG: for reports, where a dozen pages must take neither a second nor a megabyte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt

from wfdb2dicom.page.content import INK, TRACE_MM, draw_page
from wfdb2dicom.page.ecg import Ecg
from wfdb2dicom.page.layout import GRID, HEIGHT, WIDTH

PIXELS_PER_MM = 4  # of its natural size: 1188 pixels across a page of 297 mm
_UNITS_PER_MM = 20  # of its coordinates, which are whole numbers
_COLUMN_MM = 1 / PIXELS_PER_MM
_MM_PER_POINT = 25.4 / 72


def small_svg(ecg: Ecg) -> str:
    """The page as an SVG document.

    Of a trace the lowest and the highest sample in each pixel's width are drawn: all that can be seen at its natural
    size, to a twentieth of a millimetre.
    """
    sheet = _SvgSheet()
    draw_page(sheet, ecg)
    width, height = (round(side * PIXELS_PER_MM) for side in (WIDTH, HEIGHT))
    box = " ".join(map(_units, (0, 0, WIDTH, HEIGHT)))
    cut = f'x="{_units(GRID.left)}" y="{_down(GRID.top)}" width="{_units(GRID.width)}" height="{_units(GRID.height)}"'
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="{box}">',
            f'<clipPath id="grid"><rect {cut}/></clipPath><rect width="100%" height="100%" fill="white"/>',
            f'<g fill="none" stroke="{INK}" stroke-linejoin="round" stroke-linecap="round">{"".join(sheet.lines)}</g>',
            f'<g font-family="DejaVu Sans, Verdana, sans-serif">{"".join(sheet.texts)}</g></svg>',
        )
    )


class _SvgSheet:
    """A `wfdb2dicom.page.content.Sheet` that collects SVG elements."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.texts: list[str] = []

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write something."""
        size = _units(style["size"] * _MM_PER_POINT)
        more = ' font-weight="bold"' if style.get("weight") == "bold" else ""
        more += ' text-anchor="end"' if style.get("ha") == "right" else ""
        more += ' dominant-baseline="central"' if style.get("va") == "center" else ""
        place = f'x="{_units(x)}" y="{_down(y)}" font-size="{size}" fill="{style["color"]}"'
        self.texts.append(f"<text {place}{more}>{escape(text)}</text>")

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
        """Draw a line, with a gap at each NaN."""
        path = "".join(_path(*(_thinned(*run) if cut else run)) for run in _runs(np.asarray(x), np.asarray(y)))
        more = ' clip-path="url(#grid)"' if cut else ""
        more += f' stroke="{ink}"' if ink != INK else ""
        self.lines.append(f'<path id={quoteattr(gid)} stroke-width="{_units(width)}"{more} d="{path}"/>')

    def grid(self, every: int, color: str, width: float) -> None:
        """Draw the lines of the grid that are `every` mm apart."""
        across = range(0, round(GRID.width) + 1, every)
        down = range(0, round(GRID.height) + 1, every)
        path = "".join(f"M{_units(GRID.left + x)} {_down(GRID.top)}v{_units(GRID.height)}" for x in across)
        path += "".join(f"M{_units(GRID.left)} {_down(GRID.bottom + y)}h{_units(GRID.width)}" for y in down)
        self.lines.append(f'<path stroke="{color}" stroke-width="{_units(width)}" d="{path}"/>')


def _units(mm: float) -> str:
    return str(round(mm * _UNITS_PER_MM))


def _down(mm: float) -> str:
    """A height in the units of the document, whose origin is at the top."""
    return _units(HEIGHT - mm)


_Points = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _runs(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Iterator[_Points]:
    """The pieces of a line between its gaps."""
    valid = np.concatenate(([False], np.isfinite(y), [False]))
    edges = np.flatnonzero(valid[1:] != valid[:-1])
    for first, end in edges.reshape(-1, 2):
        yield x[first:end], y[first:end]


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> _Points:
    """The lowest and the highest point of each pixel column, and both ends, in their order."""
    column = np.floor(x / _COLUMN_MM)
    order = np.lexsort((y, column))  # columns ascend, so each keeps its place
    begins = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(begins[1:], len(x)) - 1
    kept = np.unique(np.concatenate(([0], order[begins], order[ends], [len(x) - 1])))
    return x[kept], y[kept]


def _path(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> str:
    """SVG path data: where the line begins, and then the way from each point to the next."""
    points = np.rint(np.column_stack((x, HEIGHT - y)) * _UNITS_PER_MM).astype(int)
    steps = " ".join(map(str, np.diff(points, axis=0).ravel().tolist()))
    return f"M{points[0, 0]} {points[0, 1]}l{steps or '0 0'}".replace(" -", "-")
