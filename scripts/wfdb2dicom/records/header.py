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

import os
import re
import stat
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wfdb2dicom.errors import HeaderError, PathError, SignalError
from wfdb2dicom.system.paths import is_below, real_path

Samples = npt.NDArray[np.int16] | npt.NDArray[np.int32]

MAX_HEADER_BYTES = 1_000_000
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


OPEN_SOURCE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would be waited for


class Source:
    """An open source file, a regular one below its root.

    Parameters
    ----------
    path : str
        The file.
    root : str
        Resolved path of the tree it must lie in, "" for anywhere.
    fd : int, optional
        Its descriptor where it is open already, see `wfdb2dicom.records.readahead`.

    Raises
    ------
    OSError
        When the file cannot be opened.
    PathError, SignalError
        When it lies outside the root, or is no regular file (a FIFO would block for ever).
    """

    __slots__ = ("fd", "mtime_ns", "path", "size")

    def __init__(self, path: str, root: str, fd: int | None = None) -> None:
        self.path = path
        self.fd = os.open(path, OPEN_SOURCE) if fd is None else fd
        try:
            status = os.fstat(self.fd)
            if not stat.S_ISREG(status.st_mode):
                raise SignalError(f"{path} is not a regular file")
            if root and not is_below(real_path(self.fd, path), root):
                raise PathError(f"{path} leads out of wfdb_dir through a link; point wfdb_dir at the real folder")
        except BaseException:
            os.close(self.fd)
            raise
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from the start of the file."""
        content = os.pread(self.fd, size, 0)
        while 0 < len(content) < size and (more := os.pread(self.fd, size - len(content), len(content))):
            content += more
        return content


def read_header_text(path: str, root: str = "", fd: int | None = None) -> bytes:
    """The bytes of one header file; the arguments are those of `Source`.

    Raises
    ------
    HeaderError
        When the file is empty or longer than any header is.
    """
    with Source(path, root, fd) as source:
        if source.size > MAX_HEADER_BYTES:
            raise HeaderError(f"{path} has {source.size} bytes; a WFDB header has a few thousand")
        text = source.read(source.size)
    if not text.strip():
        raise HeaderError(f"{path} is empty; fetch it again")
    return text


def plain_size(header: Header) -> int:
    """Bytes that the signal file of a plain record has, by its header."""
    return header.byte_offset + 2 * len(header.signals) * (header.n_samples or 0)


def read_plain_samples(source: Source, header: Header) -> npt.NDArray[np.int16]:
    """The samples of a plain record, its signal file already open.

    Returns
    -------
    ndarray of int16, shape (n_samples, n_signals)

    Raises
    ------
    SignalError
        When the file does not have exactly the length that the header gives.
    """
    n_signals = len(header.signals)
    frame = 2 * n_signals
    n_samples = header.n_samples
    if n_samples is None:
        n_samples = max(0, source.size - header.byte_offset) // frame
    expected = header.byte_offset + n_samples * frame
    if source.size != expected or n_samples == 0:
        raise SignalError(
            f"{source.path} has {source.size} bytes where the header ({n_signals} signals x {n_samples} samples) needs"
            f" {expected}; fetch it again"
        )
    content = source.read(expected)
    if len(content) != expected:
        raise SignalError(f"{source.path} gave {len(content)} of its {expected} bytes; it changed while it was read")
    return np.frombuffer(content, "<i2", offset=header.byte_offset).reshape(n_samples, n_signals)
