"""Charts as inline SVG.

Matplotlib draws them: it is maintained, draws the ECG pages too, and gives plain SVG of a few kB that needs neither
network nor script. (Plotly or Vega would bring 1 to 5 MB of script into every report, and an empty page without it.)
Every chart is drawn at the width of a telephone, so that its text is readable there, and comes with a table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wfdb2dicom.words import share

WIDTH = 340  # CSS pixels
_ROW, _DPI = 36, 72
_BAR, _TRACK, _INK, _QUIET = "#1f6fb2", "#e6ecf2", "#1b2430", "#4a5568"
_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "wfdb2dicom", "font.size": 12, "text.color": _INK}
_LONGEST_LABEL = 30


def bars(key: str, title: str, counts: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars, each below its label, with counts and shares.

    A bar lies on a track whose whole width is the sum of all counts, so its length is the share that its label gives.

    Parameters
    ----------
    key : str
        Prefix of all ids in the SVG, unique in the page.
    title : str
        What a screen reader says.
    counts : sequence of (str, int)

    Returns
    -------
    str
        An ``svg`` element.
    """
    total = sum(count for _, count in counts) or 1
    height = _ROW * len(counts) + 4
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        for place, (label, count) in enumerate(counts):
            top = place * _ROW
            axes.barh(top + 26, WIDTH, height=9, color=_TRACK, gid=f"track-{place}")
            axes.barh(top + 26, WIDTH * count / total, height=9, color=_BAR, gid=f"bar-{place}")
            short = label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
            axes.text(0, top + 16, short, parse_math=False)
            axes.text(WIDTH, top + 16, f"{count:,} ({share(count, total)})", ha="right", color=_QUIET)
        return _inline(figure, key, title)


def ranking(key: str, title: str, counts: Sequence[int], x_label: str) -> str:
    """The studies of each of many values, the most frequent first; arguments and result as those of `bars`."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _grid(x_label, "studies")
        axes.stairs(counts, [n + 0.5 for n in range(len(counts) + 1)], fill=True, color=_BAR)
        axes.set_xlim(0.5, len(counts) + 0.5)
        axes.set_ylim(0, 1.1 * max(counts, default=1))
        return _inline(figure, key, title)


def points(key: str, title: str, xs: Sequence[float], ys: Sequence[float], x_label: str, y_label: str) -> str:
    """A scatter plot from zero upwards; arguments and result as those of `bars`."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _grid(x_label, y_label)
        axes.plot(xs, ys, "o", markersize=5 if len(xs) < 100 else 3, color=_BAR, alpha=0.7, markeredgewidth=0)
        axes.set_ylim(0, 1.1 * max(ys, default=1) or 1)
        return _inline(figure, key, title)


def _grid(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure with labelled axes on a quiet grid."""
    figure = Figure(figsize=(WIDTH / _DPI, 230 / _DPI), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label, color=_QUIET)
    axes.set_title(y_label, loc="left", fontsize=12, color=_QUIET)  # text that is turned is hard to read
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(colors=_QUIET, length=0)
    axes.grid(color=_TRACK)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return figure, axes


def _inline(figure: Figure, key: str, title: str) -> str:
    """The figure as an element of a page: no prologue, ids of its own, a label for screen readers."""
    stream = StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{key}-", svg)
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
