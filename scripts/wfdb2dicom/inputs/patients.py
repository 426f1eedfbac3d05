"""Sex and age of patients from MIMIC-IV's patients.csv, which is read only on request.

MIMIC-IV shifts the dates of a patient together: `anchor_age` is the age in the (shifted) `anchor_year`. Ages above 89
are hidden there: `anchor_age` is then 91, whatever the age.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.acquisition import Acquisition, normalise_id, sex_code
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.compressed_file import open_decompressed

_COLUMNS = ("subject_id", "gender", "anchor_age", "anchor_year")


class Patient(NamedTuple):
    """A patient: sex as DICOM codes it, age in years, and the year in which it was that; "" where unknown."""

    sex: str = ""
    anchor_age: str = ""
    anchor_year: str = ""


def read_patients(path: Path) -> dict[str, Patient]:
    """Patients by subject id, from a CSV file (plain or ``.gz``) with the columns of MIMIC-IV's patients.csv.

    Raises
    ------
    ConfigError
        When the file cannot be read, a column is missing, or two rows contradict each other.
    """
    found: dict[str, Patient] = {}
    try:
        with open_decompressed(path) as packed, io.TextIOWrapper(packed, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            missing = [name for name in _COLUMNS if name not in header]
            if missing:
                raise ConfigError(f"patients: {path} has no column {', '.join(missing)}; give MIMIC-IV's patients.csv")
            places = [header.index(name) for name in _COLUMNS]
            for row in rows:
                if len(row) <= max(places):
                    continue
                subject, gender, age, year = (row[place].strip() for place in places)
                if not subject:  # it would match every study whose subject is unknown
                    continue
                patient = Patient(sex_code(gender), _whole(age), _whole(year))
                if found.setdefault(normalise_id(subject, "p"), patient) != patient:
                    raise ConfigError(
                        f"patients: line {rows.line_num} of {path} differs from an earlier row for the same subject; "
                        "keep one of them"
                    )
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"patients: {path} cannot be read as CSV: {error}") from error
    return found


def with_patient(known: Acquisition, patients: Mapping[str, Patient]) -> Acquisition:
    """An acquisition with sex and age of its subject, if the table has that subject."""
    sex, age, year = patients.get(known.subject_id, Patient())
    return replace(known, patient_sex=sex, anchor_age=age, anchor_year=year)


def _whole(text: str) -> str:
    """A whole number of at most four digits (``63.0`` is ``63``); "" for anything else."""
    digits, _, fraction = text.partition(".")
    valid = digits.isascii() and digits.isdecimal() and len(digits) <= 4 and not fraction.strip("0")
    return str(int(digits)) if valid else ""
