"""The DICOM object, docs/conversion.md attribute by attribute, as a template of its bytes.

A `Template` keeps the bytes of the attributes that many objects share, and only the values that differ are encoded for
each. Tests prove that pydicom, given the same attributes, writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from wfdb2dicom.dicom import elements
from wfdb2dicom.dicom.annotations import UNITS, Annotation
from wfdb2dicom.dicom.elements import Attributes, Value
from wfdb2dicom.dicom.sop_classes import SopClass
from wfdb2dicom.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

MAX_DS = 16  # characters of a decimal string, PS3.5 table 6.2-1
_MAX_ST = 1024
# Enhanced General Equipment (PS3.3 C.7.5.2), mandatory in General 32-bit ECG: the equipment that produced the object is
# this converter. WFDB does not know the recorder, and software has no serial number.
_EQUIPMENT = {
    "Manufacturer": "wfdb2dicom",
    "ManufacturerModelName": "wfdb2dicom",
    "DeviceSerialNumber": "NONE",
    "SoftwareVersions": IMPLEMENTATION_VERSION_NAME,
}
DEIDENTIFICATION = "De-identified by the publisher of the WFDB data; dates shifted"


class Channel(NamedTuple):  # a tuple, because shared attributes are looked up by their channels: it hashes fast
    """A channel definition; decimal strings are as DICOM holds them, millivolt and samples their units."""

    label: str
    code: str
    meaning: str
    sensitivity: str
    baseline: str
    skew: str = "0"
    scheme: str = "MDC"


@dataclass(frozen=True, slots=True)
class SharedAttributes:
    """The attributes that many objects share: all but `InstanceAttributes` and samples.

    Attributes
    ----------
    frequency : str
        Sampling frequency, Hz.
    filter_low, filter_high, notch : str
        Hz, "" when unknown.
    padding : int or None
        The value of invalid samples, None when there are none.
    omitted : tuple of str
        Names of signals of the record that the object does not hold.
    ascii : bool
        Whether all text is ASCII; else Specific Character Set is ISO_IR 192.
    """

    sop_class: SopClass
    frequency: str
    n_samples: int
    channels: tuple[Channel, ...]
    filter_low: str = ""
    filter_high: str = ""
    notch: str = ""
    padding: int | None = None
    omitted: tuple[str, ...] = ()
    ascii: bool = True


@dataclass(frozen=True, slots=True)
class InstanceAttributes:
    """The values of one object alone; `station` and `patient_age` are absent when empty."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    moment: datetime
    patient_id: str
    study_id: str
    station: str = ""
    patient_sex: str = ""
    patient_age: str = ""
    annotations: tuple[Annotation, ...] = ()

    def texts(self) -> list[str]:
        """All values that may hold characters other than ASCII."""
        return [self.patient_id, self.study_id, self.station, *(a.text for a in self.annotations)]

    def values(self) -> dict[str, str]:
        """DICOM keyword → value, for every attribute that is neither shared nor a sequence."""
        at = self.moment
        date, time = f"{at.year:04d}{at.month:02d}{at.day:02d}", f"{at.hour:02d}{at.minute:02d}{at.second:02d}"
        if at.microsecond:
            time += f".{at.microsecond:06d}"
        return {
            "SOPInstanceUID": self.sop_instance_uid,
            "StudyDate": date,
            "StudyTime": time,
            "ContentDate": date,
            "ContentTime": time,
            "AcquisitionDateTime": date + time,
            "StationName": self.station,
            "PatientID": self.patient_id,
            "PatientSex": self.patient_sex,
            "PatientAge": self.patient_age,
            "StudyInstanceUID": self.study_instance_uid,
            "SeriesInstanceUID": self.series_instance_uid,
            "StudyID": self.study_id,
        }


_SPECIMEN = InstanceAttributes("", "", "", datetime(2000, 1, 1), "", "")
_ABSENT_WHEN_EMPTY = {"StationName", "PatientAge"}  # type 3: no value, no attribute


