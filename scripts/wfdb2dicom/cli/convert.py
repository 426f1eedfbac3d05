"""Convert one WFDB record to one DICOM file.

    convert.py RECORD OUT.dcm [--metadata machine_measurements.csv] [--subject-id ID] [--ecg-time "YYYY-MM-DD HH:MM:SS"]

Patient and date come from the header; the options step in where it has none.
"""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.acquisition import Acquisition, normalise_id, normalise_time
from wfdb2dicom.convert import convert_record
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import ConfigError, DateError, OutputError, StudyError, SubjectMismatch, describe
from wfdb2dicom.inputs.measurements import read_metadata
from wfdb2dicom.inputs.studies import Study

# What the library says of the study CSV is said here by options.
HINTS: dict[type[BaseException], str] = {DateError: " (here: --ecg-time)", SubjectMismatch: " (here: --subject-id)"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("record", help="path of the record; .hea or .dat at its end does not matter")
    parser.add_argument("out", type=Path, help="the DICOM file, or a folder for <record name>.dcm")
    parser.add_argument("--metadata", type=Path, help="machine_measurements: its row of this study is used")
    parser.add_argument("--study-id", default="", help="default: the record's name")
    parser.add_argument("--subject-id", default="", help="patient, where the header names none")
    parser.add_argument("--ecg-time", type=date_and_time, help="where the header has no date and time")
    parser.add_argument("--lead-order", choices=("source", "standard"), default="source")
    parser.add_argument("--uid-root", default="2.25")


def date_and_time(text: str) -> str:
    """An argument that is a date and a time."""
    if not normalise_time(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not YYYY-MM-DD HH:MM:SS")
    return normalise_time(text)


def refuse(out: Path) -> str:
    """Why a file is not to be written over, "" when it may be: who names header and signal file means neither."""
    if out.suffix in (".hea", ".dat", ".mat"):
        return f"{out} has the name of a WFDB file; the second argument is the DICOM file to write"
    if out.is_file() and out.stat().st_size and out.read_bytes()[128:132] != b"DICM":
        return f"{out} is there and is no DICOM file; give another name"
    return ""


def acquisition(args: argparse.Namespace, record: Path) -> Acquisition:
    """What is known besides the record: the command line and the metadata row of the study."""
    study_id, subject_id = normalise_id(args.study_id or record.name, "s"), normalise_id(args.subject_id, "p")
    study = Study(study_id, subject_id, str(record), record.name, args.ecg_time or "", "")
    known, error = read_metadata(args.metadata, "study_id").lookup(study)
    if error:
        raise StudyError(f"{error} {study.study_id} in {args.metadata}")
    return Acquisition.from_json(known)


def run(args: argparse.Namespace) -> int:
    """Convert."""
    record = Path(args.record)
    if record.suffix in (".hea", ".dat", ".mat"):
        record = record.with_suffix("")
    out = args.out / f"{record.name}.dcm" if args.out.is_dir() else args.out
    if complaint := refuse(out):
        print(f"error: {complaint}", file=sys.stderr)
        return 1
    try:
        options = Options(lead_order=args.lead_order, uid_root=args.uid_root)
        outcome = convert_record(record, out, acquisition(args, record), options)
    except (StudyError, OSError, OutputError, ConfigError) as error:
        print(f"error: {describe(error)}{HINTS.get(type(error), '')}", file=sys.stderr)
        return 1
    print(f"{out}: {outcome.status}, {outcome.size} bytes")
    return 0
