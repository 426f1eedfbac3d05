"""The samples of a record: checks against the header, flat leads and invalid samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wfdb2dicom.errors import ChecksumError, SignalError
from wfdb2dicom.records.header import Samples, Signal


def reduce_columns(ufunc: Any, samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``ufunc.reduce(samples, axis=0)`` in the samples' own dtype, about ten times as fast for a few columns.

    numpy reduces along the first axis row by row, which costs more than the arithmetic when a row has a dozen
    values. Many rows taken as one long row reduce at full vector width first.
    """
    n, width = samples.shape
    rows = 64
    whole = n - n % rows
    result: npt.NDArray[Any]
    if whole == 0:
        result = ufunc.reduce(samples, axis=0, dtype=samples.dtype)
        return result
    wide = ufunc.reduce(samples[:whole].reshape(-1, rows * width), axis=0, dtype=samples.dtype)
    result = ufunc.reduce(wide.reshape(rows, width), axis=0, dtype=samples.dtype)
    if whole < n:
        result = ufunc(result, ufunc.reduce(samples[whole:], axis=0, dtype=samples.dtype))
    return result


def checksums(samples: Samples) -> list[int]:
    """The checksum of each signal as header(5) defines it: the sum of its samples modulo 65536."""
    bits = samples.astype(np.uint16) if samples.dtype.itemsize != 2 else samples.view(np.uint16)
    sums: list[int] = reduce_columns(np.add, bits).tolist()
    return sums


def verify_samples(signals: Sequence[Signal], samples: Samples, where: str) -> list[int]:
    """Compare samples with the initial values and checksums that the header states for them.

    Headers state checksums as signed or unsigned numbers.

    Returns
    -------
    list of int
        As returned by `checksums`.

    Raises
    ------
    ChecksumError
        Naming the file, the first signal that differs, both values and the remedy.
    """
    initial = samples[0].tolist()
    sums = checksums(samples)
    for signal, first, total in zip(signals, initial, sums, strict=True):
        if signal.checksum is not None and signal.checksum & 0xFFFF != total:
            raise ChecksumError(
                f"{where}: signal {signal.description!r} sums to {total} where its header gives"
                f" {signal.checksum & 0xFFFF}; the file is damaged or belongs to another record, fetch both again"
            )
        # Only difference formats need the initial value; elsewhere writers may leave 0 (header(5)).
        if signal.initial_value and signal.initial_value != first:
            raise ChecksumError(
                f"{where}: signal {signal.description!r} starts with {first} where its header gives"
                f" {signal.initial_value}; the file is damaged or belongs to another record, fetch both again"
            )
    return sums


def find_flat(samples: Samples, sums: Sequence[int]) -> list[int]:
    """The signals whose samples are all equal.

    Parameters
    ----------
    sums : sequence of int
        Checksums, see `verify_samples`: only signals with the checksum of a flat one need to be compared.
    """
    n_samples, initial = len(samples), samples[0].tolist()
    candidates = [n for n, first in enumerate(initial) if n_samples * first & 0xFFFF == sums[n]]
    return [n for n in candidates if (samples[:, n] == initial[n]).all()]


def find_invalid(signals: Sequence[Signal], samples: Samples) -> tuple[dict[int, int], int | None]:
    """Count the invalid samples, and find the one value that marks them all.

    A marker is the least value of its format, so no sample of a signal lies below it.

    Returns
    -------
    counts : dict
        Index of the signal → number of its invalid samples, for signals that have any.
    marker : int or None
        None when there are none.

    Raises
    ------
    SignalError
        When one value cannot mark them: a DICOM multiplex group has a single Waveform Padding Value.
    """
    markers = {signal.invalid for signal in signals if signal.invalid is not None}
    if not markers or samples.min() > max(markers):
        return {}, None
    low = reduce_columns(np.minimum, samples).tolist()
    found = [n for n, signal in enumerate(signals) if low[n] == signal.invalid]
    if not found:
        return {}, None
    marker = low[found[0]]
    for n, signal in enumerate(signals):
        alien = low[n] != marker if n in found else signal.invalid != marker and bool((samples[:, n] == marker).any())
        if alien:
            raise SignalError(
                f"signal {signals[found[0]].description!r} marks invalid samples by {marker}, which signal"
                f" {signal.description!r} does not; a DICOM object has one such value, so bring both to one format"
            )
    return {n: int(np.count_nonzero(samples[:, n] == marker)) for n in found}, marker
