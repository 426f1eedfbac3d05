"""The results of a run from the receipts of its batches: result CSV, error log, manifest and summary.

Every study of the study CSV is accounted for, or the step fails and nothing takes the place of earlier results.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from wfdb2dicom.batches.rerun_token import store_results
from wfdb2dicom.batches.tables import read_batch
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.csv_text import RowWriter, iter_rows, missing_column
from wfdb2dicom.inputs.studies import path_prefix
from wfdb2dicom.inputs.study_ids import identify
from wfdb2dicom.results.manifest import ManifestWriter, tabulate
from wfdb2dicom.results.summary import OutcomeCounts, shown_path
from wfdb2dicom.system.current_run import current_run
from wfdb2dicom.system.pool import map_in_order, process_count, studies_in
from wfdb2dicom.system.whole_file import text_of, whole_file


@dataclass(frozen=True)
class AggregateOptions:
    """What the results are made from, and where they go.

    Attributes
    ----------
    input_csv, study_id_col, dcm_path_col, error_col, dcm_dir
        As in the configuration.
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    output_csv, errors, manifest, summary : Path
        The files to write.
    started : float
        When the run began, in seconds since the epoch: receipts written since then are its work.
    configuration : dict
        The whole configuration, for the summary.
    token, digests : str, Path
        What `wfdb2dicom.batches.rerun_token.store_results` keeps, and where; no digests, nothing is kept.
    """

    input_csv: Path
    dcm_dir: str
    plans: Path
    receipts: Path
    output_csv: Path
    errors: Path
    manifest: Path
    summary: Path
    study_id_col: str = "study_id"
    dcm_path_col: str = "dcm_path"
    error_col: str = "dcm_error"
    started: float = 0.0
    configuration: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    digests: Path | None = None


class BatchResults(NamedTuple):
    """The share of one batch in the results.

    Attributes
    ----------
    counts : OutcomeCounts
    manifest : pyarrow.Table
        Its rows of the manifest.
    dicoms : dict
        study_id → path of the DICOM relative to dcm_dir, "" when there is no path.
    errors : dict
        study_id → path and error, of the studies that failed.
    """

    counts: OutcomeCounts
    manifest: pa.Table
    dicoms: dict[str, str]
    errors: dict[str, tuple[str, str]]


def write_results(options: AggregateOptions) -> dict[str, Any]:
    """Write result CSV, error log, manifest and summary.

    Returns
    -------
    dict
        The summary, see `wfdb2dicom.results.summary`.

    Raises
    ------
    TableError
        When a receipt is missing, damaged or not that of its plan file.
    ConfigError
        When the study CSV cannot be read or holds a study without an outcome.
    """
    counts = OutcomeCounts()
    dicoms: dict[str, str] = {}
    failures: dict[str, tuple[str, str]] = {}
    with ExitStack() as stack:
        # All four take their names at the end, together.
        manifest, summary, errors, table = (
            stack.enter_context(whole_file(path, sync=True))
            for path in (options.manifest, options.summary, options.errors, options.output_csv)
        )
        with ManifestWriter(manifest) as rows_of_manifest:
            for batch in read_batches(options):
                counts.add(batch.counts)
                rows_of_manifest.add(batch.manifest)
                dicoms |= batch.dicoms
                failures |= batch.errors
        _write_table(options, dicoms, failures, table, errors)
        places = {"output_csv": str(options.output_csv), "error_log": str(options.errors)}
        result = counts.summary(
            options.configuration, places, time.time() - options.started if options.started else 0.0
        )
        text = json.dumps(result, indent=2, ensure_ascii=False)
        summary.write(f"{text}\n".encode("utf-8", "surrogateescape"))
    if options.digests is not None:
        files = (options.manifest, options.summary, options.errors, options.output_csv)
        store_results(options.digests, options.token, files)
    with current_run():
        _remove_old_receipts(options)
    return result


def _remove_old_receipts(options: AggregateOptions) -> None:
    """Remove the receipts of batches that are not planned any more: their studies have newer outcomes now."""
    planned = {path.name for path in options.plans.glob("*.tsv")}
    for path in options.receipts.glob("*.tsv"):
        if path.name not in planned:
            path.unlink()


def read_batches(options: AggregateOptions) -> Iterator[BatchResults]:
    """The results of each batch, in the order of their names; large runs use all cores.

    Raises
    ------
    TableError
        When a receipt is missing, damaged or not that of its plan file.
    """
    paths = sorted(options.plans.glob("*.tsv"))
    read = partial(_batch, receipts=options.receipts, dcm_dir=options.dcm_dir, started=options.started)
    return map_in_order(read, paths, processes=process_count(studies_in(paths)))


def _batch(plan: Path, receipts: Path, dcm_dir: str, started: float) -> BatchResults:
    """Read the plan of one batch and its outcomes."""
    receipt = receipts / plan.name
    _, planned, results = read_batch(plan, receipt)
    rows = list(zip(planned, results, strict=True))
    counts = OutcomeCounts()
    counts.add_batch(rows, fresh=receipt.stat().st_mtime >= started)
    errors = {row.study_id: (shown_path(row), result.error) for row, result in rows if result.error}
    manifest = tabulate(rows, dcm_dir)
    counts.add_times(manifest["study_id"].to_pylist(), manifest["time_difference"].to_pylist())
    return BatchResults(counts, manifest, {row.study_id: row.dicom for row in planned}, errors)


def _write_table(
    options: AggregateOptions,
    dicoms: dict[str, str],
    failures: dict[str, tuple[str, str]],
    table: BinaryIO,
    errors: BinaryIO,
) -> None:
    """The study CSV with its two columns, and the error log, in the order of the study CSV."""
    header, rows = iter_rows(options.input_csv)
    if options.study_id_col not in header:
        raise missing_column("study_id_col", options.study_id_col, options.input_csv, header)
    id_at = header.index(options.study_id_col)
    columns = header + [name for name in (options.dcm_path_col, options.error_col) if name not in header]
    path_at, error_at = columns.index(options.dcm_path_col), columns.index(options.error_col)
    folder = path_prefix(options.dcm_dir)
    added = [""] * (len(columns) - len(header))
    with text_of(table) as csv_stream, text_of(errors) as log:
        writer = RowWriter(csv_stream)
        writer.write_row(columns)
        log.write(f"# {len(failures)} of {len(dicoms)} studies failed: study_id, path, error\n")
        left = len(dicoms)
        for line, row in rows:
            study_id, _ = identify(row[id_at], line)
            dicom = dicoms.get(study_id)
            if dicom is None:
                raise ConfigError(
                    f"input_csv: study {study_id} (line {line} of {options.input_csv}) is in no batch: "
                    "the file changed while it was being converted; run again"
                )
            path, error = failures.get(study_id, ("", ""))
            row += added
            row[path_at] = "" if error else folder + dicom
            row[error_at] = error
            writer.write_row(row)
            left -= 1
            if error:
                log.write(f"{study_id}\t{path}\t{error}\n")
    if left:
        raise ConfigError(
            f"input_csv: {options.input_csv} has {left} fewer studies than were converted: "
            "the file changed in the meantime; run again"
        )
