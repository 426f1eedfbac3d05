"""Records that the plain reader does not read: any format, several files, several samples per frame, segments.

The header says what the samples are; wfdb decodes them. This module checks the length of each signal file, the
checksums (of samples as they are in the file, not shifted by their skew), and that all signals have the same rate. A
gain that is missing or 0 means that the signal is not calibrated; it is refused, where wfdb would assume 200.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wfdb2dicom.errors import HeaderError, LeadError, SignalError
from wfdb2dicom.records.header import Header, Record, Samples, Segment, Signal, Storage, parse
from wfdb2dicom.records.samples import verify_samples
from wfdb2dicom.records.signal_files import read_signal_file, signal_path
from wfdb2dicom.records.source_file import read_header_text

_MAX_NAME = 64  # characters of a signal that is only named
_MAX_BYTES = 2**32  # of samples as DICOM holds them; a data element has no more

_MOST_USES = 4  # segments that share a signal file

_Omit = Callable[[Signal], bool]
_Check = Callable[[Header], None]


def read_with_wfdb(
    record: str, root: str, text: bytes, omit: _Omit | None = None, check: _Check | None = None
) -> Record:
    """Read a record of any kind.

    Parameters
    ----------
    record : str
        Path of the record, without extension.
    root : str
        Resolved path of the tree that must contain all its files, "" for no restriction.
    text : bytes
        Its header file.
    omit : callable, optional
        Tells which signals are left out once their checksums are verified; by default none is.
    check : callable, optional
        Called with the header of what is to be read, before a sample is; refuses it by raising an error.

    Returns
    -------
    Record
        Its samples are verified; they are int16 if all of them fit, else int32.

    Raises
    ------
    HeaderError, SignalError, PathError
        When the record cannot be read as one set of signals of one rate.
    LeadError
        When all of its signals would be left out.
    """
    header = parse(text, f"{record}.hea")
    read = _read_segments if header.segments else _read_segment
    return read(record, root, header, omit, check)


def _read_segment(record: str, root: str, header: Header, omit: _Omit | None, check: _Check | None) -> Record:
    """A record without segments."""
    header = _with_storage(header)
    if all(stored.file == "~" for stored in header.storage):
        raise HeaderError(
            f"{record}.hea states 0 samples and no signal file; convert the multi-segment record that it is a part of"
        )
    kept = [n for n, signal in enumerate(header.signals) if omit is None or not omit(signal)]
    omitted = [n for n in range(len(header.signals)) if n not in kept]
    _check_gains(record, [header.signals[n] for n in kept])
    rate = _rate(record, header, kept, may_omit=omit is None)
    if check is not None and header.n_samples is not None:
        check(
            replace(
                header,
                sampling_frequency=header.sampling_frequency * rate,
                n_samples=header.n_samples * rate,
                signals=tuple(header.signals[n] for n in kept),
            )
        )
    each, tail = _read_files(record, root, header)
    samples = _narrow(np.column_stack([each[n] for n in kept]), [header.signals[n] for n in kept])
    signals = header.signals
    if header.checksum_placeholders:
        signals = tuple(signal._replace(checksum=None) for signal in signals)
    for n in omitted:  # if these are damaged, the file is
        verify_samples([signals[n]], each[n][:, np.newaxis], record)
    verify_samples([signals[n] for n in kept], samples, record)
    found = replace(
        header,
        sampling_frequency=header.sampling_frequency * rate,
        n_samples=len(samples),
        # Placeholders are kept: they distinguish a header that states 0 from one that states no checksum.
        signals=tuple(header.signals[n] for n in kept),
        omitted=tuple(_printable(header.signals[n].description) or f"signal {n}" for n in omitted),
        warnings=(f"{tail} bytes after the samples were not used: the checksums prove that they are not samples",)
        if tail
        else (),
    )
    return Record(found, samples)


def _with_storage(header: Header) -> Header:
    """The header with the storage of each signal, which that of a plain record does not list."""
    if not header.is_plain:
        return header
    stored = Storage(header.signal_file, "16", 1, header.byte_offset)
    return replace(header, storage=(stored,) * len(header.signals))


def _read_files(record: str, root: str, header: Header) -> tuple[dict[int, Any], int]:
    """The samples of each signal, and the number of bytes after them."""
    frames, tail = header.n_samples, 0
    each: dict[int, Any] = {}
    pinned = header.has_checksums and frames is not None
    for name in dict.fromkeys(stored.file for stored in header.storage):
        signals = [n for n, stored in enumerate(header.storage) if stored.file == name]
        read = read_signal_file(record, root, header, signals, frames, tail_allowed=pinned)
        each |= read.samples
        frames, tail = read.frames, tail + read.tail
    return each, tail


def _narrow(samples: Any, signals: Sequence[Signal]) -> Samples:
    """The samples as int16 if all fit, whatever their format: few readers support 32-bit objects.

    The lowest 16-bit number would mark an invalid sample, so a valid sample of that value needs 32 bits.
    """
    lowest = -(2**15) if all(signal.invalid == -(2**15) for signal in signals) else -(2**15) + 1
    fit = samples.size == 0 or (samples.min() >= lowest and samples.max() < 2**15)
    narrow: Samples = np.ascontiguousarray(samples, dtype="<i2" if fit else "<i4")
    return narrow


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:_MAX_NAME])


def _rate(record: str, header: Header, kept: Sequence[int], *, may_omit: bool) -> int:
    """The number of samples per frame, which must be the same for all signals that are kept."""
    names = [signal.description for signal in header.signals]
    if not kept:
        raise LeadError(
            f"{record} holds no ECG: other_signals: omit leaves out all of its signals"
            f" ({', '.join(names)}); remove it from the study CSV"
        )
    rates = {n: header.storage[n].samples_per_frame for n in kept}
    if len(set(rates.values())) > 1:
        each = ", ".join(f"{names[n]} {header.sampling_frequency * rate:g} Hz" for n, rate in rates.items())
        remedy = "set other_signals: omit to leave out those that are not ECGs, or " if may_omit else ""
        raise SignalError(
            f"{record} has signals of different rates ({each}), which do not fit one DICOM multiplex group;"
            f" {remedy}write a WFDB record of the leads of one rate"
        )
    return rates[kept[0]]


def _check_gains(record: str, signals: Sequence[Signal]) -> None:
    """Refuse signals without a gain, or with a gain of 0."""
    for signal in signals:
        if not signal.gain:
            raise HeaderError(
                f"{record}.hea gives signal {signal.description!r} no gain, or 0: it is not calibrated, and its"
                " millivolts are unknown; write its ADC units per millivolt into the header"
            )


def _read_segments(record: str, root: str, header: Header, omit: _Omit | None, check: _Check | None) -> Record:
    """A multi-segment record of fixed layout: the same signals in each segment, and no gaps between them."""
    segments, length = header.segments, header.n_samples or 0
    names = [segment.name for segment in segments]
    if segments[0].length == 0:
        raise HeaderError(
            f"{record} has segments of variable layout: signals and gains change from one to the next, and there may be"
            " gaps; convert each of its segments as a record of its own"
        )
    if "~" in names:
        raise SignalError(f"{record} has a gap between its segments; convert each of them as a record of its own")
    if len(set(names)) < len(names):
        raise HeaderError(f"{record}.hea names a segment twice; correct it")
    total = sum(segment.length for segment in segments)
    if total != length or length * max(1, header.n_signals) * 2 > _MAX_BYTES:
        raise HeaderError(
            f"{record}.hea has {length} samples and segments of {total} in all, which must be"
            f" equal and take at most {_MAX_BYTES} bytes; correct it"
        )
    headers = _segment_headers(record, root, segments)
    parts: list[Record] = []
    for (name, frames), part in zip(segments, headers, strict=True):
        # The first segment is checked as if it had the length of the whole record; the others must match the first.
        whole = _of_length(check, length / frames) if check and not parts else None
        parts.append(_read_part(_beside(record, name), root, part, frames, omit, whole))
        if differs := _difference(parts[0].header, parts[-1].header):
            raise HeaderError(f"segment {name} of {record} differs from the first in {differs}; convert each by itself")
    return _join(header, parts)


def _beside(record: str, name: str) -> str:
    """The path of a record in the same folder."""
    return os.path.join(os.path.dirname(record), name)


def _of_length(check: _Check, factor: float) -> _Check:
    return lambda header: check(replace(header, n_samples=round((header.n_samples or 0) * factor)))


def _segment_headers(record: str, root: str, segments: Sequence[Segment]) -> list[Header]:
    """The headers of all segments, checked before a sample is read, so that small files cannot fill the memory."""
    headers = []
    uses: Counter[str] = Counter()
    for name, frames in segments:
        path = _beside(record, name)
        header = parse(read_header_text(path + ".hea", root), f"{path}.hea")
        if header.segments:
            raise HeaderError(f"the segment {path} has segments itself, which header(5) forbids; correct it")
        if header.n_samples not in (None, frames):
            raise HeaderError(
                f"segment {name} has {header.n_samples} samples where {record}.hea needs {frames}; correct it"
            )
        files = {stored.file for stored in _with_storage(header).storage} - {"~"}
        uses.update({os.path.realpath(signal_path(path, root, file)) for file in files})
        if often := [file for file, count in uses.items() if count > _MOST_USES]:
            raise HeaderError(
                f"more than {_MOST_USES} segments of {record} name the signal file {os.path.basename(often[0])!r};"
                " correct them"
            )
        headers.append(header)
    return headers


def _read_part(path: str, root: str, header: Header, frames: int, omit: _Omit | None, check: _Check | None) -> Record:
    """A segment with this number of frames."""
    part = _read_segment(path, root, replace(header, n_samples=frames), omit, check)
    if any(signal.skew for signal in part.header.signals):
        raise SignalError(f"the segment {path} has skewed signals, which overlap its neighbours; correct it")
    return part


def _difference(first: Header, other: Header) -> str:
    """How the signals of two segments differ, "" if they do not."""
    if first.sampling_frequency != other.sampling_frequency:
        return "sampling frequency"
    if len(first.signals) != len(other.signals):
        return "number of signals"
    if first.omitted != other.omitted:
        return "signals that are not ECGs"
    for a, b in zip(first.signals, other.signals, strict=True):
        for field in ("description", "gain", "baseline", "units", "invalid"):
            if getattr(a, field) != getattr(b, field):
                return f"{field} of signal {a.description!r}"
    return ""


def _join(header: Header, parts: list[Record]) -> Record:
    """One record of all segments; the checksum of a signal is the sum of its checksums in the segments."""
    signals = []
    for n, signal in enumerate(parts[0].header.signals):
        sums = [part.header.signals[n].checksum if part.header.has_checksums else None for part in parts]
        whole = None if None in sums else sum(s for s in sums if s is not None) & 0xFFFF
        signals.append(signal._replace(checksum=whole))
    samples = np.concatenate([part.samples for part in parts])
    first = parts[0].header
    joined = replace(
        first,
        text=b"\n".join([header.text, *(part.header.text for part in parts)]),
        name=header.name,
        n_samples=len(samples),
        moment=header.moment if header.stated_time else first.moment,
        stated_time=header.stated_time or first.stated_time,
        signals=tuple(signals),
        comments=(*header.comments, *(c for part in parts for c in part.header.comments)),
        warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.header.warnings)),
    )
    return Record(joined, samples)
