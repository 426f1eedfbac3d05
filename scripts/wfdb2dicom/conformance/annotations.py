"""The checker's rules for measurements and statements: PS3.3 C.10.10 Waveform Annotation module."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from wfdb2dicom.conformance import standard
from wfdb2dicom.conformance.attributes import OURS, Violation, check_attributes, check_code
from wfdb2dicom.dicom.part10 import Dataset, code_of, integer, integers, items_of, number, text

_SOURCE = "PS3.3 C.10.10"


def check_annotations(dataset: Dataset) -> Iterator[Violation]:
    """All rules of the Waveform Annotation Sequence; only a derived waveform needs one."""
    annotations = items_of(dataset, 0x0040B020)
    if 0x0040B020 in dataset and not annotations:
        yield Violation("WaveformAnnotationSequence", "has no item", _SOURCE)
    groups = items_of(dataset, 0x54000100)
    channels = [len(items_of(group, 0x003A0200)) for group in groups]
    for place, annotation in enumerate(annotations, 1):
        where = f"WaveformAnnotationSequence[{place}]."
        yield from _check_annotation(where, annotation, channels)
        yield from _check_range(where, annotation, groups)
    marked = any(0x0040A132 in annotation for annotation in annotations)
    if groups and marked != (text(groups[0], 0x003A0004) == "DERIVED"):
        message = "an original waveform has intervals of held values, or a derived one has none"
        yield Violation("WaveformAnnotationSequence", message, OURS)


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
        yield from _check_measurement(where, annotation)
    elif 0x004008EA in annotation:
        yield Violation(where + "MeasurementUnitsCodeSequence", "has no Numeric Value", _SOURCE)
    if 0x0040A0B0 in annotation:
        yield from _check_reference(where, integers(annotation, 0x0040A0B0, "H"), channels)


def _check_measurement(where: str, annotation: Dataset) -> Iterator[Violation]:
    """The code is one of those that the objects have, in its own unit."""
    scheme, code = code_of(annotation, 0x0040A043)
    if scheme != "MDC" or code not in standard.MEASUREMENTS:
        message = f"{code!r} of {scheme!r} is not a measurement that the objects have"
        yield Violation(where + "ConceptNameCodeSequence", message, OURS)
    elif code_of(annotation, 0x004008EA) != ("UCUM", standard.MEASUREMENTS[code]):
        message = f"is not {standard.MEASUREMENTS[code]!r} of UCUM"
        yield Violation(where + "MeasurementUnitsCodeSequence", message, f"{_SOURCE}; {OURS}")


def _check_range(where: str, annotation: Dataset, groups: list[Dataset]) -> Iterator[Violation]:
    """Intervals of a lead without a signal: in order, apart from each other, within the samples, with a status."""
    if (0x0040A130 in annotation) != (0x0040A132 in annotation):
        message = "Temporal Range Type and Referenced Sample Positions need each other"
        yield Violation(where + "TemporalRangeType", message, _SOURCE)
    if 0x0040A132 not in annotation:
        return
    positions = integers(annotation, 0x0040A132, "I")
    samples = integer(groups[0], 0x003A0010) if groups else None
    pairs = list(zip(positions[::2], positions[1::2], strict=False))
    ordered = all(first <= last for first, last in pairs) and all(
        earlier[1] < later[0] for earlier, later in itertools.pairwise(pairs)
    )
    if not pairs or len(positions) % 2 or not ordered or pairs[0][0] < 1 or pairs[-1][1] > (samples or 0):
        message = f"are not intervals within the {samples} samples"
        yield Violation(where + "ReferencedSamplePositions", message, "PS3.3 C.10.10.1.3")
    wanted = "SEGMENT" if len(pairs) == 1 else "MULTISEGMENT"
    if text(annotation, 0x0040A130) != wanted:
        message = f"is {text(annotation, 0x0040A130)!r} for {len(pairs)} intervals, not {wanted!r}"
        yield Violation(where + "TemporalRangeType", message, "PS3.3 C.10.10.1.2")
    if code_of(annotation, 0x0040A043) != standard.NO_SIGNAL:
        message = "is not that of an interval without a signal, 10:11248 of MDC"
        yield Violation(where + "ConceptNameCodeSequence", message, f"PS3.16 CID 3335; {OURS}")
    yield from _check_channel_status(where, annotation, groups)


def _check_channel_status(where: str, annotation: Dataset, groups: list[Dataset]) -> Iterator[Violation]:
    referenced = integers(annotation, 0x0040A0B0, "H")
    channels = items_of(groups[0], 0x003A0200) if groups else []
    if len(referenced) != 2 or not 1 <= referenced[1] <= len(channels):
        yield Violation(where + "ReferencedWaveformChannels", "names no single channel", OURS)
    elif not text(channels[referenced[1] - 1], 0x003A0205):
        yield Violation(where + "ReferencedWaveformChannels", "is a channel without Channel Status", OURS)


def _check_reference(where: str, numbers: tuple[int, ...], channels: list[int]) -> Iterator[Violation]:
    """Pairs of multiplex group and channel, both from 1; channel 0 = all of the group."""
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
    right = all(1 <= group <= len(channels) and channel <= channels[group - 1] for group, channel in pairs)
    if len(numbers) % 2 or not pairs or not right:
        message = f"{list(numbers)} are not pairs of an existing group and channel"
        yield Violation(where + "ReferencedWaveformChannels", message, "PS3.3 C.10.10.1.1")
