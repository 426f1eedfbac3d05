"""Cut the studies into batches, one plan file each, and forget the receipts that no longer hold.

An unchanged batch gets the same bytes again, so its job is not run; a batch whose receipt is gone is run.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from wfdb2dicom.batches import watch
from wfdb2dicom.batches.remembered import Memory, Remembered, origin_of
from wfdb2dicom.batches.settle import Settlement, Settling, Task, settle
from wfdb2dicom.batches.tables import PlanRow, TableError
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.uids import ENCODING_VERSION
from wfdb2dicom.inputs.patients import read_patients, with_patient
from wfdb2dicom.inputs.studies import Locator, read_studies
from wfdb2dicom.records import stamps
from wfdb2dicom.system.pool import workers

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

    def row_options(self) -> dict[str, Any]:
        """All but the contents of the tables and the tree that decides on the rows and their batches."""
        others = {"retry_failed", "overwrite", "watch_sources"}
        return {key: value for key, value in asdict(self).items() if key not in others} | self.table_options()

    def table_options(self) -> dict[str, Any]:
        """The options line of the plan files: all that determines the output."""
        folders = {"wfdb_dir": self.wfdb_dir, "dcm_dir": self.dcm_dir}
        return asdict(self.options) | folders | {"encoding_version": ENCODING_VERSION}


def make(request: Request, plans: Path, receipts: Path, token: str) -> Summary:
    """Plan all studies of a CSV: write the plan files, forget the receipts that no longer hold, store the token.

    Where all that the rows of the last plan were made from is as it was, they are used again, and only sources and
    receipts are looked at; the plan files are the same to the byte.

    Parameters
    ----------
    request : Request
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    token : str
        See `wfdb2dicom.batches.watch.token`.

    Raises
    ------
    ConfigError
        When the study CSV or the metadata cannot be used.
    """
    inputs = watch.stamps(request.tables())
    origin = origin_of(request.tables(), request.row_options(), request.wfdb_dir)
    memory, locator = Memory(plans), Locator(Path(request.wfdb_dir))
    last = memory.recall(origin, locator)
    made = None
    if last is not None:
        with contextlib.suppress(TableError):  # a kept file is damaged: all are made anew
            tasks = [Task(name, None, digest) for name, digest in sorted(last.files.items())]
            made = _settle(request, plans, receipts, tasks, last)
    if last is None or made is None:
        rows, warnings = read_rows(request, locator)
        count = batch_count(len(rows), request.studies_per_job, request.max_studies_per_job)
        tasks = [Task(name, batch) for name, batch in sorted(assign(rows, count).items())]
        last = Remembered({task.name: "" for task in tasks}, len(rows), count, warnings)
        made = _settle(request, plans, receipts, tasks, last)
    # A table that changed meanwhile: there is no telling which of its contents was read.
    memory.keep(last, origin if watch.stamps(request.tables()) == inputs else "", locator.answers)
    watch.store_token(plans, token, inputs)
    return Summary(made.studies, made.failed, len(last.files), made.forgotten, last.warnings)


def _settle(request: Request, plans: Path, receipts: Path, tasks: Sequence[Task], plan: Remembered) -> Settlement:
    """See `wfdb2dicom.batches.settle.settle`."""
    settling = Settling(
        plans,
        receipts,
        request.table_options(),
        retry_failed=request.retry_failed,
        overwrite=request.overwrite,
        watch_files=request.watch_sources,
    )
    # Rows are not handed to other processes: touching them for that would double the memory that they share with us.
    processes = 1 if any(task.rows for task in tasks) else workers(plan.studies, stamps.LOOKERS)
    return settle(settling, tasks, partial(batch_name, count=plan.count), processes)


def read_rows(request: Request, locator: Locator | None = None) -> tuple[list[PlanRow], tuple[str, ...]]:
    """The studies of the CSV with their metadata, and warnings; sources are not looked at yet."""
    # Here, for it takes time to import pyarrow, which a plan that uses its last rows does not need.
    from wfdb2dicom.inputs.measurements import MISSING, read_metadata

    studies = read_studies(request.input_csv, request.study_id_col, request.path_col, Path(request.wfdb_dir), locator)
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
        return study_id  # of letters, digits and ._- only, see `wfdb2dicom.inputs.studies`
    digest = blake2b(study_id.encode("utf-8", "surrogateescape"), digest_size=8)
    return f"{count:03d}-{int.from_bytes(digest.digest(), 'big') % count:03d}"


def assign(rows: Iterable[PlanRow], count: int) -> dict[str, list[PlanRow]]:
    """The rows of each batch, of which there are `count`, see `batch_count`; in no certain order."""
    batches: defaultdict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        batches[batch_name(row.study_id, count)].append(row)
    return dict(batches)