@lru_cache(maxsize=4096)
def decimal_string(value: Fraction) -> str:
    """The decimal string of at most 16 characters that comes closest to `value`.

    PS3.5 table 6.2-1 allows fixed and exponential notation; the one that keeps more digits wins.
    """
    best = ("", (Fraction(-1), False, 0))
    for digits in range(17, 0, -1):
        for text in (f"{float(value):.{digits}g}", f"{float(value):.{digits - 1}e}", f"{float(value):.{digits}f}"):
            short = _shorten(text)
            if len(short) > MAX_DS:
                continue
            rank = (abs(Fraction(short) - value), "e" in short, len(short))
            if not best[0] or rank < best[1]:
                best = (short, rank)
    return best[0]


def _shorten(text: str) -> str:
    """Drop the zeros and signs of a number's text that carry nothing."""
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    if mantissa in ("-0", ""):
        mantissa = "0"
    return f"{mantissa}e{int(exponent)}" if exponent and int(exponent) else mantissa


def _code(value: str, scheme: str, meaning: str) -> Attributes:
    """An item of a code sequence (PS3.3 table 8.8-1)."""
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def _channel_definition(channel: Channel, shared: SharedAttributes) -> Attributes:
    filters = {
        "FilterLowFrequency": shared.filter_low,
        "FilterHighFrequency": shared.filter_high,
        "NotchFilterFrequency": shared.notch,
    }
    return {
        "ChannelLabel": channel.label,
        "ChannelSourceSequence": [_code(channel.code, channel.scheme, channel.meaning)],
        "ChannelSensitivity": channel.sensitivity,
        "ChannelSensitivityUnitsSequence": [_code("mV", "UCUM", "millivolt")],
        "ChannelSensitivityCorrectionFactor": "1",
        "ChannelBaseline": channel.baseline,
        "ChannelSampleSkew": channel.skew,
        "WaveformBitsStored": (shared.sop_class.bits,),
        **{keyword: value for keyword, value in filters.items() if value},
    }


