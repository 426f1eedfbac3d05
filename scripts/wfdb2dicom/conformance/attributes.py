"""Rules for single attributes, by which the checker judges every level of an object: presence, VR, form, values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from wfdb2dicom.conformance import standard
from wfdb2dicom.dicom.part10 import Dataset, Element, items_of

OURS = "promised in docs/conformance.md"


class Violation(NamedTuple):
    """A rule that an object breaks.

    Attributes
    ----------
    keyword : str
        The attribute, with the item that holds it: ``WaveformSequence[1].ChannelDefinitionSequence[3].…``.
    message : str
        What is wrong, with the value.
    source : str
        Where to find the rule.
    """

    keyword: str
    message: str
    source: str

    def __str__(self) -> str:
        return f"{self.keyword}: {self.message} [{self.source}]"


def name_of(tag: int) -> str:
    """``(gggg,eeee)`` or, where the tables know it, the keyword."""
    for table in _TABLES:
        if tag in table:
            return table[tag].keyword
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


_TABLES = (
    standard.OBJECT,
    standard.GROUP,
    standard.CHANNEL,
    standard.CODE,
    standard.META,
    standard.ANNOTATION,
    standard.CONTRIBUTION,
)


def check_attributes(where: str, dataset: Dataset, table: Mapping[int, standard.Attribute]) -> Iterator[Violation]:
    """Presence, VR, form and allowed values of a data set's own attributes, and that it has no others."""
    for tag, attribute in table.items():
        element = dataset.get(tag)
        if element is None:
            if attribute.need in "12+":
                yield Violation(where + attribute.keyword, "is missing", _source(attribute))
            continue
        if not element.value and not element.items:
            if attribute.need != "2":
                yield Violation(where + attribute.keyword, "has no value", _source(attribute))
        elif fault := _fault_of_value(element, attribute):
            yield Violation(where + attribute.keyword, fault, attribute.source)
        if element.vr != attribute.vr:
            yield Violation(
                where + attribute.keyword, f"has VR {element.vr}, not {attribute.vr}", _vr_source(attribute)
            )
    for tag in dataset.keys() - table.keys():
        yield _stranger(where, tag)


def _source(attribute: standard.Attribute) -> str:
    return f"{attribute.source}; {OURS}" if attribute.need in "3+" else attribute.source


def _vr_source(attribute: standard.Attribute) -> str:
    return attribute.source if attribute.source.startswith("PS3.5") else f"PS3.6 section 6; {attribute.source}"


def _stranger(where: str, tag: int) -> Violation:
    if tag == 0x00080201:
        message = "claims a UTC offset, which the source of shifted local times does not know"
        return Violation(where + "TimezoneOffsetFromUTC", message, f"PS3.3 C.12.1; {OURS}")
    kind = "a private attribute" if tag >> 16 & 1 else "an attribute that the objects do not have here"
    return Violation(where + f"({tag >> 16:04X},{tag & 0xFFFF:04X})", f"is {kind}", OURS)


# --- values, PS3.5 table 6.2-1 ----------------------------------------------------------------------------------

_VALUE: dict[str, Callable[[str], object]] = {
    "AS": re.compile(r"\d{3}[DWMY]").fullmatch,
    "CS": re.compile(r"[A-Z0-9_ ]{1,16}").fullmatch,
    "DA": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])").fullmatch,
    "DS": re.compile(r"(?=.{1,16}$) *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *").fullmatch,
    "DT": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d(\.\d{1,6})?").fullmatch,
    "IS": re.compile(r"[-+]?\d{1,11}").fullmatch,
    "TM": re.compile(r"([01]\d|2[0-3])[0-5]\d[0-5]\d(\.\d{1,6})?").fullmatch,
    "UI": re.compile(r"(?=.{3,64}$)[0-2](\.(0|[1-9]\d*))+").fullmatch,
}
_LENGTH = {"LO": 64, "PN": 64, "SH": 16, "ST": 1024}
_BYTES = {"UL": 4, "US": 2}
_MANY = {
    "DeidentificationMethod",
    "SoftwareVersions",
    "ReferencedWaveformChannels",
    "ReferencedSamplePositions",
}  # with more than one value


def _fault_of_value(element: Element, attribute: standard.Attribute) -> str:
    """The fault of a value considered alone, "" when it has none."""
    vr = attribute.vr
    if vr in _BYTES:
        size = len(element.value)
        one = size == _BYTES[vr] or (attribute.keyword in _MANY and size % _BYTES[vr] == 0)
        return "" if one else f"has {size} bytes where a {vr} has {_BYTES[vr]}"
    if vr not in _VALUE and vr not in _LENGTH:
        return ""
    text = element.text()
    if attribute.values and text not in attribute.values:
        return f"is {text!r}, not {' or '.join(map(repr, attribute.values))}"
    values = text.split("\\") if attribute.keyword in _MANY else [text]
    for value in values:
        if vr in _VALUE and not _VALUE[vr](value):
            hint = ": no UTC offset is known" if vr == "DT" and re.search(r"[-+]\d{4}$", value) else ""
            return f"{value!r} is not a {vr} as the objects have it{hint}"
        if vr in _LENGTH and (len(value) > _LENGTH[vr] or "\\" in value or not value.isprintable()):
            return f"{value!r} is not a {vr} of one value and at most {_LENGTH[vr]} characters"
    return ""


def check_code(where: str, dataset: Dataset, tag: int) -> Iterator[Violation]:
    """A code sequence has one item with value, scheme and meaning; nothing when it is missing."""
    items = items_of(dataset, tag)
    if len(items) > 1:
        yield Violation(where + name_of(tag), f"has {len(items)} items instead of one", "PS3.3 C.10.9")
    for item in items:
        yield from check_attributes(f"{where}{name_of(tag)}[1].", item, standard.CODE)
