"""Draw the ECG of a DICOM object: 25 mm/s, 10 mm/mV, three rows of four leads and a rhythm strip.

exit status:
  0  the page is written; its name and size are printed
  1  the object does not hold an ECG, or a file cannot be read or written
  2  wrong arguments

example:
  wfdb2dicom draw ecg.dcm ecg.png
"""

import argparse
from pathlib import Path

from wfdb2dicom.api import draw


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("dicom", type=Path, help="DICOM ECG object, of wfdb2dicom or any other software")
    parser.add_argument("out", type=Path, help="file to write: .png, .pdf or .svg")
    parser.add_argument("--pixels-per-mm", type=int, default=7, help="resolution of a PNG [7]")
    parser.add_argument("--quiet", action="store_true", help="print nothing where it goes well")


def run(args: argparse.Namespace) -> int:
    """Draw; the format is that of the page's extension."""
    draw(args.dicom, args.out, pixels_per_mm=args.pixels_per_mm)
    if not args.quiet:
        print(f"{args.out}: drawn, {args.out.stat().st_size} bytes")
    return 0