def _multiplex_group(shared: SharedAttributes) -> Attributes:
    """A multiplex group without its samples."""
    bits = shared.sop_class.bits
    group: dict[str, Value] = {
        "WaveformOriginality": "ORIGINAL",
        "NumberOfWaveformChannels": (len(shared.channels),),
        "NumberOfWaveformSamples": (shared.n_samples,),
        "SamplingFrequency": shared.frequency,
        "MultiplexGroupLabel": "RHYTHM",
        "ChannelDefinitionSequence": [_channel_definition(channel, shared) for channel in shared.channels],
        "WaveformBitsAllocated": (bits,),
        "WaveformSampleInterpretation": "SS" if bits == 16 else "SL",
    }
    if shared.padding is not None:
        group["WaveformPaddingValue"] = shared.padding.to_bytes(bits // 8, "little", signed=True)
    return group


def describe_omission(omitted: Sequence[str]) -> str:
    """Text of Contribution Description about signals left out; an ST has at most 1024 characters."""
    return f"Signals that are no ECG were left out: {', '.join(omitted)}"[:_MAX_ST]


def _contribution(omitted: Sequence[str]) -> Attributes:
    """The converter's part in the object (PS3.3 C.12.1, Contributing Equipment Sequence)."""
    return {
        "Manufacturer": _EQUIPMENT["Manufacturer"],
        "SoftwareVersions": _EQUIPMENT["SoftwareVersions"],
        "ContributionDescription": describe_omission(omitted),
        "PurposeOfReferenceCodeSequence": [_code("109102", "DCM", "Processing Equipment")],  # CID 7005
    }


def _annotation(annotation: Annotation) -> Attributes:
    """An item of Waveform Annotation Sequence about all channels of the first multiplex group."""
    if annotation.text:
        what: dict[str, Value] = {"UnformattedTextValue": annotation.text}
    else:
        what = {
            "MeasurementUnitsCodeSequence": [_code(annotation.unit, "UCUM", UNITS[annotation.unit])],
            "ConceptNameCodeSequence": [_code(annotation.code, "MDC", annotation.meaning)],
            "NumericValue": annotation.value,
        }
    return {**what, "ReferencedWaveformChannels": (1, 0)}


def _file_meta(shared: SharedAttributes) -> dict[str, Value]:
    """File meta information (PS3.10 section 7.1) but for its length and the instance."""
    return {
        "FileMetaInformationVersion": b"\0\1",
        "MediaStorageSOPClassUID": shared.sop_class.uid,
        "TransferSyntaxUID": elements.TRANSFER_SYNTAX_UID,
        "ImplementationClassUID": IMPLEMENTATION_CLASS_UID,
        "ImplementationVersionName": IMPLEMENTATION_VERSION_NAME,
    }


def _constants(shared: SharedAttributes) -> dict[str, Value]:
    """The shared attributes without the waveform."""
    empty = ("AccessionNumber", "Manufacturer", "ReferringPhysicianName", "PatientName", "PatientBirthDate")
    return {
        **dict.fromkeys(empty, ""),
        **({} if shared.ascii else {"SpecificCharacterSet": "ISO_IR 192"}),
        "SOPClassUID": shared.sop_class.uid,
        "Modality": "ECG",
        **(_EQUIPMENT if shared.sop_class.bits == 32 else {}),
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": DEIDENTIFICATION,
        **({"ContributingEquipmentSequence": [_contribution(shared.omitted)]} if shared.omitted else {}),
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "LongitudinalTemporalInformationModified": "MODIFIED",
        "AcquisitionContextSequence": [],
    }


@lru_cache(maxsize=256)
def _annotation_sequence(annotations: tuple[Annotation, ...]) -> bytes:
    """Waveform Annotation Sequence, b"" when there are none."""
    if not annotations:
        return b""
    return elements.element("WaveformAnnotationSequence", [_annotation(annotation) for annotation in annotations])


def _waveform_sequence(shared: SharedAttributes, data_size: int) -> bytes:
    """Waveform Sequence up to the samples, which are the last of the file."""
    group = elements.dataset(_multiplex_group(shared)) + elements.prefix("WaveformData", data_size)
    item = elements.item(len(group) + data_size)
    return elements.prefix("WaveformSequence", len(item) + len(group) + data_size) + item + group


class _Slot(NamedTuple):
    """The place of an instance's value: its keyword, the encoded tag and VR, and the padding byte."""

    keyword: str
    tag_and_vr: bytes
    filler: bytes


def _parts(constants: Attributes, slots: Mapping[str, str]) -> list[bytes | _Slot]:
    """The elements of a dataset in the order of their tags: bytes, and slots, which map an attribute to a keyword."""
    parts: list[bytes | _Slot] = []
    for keyword in sorted({*constants, *slots}, key=elements.TAGS.__getitem__):
        if keyword in slots:
            filler = elements.filler(elements.TAGS[keyword][1])
            parts.append(_Slot(slots[keyword], elements.tag_and_vr(keyword), filler))
            continue
        encoded = elements.element(keyword, constants[keyword])
        if parts and isinstance(parts[-1], bytes):
            parts[-1] += encoded
        else:
            parts.append(encoded)
    return parts


def _fill(parts: list[bytes | _Slot], values: Mapping[str, str]) -> bytes:
    chunks = []
    for part in parts:
        if isinstance(part, bytes):
            chunks.append(part)
            continue
        value = values[part.keyword].encode()
        if len(value) % 2:
            value += part.filler
        if value or part.keyword not in _ABSENT_WHEN_EMPTY:
            chunks += (part.tag_and_vr, len(value).to_bytes(2, "little"), value)
    return b"".join(chunks)


class Template:
    """The bytes of an object before its samples, which are the last of the file.

    Parameters
    ----------
    shared : SharedAttributes

    Attributes
    ----------
    data_size : int
        Bytes of samples that belong behind the head.
    """

    def __init__(self, shared: SharedAttributes) -> None:
        self.data_size = shared.n_samples * len(shared.channels) * shared.sop_class.bits // 8
        self._meta = _parts(_file_meta(shared), {"MediaStorageSOPInstanceUID": "SOPInstanceUID"})
        self._dataset = _parts(_constants(shared), {keyword: keyword for keyword in _SPECIMEN.values()})
        self._waveform = _waveform_sequence(shared, self.data_size)

    def head(self, instance: InstanceAttributes) -> bytes:
        """Everything before the samples: preamble, file meta information (PS3.10 section 7.1), attributes."""
        values = instance.values()
        meta = _fill(self._meta, values)
        group_length = elements.element("FileMetaInformationGroupLength", (len(meta),))
        attributes = _fill(self._dataset, values) + _annotation_sequence(instance.annotations)
        return b"".join((bytes(128), b"DICM", group_length, meta, attributes, self._waveform))


@lru_cache(maxsize=256)
def template(shared: SharedAttributes) -> Template:
    """The template of these attributes; a data set has a handful of different ones."""
    return Template(shared)
