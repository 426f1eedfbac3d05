"""What the two protocols have in common: a client that sends objects, and what the archive says of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from wfdb2dicom.errors import Wfdb2DicomError


class Unreachable(Wfdb2DicomError):
    """The archive does not answer, or is in trouble of its own: worth another try."""


class Object(NamedTuple):
    """A DICOM file to send."""

    sop_instance_uid: str
    sop_class_uid: str
    content: bytes


class Verdict(NamedTuple):
    """What the archive says of an object: ``stored``, ``present`` (it had it) or ``refused``, and its words."""

    status: str
    detail: str = ""


class Client(Protocol):
    """A connection to an archive.

    Attributes
    ----------
    chunk : int
        Objects to hand over at once.
    """

    chunk: int

    def present(self, uids: Sequence[str]) -> set[str] | None:
        """Those of the objects that the archive lists; None when it cannot be asked.

        Raises
        ------
        Unreachable, ArchiveError
        """

    def send(self, objects: Sequence[Object]) -> Iterator[tuple[str, Verdict]]:
        """Send; SOP Instance UID and verdict of each object as it is known.

        Raises
        ------
        Unreachable
            Objects without a verdict may have arrived or not.
        ArchiveError
        """

    def close(self) -> None:
        """End the connection."""


# PS3.4 table B.2-1 and PS3.7 annex C, for C-STORE; the same codes are STOW-RS's Failure Reason (PS3.18 table I.2-2).
_DUPLICATE = 0x0111
_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such instance",
    0x0117: "invalid object instance",
    0x0118: "no such SOP class",
    0x0122: "the archive does not take this SOP class",
    0x0124: "not authorized",
    0xC122: "the archive does not take this transfer syntax",
}
_REASON_FAMILIES = {0xA9: "the data set does not match its SOP class", 0xC0: "the archive cannot understand it"}


def judge(code: int, comment: str = "") -> Verdict:
    """The verdict of a status code of C-STORE or STOW-RS.

    Raises
    ------
    Unreachable
        When it speaks of the archive and not of the object: out of resources.
    """
    family = code >> 8
    if code == 0 or family == 0xB0:
        return Verdict("stored", f"with warning {code:04X}H {comment}".strip() if code else "")
    if code == _DUPLICATE:
        return Verdict("present")
    if family == 0xA7:
        raise Unreachable(f"the archive is out of resources (status {code:04X}H) {comment}".strip())
    reason = _REASONS.get(code) or _REASON_FAMILIES.get(family) or "refused"
    return Verdict("refused", f"{reason} (status {code:04X}H) {comment}".strip())
