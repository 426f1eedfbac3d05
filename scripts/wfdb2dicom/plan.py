"""Cut the studies into batches, one plan file each, and forget the receipts that no longer hold.

An unchanged batch gets the same bytes again, so its job is not run; a batch whose receipt is gone is run.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom import tokens, watch
from wfdb2dicom.identity import ENCODING_VERSION
from wfdb2dicom.metadata import MISSING, Metadata, read_metadata
from wfdb2dicom.options import Options
from wfdb2dicom.parallel import FEW, LOOKERS, each
from wfdb2dicom.patients import Patient, read_patients, with_patient
from wfdb2dicom.studies import Study, read_studies
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
        See `wfdb2dicom.tokens.token`.

    Raises
    ------
    ConfigError
        When the study CSV or the metadata cannot be used.
    """
    inputs = tokens.stamps(request.tables())
    studies = read_studies(request.input_csv, request.study_id_col, request.path_col, Path(request.wfdb_dir))
    metadata = read_metadata(request.metadata, request.study_id_col, annotations=request.options.annotations)
    patients = read_patients(request.patients) if request.patients else {}
    batches = assign(studies, batch_count(len(studies), request.studies_per_job, request.max_studies_per_job))
    planner = _Planner(request, metadata, patients, plans, receipts)
    names = sorted(batches)
    processes = LOOKERS if len(studies) >= FEW else 1
    looks = dict(zip(names, each(lambda name: planner.plan(name, batches[name]), names, processes), strict=True))
    for stale in plans.glob("*.tsv"):
        if stale.stem not in batches:
            stale.unlink()
    forgotten = planner.forget_receipts(batches, looks)
    tokens.store_token(plans, token, inputs)
    failed = sum(look.failed for look in looks.values())
    return Summary(len(studies), failed, len(batches), len(batches.keys() & set(forgotten)), metadata.warnings)


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


def assign(studies: Iterable[Study], count: int) -> dict[str, list[Study]]:
    """The studies of each batch, of which there are `count`, see `batch_count`.

    The order of the CSV is of no consequence; that of the tree reads neighbours one after the other.
    """
    batches: defaultdict[str, list[Study]] = defaultdict(list)
    for study in studies:
        batches[batch_name(study.study_id, count)].append(study)
    for batch in batches.values():
        batch.sort(key=lambda study: (study.record, study.study_id))
    return dict(batches)


class _Look(NamedTuple):
    """What planning a batch found.

    Attributes
    ----------
    failed : int
        Studies that are known to fail.
    holds : bool
        Whether the batch has a receipt that still holds.
    told : list of ReceiptRow
        Of its receipt, the rows that tell of a failure or that one is over.
    """

    failed: int
    holds: bool
    told: list[ReceiptRow]


class _Planner:
    """Plans one batch after the other, each from its own studies and its own receipt.

    A receipt holds while its batch is planned as it was, the files that it speaks of are as it says, and it holds no
    failure to be tried again. What failed for good is handed to the batches in ``previous/<batch>.tsv``: a study whose
    plan is the same is not tried again.
    """

    def __init__(
        self, request: Request, metadata: Metadata, patients: Mapping[str, Patient], plans: Path, receipts: Path
    ) -> None:
        self._request = request
        self._options = request.table_options()
        self._metadata = metadata
        self._patients = patients
        self._plans = plans
        self._receipts = receipts
        # Handed over by the last plan, whose batches may not have run since.
        handed = (row for path in receipts.glob("previous/*.tsv") for row in _read_or_nothing(path))
        self._earlier = {row.study_id: row for row in handed}

    def plan(self, name: str, studies: list[Study]) -> _Look:
        """Write the plan file of a batch and look at its receipt."""
        rows = [self._row(study) for study in studies]
        write_plan(self._plans / f"{name}.tsv", self._options, rows)
        receipts = self._receipt(self._receipts / f"{name}.tsv")
        request = self._request
        holds = bool(receipts) and not watch.receipt_mismatch(
            rows, receipts, self._options, request.retry_failed, watch_files=request.watch_sources
        )
        return _Look(sum(bool(row.error) for row in rows), holds, self._telling(receipts))

    def _row(self, study: Study) -> PlanRow:
        acquisition, error = self._metadata.lookup(study)
        if error == MISSING and self._request.missing_metadata == "allow":
            error = ""
        if self._patients:
            acquisition = with_patient(acquisition, self._patients)
        record = study.record
        sources = watch.sources(os.path.join(self._request.wfdb_dir, record)) if record else ""
        error = study.error or error
        return PlanRow(study.study_id, study.subject_id, record, study.dicom, sources, acquisition, error)

    def _receipt(self, path: Path) -> list[ReceiptRow]:
        return [] if self._request.overwrite or not path.exists() else _read_or_nothing(path)

    def _telling(self, receipts: Iterable[ReceiptRow]) -> list[ReceiptRow]:
        return [row for row in receipts if row.status == "failed" or row.study_id in self._earlier]

    def forget_receipts(self, batches: Mapping[str, list[Study]], looks: Mapping[str, _Look]) -> list[str]:
        """Remove each receipt that does not hold, so that its batch is run again; the names of their batches."""
        request = self._request
        known = {} if request.overwrite else dict(self._earlier)
        removed = []
        for path in sorted(self._receipts.glob("*.tsv")):
            look = looks.get(path.stem)
            told = look.told if look else self._telling(self._receipt(path))
            known |= {row.study_id: row for row in told}
            if not (look and look.holds):
                path.unlink()
                removed.append(path.stem)
        settled = [r for r in known.values() if r.status == "failed" and not watch.wants_retry(r, request.retry_failed)]
        _hand_over(self._receipts / "previous", batches, settled, request.wfdb_dir)
        return removed


def _read_or_nothing(path: Path) -> list[ReceiptRow]:
    """The rows of a receipt, which has one at least; none of a damaged one."""
    try:
        return read_receipt(path)
    except TableError:
        return []


def _hand_over(folder: Path, batches: Mapping[str, list[Study]], settled: Iterable[ReceiptRow], tree: str) -> None:
    """Write what failed for good into the folder `previous`, by the batches of today."""
    by_study = {receipt.study_id: receipt for receipt in settled}
    kept = set()
    if by_study:
        for name, studies in batches.items():
            both = [(study.record, by_study[study.study_id]) for study in studies if study.study_id in by_study]
            known = [receipt for record, receipt in both if not watch.further_sources_changed(tree, record, receipt)]
            if known:
                write_receipt(folder / f"{name}.tsv", known, sync=False)
                kept.add(name)
    for stale in folder.glob("*.tsv"):
        if stale.stem not in kept:
            stale.unlink()
