"""The way back: a WFDB record from a DICOM ECG object, header(5) and samples as they were.

Of a record in MIMIC-IV-ECG's form both files come back byte for byte; of another the samples do, and the header says
the same in MIMIC-IV-ECG's spelling (gain in ADC units per mV, the standard's lead names).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wfdb2dicom.dicom import stated_changes
from wfdb2dicom.dicom.part10 import Dataset, MalformedError, code_of, integer, items_of, number, parse, text
from wfdb2dicom.errors import ArgumentError, ConfigError, StudyError
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.system.whole_file import replace_file

ORDERS = {
    "mimic": ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"),
    "standard": ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"),
}
"""Orders of leads by name; others stay behind them in the order stored."""

_RECORD_NAME = re.compile(r"[-\w]+").fullmatch
_DT = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,6})?").fullmatch
_INVALID = {16: -(2**15), 24: -(2**23), 32: -(2**31)}  # signal(5)


class RestoreError(StudyError):
    """No WFDB record can be made from the object."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A WFDB record: its name, and the content of ``<name>.hea`` and ``<name>.dat``."""

    name: str
    header: bytes
    signal: bytes

    def write(self, folder: Path, *, overwrite: bool = False) -> list[Path]:
        """Write both files and return their paths.

        Raises
        ------
        ConfigError
            When one is there already with other content, unless `overwrite`.
        """
        files = {folder / f"{self.name}.dat": self.signal, folder / f"{self.name}.hea": self.header}
        for path, content in files.items():
            if not overwrite and path.exists() and read_file(path, follow_links=True) != content:
                raise ConfigError(f"{path} exists with other content: name another folder, or set overwrite")
        for path, content in files.items():
            replace_file(path, content)
        return list(files)


@dataclass(frozen=True, slots=True)
class _Channel:
    label: str
    gain: float
    baseline: int
    skew: int


def restore(
    content: bytes, name: str = "", *, order: str | Sequence[str] = "stored", signal_format: int | None = None
) -> Restored:
    """A WFDB record from the bytes of a DICOM file.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Name of the record; by default the Study ID, which is the name in MIMIC-IV-ECG.
    order : str or sequence of str
        ``stored``, a key of `ORDERS`, or lead names.
    signal_format : int, optional
        16, 24 or 32; by default 16, or 32 for samples of 32 bits.

    Raises
    ------
    RestoreError
        When the object holds no samples as this project writes them.
    """
    try:
        return _restore(parse(content).dataset, name, order, signal_format)
    except (StudyError, ConfigError, MemoryError):
        raise
    except MalformedError as error:
        raise RestoreError(str(error)) from error
    except Exception as error:  # an attribute that is missing, empty or nonsense
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise RestoreError(f"the object is not as this project writes it: {reason}") from error


def _restore(dataset: Dataset, name: str, order: str | Sequence[str], signal_format: int | None) -> Restored:
    groups = items_of(dataset, 0x54000100)
    if len(groups) != 1:
        raise RestoreError(f"the object has {len(groups)} multiplex groups; a WFDB record has one")
    name = name or text(dataset, 0x00200010)
    if not _RECORD_NAME(name):
        raise RestoreError(f"{name!r} is not a name for a WFDB record (letters, digits, - and _): give one")
    stored, bits = _samples(groups[0])
    channels = [_channel(item) for item in groups[0][0x003A0200].items]
    places = _places([channel.label for channel in channels], order)
    invalid = _invalid(dataset, groups[0], stored, bits)
    samples, channels = _with_baselines(dataset, stored, channels, invalid)
    signal_format = signal_format or bits
    samples = _for_format(samples[:, places], invalid[:, places], bits, signal_format)
    header = _header(dataset, groups[0], name, signal_format, [channels[n] for n in places], samples)
    return Restored(name, header, _pack(samples, signal_format))


