#!/usr/bin/env python3
"""Convert the studies of one plan file and write their receipt."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.cli import program


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("receipt", type=Path)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a study may take")
    parser.add_argument("--workers", type=int, default=1, help="processes that convert at the same time")
    parser.add_argument("--overwrite", action="store_true", help="convert also what is up to date")
    parser.add_argument("--previous", type=Path, help="receipt with failures that need not be tried again")
    parser.add_argument("--retry-failed", choices=["transient", "all", "none"], default="transient")
    parser.add_argument("--progress", type=Path, help="file that says how far the batch is while it runs")
    return parser.parse_args()


def main() -> int:
    """Convert, and say in one line what."""
    from wfdb2dicom.batches import job  # here, for `program.run` makes imports cheaper too: a seventh of a job's start
    from wfdb2dicom.batches.tables import TableError
    from wfdb2dicom.errors import TargetError, complaint

    try:
        # One write with its line end, so that batches that end together do not share a line.
        sys.stdout.write(f"{job.run(**vars(arguments()))}\n")
        sys.stdout.flush()
    except (TargetError, TableError, OSError) as error:
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    program.run(main)  # workers search for garbage again
