#!/usr/bin/env python3
"""Draw the ECG of a DICOM object: 25 mm/s, 10 mm/mV, three rows of four leads and a rhythm strip."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.page.draw import FORMATS, EcgError, draw


def main() -> int:
    """Draw; the format is that of the page's extension."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dicom", type=Path, help="DICOM object; nothing else is read")
    parser.add_argument("page", type=Path, help=f"file to write: .{', .'.join(FORMATS)}")
    args = parser.parse_args()
    page_format = args.page.suffix.lower().removeprefix(".")
    if page_format not in FORMATS:
        parser.error(f"{args.page}: a page is a .{', .'.join(FORMATS)} file; name one")
    try:
        draw(args.dicom, args.page, page_format)
    except (EcgError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
