#!/usr/bin/env python3
"""Convert the studies of a CSV to DICOM: the command line of mimic-iv-ecg-to-dcm on this workflow.

The state of the run lies beside the output CSV in <stem>.wfdb2dicom/; the same command resumes from it. A study that
fails is a row of the output CSV, not a failure of the command: the exit status is 0 once every study has its row.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import yaml

from wfdb2dicom.batches.plan import SMALLEST_BATCH, USUAL_BATCHES
from wfdb2dicom.cli.run import run_snakemake, snakefile
from wfdb2dicom.cli.startup import start
from wfdb2dicom.inputs.configuration import beside


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--input_csv", required=True, help="CSV of the studies")
    add("--output_csv", required=True, help="copy of it with two more columns")
    add("--wfdb_dir", required=True, help="folder of the WFDB tree, or the ZIP of it")
    add("--dcm_dir", required=True, help="folder for the DICOM files")
    add("--df_info_pkl", required=True, help="machine_measurements or its preprocessed frame: pickle, CSV or Parquet")
    add("--study_id_col", default="study_id")
    add("--path_col", default="path")
    add("--dcm_path_col", default="dcm_path")
    add("--error_col", default="dcm_error")
    add("--workers", type=int, default=os.cpu_count() or 1, help="cores to use (default: all)")
    add("--timeout", type=float, default=60, help="seconds a study may take (default: 60)")
    add(
        "--checkpoint",
        type=int,
        default=2000,
        help="the most studies per job; progress is kept after each job. Jobs have fewer, but 256 or more, where it"
        " takes that to use all --workers; 0 = automatic (default: 2000)",
    )
    add("--overwrite", action="store_true", help="convert every study again")
    add("--error_log", default="", help="list of failures (default: <stem>.errors.log beside the output CSV)")
    args = parser.parse_args()
    if args.workers < 1:
        parser.error(f"--workers {args.workers}: give a number from 1")
    if args.checkpoint < 0:
        parser.error(f"--checkpoint {args.checkpoint}: give a number from 0 (automatic)")
    return args


def configuration(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the workflow; paths are absolute, because it runs in the folder of its state."""

    def absolute(path: str) -> str:
        return str(Path(path).absolute()) if path else ""

    def table(path: str) -> str:
        return absolute(path) if os.path.lexists(path) else path  # the workflow looks for it in wfdb_dir, such as a ZIP

    paths = ("output_csv", "wfdb_dir", "dcm_dir", "error_log")
    same = ("study_id_col", "path_col", "dcm_path_col", "error_col", "timeout", "overwrite")
    return {
        **{key: absolute(getattr(args, key)) for key in paths},
        **{key: getattr(args, key) for key in same},
        "input_csv": table(args.input_csv),
        "metadata": table(args.df_info_pkl),
        **jobs(args.checkpoint, args.workers),
        "max_failed": 1.0,
    }


def jobs(checkpoint: int, workers: int) -> dict[str, Any]:
    """The options that say how many studies a job has, at most `checkpoint`, and how many of the workers."""
    if 0 < checkpoint < SMALLEST_BATCH:
        return {"studies_per_job": checkpoint}
    limit = {"max_studies_per_job": checkpoint} if checkpoint else {}
    # There may be no more jobs than these; on more cores each gets several.
    return {"studies_per_job": "auto", "threads_per_job": -(-workers // USUAL_BATCHES), **limit}


def main() -> NoReturn:
    """Run the workflow; its exit status is ours."""
    start()
    args = arguments()
    output = Path(args.output_csv).absolute()
    state = Path(beside(str(output), ".wfdb2dicom"))
    config = state / "config.yaml"
    try:
        state.mkdir(parents=True, exist_ok=True)
        config.write_text(yaml.safe_dump(configuration(args), allow_unicode=True), encoding="utf-8")
    except OSError as error:
        sys.exit(f"error: --output_csv: cannot write into {str(state)!r} ({error.strerror}): name another place")
    command = ["--snakefile", snakefile(), "--directory", state, "--configfile", config, "--cores", args.workers]
    sys.exit(run_snakemake([str(part) for part in command]))


if __name__ == "__main__":
    main()
