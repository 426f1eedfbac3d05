"""Cut the studies into batches, one plan file each.

A plan is made from tables, source files and receipts alone. A batch whose receipt holds gets the same bytes again, so
its job is not run; any other gets a new generation, which makes Snakemake run it.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom.batches import freshness
from wfdb2dicom.batches.freshness import Policy
from wfdb2dicom.batches.plan_files import KNOWN_FAILURES
from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    read_receipt,
    read_run,
    write_plan,
    write_receipt,
)
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.uids import ENCODING_VERSION
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.locator import Locator
from wfdb2dicom.inputs.measurements import MISSING, WHAT_IS_MISSING, read_metadata
from wfdb2dicom.inputs.patients import read_patients, with_patient
from wfdb2dicom.inputs.studies import read_studies
from wfdb2dicom.records import stamps
from wfdb2dicom.records.zip_index import ZipIndex, ZipRecord
from wfdb2dicom.system.current_run import current_run
from wfdb2dicom.system.paths import is_zip
from wfdb2dicom.system.pool import map_in_order
from wfdb2dicom.words import counted

# A batch of this size has a plan file of some 1.3 MB, which Snakemake still compares by content (profiles/default).
LARGEST_BATCH = 4096
# Converting this many studies takes as long as starting their job.
SMALLEST_BATCH = 512
_SAMPLE = 10  # rows of each batch whose sources are timed, to choose the number of threads
# As many batches as a workstation has cores, once there are enough studies for them.
USUAL_BATCHES = 16


@dataclass(frozen=True)
class PlanSummary:
    """Numbers of studies planned, of those already known to fail, of batches, and of batches to run again."""

    studies: int
    failed: int
    batches: int
    again: int
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        known = f", {self.failed} of them cannot be converted" if self.failed else ""
        again = f", {self.again} to run again" if self.again else ""
        batches = counted(self.batches, "batch", "batches")
        lines = [f"plan: {counted(self.studies, 'study', 'studies')}{known}, {batches}{again}"]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


@dataclass(frozen=True)
class PlanConfig:
    """The options of the configuration on which a plan depends, see config.yaml."""

    input_csv: Path
    wfdb_dir: str
    dcm_dir: str
    columns: StudyColumns = field(default_factory=StudyColumns)
    metadata: Path | None = None
    patients: Path | None = None
    missing_metadata: str = "error"
    studies_per_job: int | str = "auto"
    max_studies_per_job: int = LARGEST_BATCH
    policy: Policy = field(default_factory=Policy)
    options: Options = field(default_factory=Options)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PlanConfig:
        """The part of a complete configuration on which a plan depends."""
        given = {name: options[name] for name in ("wfdb_dir", "dcm_dir", "missing_metadata")}
        given |= {name: options[name] for name in ("studies_per_job", "max_studies_per_job")}
        return cls(
            input_csv=Path(options["input_csv"]),
            columns=StudyColumns.from_options(options),
            metadata=Path(options["metadata"]) if options["metadata"] else None,
            patients=Path(options["patients"]) if options["patients"] else None,
            policy=Policy(options["retry_failed"], options["overwrite"], options["watch_sources"]),
            options=Options.from_mapping(options),
            **given,
        )

    def tables(self) -> list[Path]:
        """The files that the plan is made from."""
        return [path for path in (self.input_csv, self.metadata, self.patients) if path]

    def output_options(self) -> dict[str, Any]:
        """The options line of the plan files: all that determines the output."""
        folders = {"wfdb_dir": self.wfdb_dir, "dcm_dir": self.dcm_dir}
        return asdict(self.options) | folders | {"encoding_version": ENCODING_VERSION}


class PlannedBatch(NamedTuple):
    """A batch as it is planned.

    Attributes
    ----------
    name : str
    rows : list of PlanRow
        With their sources.
    done : list of ReceiptRow
        The rows of its receipt; none where there is none or everything is to be converted again.
    generation : str
        See `wfdb2dicom.batches.tables.write_plan`.
    runs : bool
        Whether its job will run.
    known : list of ReceiptRow
        Failures that the job does not try again.
    """

    name: str
    rows: list[PlanRow]
    done: list[ReceiptRow]
    generation: str = ""
    runs: bool = True
    known: Sequence[ReceiptRow] = ()


class Draft(NamedTuple):
    """A plan of which nothing is written yet.

    Attributes
    ----------
    studies : int
    names : set of str
        Of all batches.
    batches : iterator of PlannedBatch
        Made one after the other, as they are taken.
    inputs, answers : dict
        For `wfdb2dicom.batches.freshness.store_plan_token`.
    warnings : tuple of str
    """

    studies: int
    names: set[str]
    batches: Iterator[PlannedBatch]
    inputs: dict[str, str]
    answers: dict[str, bool | str]
    warnings: tuple[str, ...]


def make(config: PlanConfig, plans: Path, receipts: Path, token: str) -> PlanSummary:
    """Plan all studies of a CSV: write the plan files and the failures that are not worth another try, store the token.

    Parameters
    ----------
    config : PlanConfig
    plans, receipts : Path
        Folders of the plan files and of the receipts, which are only read.
    token : str
        See `wfdb2dicom.batches.freshness.plan_token`.

    Raises
    ------
    ConfigError
        When the study CSV or the metadata cannot be used.
    """
    made = draft(config, receipts)
    with current_run():
        _remove_others(plans, made.names)
    again = failed = 0
    for batch in made.batches:
        write_plan(plans / f"{batch.name}.tsv", config.output_options(), batch.rows, batch.generation)
        if batch.known:
            write_receipt(plans / KNOWN_FAILURES / f"{batch.name}.tsv", batch.known, sync=False)
        again += batch.runs and bool(batch.generation)
        failed += sum(bool(row.error) for row in batch.rows)
    freshness.store_plan_token(plans, token, made.inputs, made.answers)
    return PlanSummary(made.studies, failed, len(made.names), again, made.warnings)


def draft(config: PlanConfig, receipts: Path) -> Draft:
    """Plan without writing anything; arguments and errors are those of `make`."""
    inputs = freshness.stamps([*config.tables(), *freshness.zips(config.wfdb_dir)])
    index = ZipIndex(config.wfdb_dir) if is_zip(config.wfdb_dir) else None
    locator = Locator(Path(config.wfdb_dir), index.directory if index else None)
    rows, warnings = read_rows(config, locator)
    count = batch_count(len(rows), config.studies_per_job, config.max_studies_per_job)
    batches = sorted(assign(rows, count).items())
    names = {name for name, _ in batches}
    failures = {} if config.policy.overwrite else _failures_elsewhere(receipts, names)
    threads = 1 if index else _threads(config, batches)
    planned = map_in_order(partial(_plan_batch, config, receipts, index, failures), batches, threads=threads)
    return Draft(len(rows), names, planned, inputs, locator.answers, warnings)


def _plan_batch(
    config: PlanConfig,
    receipts: Path,
    index: ZipIndex | None,
    failures: dict[str, ReceiptRow],
    batch: tuple[str, list[PlanRow]],
) -> PlannedBatch:
    """Look at the sources of a batch, and whether its receipt still holds; `failures` are those of other batches."""
    name, rows = batch
    # In the order of the tree, not that of the CSV: that reads neighbours one after the other.
    rows = sorted(rows, key=lambda row: (row.record, row.study_id))
    rows = _with_zip_members(rows, index) if index else _with_sources(rows, config.wfdb_dir)
    path = receipts / f"{name}.tsv"
    is_first = not path.exists()
    done = [] if is_first or config.policy.overwrite else _rows_of(path)
    if done and config.policy.holds(rows, done, config.output_options()):
        return PlannedBatch(name, rows, done, str(read_run(path).get("generation", "")), runs=False)
    before = failures | {row.study_id: row for row in done}
    known = known_failures(rows, before, config.wfdb_dir, config.policy)
    return PlannedBatch(name, rows, done, "" if is_first else secrets.token_hex(4), known=known)


def _with_sources(rows: list[PlanRow], wfdb_dir: str) -> list[PlanRow]:
    tree = os.path.join(wfdb_dir, "")
    return [row._replace(sources=stamps.record_stamps(tree + row.record)) if row.dicom else row for row in rows]


def _with_zip_members(rows: list[PlanRow], index: ZipIndex) -> list[PlanRow]:
    found = iter(index.find(row.record for row in rows if row.dicom))
    return [_in_zip(row, next(found)) if row.dicom else row for row in rows]


def _in_zip(row: PlanRow, files: ZipRecord) -> PlanRow:
    return row._replace(sources=files.sources, members=files.members, error=row.error or files.error)


def _threads(config: PlanConfig, batches: list[tuple[str, list[PlanRow]]]) -> int:
    """How many threads look at source files: decided by timing a few of each batch."""
    some = [row.record for _, rows in batches for row in rows[:_SAMPLE] if row.dicom]
    return stamps.choose_threads([f"{config.wfdb_dir}/{record}" for record in some])


def _failures_elsewhere(receipts: Path, names: set[str]) -> dict[str, ReceiptRow]:
    """Failures in receipts of batches that are no longer planned; their studies are in other batches now.

    The receipts themselves stay until the results are put together, so that a plan can be repeated.
    """
    paths = [path for path in receipts.glob("*.tsv") if path.stem not in names]
    rows = [row for path in sorted(paths, key=_written) for row in _rows_of(path)]
    return {row.study_id: row for row in rows}


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


def _rows_of(receipt: Path) -> list[ReceiptRow]:
    """The rows of a receipt; none of one that is damaged."""
    try:
        return read_receipt(receipt)
    except (TableError, FileNotFoundError):
        return []


def known_failures(
    rows: Iterable[PlanRow], done: Mapping[str, ReceiptRow], wfdb_dir: str, policy: Policy
) -> list[ReceiptRow]:
    """The studies of a batch that failed before and are not tried again while their plan is unchanged.

    Parameters
    ----------
    rows : iterable of PlanRow
    done : mapping
        What became of studies before, by study_id.
    wfdb_dir : str
    policy : Policy
        This is the only place where `retry_failed` decides about a study.
    """
    return [
        before
        for row in rows
        if (before := done.get(row.study_id))
        and before.status == "failed"
        and not policy.tries_again(before)
        and not freshness.other_files_changed(wfdb_dir, row, before)
    ]


def _remove_others(plans: Path, names: set[str]) -> None:
    """Remove what an earlier plan left, where Snakemake has not removed the folder."""
    for path in plans.glob("*.tsv"):
        if path.stem not in names:
            path.unlink()
    for path in plans.glob(f"{KNOWN_FAILURES}/*.tsv"):
        path.unlink()


def read_rows(config: PlanConfig, locator: Locator | None = None) -> tuple[list[PlanRow], tuple[str, ...]]:
    """The studies of the CSV with their metadata, and warnings; sources are not looked at yet."""
    table = read_studies(config.input_csv, config.columns, Path(config.wfdb_dir), locator)
    metadata = read_metadata(config.metadata, config.columns.study_id, annotations=config.options.annotations)
    patients = read_patients(config.patients) if config.patients else {}
    rows = []
    for study in table.studies:
        acquisition, error = metadata.lookup(study)
        if error == MISSING:
            error = "" if config.missing_metadata == "allow" else f"{MISSING}: {WHAT_IS_MISSING}"
        if patients:
            acquisition = with_patient(acquisition, patients)
        known = acquisition.to_json()
        rows.append(
            PlanRow(study.study_id, study.subject_id, study.record, study.dicom, "", known, study.error or error)
        )
    return rows, (*table.warnings, *metadata.warnings)


def batch_count(studies: int, studies_per_job: int | str, largest: int = LARGEST_BATCH) -> int:
    """How many batches there are: a power of two, so that membership is stable; 0 for one batch per study.

    Parameters
    ----------
    studies : int
        Number of studies.
    studies_per_job : int or "auto"
        The most studies per batch on average; ``auto``: at most `largest`, and down to half of `SMALLEST_BATCH` to
        occupy up to 16 cores.
    largest : int
        See `studies_per_job`.
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
        return study_id.replace("/", "~")  # of letters, digits and ._-/ only, see `wfdb2dicom.inputs.study_ids`
    digest = blake2b(study_id.encode("utf-8", "surrogateescape"), digest_size=8)
    return f"{count:03d}-{int.from_bytes(digest.digest(), 'big') % count:03d}"


def assign(rows: Iterable[PlanRow], count: int) -> dict[str, list[PlanRow]]:
    """The rows of each of `count` batches, see `batch_count`, in any order."""
    batches: defaultdict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        batches[batch_name(row.study_id, count)].append(row)
    return dict(batches)
