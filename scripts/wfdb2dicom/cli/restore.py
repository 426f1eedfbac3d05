"""Restore the WFDB record, .hea and .dat, from a DICOM ECG object."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.cli.program import WrongArguments
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.page.restore import ORDERS, RestoreError, restore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("dicom", type=Path)
    parser.add_argument("out_dir", type=Path, help="folder for <name>.hea and <name>.dat; made if missing")
    parser.add_argument("--name", default="", help="name of the record [the Study ID]")
    parser.add_argument(
        "--order",
        default="stored",
        metavar="ORDER",
        help=f"order of the signals: stored, {', '.join(ORDERS)}, or lead names with commas [stored]",
    )
    parser.add_argument("--format", type=int, choices=[16, 24, 32], help="WFDB format [16; 32 for samples of 32 bits]")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there with other content")


def run(args: argparse.Namespace) -> int:
    """Restore, and say what was written."""
    order = args.order.split(",") if "," in args.order else args.order
    if isinstance(order, str) and order != "stored" and order not in ORDERS:
        raise WrongArguments(f"--order {order!r} is none of stored, {', '.join(ORDERS)}; or name leads: I,II,…")
    try:
        record = restore(args.dicom.read_bytes(), args.name, order=order, signal_format=args.format)
        for path in record.write(args.out_dir, overwrite=args.overwrite):
            print(path)
    except (RestoreError, ConfigError, OSError) as error:
        print(f"error: {args.dicom}: {error}", file=sys.stderr)
        return 1
    return 0
