"""An ECG as its DICOM object holds it: leads in millivolt, invalid samples as NaN, and what belongs on a page.

Nothing here knows where the object comes from: other writers' ECGs are read as well (units of µV or V, several
multiplex groups, labels in any case).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.waveforms.numpy_handler import multiplex_array

from wfdb2dicom.dicom.annotations import NO_SIGNAL
from wfdb2dicom.dicom.leads import find
from wfdb2dicom.errors import LeadError, Wfdb2DicomError
from wfdb2dicom.system.paths import given_path
from wfdb2dicom.system.regular_file import read_file

_MILLIVOLT = {"mv": 1.0, "uv": 1e-3, "nv": 1e-6, "v": 1e3}  # UCUM units, lower case
_UNITS = {"deg": "°", "{H.B.}/min": " /min", "1": ""}  # UCUM units as clinicians write them


class EcgError(Wfdb2DicomError):
    """A file that is not a DICOM ECG, or cannot be read as one; names file and reason."""


@dataclass(frozen=True)
class Trace:
    """One lead.

    Attributes
    ----------
    label : str
        In the standard's spelling where it is one of CID 3001's, whatever the object's own is.
    frequency : float
        Samples per second.
    millivolt : ndarray of float64, shape (n_samples,)
        NaN where the object holds its padding value, or says that no signal is available.
    """

    label: str
    frequency: float
    millivolt: npt.NDArray[np.float64]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.millivolt) / self.frequency

    @property
    def invalid(self) -> int:
        """Number of invalid samples."""
        return int(np.count_nonzero(np.isnan(self.millivolt)))

    @property
    def flat(self) -> bool:
        """Whether all valid samples are equal."""
        valid = self.millivolt[~np.isnan(self.millivolt)]
        return valid.size > 0 and bool(np.all(valid == valid[0]))


@dataclass(frozen=True)
class Ecg:
    """The content of a page; texts are empty where the object has no value.

    Attributes
    ----------
    acquired : str
        ``YYYY-MM-DD HH:MM:SS``; "" also where the object says that its dates were removed.
    shifted : bool
        Whether the object says that its dates were moved.
    filters : str
        Such as ``0.05–150 Hz, notch 60 Hz``.
    measurements : tuple of (name, value with unit)
        Numeric waveform annotations.
    statements : tuple of str
        Textual ones.
    left_out : tuple of str
        Channels that are not a voltage.
    """

    traces: tuple[Trace, ...]
    patient_id: str
    patient_name: str
    sex: str
    age: str
    study_id: str
    acquired: str
    shifted: bool
    station: str
    filters: str
    sop_instance_uid: str
    measurements: tuple[tuple[str, str], ...] = ()
    statements: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds of the longest lead."""
        return max(trace.duration for trace in self.traces)

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the leads in the order of the object, such as ``("I", "II", "III", "aVR")``."""
        return tuple(trace.label for trace in self.traces)

    @property
    def sampling_frequency(self) -> float:
        """Samples per second of every lead.

        Raises
        ------
        EcgError
            When the leads differ in rate: `traces` has that of each.
        """
        rates = {trace.frequency for trace in self.traces}
        if len(rates) > 1:
            raise EcgError(f"the leads have different rates ({_listed(rates)} Hz): use traces, which has that of each")
        return rates.pop()

    @property
    def millivolts(self) -> npt.NDArray[np.float64]:
        """Samples of all leads, shape (n_samples, n_leads), float64, mV; NaN where a sample is invalid.

        Raises
        ------
        EcgError
            When the leads differ in rate or length: `traces` has the samples of each.
        """
        _ = self.sampling_frequency
        lengths = {len(trace.millivolt) for trace in self.traces}
        if len(lengths) > 1:
            raise EcgError(
                f"the leads have different lengths ({_listed(lengths)}): use traces, which has those of each"
            )
        return np.column_stack([trace.millivolt for trace in self.traces])


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in sorted(numbers))


def read(dicom: str | os.PathLike[str] | Dataset) -> Ecg:
    """Read a DICOM ECG.

    Parameters
    ----------
    dicom : path or pydicom.Dataset
        The object, of this package or any other software.

    Raises
    ------
    EcgError
        When the file is not a DICOM object or has no waveform in volts.
    ArgumentError
        When `dicom` is neither a path nor a data set.
    OSError
        When the file cannot be read.
    """
    if isinstance(dicom, Dataset):
        return _described("the data set", lambda: dicom)
    path = given_path("dicom", dicom, "a DICOM file")
    content = read_file(path, follow_links=True)  # an OSError below is pydicom's, of a file that is damaged
    return _described(path, lambda: dcmread(BytesIO(content)))  # a file would be read for the 4 GB of a damaged length


def _described(path: str, load: Callable[[], Dataset]) -> Ecg:
    """What is on a page; every error names `path`."""
    try:
        return _read(path, load())
    except (EcgError, MemoryError):
        raise
    except InvalidDicomError as error:
        raise EcgError(f"{path} is not a DICOM file: name the .dcm of a converted study") from error
    except Exception as error:  # pydicom reads an attribute when it is asked for, and damage can raise anything
        raise damaged(path, error) from error


def damaged(path: str, error: Exception) -> EcgError:
    """What to say of an object on which pydicom failed."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return EcgError(f"{path} is damaged: {reason}; convert the study again")


