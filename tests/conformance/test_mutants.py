"""From a good object wrong ones: dciodvfy or the project's own checker objects to every one of them.

Each mutant is wrong in one respect. What shared validators do not see (docs/conformance.md) is in `SILENT`; then
each attribute is removed, and emptied; then bytes are damaged.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.conformance import standard
from wfdb2dicom.conformance.checker import Violation, check_bytes, check_file
from wfdb2dicom.conformance.source import check_source

Mutate = Callable[[FileDataset], None]
ROOT = "1.2.840.10008.5.1.4.1.1.9.1."


def group(ds: Dataset) -> Dataset:
    return ds.WaveformSequence[0]


def channel(ds: Dataset, n: int = 0) -> Dataset:
    return group(ds).ChannelDefinitionSequence[n]


def source(ds: Dataset, n: int = 0) -> Dataset:
    return channel(ds, n).ChannelSourceSequence[0]


def unit(ds: Dataset, n: int = 0) -> Dataset:
    return channel(ds, n).ChannelSensitivityUnitsSequence[0]


def put(place: Callable[[Dataset], Dataset], keyword: str, value: object) -> Mutate:
    return lambda ds: setattr(place(ds), keyword, value)


def top(ds: Dataset) -> Dataset:
    return ds


def everywhere(keyword: str, value: object) -> Mutate:
    def mutate(ds: FileDataset) -> None:
        for item in group(ds).ChannelDefinitionSequence:
            setattr(item, keyword, value)

    return mutate


def as_class(number: int) -> Mutate:
    def mutate(ds: FileDataset) -> None:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = ROOT + str(number)

    return mutate


def shape(channels: int, samples: int) -> Mutate:
    """An object of other dimensions, whole in itself."""

    def mutate(ds: FileDataset) -> None:
        items = list(group(ds).ChannelDefinitionSequence)
        codes = [code for code in standard.LEADS if code not in {i.ChannelSourceSequence[0].CodeValue for i in items}]
        while len(items) < channels:
            item = Dataset.from_json(items[0].to_json())
            item.ChannelLabel = f"L{len(items)}"
            item.ChannelSourceSequence[0].CodeValue = codes[len(items)]
            item.ChannelSourceSequence[0].CodeMeaning = standard.LEADS[codes[len(items)]]
            items.append(item)
        group(ds).ChannelDefinitionSequence = items[:channels]
        group(ds).NumberOfWaveformChannels, group(ds).NumberOfWaveformSamples = channels, samples
        ramp = [abs(n // channels % 200 - 100) for n in range(channels * samples)]
        group(ds).WaveformData = b"".join(n.to_bytes(2, "little", signed=True) for n in ramp)
        if "WaveformPaddingValue" in group(ds):
            del group(ds).WaveformPaddingValue

    return mutate


def ambulatory(mutate: Mutate) -> Mutate:
    def both(ds: FileDataset) -> None:
        as_class(3)(ds)
        mutate(ds)

    return both


def swap_bytes(ds: FileDataset) -> None:
    data = bytearray(group(ds).WaveformData)
    data[::2], data[1::2] = data[1::2], data[::2]
    group(ds).WaveformData = bytes(data)


def swap_filters(ds: FileDataset) -> None:
    for item in group(ds).ChannelDefinitionSequence:
        low, high = item.FilterLowFrequency, item.FilterHighFrequency
        item.FilterLowFrequency, item.FilterHighFrequency = high, low


def retype(place: Callable[[Dataset], Dataset], keyword: str, vr: str) -> Mutate:
    def mutate(ds: FileDataset) -> None:
        item = place(ds)
        value = item[keyword].value
        del item[keyword]
        item.add_new(keyword, vr, value)

    return mutate


def two_groups_of_twelve(ds: FileDataset) -> None:
    ds.WaveformSequence = Sequence([group(ds), Dataset.from_json(group(ds).to_json())])


def six_groups(ds: FileDataset) -> None:
    shape(1, 100)(ds)
    ds.WaveformSequence = Sequence([Dataset.from_json(group(ds).to_json()) for _ in range(6)])


def exchange_leads(ds: FileDataset) -> None:
    one, other = source(ds, 0), source(ds, 1)
    one.CodeValue, other.CodeValue = other.CodeValue, one.CodeValue


def repeat_lead(ds: FileDataset) -> None:
    channel(ds, 1).ChannelLabel = channel(ds, 0).ChannelLabel
    channel(ds, 1).ChannelSourceSequence = channel(ds, 0).ChannelSourceSequence


def samples_as(interpretation: str, bits: int) -> Mutate:
    def mutate(ds: FileDataset) -> None:
        group(ds).WaveformSampleInterpretation, group(ds).WaveformBitsAllocated = interpretation, bits

    return mutate


def filters_in_the_group(ds: FileDataset) -> None:
    group(ds).FilterLowFrequency = channel(ds).FilterLowFrequency


# What every validator at hand lets pass (facts of docs/conformance.md), and its neighbours.
SILENT: dict[str, Mutate] = {
    "modality is HD": put(top, "Modality", "HD"),
    "class not an ECG": put(top, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.9.2.1"),
    "class in the data set other than in the meta information": put(top, "SOPClassUID", ROOT + "2"),
    "class swapped in both: 32 bits without them": as_class(4),
    "14 channels in 12-Lead": shape(14, 100),
    "25 channels in General": lambda ds: (as_class(2)(ds), shape(25, 100)(ds))[0],
    "13 channels in Ambulatory": ambulatory(shape(13, 100)),
    "24 channels in two groups of 12-Lead": two_groups_of_twelve,
    "six groups in 12-Lead": six_groups,
    "two groups in Ambulatory": ambulatory(two_groups_of_twelve),
    "16385 samples in 12-Lead": shape(1, 16_385),
    "100 Hz in 12-Lead": put(group, "SamplingFrequency", "100"),
    "1001 Hz in 12-Lead": put(group, "SamplingFrequency", "1001"),
    "199.9 Hz in General": lambda ds: (as_class(2)(ds), put(group, "SamplingFrequency", "199.9")(ds))[0],
    "49 Hz in Ambulatory": ambulatory(put(group, "SamplingFrequency", "49")),
    "frequency 0": put(group, "SamplingFrequency", "0"),
    "frequency below 0": put(group, "SamplingFrequency", "-500"),
    "fewer samples than data": put(group, "NumberOfWaveformSamples", 4999),
    "more samples than data": put(group, "NumberOfWaveformSamples", 5001),
    "no samples": put(group, "NumberOfWaveformSamples", 0),
    "fewer channels than data": put(group, "NumberOfWaveformChannels", 11),
    "samples unsigned": samples_as("US", 16),
    "samples of 8 bits by name": samples_as("SB", 16),
    "samples of 32 bits by name": samples_as("SL", 32),
    "bits allocated 8": put(group, "WaveformBitsAllocated", 8),
    "bits stored 12": everywhere("WaveformBitsStored", 12),
    "bits stored 16 but for one channel": put(channel, "WaveformBitsStored", 10),
    "bits stored 32": everywhere("WaveformBitsStored", 32),
    "padding missing": lambda ds: delattr(group(ds), "WaveformPaddingValue"),
    "padding of no sample": put(group, "WaveformPaddingValue", b"\xff\x7f"),
    "padding of 4 bytes": put(group, "WaveformPaddingValue", b"\0\x80\0\0"),
    "padding with its bytes swapped": put(group, "WaveformPaddingValue", b"\x80\0"),
    "padding as OB": retype(group, "WaveformPaddingValue", "OB"),
    "padding as SS": lambda ds: (
        delattr(group(ds), "WaveformPaddingValue"),
        group(ds).add_new(0x5400100A, "SS", -32768),
    )[0],
    "data as OB": retype(group, "WaveformData", "OB"),
    "data cut off": lambda ds: put(group, "WaveformData", group(ds).WaveformData[:-24])(ds),
    "data with more": lambda ds: put(group, "WaveformData", group(ds).WaveformData + bytes(24))(ds),
    "bytes of the samples swapped": swap_bytes,
    "lead code unknown": put(source, "CodeValue", "2:999"),
    "lead code of another lead": put(source, "CodeValue", "2:2"),
    "lead codes exchanged": exchange_leads,
    "lead meaning of another lead": put(source, "CodeMeaning", "Lead V6"),
    "lead label of another lead": put(channel, "ChannelLabel", "V6"),
    "lead twice": repeat_lead,
    "lead code of no known scheme": put(source, "CodingSchemeDesignator", "LOCAL"),
    "lead code of a private scheme": put(source, "CodingSchemeDesignator", "99LOCAL"),
    "lead unspecified that has a code": put(source, "CodeValue", "2:0"),
    "lead code of SCP-ECG": put(source, "CodingSchemeDesignator", "SCPECG"),
    "unit MV": put(unit, "CodeValue", "MV"),
    "unit uV": put(unit, "CodeValue", "uV"),
    "unit of no scheme UCUM": put(unit, "CodingSchemeDesignator", "99UNITS"),
    "sensitivity 0": put(channel, "ChannelSensitivity", "0"),
    "sensitivity below 0": put(channel, "ChannelSensitivity", "-0.005"),
    "sensitivity no number": put(channel, "ChannelSensitivityCorrectionFactor", "1.5"),
    "baseline in counts": put(channel, "ChannelBaseline", "2048"),
    "both skews": put(channel, "ChannelTimeSkew", "0"),
    "filters swapped": swap_filters,
    "filter of 0 Hz": put(channel, "FilterLowFrequency", "0"),
    "notch below 0": put(channel, "NotchFilterFrequency", "-60"),
    "filters in the group": filters_in_the_group,
    "identity not removed": put(top, "PatientIdentityRemoved", "NO"),
    "dates not shifted": put(top, "LongitudinalTemporalInformationModified", "UNMODIFIED"),
    "UTC offset in the moment": lambda ds: put(top, "AcquisitionDateTime", ds.AcquisitionDateTime + "+0100")(ds),
    "UTC offset of the object": put(top, "TimezoneOffsetFromUTC", "-0500"),
    "content of another day": put(top, "ContentDate", "20200101"),
    "study at another time": put(top, "StudyTime", "000001"),
    "a day that is none": put(top, "StudyDate", "21511345"),
    "private attribute": lambda ds: ds.private_block(0x0009, "SOMEONE", create=True).add_new(1, "LO", "x"),
    "attribute of images": put(top, "Rows", 1),
    "powerline frequency in the group": put(group, "PowerlineFrequency", "60"),
    "sex of no defined term": put(top, "PatientSex", "W"),
    "age in no form": put(top, "PatientAge", "52"),
    "text with a backslash": lambda ds: ds.add_new("StationName", "SH", ["a", "b"]),
    "text too long": put(top, "StudyID", "12345678901234567"),
    "text that is not ASCII": put(top, "StationName", "ä"),
    "UID with a leading zero": lambda ds: set_uid(ds, "2.25.0123"),
    "UID too long": lambda ds: set_uid(ds, "2.25." + "1" * 60),
    "instance other than in the meta information": put(top, "SOPInstanceUID", "2.25.1"),
    "study and series of one UID": lambda ds: put(top, "SeriesInstanceUID", ds.StudyInstanceUID)(ds),
    "two codes for a lead": lambda ds: channel(ds).ChannelSourceSequence.append(source(ds)),
    "eleven channel definitions": lambda ds: group(ds).ChannelDefinitionSequence.pop(),
}


def set_uid(ds: FileDataset, uid: str) -> None:
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid


# The standard lets these be absent (type 3), and nothing else in the object contradicts it.
MAY_BE_ABSENT = {"StationName", "FilterLowFrequency", "FilterHighFrequency", "NotchFilterFrequency"}
# These are empty in a good object (type 2), so nothing changes.
EMPTY_ANYWAY = {
    "AccessionNumber",
    "Manufacturer",
    "ReferringPhysicianName",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AcquisitionContextSequence",
}
# Type 2: the standard lets them be empty.
MAY_BE_EMPTY = EMPTY_ANYWAY | {"StudyID", "SeriesNumber", "StationName"}

PLACES: dict[str, Callable[[Dataset], Dataset]] = {
    "": top,
    "group ": group,
    "channel ": channel,
    "lead code ": source,
    "unit code ": unit,
    "last channel ": lambda ds: channel(ds, -1),
}
# Attributes that a good object need not have: tests/conformance/test_stored_samples.py makes mutants of these.
ABSENT = {"ChannelTimeSkew", "ChannelStatus", "ChannelSourceModifiersSequence", "ChannelDerivationDescription"}
ATTRIBUTES = {
    "": [a.keyword for a in standard.OBJECT.values() if a.need != "3"],
    "group ": [a.keyword for a in standard.GROUP.values()],
    "channel ": [a.keyword for a in standard.CHANNEL.values() if a.keyword not in ABSENT],
    "lead code ": ["CodeValue", "CodingSchemeDesignator", "CodeMeaning"],
    "unit code ": ["CodeValue", "CodingSchemeDesignator", "CodeMeaning"],
    "last channel ": ["ChannelSourceSequence", "ChannelSensitivity", "WaveformBitsStored"],
}


def remove(place: str, keyword: str) -> Mutate:
    return lambda ds: delattr(PLACES[place](ds), keyword)


def empty(place: str, keyword: str) -> Mutate:
    def mutate(ds: FileDataset) -> None:
        element = PLACES[place](ds)[keyword]
        element.value = Sequence() if element.VR == "SQ" else b"" if element.VR.startswith("O") else None

    return mutate


REMOVED = {
    f"{place}{keyword} removed": remove(place, keyword)
    for place, keywords in ATTRIBUTES.items()
    for keyword in keywords
    if keyword not in MAY_BE_ABSENT
}
EMPTIED = {
    f"{place}{keyword} emptied": empty(place, keyword)
    for place, keywords in ATTRIBUTES.items()
    for keyword in keywords
    if keyword not in MAY_BE_EMPTY
}


def swap_tags(content: bytes) -> bytes:
    """The two first attributes of the data set the other way round."""
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    one = 8 + int.from_bytes(content[start + 6 : start + 8], "little")
    other = 8 + int.from_bytes(content[start + one + 6 : start + one + 8], "little")
    middle, end = start + one, start + one + other
    return content[:start] + content[middle:end] + content[start:middle] + content[end:]


def implicit(content: bytes) -> bytes:
    ds = pydicom.dcmread(BytesIO(content))
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    stream = BytesIO()
    pydicom.dcmwrite(stream, ds, implicit_vr=True, little_endian=True, enforce_file_format=True)
    return stream.getvalue()


def odd_length(content: bytes) -> bytes:
    """Modality ECG without its padding."""
    return content.replace(b"\x08\0\x60\0CS\x04\0ECG ", b"\x08\0\x60\0CS\x03\0ECG")


def other_meta_length(content: bytes) -> bytes:
    length = int.from_bytes(content[140:144], "little") - 2
    return content[:140] + length.to_bytes(4, "little") + content[144:]


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty file": lambda content: b"",
    "preamble only": lambda content: content[:132],
    "no DICM": lambda content: content[:128] + b"MCID" + content[132:],
    "no preamble": lambda content: content[132:],
    "cut in the meta information": lambda content: content[:200],
    "cut in the attributes": lambda content: content[:1000],
    "cut in the samples": lambda content: content[:-60_000],
    "last byte missing": lambda content: content[:-1],
    "last sample missing": lambda content: content[:-2],
    "a byte more": lambda content: content + b"\0",
    "zeros behind": lambda content: content + bytes(512),
    "meta information length wrong": other_meta_length,
    "attributes out of order": swap_tags,
    "value of odd length": odd_length,
    "VR lower case": lambda content: content.replace(b"\x08\0\x60\0CS", b"\x08\0\x60\0cs"),
    "implicit VR": implicit,
    "transfer syntax big endian": lambda content: content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
    "meta information version 2": lambda content: content.replace(b"OB\0\0\x02\0\0\0\0\1", b"OB\0\0\x02\0\0\0\0\2"),
    "UID padded with a space": lambda content: content.replace(b"9.1.1\0\x02\0\x03", b"9.1.1 \x02\0\x03"),
}

Complaints = Callable[[Path], list[str]]


def mutant(good: Path, mutate: Mutate) -> bytes:
    """The bytes of a good object after a change, written without pydicom's own objections."""
    ds = pydicom.dcmread(good)
    with pydicom.config.disable_value_validation():
        mutate(ds)
        stream = BytesIO()
        pydicom.dcmwrite(stream, ds)
    return stream.getvalue()


