"""What the two protocols have in common: a client that sends objects, and the archive's answer to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from wfdb2dicom.errors import Wfdb2DicomError
from wfdb2dicom.words import printable


class ArchiveError(Wfdb2DicomError):
    """The job fails: no object is to blame and another try would not help. Names the reason and the remedy."""


class LoginRefused(ArchiveError):
    """The archive does not accept the credentials: every further try could lock the account."""


class Unreachable(Wfdb2DicomError):
    """The archive does not answer, or is in trouble of its own: worth another try."""


class DicomObject(NamedTuple):
    """A DICOM file to send."""

    sop_instance_uid: str
    sop_class_uid: str
    content: bytes


class Answer(NamedTuple):
    """The archive's answer to an object: ``taken``, ``present`` (it had it) or ``refused``, and its words."""

    status: str
    detail: str = ""


class ArchiveClient(Protocol):
    """A connection to an archive.

    Attributes
    ----------
    chunk : int
        Objects to hand over at once.
    """

    chunk: int

    def find(self, uids: Sequence[str], *, singly: bool = False) -> set[str] | None:
        """The SOP Instance UIDs that the archive lists; None when it cannot be asked.

        Parameters
        ----------
        uids : sequence of str
        singly : bool
            Ask for each object in a query of its own, after one query for all has not found it: some archives and
            proxies do not understand lists of UIDs.

        Raises
        ------
        Unreachable, ArchiveError
        """

    def send(self, objects: Sequence[DicomObject]) -> Iterator[tuple[str, Answer]]:
        """Send; yields SOP Instance UID and answer of each object as soon as it is known.

        Raises
        ------
        Unreachable
            Objects without an answer may have arrived or not.
        ArchiveError
        """

    def close(self) -> None:
        """End the connection."""


_DUPLICATE = 0x0111
# PS3.7 annex C.5.15 (resource limitation) and PS3.4 table B.2-1, of whose family A7xxH only these are about resources
# in the archives that use others: dcm4chee-arc refuses objects with A770H to A777H.
_OUT_OF_RESOURCES = {0x0213, 0xA700, 0xA701, 0xA702}
# PS3.4 table B.2-1 and PS3.7 annex C, for C-STORE; the same codes are STOW-RS's Failure Reason (PS3.18 table I.2-2).
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


def answer_of_status(code: int, comment: str = "") -> Answer:
    """The answer that a status code of C-STORE or STOW-RS means.

    Parameters
    ----------
    code : int
    comment : str
        The archive's own words (Error Comment).

    Raises
    ------
    Unreachable
        When the archive is out of resources, which is not about the object.
    """
    family = code >> 8
    comment = printable(comment, 64)  # as long as Error Comment may be (VR LO)
    if code == 0 or family == 0xB0:
        return Answer("taken", f"with warning {code:04X}H {comment}".strip() if code else "")
    if code == _DUPLICATE:
        return Answer("present")
    if code in _OUT_OF_RESOURCES:
        raise Unreachable(f"the archive is out of resources (status {code:04X}H) {comment}".strip())
    reason = _REASONS.get(code) or _REASON_FAMILIES.get(family) or "refused"
    return Answer("refused", f"{reason} (status {code:04X}H) {comment}".strip())
