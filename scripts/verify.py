#!/usr/bin/env python3
"""Check every receipt against the disk: each DICOM is there and is what its source and the options give."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.batches.tables import TableError
from wfdb2dicom.checks import verify
from wfdb2dicom.errors import complaint


def main() -> int:
    """Check; exit status 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("findings", type=Path, help="table to write: what does not hold")
    parser.add_argument("--plans", type=Path, required=True, help="folder of the plan files")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    args = parser.parse_args()
    try:
        outcome = verify.run(args.plans, args.receipts, args.findings, workers=args.workers)
    except (TableError, OSError) as error:
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 1
    print(outcome)
    if outcome.findings:
        print(f"error: {outcome}\n{outcome.examples()}", file=sys.stderr)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
