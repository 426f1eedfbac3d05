"""Look whether files, plan and receipts agree, in several processes; the exit status says so (AGREE or DIFFER)."""

import argparse
from pathlib import Path

from wfdb2dicom.batches import watch
from wfdb2dicom.records import stamps
from wfdb2dicom.system.pool import studies_in, workers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("plans", type=Path, help="folder of the plan files")
    parser.add_argument("receipts", type=Path, help="folder of the receipts")
    parser.add_argument("--retry-failed", choices=["transient", "all", "none"], default="transient")
    parser.add_argument("--watch-files", action="store_true", help="look at source files and DICOMs too")


def run(args: argparse.Namespace) -> int:
    """Look."""
    processes = workers(studies_in(args.plans.glob("*.tsv")), stamps.LOOKERS)
    return watch.DIFFER if watch.differ(**vars(args), processes=processes) else watch.AGREE
