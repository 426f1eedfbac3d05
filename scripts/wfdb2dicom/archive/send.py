"""Sending the objects of a batch to an archive: what it has is not sent again, and a killed run resumes.

Each object that is known to have arrived is a line of the batch's journal. The journal is kept by archive, so it also
says what to leave out next time: an object whose content changed has another SOP Instance UID and is sent, an
unchanged one is not. The archive is asked for objects that the journal does not know first, which finds those that
were on their way when a run was killed. Where it cannot be asked they are sent again, which is harmless: the same UID
is the same object. After sending, the archive is asked again: an acknowledgement alone is not proof.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.archive.client import Answer, ArchiveClient, ArchiveError, DicomObject, Unreachable
from wfdb2dicom.archive.journal import Arrival, Journal, open_journal
from wfdb2dicom.archive.login import LoginGate
from wfdb2dicom.archive.sent_table import SentObject, count_missing, write_sent
from wfdb2dicom.archive.settings import Archive
from wfdb2dicom.batches.tables import read_receipt
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.words import printable

WAITS = (1.0, 4.0)  # seconds before the second and the third try
_NOT_CONFIRMED = "accepted, not confirmed: the archive cannot be asked what it has"
_NOT_LISTED = "the archive acknowledged it and does not list it: see the archive's own rules and log"


@dataclass(frozen=True)
class BatchTotals:
    """Objects of a batch by status, how many of them were sent just now, and in what time."""

    name: str
    counts: Counter[str]
    sent: int
    seconds: float

    def __str__(self) -> str:
        arrived = self.counts["stored"] + self.counts["present"] + self.counts["accepted"]
        objects = sum(self.counts.values()) - self.counts["superseded"]
        rate = f", {self.sent / self.seconds:.0f} objects/s" if self.sent and self.seconds > 0 else ""
        accepted = f", {self.counts['accepted']} accepted, not confirmed" if self.counts["accepted"] else ""
        return (
            f"store {self.name}: {objects} objects, {self.sent} sent, {arrived - self.sent} there already, "
            f"{count_missing(self.counts)} not taken{accepted}{rate}"
        )


class _Item(NamedTuple):
    """An object of the receipt, to be sent unless the archive has it."""

    study_id: str
    uid: str
    sop_class_uid: str
    dicom: str
    size: int
    sha256: str

    def became(self, status: str, detail: str = "") -> SentObject:
        return SentObject(self.study_id, self.uid, status, printable(detail), self.dicom)


def send_batch(
    receipt: Path,
    table: Path,
    journals: Path,
    dcm_dir: str,
    archive: Archive,
    client: ArchiveClient,
    *,
    token: str = "",
    run: str = "",
    waits: Sequence[float] = WAITS,
) -> BatchTotals:
    """Send the objects of a receipt that the archive does not have, and write the batch's table.

    Parameters
    ----------
    receipt : Path
        Of a converted batch, see `wfdb2dicom.batches.tables`.
    table : Path
        To write, see `wfdb2dicom.archive.sent_table`.
    journals : Path
        Folder of the journals.
    dcm_dir : str
        Folder of the DICOM files.
    archive : StowArchive or DimseArchive
        Where `client` sends.
    token : str
        Kept in the table, see `wfdb2dicom.archive.sent_table.resend_token`.
    run : str
        Names the run whose jobs stop together when the archive refuses the log-in; "" for none.
    waits : sequence of float
        Seconds before each further try when the archive does not answer.

    Raises
    ------
    ArchiveError
        When the archive cannot be reached or refuses the log-in. What has arrived is in the journal.
    TableError
        When the receipt is damaged.
    """
    start = time.monotonic()
    items = list(_items(receipt))
    name = receipt.stem
    with open_journal(journals, archive, receipt.name) as journal:
        sender = _Sender(client, journal, dcm_dir, LoginGate(journals, run), waits)
        try:
            sender.send_all([item for item in items if item.uid not in journal.known])
        except Unreachable as error:
            there = sum(item.uid in journal.known for item in items)
            raise ArchiveError(
                f"{error}; {there} of the {len(items)} objects of batch {name} are there, run again for the rest"
            ) from error
        rows = [sender.failed.get(item.uid) or _arrived(item, journal) for item in items]
        rows += _superseded(items, journal)
    counts = write_sent(table, str(archive), token, rows)
    return BatchTotals(name, counts, sender.sent, time.monotonic() - start)


def _items(receipt: Path) -> Iterator[_Item]:
    for row in read_receipt(receipt):
        if row.status != "failed":
            facts = json.loads(row.facts)
            uid, sop_class = facts["sop_instance_uid"], facts["sop_class_uid"]
            yield _Item(row.study_id, uid, sop_class, row.dicom, int(row.size), row.sha256)


class _Sender:
    """Sends chunk by chunk, with further tries when the archive does not answer."""

    def __init__(
        self, client: ArchiveClient, journal: Journal, dcm_dir: str, gate: LoginGate, waits: Sequence[float]
    ) -> None:
        self._client = client
        self._journal = journal
        self._dcm_dir = dcm_dir
        self._gate = gate
        self._waits = waits
        self._acknowledged: dict[str, tuple[_Item, Answer]] = {}  # not yet seen in the archive's own list
        self.failed: dict[str, SentObject] = {}
        self.sent = 0

    def send_all(self, items: Sequence[_Item]) -> None:
        """Send what the archive does not have; `failed` holds what is not there at the end, by SOP Instance UID.

        Raises
        ------
        Unreachable, ArchiveError
        """
        for at in range(0, len(items), self._client.chunk):
            chunk = items[at : at + self._client.chunk]
            self._persist(partial(self._send, chunk, first=at == 0))
        for wait in self._waits:
            if self._acknowledged:  # listed late, or never
                time.sleep(wait)
                self._persist(self._confirm)
        for item, answer in self._acknowledged.values():
            self.failed[item.uid] = item.became("unconfirmed", f"{_NOT_LISTED} {answer.detail}")

    def _persist(self, action: Callable[[], None]) -> None:
        for wait in self._waits:
            try:
                with self._gate.contact():
                    return action()
            except Unreachable:
                time.sleep(wait)
        with self._gate.contact():
            return action()

    def _send(self, chunk: Sequence[_Item], *, first: bool) -> None:
        done = self._journal.known.keys() | self.failed.keys() | self._acknowledged.keys()
        todo = {item.uid: item for item in chunk if item.uid not in done}
        listed = self._client.find(list(todo))
        if listed is not None and first and self._journal.resumed:  # among these are any that were on their way
            missing = [uid for uid in todo if uid not in listed]
            listed |= self._client.find(missing, singly=True) or set()
        for uid in listed or ():
            self._note(todo.pop(uid), "present")
        objects = [found for item in todo.values() if (found := self._load(item))]
        for uid, answer in self._client.send(objects) if objects else ():
            if answer.status == "refused":
                self.failed[uid] = todo[uid].became("refused", answer.detail)
            elif listed is None:  # an archive that cannot be asked: noted at once
                self._note_unconfirmed(todo[uid], answer)
            else:
                self._acknowledged[uid] = (todo[uid], answer)
        self._confirm()

    def _confirm(self) -> None:
        """Note what the archive lists, as some acknowledge objects and then drop them."""
        uids = list(self._acknowledged)
        for at in range(0, len(uids), self._client.chunk):
            part = uids[at : at + self._client.chunk]
            listed = self._client.find(part)
            if listed is not None:
                more = self._client.find([uid for uid in part if uid not in listed], singly=True)
                listed = None if more is None else listed | more
            for uid in part if listed is None else listed:
                item, answer = self._acknowledged.pop(uid)
                if listed is None:
                    self._note_unconfirmed(item, answer)
                else:
                    self._note(item, "stored" if answer.status == "taken" else "present")

    def _note_unconfirmed(self, item: _Item, answer: Answer) -> None:
        self._note(item, "accepted" if answer.status == "taken" else "present")

    def _note(self, item: _Item, status: str) -> None:
        self.sent += status != "present"
        self._journal.add(item.uid, Arrival(item.study_id, status))

    def _load(self, item: _Item) -> DicomObject | None:
        """The converted file; if it has changed since, the object counts as failed."""
        path = os.path.join(self._dcm_dir, item.dicom)
        try:
            content = read_file(path)
        except OSError as error:
            problem = f"{path} cannot be read ({error.strerror})"
        else:
            if len(content) == item.size and sha256(content).hexdigest() == item.sha256:
                return DicomObject(item.uid, item.sop_class_uid, content)
            problem = f"{path} is not the file that was converted"
        self.failed[item.uid] = item.became("changed", f"{problem}: run the workflow again to convert it anew")
        return None


def _arrived(item: _Item, journal: Journal) -> SentObject:
    status = journal.known[item.uid].status
    return item.became(status, _NOT_CONFIRMED if status == "accepted" else "")


def _superseded(items: Sequence[_Item], journal: Journal) -> list[SentObject]:
    """Objects that were sent and are no longer what their study is: nothing is ever removed from an archive."""
    current = {item.uid for item in items}
    studies = {item.study_id for item in items}
    return [
        SentObject(
            arrival.study_id,
            uid,
            "superseded",
            f"its study has {'another' if arrival.study_id in studies else 'no'} object now",
            "",
        )
        for uid, arrival in journal.known.items()
        if uid not in current
    ]
