"""The checker's rules for measurements and statements: PS3.3 C.10.10 Waveform Annotation module."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from wfdb2dicom.conformance import standard as standard
from wfdb2dicom.conformance.attributes import Violation, check_attributes, check_code
from wfdb2dicom.dicom.part10 import Dataset, number, text

_SOURCE = "PS3.3 C.10.10"


def check_annotations(dataset: Dataset) -> Iterator[Violation]:
    """All rules of the Waveform Annotation Sequence; nothing when there is none."""
    if 0x0040B020 not in dataset:
        return
    annotations = dataset[0x0040B020].items
    if not annotations:
        yield Violation("WaveformAnnotationSequence", "has no item", _SOURCE)
    groups = dataset[0x54000100].items if 0x54000100 in dataset else []
    channels = [len(group[0x003A0200].items) if 0x003A0200 in group else 0 for group in groups]
    for place, annotation in enumerate(annotations, 1):
        yield from _check_annotation(f"WaveformAnnotationSequence[{place}].", annotation, channels)


def _check_annotation(where: str, annotation: Dataset, channels: list[int]) -> Iterator[Violation]:
    yield from check_attributes(where, annotation, standard.ANNOTATION)
    for tag in (0x0040A043, 0x0040A168, 0x004008EA):
        yield from check_code(where, annotation, tag)
    named = 0x0040A043 in annotation
    if bool(text(annotation, 0x00700006)) == named:
        message = "must have either a text or a Concept Name Code Sequence"
        yield Violation(where + "UnformattedTextValue", message, _SOURCE)
    if 0x0040A30A in annotation:
        if number(annotation, 0x0040A30A) is None:
            yield Violation(where + "NumericValue", f"{text(annotation, 0x0040A30A)!r} is not a number", _SOURCE)
        if not named:
            yield Violation(where + "NumericValue", "has no Concept Name", _SOURCE)
        if text(_first(annotation, 0x004008EA), 0x00080102) != "UCUM":
            yield Violation(
                where + "MeasurementUnitsCodeSequence", "is not a UCUM unit", f"{_SOURCE}; PS3.16 section 8"
            )
    elif 0x004008EA in annotation:
        yield Violation(where + "MeasurementUnitsCodeSequence", "has no Numeric Value", _SOURCE)
    if 0x0040A0B0 in annotation:
        yield from _check_reference(where, annotation[0x0040A0B0].value, channels)


def _first(dataset: Dataset, tag: int) -> Dataset:
    items = dataset[tag].items if tag in dataset else []
    return items[0] if items else {}


def _check_reference(where: str, value: bytes, channels: list[int]) -> Iterator[Violation]:
    """Pairs of multiplex group and channel, both from 1; channel 0 = all of the group."""
    numbers = struct.unpack(f"<{len(value) // 2}H", value[: len(value) // 2 * 2])
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
    right = all(1 <= group <= len(channels) and channel <= channels[group - 1] for group, channel in pairs)
    if len(numbers) % 2 or not pairs or not right:
        message = f"{list(numbers)} are not pairs of an existing group and channel"
        yield Violation(where + "ReferencedWaveformChannels", message, "PS3.3 C.10.10.1.1")