def objections(content: bytes, folder: Path, complaints: Complaints) -> tuple[list[Violation], list[str]]:
    path = folder / "mutant.dcm"
    path.write_bytes(content)
    return check_file(path), complaints(path)


@pytest.mark.parametrize("name", [*SILENT, *REMOVED, *EMPTIED])
def test_a_wrong_object_is_objected_to(name: str, complete: Path, tmp_path: Path, complaints: Complaints) -> None:
    content = mutant(complete, (SILENT | REMOVED | EMPTIED)[name])
    assert content != complete.read_bytes(), "the mutation changes nothing"
    ours, theirs = objections(content, tmp_path, complaints)
    assert ours or theirs, "no one objects"


@pytest.mark.parametrize("name", SILENT)
def test_the_checker_itself_sees_what_validators_do_not(name: str, complete: Path) -> None:
    findings = check_bytes(mutant(complete, SILENT[name]))
    assert findings, "the checker is silent too"
    assert all(finding.source.startswith(("PS3.", "promised")) for finding in findings), findings


@pytest.mark.parametrize("name", BYTES)
def test_damaged_bytes_are_objected_to(name: str, complete: Path, tmp_path: Path, complaints: Complaints) -> None:
    good = complete.read_bytes()
    content = BYTES[name](good)
    assert content != good, "the mutation changes nothing"
    ours, theirs = objections(content, tmp_path, complaints)
    assert ours or theirs, "no one objects"


