"""Convert one study of a plan file, as its batch would.

exit status:
  0  the DICOM file exists and is up to date
  1  the study cannot be converted, or the plan does not hold it
  2  wrong arguments

example:
  wfdb2dicom convert-study results/plan/001-000.tsv files/p9000/p90000001/s94000001/94000001.dcm
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from wfdb2dicom.batches import job
from wfdb2dicom.batches.plan_files import find_study
from wfdb2dicom.batches.tables import TableError, read_receipt, write_plan
from wfdb2dicom.errors import mask_patient


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("plan", type=Path)
    parser.add_argument("dicom", help="path of the DICOM relative to dcm_dir, with .dcm")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds the study may take")
    parser.add_argument("--overwrite", action="store_true", help="convert it even if its DICOM is up to date")


def run(args: argparse.Namespace) -> int:
    """Convert; unlike in a batch, a study that fails is a failure of the command."""
    found = find_study(args.plan, args.dicom)
    if found is None:
        raise TableError(f"{args.plan} has no study that becomes {args.dicom}")
    with TemporaryDirectory() as folder:
        single, receipt = Path(folder, "plan.tsv"), Path(folder, "receipt.tsv")
        write_plan(single, *found)
        job.run(single, receipt, timeout=args.timeout, overwrite=args.overwrite)
        (outcome,) = read_receipt(receipt)
    if outcome.status == "failed":
        words = mask_patient(outcome.error, found[1][0].subject_id)
        print(f"error: study {outcome.study_id} cannot be converted: {words}", file=sys.stderr)
        return 1
    print(f"study {outcome.study_id}: {outcome.status}, {outcome.size} bytes")
    return 0