def _read(path: str, ds: Dataset) -> Ecg:
    if not ds.get("WaveformSequence"):
        raise EcgError(f"{path} holds no waveform ({ds.get('Modality') or 'no modality'}): there is no ECG to draw")
    try:
        traces, left_out = _traces(ds)
    except (AttributeError, KeyError, NotImplementedError, ValueError) as error:
        raise EcgError(f"{path}: its waveform cannot be read: {' '.join(str(error).split())}") from error
    if not traces:
        raise EcgError(f"{path} has no channel in volts, only {', '.join(left_out)}: there is no ECG to draw")
    measurements, statements = _annotations(ds)
    dates = _text(ds, "LongitudinalTemporalInformationModified")
    return Ecg(
        traces=traces,
        patient_id=_text(ds, "PatientID"),
        patient_name=_text(ds, "PatientName").replace("^", " ").strip(),
        sex=_text(ds, "PatientSex"),
        age=_age(_text(ds, "PatientAge")),
        study_id=_text(ds, "StudyID"),
        acquired="" if dates == "REMOVED" else _moment(ds),
        shifted=dates == "MODIFIED",
        station=_text(ds, "StationName"),
        filters=_filters(ds),
        sop_instance_uid=_text(ds, "SOPInstanceUID"),
        measurements=measurements,
        statements=statements,
        left_out=left_out,
    )


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    return "" if value is None else str(value).strip()


def _traces(ds: Dataset) -> tuple[tuple[Trace, ...], tuple[str, ...]]:
    """The leads of all multiplex groups; a lead that appears twice (an average beat, say) is taken from the first."""
    traces: dict[str, Trace] = {}
    left_out = []
    without_signal = _without_signal(ds)
    for index, group in enumerate(ds.WaveformSequence):
        counts = multiplex_array(ds, index, as_raw=True)
        padding = _padding(group, counts.dtype)
        frequency = float(group.SamplingFrequency)
        if not 0 < frequency < float("inf"):
            raise ValueError(f"its SamplingFrequency is {frequency:g} Hz")
        for number, channel in enumerate(group.ChannelDefinitionSequence):
            label = _label(channel, number)
            unit = _unit(channel)
            if unit.lower() not in _MILLIVOLT:
                left_out.append(f"{label} ({unit or 'no unit'})")
            elif label not in traces:
                samples = counts[:, number]
                factor = _MILLIVOLT[unit.lower()]
                millivolt = (samples * _sensitivity(channel) + float(channel.get("ChannelBaseline") or 0)) * factor
                if padding is not None:
                    millivolt[samples == padding] = np.nan
                for first, last in without_signal.get((index + 1, number + 1), ()):
                    millivolt[first - 1 : last] = np.nan
                traces[label] = Trace(label, frequency, millivolt)
    return tuple(traces.values()), tuple(left_out)


