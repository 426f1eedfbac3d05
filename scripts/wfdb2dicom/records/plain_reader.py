"""The samples of plain records: one signal file of format 16, as in MIMIC-IV-ECG and the CinC challenges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wfdb2dicom.errors import SignalError
from wfdb2dicom.records.header import Header
from wfdb2dicom.records.source_file import Source


def plain_size(header: Header) -> int:
    """The size in bytes that the signal file of a plain record has according to its header."""
    return header.byte_offset + 2 * len(header.signals) * (header.n_samples or 0)


def read_plain_samples(source: Source, header: Header) -> npt.NDArray[np.int16]:
    """The samples of a plain record whose signal file is already open.

    Returns
    -------
    ndarray of int16, shape (n_samples, n_signals)

    Raises
    ------
    SignalError
        When the length of the file is not exactly the one that follows from the header.
    """
    n_signals, expected = len(header.signals), plain_size(header)
    if source.size != expected:
        raise SignalError(
            f"{source.path} has {source.size} bytes where the header ({n_signals} signals x {header.n_samples} samples)"
            f" needs {expected}; fetch it again"
        )
    return np.frombuffer(source.read_exactly(expected), "<i2", offset=header.byte_offset).reshape(-1, n_signals)
