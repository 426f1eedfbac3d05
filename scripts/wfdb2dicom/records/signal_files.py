"""Signal files as header(5) and signal(5) describe them: their formats, and whether a file has the length it should."""

from __future__ import annotations

import os
import re
from math import ceil
from typing import Any, NamedTuple

from wfdb2dicom.errors import HeaderError, PathError, SignalError
from wfdb2dicom.records.source_file import Source


class Format(NamedTuple):
    """A signal file format of signal(5): `samples` samples take `size` bytes; 0 bytes where they are compressed."""

    size: int
    samples: int
    invalid: int | None


FORMATS = {
    "8": Format(1, 1, None),
    "16": Format(2, 1, -(2**15)),
    "24": Format(3, 1, -(2**23)),
    "32": Format(4, 1, -(2**31)),
    "61": Format(2, 1, -(2**15)),
    "80": Format(1, 1, -(2**7)),
    "160": Format(2, 1, -(2**15)),
    "212": Format(3, 2, -(2**11)),
    "310": Format(4, 3, -(2**9)),
    "311": Format(4, 3, -(2**9)),
    "508": Format(0, 1, -(2**7)),
    "516": Format(0, 1, -(2**15)),
    "524": Format(0, 1, -(2**23)),
}
_SAFE_NAME = re.compile(r"(?!\.{1,2}$)[^/\\\0]+").fullmatch


def check_files(record: str, root: str, header: Any) -> None:
    """Refuse files of another length than the header's before wfdb allocates that, and files outside the tree."""
    length = header.sig_len
    for name in dict.fromkeys(header.file_name):
        places = [n for n in range(header.n_sig) if header.file_name[n] == name]
        formats = {header.fmt[n] for n in places}
        fmt = formats.pop()
        if formats or fmt not in FORMATS:
            raise HeaderError(
                f"{record}.hea gives {name} the format {'/'.join([fmt, *formats])}, which wfdb cannot read"
            )
        if not _SAFE_NAME(name):
            raise PathError(f"{record}.hea names the signal file {name!r}, which is not beside it")
        width = sum(header.samps_per_frame[n] or 1 for n in places)
        offset = header.byte_offset[places[0]] or 0
        path = os.path.join(os.path.dirname(record), name)
        size, samples, _ = FORMATS[fmt]
        with Source(path, root) as source:
            content = max(0, source.size - offset)
        if not size:
            _check_compressed(path, length, width // len(places), offset)
            continue
        length = length or content * samples // size // width
        total = length * width
        if not ceil(total * size / samples) <= content <= ceil(total / samples) * size or not total:
            raise SignalError(
                f"{path} has {source.size} bytes where the header ({width} samples a frame x {length} frames of format"
                f" {fmt}) needs {ceil(total * size / samples) + offset}; fetch it again"
            )


def _check_compressed(path: str, length: int | None, rate: int, offset: int) -> None:
    """Compare a FLAC file's own length with the header's."""
    import soundfile

    if length is None:
        raise HeaderError(f"the header of {path} states no number of samples, which compressed signals need; add it")
    try:
        frames = soundfile.info(path).frames
    except RuntimeError as error:
        raise SignalError(f"{path} is no FLAC file: {error}; fetch it again") from error
    if frames != length * rate + offset:
        raise SignalError(
            f"{path} has {frames} samples where the header needs {length * rate + offset}; fetch it again"
        )
