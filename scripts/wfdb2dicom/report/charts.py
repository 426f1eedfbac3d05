"""Charts as inline SVG, each at the width of a telephone, so that its text is readable there.

They are three simple kinds, written here because a library costs more than all the rest of a small run's report
(importing matplotlib and drawing four of them: 0.7 s; Plotly or Vega: 1 to 5 MB of script in every report).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from wfdb2dicom.words import share

WIDTH = 340  # CSS pixels
_HEIGHT, _ROW = 230, 36
_BAR, _TRACK, _INK, _QUIET = "#1f6fb2", "#e6ecf2", "#1b2430", "#4a5568"
_LONGEST_LABEL = 30
_TOP, _BOTTOM, _RIGHT = 26, 42, 12  # margins of a grid; the left one holds its labels
_CHARACTER = 7.5  # width of a digit
_MOST_TICKS = 5


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
    parts = []
    for place, (label, count) in enumerate(counts):
        top = place * _ROW
        for name, width, color in (("track", WIDTH, _TRACK), ("bar", WIDTH * count / total, _BAR)):
            path = f"M 0 {top + 21} L {width:.3f} {top + 21} L {width:.3f} {top + 30} L 0 {top + 30} z"
            parts.append(f'<g id="{key}-{name}-{place}"><path d="{path}" fill="{color}"/></g>')
        short = label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
        parts.append(_text(0, top + 16, short, _INK))
        parts.append(_text(WIDTH, top + 16, f"{count:,} ({share(count, total)})", anchor="end"))
    return _svg(title, _ROW * len(counts) + 4, parts)


def ranking(key: str, title: str, counts: Sequence[int], x_label: str) -> str:
    """The studies of each of many values, the most frequent first; arguments and result as those of `bars`."""
    parts, x, y = _grid((0.5, len(counts) + 0.5), max(counts, default=1), x_label, "studies")
    steps = "".join(f"L {x(n + 0.5):.1f} {y(count):.1f} H {x(n + 1.5):.1f} " for n, count in enumerate(counts))
    path = f"M {x(0.5):.1f} {y(0):.1f} {steps}V {y(0):.1f} z"
    return _svg(title, _HEIGHT, [*parts, f'<path id="{key}-values" d="{path}" fill="{_BAR}"/>'])


def points(key: str, title: str, xs: Sequence[float], ys: Sequence[float], x_label: str, y_label: str) -> str:
    """A scatter plot from zero upwards; arguments and result as those of `bars`."""
    low, high = min(xs, default=0), max(xs, default=0)
    margin = 0.04 * (high - low) or 0.5
    parts, x, y = _grid((low - margin, high + margin), max(ys, default=1), x_label, y_label)
    size = 2.5 if len(xs) < 100 else 1.5
    dots = "".join(f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="{size}"/>' for a, b in zip(xs, ys, strict=True))
    return _svg(title, _HEIGHT, [*parts, f'<g id="{key}-points" fill="{_BAR}" fill-opacity="0.7">{dots}</g>'])


_Scale = Callable[[float], float]


def _grid(across: tuple[float, float], most: float, x_label: str, y_label: str) -> tuple[list[str], _Scale, _Scale]:
    """Labelled axes on a quiet grid, and the place of a value on each; heights begin at zero."""
    high = 1.1 * most or 1
    heights = _ticks(0, high)
    left = 8 + _CHARACTER * max(len(_number(tick)) for tick in heights)
    bottom = _HEIGHT - _BOTTOM

    def x(value: float) -> float:
        return left + (WIDTH - _RIGHT - left) * (value - across[0]) / (across[1] - across[0])

    def y(value: float) -> float:
        return bottom - (bottom - _TOP) * value / high

    parts = []
    for tick in heights:
        parts.append(f'<path d="M {left:.1f} {y(tick):.1f} H {WIDTH - _RIGHT}" stroke="{_TRACK}"/>')
        parts.append(_text(left - 6, y(tick) + 4, _number(tick), anchor="end"))
    for tick in _ticks(*across):
        parts.append(f'<path d="M {x(tick):.1f} {_TOP} V {bottom}" stroke="{_TRACK}"/>')
        parts.append(_text(x(tick), bottom + 17, _number(tick), anchor="middle"))
    parts.append(_text(left, 14, y_label))  # not turned: that is hard to read
    parts.append(_text((left + WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, anchor="middle"))
    return parts, x, y


def _ticks(low: float, high: float) -> list[float]:
    """At most some five round numbers between two."""
    size = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(size * n for n in (1, 2, 5, 10) if (high - low) / (size * n) <= _MOST_TICKS)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _text(x: float, y: float, text: str, color: str = _QUIET, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{color}">{escape(text, quote=False)}</text>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return (
        f'<svg role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-size="12" font-family="sans-serif">{"".join(parts)}</svg>'
    )
