"""Rules that need the source: the amplitudes of an object are those that wfdb reads from the record.

No rule within an object tells a baseline with the wrong sign or a gain of another lead; this comparison does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wfdb2dicom.conformance.attributes import Violation
from wfdb2dicom.dicom import leads, stated_changes
from wfdb2dicom.dicom.part10 import Dataset, MalformedError, items_of, number, parse, text
from wfdb2dicom.errors import StudyError, describe
from wfdb2dicom.system.regular_file import read_file

# A decimal string of 16 characters rounds the sensitivity: mV, and the same of larger amplitudes than an ECG has.
_TOLERANCE, _RELATIVE = 1e-9, 1e-12
_MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
_MICROVOLT = re.compile(r"\S+\s+\S+\s+[^\s/]*/[µμ][vV]\s").match
_SOURCE = "PS3.3 C.10.9.1.4.2"


def check_source(dicom: Path | str, record: Path | str) -> list[Violation]:
    """Where a DICOM file differs from the WFDB record that it was made from, as wfdb reads it.

    Parameters
    ----------
    dicom : path
    record : path
        The record, without extension.

    Raises
    ------
    OSError, StudyError
        When wfdb cannot read the record.
    """
    try:
        dataset = parse(read_file(dicom, follow_links=True)).dataset
    except MalformedError as error:
        return [Violation("file", error.message, error.source)]
    try:
        source = _with_units(str(record), _read(str(record)))
    except (OSError, MemoryError):
        raise
    except Exception as error:  # wfdb trusts headers, and can raise anything on one that is wrong
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise StudyError(f"{record} cannot be read by wfdb: {reason}; check the record") from error
    try:
        return list(_compare(dataset, source))
    except Exception as error:  # whatever a damaged object lacks
        message = f"cannot be compared with the record: {describe(error)}"
        return [Violation("WaveformSequence", message, _SOURCE)]


def _read(record: str) -> Any:
    """The record with its signals as ``e_p_signal``, each at its own rate: frames are not averaged."""
    import wfdb  # a second of imports

    source = wfdb.rdrecord(record, ignore_skew=True)
    if max(rate or 1 for rate in source.samps_per_frame) > 1:
        return wfdb.rdrecord(record, ignore_skew=True, smooth_frames=False)
    source.e_p_signal = list(source.p_signal.T)
    return source


def _with_units(record: str, source: Any) -> Any:
    """The record with its units as the header spells them: wfdb drops what is not ASCII, and µV becomes V."""
    text = Path(record + ".hea").read_text(encoding="utf-8-sig", errors="replace")
    body = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    for n, line in enumerate(body[1:]):
        if _MICROVOLT(line):
            source.units[n] = "uV"
    return source


def _compare(dataset: Dataset, source: Any) -> Iterator[Violation]:
    groups = items_of(dataset, 0x54000100)
    channels: dict[str, npt.NDArray[np.float64]] = {}
    labels: dict[str, str] = {}  # of the object, by the same names in lower case
    names = _keys(source.sig_name)
    expected = {name: n for n, name in enumerate(names)}
    for group in groups:
        yield from _compare_frequency(group, source, expected)
        try:
            held = stated_changes.intervals(dataset)
        except ValueError as error:
            yield Violation("WaveformAnnotationSequence", str(error), "PS3.3 C.10.10")
            held = []
        channels |= _millivolts(group, held)
        found_labels = [text(item, 0x003A0203) for item in items_of(group, 0x003A0200)]
        labels |= {label.casefold(): label for label in found_labels}
        yield from _compare_skew(group, source)
    rest = [name for name, key in zip(source.sig_name, names, strict=True) if key not in channels]
    if channels.keys() - expected.keys() or (rest and not _says_omitted(dataset, rest)):
        ours = ", ".join(labels[name] for name in channels)
        message = f"are {ours}; the record has {', '.join(leads.labels(source.sig_name))}"
        yield Violation("ChannelLabel", message, "PS3.3 C.10.9")
    for name in filter(expected.__contains__, channels):  # in the object's order
        n, lead = expected[name], labels[name]
        unit = source.units[n]
        if unit.casefold() not in _MILLIVOLTS:
            yield Violation("ChannelSensitivityUnitsSequence", f"lead {lead}: the record is in {unit}", _SOURCE)
            continue
        wanted = source.e_p_signal[n] * _MILLIVOLTS[unit.casefold()]
        found = channels[name]
        if len(found) != len(wanted):
            yield Violation("WaveformData", f"lead {lead}: {len(found)} samples instead of {len(wanted)}", _SOURCE)
        elif not np.allclose(found, wanted, rtol=_RELATIVE, atol=_TOLERANCE, equal_nan=True):
            worst = np.nanmax(np.abs(found - wanted), initial=0.0)
            message = f"lead {lead}: amplitudes differ from the record's by up to {worst:g} mV, or in what is invalid"
            yield Violation("WaveformData", message, _SOURCE)


def _keys(signals: list[str]) -> list[str]:
    """For each signal's description the label of its channel, in lower case."""
    return [label.casefold() for label in leads.labels(signals)]


