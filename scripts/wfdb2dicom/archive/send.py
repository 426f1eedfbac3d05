"""Sending the objects of a batch to an archive: what it has is not sent again, and a killed run resumes.

Each object that is known to have arrived is a line of the batch's journal. The journal is kept by archive, so it also
says what to leave out next time: an object whose content changed has another SOP Instance UID and is sent, an
unchanged one is not. Objects that the journal does not know are asked for first, which finds those that were on their
way when a run was killed; where the archive cannot be asked they are sent again, which is harmless: the same UID is
the same object.

The table of a batch is what its journal and the archive's refusals come to, one line an object.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.archive.client import Client, Object, Unreachable, Verdict
from wfdb2dicom.archive.settings import Archive, ArchiveError
from wfdb2dicom.batches.tables import TableError, read_receipt
from wfdb2dicom.batches.token import TokenFile
from wfdb2dicom.system.regular_file import append_fully, open_regular, read_file, read_fully
from wfdb2dicom.system.whole_file import replace_file

MARKER = "#wfdb2dicom-store 1 "
JOURNAL_MARKER = "#wfdb2dicom-journal 1 "
WAITS = (1.0, 4.0)  # seconds before the second and the third try
SETTLED = ("stored", "present", "superseded")


class Row(NamedTuple):
    """What became of an object.

    ``stored``: sent; ``present``: the archive had it; ``superseded``: sent once, and its study has another object now
    or none; ``refused``, ``unconfirmed`` (taken, but not listed afterwards), ``changed`` (the file is not the one
    that was converted): not there, and tried again next time.
    """

    study_id: str
    sop_instance_uid: str
    status: str
    detail: str
    dicom: str


@dataclass(frozen=True)
class Summary:
    """What a batch did: objects by status, how many of them just now, and in what time."""

    name: str
    counts: Counter[str]
    sent: int
    seconds: float

    def __str__(self) -> str:
        there = self.counts["stored"] + self.counts["present"] - self.sent
        objects = sum(self.counts.values()) - self.counts["superseded"]
        failed = unsettled(self.counts)
        rate = f", {self.sent / self.seconds:.0f} objects/s" if self.sent and self.seconds > 0 else ""
        return (
            f"store {self.name}: {objects} objects, {self.sent} sent, {there} there already, {failed} not taken{rate}"
        )


class _Wanted(NamedTuple):
    study_id: str
    uid: str
    sop_class_uid: str
    dicom: str
    size: int
    sha256: str


def unsettled(counts: Counter[str]) -> int:
    """How many objects are not in the archive."""
    return sum(count for status, count in counts.items() if status not in SETTLED)


def run(
    receipt: Path,
    table: Path,
    journals: Path,
    dcm_dir: str,
    archive: Archive,
    client: Client,
    *,
    token: str = "",
    waits: Sequence[float] = WAITS,
) -> Summary:
    """Send the objects of a receipt that the archive does not have, and write the batch's table.

    Parameters
    ----------
    receipt : Path
        Of a converted batch, see `wfdb2dicom.batches.tables`.
    table : Path
        To write: a row an object, see `Row`.
    journals : Path
        Folder of the journals.
    dcm_dir : str
        Folder of the DICOM files.
    archive : StowArchive or DimseArchive
        Where `client` sends.
    token : str
        Kept in the table, see `token`.
    waits : sequence of float
        Seconds before each further try when the archive does not answer.

    Raises
    ------
    ArchiveError
        When the archive cannot be reached or lets no one in. What has arrived is in the journal.
    TableError
        When the receipt is damaged.
    """
    start = time.monotonic()
    wanted = _wanted(receipt)
    name = receipt.stem
    with _journal(journals / _digest(archive) / receipt.name, archive) as journal:
        todo = [item for item in wanted if item.uid not in journal.known]
        sender = _Sender(client, journal, dcm_dir, waits)
        try:
            sender.send_all(todo)
        except Unreachable as error:
            there = sum(item.uid in journal.known for item in wanted)
            raise ArchiveError(
                f"{error}; {there} of the {len(wanted)} objects of batch {name} are there, run again for the rest"
            ) from error
        result = [sender.rows.get(item.uid) or _known_row(item, journal) for item in wanted]
        result += _superseded(wanted, journal)
    counts = Counter(row.status for row in result)
    _write(table, {"archive": str(archive), "token": token, "unsettled": unsettled(counts)}, result)
    return Summary(name, counts, sender.sent, time.monotonic() - start)


def _wanted(receipt: Path) -> list[_Wanted]:
    wanted = []
    for row in read_receipt(receipt):
        if row.status != "failed":
            facts = json.loads(row.facts)
            uid, sop_class = facts["sop_instance_uid"], facts["sop_class_uid"]
            wanted.append(_Wanted(row.study_id, uid, sop_class, row.dicom, int(row.size), row.sha256))
    return wanted


class _Journal:
    """The objects that have arrived, SOP Instance UID → (study_id, status); each is a line as soon as it is known."""

    def __init__(self, descriptor: int, archive: Archive) -> None:
        self._descriptor = descriptor
        self.known: dict[str, tuple[str, str]] = {}
        text = read_fully(descriptor, os.fstat(descriptor).st_size).decode("utf-8", "surrogateescape")
        if not text:
            self._append(f"{JOURNAL_MARKER}{archive}\n")
        lines = text.split("\n")
        for line in lines[1:-1]:
            uid, _, rest = line.partition("\t")
            status, _, study_id = rest.partition("\t")
            if status in SETTLED:
                self.known[uid] = (study_id, status)
        if lines[-1]:  # the last line was cut off by a power failure
            self._append("\n")

    def add(self, item: _Wanted, status: str) -> None:
        """Note an object that has arrived."""
        self.known[item.uid] = (item.study_id, status)
        self._append(f"{item.uid}\t{status}\t{item.study_id}\n")

    def _append(self, line: str) -> None:
        append_fully(self._descriptor, line.encode("utf-8", "surrogateescape"))


@contextmanager
def _journal(path: Path, archive: Archive) -> Iterator[_Journal]:
    """The journal of a batch, locked: what a killed run left behind may still be sending, and is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _Journal(descriptor, archive)
    finally:
        os.close(descriptor)


