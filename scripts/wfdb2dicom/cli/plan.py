"""Divide the studies of a CSV into batches: one plan file each, with everything that converting them needs.

exit status:
  0  the plan files are written
  1  the tables cannot be read, or the plan files cannot be written
  2  wrong arguments

example:
  wfdb2dicom plan results/plan --receipts results/receipts --token first --input-csv record_list.csv \\
      --wfdb-dir . --dcm-dir dicom
"""

import argparse
from pathlib import Path

from wfdb2dicom.batches import plan
from wfdb2dicom.cli.arguments import add_conversion_options
from wfdb2dicom.inputs.columns import StudyColumns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line; the options mean what config.yaml says of those of the same name."""
    parser.add_argument("plans", type=Path, help="folder for the plan files")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--token", required=True, help="text to keep beside the plan files")
    parser.add_argument("--input-csv", type=Path, required=True)
    for name, default in StudyColumns._field_defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}-col", default=default)
    parser.add_argument("--wfdb-dir", required=True)
    parser.add_argument("--dcm-dir", required=True)
    parser.add_argument("--metadata", default="")
    parser.add_argument("--patients", default="")
    parser.add_argument("--missing-metadata", choices=["error", "allow"], default="error")
    parser.add_argument("--studies-per-job", type=lambda text: text if text == "auto" else int(text), default="auto")
    parser.add_argument("--max-studies-per-job", type=int, default=plan.LARGEST_BATCH)
    parser.add_argument("--retry-failed", choices=["transient", "all", "none"], default="transient")
    add_conversion_options(parser)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--watch-sources", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Plan, and say in one line what."""
    print(plan.make(plan.PlanConfig.from_options(vars(args)), args.plans, args.receipts, args.token))
    return 0
