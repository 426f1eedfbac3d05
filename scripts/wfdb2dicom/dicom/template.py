"""The DICOM object, docs/conversion.md attribute by attribute, as a template of its bytes.

A `Template` keeps the bytes of the attributes that many objects share, and only the values that differ are encoded for
each. Tests prove that pydicom, given the same attributes, writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from wfdb2dicom.dicom import elements
from wfdb2dicom.dicom.annotations import NO_SIGNAL, UNITS, Annotation
from wfdb2dicom.dicom.attributes import Channel, InstanceAttributes, SharedAttributes
from wfdb2dicom.dicom.elements import Attributes, Value
from wfdb2dicom.dicom.leads import MDC, meaning_of
from wfdb2dicom.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_MAX_ST = 1024
# Enhanced General Equipment (PS3.3 C.7.5.2), mandatory in General 32-bit ECG: the equipment that produced the object is
# this converter. WFDB does not know the recorder, and software has no serial number.
_EQUIPMENT = {
    "Manufacturer": "wfdb2dicom",
    "ManufacturerModelName": "wfdb2dicom",
    "DeviceSerialNumber": "NONE",
    "SoftwareVersions": IMPLEMENTATION_VERSION_NAME,
}
# wfdb2dicom.dicom.stated_changes reads these and the step of held samples; it shares nothing with the encoder.
_OMITTED = "Signals that are not an ECG were left out: "
_SUBTRACTED = "Baselines were subtracted from the samples: "
DEIDENTIFICATION = "De-identified by the publisher of the WFDB data; dates shifted"
UNDATED = "De-identified by the publisher of the WFDB data; dates removed"
UNKNOWN_PATIENT = "The patient is not known: Patient ID is the id of the study"


_SPECIMEN = InstanceAttributes("", "", "", datetime(2000, 1, 1), "", "")
_ABSENT_WHEN_EMPTY = {"StationName", "PatientAge"}  # type 3: no value, no attribute


def _code(value: str, scheme: str, meaning: str) -> Attributes:
    """An item of a code sequence (PS3.3 table 8.8-1)."""
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def _channel_definition(channel: Channel, shared: SharedAttributes) -> Attributes:
    filters = {
        "FilterLowFrequency": shared.filter_low,
        "FilterHighFrequency": shared.filter_high,
        "NotchFilterFrequency": shared.notch,
    }
    definition: dict[str, Value] = {
        "ChannelLabel": channel.label,
        "ChannelSourceSequence": [_code(channel.code, MDC, channel.meaning)],
        "ChannelSensitivity": channel.sensitivity,
        "ChannelSensitivityUnitsSequence": [_code("mV", "UCUM", "millivolt")],
        "ChannelSensitivityCorrectionFactor": "1",
        "ChannelBaseline": channel.baseline,
        "ChannelSampleSkew": channel.skew,
        "WaveformBitsStored": (shared.sop_class.bits,),
        **{keyword: value for keyword, value in filters.items() if value},
    }
    if channel.status:
        definition["ChannelStatus"] = channel.status
        if shared.held:
            definition["ChannelDerivationDescription"] = "Invalid samples hold the last valid value"
    if channel.modifier:
        definition["ChannelSourceModifiersSequence"] = [_code(channel.modifier, MDC, meaning_of(channel.modifier))]
    return definition


def _multiplex_group(shared: SharedAttributes) -> Attributes:
    """A multiplex group without its samples."""
    bits = shared.sop_class.bits
    group: dict[str, Value] = {
        "WaveformOriginality": "DERIVED" if shared.held else "ORIGINAL",
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


def contributions(shared: SharedAttributes) -> list[str]:
    """A Contribution Description for each step of the conversion; an ST has at most 1024 characters."""
    found = ["Converted from a WFDB record"]
    if shared.omitted:
        found.append(f"{_OMITTED}{', '.join(shared.omitted)}"[:_MAX_ST])
    if shared.subtracted:
        found.append(f"{_SUBTRACTED}{', '.join(map(str, shared.subtracted))}")
    if shared.held:
        found.append("Invalid samples were replaced by the last valid value")
    return found


def _contribution(description: str) -> Attributes:
    """A step of the conversion (PS3.3 C.12.1, Contributing Equipment Sequence)."""
    return {
        "Manufacturer": _EQUIPMENT["Manufacturer"],
        "SoftwareVersions": _EQUIPMENT["SoftwareVersions"],
        "ContributionDescription": description,
        "PurposeOfReferenceCodeSequence": [_code("109102", "DCM", "Processing Equipment")],  # CID 7005
    }


def _annotation(annotation: Annotation) -> Attributes:
    """An item of Waveform Annotation Sequence about one channel of the first multiplex group, or all of them."""
    if annotation.positions:
        return {
            "TemporalRangeType": "SEGMENT" if len(annotation.positions) == 2 else "MULTISEGMENT",
            "ReferencedSamplePositions": annotation.positions,
            "ConceptNameCodeSequence": [_code(*NO_SIGNAL)],
            "ReferencedWaveformChannels": (1, annotation.channel),
        }
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
        "StudyDescription": shared.sop_class.description,
        "SeriesDescription": shared.sop_class.description,
        **({"IssuerOfPatientID": shared.issuer} if shared.issuer else {}),
        **(_EQUIPMENT if shared.sop_class.bits == 32 else {}),
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": UNDATED if shared.stand_ins.date else DEIDENTIFICATION,
        **({"PatientComments": UNKNOWN_PATIENT} if shared.stand_ins.patient else {}),
        "ContributingEquipmentSequence": [_contribution(description) for description in contributions(shared)],
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "LongitudinalTemporalInformationModified": "REMOVED" if shared.stand_ins.date else "MODIFIED",
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
