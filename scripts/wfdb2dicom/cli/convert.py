"""Convert one WFDB record to one DICOM file.

Patient and date come from the header; --subject-id and --ecg-time supply them if it has none.

exit status:
  0  the DICOM file exists and is up to date
  1  the record cannot be converted, or a file cannot be read or written
  2  wrong arguments

example:
  wfdb2dicom convert files/p9000/p90000001/s94000001/94000001 ecg.dcm --metadata machine_measurements.csv
"""

import argparse
import sys
from pathlib import Path

from wfdb2dicom.acquisition import normalise_time
from wfdb2dicom.api import convert_record
from wfdb2dicom.cli.arguments import add_conversion_options
from wfdb2dicom.cli.startup import WrongArguments
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import (
    ArgumentError,
    ConfigError,
    DateError,
    LeadError,
    RangeError,
    SubjectMismatch,
    UnknownSubject,
    Wfdb2DicomError,
    describe,
)

# Messages of the library name the keys of the configuration; here they are options.
HINTS: dict[type[BaseException], str] = {
    DateError: " (here: --ecg-time, --undated)",
    SubjectMismatch: " (here: --subject-id)",
    UnknownSubject: " (here: --subject-id, --unknown-subject)",
    LeadError: " (here: --unknown-leads, --other-signals)",
    RangeError: " (here: --sop-class)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("record", help="path of the WFDB record, with or without .hea or .dat")
    parser.add_argument("out", help="DICOM file to write, or folder (existing, or ending in /) for <record name>.dcm")
    parser.add_argument("--metadata", type=Path, help="table machine_measurements, whose row for this study is used")
    parser.add_argument("--study-id", default="", help="id of the study [the record's name]")
    parser.add_argument("--subject-id", default="", help="patient, if the header names none")
    parser.add_argument("--ecg-time", type=date_and_time, help="YYYY-MM-DD HH:MM:SS, if the header has no date")
    add_conversion_options(parser)


def date_and_time(text: str) -> str:
    """An argument that is a date and a time."""
    if not normalise_time(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not YYYY-MM-DD HH:MM:SS")
    return normalise_time(text)


def run(args: argparse.Namespace) -> int:
    """Convert."""
    try:
        options = Options.from_mapping(vars(args))
    except ConfigError as error:
        raise WrongArguments(str(error)) from None
    try:
        done = convert_record(
            args.record,
            args.out,
            args.metadata,
            options,
            subject_id=args.subject_id,
            study_id=args.study_id,
            ecg_time=args.ecg_time,
        )
    except ArgumentError:
        raise
    except (Wfdb2DicomError, OSError) as error:
        print(f"error: {describe(error)}{HINTS.get(type(error), '')}", file=sys.stderr)
        return 1
    print(f"{done.path}: {done.status}, {done.size} bytes")
    return 0
