"""The table of a batch that was sent: what became of each object."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom.batches.rerun_token import TokenFile
from wfdb2dicom.system.tsv import TableError, encode_table, read_table
from wfdb2dicom.system.whole_file import replace_file

_MARKER = "#wfdb2dicom-store 2 "
ARRIVED = ("stored", "present", "accepted", "superseded")  # of objects that are not sent again


class SentObject(NamedTuple):
    """What became of an object.

    ``stored``: sent, and the archive lists it; ``present``: the archive had it; ``accepted``: sent and acknowledged by
    an archive that cannot be asked what it has; ``superseded``: sent once, and its study has another object now or
    none. These are not sent again, while ``refused``, ``unconfirmed`` (acknowledged, but not listed afterwards) and
    ``changed`` (the file is not the one that was converted) are not in the archive, and tried again next time.
    """

    study_id: str
    sop_instance_uid: str
    status: str
    detail: str
    dicom: str


def count_missing(counts: Counter[str]) -> int:
    """The number of objects that are not in the archive, of a count by status."""
    return sum(count for status, count in counts.items() if status not in ARRIVED)


def write_sent(path: Path, archive: str, token: str, objects: Iterable[SentObject]) -> Counter[str]:
    """Write the table of a batch, durably.

    Parameters
    ----------
    path : Path
    archive : str
        Where the objects were sent.
    token : str
        Kept for `resend_token`.
    objects : iterable of SentObject

    Returns
    -------
    Counter
        Objects by status.
    """
    rows = list(objects)
    counts = Counter(row.status for row in rows)
    head = {"archive": archive, "token": token, "unsettled": count_missing(counts)}
    marker = _MARKER + json.dumps(head, sort_keys=True)
    replace_file(path, encode_table(SentObject._fields, rows, marker), sync=True)
    return counts


def read_sent(path: Path) -> tuple[dict[str, Any], list[SentObject]]:
    """The head of a batch's table (archive, token, number of objects that are not in the archive) and its rows.

    Raises
    ------
    TableError
        When it is not a whole table of this version.
    """
    head, rows = read_table(path, SentObject._fields, SentObject._make, _MARKER)
    try:
        return json.loads(head), rows
    except ValueError as error:
        raise TableError(f"{path} is not a whole table of this version; delete it and run again") from error


def resend_token(table: Path) -> str:
    """A text that stays the same while all objects of a batch are in the archive; otherwise never the same twice.

    As a parameter of the rule it makes Snakemake send again what an archive did not take.
    """
    return TokenFile(table, _MARKER).current(lambda head: not head["unsettled"])


def summarize(tables: Iterable[Path]) -> tuple[Counter[str], list[SentObject]]:
    """Objects of all batches by status, and those that are not in the archive."""
    counts: Counter[str] = Counter()
    missing = []
    for path in tables:
        rows = read_sent(path)[1]
        counts.update(row.status for row in rows)
        missing += [row for row in rows if row.status not in ARRIVED]
    return counts, missing
