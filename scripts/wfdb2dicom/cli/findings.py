"""Join the tables of validate or roundtrip, show their summary, and fail when there are findings.

exit status:
  0  the tables are joined, or there are no findings
  1  there are findings, or a table cannot be read
  2  wrong arguments

example:
  wfdb2dicom findings collect validate --plans results/plan results/validation results/validation.tsv
  wfdb2dicom findings judge results/validation.json
"""

import argparse
from pathlib import Path

from wfdb2dicom.checks.checked_objects import ROUNDTRIP, VALIDATE, collect, read_summary

WORDS = {words.name: words for words in (VALIDATE, ROUNDTRIP)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    commands = parser.add_subparsers(dest="command", required=True)
    join = commands.add_parser("collect", help="join the tables of the batches")
    join.add_argument("kind", choices=sorted(WORDS))
    join.add_argument("--plans", type=Path, required=True, help="folder of the plan files, which name the batches")
    join.add_argument("parts", type=Path, help="folder of the tables")
    join.add_argument("table", type=Path, help="table to write")
    judge = commands.add_parser("judge", help="show the summary; exit status 1 on findings")
    judge.add_argument("summary", type=Path, help="the JSON file beside the table")


def run(args: argparse.Namespace) -> int:
    """Join, or judge."""
    if args.command == "collect":
        parts = [args.parts / plan.name for plan in sorted(args.plans.glob("*.tsv"))]
        collect(parts, args.table, WORDS[args.kind])
        return 0
    summary = read_summary(args.summary)
    print(summary.text)
    return 1 if summary.bad else 0
