"""Mutants of each part of an object: every attribute at every depth of two objects, and file meta information.

`test_mutants` asks dciodvfy too; it knows neither General 32-bit ECG nor what the project promises of annotations and
file meta information, so here the project's own checker must object alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.conformance.checker import check_bytes
from wfdb2dicom.dicom.options import Options

from .test_mutants import BYTES, Mutate, channel, everywhere, group, mutant, put, samples_as, top

WHO = Acquisition(
    subject_id="7",
    ecg_time="2100-01-02 03:04:05",
    cart_id="12",
    filter_low="0.05",
    filter_high="150",
    notch="60",
    measurements=(("rr_interval", 600), ("qrs_axis", -30)),
    reports=("Sinus rhythm",),
)
NAMES = ("held", "wide", "local")
INVALID = {16: -(2**15), 32: -(2**31)}


def write(folder: Path, bits: int, leads: tuple[str, ...] = ("I", "MLII", "V1")) -> Path:
    """A record of three leads, one of them with a gap, whose samples need so many bits."""
    samples = (np.arange(600).reshape(200, 3) * (2 ** (bits - 16) - (bits == 16) // 2)).astype(f"<i{bits // 8}")
    samples[50:60, 1] = INVALID[bits]
    lines = ["r 3 500 200"]
    for n, lead in enumerate(leads):
        total = int(samples[:, n].astype("<u2").sum(dtype="<u2"))
        lines.append(f"r.dat {bits} 200.0(10)/mV {bits} 0 {samples[0, n]} {total} 0 {lead}")
    (folder / "r.hea").write_text("\n".join(lines) + "\n")
    (folder / "r.dat").write_bytes(samples.tobytes())
    return folder / "r"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``held``: measurements, report and held samples; ``wide``: General 32-bit ECG; ``local``: unspecified leads."""
    folder = tmp_path_factory.mktemp("objects")
    options = Options(annotations=True, invalid_samples="hold", baseline="zero", issuer_of_patient_id="HERE")
    convert_record(write(folder, 16), folder / "held.dcm", WHO, options)
    convert_record(write(folder, 32), folder / "wide.dcm", replace(WHO, measurements=(), reports=()))
    local = write(folder, 16, ("ECG 1", "II", "ECG 2"))
    convert_record(local, folder / "local.dcm", WHO, Options(unknown_leads="local"))
    return {name: folder / f"{name}.dcm" for name in NAMES}


def test_the_objects_themselves_have_no_finding(objects: dict[str, Path]) -> None:
    assert [str(finding) for path in objects.values() for finding in check_bytes(path.read_bytes())] == []
    assert pydicom.dcmread(objects["wide"]).SOPClassUID == "1.2.840.10008.5.1.4.1.1.9.1.4"
    assert len(pydicom.dcmread(objects["held"]).WaveformAnnotationSequence) == 5


Step = tuple[str, int]