@pytest.mark.parametrize("keyword", sorted(MAY_BE_ABSENT))
def test_what_the_standard_leaves_open_is_not_objected_to(
    keyword: str, complete: Path, tmp_path: Path, complaints: Complaints
) -> None:
    def mutate(ds: FileDataset) -> None:
        for item in [ds, *group(ds).ChannelDefinitionSequence]:
            if keyword in item:
                del item[keyword]

    assert objections(mutant(complete, mutate), tmp_path, complaints) == ([], [])


def test_good_objects_have_no_finding(
    dicoms: dict[str, Path], complete: Path, offset_dicom: Path, complaints: Complaints
) -> None:
    for path in [*dicoms.values(), complete, offset_dicom]:
        assert check_file(path) == []
        assert complaints(path) == []


def negate_baseline(ds: FileDataset) -> None:
    for item in group(ds).ChannelDefinitionSequence:
        item.ChannelBaseline = -item.ChannelBaseline


def gain_of_the_neighbour(ds: FileDataset) -> None:
    channel(ds, 3).ChannelSensitivity = channel(ds, 4).ChannelSensitivity


def rotate_channels(ds: FileDataset) -> None:
    items = list(group(ds).ChannelDefinitionSequence)
    group(ds).ChannelDefinitionSequence = items[1:] + items[:1]


