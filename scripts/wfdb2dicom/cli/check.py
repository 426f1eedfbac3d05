"""Check DICOM ECG objects against the standard, also for what other validators do not look at.

Each finding is a line with the file, the attribute, what is wrong with it, and the section of the standard.
The last line says how many objects conform.

exit status:
  0  every object conforms
  1  there are findings, or a file cannot be read
  2  wrong arguments

example:
  wfdb2dicom check ecg.dcm --record files/p9000/p90000001/s94000001/94000001
"""

import argparse
import shlex
import sys
from pathlib import Path

from wfdb2dicom.api import check
from wfdb2dicom.cli.startup import WrongArguments
from wfdb2dicom.errors import ArgumentError, Wfdb2DicomError, told
from wfdb2dicom.words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--record", type=Path, help="WFDB record to compare the amplitudes with; only for one FILE")
    parser.add_argument("--quiet", action="store_true", help="print findings only")


def run(args: argparse.Namespace) -> int:
    """Check, and print one line per finding, then how many objects conform."""
    if args.record and len(args.files) > 1:
        raise WrongArguments("--record is the record of one FILE; give one FILE")
    conforming = 0
    for path in args.files:
        try:
            findings = check(path, args.record)
        except ArgumentError:
            raise
        except (OSError, Wfdb2DicomError) as error:
            print(f"error: {told(error, path)}{_all_below(path) if path.is_dir() else ''}", file=sys.stderr)
            continue
        for finding in findings:
            print(f"{path}: {finding}")
        conforming += not findings
    if not args.quiet:
        print(_verdict(args.files, conforming))
    return 0 if conforming == len(args.files) else 1


def _all_below(folder: Path) -> str:
    """How to check every object of a folder."""
    return f"; for all below it: find {shlex.quote(str(folder))} -name '*.dcm' -exec wfdb2dicom check {{}} +"


def _verdict(files: list[Path], conforming: int) -> str:
    if len(files) == 1:
        return f"{files[0]}: {'conforms' if conforming else 'does not conform'}"
    return f"{conforming:,} of {counted(len(files), 'object')} conform"