def attributes(ds: Dataset, place: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Every attribute at every depth: the way to its item, and its keyword."""
    for element in ds:
        yield place, element.keyword
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from attributes(item, (*place, (element.keyword, number)))


def at(ds: Dataset, place: tuple[Step, ...]) -> Dataset:
    for keyword, number in place:
        ds = ds[keyword].value[number]
    return ds


def kind(place: tuple[Step, ...], keyword: str) -> str:
    return ".".join([*(step for step, _ in place), keyword])


# Type 3, and nothing else in the object contradicts it.
MAY_BE_ABSENT = {
    "StationName",
    "PatientAge",
    "IssuerOfPatientID",
    *(f"WaveformSequence.ChannelDefinitionSequence.{name}" for name in ("FilterLowFrequency", "FilterHighFrequency")),
    "WaveformSequence.ChannelDefinitionSequence.NotchFilterFrequency",
    "ContributingEquipmentSequence.SoftwareVersions",
}
# Type 2, or empty in the object itself.
MAY_BE_EMPTY = {
    *("AccessionNumber", "Manufacturer", "ReferringPhysicianName", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyID", "SeriesNumber", "AcquisitionContextSequence"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", ["removed", "emptied"])
def test_every_attribute_is_missed(name: str, change: str, objects: dict[str, Path]) -> None:
    good = pydicom.dcmread(objects[name])
    allowed = MAY_BE_ABSENT if change == "removed" else MAY_BE_EMPTY - ({"Manufacturer"} if name == "wide" else set())
    unseen, tried = [], 0
    for place, keyword in attributes(good):
        if kind(place, keyword) in allowed:
            continue

        def mutate(ds: FileDataset, place: tuple[Step, ...] = place, keyword: str = keyword) -> None:
            item = at(ds, place)
            if change == "removed":
                del item[keyword]
            else:
                vr = item[keyword].VR
                item[keyword].value = Sequence() if vr == "SQ" else b"" if vr.startswith("O") else None

        tried += 1
        if not check_bytes(mutant(objects[name], mutate)):
            unseen.append(kind(place, keyword))
    assert unseen == []
    assert tried > 80


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_that_of_its_place(name: str, objects: dict[str, Path]) -> None:
    """A code, a scheme or a unit of something else: only Code Meaning is free, but where it names a lead."""
    unseen = []
    for place, keyword in attributes(pydicom.dcmread(objects[name])):
        if keyword in ("CodeValue", "CodingSchemeDesignator"):
            mutate = put(lambda ds, place=place: at(ds, place), keyword, "Z9")  # type: ignore[misc]
            if not check_bytes(mutant(objects[name], mutate)):
                unseen.append(kind(place, keyword))
    assert unseen == []


WIDE: dict[str, Mutate] = {
    "samples of 16 bits by name": samples_as("SS", 16),
    "samples unsigned": samples_as("UL", 32),
    "bits allocated 16": put(group, "WaveformBitsAllocated", 16),
    "bits stored 24": everywhere("WaveformBitsStored", 24),
    "bits stored 16": everywhere("WaveformBitsStored", 16),
    "padding of 2 bytes": put(group, "WaveformPaddingValue", b"\0\x80"),
    "padding of 16 bits in 4 bytes": put(group, "WaveformPaddingValue", b"\0\x80\xff\xff"),
    "padding with its bytes swapped": put(group, "WaveformPaddingValue", b"\x80\0\0\0"),
    "data cut off": lambda ds: put(group, "WaveformData", group(ds).WaveformData[:-12])(ds),
    "half of the samples": put(group, "NumberOfWaveformSamples", 100),
    "class General": put(top, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.9.1.2"),
    "no manufacturer": put(top, "Manufacturer", ""),
    "titles of another class": put(top, "StudyDescription", "General ECG"),
    "no serial number": lambda ds: delattr(ds, "DeviceSerialNumber"),
    "five groups": lambda ds: setattr(ds, "WaveformSequence", Sequence([group(ds)] * 5)),
    "all valid by its status": lambda ds: delattr(channel(ds, 1), "ChannelStatus"),
    "invalid as a whole by its status": put(lambda ds: channel(ds, 1), "ChannelStatus", "INVALID"),
    "a status of a valid lead": put(channel, "ChannelStatus", "QUESTIONABLE"),
    "a status that a record cannot tell": put(lambda ds: channel(ds, 1), "ChannelStatus", "DISCONNECTED"),
    "derived without a word": put(group, "WaveformOriginality", "DERIVED"),
    "modifier of another lead": lambda ds: put(
        lambda ds: channel(ds, 1).ChannelSourceModifiersSequence[0], "CodeValue", "2:1"
    )(ds),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_wrong_object_of_32_bits_is_objected_to(name: str, objects: dict[str, Path]) -> None:
    assert check_bytes(mutant(objects["wide"], WIDE[name])), "the checker is silent"


def measurement(ds: Dataset) -> Dataset:
    return next(item for item in ds.WaveformAnnotationSequence if "NumericValue" in item)


def report(ds: Dataset) -> Dataset:
    return next(item for item in ds.WaveformAnnotationSequence if "UnformattedTextValue" in item)


def interval(ds: Dataset) -> Dataset:
    return next(item for item in ds.WaveformAnnotationSequence if "TemporalRangeType" in item)


ANNOTATIONS: dict[str, Mutate] = {
    "a value that is not a number": lambda ds: measurement(ds).add_new("NumericValue", "LO", "fast"),
    "a text beside a number": put(measurement, "UnformattedTextValue", "fast"),
    "a name beside a text": lambda ds: put(report, "ConceptNameCodeSequence", measurement(ds).ConceptNameCodeSequence)(
        ds
    ),
    "two names": lambda ds: measurement(ds).ConceptNameCodeSequence.append(measurement(ds).ConceptNameCodeSequence[0]),
    "two units": lambda ds: measurement(ds).MeasurementUnitsCodeSequence.append(
        measurement(ds).MeasurementUnitsCodeSequence[0]
    ),
    "a text of 1025 characters": put(report, "UnformattedTextValue", "x" * 1025),
    "channels of a second group": put(measurement, "ReferencedWaveformChannels", [2, 0]),
    "group 0": put(measurement, "ReferencedWaveformChannels", [0, 1]),
    "a fourth channel": put(measurement, "ReferencedWaveformChannels", [1, 4]),
    "half a pair of channels": put(measurement, "ReferencedWaveformChannels", [1, 0, 1]),
    "a range without positions": lambda ds: delattr(interval(ds), "ReferencedSamplePositions"),
    "positions without a range": lambda ds: delattr(interval(ds), "TemporalRangeType"),
    "a range of another type": put(interval, "TemporalRangeType", "MULTISEGMENT"),
    "a range of no enumerated type": put(interval, "TemporalRangeType", "PART"),
    "a range for a number": put(measurement, "TemporalRangeType", "SEGMENT"),
    "an interval that ends before it begins": put(interval, "ReferencedSamplePositions", [60, 51]),
    "an interval from sample 0": put(interval, "ReferencedSamplePositions", [0, 60]),
    "an interval beyond the last sample": put(interval, "ReferencedSamplePositions", [51, 201]),
    "three positions": put(interval, "ReferencedSamplePositions", [51, 60, 70]),
    "an interval of another lead": put(interval, "ReferencedWaveformChannels", [1, 1]),
    "an interval of all leads": put(interval, "ReferencedWaveformChannels", [1, 0]),
    "an interval of another code": lambda ds: put(
        lambda ds: interval(ds).ConceptNameCodeSequence[0], "CodeValue", "10:11216"
    )(ds),
    "held samples that are original": put(group, "WaveformOriginality", "ORIGINAL"),
    "held samples beside a padding value": lambda ds: group(ds).add_new("WaveformPaddingValue", "OW", b"\0\x80"),
    "baselines subtracted and stated": put(channel, "ChannelBaseline", "-0.05"),
    "baselines of other channels": lambda ds: put(
        lambda ds: ds.ContributingEquipmentSequence[1],
        "ContributionDescription",
        "Baselines were subtracted from the samples: 10, 10",
    )(ds),
    "baselines that are not numbers": lambda ds: put(
        lambda ds: ds.ContributingEquipmentSequence[1],
        "ContributionDescription",
        "Baselines were subtracted from the samples: ten",
    )(ds),
    "held samples that no step tells of": lambda ds: ds.ContributingEquipmentSequence.pop(),
    "an attribute of another module": put(measurement, "ObservationDateTime", "21000102"),
}


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_wrong_annotations_are_objected_to(name: str, objects: dict[str, Path]) -> None:
    assert check_bytes(mutant(objects["held"], ANNOTATIONS[name])), "the checker is silent"


Element = tuple[int, bytes, bytes]
"""Number within group 0002, VR and value."""


def meta_of(content: bytes) -> tuple[list[Element], bytes]:
    """File meta information without its length, and what follows it."""
    end = 144 + int.from_bytes(content[140:144], "little")
    elements, place = [], 144
    while place < end:
        number, vr = int.from_bytes(content[place + 2 : place + 4], "little"), content[place + 4 : place + 6]
        start = place + (12 if vr == b"OB" else 8)
        length = int.from_bytes(content[start - (4 if vr == b"OB" else 2) : start], "little")
        elements.append((number, vr, content[start : start + length]))
        place = start + length
    return elements, content[end:]


def file_of(elements: list[Element], rest: bytes) -> bytes:
    meta = b""
    for number, vr, value in elements:
        length = bytes(2) + len(value).to_bytes(4, "little") if vr == b"OB" else len(value).to_bytes(2, "little")
        meta += b"\2\0" + number.to_bytes(2, "little") + vr + length + value
    return bytes(128) + b"DICM\2\0\0\0UL\4\0" + len(meta).to_bytes(4, "little") + meta + rest


def with_value(number: int, value: bytes) -> Callable[[list[Element]], list[Element]]:
    def edit(elements: list[Element]) -> list[Element]:
        return [(n, vr, value if n == number else old) for n, vr, old in elements]

    return edit


META: dict[str, Callable[[list[Element]], list[Element]]] = {
    **{
        f"(0002,{number:04X}) removed": lambda elements, number=number: [e for e in elements if e[0] != number]
        for number in (1, 2, 3, 0x10, 0x12, 0x13)
    },
    **{f"(0002,{number:04X}) emptied": with_value(number, b"") for number in (1, 2, 3, 0x10, 0x12, 0x13)},
    "class of another object": with_value(2, b"1.2.840.10008.5.1.4.1.1.9.1.3\0"),
    "class that is not an ECG": with_value(2, b"1.2.840.10008.5.1.4.1.1.2\0"),
    "instance of another object": with_value(3, b"2.25.12\0"),
    "instance padded with a space": with_value(3, b"2.25.12 "),
    "transfer syntax Implicit VR": with_value(0x10, b"1.2.840.10008.1.2\0"),
    "transfer syntax Explicit VR Big Endian": with_value(0x10, b"1.2.840.10008.1.2.2\0"),
    "transfer syntax deflated": with_value(0x10, b"1.2.840.10008.1.2.1.99"),
    "transfer syntax of JPEG": with_value(0x10, b"1.2.840.10008.1.2.4.50"),
    "transfer syntax of nothing": with_value(0x10, b"1.2.3.4\0"),
    "version 2": with_value(1, b"\0\2"),
    "version of 1 byte": with_value(1, b"\1"),
    "implementation that is not a UID": with_value(0x12, b"wfdb2dicom"),
    "implementation with a leading zero": with_value(0x12, b"2.25.01\0"),
    "implementation of 66 characters": with_value(0x12, b"2.25." + b"1" * 61),
    "name of 18 characters": with_value(0x13, b"WFDB2DICOM_2345678"),
    "name that is not ASCII": with_value(0x13, "WFDBÄ ".encode()),
    "VR of the name": lambda elements: [(n, b"LO" if n == 0x13 else vr, v) for n, vr, v in elements],
    "VR of a UID": lambda elements: [(n, b"SH" if n == 3 else vr, v) for n, vr, v in elements],
    "an attribute more": lambda elements: [*elements, (0x16, b"AE", b"ME")],
    "an attribute twice": lambda elements: [*elements, elements[-1]],
    "attributes in another order": lambda elements: elements[::-1],
}


@pytest.mark.parametrize("name", META)
def test_wrong_file_meta_information_is_objected_to(name: str, objects: dict[str, Path]) -> None:
    content = objects["wide"].read_bytes()
    elements, rest = meta_of(content)
    assert file_of(elements, rest) == content
    assert check_bytes(file_of(META[name](elements), rest)), "the checker is silent"


@pytest.mark.parametrize("difference", [-12, -2, 1, 2, 10_000])
def test_a_wrong_length_of_file_meta_information_is_objected_to(difference: int, objects: dict[str, Path]) -> None:
    content = objects["wide"].read_bytes()
    length = int.from_bytes(content[140:144], "little") + difference
    assert check_bytes(content[:140] + length.to_bytes(4, "little") + content[144:])


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("which", ["held", "wide"])
def test_damaged_bytes_of_them_are_objected_to(name: str, which: str, objects: dict[str, Path]) -> None:
    content = objects[which].read_bytes()
    damaged = BYTES[name](content)
    if damaged != content:  # some damages are of the 12-lead class's bytes
        assert check_bytes(damaged)
