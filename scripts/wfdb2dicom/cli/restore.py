"""Restore the WFDB record from a DICOM ECG object.

exit status:
  0  both files are written
  1  the object does not hold samples as wfdb2dicom writes them, or a file exists with other content
  2  wrong arguments

example:
  wfdb2dicom restore ecg.dcm restored --order mimic
"""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.api import restore
from wfdb2dicom.arguments import SIGNAL_FORMATS
from wfdb2dicom.errors import ArgumentError, ConfigError, StudyError, told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("dicom", type=Path, help="DICOM ECG object that wfdb2dicom wrote")
    parser.add_argument("out_dir", type=Path, help="folder for <name>.hea and <name>.dat; made if missing")
    parser.add_argument("--name", default="", help="name of the record [the Study ID]")
    parser.add_argument(
        "--order",
        default="stored",
        metavar="ORDER",
        help="order of the signals: stored, mimic, standard, or lead names separated by commas [stored]",
    )
    parser.add_argument(
        "--format", type=int, choices=SIGNAL_FORMATS, help="WFDB format [16; 32 for samples of 32 bits]"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist with other content")


def run(args: argparse.Namespace) -> int:
    """Restore, and print what was written."""
    order = args.order.split(",") if "," in args.order else args.order
    try:
        written = restore(
            args.dicom, args.out_dir, args.name, order=order, signal_format=args.format, overwrite=args.overwrite
        )
    except ArgumentError:
        raise
    except (StudyError, ConfigError, OSError) as error:
        print(f"error: {told(error, args.dicom)}", file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0
