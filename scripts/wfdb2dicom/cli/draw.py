"""Draw the ECG of a DICOM object: 25 mm/s, 10 mm/mV, three rows of four leads and a rhythm strip."""

import argparse
from pathlib import Path

from wfdb2dicom.cli.program import WrongArguments
from wfdb2dicom.page.draw import FORMATS, draw


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("dicom", type=Path, help="DICOM object; nothing else is read")
    parser.add_argument("page", type=Path, help=f"file to write: .{', .'.join(FORMATS)}")


def run(args: argparse.Namespace) -> int:
    """Draw; the format is that of the page's extension."""
    page_format = args.page.suffix.lower().removeprefix(".")
    if page_format not in FORMATS:
        raise WrongArguments(f"{args.page}: a page is a .{', .'.join(FORMATS)} file; name one")
    draw(args.dicom, args.page, page_format)
    return 0
