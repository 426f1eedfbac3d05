"""The checker's rules for multiplex groups, channels and samples: PS3.3 C.10.9 and the content constraints of A.34."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from wfdb2dicom.conformance import standard
from wfdb2dicom.conformance.attributes import OURS, Violation, check_attributes, check_code, name_of
from wfdb2dicom.dicom.part10 import Dataset, code_of, integer, items_of, number, text

_SAMPLE: dict[str, tuple[int, np.dtype[Any]]] = {
    "SB": (8, np.dtype("i1")),
    "SS": (16, np.dtype("<i2")),
    "SL": (32, np.dtype("<i4")),
}
# An ECG is smooth, and one count of noise becomes a jump of 256 when bytes are swapped: on 74 records at hand, real
# and synthetic, the right order was at least 48 times as smooth as the wrong one. Judged by frames of the middle.
_SWAPPED = 4
_FRAMES = 1000


def check_groups(dataset: Dataset) -> Iterator[Violation]:
    """All rules of the Waveform Sequence."""
    groups = items_of(dataset, 0x54000100)
    ecg = standard.CLASSES.get(text(dataset, 0x00080016))
    if ecg is not None:
        if len(groups) > ecg.groups:
            message = f"has {len(groups)} items; {ecg.name} allows {ecg.groups}"
            yield Violation("WaveformSequence", message, ecg.source)
        total = sum(integer(group, 0x003A0005) or 0 for group in groups)
        if ecg.channels_in_all is not None and total > ecg.channels_in_all:
            message = f"{total} in all groups; {ecg.name} allows {ecg.channels_in_all}"
            yield Violation("NumberOfWaveformChannels", message, ecg.source)
    for place, group in enumerate(groups, 1):
        where = f"WaveformSequence[{place}]."
        yield from check_attributes(where, group, standard.GROUP)
        if ecg is not None:
            yield from _check_limits(where, group, ecg)
        yield from _check_channels(where, group)
        yield from _check_samples(where, group)


def _check_limits(where: str, group: Dataset, ecg: standard.EcgClass) -> Iterator[Violation]:
    """The content constraints of the class; what is missing has been found already."""
    channels, samples = integer(group, 0x003A0005), integer(group, 0x003A0010)
    if channels is not None and not 1 <= channels <= ecg.channels:
        message = f"is {channels}; {ecg.name} allows 1 to {ecg.channels}"
        yield Violation(where + "NumberOfWaveformChannels", message, ecg.source)
    if samples is not None and not 1 <= samples <= (ecg.samples or 2**32):
        message = f"is {samples}; {ecg.name} allows 1 to {ecg.samples or 'any number'}"
        yield Violation(where + "NumberOfWaveformSamples", message, ecg.source)
    frequency = number(group, 0x003A001A)
    if frequency is not None:
        if frequency <= 0:
            yield Violation(where + "SamplingFrequency", f"is {frequency:g} Hz", "PS3.3 C.10.9")
        elif not (ecg.low or 0) <= frequency <= (ecg.high or frequency):
            message = f"is {frequency:g} Hz; {ecg.name} allows {ecg.low:g} to {ecg.high:g}"
            yield Violation(where + "SamplingFrequency", message, ecg.source)
    interpretation = text(group, 0x54001006)
    if interpretation and interpretation not in ecg.interpretations:
        message = f"is {interpretation!r}; {ecg.name} allows {' or '.join(ecg.interpretations)}"
        yield Violation(where + "WaveformSampleInterpretation", message, ecg.source)


def _check_channels(where: str, group: Dataset) -> Iterator[Violation]:
    channels = items_of(group, 0x003A0200)
    n_channels = integer(group, 0x003A0005)
    if n_channels is not None and len(channels) != n_channels:
        message = f"has {len(channels)} items where NumberOfWaveformChannels is {n_channels}"
        yield Violation(where + "ChannelDefinitionSequence", message, "PS3.3 C.10.9")
    bits = integer(group, 0x54001004)
    seen: dict[tuple[str, ...], int] = {}
    for place, channel in enumerate(channels, 1):
        inside = f"{where}ChannelDefinitionSequence[{place}]."
        yield from check_attributes(inside, channel, standard.CHANNEL)
        yield from _check_scale(inside, channel, bits)
        yield from _check_skew_and_filters(inside, channel)
        codes = list(_check_codes(inside, channel))
        yield from codes
        code = code_of(channel, 0x003A0208)
        lead = (
            *code,
            *code_of(channel, 0x003A0209),
            text(channel, 0x003A0203),
        )  # some leads share a code that says less than their labels
        if lead in seen:
            message = f"is the lead of channel {seen[lead]}, {' '.join(code)}; it cannot be known which one is right"
            yield Violation(inside + "ChannelSourceSequence", message, OURS)
        seen[lead] = place


def _check_scale(where: str, channel: Dataset, bits: int | None) -> Iterator[Violation]:
    """Sensitivity, correction factor, baseline and bits: what makes millivolts of counts."""
    sensitivity, baseline = number(channel, 0x003A0210), number(channel, 0x003A0213)
    if sensitivity is not None and sensitivity <= 0:
        message = f"is {sensitivity:g}: no amplitude can be computed"
        yield Violation(where + "ChannelSensitivity", message, "PS3.3 C.10.9.1.4.2")
    factor = number(channel, 0x003A0212)
    if factor is not None and factor != 1:
        message = f"is {factor:g}; the sensitivity is exact and readers ignore or refuse any factor but 1"
        yield Violation(where + "ChannelSensitivityCorrectionFactor", message, f"PS3.3 C.10.9.1.4.2; {OURS}")
    stored = integer(channel, 0x003A021A)
    if bits is not None and stored is not None and stored != bits:
        message = f"is {stored}, but every sample has {bits} significant bits"
        yield Violation(where + "WaveformBitsStored", message, f"PS3.3 C.10.9; {OURS}")
    if baseline is not None and sensitivity and bits and abs(baseline) > 2 ** min(bits, 64) * sensitivity:
        message = f"is {baseline:g} mV, further off than all {bits} bits reach: it is in the unit of the sensitivity"
        yield Violation(where + "ChannelBaseline", message, "PS3.3 C.10.9.1.4.2")


def _check_skew_and_filters(where: str, channel: Dataset) -> Iterator[Violation]:
    if (0x003A0214 in channel) == (0x003A0215 in channel):
        message = "exactly one of Channel Time Skew and Channel Sample Skew must be present"
        yield Violation(where + "ChannelSampleSkew", message, "PS3.3 C.10.9")
    for tag in (0x003A0214, 0x003A0215):
        if tag in channel and number(channel, tag) is None:
            yield Violation(where + name_of(tag), "has no value", "PS3.3 C.10.9")
    filters = {tag: number(channel, tag) for tag in (0x003A0220, 0x003A0221, 0x003A0222) if tag in channel}
    for tag, value in filters.items():
        if value is None or value <= 0:
            yield Violation(where + name_of(tag), f"is {text(channel, tag)!r}, no cut-off in hertz", "PS3.3 C.10.9")
    low, high = filters.get(0x003A0220), filters.get(0x003A0221)
    if low is not None and high is not None and low >= high:
        message = f"is {low:g} Hz, above FilterHighFrequency {high:g} Hz: the edges are swapped"
        yield Violation(where + "FilterLowFrequency", message, "PS3.3 C.10.9")


def _check_codes(where: str, channel: Dataset) -> Iterator[Violation]:
    """The lead code is one of CID 3001 with its own meaning and label; the unit is the millivolt."""
    yield from check_code(where, channel, 0x003A0208)
    yield from check_code(where, channel, 0x003A0209)
    yield from check_code(where, channel, 0x003A0211)
    modifier, label = code_of(channel, 0x003A0209), text(channel, 0x003A0203)
    wanted = standard.MODIFIERS.get(label)
    if code_of(channel, 0x003A0208) == ("MDC", "2:126") and wanted and modifier != ("MDC", wanted):
        message = f"is {modifier[1]!r}; the code of {label!r} says too little without {wanted}"
        yield Violation(where + "ChannelSourceModifiersSequence", message, f"PS3.3 C.10.9; {OURS}")
    if items_of(channel, 0x003A0211):
        scheme, unit = code_of(channel, 0x003A0211)
        if (scheme, unit) != ("UCUM", "mV"):
            message = f"is {unit!r} of {scheme!r}, not 'mV' of 'UCUM'"
            yield Violation(where + "ChannelSensitivityUnitsSequence", message, "PS3.3 C.10.9.1.4.2; PS3.16 CID 3082")
    if not (sources := items_of(channel, 0x003A0208)):
        return
    scheme, code = code_of(channel, 0x003A0208)
    meaning, label = text(sources[0], 0x00080104), text(channel, 0x003A0203)
    where += "ChannelSourceSequence"
    source = "PS3.16 CID 3001"
    if scheme != "MDC" or code not in standard.LEADS:
        yield Violation(where, f"{code!r} of {scheme!r} is not an ECG lead", source)
        return
    for name, value in (("Code Meaning", meaning), ("Channel Label", label)):
        named = standard.lead_of(value)
        if named and named != code:
            message = f"{name} {value!r} is that of code {named}, but the code is {code}"
            yield Violation(where, message, source)


def _check_samples(where: str, group: Dataset) -> Iterator[Violation]:
    """Length, padding and byte order of Waveform Data."""
    interpretation = text(group, 0x54001006)
    if interpretation not in _SAMPLE or 0x54001010 not in group:
        return
    bits, dtype = _SAMPLE[interpretation]
    allocated = integer(group, 0x54001004)
    if allocated is not None and allocated != bits:
        message = f"is {allocated}; a sample of {interpretation} has {bits}"
        yield Violation(where + "WaveformBitsAllocated", message, "PS3.3 C.10.9.1.5")
    content = group[0x54001010].value
    n_channels, n_samples = integer(group, 0x003A0005), integer(group, 0x003A0010)
    if n_channels is not None and n_samples is not None:
        size = n_channels * n_samples * bits // 8
        if len(content) != size + size % 2:
            message = f"has {len(content)} bytes; {n_channels} channels × {n_samples} samples × {bits} bits are {size}"
            yield Violation(where + "WaveformData", message, "PS3.3 C.10.9.1.7")
            return
        content = content[:size]
    samples = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
    yield from _check_padding(where, group, samples)
    if n_channels:
        yield from _check_status(where, group, samples[: samples.size - samples.size % n_channels])
    if n_channels and bits > 8 and _is_swapped(samples[: samples.size - samples.size % n_channels], n_channels):
        message = "is smoother with its bytes swapped: it is not little-endian"
        yield Violation(where + "WaveformData", message, "PS3.5 section 7.3")


def _check_padding(where: str, group: Dataset, samples: npt.NDArray[Any]) -> Iterator[Violation]:
    """Waveform Padding Value has the size of a sample and is there exactly when a sample has it."""
    where += "WaveformPaddingValue"
    lowest, padding = int(np.iinfo(samples.dtype).min), None
    if 0x5400100A in group:
        value = group[0x5400100A].value
        if len(value) != max(2, samples.dtype.itemsize):
            message = f"has {len(value)} bytes; a sample has {samples.dtype.itemsize}"
            yield Violation(where, message, "PS3.5 section 8.3")
            return
        padding = int.from_bytes(value[: samples.dtype.itemsize], "little", signed=True)
        if not (samples == padding).any():
            yield Violation(where, f"is {padding}, which no sample has", f"PS3.3 C.10.9.1.6; {OURS}")
    if padding != lowest and samples.size and samples.min() == lowest:
        message = f"does not mark the invalid samples, {lowest}, which would be read as amplitudes"
        yield Violation(where, message, "PS3.3 C.10.9.1.6")


def _check_status(where: str, group: Dataset, samples: npt.NDArray[Any]) -> Iterator[Violation]:
    """Channel Status agrees with the padding value; in a derived group, with Channel Derivation Description."""
    channels = items_of(group, 0x003A0200)
    derived = text(group, 0x003A0004) == "DERIVED"
    for n, channel in enumerate(channels):
        if (0x003A020C in channel) != (derived and bool(text(channel, 0x003A0205))):
            message = "is absent from a channel with held samples, or present in another"
            yield Violation(f"{where}ChannelDefinitionSequence[{n + 1}].ChannelDerivationDescription", message, OURS)
    if derived or not samples.size or len(channels) != integer(group, 0x003A0005):
        return
    value = group[0x5400100A].value[: samples.dtype.itemsize] if 0x5400100A in group else b""
    frames = samples.reshape(-1, len(channels)) == int.from_bytes(value, "little", signed=True)
    frames &= bool(value)
    for n, channel in enumerate(channels):
        wanted = "INVALID" if frames[:, n].all() else "QUESTIONABLE" if frames[:, n].any() else ""
        if text(channel, 0x003A0205) != wanted:
            message = f"is {text(channel, 0x003A0205)!r}; by its samples it is {wanted!r}"
            yield Violation(f"{where}ChannelDefinitionSequence[{n + 1}].ChannelStatus", message, OURS)


def _is_swapped(samples: npt.NDArray[Any], n_channels: int) -> bool:
    """Whether samples make a much smoother signal with their bytes swapped.

    Not when the low bytes are all alike: such counts (8 bits, shifted) are coarse in truth.
    """
    frames = samples.reshape(-1, n_channels)
    start = max(0, (len(frames) - _FRAMES) // 2)
    frames = frames[start : start + _FRAMES]
    low_bytes = frames & 0xFF
    if len(frames) < 2 or low_bytes.min() == low_bytes.max():
        return False
    return _roughness(frames) > _SWAPPED * _roughness(frames.byteswap())


def _roughness(frames: npt.NDArray[Any]) -> float:
    """Mean absolute step from sample to sample, without the jumps to and from invalid samples."""
    steps = np.abs(np.diff(frames.astype(np.float32), axis=0))
    steps = steps[steps < -float(np.iinfo(frames.dtype).min) / 2]
    return float(steps.mean()) if steps.size else 0.0
