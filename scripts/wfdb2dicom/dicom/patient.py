"""The patient of an object: id, sex and age, and which source each is taken from."""

from __future__ import annotations

from wfdb2dicom.acquisition import OLDEST_AGE, Acquisition
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import SubjectMismatch, UnknownSubject
from wfdb2dicom.inputs.study_ids import MIMIC_STUDY
from wfdb2dicom.records import comments
from wfdb2dicom.records.header import Header


def find_patient_id(header: Header, acquisition: Acquisition, options: Options) -> tuple[str, bool]:
    """The subject of header and CSV, and whether it is known: if not, the study's id takes its place.

    Raises
    ------
    SubjectMismatch
        When header and CSV name different patients or studies.
    UnknownSubject
        When no patient is known, unless ``unknown_subject`` is ``study``.
    """
    ours, theirs = acquisition.subject_id, header.subject_id
    if ours and theirs and ours != theirs:
        raise SubjectMismatch(
            f"the header belongs to subject {theirs}, the CSV says subject {ours};"
            " check path and subject_id of this row"
        )
    named, study = header.name, acquisition.study_id
    if named != study and MIMIC_STUDY.fullmatch(named) and MIMIC_STUDY.fullmatch(study):
        raise SubjectMismatch(f"the header is of study {named}, the CSV says {study}; check path and study_id")
    if theirs or ours:
        return theirs or ours, True
    if options.unknown_subject == "error":
        raise UnknownSubject(
            "no patient is known: the header has no '# <subject_id>:' comment and input_csv no subject; name the column"
            " of patients in subject_id_col, or set unknown_subject: study"
        )
    return study or named, False


def find_sex_and_age(header: Header, known: Acquisition, options: Options, year: int | None) -> tuple[str, str]:
    """Patient's Sex (CS) and Patient's Age (AS), "" where no source of ``sex_and_age_from`` states them.

    Parameters
    ----------
    known : Acquisition
        What the tables state.
    year : int or None
        Year of the recording, None when it is not known.
    """
    in_tables = known.column_sex or known.column_age or known.patient_sex or known.anchor_age
    if not (in_tables or comments.mention_sex_or_age(header.text)):
        return "", ""
    sex = age = ""
    for source in options.sex_and_age_from:
        if source == "columns":
            found = known.column_sex, _age_string(known.column_age)
        elif source == "patients":
            anchor_year = known.anchor_year if year is not None else ""
            found = known.patient_sex, age_at(known.anchor_age, anchor_year, year or 0)
        else:
            stated_sex, stated_age = comments.sex_and_age(header)
            found = stated_sex, _age_string(stated_age)
        sex, age = sex or found[0], age or found[1]
        if sex and age:
            break
    return sex, age


def age_at(anchor_age: str, anchor_year: str, year: int) -> str:
    """Patient's Age (AS, ``063Y``) in a year, to the year; "" when it is unknown.

    Ages above 89 are "": either the table hides the true age, or it would follow from a younger anchor age although
    it may not be known.
    """
    if not anchor_age or not anchor_year:
        return ""
    age = int(anchor_age) + year - int(anchor_year)
    return f"{age:03d}Y" if 0 <= age <= OLDEST_AGE and int(anchor_age) <= OLDEST_AGE else ""


def _age_string(years: str) -> str:
    """An AS of PS3.5 section 6.2: ``063Y``."""
    return f"{int(years):03d}Y" if years else ""
