"""The DICOM standard's rules for ECG objects, for the checker: classes with their limits, attributes, lead codes.

Written from the standard, and shared with none of the modules that make the objects: a mistake there must not be
repeated here. Sources: PS3.3 (modules, IODs), PS3.5 (encoding), PS3.10 (file meta information), PS3.16 (codes).
"""

from __future__ import annotations

from typing import NamedTuple

RULES_VERSION = 4
"""Raised whenever the checker finds something else in the same file; the target `validate` then runs again."""


class EcgClass(NamedTuple):
    """Limits of an ECG IOD: inclusive ranges; None = no limit.

    Attributes
    ----------
    name, source : str
        The class, and the section of PS3.3 with its content constraints.
    groups, channels : int
        Most multiplex groups, and most channels of a group.
    channels_in_all, samples : int or None
        Most channels of all groups together, most samples of a channel.
    low, high : float or None
        Sampling frequency, Hz.
    interpretations : tuple of str
        Waveform Sample Interpretations.
    """

    name: str
    source: str
    groups: int
    channels: int
    channels_in_all: int | None
    samples: int | None
    low: float | None
    high: float | None
    interpretations: tuple[str, ...]


_ROOT = "1.2.840.10008.5.1.4.1.1.9.1."
GENERAL_32_BIT = _ROOT + "4"
CLASSES = {
    _ROOT + "1": EcgClass("12-Lead ECG", "PS3.3 A.34.3.4", 5, 13, 13, 16_384, 200, 1000, ("SS",)),
    _ROOT + "2": EcgClass("General ECG", "PS3.3 A.34.4.4", 4, 24, None, None, 200, 1000, ("SS",)),
    _ROOT + "3": EcgClass("Ambulatory ECG", "PS3.3 A.34.5.4", 1, 12, None, None, 50, 1000, ("SB", "SS")),
    GENERAL_32_BIT: EcgClass("General 32-bit ECG", "PS3.3 A.34", 4, 24, None, None, None, None, ("SL",)),
}


DESCRIPTIONS = {
    _ROOT + "1": "12-lead ECG",
    _ROOT + "2": "General ECG",
    _ROOT + "3": "Ambulatory ECG",
    GENERAL_32_BIT: "General 32-bit ECG",
}
"""Study and Series Description of each class, which docs/conversion.md promises."""

NO_SIGNAL = ("MDC", "10:11248")
"""No ECG signal is available, PS3.16 CID 3335 "ECG Annotations"."""


PROCESSING_EQUIPMENT = ("DCM", "109102")
"""Purpose of Reference of each step of the conversion, PS3.16 CID 7005."""

MEASUREMENTS = {
    "2:15872": "ms",
    "2:16128": "deg",
    "2:16132": "deg",
    "2:16136": "deg",
    "2:16156": "ms",
    "2:16160": "ms",
    "2:16168": "ms",
    "2:16770": "{H.B.}/min",
}
"""MDC code of each measurement that docs/conversion.md lists → its UCUM unit."""


class Attribute(NamedTuple):
    """An attribute that the objects may have.

    Attributes
    ----------
    need : str
        ``1``: present with a value; ``2``: present; ``3``: optional; ``+``: present with a value because this
        project promises it, although the standard would let it be absent or empty.
    values : tuple of str
        The only values allowed; () = any.
    """

    keyword: str
    vr: str
    need: str
    source: str
    values: tuple[str, ...] = ()


META = {
    0x00020000: Attribute("FileMetaInformationGroupLength", "UL", "1", "PS3.10 section 7.1"),
    0x00020001: Attribute("FileMetaInformationVersion", "OB", "1", "PS3.10 section 7.1"),
    0x00020002: Attribute("MediaStorageSOPClassUID", "UI", "1", "PS3.10 section 7.1"),
    0x00020003: Attribute("MediaStorageSOPInstanceUID", "UI", "1", "PS3.10 section 7.1"),
    0x00020010: Attribute("TransferSyntaxUID", "UI", "1", "PS3.10 section 7.1"),
    0x00020012: Attribute("ImplementationClassUID", "UI", "1", "PS3.10 section 7.1"),
    0x00020013: Attribute("ImplementationVersionName", "SH", "+", "PS3.10 section 7.1"),
}

