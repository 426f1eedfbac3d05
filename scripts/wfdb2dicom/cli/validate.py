"""Validate DICOM objects with dciodvfy and the project's checker: draw a sample, then write a table per batch.

exit status:
  0  the sample is drawn, or the table of the batch is written; findings are rows of it
  1  a file is missing, or dciodvfy is not installed
  2  wrong arguments

example:
  wfdb2dicom validate sample --size all --plans results/plan --receipts results/receipts results/sample.txt
  wfdb2dicom validate batch --sample results/sample.txt results/plan/001-000.tsv \\
      results/receipts/001-000.tsv results/validation/001-000.tsv
"""

import argparse
from pathlib import Path

from wfdb2dicom.batches.tables import read_plan
from wfdb2dicom.checks import sample, validate
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    commands = parser.add_subparsers(dest="command", required=True)
    sample = commands.add_parser("sample", help="draw the sample of validate and roundtrip")
    sample.add_argument("--size", required=True, help="studies, or all")
    sample.add_argument("--plans", type=Path, required=True, help="folder of the plan files, which name the batches")
    sample.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    sample.add_argument("sample", type=Path, help="file to write")
    batch = commands.add_parser("batch", help="validate those of one batch")
    batch.add_argument("--sample", type=Path, required=True)
    batch.add_argument("plan", type=Path)
    batch.add_argument("receipt", type=Path)
    batch.add_argument("table", type=Path, help="table to write")


def run(args: argparse.Namespace) -> int:
    """Validate; exit status 1 when something cannot be done, while findings are rows of the table."""
    print(_done(args))
    return 0


def _done(args: argparse.Namespace) -> str:
    """Do it, and say in one line what was done."""
    if args.command == "sample":
        validate.find_dciodvfy()  # before any work
        receipts = [args.receipts / plan.name for plan in sorted(args.plans.glob("*.tsv"))]
        limit = sample.limit_of_sample(receipts, args.size)
        replace_file(args.sample, f"{limit}\n".encode())
        return f"sample drawn: {'all' if args.size == 'all' else f'at most {args.size}'} studies"
    limit = read_file(args.sample).decode("ascii").strip()
    options, _ = read_plan(args.plan)
    bad = validate.validate(args.receipt, limit, options["dcm_dir"], args.table)
    return f"validate batch {args.receipt.stem}: {counted(bad, 'DICOM object has', 'DICOM objects have')} findings"
