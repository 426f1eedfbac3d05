#!/usr/bin/env python3
"""Turn the DICOM objects of a batch back into WFDB files and compare their digests with SHA256SUMS.txt."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.batches.tables import TableError
from wfdb2dicom.checks import roundtrip
from wfdb2dicom.errors import ConfigError


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=Path, required=True, help="as validate.py draws it")
    parser.add_argument("plan", type=Path)
    parser.add_argument("receipt", type=Path)
    parser.add_argument("table", type=Path, help="table to write")
    return parser.parse_args()


def main() -> int:
    """Exit status 1 when something cannot be done; differences are for the table."""
    args = arguments()
    try:
        limit = args.sample.read_text(encoding="ascii").strip()
        bad = roundtrip.prove(args.plan, args.receipt, limit, args.table)
    except (ConfigError, TableError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"roundtrip batch {args.receipt.stem}: {bad} DICOM objects do not give their WFDB files back")
    return 0


if __name__ == "__main__":
    sys.exit(main())
