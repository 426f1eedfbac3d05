"""The DICOM object: once as a pydicom Dataset, the reference, and once as a template of its bytes, the fast path.

`dataset` builds what docs/conversion.md describes attribute by attribute. `Template` has pydicom encode that Dataset
once per acquisition layout, keeps the bytes of the attributes that are the same in every object of the layout, and
encodes only the values that differ. Tests prove that both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from io import BytesIO
from typing import NamedTuple

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_data_element
from pydicom.uid import UID, ExplicitVRLittleEndian

from wfdb2dicom.annotations import Annotation, annotation_item, code_item
from wfdb2dicom.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from wfdb2dicom.iod import SopClass

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


class Channel(NamedTuple):  # a tuple, because layouts are looked up by their channels: it hashes fast
    """A channel definition; decimal strings are as DICOM holds them, millivolt and samples their units."""

    label: str
    code: str
    meaning: str
    sensitivity: str
    baseline: str
    skew: str = "0"
    scheme: str = "MDC"


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that makes two objects share all bytes but those of their `Instance` values and samples.

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
class Instance:
    """The values that differ between objects of one layout; `station` and `patient_age` are absent when empty."""

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

    def elements(self) -> dict[str, str]:
        """DICOM keyword → value, for every attribute that is not the layout's, nor a sequence."""
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


def _channel_definition(channel: Channel, layout: Layout) -> Dataset:
    item = Dataset()
    item.ChannelLabel = channel.label
    item.ChannelSourceSequence = [code_item(channel.code, channel.scheme, channel.meaning)]
    item.ChannelSensitivity = channel.sensitivity
    item.ChannelSensitivityUnitsSequence = [code_item("mV", "UCUM", "millivolt")]
    item.ChannelSensitivityCorrectionFactor = "1"
    item.ChannelBaseline = channel.baseline
    item.ChannelSampleSkew = channel.skew
    item.WaveformBitsStored = layout.sop_class.bits
    for keyword, value in (
        ("FilterLowFrequency", layout.filter_low),
        ("FilterHighFrequency", layout.filter_high),
        ("NotchFilterFrequency", layout.notch),
    ):
        if value:
            setattr(item, keyword, value)
    return item


