#!/usr/bin/env python3
"""Cut a CSV of studies into batches: one plan file each, with all that converting them needs."""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.batches import plan
from wfdb2dicom.cli import program
from wfdb2dicom.dicom import sop_classes
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import ConfigError, complaint


def arguments() -> argparse.Namespace:
    """The command line; the options mean what config.yaml says of those of the same name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plans", type=Path, help="folder for the plan files")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--token", required=True, help="text to be kept beside the plan files")
    parser.add_argument("--input-csv", type=Path, required=True)
    parser.add_argument("--study-id-col", default="study_id")
    parser.add_argument("--path-col", default="path")
    parser.add_argument("--wfdb-dir", required=True)
    parser.add_argument("--dcm-dir", required=True)
    parser.add_argument("--metadata", default="")
    parser.add_argument("--patients", default="")
    parser.add_argument("--missing-metadata", choices=["error", "allow"], default="error")
    parser.add_argument("--studies-per-job", type=lambda text: text if text == "auto" else int(text), default="auto")
    parser.add_argument("--max-studies-per-job", type=int, default=plan.LARGEST_BATCH)
    parser.add_argument("--retry-failed", choices=["transient", "all", "none"], default="transient")
    parser.add_argument("--lead-order", choices=["source", "standard"], default="source")
    parser.add_argument("--other-signals", choices=["error", "omit"], default="error")
    parser.add_argument("--sop-class", choices=sop_classes.NAMES, default="auto")
    parser.add_argument("--unknown-leads", choices=["error", "local"], default="error")
    parser.add_argument("--uid-root", default="2.25")
    parser.add_argument("--annotations", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--watch-sources", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Plan, and say in one line what."""
    given = vars(arguments())
    plans, receipts, token = (given.pop(name) for name in ("plans", "receipts", "token"))
    options = Options.from_mapping({key: given.pop(key) for key in Options.names()})
    for key in ("metadata", "patients"):
        given[key] = Path(given[key]) if given[key] else None
    try:
        print(plan.make(plan.Request(**given, options=options), plans, receipts, token))
    except (ConfigError, OSError) as error:
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    program.run(main)
