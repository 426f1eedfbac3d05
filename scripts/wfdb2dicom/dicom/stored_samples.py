"""The samples as an object stores them, and the attributes that follow from them.

By default they are the record's own counts. Two options change them, and each change is stated in the object, so that
`wfdb2dicom.dicom.restore` can undo it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wfdb2dicom.dicom.annotations import Annotation
from wfdb2dicom.dicom.mapping import ObjectDescription
from wfdb2dicom.dicom.options import Options

Channels = npt.NDArray[Any]
"""Samples of shape (n_samples, n_channels), counts in the order of the channels."""

_MOST_POSITIONS = 16_382  # of 4 bytes in an element whose length has 16 bits, and an even number


def stores_source(description: ObjectDescription, options: Options) -> bool:
    """Whether the object's samples are the record's own, whatever they are."""
    return options.invalid_samples == "keep" and (options.baseline == "source" or not any(description.baselines))


def store(
    description: ObjectDescription, channels: Channels, padding: int | None, options: Options
) -> tuple[ObjectDescription, Channels]:
    """Samples as the object stores them, and the description with what follows from them.

    Parameters
    ----------
    channels : ndarray of int, shape (n_samples, n_channels)
        The record's samples in the order of the channels; not changed.
    padding : int or None
        The value of invalid samples, None when there are none.
    """
    invalid = None if padding is None else channels == padding
    if invalid is not None:
        description = _with_status(description, invalid)
        if options.invalid_samples == "hold":
            description, channels = _hold(description, channels, invalid)
            padding = invalid = None
    if options.baseline == "zero" and any(description.baselines):
        description, channels = _subtract(description, channels, padding, invalid)
    if padding is not None:
        description = replace(description, shared=replace(description.shared, padding=padding))
    return description, channels


def _with_status(description: ObjectDescription, invalid: npt.NDArray[np.bool_]) -> ObjectDescription:
    """Channel Status (PS3.3 C.10.9): INVALID where no sample is valid, QUESTIONABLE where some are not."""
    some: list[bool] = np.any(invalid, axis=0).tolist()
    every: list[bool] = np.all(invalid, axis=0).tolist()
    channels = tuple(
        channel._replace(status="INVALID" if all_invalid else "QUESTIONABLE") if any_invalid else channel
        for channel, any_invalid, all_invalid in zip(description.shared.channels, some, every, strict=True)
    )
    return replace(description, shared=replace(description.shared, channels=channels))


def _hold(
    description: ObjectDescription, channels: Channels, invalid: npt.NDArray[np.bool_]
) -> tuple[ObjectDescription, Channels]:
    """Repeat the last valid value; before the first one, that one; the baseline, 0 mV, where there is none."""
    channels = channels.copy()
    annotations = []
    for n in np.flatnonzero(invalid.any(axis=0)).tolist():
        valid = ~invalid[:, n]
        if valid.any():
            last = np.maximum.accumulate(np.where(valid, np.arange(len(valid)), int(valid.argmax())))
            channels[:, n] = channels[last, n]
        else:
            channels[:, n] = min(max(description.baselines[n], -_most(channels)), _most(channels))
        edges = np.flatnonzero(np.diff(invalid[:, n], prepend=False, append=False))
        edges[::2] += 1  # positions count from 1, and the last one is included
        positions = edges.tolist()
        annotations += [
            Annotation(channel=n + 1, positions=tuple(positions[start : start + _MOST_POSITIONS]))
            for start in range(0, len(positions), _MOST_POSITIONS)
        ]
    instance = replace(description.instance, annotations=(*description.instance.annotations, *annotations))
    return replace(description, instance=instance, shared=replace(description.shared, held=True)), channels


def _subtract(
    description: ObjectDescription,
    channels: Channels,
    padding: int | None,
    invalid: npt.NDArray[np.bool_] | None,
) -> tuple[ObjectDescription, Channels]:
    """Samples without their baselines, where all of them fit; otherwise everything stays as it is."""
    most = _most(channels)
    if max(map(abs, description.baselines)) > 2 * most + 1:
        return description, channels
    wider = np.int64 if channels.itemsize == 4 else np.int32
    zeroed = channels.astype(wider) - np.array(description.baselines, np.int64).astype(wider)
    fits = np.abs(zeroed) <= most  # the least value marks invalid samples
    if padding is not None and invalid is not None:
        fits &= zeroed != padding
        fits |= invalid
        zeroed = np.where(invalid, padding, zeroed)
    if not fits.all():
        return description, channels
    shared = replace(
        description.shared,
        channels=tuple(channel._replace(baseline="0") for channel in description.shared.channels),
        subtracted=description.baselines,
    )
    return replace(description, shared=shared), zeroed.astype(channels.dtype)


def _most(channels: Channels) -> int:
    """The largest sample that an object of these samples can store."""
    return int(np.iinfo(channels.dtype).max)
