"""Turn the DICOM objects of a batch back into WFDB files and compare their digests with SHA256SUMS.txt.

exit status:
  0  the table of the batch is written; differences are rows of it
  1  a file is missing
  2  wrong arguments

example:
  wfdb2dicom roundtrip --sample results/sample.txt results/plan/001-000.tsv results/receipts/001-000.tsv \\
      results/roundtrip/001-000.tsv
"""

import argparse
from pathlib import Path

from wfdb2dicom.checks import roundtrip
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--sample", type=Path, required=True, help="file that `validate sample` wrote")
    parser.add_argument("plan", type=Path)
    parser.add_argument("receipt", type=Path)
    parser.add_argument("table", type=Path, help="table to write")


def run(args: argparse.Namespace) -> int:
    """Compare; exit status 1 when something cannot be done, while differences are rows of the table."""
    limit = read_file(args.sample).decode("ascii").strip()
    bad = roundtrip.roundtrip(args.plan, args.receipt, limit, args.table)
    subject = counted(bad, "DICOM object does", "DICOM objects do")
    print(f"roundtrip batch {args.receipt.stem}: {subject} not give the WFDB files back")
    return 0
