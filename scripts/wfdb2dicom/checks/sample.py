"""The studies that `validate` and `roundtrip` look at.

A sample is all studies whose hash is not above a limit, which lets exactly as many pass as are wanted. So it is the
same in every run and in every partition of the studies, and a batch knows its part of it from the limit alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path

from wfdb2dicom.batches.tables import ReceiptRow, read_receipt

_SEED = b"wfdb2dicom proof"
ALL = "f" * 16


def rank(study_id: str) -> str:
    """The hash of a study, 16 hex digits."""
    return blake2b(study_id.encode("utf-8", "surrogateescape"), digest_size=8, person=_SEED).hexdigest()


def limit_of_sample(receipts: Iterable[Path], sample: int | str) -> str:
    """The highest hash of the sample.

    Parameters
    ----------
    receipts : iterable of Path
        Of all planned batches; those of an earlier plan may lie beside them until results are aggregated.
    sample : int or "all"
        How many studies that have a DICOM object are wanted.

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


def sampled(receipt: Path, limit: str) -> list[ReceiptRow]:
    """The studies of a receipt that have a DICOM object and belong to the sample."""
    rows = [row for row in read_receipt(receipt) if row.status != "failed"]
    return rows if limit == ALL else [row for row in rows if rank(row.study_id) <= limit]
