"""Data elements as bytes: Explicit VR Little Endian, sequences and items of defined length (PS3.5 section 7).

The header of an object is some two hundred short elements, so it is encoded here: importing pydicom alone takes longer
than converting a hundred studies, in every batch job anew. Tests prove that pydicom writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

Value = str | bytes | tuple[int, ...] | Sequence["Attributes"]
Attributes = Mapping[str, "Value"]
"""DICOM keyword → value: text of UTF-8, bytes of OB and OW, integers of US and UL, items of SQ."""

# The attributes that this project writes, as PS3.6 registers them.
TAGS = {
    "FileMetaInformationGroupLength": (0x00020000, "UL"),
    "FileMetaInformationVersion": (0x00020001, "OB"),
    "MediaStorageSOPClassUID": (0x00020002, "UI"),
    "MediaStorageSOPInstanceUID": (0x00020003, "UI"),
    "TransferSyntaxUID": (0x00020010, "UI"),
    "ImplementationClassUID": (0x00020012, "UI"),
    "ImplementationVersionName": (0x00020013, "SH"),
    "SpecificCharacterSet": (0x00080005, "CS"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "ContentDate": (0x00080023, "DA"),
    "AcquisitionDateTime": (0x0008002A, "DT"),
    "StudyTime": (0x00080030, "TM"),
    "ContentTime": (0x00080033, "TM"),
    "AccessionNumber": (0x00080050, "SH"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "ReferringPhysicianName": (0x00080090, "PN"),
    "CodeValue": (0x00080100, "SH"),
    "CodingSchemeDesignator": (0x00080102, "SH"),
    "CodeMeaning": (0x00080104, "LO"),
    "StationName": (0x00081010, "SH"),
    "StudyDescription": (0x00081030, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "ManufacturerModelName": (0x00081090, "LO"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "IssuerOfPatientID": (0x00100021, "LO"),
    "PatientBirthDate": (0x00100030, "DA"),
    "PatientSex": (0x00100040, "CS"),
    "PatientAge": (0x00101010, "AS"),
    "PatientComments": (0x00104000, "LT"),
    "PatientIdentityRemoved": (0x00120062, "CS"),
    "DeidentificationMethod": (0x00120063, "LO"),
    "ContributingEquipmentSequence": (0x0018A001, "SQ"),
    "ContributionDescription": (0x0018A003, "ST"),
    "DeviceSerialNumber": (0x00181000, "LO"),
    "SoftwareVersions": (0x00181020, "LO"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "StudyID": (0x00200010, "SH"),
    "SeriesNumber": (0x00200011, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "LongitudinalTemporalInformationModified": (0x00280303, "CS"),
    "WaveformOriginality": (0x003A0004, "CS"),
    "NumberOfWaveformChannels": (0x003A0005, "US"),
    "NumberOfWaveformSamples": (0x003A0010, "UL"),
    "SamplingFrequency": (0x003A001A, "DS"),
    "MultiplexGroupLabel": (0x003A0020, "SH"),
    "ChannelDefinitionSequence": (0x003A0200, "SQ"),
    "ChannelLabel": (0x003A0203, "SH"),
    "ChannelStatus": (0x003A0205, "CS"),
    "ChannelSourceSequence": (0x003A0208, "SQ"),
    "ChannelSourceModifiersSequence": (0x003A0209, "SQ"),
    "ChannelDerivationDescription": (0x003A020C, "LO"),
    "ChannelSensitivity": (0x003A0210, "DS"),
    "ChannelSensitivityUnitsSequence": (0x003A0211, "SQ"),
    "ChannelSensitivityCorrectionFactor": (0x003A0212, "DS"),
    "ChannelBaseline": (0x003A0213, "DS"),
    "ChannelSampleSkew": (0x003A0215, "DS"),
    "WaveformBitsStored": (0x003A021A, "US"),
    "FilterLowFrequency": (0x003A0220, "DS"),
    "FilterHighFrequency": (0x003A0221, "DS"),
    "NotchFilterFrequency": (0x003A0222, "DS"),
    "MeasurementUnitsCodeSequence": (0x004008EA, "SQ"),
    "AcquisitionContextSequence": (0x00400555, "SQ"),
    "ConceptNameCodeSequence": (0x0040A043, "SQ"),
    "PurposeOfReferenceCodeSequence": (0x0040A170, "SQ"),
    "ReferencedWaveformChannels": (0x0040A0B0, "US"),
    "TemporalRangeType": (0x0040A130, "CS"),
    "ReferencedSamplePositions": (0x0040A132, "UL"),
    "NumericValue": (0x0040A30A, "DS"),
    "WaveformAnnotationSequence": (0x0040B020, "SQ"),
    "UnformattedTextValue": (0x00700006, "ST"),
    "WaveformSequence": (0x54000100, "SQ"),
    "WaveformBitsAllocated": (0x54001004, "US"),
    "WaveformSampleInterpretation": (0x54001006, "CS"),
    "WaveformPaddingValue": (0x5400100A, "OW"),
    "WaveformData": (0x54001010, "OW"),
}
TRANSFER_SYNTAX_UID = "1.2.840.10008.1.2.1"  # Explicit VR Little Endian
_LONG = {"OB", "OW", "SQ"}  # two reserved bytes and a length of 32 bits, PS3.5 table 7.1-1
_INTEGER_BYTES = {"US": 2, "UL": 4}


def dataset(attributes: Attributes) -> bytes:
    """The elements of a data set or of an item, in the order of their tags."""
    return b"".join(element(keyword, attributes[keyword]) for keyword in sorted(attributes, key=TAGS.__getitem__))


def element(keyword: str, value: Value) -> bytes:
    """One element: tag, VR, length and value."""
    vr = TAGS[keyword][1]
    content = _content(vr, value)
    return prefix(keyword, len(content)) + content


def tag_and_vr(keyword: str) -> bytes:
    """The first bytes of an element: tag and VR."""
    tag, vr = TAGS[keyword]
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode()


def prefix(keyword: str, length: int) -> bytes:
    """The bytes before an element's value: tag, VR and length."""
    is_long = TAGS[keyword][1] in _LONG
    return tag_and_vr(keyword) + (bytes(2) + length.to_bytes(4, "little") if is_long else length.to_bytes(2, "little"))


def item(content_length: int) -> bytes:
    """The bytes before the content of a sequence item."""
    return b"\xfe\xff\x00\xe0" + content_length.to_bytes(4, "little")


def filler(vr: str) -> bytes:
    """The byte that pads a text to an even length (PS3.5 section 6.2)."""
    return b"\0" if vr == "UI" else b" "


def _content(vr: str, value: Value) -> bytes:
    if isinstance(value, bytes):
        return value + bytes(len(value) % 2)
    if isinstance(value, str):
        content = value.encode()
        return content + filler(vr) * (len(content) % 2)
    if vr == "SQ":
        items = [dataset(attributes) for attributes in cast("Sequence[Attributes]", value)]
        return b"".join(item(len(content)) + content for content in items)
    return b"".join(number.to_bytes(_INTEGER_BYTES[vr], "little") for number in cast("tuple[int, ...]", value))