OBJECT = {
    0x00080005: Attribute("SpecificCharacterSet", "CS", "3", "PS3.3 C.12.1", ("ISO_IR 192",)),
    0x00080016: Attribute("SOPClassUID", "UI", "1", "PS3.3 C.12.1", tuple(CLASSES)),
    0x00080018: Attribute("SOPInstanceUID", "UI", "1", "PS3.3 C.12.1"),
    0x00080020: Attribute("StudyDate", "DA", "+", "PS3.3 C.7.2.1"),
    0x00080023: Attribute("ContentDate", "DA", "1", "PS3.3 C.10.8"),
    0x0008002A: Attribute("AcquisitionDateTime", "DT", "1", "PS3.3 C.10.8"),
    0x00080030: Attribute("StudyTime", "TM", "+", "PS3.3 C.7.2.1"),
    0x00080033: Attribute("ContentTime", "TM", "1", "PS3.3 C.10.8"),
    0x00080050: Attribute("AccessionNumber", "SH", "2", "PS3.3 C.7.2.1"),
    0x00080060: Attribute("Modality", "CS", "1", "PS3.3 A.34.3.4.1 and C.7.3.1.1.1", ("ECG",)),
    0x00080070: Attribute("Manufacturer", "LO", "2", "PS3.3 C.7.5.1"),
    0x00080090: Attribute("ReferringPhysicianName", "PN", "2", "PS3.3 C.7.2.1"),
    0x00081010: Attribute("StationName", "SH", "3", "PS3.3 C.7.5.1"),
    0x00081030: Attribute("StudyDescription", "LO", "+", "PS3.3 C.7.2.1"),
    0x0008103E: Attribute("SeriesDescription", "LO", "+", "PS3.3 C.7.3.1"),
    0x00081090: Attribute("ManufacturerModelName", "LO", "3", "PS3.3 C.7.5.1"),
    0x00100010: Attribute("PatientName", "PN", "2", "PS3.3 C.7.1.1"),
    0x00100020: Attribute("PatientID", "LO", "+", "PS3.3 C.7.1.1"),
    0x00100021: Attribute("IssuerOfPatientID", "LO", "3", "PS3.3 C.7.1.1"),
    0x00100030: Attribute("PatientBirthDate", "DA", "2", "PS3.3 C.7.1.1"),
    0x00100040: Attribute("PatientSex", "CS", "2", "PS3.3 C.7.1.1", ("", "M", "F", "O")),
    0x00101010: Attribute("PatientAge", "AS", "3", "PS3.3 C.7.2.2"),
    0x00104000: Attribute("PatientComments", "LT", "3", "PS3.3 C.7.1.1"),
    0x00120062: Attribute("PatientIdentityRemoved", "CS", "+", "PS3.3 C.7.1.1", ("YES",)),
    0x00120063: Attribute("DeidentificationMethod", "LO", "1", "PS3.3 C.7.1.1"),
    0x00181000: Attribute("DeviceSerialNumber", "LO", "3", "PS3.3 C.7.5.1"),
    0x00181020: Attribute("SoftwareVersions", "LO", "3", "PS3.3 C.7.5.1"),
    0x0018A001: Attribute("ContributingEquipmentSequence", "SQ", "+", "PS3.3 C.12.1"),
    0x0020000D: Attribute("StudyInstanceUID", "UI", "1", "PS3.3 C.7.2.1"),
    0x0020000E: Attribute("SeriesInstanceUID", "UI", "1", "PS3.3 C.7.3.1"),
    0x00200010: Attribute("StudyID", "SH", "2", "PS3.3 C.7.2.1"),
    0x00200011: Attribute("SeriesNumber", "IS", "2", "PS3.3 C.7.3.1"),
    0x00200013: Attribute("InstanceNumber", "IS", "1", "PS3.3 C.10.8"),
    0x00280303: Attribute(
        "LongitudinalTemporalInformationModified", "CS", "+", "PS3.3 C.12.1", ("MODIFIED", "REMOVED")
    ),
    0x00400555: Attribute("AcquisitionContextSequence", "SQ", "2", "PS3.3 C.7.6.14"),
    0x0040B020: Attribute("WaveformAnnotationSequence", "SQ", "3", "PS3.3 C.10.10"),
    0x54000100: Attribute("WaveformSequence", "SQ", "1", "PS3.3 C.10.9"),
}
"""Patient, General Study, Patient Study, General Series, General Equipment, Waveform Identification, Waveform,
Acquisition Context, Waveform Annotation and SOP Common modules, as far as the objects use them."""