def _says_omitted(dataset: Dataset, names: list[str]) -> bool:
    """Whether the object says that these signals, and no others, were left out."""
    described = next(
        (what for what in stated_changes.descriptions(dataset) if what.startswith(stated_changes.OMITTED)), ""
    )
    ascii_only = described.encode("ascii", "ignore").decode()  # wfdb drops the rest of the names
    return ascii_only.partition(": ")[2] == ", ".join(names)


def _compare_frequency(group: Dataset, source: Any, expected: dict[str, int]) -> Iterator[Violation]:
    labels = [text(item, 0x003A0203).casefold() for item in items_of(group, 0x003A0200)]
    rates = {source.samps_per_frame[expected[label]] or 1 for label in labels if label in expected}
    for rate in rates or {1}:
        frequency = float(source.fs) * rate
        if abs((number(group, 0x003A001A) or 0.0) - frequency) > _RELATIVE * frequency:
            message = f"is {text(group, 0x003A001A)} Hz; the record has {frequency:g} Hz"
            yield Violation("SamplingFrequency", message, "PS3.3 C.10.9")


def _compare_skew(group: Dataset, source: Any) -> Iterator[Violation]:
    """Channel Sample Skew is where a channel's first sample lies; WFDB's skew, by how many it lies before that."""
    names = _keys(source.sig_name)
    lags = dict(zip(names, source.skew or (), strict=False))
    rates = {name: rate or 1 for name, rate in zip(names, source.samps_per_frame, strict=True)}
    for item in items_of(group, 0x003A0200):
        name = text(item, 0x003A0203).casefold()
        lag = (lags.get(name) or 0) * rates.get(name, 1)
        if number(item, 0x003A0215) != -lag:
            message = f"of {text(item, 0x003A0203)} is {text(item, 0x003A0215)}; the record's skew is {lag}"
            yield Violation("ChannelSampleSkew", message, "PS3.3 C.10.9; header(5)")


def _millivolts(group: Dataset, held: list[stated_changes.Interval]) -> dict[str, npt.NDArray[np.float64]]:
    """Lead name in lower case → amplitudes in mV, NaN for invalid samples; empty where they cannot be computed."""
    dtype = {"SS": "<i2", "SL": "<i4"}.get(text(group, 0x54001006))
    items = items_of(group, 0x003A0200)
    if dtype is None or 0x54001010 not in group or not items:
        return {}
    samples = np.frombuffer(group[0x54001010].value, dtype)
    samples = samples[: samples.size - samples.size % len(items)].reshape(-1, len(items))
    padding = int.from_bytes(group[0x5400100A].value, "little", signed=True) if 0x5400100A in group else None
    invalid = samples == padding if padding is not None else np.zeros(samples.shape, np.bool_)
    for interval in held:
        invalid[interval.start : interval.stop, interval.channel : interval.channel + 1] = True
    result = {}
    for n, item in enumerate(items):
        sensitivity, baseline = number(item, 0x003A0210), number(item, 0x003A0213)
        if sensitivity is not None and baseline is not None:
            amplitudes = samples[:, n] * (sensitivity * (number(item, 0x003A0212) or 1.0)) + baseline
            result[text(item, 0x003A0203).casefold()] = np.where(invalid[:, n], np.nan, amplitudes)
    return result
