"""A WFDB record as the converter sees it: header, raw samples, and the checks that make both trustworthy.

Two readers fill the same classes. `plain` (here) reads what MIMIC-IV-ECG and the CinC challenges consist of: one
segment, one signal file, format 16, one sample a frame, no skew, every field of header(5) present. Everything else
goes through the wfdb package (`wfdb2dicom.records.wfdb_reader`).

| | plain | wfdb |
|---|---|---|
| formats | 16, 16x1, 16+offset | all that wfdb reads |
| segments | 1 | 1 or more |
| header fields | all of a signal line | any may be missing |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16] | npt.NDArray[np.int32]

INVALID_16 = -32768  # the invalid sample of format 16, wfdb's NaN (signal(5))


class Signal(NamedTuple):  # not a dataclass: a dozen are made for each study, in half the time
    """One signal line of header(5).

    Attributes
    ----------
    description : str
        The lead name.
    gain : float
        ADC units per physical unit.
    baseline : int
        Sample value at 0 physical units.
    units : str
        Physical unit as the header spells it.
    skew : int
        Samples of this signal that precede sample 0 of the record (header(5)); they are in the file and count in
        the checksum.
    initial_value, checksum : int or None
        As the header states them; None when it does not.
    invalid : int or None
        The sample value that marks an invalid sample in this signal's format; None when the format has none.
    """

    description: str
    gain: float
    baseline: int
    units: str
    skew: int = 0
    initial_value: int | None = None
    checksum: int | None = None
    invalid: int | None = INVALID_16


@dataclass(frozen=True, slots=True)
class Header:
    """A WFDB header, header(5), with what the converter needs of it.

    Attributes
    ----------
    text : bytes
        The header file (of a multi-segment record: all header files joined), unchanged: it pins the content of
        the record by its checksums.
    moment : datetime or None
        Date and time of the first sample; None unless the header states both.
    signal_file, byte_offset
        Where the samples lie; "" when wfdb reads them.
    omitted : tuple of str
        Names of the record's signals that were left out of `signals`, for they are no ECG; printable.
    """

    text: bytes
    name: str
    sampling_frequency: float
    n_samples: int | None
    moment: datetime | None
    signals: tuple[Signal, ...]
    comments: tuple[str, ...]
    signal_file: str = ""
    byte_offset: int = 0
    omitted: tuple[str, ...] = ()

    @property
    def subject_id(self) -> str:
        """The patient of the comment ``# <subject_id>: N``, "" when there is none."""
        for comment in self.comments:
            if match := _SUBJECT(comment):
                return match[1]
        return ""

    @property
    def has_checksums(self) -> bool:
        """Whether the header text pins every sample."""
        return all(signal.checksum is not None for signal in self.signals)


@dataclass(frozen=True, slots=True)
class Record:
    """A header and its samples: integers of shape (n_samples, n_signals) in the order of the header."""

    header: Header
    samples: Samples


_SUBJECT = re.compile(r"\s*<subject_id>:\s*(\S(?:.*\S)?)\s*").fullmatch
# Numbers of more digits than these mean nothing (and int() refuses some): such headers are left to wfdb.
_RECORD_LINE = re.compile(
    r"([-\w.]+)[ \t]+(\d{1,9})[ \t]+(\d{1,18}(?:\.\d{1,18})?)[ \t]+(\d{1,18})(?:[ \t]+(.*))?"
).fullmatch
_SIGNAL_LINE = re.compile(
    r"([^\s/\0]+)[ \t]+16(?:x1)?(?:\+(\d{1,18}))?[ \t]+(\d{1,18}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,3})?)"
    r"(?:\((-?\d{1,18})\))?/([^\s/]+)[ \t]+\d+[ \t]+(-?\d{1,18})[ \t]+(-?\d{1,18})[ \t]+(-?\d{1,18})[ \t]+\d+"
    r"[ \t]+(\S.*?)[ \t]*"
).fullmatch
_MOMENT = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?[ \t]+(\d{1,2})/(\d{1,2})/(\d{4})[ \t]*").fullmatch


def parse_moment(text: str | None) -> datetime | None:
    """Date and time of a record line, ``HH:MM:SS[.ffffff] DD/MM/YYYY``; None for anything else.

    Never a time without a date: headers such as ``12-May-2020 12:33:59`` state neither in WFDB's form.
    """
    match = _MOMENT(text) if text else None
    if match is None:
        return None
    hour, minute, second, fraction, day, month, year = match.groups()
    micro = int((fraction or "").ljust(6, "0"))
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro)
    except ValueError:
        return None


def parse_comments(text: bytes) -> tuple[str, ...]:
    """The comments of a header, as `parse_plain` gives them: wfdb drops from them what is not ASCII."""
    lines = map(str.strip, text.decode("utf-8-sig", "surrogateescape").splitlines())
    return tuple(line[1:].strip() for line in lines if line[:1] == "#")


def parse_plain(text: bytes) -> Header | None:
    """Parse a plain header; None when it needs wfdb.

    Parameters
    ----------
    text : bytes
        The header file.

    Raises
    ------
    HeaderError
        When the header is plain but wrong.
    """
    lines = text.decode("utf-8-sig", "surrogateescape").splitlines()
    body = [line for line in lines if line and line[0] != "#" and not line.isspace()]
    if not body or (first := _RECORD_LINE(body[0].strip())) is None:
        return None
    name, n_signals, frequency, n_samples, rest = first.groups()
    if len(body) - 1 != int(n_signals) or len(body) == 1:
        return None
    signals = []
    places = set()
    for line in body[1:]:
        match = _SIGNAL_LINE(line)
        if match is None:
            return None
        file, offset, gain, baseline, units, zero, initial, checksum, description = match.groups()
        places.add((file, offset))
        signals.append(Signal(description, float(gain), int(baseline or zero), units, 0, int(initial), int(checksum)))
    if len(places) != 1:
        return None
    return Header(
        text=text,
        name=name,
        sampling_frequency=float(frequency),
        n_samples=int(n_samples) or None,
        moment=parse_moment(rest),
        signals=tuple(signals),
        comments=tuple(line[1:].strip() for line in lines if line[:1] == "#"),
        signal_file=file,
        byte_offset=int(offset or 0),
    )
