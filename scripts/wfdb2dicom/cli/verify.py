"""Compare every DICOM on disk with its receipt, and with what its source and the options give.

exit status:
  0  every DICOM file is what its source and the options give
  1  something differs: the table lists it
  2  wrong arguments

example:
  wfdb2dicom verify --plans results/plan --receipts results/receipts results/verify.tsv
"""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.checks import verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("findings", type=Path, help="table to write: what differs")
    parser.add_argument("--plans", type=Path, required=True, help="folder of the plan files")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--workers", type=int, default=1, help="processes")


def run(args: argparse.Namespace) -> int:
    """Check; exit status 1 when something does not hold."""
    outcome = verify.run(args.plans, args.receipts, args.findings, workers=args.workers)
    if outcome.findings:
        print(f"error: {outcome}\n{outcome.examples()}", file=sys.stderr)
        return 1
    print(outcome)
    return 0