def _digest(archive: Archive) -> str:
    return blake2b(str(archive).encode(), digest_size=6).hexdigest()


class _Sender:
    """Sends chunk by chunk, with further tries when the archive does not answer."""

    def __init__(self, client: Client, journal: _Journal, dcm_dir: str, waits: Sequence[float]) -> None:
        self._client = client
        self._journal = journal
        self._dcm_dir = dcm_dir
        self._waits = waits
        # Acknowledged, but not yet seen in the archive's own list.
        self._taken: dict[str, tuple[_Wanted, Verdict]] = {}
        self.rows: dict[str, Row] = {}
        self.sent = 0

    def send_all(self, items: Sequence[_Wanted]) -> None:
        """Send what the archive does not have; `rows` holds what is not there at the end, by SOP Instance UID.

        Raises
        ------
        Unreachable, ArchiveError
        """
        for at in range(0, len(items), self._client.chunk):
            chunk = items[at : at + self._client.chunk]
            self._persist(partial(self._send, chunk))
        for wait in self._waits:
            if self._taken:  # listed late, or never
                time.sleep(wait)
                self._persist(self._confirm)
        for item, verdict in self._taken.values():
            words = "the archive acknowledged it and does not list it: see the archive's own rules and log"
            self.rows[item.uid] = _row(item, Verdict("unconfirmed", f"{words} {verdict.detail}".strip()))

    def _persist(self, action: Callable[[], None]) -> None:
        for wait in self._waits:
            try:
                return action()
            except Unreachable:
                time.sleep(wait)
        return action()

    def _send(self, chunk: Sequence[_Wanted]) -> None:
        done = self._journal.known.keys() | self.rows.keys() | self._taken.keys()
        todo = {item.uid: item for item in chunk if item.uid not in done}
        listed = self._client.present(list(todo))
        for uid in listed or ():
            self._journal.add(todo.pop(uid), "present")
        objects = [found for item in todo.values() if (found := self._load(item))]
        for uid, verdict in self._client.send(objects) if objects else ():
            if verdict.status == "refused":
                self.rows[uid] = _row(todo[uid], verdict)
            elif listed is None:  # an archive that cannot be asked: its word is taken for it, at once
                self._note(todo[uid], verdict)
            else:
                self._taken[uid] = (todo[uid], verdict)
        self._confirm()

    def _note(self, item: _Wanted, verdict: Verdict) -> None:
        self.sent += verdict.status == "stored"
        self._journal.add(item, verdict.status)

    def _confirm(self) -> None:
        """Note what the archive lists, as some acknowledge objects that a filter of theirs then drops."""
        uids = list(self._taken)
        for at in range(0, len(uids), self._client.chunk):
            part = uids[at : at + self._client.chunk]
            listed = self._client.present(part)
            for uid in part if listed is None else listed:
                self._note(*self._taken.pop(uid))

    def _load(self, item: _Wanted) -> Object | None:
        """The file that was converted; when it is not that any more, a row that says so."""
        path = os.path.join(self._dcm_dir, item.dicom)
        try:
            content = read_file(path)
        except OSError as error:
            problem = f"{path} cannot be read ({error.strerror})"
        else:
            if len(content) == item.size and sha256(content).hexdigest() == item.sha256:
                return Object(item.uid, item.sop_class_uid, content)
            problem = f"{path} is not the file that was converted"
        self.rows[item.uid] = _row(item, Verdict("changed", f"{problem}: run the workflow again, it makes it again"))
        return None