FALSE_AMPLITUDES = {
    "baseline with the wrong sign": negate_baseline,
    "baseline left out of account": everywhere("ChannelBaseline", "0"),
    "gain of another lead": gain_of_the_neighbour,
    "bytes swapped": swap_bytes,
    "leads shifted by one": rotate_channels,
    "twice the frequency": put(group, "SamplingFrequency", "1000"),
}


@pytest.mark.parametrize("name", FALSE_AMPLITUDES)
def test_what_only_the_source_can_tell_is_told_by_it(
    name: str, offset_record: Path, offset_dicom: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mutant.dcm"
    path.write_bytes(mutant(offset_dicom, FALSE_AMPLITUDES[name]))
    assert check_source(path, offset_record)


def test_leads_are_named_as_the_object_names_them_in_its_order(
    offset_record: Path, offset_dicom: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mutant.dcm"
    path.write_bytes(mutant(offset_dicom, negate_baseline))
    labels = [item.ChannelLabel for item in group(pydicom.dcmread(path)).ChannelDefinitionSequence]
    told = [finding.message.partition(":")[0] for finding in check_source(path, offset_record)]
    assert told == [f"lead {label}" for label in labels]


def test_objects_have_the_amplitudes_of_their_source(
    dicoms: dict[str, Path], records: dict[str, Path], offset_record: Path, offset_dicom: Path
) -> None:
    for path, record in [*zip(dicoms.values(), records.values(), strict=True), (offset_dicom, offset_record)]:
        assert check_source(path, record) == []


def test_leads_and_units_of_other_spellings_are_those_of_the_source(tmp_path: Path) -> None:
    samples = np.arange(-200, 200, dtype="<i2").reshape(200, 2)
    sums = samples.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"r.dat 16 0.2(0)/µV 16 0 {samples[0, n]} {sums[n]} 0 {name}" for n, name in enumerate(("vx", "Lead I"))]
    (tmp_path / "r.hea").write_text("\n".join(["r 2 500 200", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "r.dat").write_bytes(samples.tobytes())
    convert_record(tmp_path / "r", tmp_path / "r.dcm", Acquisition(subject_id="1", ecg_time="2100-01-01 00:00:00"))
    assert check_source(tmp_path / "r.dcm", tmp_path / "r") == []
    assert [str(finding) for finding in check_file(tmp_path / "r.dcm")] == []


def note(ds: Dataset, keyword: str) -> Dataset:
    """The first annotation that has an attribute."""
    return next(item for item in ds.WaveformAnnotationSequence if keyword in item)


ANNOTATIONS: dict[str, Mutate] = {
    "channel that does not exist": lambda ds: put(
        lambda ds: note(ds, "NumericValue"), "ReferencedWaveformChannels", [1, 13]
    )(ds),
    "channels without a group": lambda ds: put(lambda ds: note(ds, "NumericValue"), "ReferencedWaveformChannels", 1)(
        ds
    ),
    "number without a unit": lambda ds: delattr(note(ds, "NumericValue"), "MeasurementUnitsCodeSequence"),
    "number without a name": lambda ds: delattr(note(ds, "NumericValue"), "ConceptNameCodeSequence"),
    "unit without a number": lambda ds: delattr(note(ds, "NumericValue"), "NumericValue"),
    "neither text nor name": lambda ds: delattr(note(ds, "UnformattedTextValue"), "UnformattedTextValue"),
    "no channels": lambda ds: delattr(note(ds, "NumericValue"), "ReferencedWaveformChannels"),
    "no annotation": lambda ds: put(top, "WaveformAnnotationSequence", Sequence())(ds),
}


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_wrong_annotations_are_objected_to(name: str, annotated: Path, tmp_path: Path, complaints: Complaints) -> None:
    ours, theirs = objections(mutant(annotated, ANNOTATIONS[name]), tmp_path, complaints)
    assert ours or theirs, "no one objects"


def test_annotated_objects_have_no_finding(annotated: Path, complaints: Complaints) -> None:
    assert check_file(annotated) == []
    assert complaints(annotated) == []


def test_there_are_mutants_enough() -> None:
    assert len(SILENT) + len(REMOVED) + len(EMPTIED) + len(BYTES) + len(FALSE_AMPLITUDES) > 40


def test_lead_codes_are_those_of_the_standard() -> None:
    from pydicom.sr.codedict import codes

    context_group = codes.cid3001
    known = {code.value: code.meaning for code in (getattr(context_group, name) for name in context_group.dir())}
    assert known == standard.LEADS
