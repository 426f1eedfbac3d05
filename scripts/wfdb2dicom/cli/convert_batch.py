"""Convert the studies of one plan file and write their receipt.

exit status:
  0  every study of the plan has its row in the receipt, including those that failed
  1  the receipt or the DICOM files cannot be written
  2  wrong arguments

example:
  wfdb2dicom convert-batch results/plan/001-000.tsv results/receipts/001-000.tsv
"""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("plan", type=Path)
    parser.add_argument("receipt", type=Path)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a study may take")
    parser.add_argument("--workers", type=int, default=1, help="processes that convert at the same time")
    parser.add_argument("--overwrite", action="store_true", help="convert every study, even if its DICOM is up to date")
    parser.add_argument("--known-failures", type=Path, help="receipt of failures that are not tried again")
    parser.add_argument("--progress", type=Path, help="file in which the batch records its progress")


def run(args: argparse.Namespace) -> int:
    """Convert, and say in one line what; then the warnings."""
    from wfdb2dicom.batches import job  # with the search for garbage switched off: a seventh of a job's start

    summary = job.run(**vars(args))
    # One write with its line ends, so that batches that end together do not share a line.
    sys.stdout.write("".join(f"{line}\n" for line in (summary, *summary.warnings)))
    sys.stdout.flush()
    return 0
