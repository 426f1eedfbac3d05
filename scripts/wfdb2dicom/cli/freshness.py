"""Check whether files, plan and receipts agree, in several processes.

exit status:
  0   they agree
  1   a file cannot be read
  2   wrong arguments
  10  something changed, so that the study CSV has to be planned again

example:
  wfdb2dicom freshness results/plan results/receipts --watch-sources
"""

import argparse
from pathlib import Path

from wfdb2dicom.batches import freshness
from wfdb2dicom.records import stamps
from wfdb2dicom.system.pool import process_count, studies_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("plans", type=Path, help="folder of the plan files")
    parser.add_argument("receipts", type=Path, help="folder of the receipts")
    parser.add_argument("--retry-failed", choices=["transient", "all", "none"], default="transient")
    parser.add_argument("--watch-sources", action="store_true", help="look at source files and DICOMs too")


def run(args: argparse.Namespace) -> int:
    """Look."""
    processes = process_count(studies_in(args.plans.glob("*.tsv")), stamps.STAT_THREADS)
    policy = freshness.Policy(args.retry_failed, watch_sources=args.watch_sources)
    changed = freshness.anything_changed(args.plans, args.receipts, policy, processes=processes)
    return freshness.CHANGED if changed else freshness.UNCHANGED
