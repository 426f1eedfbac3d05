"""The project's own checker: what the standard demands of an ECG object and no validator looks at.

dciodvfy checks the presence and form of attributes. It says nothing of the limits of the ECG classes, of the meaning
of a lead code, of the length of the samples (docs/conformance.md has the list); this module does, and for the
attributes that it knows it repeats the rest, so that it suffices alone for a class that dciodvfy does not know.

It reads the bytes with `wfdb2dicom.dicom.part10` and the tables of `wfdb2dicom.conformance.standard`, neither of which
the encoder uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wfdb2dicom.conformance import standard
from wfdb2dicom.conformance.annotations import check_annotations
from wfdb2dicom.conformance.attributes import OURS, Violation, check_attributes, check_code, name_of
from wfdb2dicom.conformance.waveform import check_groups
from wfdb2dicom.dicom import stated_changes
from wfdb2dicom.dicom.part10 import Dataset, MalformedError, Part10, code_of, items_of, number, parse, text
from wfdb2dicom.system.regular_file import read_file


def check_file(path: Path | str) -> list[Violation]:
    """Every rule that a DICOM file breaks; an empty list when it conforms.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    return check_bytes(read_file(path, follow_links=True))


def check_bytes(content: bytes) -> list[Violation]:
    """As `check_file`, of a file's content."""
    try:
        file = parse(content)
    except MalformedError as error:
        return [Violation("file", error.message, error.source)]
    return check_parsed(file)


def check_parsed(file: Part10) -> list[Violation]:
    """As `check_file`, of a parsed file."""
    findings = [Violation(name_of(tag), message, source) for tag, message, source in file.encoding_faults]
    findings += check_attributes("", file.meta, standard.META)
    findings += check_attributes("", file.dataset, standard.OBJECT)
    findings += _check_identity(file)
    findings += _check_times(file.dataset)
    findings += _check_equipment(file.dataset)
    findings += _check_titles(file.dataset)
    findings += check_groups(file.dataset)
    findings += check_annotations(file.dataset)
    return findings


def _check_identity(file: Part10) -> Iterator[Violation]:
    """File meta information and data set agree, the UIDs differ, and text is in the stated character set."""
    meta, dataset = file.meta, file.dataset
    for in_meta, in_dataset in ((0x00020002, 0x00080016), (0x00020003, 0x00080018)):
        if text(meta, in_meta) != text(dataset, in_dataset):
            message = f"is {text(meta, in_meta)}, but {name_of(in_dataset)} is {text(dataset, in_dataset)}"
            yield Violation(name_of(in_meta), message, "PS3.10 section 7.1")
    version = meta.get(0x00020001)
    if version is not None and version.value != b"\0\1":
        yield Violation("FileMetaInformationVersion", f"is {version.value!r}, not b'\\x00\\x01'", "PS3.10 section 7.1")
    uids = [text(dataset, tag) for tag in (0x00080018, 0x0020000D, 0x0020000E)]
    if len(set(uids)) < len(uids):
        yield Violation("SOPInstanceUID", "study, series and instance share an identifier", "PS3.5 section 9")
    unicode = text(dataset, 0x00080005) == "ISO_IR 192"
    for tag, element in dataset.items():
        if element.vr in ("LO", "PN", "SH", "ST") and not element.value.isascii():
            if not unicode:
                yield Violation(name_of(tag), "is not ASCII, and SpecificCharacterSet is absent", "PS3.3 C.12.1.1.2")
            elif not element.text().isprintable():
                yield Violation(name_of(tag), "is not UTF-8, as SpecificCharacterSet says", "PS3.5 section 6.1.2.2")


def _check_times(dataset: Dataset) -> Iterator[Violation]:
    """One moment, and one only, is known of these studies: that of the first sample."""
    moment = text(dataset, 0x0008002A)
    for date, time in ((0x00080020, 0x00080030), (0x00080023, 0x00080033)):
        if moment and text(dataset, date) + text(dataset, time) != moment:
            message = f"{text(dataset, date)} {text(dataset, time)} is another moment than AcquisitionDateTime {moment}"
            yield Violation(name_of(date), message, f"PS3.3 C.10.8; {OURS}")


def _check_titles(dataset: Dataset) -> Iterator[Violation]:
    """Study and Series Description are those of the class."""
    description = standard.DESCRIPTIONS.get(text(dataset, 0x00080016), "")
    for tag in (0x00081030, 0x0008103E):
        if description and tag in dataset and text(dataset, tag) != description:
            yield Violation(name_of(tag), f"is {text(dataset, tag)!r}, not {description!r}", OURS)


def _check_equipment(dataset: Dataset) -> Iterator[Violation]:
    if text(dataset, 0x00080016) == standard.GENERAL_32_BIT:
        for tag in standard.ENHANCED_EQUIPMENT:
            if not text(dataset, tag):
                yield Violation(name_of(tag), "has no value, as General 32-bit ECG demands", "PS3.3 C.7.5.2")
    if (contributing := dataset.get(0x0018A001)) is None:
        return
    if not contributing.items:
        yield Violation("ContributingEquipmentSequence", "has no item", "PS3.3 C.12.1")
    for place, item in enumerate(contributing.items, 1):
        where = f"ContributingEquipmentSequence[{place}]."
        yield from check_attributes(where, item, standard.CONTRIBUTION)
        yield from check_code(where, item, 0x0040A170)
        if items_of(item, 0x0040A170) and code_of(item, 0x0040A170) != standard.PROCESSING_EQUIPMENT:
            message = "is not Processing Equipment, 109102 of DCM"
            yield Violation(where + "PurposeOfReferenceCodeSequence", message, f"PS3.16 CID 7005; {OURS}")
    yield from _check_steps(dataset)


def _check_steps(dataset: Dataset) -> Iterator[Violation]:
    """The steps that change samples agree with the waveform."""
    steps = stated_changes.descriptions(dataset)
    groups = items_of(dataset, 0x54000100)
    channels = [channel for group in groups for channel in items_of(group, 0x003A0200)]
    if (stated_changes.HELD in steps) != any(text(group, 0x003A0004) == "DERIVED" for group in groups):
        message = "a derived waveform has no step that derives it, or an original one has"
        yield Violation("ContributingEquipmentSequence", message, f"PS3.3 C.10.9.1.3; {OURS}")
    try:
        baselines = stated_changes.subtracted(dataset)
    except ValueError as error:
        yield Violation("ContributingEquipmentSequence", f"baselines subtracted: {error}", OURS)
        return
    zeroed = not any(number(channel, 0x003A0213) for channel in channels)
    if baselines and (len(baselines) != len(channels) or not zeroed):
        message = f"{len(baselines)} baselines were subtracted, but channels are others or have a Channel Baseline"
        yield Violation("ContributingEquipmentSequence", message, OURS)