def _multiplex_group(layout: Layout, data: bytes) -> Dataset:
    bits = layout.sop_class.bits
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(layout.channels)
    group.NumberOfWaveformSamples = layout.n_samples
    group.SamplingFrequency = layout.frequency
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [_channel_definition(c, layout) for c in layout.channels]
    group.WaveformBitsAllocated = bits
    group.WaveformSampleInterpretation = "SS" if bits == 16 else "SL"
    if layout.padding is not None:
        group.add_new("WaveformPaddingValue", "OW", layout.padding.to_bytes(bits // 8, "little", signed=True))
    group.add_new("WaveformData", "OW", data)
    return group


def describe_omission(omitted: Sequence[str]) -> str:
    """What Contribution Description says of signals that were left out; an ST has at most 1024 characters."""
    return f"Signals that are no ECG were left out: {', '.join(omitted)}"[:_MAX_ST]


def _contribution(omitted: Sequence[str]) -> Dataset:
    """What the converter did to the recording (PS3.3 C.12.1, Contributing Equipment Sequence)."""
    item = Dataset()
    item.Manufacturer = _EQUIPMENT["Manufacturer"]
    item.SoftwareVersions = _EQUIPMENT["SoftwareVersions"]
    item.ContributionDescription = describe_omission(omitted)
    item.PurposeOfReferenceCodeSequence = [code_item("109102", "DCM", "Processing Equipment")]  # CID 7005
    return item


def dataset(layout: Layout, instance: Instance, data: bytes) -> FileDataset:
    """The object as pydicom sees it; the reference for what `Template` writes.

    Parameters
    ----------
    data : bytes
        Samples, little-endian, channel by channel within each sample (PS3.3 C.10.9.1.7).
    """
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(layout.sop_class.uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    if not layout.ascii:
        ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = layout.sop_class.uid
    ds.Modality = "ECG"
    for keyword in ("AccessionNumber", "Manufacturer", "ReferringPhysicianName", "PatientName", "PatientBirthDate"):
        setattr(ds, keyword, "")
    if layout.sop_class.bits == 32:
        for keyword, value in _EQUIPMENT.items():
            setattr(ds, keyword, value)
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = DEIDENTIFICATION
    if layout.omitted:
        ds.ContributingEquipmentSequence = [_contribution(layout.omitted)]
    ds.SeriesNumber, ds.InstanceNumber = "1", "1"
    ds.LongitudinalTemporalInformationModified = "MODIFIED"
    ds.AcquisitionContextSequence = []
    if instance.annotations:
        ds.WaveformAnnotationSequence = [annotation_item(annotation) for annotation in instance.annotations]
    ds.WaveformSequence = [_multiplex_group(layout, data)]
    for keyword, value in instance.elements().items():
        if value or keyword not in _ABSENT_WHEN_EMPTY:
            setattr(ds, keyword, value)
    return ds


def encode_reference(layout: Layout, instance: Instance, data: bytes) -> bytes:
    """The file as pydicom writes `dataset`."""
    stream = BytesIO()
    dcmwrite(stream, dataset(layout, instance, data), enforce_file_format=True)
    return stream.getvalue()


class _Slot(NamedTuple):
    """Where a value of `Instance` goes: its keyword, the encoded tag and VR, and what pads it to even length."""

    keyword: str
    prefix: bytes
    pad: bytes


_SPECIMEN = Instance("2.25.1", "2.25.1", "2.25.1", datetime(2000, 1, 1), "1", "1", "1", "O", "001Y")


def _encode(element: DataElement) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_data_element(stream, element, ["utf-8"])
    return stream.getvalue()


def _parts(ds: Dataset, instance_keywords: Mapping[str, str]) -> list[bytes | _Slot]:
    """Each element of a dataset as pydicom encodes it, those of the instance as slots."""
    parts: list[bytes | _Slot] = []
    for element in ds:
        encoded = _encode(element)
        keyword = instance_keywords.get(element.keyword)
        if keyword is not None:
            parts.append(_Slot(keyword, encoded[:6], b"\0" if element.VR == "UI" else b" "))
        elif parts and isinstance(parts[-1], bytes):
            parts[-1] += encoded
        else:
            parts.append(encoded)
    return parts


@lru_cache(maxsize=256)
def _annotation_sequence(annotations: tuple[Annotation, ...]) -> bytes:
    """Waveform Annotation Sequence as pydicom encodes it, b"" when there are none."""
    if not annotations:
        return b""
    ds = Dataset()
    ds.WaveformAnnotationSequence = [annotation_item(annotation) for annotation in annotations]
    return _encode(ds["WaveformAnnotationSequence"])


def _fill(parts: list[bytes | _Slot], values: Mapping[str, str]) -> bytes:
    chunks = []
    for part in parts:
        if isinstance(part, bytes):
            chunks.append(part)
            continue
        value = values[part.keyword].encode()
        if len(value) % 2:
            value += part.pad
        if value or part.keyword not in _ABSENT_WHEN_EMPTY:
            chunks += (part.prefix, len(value).to_bytes(2, "little"), value)
    return b"".join(chunks)


class Template:
    """The bytes of an object of one layout, all but the samples, which are the last of the file.

    Parameters
    ----------
    layout : Layout
        pydicom encodes a specimen of it, once.

    Attributes
    ----------
    data_size : int
        Bytes of samples that belong behind the head.
    """

    def __init__(self, layout: Layout) -> None:
        self.data_size = layout.n_samples * len(layout.channels) * layout.sop_class.bits // 8
        specimen = dataset(layout, _SPECIMEN, bytes(self.data_size))
        self._meta = _parts(specimen.file_meta, {"MediaStorageSOPInstanceUID": "SOPInstanceUID"})
        waveform = _encode(specimen["WaveformSequence"])
        self._waveform = waveform[: len(waveform) - self.data_size]
        del specimen.WaveformSequence  # the last element; Waveform Annotation Sequence is the one before it
        self._dataset = _parts(specimen, {keyword: keyword for keyword in _SPECIMEN.elements()})

    def head(self, instance: Instance) -> bytes:
        """Everything before the samples: preamble, file meta information (PS3.10 section 7.1), attributes."""
        values = instance.elements()
        meta = _fill(self._meta, values)
        group_length = b"\x02\0\0\0UL\x04\0" + len(meta).to_bytes(4, "little")
        attributes = _fill(self._dataset, values) + _annotation_sequence(instance.annotations)
        return b"".join((bytes(128), b"DICM", group_length, meta, attributes, self._waveform))


@lru_cache(maxsize=256)
def template(layout: Layout) -> Template:
    """The template of a layout; a data set has a handful of layouts, so pydicom encodes a handful of headers."""
    return Template(layout)
