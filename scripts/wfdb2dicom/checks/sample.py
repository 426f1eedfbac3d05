"""What `validate` and `roundtrip` share: which studies are looked at, a table of what was found, and its summary.

A sample is all studies whose hash is below a limit that lets exactly as many pass as are wanted. So it is the same in
every run and in every partition of the studies, and a batch knows its part of it from the limit alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.batches.tables import ReceiptRow, TableError, read_receipt
from wfdb2dicom.errors import ConfigError, without_patient
from wfdb2dicom.system.whole_file import replace_file

_SEED = b"wfdb2dicom proof"
ALL = "f" * 16
SUMS = "SHA256SUMS.txt"
_COLUMNS = ("study_id", "dcm_path", "result", "detail")
_SEPARATOR = " | "
_EXAMPLES = 5


class Proof(NamedTuple):
    """What was found of a study's DICOM; `details` is empty where all is well.

    Attributes
    ----------
    result : str
        ``good``, ``bad``, or ``open``: what was looked for cannot be told of this study, which is no fault.
    """

    study_id: str
    dcm_path: str
    result: str
    details: tuple[str, ...] = ()


def rank(study_id: str) -> str:
    """The hash of a study, 16 hex digits."""
    return blake2b(study_id.encode("utf-8", "surrogateescape"), digest_size=8, person=_SEED).hexdigest()


def limit_of_sample(receipts: Iterable[Path], sample: int | str) -> str:
    """The hash up to which studies are looked at.

    Parameters
    ----------
    receipts : iterable of Path
        All receipts.
    sample : int or "all"
        How many studies that have a DICOM are wanted.

    Raises
    ------
    TableError
        When a receipt is damaged.
    """
    if sample == "all":
        return ALL
    ranks = (rank(row.study_id) for path in receipts for row in read_receipt(path) if row.status != "failed")
    lowest = nsmallest(int(sample), ranks)
    return lowest[-1] if lowest else ALL


def chosen(receipt: Path, limit: str) -> list[ReceiptRow]:
    """The studies of a receipt that have a DICOM and belong to the sample."""
    rows = [row for row in read_receipt(receipt) if row.status != "failed"]
    return rows if limit == ALL else [row for row in rows if rank(row.study_id) <= limit]


def find_sums(wfdb_dir: str) -> Path:
    """The list of digests of a WFDB tree.

    Raises
    ------
    ConfigError
        When it has none.
    """
    path = Path(wfdb_dir, SUMS)
    if not path.is_file():
        raise ConfigError(
            f"{path} does not exist, and without the digests of the source there is nothing to compare with: fetch it "
            f"from where the data are published, or make it (cd {wfdb_dir} && sha256sum each .hea and .dat > {SUMS})"
        )
    return path


def write_proofs(path: Path, proofs: Iterable[Proof]) -> None:
    """Write a table: tab-separated, a row a study."""
    lines = ["\t".join(_COLUMNS)]
    for proof in proofs:
        cells = (proof.study_id, proof.dcm_path, proof.result, _SEPARATOR.join(proof.details))
        lines.append("\t".join(_plain(cell) for cell in cells))
    replace_file(path, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def read_proofs(path: Path) -> list[Proof]:
    """The rows of a table.

    Raises
    ------
    TableError
        When it is none.
    """
    lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    if lines[0] != "\t".join(_COLUMNS) or lines[-1]:
        raise TableError(f"{path} is no whole table of findings; delete it and run again")
    proofs = []
    for line in lines[1:-1]:
        study_id, dcm_path, result, details = line.split("\t")
        proofs.append(Proof(study_id, dcm_path, result, tuple(details.split(_SEPARATOR)) if details else ()))
    return proofs


def _plain(cell: str) -> str:
    return re.sub(r"[\t\r\n]+", " ", cell)


@dataclass(frozen=True, slots=True)
class Words:
    """How a proof speaks of itself on the screen."""

    name: str
    good: str
    bad: str
    open: str


VALIDATE = Words("validate", "conform", "have findings", "are of a class that dciodvfy does not know, checker only")
ROUNDTRIP = Words("roundtrip", "give their WFDB files back", "do not", "cannot be judged")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The numbers of a whole table, and the summary of one screen."""

    good: int
    bad: int
    text: str


def collect(parts: Sequence[Path], table: Path, words: Words) -> None:
    """Join the tables of the batches, and write the verdict beside them as ``<stem>.json``."""
    proofs = [proof for part in parts for proof in read_proofs(part)]
    write_proofs(table, proofs)
    counts = Counter(proof.result for proof in proofs)
    text = "\n".join(_summary(proofs, counts, table, words))
    verdict = {"good": counts["good"] + counts["open"], "bad": counts["bad"], "text": text}
    replace_file(table.with_suffix(".json"), json.dumps(verdict, ensure_ascii=True, indent=1).encode())


def read_verdict(path: Path) -> Verdict:
    """The verdict that `collect` wrote."""
    return Verdict(**json.loads(path.read_bytes()))


def _summary(proofs: Sequence[Proof], counts: Counter[str], table: Path, words: Words) -> Iterable[str]:
    yield f"{words.name}: of {len(proofs)} DICOM objects {counts['good']} {words.good}, {counts['bad']} {words.bad}"
    if counts["open"]:
        yield f"  {counts['open']} {words.open}"
    for result, title in (("bad", "most frequent findings"), ("open", "why")):
        found = [(detail, proof) for proof in proofs if proof.result == result for detail in proof.details]
        kinds = Counter(_kind(detail) for detail, _ in found)
        if kinds:
            yield f"  {title}:"
        for kind, count in kinds.most_common(_EXAMPLES):
            detail, example = next((detail, proof) for detail, proof in found if _kind(detail) == kind)
            yield f"    {count} x {without_patient(detail)[:240]}"
            yield f"        for example study {example.study_id}"
    yield f"  table: {table}"


def _kind(detail: str) -> str:
    """A finding without its numbers, so that equal ones of different channels and studies are counted as one."""
    return re.sub(r"-?\d+(\.\d+)?", "#", detail)
