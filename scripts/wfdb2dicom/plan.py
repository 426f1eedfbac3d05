"""Cut the studies into batches, one plan file each, and forget the receipts that no longer hold.

An unchanged batch gets the same bytes again, so its job is not run; a batch whose receipt is gone is run.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from wfdb2dicom import watch
from wfdb2dicom.identity import ENCODING_VERSION
from wfdb2dicom.metadata import MISSING, read_metadata
from wfdb2dicom.options import Options
from wfdb2dicom.patients import read_patients, with_patient
from wfdb2dicom.studies import read_studies
from wfdb2dicom.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    read_receipt,
    write_plan,
    write_receipt,
)

# A batch of this size has a plan file of some 1.3 MB, which Snakemake still compares by content (profiles/default).
LARGEST_BATCH = 4096
SMALLEST_BATCH = 64
# As many batches as a workstation has cores, once there are enough studies for them.
USUAL_BATCHES = 16


@dataclass(frozen=True)
class Summary:
    """What a plan holds: numbers of studies, of those already known to fail, of batches, and of receipts forgotten."""

    studies: int
    failed: int
    batches: int
    forgotten: int
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        known = f", {self.failed} of them cannot be converted" if self.failed else ""
        again = f", {self.forgotten} to run again" if self.forgotten else ""
        lines = [f"plan: {self.studies} studies{known}, {self.batches} batches{again}"]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


@dataclass(frozen=True)
class Request:
    """What is to be planned: the options of the configuration that matter here, see config.schema.yaml."""

    input_csv: Path
    wfdb_dir: str
    dcm_dir: str
    study_id_col: str = "study_id"
    path_col: str = "path"
    metadata: Path | None = None
    patients: Path | None = None
    missing_metadata: str = "error"
    studies_per_job: int | str = "auto"
    max_studies_per_job: int = LARGEST_BATCH
    retry_failed: str = "transient"
    overwrite: bool = False
    watch_sources: bool = True
    options: Options = field(default_factory=Options)

    def tables(self) -> list[Path]:
        """The files that the plan is made from."""
        return [path for path in (self.input_csv, self.metadata, self.patients) if path]

    def table_options(self) -> dict[str, Any]:
        """The options line of the plan files: all that determines the output."""
        folders = {"wfdb_dir": self.wfdb_dir, "dcm_dir": self.dcm_dir}
        return asdict(self.options) | folders | {"encoding_version": ENCODING_VERSION}


def make(request: Request, plans: Path, receipts: Path, token: str) -> Summary:
    """Plan all studies of a CSV: write the plan files, forget the receipts that no longer hold, store the token.

    Parameters
    ----------
    request : Request
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    token : str
        See `wfdb2dicom.watch.token`.

    Raises
    ------
    ConfigError
        When the study CSV or the metadata cannot be used.
    """
    options = request.table_options()
    inputs = watch.stamps(request.tables())
    rows, warnings = read_rows(request)
    count = batch_count(len(rows), request.studies_per_job, request.max_studies_per_job)
    batches = write_plans(plans, assign(rows, count), options)
    forgotten = forget_receipts(
        receipts,
        batches,
        options,
        retry_failed=request.retry_failed,
        overwrite=request.overwrite,
        watch_files=request.watch_sources,
    )
    watch.store_token(plans, token, inputs)
    failed = sum(bool(row.error) for row in rows)
    return Summary(len(rows), failed, len(batches), len(batches.keys() & set(forgotten)), warnings)


def read_rows(request: Request) -> tuple[list[PlanRow], tuple[str, ...]]:
    """The studies of the CSV with their metadata, and warnings; sources are not looked at yet."""
    studies = read_studies(request.input_csv, request.study_id_col, request.path_col, Path(request.wfdb_dir))
    metadata = read_metadata(request.metadata, request.study_id_col, annotations=request.options.annotations)
    patients = read_patients(request.patients) if request.patients else {}
    rows = []
    for study in studies:
        acquisition, error = metadata.lookup(study)
        if error == MISSING and request.missing_metadata == "allow":
            error = ""
        if patients:
            acquisition = with_patient(acquisition, patients)
        rows.append(
            PlanRow(study.study_id, study.subject_id, study.record, study.dicom, "", acquisition, study.error or error)
        )
    return rows, metadata.warnings


def batch_count(studies: int, studies_per_job: int | str, largest: int = LARGEST_BATCH) -> int:
    """How many batches there are: a power of two, so that membership is stable; 0 for a batch a study.

    Parameters
    ----------
    studies : int
        Number of studies.
    studies_per_job : int or "auto"
        At most so many on average; ``auto``: at most `largest`, and down to 64 to occupy up to 16 cores.
    largest : int
        See there.
    """
    if studies_per_job == 1:
        return 0
    if studies_per_job == "auto":
        wanted = max(studies / largest, min(USUAL_BATCHES, studies / SMALLEST_BATCH))
    else:
        wanted = studies / int(studies_per_job)
    count = 1
    while count < wanted:
        count *= 2
    return count


def batch_name(study_id: str, count: int) -> str:
    """The batch of a study: ``<count>-<index>`` by a hash of its id, or the id itself where `count` is 0."""
    if count == 0:
        return study_id  # of letters, digits and ._- only, see `wfdb2dicom.studies`
    digest = blake2b(study_id.encode("utf-8", "surrogateescape"), digest_size=8)
    return f"{count:03d}-{int.from_bytes(digest.digest(), 'big') % count:03d}"


def assign(rows: Iterable[PlanRow], count: int) -> dict[str, list[PlanRow]]:
    """The rows of each batch, of which there are `count`, see `batch_count`.

    The order of the CSV is of no consequence; that of the tree reads neighbours one after the other.
    """
    batches: defaultdict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        batches[batch_name(row.study_id, count)].append(row)
    for batch in batches.values():
        batch.sort(key=lambda row: (row.record, row.study_id))
    return dict(batches)


def write_plans(folder: Path, batches: dict[str, list[PlanRow]], options: dict[str, Any]) -> dict[str, list[PlanRow]]:
    """Write one plan file a batch and remove those of batches that are no more.

    Parameters
    ----------
    folder : Path
        Of the plan files.
    batches : dict
        As `assign` returns them.
    options : dict
        What determines the output: wfdb_dir, dcm_dir, lead_order, uid_root, encoding_version.

    Returns
    -------
    dict
        The batches, with the sources filled in.
    """
    tree = options["wfdb_dir"]

    def write(name: str) -> list[PlanRow]:
        batch = [
            row._replace(sources=watch.sources(os.path.join(tree, row.record))) if row.record else row
            for row in batches[name]
        ]
        write_plan(folder / f"{name}.tsv", options, batch)
        return batch

    names = sorted(batches)
    with ThreadPoolExecutor(watch.LOOKERS) as pool:
        written = dict(zip(names, pool.map(write, names), strict=True))
    for stale in folder.glob("*.tsv"):
        if stale.stem not in batches:
            stale.unlink()
    return written


def forget_receipts(
    folder: Path,
    batches: dict[str, list[PlanRow]],
    options: dict[str, Any],
    *,
    retry_failed: str = "transient",
    overwrite: bool = False,
    watch_files: bool = True,
) -> list[str]:
    """Remove each receipt that no longer holds, so that its batch is run again; the names of their batches.

    A receipt holds while its batch is planned as it was, the files that it speaks of are as it says, and it holds
    no failure to be tried again. What failed for good is handed to the batches in ``previous/<batch>.tsv``: a study
    whose plan is the same is not tried again.

    Parameters
    ----------
    folder : Path
        Of the receipts.
    batches, options : dict
        As `write_plans` returns and takes them.
    retry_failed, overwrite, watch_files
        As for `wfdb2dicom.watch.token`.
    """

    def look(path: Path) -> tuple[bool, list[ReceiptRow]]:
        """Whether a receipt holds, and its rows that tell of a failure or that one is over."""
        receipts = [] if overwrite else _read_or_nothing(path)
        told = [row for row in receipts if row.status == "failed" or row.study_id in earlier]
        planned = batches.get(path.stem)
        if planned is None or not receipts:
            return False, told
        return not watch.receipt_mismatch(planned, receipts, options, retry_failed, watch_files=watch_files), told

    # Handed over by the last plan, whose batches may not have run since.
    earlier = {row.study_id: row for path in folder.glob("previous/*.tsv") for row in _read_or_nothing(path)}
    known = {} if overwrite else dict(earlier)
    removed, paths = [], sorted(folder.glob("*.tsv"))
    with ThreadPoolExecutor(watch.LOOKERS) as pool:
        for path, (valid, told) in zip(paths, pool.map(look, paths), strict=True):
            known |= {row.study_id: row for row in told}
            if not valid:
                path.unlink()
                removed.append(path.stem)
    settled = [row for row in known.values() if row.status == "failed" and not watch.wants_retry(row, retry_failed)]
    _hand_over(folder / "previous", batches, settled, options["wfdb_dir"])
    return removed


def _read_or_nothing(path: Path) -> list[ReceiptRow]:
    """The rows of a receipt, which has one at least; none of a damaged one."""
    try:
        return read_receipt(path)
    except TableError:
        return []


def _hand_over(folder: Path, batches: dict[str, list[PlanRow]], settled: Iterable[ReceiptRow], tree: str) -> None:
    """Write what failed for good into the folder `previous`, by the batches of today."""
    by_study = {receipt.study_id: receipt for receipt in settled}
    kept = set()
    if by_study:
        for name, rows in batches.items():
            both = [(row, by_study[row.study_id]) for row in rows if row.study_id in by_study]
            known = [receipt for row, receipt in both if not watch.further_sources_changed(tree, row, receipt)]
            if known:
                write_receipt(folder / f"{name}.tsv", known, sync=False)
                kept.add(name)
    for stale in folder.glob("*.tsv"):
        if stale.stem not in kept:
            stale.unlink()
