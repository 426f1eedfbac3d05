"""Signal files as described by header(5) and signal(5): their paths, lengths and samples.

wfdb decodes every format except 16. It is given the descriptor of the file that was checked, so that it cannot read
another file of the same name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wfdb2dicom.errors import HeaderError, PathError, SignalError
from wfdb2dicom.records.header import Header
from wfdb2dicom.records.source_file import Source
from wfdb2dicom.system.paths import is_below
from wfdb2dicom.system.regular_file import DESCRIPTORS


class Format(NamedTuple):
    """A signal file format of signal(5): `samples` samples take `size` bytes, 0 if they are compressed."""

    size: int
    samples: int


FORMATS = {
    "8": Format(1, 1),
    "16": Format(2, 1),
    "24": Format(3, 1),
    "32": Format(4, 1),
    "61": Format(2, 1),
    "80": Format(1, 1),
    "160": Format(2, 1),
    "212": Format(3, 2),
    "310": Format(4, 3),
    "311": Format(4, 3),
    "508": Format(0, 1),
    "516": Format(0, 1),
    "524": Format(0, 1),
}
# FLAC compresses a flat line without limit, so memory is bounded by the size of the file. Real ECGs shrink to a third.
_MOST_UNPACKED, _MOST_PACKED = 64 << 20, 100  # bytes that are always allowed, and bytes per byte of the file


class SignalFile(NamedTuple):
    """The content of a signal file.

    Attributes
    ----------
    samples : dict
        Index of the signal → its samples, shape (frames × samples per frame,).
    frames : int
    tail : int
        Bytes after the samples.
    """

    samples: dict[int, npt.NDArray[Any]]
    frames: int
    tail: int


def signal_path(record: str, root: str, name: str) -> str:
    """The path of a signal file that a header names, which may be in another folder of the tree.

    Parameters
    ----------
    record : str
        Path of the record, without extension.
    root : str
        Resolved path of the tree, "" for the record's own folder.
    name : str

    Raises
    ------
    PathError
        When it is outside the tree, or is not a file name.
    """
    folder = os.path.dirname(record)
    if name in ("", ".", "..") or "\0" in name or "\\" in name:
        raise PathError(f"{record}.hea names the signal file {name!r}, which is not a file name; correct the header")
    path = os.path.join(folder, name)
    if "/" in name and not is_below(os.path.realpath(path), root or os.path.realpath(folder or ".")):
        where = "wfdb_dir" if root else "the record's folder"
        raise PathError(
            f"{record}.hea names the signal file {name!r}, which is not in {where}; put the file there and correct its"
            " name in the header"
        )
    return path


def read_signal_file(
    record: str, root: str, header: Header, signals: Sequence[int], frames: int | None, *, tail_allowed: bool
) -> SignalFile:
    """Read the signals that share a file.

    Parameters
    ----------
    record, root : str
        See `signal_path`.
    header : Header
    signals : sequence of int
        Indices of all signals of this file.
    frames : int or None
        Number of frames; None for as many as the file holds.
    tail_allowed : bool
        Whether bytes after the samples are allowed, because checksums will prove that they are not samples.

    Raises
    ------
    HeaderError, PathError, SignalError, OSError
    """
    stored = header.storage[signals[0]]
    formats = dict.fromkeys(header.storage[n].format for n in signals)
    if len(formats) > 1 or stored.format not in FORMATS:
        raise HeaderError(
            f"{record}.hea gives {stored.file} the format {'/'.join(formats)}, which wfdb cannot read; convert the"
            " record to format 16 with xform"
        )
    path = signal_path(record, root, stored.file)
    with Source(path, root) as source:
        if FORMATS[stored.format].size:
            frames, tail = _check_length(source, header, signals, frames, tail_allowed=tail_allowed)
        else:
            frames, tail = _check_compressed(source, header, signals, frames), 0
        try:
            return SignalFile(_decode(source, header, signals, frames), frames, tail)
        except (OSError, MemoryError, SignalError):
            raise
        except Exception as error:  # whatever the bytes provoke in wfdb
            raise SignalError(f"{path} cannot be decoded ({type(error).__name__}: {error}); fetch it again") from error


def _width(header: Header, signals: Sequence[int]) -> int:
    """Samples per frame of a file."""
    return sum(header.storage[n].samples_per_frame for n in signals)


def _check_length(
    source: Source, header: Header, signals: Sequence[int], frames: int | None, *, tail_allowed: bool
) -> tuple[int, int]:
    """The number of frames in a file, and of bytes after them."""
    _, fmt, _, offset = header.storage[signals[0]]
    size, samples = FORMATS[fmt]
    width, content = _width(header, signals), max(0, source.size - offset)
    if frames is None:
        frames = content * samples // size // width
    total = frames * width
    least, most = ceil(total * size / samples), ceil(total / samples) * size
    if not total or content < least or (content > most and not tail_allowed):
        remedy = "fetch it again" if content < least or not total else (
            "state the right number of samples in the header, or checksums that prove the rest to be no samples"
        )  # fmt: skip
        raise SignalError(
            f"{source.path} has {source.size} bytes where the header ({width} samples per frame x {frames} frames of"
            f" format {fmt}) needs {least + offset}; {remedy}"
        )
    return frames, max(0, content - most)


def _check_compressed(source: Source, header: Header, signals: Sequence[int], frames: int | None) -> int:
    """Compare the length that a FLAC file states with the header's, before any of it is decoded."""
    import soundfile

    path = source.path
    if frames is None:
        raise HeaderError(f"the header of {path} states no number of samples, which compressed signals need; add it")
    try:
        about = soundfile.info(f"{DESCRIPTORS}/{source.fd}")
    except RuntimeError as error:
        raise SignalError(f"{path} is not a FLAC file: {error}; fetch it again") from error
    needed = frames * (_width(header, signals) // len(signals)) + header.storage[signals[0]].byte_offset
    if about.frames != needed:
        raise SignalError(f"{path} has {about.frames} samples where the header needs {needed}; fetch it again")
    unpacked = 4 * needed * max(len(signals), about.channels)
    if unpacked > max(_MOST_UNPACKED, _MOST_PACKED * source.size):
        raise SignalError(
            f"{path} has {source.size} bytes and claims {unpacked} bytes of samples, more than an ECG of that size has;"
            " write the record in format 16 with xform"
        )
    return frames


def _decode(source: Source, header: Header, signals: Sequence[int], frames: int) -> dict[int, npt.NDArray[Any]]:
    _, fmt, _, offset = header.storage[signals[0]]
    rates = [header.storage[n].samples_per_frame for n in signals]
    if fmt == "16":
        content = source.read_exactly(offset + 2 * frames * sum(rates))
        each = np.split(np.frombuffer(content, "<i2", offset=offset).reshape(frames, -1), np.cumsum(rates)[:-1], axis=1)
        return {n: samples.reshape(-1) for n, samples in zip(signals, each, strict=True)}
    # Not the public rdrecord: that opens files by name, understands fewer headers than header(5) allows, and fails
    # on several samples per frame in format 61. The tests compare the two for every format.
    from wfdb.io._signal import _rd_dat_signals

    initial = [header.signals[n].initial_value or 0 for n in signals]
    none = [0] * len(signals)  # samples are not shifted: DICOM states the skew
    read = _rd_dat_signals(
        str(source.fd), DESCRIPTORS, None, fmt, len(signals), frames, offset, rates, none, initial, 0, frames
    )
    return dict(zip(signals, read, strict=True))