ENHANCED_EQUIPMENT = (0x00080070, 0x00081090, 0x00181000, 0x00181020)
"""Type 1 in General 32-bit ECG: Enhanced General Equipment, PS3.3 C.7.5.2."""

CONTRIBUTION = {
    0x00080070: Attribute("Manufacturer", "LO", "1", "PS3.3 C.12.1"),
    0x00181020: Attribute("SoftwareVersions", "LO", "3", "PS3.3 C.12.1"),
    0x0018A003: Attribute("ContributionDescription", "ST", "+", "PS3.3 C.12.1"),
    0x0040A170: Attribute("PurposeOfReferenceCodeSequence", "SQ", "1", "PS3.3 C.12.1"),
}
"""An item of Contributing Equipment Sequence: a step of the conversion."""

GROUP = {
    0x003A0004: Attribute("WaveformOriginality", "CS", "1", "PS3.3 C.10.9", ("ORIGINAL", "DERIVED")),
    0x003A0005: Attribute("NumberOfWaveformChannels", "US", "1", "PS3.3 C.10.9"),
    0x003A0010: Attribute("NumberOfWaveformSamples", "UL", "1", "PS3.3 C.10.9"),
    0x003A001A: Attribute("SamplingFrequency", "DS", "1", "PS3.3 C.10.9"),
    0x003A0020: Attribute("MultiplexGroupLabel", "SH", "+", "PS3.3 C.10.9"),
    0x003A0200: Attribute("ChannelDefinitionSequence", "SQ", "1", "PS3.3 C.10.9"),
    0x54001004: Attribute("WaveformBitsAllocated", "US", "1", "PS3.3 C.10.9"),
    0x54001006: Attribute("WaveformSampleInterpretation", "CS", "1", "PS3.3 C.10.9.1.5"),
    0x5400100A: Attribute("WaveformPaddingValue", "OW", "3", "PS3.5 section 8.3 and PS3.3 C.10.9"),
    0x54001010: Attribute("WaveformData", "OW", "1", "PS3.5 section 8.3"),
}

CHANNEL = {
    0x003A0203: Attribute("ChannelLabel", "SH", "+", "PS3.3 C.10.9"),
    0x003A0205: Attribute("ChannelStatus", "CS", "3", "PS3.3 C.10.9", ("INVALID", "QUESTIONABLE")),
    0x003A0208: Attribute("ChannelSourceSequence", "SQ", "1", "PS3.3 C.10.9"),
    0x003A0209: Attribute("ChannelSourceModifiersSequence", "SQ", "3", "PS3.3 C.10.9"),
    0x003A020C: Attribute("ChannelDerivationDescription", "LO", "3", "PS3.3 C.10.9"),
    0x003A0210: Attribute("ChannelSensitivity", "DS", "1", "PS3.3 C.10.9.1.4.2"),
    0x003A0211: Attribute("ChannelSensitivityUnitsSequence", "SQ", "1", "PS3.3 C.10.9.1.4.2"),
    0x003A0212: Attribute("ChannelSensitivityCorrectionFactor", "DS", "1", "PS3.3 C.10.9.1.4.2"),
    0x003A0213: Attribute("ChannelBaseline", "DS", "1", "PS3.3 C.10.9.1.4.2"),
    0x003A0214: Attribute("ChannelTimeSkew", "DS", "3", "PS3.3 C.10.9"),
    0x003A0215: Attribute("ChannelSampleSkew", "DS", "3", "PS3.3 C.10.9"),
    0x003A021A: Attribute("WaveformBitsStored", "US", "1", "PS3.3 C.10.9"),
    0x003A0220: Attribute("FilterLowFrequency", "DS", "3", "PS3.3 C.10.9"),
    0x003A0221: Attribute("FilterHighFrequency", "DS", "3", "PS3.3 C.10.9"),
    0x003A0222: Attribute("NotchFilterFrequency", "DS", "3", "PS3.3 C.10.9"),
}

