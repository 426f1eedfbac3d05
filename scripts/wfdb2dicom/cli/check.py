"""Check DICOM ECG objects for what the standard demands and validators do not look at; exit status 1 on a finding."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.cli import program
from wfdb2dicom.conformance.checker import check_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--record", type=Path, help="WFDB record of the one FILE: compare the amplitudes too")


def run(args: argparse.Namespace) -> int:
    """Check, and print a line a finding."""
    if args.record and len(args.files) > 1:
        raise program.WrongArguments("--record is the record of one FILE; give one FILE")
    status = 0
    for path in args.files:
        try:
            findings = check_file(path)
            if args.record:
                from wfdb2dicom.conformance.source import check_source

                findings += check_source(path, args.record)
        except (OSError, ValueError) as error:
            print(f"error: {path}: {error}", file=sys.stderr)
            status = 1
            continue
        for finding in findings:
            print(f"{path}: {finding}")
            status = 1
    return status
