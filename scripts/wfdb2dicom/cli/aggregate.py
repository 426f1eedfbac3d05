"""Combine the receipts of all batches into the result CSV, error log, manifest and summary.

exit status:
  0  the tables are written
  1  a receipt is missing or damaged, or a table cannot be written
  2  wrong arguments

example:
  wfdb2dicom aggregate --input-csv record_list.csv --dcm-dir dicom --plans results/plan --receipts \\
      results/receipts --output-csv results/studies.csv --errors results/errors.log --manifest \\
      results/manifest.parquet --summary results/summary.json
"""

import argparse
import json
from pathlib import Path

from wfdb2dicom.cli import startup
from wfdb2dicom.results import aggregate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line; the options mean what config.yaml says of those of the same name."""
    parser.add_argument("--input-csv", type=Path, required=True)
    parser.add_argument("--study-id-col", default="study_id")
    parser.add_argument("--dcm-dir", required=True)
    parser.add_argument("--dcm-path-col", default="dcm_path")
    parser.add_argument("--error-col", default="dcm_error")
    parser.add_argument("--plans", type=Path, required=True, help="folder of the plan files")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--output-csv", type=Path, required=True)
    parser.add_argument("--errors", type=Path, required=True, help="the error log")
    parser.add_argument("--manifest", type=Path, required=True, help="a Parquet file")
    parser.add_argument("--summary", type=Path, required=True, help="a JSON file")
    parser.add_argument("--started", type=float, default=0.0, help="when the run began, in seconds since 1970")
    parser.add_argument(
        "--options", dest="configuration", type=json.loads, default={}, help="the whole configuration as JSON"
    )
    parser.add_argument("--digests", type=Path, help="file for the digests of the results and the token")
    parser.add_argument("--token", default="", help="text to be kept with them")


def run(args: argparse.Namespace) -> int:
    """Aggregate."""
    startup.without_pandas()
    aggregate.write_results(aggregate.AggregateOptions(**vars(args)))
    return 0
