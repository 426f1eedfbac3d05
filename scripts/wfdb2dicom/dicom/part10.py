"""A parser of DICOM files (PS3.10) in Explicit VR Little Endian, the only transfer syntax that this project writes.

The checker and the way back to WFDB read with this parser: it shares nothing with `wfdb2dicom.dicom.elements`, which
wrote the objects, notices what a tolerant reader forgives, and takes half a millisecond.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from wfdb2dicom.errors import Wfdb2DicomError

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_SHORT = frozenset(re.findall("..", "AEASATCSDADSDTFDFLISLOLTPNSHSLSSSTTMUIULUS"))
_LONG = frozenset(re.findall("..", "OBODOFOLOVOWSQSVUCUNURUTUV"))
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_DEEPEST = 16  # sequences in sequences; an ECG object has three
_PREFIX = struct.Struct("<HH2sH").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
_ITEM_PREFIX = struct.Struct("<HHI").unpack_from


class MalformedError(Wfdb2DicomError):
    """The bytes are not a DICOM file in Explicit VR Little Endian. Names the byte and the source of the rule."""

    def __init__(self, message: str, source: str) -> None:
        super().__init__(f"{message} [{source}]")
        self.message, self.source = message, source

    def __reduce__(self) -> tuple[type[MalformedError], tuple[str, str]]:
        """As it was made, so that it comes back from another process."""
        return type(self), (self.message, self.source)


class Element(NamedTuple):
    """A data element: its VR, and its value as bytes or, of a sequence, as items."""

    vr: str
    value: bytes
    items: list[Dataset]

    def text(self) -> str:
        """The value without its padding; bytes that are not UTF-8 stay visible as surrogates."""
        return self.value.decode("utf-8", "surrogateescape").rstrip("\0" if self.vr == "UI" else " ")

    def integer(self) -> int | None:
        """The value of a US or UL with one value, else None."""
        size = {"US": 2, "UL": 4}.get(self.vr)
        return int.from_bytes(self.value, "little") if len(self.value) == size else None


Dataset = dict[int, Element]
"""Tag as 0xGGGGEEEE → element, in the order of the file."""


def number(dataset: Dataset, tag: int) -> float | None:
    """The value of a DS with one finite value, else None."""
    try:
        value = float(dataset[tag].text()) if tag in dataset else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None


def text(dataset: Dataset, tag: int) -> str:
    """The value of a text attribute, "" when it is missing."""
    return dataset[tag].text() if tag in dataset else ""


def integer(dataset: Dataset, tag: int) -> int | None:
    """The value of a US or UL with one value, else None."""
    return dataset[tag].integer() if tag in dataset else None


def integers(dataset: Dataset, tag: int, form: str) -> tuple[int, ...]:
    """The values of a US (`form` "H") or UL ("I"), none when it is missing."""
    value = dataset[tag].value if tag in dataset else b""
    count = len(value) // struct.calcsize(form)
    return struct.unpack_from(f"<{count}{form}", value)


def items_of(dataset: Dataset, tag: int) -> list[Dataset]:
    """The items of a sequence, none when it is missing."""
    return dataset[tag].items if tag in dataset else []


def code_of(dataset: Dataset, tag: int) -> tuple[str, str]:
    """Coding scheme and value of the first item of a code sequence, empty when there is none."""
    item = next(iter(items_of(dataset, tag)), {})
    return text(item, 0x00080102), text(item, 0x00080100)


@dataclass(slots=True)
class Part10:
    """A DICOM file.

    Attributes
    ----------
    meta, dataset : Dataset
        File meta information and data set.
    encoding_faults : list of (int, str, str)
        Tag, message and source of each rule of encoding that is broken without hiding what is meant.
    """

    meta: Dataset
    dataset: Dataset
    encoding_faults: list[tuple[int, str, str]] = field(default_factory=list)


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like a DICOM file (PS3.10 section 7.1)."""
    with open(path, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def parse(content: bytes) -> Part10:
    """Parse a DICOM file.

    Raises
    ------
    MalformedError
        When the bytes cannot be understood: no DICOM file, cut short, another transfer syntax.
    """
    if content[128:132] != b"DICM":
        raise MalformedError("no 'DICM' at byte 128: this is not a DICOM file", "PS3.10 section 7.1")
    reader = _Reader(content)
    start = 132
    if content[start : start + 8] != b"\x02\0\0\0UL\x04\0":
        raise MalformedError("no File Meta Information Group Length at byte 132", "PS3.10 section 7.1")
    if len(content) < start + 12:
        raise MalformedError(f"ends at byte {len(content)}: it is cut short", "PS3.10 section 7.1")
    end = start + 12 + _LENGTH(content, start + 8)[0]
    meta = reader.dataset(start, end)
    syntax = meta.get(0x00020010)
    if syntax is None or syntax.text() != EXPLICIT_VR_LITTLE_ENDIAN:
        found = syntax.text() if syntax else "none"
        raise MalformedError(f"transfer syntax {found}, not Explicit VR Little Endian", "PS3.10 section 7.1")
    dataset = reader.dataset(end, len(content))
    for tag in meta:
        if tag >> 16 != 2:
            reader.encoding_faults.append(
                (tag, "belongs in the data set, not in the file meta information", "PS3.10 section 7.1")
            )
    for tag in dataset:
        if tag >> 16 < 8:
            reader.encoding_faults.append(
                (tag, "belongs in the file meta information, not in the data set", "PS3.5 section 7.1")
            )
    return Part10(meta, dataset, reader.encoding_faults)


class _Reader:
    """Reads elements of a file and collects the faults of encoding that it meets."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.encoding_faults: list[tuple[int, str, str]] = []

    def dataset(self, at: int, end: int) -> Dataset:
        """The elements between two bytes."""
        if end > len(self.content):
            raise MalformedError(f"ends at byte {len(self.content)} of {end}: it is cut short", "PS3.5 section 7.1")
        return self._elements(at, end, 0)[0]

    def _elements(self, at: int, end: int, depth: int, *, delimited: bool = False) -> tuple[Dataset, int]:
        """The elements from a byte to `end`, or to an item's delimiter, and the byte after them."""
        found: Dataset = {}
        last = -1
        while at < end and not (delimited and self.content[at : at + 8] == _END_OF_ITEM):
            tag, element, at = self._element(at, end, depth)
            if tag <= last:
                self.encoding_faults.append((tag, "appears twice or after a higher tag", "PS3.5 section 7.1"))
            last = tag
            found[tag] = element
        if delimited and at >= end:
            raise MalformedError(f"an item that ends at byte {end} has no delimiter", "PS3.5 section 7.5")
        return found, at

    def _element(self, at: int, end: int, depth: int) -> tuple[int, Element, int]:
        """Tag and element at a byte, and the byte after it."""
        if at + 8 > end:
            raise MalformedError(f"{end - at} bytes at byte {at} are not a data element", "PS3.5 section 7.1.2")
        group, number, code, length = _PREFIX(self.content, at)
        tag, vr = group << 16 | number, code.decode("latin-1")
        start = at + 8
        if vr in _LONG:
            if at + 12 > end:
                raise MalformedError(f"the element at byte {at} is cut short", "PS3.5 section 7.1.2")
            length, start = _LENGTH(self.content, at + 8)[0], at + 12
        elif vr not in _SHORT:
            raise MalformedError(f"({group:04X},{number:04X}) at byte {at} has no VR: {code!r}", "PS3.5 section 7.1.2")
        if vr == "SQ":
            items, after = self._items(tag, start, end, length, depth)
            return tag, Element(vr, b"", items), after
        if start + length > end:
            missing = start + length - end
            raise MalformedError(
                f"({group:04X},{number:04X}) at byte {at} lacks {missing} of its bytes: it is cut short",
                "PS3.5 section 7.1.1",
            )
        if length % 2:
            self.encoding_faults.append((tag, f"has an odd length, {length}", "PS3.5 section 7.1.1"))
        return tag, Element(vr, self.content[start : start + length], []), start + length

    def _items(self, tag: int, at: int, end: int, length: int, depth: int) -> tuple[list[Dataset], int]:
        """The items of a sequence, and the byte after it."""
        name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        if depth == _DEEPEST:
            raise MalformedError(f"sequence {name} is nested more than {_DEEPEST} deep", "PS3.5 section 7.5")
        stop = end if length == _UNDEFINED else at + length
        if stop > end:
            raise MalformedError(
                f"sequence {name} is {stop - end} bytes longer than what holds it", "PS3.5 section 7.5"
            )
        items: list[Dataset] = []
        while at < stop:
            if at + 8 > stop:
                raise MalformedError(f"sequence {name} ends within an item", "PS3.5 section 7.5")
            group, number, size = _ITEM_PREFIX(self.content, at)
            kind = group << 16 | number
            if kind == _SEQUENCE_END and length == _UNDEFINED:
                return items, at + 8
            if kind != _ITEM:
                raise MalformedError(f"sequence {name} has no item at byte {at}", "PS3.5 section 7.5")
            if size == _UNDEFINED:
                item, at = self._elements(at + 8, stop, depth + 1, delimited=True)
                items.append(item)
                at += 8
                continue
            if at + 8 + size > stop:
                raise MalformedError(f"an item of {name} at byte {at} is longer than its sequence", "PS3.5 section 7.5")
            items.append(self._elements(at + 8, at + 8 + size, depth + 1)[0])
            at += 8 + size
            if self.content[at : at + 8] == _END_OF_ITEM:
                at += 8
        if length == _UNDEFINED:
            raise MalformedError(f"sequence {name} has no end", "PS3.5 section 7.5")
        return items, at


_END_OF_ITEM = struct.pack("<HHI", _ITEM_END >> 16, _ITEM_END & 0xFFFF, 0)