CODE = {
    0x00080100: Attribute("CodeValue", "SH", "1", "PS3.3 table 8.8-1"),
    0x00080102: Attribute("CodingSchemeDesignator", "SH", "1", "PS3.3 table 8.8-1"),
    0x00080103: Attribute("CodingSchemeVersion", "SH", "3", "PS3.3 table 8.8-1"),
    0x00080104: Attribute("CodeMeaning", "LO", "1", "PS3.3 table 8.8-1"),
}

ANNOTATION = {
    0x00700006: Attribute("UnformattedTextValue", "ST", "3", "PS3.3 C.10.10"),
    0x004008EA: Attribute("MeasurementUnitsCodeSequence", "SQ", "3", "PS3.3 C.10.10"),
    0x0040A043: Attribute("ConceptNameCodeSequence", "SQ", "3", "PS3.3 C.10.10"),
    0x0040A0B0: Attribute("ReferencedWaveformChannels", "US", "1", "PS3.3 C.10.10"),
    0x0040A130: Attribute("TemporalRangeType", "CS", "3", "PS3.3 C.10.10", ("SEGMENT", "MULTISEGMENT")),
    0x0040A132: Attribute("ReferencedSamplePositions", "UL", "3", "PS3.3 C.10.10"),
    0x0040A168: Attribute("ConceptCodeSequence", "SQ", "3", "PS3.3 C.10.10"),
    0x0040A180: Attribute("AnnotationGroupNumber", "US", "3", "PS3.3 C.10.10"),
    0x0040A30A: Attribute("NumericValue", "DS", "3", "PS3.3 C.10.10"),
}

