"""Numbers and times in words, for screen and pages."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A duration in words: ``45 s``, ``12 min 30 s``, ``3 h 20 min``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
