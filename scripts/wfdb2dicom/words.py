"""Numbers, times and foreign text as words for screen, log, table and page."""

from __future__ import annotations

import re

_LONGEST_LINE = 4000  # characters
# Control characters except line feed and tab, and those that change the direction of a line.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def duration(seconds: float) -> str:
    """A duration in words: ``45 s``, ``12 min 30 s``, ``3 h 20 min``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 study``, ``12,288 studies``; `many` is `one` with an s unless it is given."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def part_of(part: int, whole: int, one: str, many: str) -> str:
    """A part of some things: ``no batch``, ``1 batch``, ``3 of 16 batches``, ``all 16 batches``."""
    if whole == 1:
        return f"{part or 'no'} {one}"
    return f"all {whole:,} {many}" if part == whole else f"{part:,} of {whole:,} {many}"


def apart(seconds: int) -> str:
    """A difference of times: ``+2 d 3 h``; the two largest units are enough."""
    left = abs(seconds)
    words: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size and len(words) < 2:
            words.append(f"{left // size} {unit}")
            left %= size
    return ("−" if seconds < 0 else "+") + " ".join(words or ["0 s"])


def share(count: int, total: int) -> str:
    """A part as a percentage: ``1.8 %``, and 0 % or 100 % only where that is exact."""
    percent = 100 * count / max(1, total)
    if count in (0, total):
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "< 0.1 %"
    return f"{min(percent, 99.9):.1f} %"


def printable(text: str, longest: int = 1000) -> str:
    """Text of any origin on one line, without control characters and of limited length.

    Parameters
    ----------
    text : str
    longest : int
        Characters; what is beyond is replaced by an ellipsis.
    """
    if len(text) > longest:
        text = f"{text[:longest]} …"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def shown(text: str) -> str:
    """Text of several lines as a terminal may get it: without control characters, and no line without end."""
    if len(text) > _LONGEST_LINE:
        text = "\n".join(
            line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} …" for line in text.split("\n")
        )
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)
