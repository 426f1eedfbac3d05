"""Machine measurements and report lines for Waveform Annotation Sequence (PS3.3 C.10.10), on request only.

Code values are of MDC (PS3.16 CID 3228 and 3229), Code Meanings those by which viewers find them (``RR Interval``,
``VRate``). Viewers that print the report need a numeric ``VRate`` beside it.

A measurement that is not plausible is left out, never corrected: the carts write junk where they found no wave.
"""

from __future__ import annotations

from typing import NamedTuple

from wfdb2dicom.acquisition import Acquisition

_MAX_ST = 1024  # characters, PS3.5 table 6.2-1


class Annotation(NamedTuple):
    """A measurement, a line of text, or an interval without a signal; the others' fields are empty.

    Attributes
    ----------
    code, meaning, value, unit : str
        The measurement.
    text : str
        The line.
    channel : int
        The channel without a signal, from 1; 0 is all channels.
    positions : tuple of int
        First and last sample of each interval without a signal, from 1.
    """

    code: str = ""
    meaning: str = ""
    value: str = ""
    unit: str = ""
    text: str = ""
    channel: int = 0
    positions: tuple[int, ...] = ()


class _Interval(NamedTuple):
    """A time between two marks of the representative beat, or from its start; plausible limits in ms, inclusive."""

    code: str
    meaning: str
    start: str
    end: str
    shortest: int
    longest: int


_INTERVALS = (
    _Interval("2:16168", "RR Interval", "", "rr_interval", 150, 6000),  # 400 to 10 beats a minute
    _Interval("2:15872", "PR Interval", "p_onset", "qrs_onset", 20, 800),
    _Interval("2:16156", "QRS Duration", "qrs_onset", "qrs_end", 20, 400),
    _Interval("2:16160", "QT Interval", "qrs_onset", "t_end", 100, 1000),
)
_AXES = (("2:16128", "P Axis", "p_axis"), ("2:16132", "QRS Axis", "qrs_axis"), ("2:16136", "T Axis", "t_axis"))
NO_SIGNAL = ("10:11248", "MDC", "No ECG signal is available")
"""Value, scheme and meaning of the code of CID 3335 "ECG Annotations" for intervals without valid samples."""

UNITS = {"ms": "millisecond", "deg": "degree", "{H.B.}/min": "heart beats per minute"}


def annotate(acquisition: Acquisition) -> tuple[Annotation, ...]:
    """Annotations of a recording: ventricular rate, intervals, axes, then the lines of the report.

    Report lines are written only together with a ventricular rate: one reader (dicomecg_convert) crashes on an object
    that has text but no rate.
    """
    known = dict(acquisition.measurements)
    found = []
    for code, meaning, start, end, shortest, longest in _INTERVALS:
        if end not in known or (start and start not in known):
            continue
        value = known[end] - known.get(start, 0)
        if not shortest <= value <= longest:
            continue
        if meaning == "RR Interval":
            found.append(Annotation("2:16770", "VRate", str(round(60_000 / value)), "{H.B.}/min"))
        found.append(Annotation(code, meaning, str(value), "ms"))
    found += [Annotation(code, meaning, str(known[name]), "deg") for code, meaning, name in _AXES if name in known]
    rated = any(annotation.meaning == "VRate" for annotation in found)
    lines = (line.strip() for line in acquisition.reports if rated)
    found += [Annotation(text=line) for line in lines if line.isprintable() and 0 < len(line) <= _MAX_ST]
    return tuple(found)