LEADS = {
    "2:0": "Unspecified lead",
    "2:1": "Lead I",
    "2:2": "Lead II",
    "2:3": "Lead V1",
    "2:4": "Lead V2",
    "2:5": "Lead V3",
    "2:6": "Lead V4",
    "2:7": "Lead V5",
    "2:8": "Lead V6",
    "2:9": "Lead V7",
    "2:10": "Lead V2R",
    "2:11": "Lead V3R",
    "2:12": "Lead V4R",
    "2:13": "Lead V5R",
    "2:14": "Lead V6R",
    "2:15": "Lead V7R",
    "2:16": "Lead X",
    "2:17": "Lead Y",
    "2:18": "Lead Z",
    "2:19": "Chest lead per V5 and V5R placement",
    "2:20": "Chest-manubrium lead per V5 placement",
    "2:21": "Left Arm Lead",
    "2:22": "Right Arm Lead",
    "2:23": "Left Leg Lead",
    "2:24": "Frank Lead I",
    "2:25": "Frank Lead E",
    "2:26": "Frank Lead C",
    "2:27": "Frank Lead A",
    "2:28": "Frank Lead M",
    "2:29": "Frank Lead F",
    "2:30": "Frank Lead H",
    "2:31": "Derived Lead I",
    "2:32": "Derived Lead II",
    "2:33": "Derived Lead V1",
    "2:34": "Derived Lead V2",
    "2:35": "Derived Lead V3",
    "2:36": "Derived Lead V4",
    "2:37": "Derived Lead V5",
    "2:38": "Derived Lead V6",
    "2:61": "Lead III",
    "2:62": "aVR, augmented voltage, right",
    "2:63": "aVL, augmented voltage, left",
    "2:64": "aVF, augmented voltage, foot",
    "2:65": "−aVR",
    "2:66": "Lead V8",
    "2:67": "Lead V9",
    "2:68": "Lead V8R",
    "2:69": "Lead V9R",
    "2:70": "Lead D (Nehb - Dorsal)",
    "2:71": "Lead A (Nehb - Anterior)",
    "2:72": "Lead J (Nehb - Inferior)",
    "2:73": "Defibrillator lead: anterior-lateral",
    "2:74": "External pacing lead: anterior-posterior",
    "2:75": "Auxiliary unipolar lead 1",
    "2:76": "Auxiliary unipolar lead 2",
    "2:77": "Auxiliary unipolar lead 3",
    "2:78": "Auxiliary unipolar lead 4",
    "2:86": "Chest lead",
    "2:87": "Precordial lead",
    "2:88": "Lead VR, nonaugmented voltage, vector of RA",
    "2:89": "Lead VL, nonaugmented voltage, vector of LA",
    "2:90": "Lead VF, nonaugmented voltage, vector of LL",
    "2:91": "Modified chest lead (left arm indifferent)",
    "2:92": "Modified chest lead per V1 placement",
    "2:93": "Modified chest lead per V2 placement",
    "2:94": "Modified chest lead per V3 placement",
    "2:95": "Modified chest lead per V4 placement",
    "2:96": "Modified chest lead per V5 placement",
    "2:97": "Modified chest lead per V6 placement",
    "2:98": "Chest lead (symmetric placement)",
    "2:99": "Chest lead per V1 and V1R placement",
    "2:100": "Chest lead per V2 and V2R placement",
    "2:101": "Chest lead per V3 and V3R placement",
    "2:102": "Chest lead per V4 and V4R placement",
    "2:103": "Chest lead per V6 and V6R placement",
    "2:104": "Chest lead per V7 and V8R placement",
    "2:105": "Chest-manubrium lead",
    "2:106": "Chest-manubrium lead per V1 placement",
    "2:107": "Chest-manubrium lead per V2 placement",
    "2:108": "Chest-manubrium lead per V3 placement",
    "2:109": "Chest-manubrium lead per V4 placement",
    "2:110": "Chest-manubrium lead per V6 placement",
    "2:111": "Derived Lead III",
    "2:112": "Derived Lead aVR",
    "2:113": "Derived Lead aVL",
    "2:114": "Derived Lead aVF",
    "2:121": "Chest-manubrium lead per V7 placement",
    "2:122": "Lead CH5",
    "2:123": "negative: right infraclavicular fossa",
    "2:124": "negative: low right scapula Lead",
    "2:125": "Lead CR5",
    "2:126": "Modified limb lead",
    "2:127": "Auxiliary bipolar lead 1",
    "2:128": "Auxiliary bipolar lead 2",
    "2:129": "Auxiliary bipolar lead 3",
    "2:130": "Auxiliary bipolar lead 4",
    "2:131": "EASI Lead ES",
    "2:132": "EASI Lead AS",
    "2:133": "EASI Lead AI",
    "2:134": "EASI upper sternum lead",
    "2:147": "Right Leg Lead",
    "2:148": "Canine, fifth right intercostal space near edge of sternum",
    "2:149": "Canine, sixth left intercostal space near edge of sternum",
    "2:150": "Canine, sixth left intercostal space at costochondral junction",
    "2:151": "Canine, over dorsal spinous process of 7th thoracic vertebra",
}
"""PS3.16 CID 3001 "ECG Leads": MDC code value → Code Meaning."""


def _short(meaning: str) -> str:
    return meaning.partition(",")[0].removeprefix("Lead ").casefold()


MODIFIERS = {"MLI": "2:1", "MLII": "2:2", "MLIII": "2:61"}
"""Labels of modified limb leads, which share a code → the lead that tells them apart."""

_LEAD_OF_NAME = {_short(meaning): code for code, meaning in LEADS.items()}
"""Short name of a lead in lower case (``avr``, ``v1``, ``iii``) → MDC code value."""


def lead_of(name: str) -> str:
    """MDC code of the lead that a label or a Code Meaning names (``aVR``, ``Lead aVR``), "" for none."""
    return _LEAD_OF_NAME.get(_short(name.strip()), "")