def _samples(group: Dataset) -> tuple[npt.NDArray[Any], int]:
    """Samples of shape (samples, channels) and their bits."""
    kind = text(group, 0x54001006)
    bits = {"SS": 16, "SL": 32}.get(kind, 0)
    if not bits or 0x54001010 not in group or 0x003A0200 not in group:
        raise RestoreError(f"samples are {kind!r}, not SS or SL, or are missing")
    channels, length = len(group[0x003A0200].items), integer(group, 0x003A0010)
    content = group[0x54001010].value
    if not channels or length is None or len(content) != channels * length * bits // 8:
        raise RestoreError(f"{len(content)} bytes are not {length} samples of {channels} channels of {bits} bits")
    return np.frombuffer(content, f"<i{bits // 8}").reshape(length, channels), bits


def _channel(item: Dataset) -> _Channel:
    sensitivity, baseline = number(item, 0x003A0210), number(item, 0x003A0213)
    if not sensitivity or sensitivity < 0 or baseline is None:
        raise RestoreError(f"channel {text(item, 0x003A0203)!r} has no sensitivity or no baseline")
    label = text(item, 0x003A0203)
    _, unit = code_of(item, 0x003A0211)
    if unit != "mV" or number(item, 0x003A0212) not in (None, 1.0) or not label:
        raise RestoreError(f"channel {label!r} is in {unit!r}, not plainly in mV, or has no name")
    if number(item, 0x003A0214) or (number(item, 0x003A0215) or 0.0) > 0:
        raise RestoreError(f"channel {label!r} has a skew that a WFDB header cannot state")
    gain = _simplest_inverse(text(item, 0x003A0210))
    # Channel Sample Skew is where the first sample lies; header(5)'s skew is by how many samples it lies before that.
    skew = -(number(item, 0x003A0215) or 0.0)
    # PS3.3 C.10.9.1.4.2: mV = sample × sensitivity + baseline; header(5): mV = (sample - baseline) / gain
    return _Channel(label, gain, round(-baseline / sensitivity), int(skew))


def _simplest_inverse(sensitivity: str) -> float:
    """The gain of which a sensitivity is the inverse: among those that round to it, the one with the fewest digits.

    A decimal string has 16 characters (PS3.5 table 6.2-1); a short one is exact, a long one was rounded.
    """
    value = float(sensitivity)
    mantissa, _, exponent = sensitivity.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    rounding = 0.5 * 10.0 ** (int(exponent or 0) - decimals) if len(sensitivity) >= 14 else 0.0
    for digits in range(1, 17):
        gain = float(f"{1 / value:.{digits}g}")
        if abs(1 / gain - value) <= max(rounding, value * 2e-16):
            return gain
    return 1 / value


def _places(labels: Sequence[str], order: str | Sequence[str]) -> list[int]:
    """The channel that becomes each signal."""
    if order == "stored":
        return list(range(len(labels)))
    wanted = ORDERS.get(order, ()) if isinstance(order, str) else tuple(order)
    if not isinstance(order, str):
        known = {label.casefold() for label in labels}
        for n, name in enumerate(wanted):
            if name.casefold() not in known or name in wanted[:n]:
                fault = "is named twice" if name.casefold() in known else "is not a lead of the object"
                raise ArgumentError(f"order: {name!r} {fault}; its leads are {', '.join(labels)}")
    rank = {label.casefold(): place for place, label in enumerate(wanted)}
    return sorted(range(len(labels)), key=lambda n: rank.get(labels[n].casefold(), len(rank)))


