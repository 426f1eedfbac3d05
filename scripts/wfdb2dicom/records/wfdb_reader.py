"""Records that the plain reader does not take, read by the wfdb package.

wfdb leaves much unchecked or guesses it, so that is done here: the length of each signal file, checksums (on samples
as they lie in the file, not shifted by their skew), and what a header leaves out. As header(5) says, a missing
frequency is 250 Hz, missing units are mV, a missing baseline is the ADC zero, a missing length follows from the file,
and a missing checksum checks nothing. A missing gain, or 0, means an uncalibrated signal, which has no millivolts; it
is refused, where wfdb goes on with 200.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from wfdb2dicom.errors import HeaderError, LeadError, SignalError, StudyError
from wfdb2dicom.records.header import Header, Record, Samples, Signal, parse_comments, parse_moment
from wfdb2dicom.records.samples import verify_samples
from wfdb2dicom.records.signal_files import FORMATS, check_files
from wfdb2dicom.records.source_file import read_header_text

_MAX_SIGNALS = 1000
_MAX_NAME = 64  # characters of a signal that is only named
_MAX_BYTES = 2**32  # of samples as DICOM holds them; a data element has no more


# Where wfdb meets a field that it does not expect, it takes a default for it and all that follow, such as 250 Hz or no
# checksum, without a word. So all fields are taken from the text, and those that wfdb reads samples by are compared.
_NUMBER = r"(?:\d{1,18}\.?\d{0,18}|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
_RECORD_LINE = re.compile(
    rf"\S+[ \t]+\d{{1,9}}(?:[ \t]+(?P<frequency>{_NUMBER})(?:/\S+)?"
    r"(?:[ \t]+(?P<length>\d{1,18})(?:[ \t]+(?P<moment>.*))?)?)?"
).fullmatch
_SIGNAL_LINE = re.compile(
    r"(?P<file>\S+)\s+(?P<fmt>\d+)(?:x(?P<rate>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    rf"(?:\s+(?P<gain>[-+]?{_NUMBER})?(?:\((?P<baseline>-?\d+)\))?(?:/(?P<units>\S+))?"
    r"(?:\s+\d+(?:\s+(?P<zero>-?\d+)(?:\s+(?P<initial>-?\d+)(?:\s+(?P<checksum>-?\d+)"
    r"(?:\s+\d+(?:\s+(?P<description>.*))?)?)?)?)?)?)?"
).fullmatch


_Omit = Callable[[Signal], bool]


def read_with_wfdb(record: str, root: str, text: bytes, omit: _Omit | None = None) -> Record:
    """Read a record that needs wfdb.

    Parameters
    ----------
    record : str
        Path of the record, without extension.
    root : str
        Resolved path of the tree that all its files must lie in, "" for anywhere.
    text : bytes
        Its header file.
    omit : callable, optional
        Which signals are left out of the record once their checksums are verified; none by default.

    Returns
    -------
    Record
        Its samples are verified, and int16 where all of them fit, else int32.

    Raises
    ------
    HeaderError, SignalError, PathError
        When the record cannot be read as one set of signals of one rate.
    LeadError
        When all of its signals would be left out.
    """
    try:
        header = _rdheader(record, text)
        read = _read_segments if hasattr(header, "seg_name") else _read_segment
        return read(record, root, text, header, omit)
    except (StudyError, OSError, MemoryError):
        raise
    except Exception as error:  # fields that wfdb leaves None or fills with nonsense: no header that is used
        reason = f"{type(error).__name__}: {error}"
        raise HeaderError(f"{record}.hea cannot be understood ({reason}); fetch it again") from error


def _rdheader(record: str, text: bytes) -> Any:
    import wfdb

    line = next(iter(_lines(text)), "")
    first = _RECORD_LINE(line)
    if not first:
        raise HeaderError(
            f"{record}.hea begins with {line[:80]!r}, which is no record line (name, signals, frequency,"
            " samples); fetch it again"
        )
    try:
        header = wfdb.rdheader(record)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise HeaderError(f"{record}.hea is no WFDB header: {error or type(error).__name__}; fetch it again") from error
    for name, written, read in (
        ("frequency", first["frequency"], header.fs),
        ("number of samples", first["length"], header.sig_len),
    ):
        if written and float(written) != read:
            raise HeaderError(
                f"{record}.hea gives the {name} {written!r}, which wfdb takes for {read}; write it and what precedes it"
                " in plain digits"
            )
    return header


def _lines(text: bytes) -> list[str]:
    """The lines of a header that are no comments: the record line, then those of signals or segments."""
    lines = map(str.strip, text.decode("utf-8-sig", "surrogateescape").splitlines())
    return [line for line in lines if line and line[0] != "#"]


def _read_segment(record: str, root: str, text: bytes, header: Any, omit: _Omit | None) -> Record:
    """A record without segments."""
    import wfdb

    _check_header(record, header)
    signals = _signals(record, text, header)
    check_files(record, root, header)
    kept = [n for n, signal in enumerate(signals) if omit is None or not omit(signal)]
    omitted = [n for n in range(len(signals)) if n not in kept]
    _check_gains(record, [signals[n] for n in kept])
    rate = _rate(record, header, kept)
    try:
        # Samples of several to a frame are averaged unless asked for; skewed ones are shifted unless forbidden.
        even = all((rate or 1) == 1 for rate in header.samps_per_frame)
        read = wfdb.rdrecord(record, physical=False, ignore_skew=True, smooth_frames=even, return_res=32)
        each = read.d_signal.T if even else read.e_d_signal
        samples = _narrow(np.column_stack([each[n] for n in kept]), [signals[n] for n in kept])
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise SignalError(f"{record}: {error or type(error).__name__}; fetch header and signal file again") from error
    if len(samples) == 0:
        raise SignalError(f"{record} holds no samples")
    for n in omitted:  # damage to them is damage to the file
        verify_samples([signals[n]], each[n][:, np.newaxis], record)
    found = Header(
        text=text,
        name=header.record_name,
        sampling_frequency=float(header.fs) * rate,
        n_samples=len(samples),
        moment=_moment(text),
        signals=tuple(signals[n] for n in kept),
        comments=parse_comments(text),
        omitted=tuple(_printable(signals[n].description) or f"signal {n}" for n in omitted),
    )
    verify_samples(found.signals, samples, record)
    return Record(found, samples)


def _narrow(samples: Any, signals: Sequence[Signal]) -> Samples:
    """The samples as int16 when all fit, whatever their format could hold: few readers know 32-bit objects.

    The lowest number of 16 bits is for an invalid sample there, so a valid one needs more.
    """
    lowest = -(2**15) if all(signal.invalid == -(2**15) for signal in signals) else -(2**15) + 1
    fit = samples.size == 0 or (samples.min() >= lowest and samples.max() < 2**15)
    narrow: Samples = np.ascontiguousarray(samples, dtype="<i2" if fit else "<i4")
    return narrow


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:_MAX_NAME])


def _check_header(record: str, header: Any) -> None:
    """Refuse what no group of channels can be made of."""
    if not header.n_sig or len(header.file_name or ()) != header.n_sig or header.n_sig > _MAX_SIGNALS:
        lines = len(header.file_name or ())
        raise HeaderError(f"{record}.hea speaks of {header.n_sig} signals and describes {lines}; fetch it again")
    if header.sig_len == 0:
        raise HeaderError(
            f"{record}.hea states 0 samples; correct it, or convert the multi-segment record that it is a part of"
        )


def _rate(record: str, header: Any, kept: Sequence[int]) -> int:
    """The samples a frame, which all signals that are kept share."""
    if not kept:
        raise LeadError(
            f"{record} holds no ECG: other_signals: omit leaves out all of its signals"
            f" ({', '.join(map(str, header.sig_name))}); take it out of the study CSV"
        )
    rates = {n: header.samps_per_frame[n] or 1 for n in kept}
    if len(set(rates.values())) > 1:
        each = ", ".join(f"{header.sig_name[n]} {header.fs * rate:g} Hz" for n, rate in rates.items())
        raise SignalError(
            f"{record} has signals of different rates ({each}), which do not fit one DICOM multiplex group; set"
            " other_signals: omit to leave out those that are no ECG, or write a WFDB record of the leads of one rate"
        )
    return rates[kept[0]]


def _moment(text: bytes) -> datetime | None:
    """Date and time of the first sample, by the rule of the plain reader: wfdb takes 08:44 for 0:08:44."""
    line = _RECORD_LINE(_lines(text)[0])
    return parse_moment(line["moment"]) if line else None


def _signals(record: str, text: bytes, header: Any) -> tuple[Signal, ...]:
    """The signal lines as they are written; wfdb, besides, drops what is not ASCII: µV would become V."""
    signals = []
    for n, line in enumerate(_lines(text)[1 : header.n_sig + 1]):
        written = _SIGNAL_LINE(line)
        if not written:
            raise HeaderError(f"{record}.hea has {line[:120]!r}, which is no signal line of header(5); fetch it again")
        _check_layout(record, written, header, n)
        signals.append(
            Signal(
                description=(written["description"] or "").strip(),
                gain=float(written["gain"] or 0),
                baseline=int(written["baseline"] or written["zero"] or 0),
                units=written["units"] or "mV",
                skew=int(written["skew"] or 0) * int(written["rate"] or 1),
                initial_value=_integer(written["initial"]),
                checksum=_integer(written["checksum"]),
                invalid=FORMATS[header.fmt[n]].invalid if header.fmt[n] in FORMATS else None,
            )
        )
    return tuple(signals)


def _integer(text: str | None) -> int | None:
    return None if text is None else int(text)


def _check_layout(record: str, written: re.Match[str], header: Any, n: int) -> None:
    """Refuse a signal line of which wfdb reads other places of the samples than are written there."""
    each = (header.file_name[n], header.fmt[n], header.samps_per_frame[n], header.skew[n], header.byte_offset[n])
    for name, default, read in zip(
        ("file", "fmt", "rate", "skew", "offset"), ("", "", "1", "0", "0"), each, strict=True
    ):
        if (written[name] or default).lstrip("0") != str(default if read is None else read).lstrip("0"):
            raise HeaderError(
                f"{record}.hea has the signal line {written[0][:120]!r}, of whose {name} wfdb makes {read!r}; name"
                " signal files in letters, digits, - and _, and write numbers in plain digits"
            )


def _check_gains(record: str, signals: Sequence[Signal]) -> None:
    """Refuse signals without a gain, or with 0."""
    for signal in signals:
        if not signal.gain:
            raise HeaderError(
                f"{record}.hea gives signal {signal.description!r} no gain, or 0: it is not calibrated, and its"
                " millivolts are unknown; write its ADC units per millivolt into the header"
            )


def _read_segments(record: str, root: str, text: bytes, header: Any, omit: _Omit | None) -> Record:
    """A multi-segment record of fixed layout: the same signals in each segment, and no gaps between them."""
    if header.layout == "variable":
        raise HeaderError(
            f"{record} has segments of variable layout: signals and gains change from one to the next, and there may be"
            " gaps; convert each of its segments as a record of its own"
        )
    if "~" in header.seg_name:
        raise SignalError(f"{record} has a gap between its segments; convert each of them as a record of its own")
    if len(set(header.seg_name)) < len(header.seg_name):
        raise HeaderError(f"{record}.hea names a segment twice; correct it")
    if sum(header.seg_len) != header.sig_len or header.sig_len * header.n_sig * 2 > _MAX_BYTES:
        raise HeaderError(
            f"{record}.hea has {header.sig_len} samples and segments of {sum(header.seg_len)} in all, which must be"
            f" equal and take at most {_MAX_BYTES} bytes; correct it"
        )
    parts: list[Record] = []
    for name, length in zip(header.seg_name, header.seg_len, strict=True):
        part, frames = _read_part(os.path.join(os.path.dirname(record), name), root, omit)
        if frames != length:
            raise HeaderError(f"segment {name} has {frames} samples where {record}.hea needs {length}")
        if parts and (differs := _difference(parts[0].header, part.header)):
            raise HeaderError(f"segment {name} of {record} differs from the first in {differs}; convert each by itself")
        parts.append(part)
    return _join(text, header, parts)


def _read_part(path: str, root: str, omit: _Omit | None) -> tuple[Record, int]:
    """A segment, and its length in frames, which is what a record of segments states."""
    text = read_header_text(path + ".hea", root)
    header = _rdheader(path, text)
    if hasattr(header, "seg_name"):
        raise HeaderError(f"the segment {path} has segments itself; header(5) forbids that")
    part = _read_segment(path, root, text, header, omit)
    if any(signal.skew for signal in part.header.signals):
        raise SignalError(f"the segment {path} has skewed signals, which overlap its neighbours; correct it")
    return part, round(len(part.samples) * header.fs / part.header.sampling_frequency)


def _difference(first: Header, other: Header) -> str:
    """In which respect the signals of two segments are not the same, "" when they are."""
    if first.sampling_frequency != other.sampling_frequency:
        return "sampling frequency"
    if len(first.signals) != len(other.signals):
        return "number of signals"
    if first.omitted != other.omitted:
        return "signals that are no ECG"
    for a, b in zip(first.signals, other.signals, strict=True):
        for field in ("description", "gain", "baseline", "units", "invalid"):
            if getattr(a, field) != getattr(b, field):
                return f"{field} of signal {a.description!r}"
    return ""


def _join(text: bytes, header: Any, parts: list[Record]) -> Record:
    """One record of all segments; a checksum of the whole is the sum of the segments' checksums."""
    signals = []
    for n, signal in enumerate(parts[0].header.signals):
        sums = [part.header.signals[n].checksum for part in parts]
        whole = None if None in sums else sum(s for s in sums if s is not None) & 0xFFFF
        signals.append(signal._replace(checksum=whole))
    samples = np.concatenate([part.samples for part in parts])
    first = parts[0].header
    joined = replace(
        first,
        text=b"\n".join([text, *(part.header.text for part in parts)]),
        name=header.record_name,
        n_samples=len(samples),
        moment=_moment(text) or first.moment,
        signals=tuple(signals),
        comments=(*parse_comments(text), *(c for part in parts for c in part.header.comments)),
    )
    return Record(joined, samples)