def _row(item: _Wanted, verdict: Verdict) -> Row:
    return Row(item.study_id, item.uid, verdict.status, " ".join(verdict.detail.split()), item.dicom)


def _known_row(item: _Wanted, journal: _Journal) -> Row:
    return Row(item.study_id, item.uid, journal.known[item.uid][1], "", item.dicom)


def _superseded(wanted: Sequence[_Wanted], journal: _Journal) -> list[Row]:
    """Objects that were sent and are no more what their study is: nothing is ever removed from an archive."""
    current = {item.uid for item in wanted}
    studies = {item.study_id for item in wanted}
    return [
        Row(
            study_id,
            uid,
            "superseded",
            "its study has another object now" if study_id in studies else "its study has no object now",
            "",
        )
        for uid, (study_id, _) in journal.known.items()
        if uid not in current
    ]


def _write(path: Path, head: dict[str, object], rows: Iterable[Row]) -> None:
    lines = [MARKER + json.dumps(head, sort_keys=True), "\t".join(Row._fields)]
    lines += ["\t".join(" ".join(value.split()) for value in row) for row in rows]
    replace_file(path, ("\n".join([*lines, "#end"]) + "\n").encode("utf-8", "surrogateescape"), sync=True)


def read(path: Path) -> tuple[dict[str, object], list[Row]]:
    """The head of a batch's table (archive, token, number of unsettled objects) and its rows.

    Raises
    ------
    TableError
        When it is not a whole table of this version.
    """
    lines = read_file(path).decode("utf-8", "surrogateescape").split("\n")
    if len(lines) < 4 or not lines[0].startswith(MARKER) or lines[-2:] != ["#end", ""]:
        raise TableError(f"{path} is not a whole table of this version; delete it and run again")
    return json.loads(lines[0][len(MARKER) :]), [Row(*line.split("\t")) for line in lines[2:-2]]


def token(table: Path) -> str:
    """A text that stays the same while all objects of a batch are settled; else never the same twice.

    As a parameter of the rule it makes Snakemake send again what an archive did not take.
    """
    return TokenFile(table, MARKER).current(lambda head: not head["unsettled"])


def summarize(tables: Iterable[Path]) -> tuple[Counter[str], list[Row]]:
    """Objects of all batches by status, and those that are not in the archive."""
    counts: Counter[str] = Counter()
    open_rows = []
    for path in tables:
        rows = read(path)[1]
        counts.update(row.status for row in rows)
        open_rows += [row for row in rows if row.status not in SETTLED]
    return counts, open_rows
