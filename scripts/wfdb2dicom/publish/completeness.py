"""Whether a run is complete: plan files, receipts, manifest and objects agree, by their names, sizes and times.

No object is read. What a look cannot see, bytes changed under an unchanged size and time, `wfdb2dicom.checks.verify`
finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path

from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, TableError, read_batch
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.studies import path_prefix
from wfdb2dicom.results.manifest import read_manifest
from wfdb2dicom.system.paths import stamp_of
from wfdb2dicom.system.pool import map_in_order, process_count, studies_in
from wfdb2dicom.words import counted

EXAMPLES = 5  # findings that a message names
PAGES = (".png", ".pdf", ".svg")  # as `wfdb2dicom.page.draw` writes them, which takes long to import


class IncompleteRun(ConfigError):
    """An incomplete run is not published: names what is wrong and the remedy."""


@dataclass(frozen=True)
class BatchState:
    """What a look at one batch found.

    Attributes
    ----------
    studies, objects : int
    digest : str
        Over the ids of the studies and the digests of their objects, in the order of the manifest.
    findings : list of str
        What does not hold, with a study as example.
    """

    studies: int = 0
    objects: int = 0
    digest: str = ""
    findings: list[str] = field(default_factory=list)


def require_complete(plans: Path, receipts: Path, manifest: Path, dcm_dir: str) -> None:
    """Refuse a run that is incomplete.

    Parameters
    ----------
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    manifest : Path
        See `wfdb2dicom.results.manifest`.
    dcm_dir : str
        Folder of the objects.

    Raises
    ------
    IncompleteRun
        With examples and the remedy.
    """
    paths = sorted(plans.glob("*.tsv"))
    if not paths:
        raise IncompleteRun(f"{plans} holds no plan files: run the workflow first, then publish")
    processes = process_count(studies_in(paths))
    states = list(map_in_order(partial(_check_batch, receipts=receipts, dcm_dir=dcm_dir), paths, processes=processes))
    findings = [finding for state in states for finding in state.findings]
    if findings:
        shown = "\n".join(f"  {finding}" for finding in findings[:EXAMPLES])
        raise IncompleteRun(
            f"{counted(len(findings), 'receipt or object is', 'receipts or objects are')} missing or changed: run the "
            f"workflow again, which converts what changed, then publish\n{shown}"
        )
    if [state.digest for state in states] != list(_digests_of_manifest(manifest, [state.studies for state in states])):
        raise IncompleteRun(f"{manifest} is not the table of these receipts: run the workflow again, then publish")
    _require_no_others(dcm_dir, sum(state.objects for state in states), manifest, processes)


def _check_batch(plan: Path, receipts: Path, dcm_dir: str) -> BatchState:
    """Compare one batch's plan file, receipt and objects."""
    try:
        _, planned, rows = read_batch(plan, receipts / plan.name)
    except TableError as error:
        return BatchState(findings=[str(error)])
    good = [row for row in rows if row.status != "failed"]
    findings = [
        f"study {row.study_id}: its object is {'missing' if stamp == '-' else 'not the file that was written'}"
        for row in good
        if (stamp := stamp_of(os.path.join(dcm_dir, row.dicom))) != row.stamp
    ]
    return BatchState(len(rows), len(good), _digest_of_receipt(planned, rows), findings)


def _digest_of_receipt(planned: Sequence[PlanRow], rows: Sequence[ReceiptRow]) -> str:
    pairs = ((plan.study_id, "" if row.error else row.sha256) for plan, row in zip(planned, rows, strict=True))
    return _digest(pairs)


def _digests_of_manifest(manifest: Path, lengths: Sequence[int]) -> Iterator[str]:
    """A digest for each batch, whose rows follow one another."""
    table = read_manifest(manifest, ["study_id", "sha256"])
    start = 0
    for length in lengths:
        rows = table.slice(start, length).to_pydict()
        yield _digest((study, sha256 or "") for study, sha256 in zip(rows["study_id"], rows["sha256"], strict=True))
        start += length
    if start != table.num_rows:
        yield "rows that no batch has"


def _digest(rows: Iterable[tuple[str, str]]) -> str:
    return blake2b("\n".join("\t".join(row) for row in rows).encode(), digest_size=16).hexdigest()


def _require_no_others(dcm_dir: str, objects: int, manifest: Path, processes: int) -> None:
    """Refuse files of which the manifest says nothing.

    A study may have been left out for a reason, and a page shows patient, sex and age.
    """
    tops = _folders_at_second_level(dcm_dir)
    found = sum(map_in_order(_count_files, tops, processes=processes)) + _count_files(dcm_dir, depth=1)
    if found == objects:
        return
    prefix = path_prefix(dcm_dir)
    paths = read_manifest(manifest, ["dcm_path"])["dcm_path"].to_pylist()
    known = {(path or "").removeprefix(prefix) for path in paths}
    others = {os.path.relpath(path, dcm_dir) for path in _files_below(dcm_dir)} - known
    # Not the full paths, which may name patients; find shows where a file lies.
    examples = "\n".join(f"  {'/'.join(path.split('/')[-2:])}" for path in sorted(others)[:EXAMPLES])
    raise IncompleteRun(
        f"dcm_dir: {dcm_dir} holds {counted(len(others), 'file')} besides the objects of this run (DICOM files of no "
        f"study, or drawn pages): move {'it' if len(others) == 1 else 'them'} elsewhere, then publish\n{examples}"
    )


def _folders_at_second_level(root: str) -> list[str]:
    """Folders that share the work of counting: those two levels below the root."""
    first = [entry.path for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    return sorted(entry.path for top in first for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False))


def _count_files(folder: str, depth: int = -1) -> int:
    """How many DICOM files and pages are below a folder, down to `depth` levels; -1 is all levels."""
    return sum(1 for _ in _files_below(folder, depth))


def _files_below(folder: str, depth: int = -1) -> Iterator[str]:
    """DICOM files, and the pages beside them; pictures of other names are the publisher's own."""
    folders = [(folder, depth)]
    while folders:
        path, left = folders.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(".dcm") or (
                    entry.name.endswith(PAGES) and os.path.isfile(f"{entry.path[:-4]}.dcm")
                ):
                    yield entry.path
                elif left and entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, left - 1))