def _invalid(dataset: Dataset, group: Dataset, stored: npt.NDArray[Any], bits: int) -> npt.NDArray[np.bool_]:
    """Which samples were invalid in the record: those with the padding value, and those that hold another's value."""
    invalid: npt.NDArray[np.bool_] = np.zeros(stored.shape, np.bool_)
    if 0x5400100A in group:
        invalid |= stored == int.from_bytes(group[0x5400100A].value[: bits // 8], "little", signed=True)
    for interval in stated_changes.intervals(dataset):
        if interval.channel >= stored.shape[1] or interval.stop > len(stored):
            raise RestoreError(f"samples {interval.start + 1} to {interval.stop} of an annotation do not exist")
        invalid[interval.start : interval.stop, interval.channel] = True
    return invalid


def _with_baselines(
    dataset: Dataset, stored: npt.NDArray[Any], channels: list[_Channel], invalid: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[Any], list[_Channel]]:
    """Samples and channels as before baselines were subtracted, where the object says that they were."""
    baselines = stated_changes.subtracted(dataset)
    if not baselines:
        return stored, channels
    if len(baselines) != len(channels):
        raise RestoreError(f"{len(baselines)} baselines were subtracted from {len(channels)} channels")
    limits = np.iinfo(stored.dtype)
    samples = stored.astype(np.int64) + np.array(baselines, np.int64)
    samples[invalid] = limits.min
    if samples.min() < limits.min or samples.max() > limits.max:
        raise RestoreError("samples with the baselines that were subtracted do not fit; the object was changed")
    channels = [replace(channel, baseline=baseline) for channel, baseline in zip(channels, baselines, strict=True)]
    return samples.astype(stored.dtype), channels


def _for_format(
    samples: npt.NDArray[Any], invalid: npt.NDArray[np.bool_], bits: int, signal_format: int
) -> npt.NDArray[Any]:
    """Samples that the format can hold, invalid ones as it marks them."""
    if signal_format not in _INVALID or (signal_format < bits and signal_format == 16):
        raise RestoreError(f"samples of {bits} bits cannot be written in format {signal_format}")
    marker = _INVALID[signal_format]
    if signal_format != bits:
        samples = samples.astype("<i4")
    if invalid.any():
        samples = np.where(invalid, np.array(marker, samples.dtype), samples)
    if signal_format < bits and (int(samples.min()) < marker or int(samples.max()) >= -marker):
        raise RestoreError(f"samples from {samples.min()} to {samples.max()} do not fit in format {signal_format}")
    return np.ascontiguousarray(samples)


def _pack(samples: npt.NDArray[Any], signal_format: int) -> bytes:
    if signal_format == 24:
        return samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return samples.astype(f"<i{signal_format // 8}", copy=False).tobytes()


def _header(
    dataset: Dataset,
    group: Dataset,
    name: str,
    signal_format: int,
    channels: Sequence[_Channel],
    samples: npt.NDArray[Any],
) -> bytes:
    """The header file, spelled as MIMIC-IV-ECG spells it: checksums are unsigned, gains have a decimal point."""
    frequency = number(group, 0x003A001A) or 0.0
    if frequency <= 0:
        raise RestoreError(f"SamplingFrequency {text(group, 0x003A001A)!r} is not above 0 Hz")
    shown = f"{frequency:.0f}" if frequency == int(frequency) else repr(frequency)
    first = [name, str(len(channels)), shown, str(len(samples))]
    if stated_changes.date_is_known(dataset) and (acquired := text(dataset, 0x0008002A)):
        moment = _DT(acquired)
        if not moment:
            raise RestoreError(f"AcquisitionDateTime {acquired!r} is not a date with a time to the second")
        year, month, day, hour, minute, second, fraction = moment.groups()
        first.append(f"{hour}:{minute}:{second}{fraction or ''} {day}/{month}/{year}")
    sums = samples.astype(np.uint16).sum(axis=0, dtype=np.uint16).tolist()
    lines = [" ".join(first)]
    for channel, start, total in zip(channels, samples[0].tolist(), sums, strict=True):
        skew = f":{channel.skew}" if channel.skew else ""
        lines.append(
            f"{name}.dat {signal_format}{skew} {channel.gain!r}({channel.baseline})/mV"
            f" {signal_format} 0 {start} {total} 0 {channel.label}"
        )
    if stated_changes.patient_is_known(dataset) and (patient := text(dataset, 0x00100020)):
        lines.append(f"# <subject_id>: {patient}")
    omitted = [what for what in stated_changes.descriptions(dataset) if what.startswith(stated_changes.OMITTED)]
    lines += [f"# {what}" for what in omitted]
    if broken := next((line for line in lines if not line.isprintable()), None):
        raise RestoreError(f"{broken!r} cannot be a line of a WFDB header: it has characters that are not printable")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
