"""The header of a WFDB record, parsed as described by header(5). No sample is read here.

`parse` is the only parser of headers. It recognises the headers of MIMIC-IV-ECG and the CinC challenges (one signal
file of format 16, one sample per frame, no skew, every field present) with two regular expressions, and parses any
other header field by field, with the defaults of header(5) for missing fields: 250 Hz, mV, a baseline equal to the ADC
zero, no checksum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wfdb2dicom.acquisition import parse_moment
from wfdb2dicom.errors import HeaderError, SubjectMismatch

Samples = npt.NDArray[np.int16] | npt.NDArray[np.int32]

INVALID_16 = -32768  # the invalid sample of format 16, wfdb's NaN (signal(5))
MAX_SIGNALS = 1000


class Signal(NamedTuple):  # not a dataclass: creating the dozen of a study takes half the time
    """One signal line of header(5).

    Attributes
    ----------
    description : str
        The lead name.
    gain : float
        ADC units per physical unit; 0 for an uncalibrated signal.
    baseline : int
        Sample value at 0 physical units.
    units : str
        Physical unit as the header spells it.
    skew : int
        Number of samples of this signal that precede sample 0 of the record (header(5)); they are in the file and are
        part of the checksum.
    initial_value, checksum : int or None
        As stated by the header; None if it does not.
    invalid : int or None
        The value of an invalid sample in the format of this signal; None if the format has none.
    """

    description: str
    gain: float
    baseline: int
    units: str
    skew: int = 0
    initial_value: int | None = None
    checksum: int | None = None
    invalid: int | None = INVALID_16


class Storage(NamedTuple):
    """How the samples of a signal are stored.

    Attributes
    ----------
    file : str
        As the header names it, relative to the header's folder unless absolute.
    format : str
        See signal(5).
    samples_per_frame : int
    byte_offset : int
        Bytes before the samples; in FLAC files, samples.
    """

    file: str
    format: str
    samples_per_frame: int = 1
    byte_offset: int = 0


class Segment(NamedTuple):
    """A line of a multi-segment header: a record (``~`` is a gap) and its number of frames."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class Header:
    """A WFDB header (header(5)).

    Attributes
    ----------
    text : bytes
        The header file, unchanged; for a multi-segment record, all its header files joined. Its checksums determine the
        samples.
    sampling_frequency : float
        Frames per second; samples per second once the record has been read.
    n_samples : int or None
        Frames, or samples once the record has been read; None if the header states none, or 0.
    moment : datetime or None
        Date and time of the first sample; None unless the header states both, see `read_moment`.
    signal_file, byte_offset
        Where the samples of a plain record are; ``""`` for any other record.
    omitted : tuple of str
        Printable names of the signals that were left out of `signals` because they are not ECGs.
    storage : tuple of Storage
        That of each signal, unless the record is plain.
    segments : tuple of Segment
        Those of a multi-segment record, which has no signals of its own.
    stated_time : str
        The text of the record line where time and date belong.
    n_signals : int
        As stated by the record line of a multi-segment record.
    warnings : tuple of str
        What the user should know about the record, once it has been read.
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
    storage: tuple[Storage, ...] = ()
    segments: tuple[Segment, ...] = ()
    stated_time: str = ""
    n_signals: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def subject_id(self) -> str:
        """The patient named by the comment ``# <subject_id>: N``, or INCART's ``# patient N``; "" if there is none.

        Raises
        ------
        SubjectMismatch
            When two comments name different patients.
        """
        found = ""
        for comment in self.comments:
            if match := _SUBJECT(comment):
                subject = match[1] or match[2]
                if found and subject != found:
                    raise SubjectMismatch(
                        f"the header names two subjects, {found} and {subject}, in its comments; correct the header"
                    )
                found = subject
        return found

    @property
    def is_plain(self) -> bool:
        """Whether `wfdb2dicom.records.plain_reader` can read the samples."""
        return self.signal_file != ""

    @property
    def checksum_placeholders(self) -> bool:
        """Whether all checksums are 0, which some writers state when they compute none."""
        return {signal.checksum for signal in self.signals} == {0}

    @property
    def has_checksums(self) -> bool:
        """Whether the checksums in the header text determine every sample."""
        checksums = {signal.checksum for signal in self.signals}
        return checksums != {0} and None not in checksums


@dataclass(frozen=True, slots=True)
class Record:
    """A header and its samples: integers of shape (n_samples, n_signals) in the order of the header."""

    header: Header
    samples: Samples


INVALID_SAMPLES = {
    **{"16": INVALID_16, "61": INVALID_16, "160": INVALID_16, "516": INVALID_16},
    **{"24": -(2**23), "524": -(2**23), "32": -(2**31), "80": -(2**7), "508": -(2**7)},
    **{"212": -(2**11), "310": -(2**9), "311": -(2**9), "8": None},
}
"""The value that marks an invalid sample, by format (signal(5)); format 8 has none."""

_SUBJECT = re.compile(r"\s*(?:<subject_id>:\s*(\S(?:.*\S)?)|patient\s+(\d{1,18}))\s*").fullmatch
# Longer numbers are meaningless, and int() refuses some of them.
_NUMBER = r"(?:\d{1,18}\.?\d{0,18}|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
_INT = r"-?\d{1,18}"
_PLAIN_RECORD_LINE = re.compile(
    r"([-\w.]+)[ \t]+(\d{1,9})[ \t]+(\d{1,18}(?:\.\d{1,18})?)[ \t]+(\d{1,18})(?:[ \t]+(.*))?"
).fullmatch
_PLAIN_SIGNAL_LINE = re.compile(
    r"([^\s/\0]+)[ \t]+16(?:x1)?(?:\+(\d{1,18}))?[ \t]+(\d{1,18}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,3})?)"
    r"(?:\((-?\d{1,18})\))?/([^\s/]+)[ \t]+\d+[ \t]+(-?\d{1,18})[ \t]+(-?\d{1,18})[ \t]+(-?\d{1,18})[ \t]+\d+"
    r"[ \t]+(\S.*?)[ \t]*"
).fullmatch
_RECORD_LINE = re.compile(
    rf"(?P<name>[^\s/]+)(?:/(?P<segments>\d{{1,9}}))?[ \t]+(?P<signals>\d{{1,9}})(?:[ \t]+(?P<frequency>{_NUMBER})"
    r"(?:/\S+)?(?:[ \t]+(?P<length>\d{1,18})(?:[ \t]+(?P<time>.*))?)?)?"
).fullmatch
_SIGNAL_LINE = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d{1,9})(?:x(?P<rate>\d{1,9}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,18}))?"
    rf"(?:\s+(?P<gain>[-+]?{_NUMBER})?(?:\((?P<baseline>{_INT})\))?(?:/(?P<units>\S+))?"
    rf"(?:\s+\d+(?:\s+(?P<zero>{_INT})(?:\s+(?P<initial>{_INT})(?:\s+(?P<checksum>{_INT})"
    r"(?:\s+\d+(?:\s+(?P<description>.*))?)?)?)?)?)?)?"
).fullmatch
_SEGMENT_LINE = re.compile(r"(\S+)\s+(\d{1,18})").fullmatch
_MOMENT = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?[ \t]+(\d{1,2})/(\d{1,2})/(\d{4})[ \t]*").fullmatch
_SHOWN = 60  # characters of a wrong line that a message quotes


def read_moment(text: str | None) -> datetime | None:
    """Date and time of a record line; None for any form that can be read in more than one way.

    The forms are header(5)'s ``HH:MM:SS[.ffffff] DD/MM/YYYY`` and those of `wfdb2dicom.acquisition.parse_moment`. A
    time without a date is never one.
    """
    if not text:
        return None
    match = _MOMENT(text)
    if match is None:
        return parse_moment(text.strip())
    hour, minute, second, fraction, day, month, year = match.groups()
    micro = int((fraction or "").ljust(6, "0"))
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro)
    except ValueError:
        return None


def parse(text: bytes, where: str = "the header") -> Header:
    """Parse a header.

    Parameters
    ----------
    text : bytes
        The header file: UTF-8, or else Latin-1.
    where : str
        Its name in error messages.

    Raises
    ------
    HeaderError
        Naming the first line that does not follow header(5).
    """
    lines = _decode(text).splitlines()
    body = [line for line in lines if line and line[0] != "#" and not line.isspace()]
    return _parse_plain(text, lines, body) or _parse_any(text, where, [*map(str.strip, lines)])


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _parse_plain(text: bytes, lines: list[str], body: list[str]) -> Header | None:
    """The header of a plain record, None if the record is not plain."""
    if not body or (first := _PLAIN_RECORD_LINE(body[0].strip())) is None:
        return None
    name, n_signals, frequency, n_samples, rest = first.groups()
    if len(body) - 1 != int(n_signals) or len(body) == 1:
        return None
    signals = []
    places = set()
    for line in body[1:]:
        match = _PLAIN_SIGNAL_LINE(line)
        if match is None:
            return None
        file, offset, gain, baseline, units, zero, initial, checksum, description = match.groups()
        places.add((file, offset))
        signals.append(Signal(description, float(gain), int(baseline or zero), units, 0, int(initial), int(checksum)))
    if len(places) != 1 or file in ("~", ".", "..") or "\\" in file or not int(n_samples):
        return None
    return Header(
        text=text,
        name=name,
        sampling_frequency=float(frequency),
        n_samples=int(n_samples),
        moment=read_moment(rest),
        signals=tuple(signals),
        comments=tuple(line[1:].strip() for line in lines if line[:1] == "#"),
        signal_file=file,
        byte_offset=int(offset or 0),
        stated_time=rest or "",
    )


def _parse_any(text: bytes, where: str, lines: list[str]) -> Header:
    """Any other header, from its stripped lines."""
    body = [line for line in lines if line and line[0] != "#"]
    first = _RECORD_LINE(body[0] if body else "")
    if not first:
        raise HeaderError(
            f"{where} does not begin with a record line (name, signals, frequency, samples){_show(body)}; correct the"
            " header or fetch it again"
        )
    segments: tuple[Segment, ...] = ()
    signals, storage = [], []
    if first["segments"]:
        segments = _segments(where, body[1:], int(first["segments"]))
    else:
        n_signals = int(first["signals"])
        if not n_signals or len(body) - 1 < n_signals or n_signals > MAX_SIGNALS:
            raise HeaderError(
                f"{where} states {n_signals} signals and describes {len(body) - 1}; correct it or fetch it again"
            )
        for line in body[1 : n_signals + 1]:
            signal, stored = _signal(where, line)
            signals.append(signal)
            storage.append(stored)
    length = int(first["length"] or 0) or None
    if length is None:  # then, by header(5), a checksum of 0 means that none was computed
        signals = [
            s._replace(checksum=None, initial_value=s.initial_value or None) if s.checksum == 0 else s for s in signals
        ]
    time = (first["time"] or "").strip()
    return Header(
        text=text,
        name=first["name"],
        sampling_frequency=float(first["frequency"] or 250),
        n_samples=length,
        moment=read_moment(time),
        signals=tuple(signals),
        comments=tuple(line[1:].strip() for line in lines if line[:1] == "#"),
        storage=tuple(storage),
        segments=segments,
        stated_time=time,
        n_signals=int(first["signals"]),
    )


def _signal(where: str, line: str) -> tuple[Signal, Storage]:
    written = _SIGNAL_LINE(line)
    if not written:
        raise HeaderError(f"{where} has a line that is not a signal line of header(5){_show([line])}; correct it")
    rate = int(written["rate"] or 1) or 1
    signal = Signal(
        description=(written["description"] or "").strip(),
        gain=float(written["gain"] or 0),
        baseline=int(written["baseline"] or written["zero"] or 0),
        units=written["units"] or "mV",
        skew=int(written["skew"] or 0) * rate,
        initial_value=_integer(written["initial"]),
        checksum=_integer(written["checksum"]),
        invalid=INVALID_SAMPLES.get(written["format"]),
    )
    return signal, Storage(written["file"], written["format"], rate, int(written["offset"] or 0))


def _segments(where: str, lines: list[str], count: int) -> tuple[Segment, ...]:
    found = []
    for line in lines:
        match = _SEGMENT_LINE(line)
        if not match:
            raise HeaderError(f"{where} has a line that is not a segment (record, samples){_show([line])}; correct it")
        found.append(Segment(match[1], int(match[2])))
    if len(found) != count:
        raise HeaderError(f"{where} states {count} segments and lists {len(found)}; correct it or fetch it again")
    return tuple(found)


def _integer(text: str | None) -> int | None:
    return None if text is None else int(text)


def _show(lines: list[str]) -> str:
    """A line as quoted by a message; nothing of it if it is binary."""
    line = lines[0] if lines else ""
    if not line.isprintable():
        return "; it is not text"
    return f": {line[:_SHOWN]!r}" if line else ""
