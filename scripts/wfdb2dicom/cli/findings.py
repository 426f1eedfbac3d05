"""Join the tables of validate or roundtrip, show their summary, and fail when it tells of findings."""

import argparse
from pathlib import Path

from wfdb2dicom.batches.tables import TableError
from wfdb2dicom.checks import sample

WORDS = {words.name: words for words in (sample.VALIDATE, sample.ROUNDTRIP)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    commands = parser.add_subparsers(dest="command", required=True)
    collect = commands.add_parser("collect", help="join the tables of the batches")
    collect.add_argument("kind", choices=sorted(WORDS))
    collect.add_argument("--plans", type=Path, required=True, help="folder of the plan files, which name the batches")
    collect.add_argument("parts", type=Path, help="folder of the tables")
    collect.add_argument("table", type=Path, help="table to write")
    judge = commands.add_parser("judge", help="show the summary; exit status 1 on findings")
    judge.add_argument("verdict", type=Path, help="the JSON file beside the table")


def run(args: argparse.Namespace) -> int:
    """Join, or judge."""
    if args.command == "collect":
        parts = [args.parts / plan.name for plan in sorted(args.plans.glob("*.tsv"))]
        sample.collect(parts, args.table, WORDS[args.kind])
        return 0
    try:
        verdict = sample.read_verdict(args.verdict)
    except ValueError as error:
        raise TableError(f"{args.verdict} is not a whole table of this version; delete it and run again") from error
    print(verdict.text)
    return 1 if verdict.bad else 0