def _without_signal(ds: Dataset) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Group and channel → first and last sample of each interval that an annotation says to be without a signal.

    In them `invalid_samples: hold` repeats the last valid value (docs/conversion.md).
    """
    intervals: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for item in ds.get("WaveformAnnotationSequence") or ():
        names, positions = item.get("ConceptNameCodeSequence"), item.get("ReferencedSamplePositions")
        if not names or positions is None or _text(names[0], "CodeValue") != NO_SIGNAL[0]:
            continue
        positions = [positions] if isinstance(positions, int) else list(positions)
        channel = (int(item.ReferencedWaveformChannels[0]), int(item.ReferencedWaveformChannels[1]))
        intervals.setdefault(channel, []).extend(zip(positions[::2], positions[1::2], strict=False))
    return intervals


def _sensitivity(channel: Dataset) -> float:
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    return float(channel.ChannelSensitivity) * (1.0 if correction is None else float(correction))


def _unit(channel: Dataset) -> str:
    units = channel.get("ChannelSensitivityUnitsSequence")
    return _text(units[0], "CodeValue") if units else ""


def _label(channel: Dataset, number: int) -> str:
    """Name of the lead, not its place among the channels, which differs between writers."""
    source = channel.get("ChannelSourceSequence")
    names = [_text(channel, "ChannelLabel"), _text(source[0], "CodeMeaning") if source else ""]
    for name in names:
        try:
            return find(name.removeprefix("Lead ").split(",")[0]).label
        except LeadError:
            continue
    return next(filter(None, names), f"channel {number + 1}")


def _padding(group: Dataset, dtype: np.dtype[np.generic]) -> int | None:
    if "WaveformPaddingValue" not in group:
        return None
    value = group["WaveformPaddingValue"].value
    if isinstance(value, bytes):
        return int(np.frombuffer(value[: dtype.itemsize], dtype.newbyteorder("<"))[0])
    return int(value)


def _filters(ds: Dataset) -> str:
    """The filters of the first channel of the first group: pass band and notch."""
    channel = ds.WaveformSequence[0].ChannelDefinitionSequence[0]
    low, high, notch = (
        f"{float(channel[name].value):g}" if channel.get(name) is not None else ""
        for name in ("FilterLowFrequency", "FilterHighFrequency", "NotchFilterFrequency")
    )
    band = f"{low}–{high} Hz" if low and high else (f"from {low} Hz" if low else f"up to {high} Hz" if high else "")
    return ", ".join(filter(None, (band, f"notch {notch} Hz" if notch else "")))


def _moment(ds: Dataset) -> str:
    stamp = _text(ds, "AcquisitionDateTime") or _text(ds, "ContentDate") + _text(ds, "ContentTime")
    digits = stamp.split(".")[0].ljust(14)
    date = "-".join(filter(str.strip, (digits[:4], digits[4:6], digits[6:8])))
    time = ":".join(filter(str.strip, (digits[8:10], digits[10:12], digits[12:14])))
    return f"{date} {time}".strip()


def _age(value: str) -> str:
    """``061Y`` as ``61 y``."""
    return f"{int(value[:3])} {value[3].lower()}" if len(value) == 4 and value[:3].isdigit() else value


def _annotations(ds: Dataset) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Numeric and textual waveform annotations (PS3.3 C.10.10)."""
    numbers, texts = [], []
    for item in ds.get("WaveformAnnotationSequence") or ():
        text = _text(item, "UnformattedTextValue")
        name = item.get("ConceptNameCodeSequence")
        if item.get("NumericValue") is not None and name:
            units = item.get("MeasurementUnitsCodeSequence")
            unit = _text(units[0], "CodeValue") if units else ""
            value = f"{float(item.NumericValue):g}{_UNITS.get(unit, f' {unit}')}".strip()
            numbers.append((_text(name[0], "CodeMeaning"), value))
        elif text:
            texts.append(text)
    return tuple(numbers), tuple(texts)
