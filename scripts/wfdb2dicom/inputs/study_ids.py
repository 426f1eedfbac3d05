"""Study ids: which cells are one, and which are the same one."""

from __future__ import annotations

import re

from wfdb2dicom.acquisition import as_text, normalise_id
from wfdb2dicom.errors import StudyError, describe

_PART = "[A-Za-z0-9][A-Za-z0-9._-]*"
_IDENTIFIER = re.compile(rf"(?=.{{1,64}}\Z){_PART}(?:/{_PART})*")  # with slashes where it is the path of a record
_ROUNDED = re.compile(r"[0-9]*\.[0-9]+|[0-9.]+e[+-]?[0-9]+", re.IGNORECASE)
MIMIC_STUDY = re.compile(r"[0-9]{8,9}")
MIMIC_SUBJECT = re.compile(r"[0-9]{8}")


class IdError(StudyError):
    """An id that is missing or is not an identifier."""


def identify(cell: str, line: int) -> tuple[str, str]:
    """The study_id of a row from its cell and line, and the error for a cell that is not an id.

    The study_id is what `wfdb2dicom.inputs.studies.Study`, plan and receipt call the row.
    """
    if MIMIC_STUDY.fullmatch(cell):
        return cell, ""
    study_id = normalise_id(as_text(cell), "s")
    if _IDENTIFIER.fullmatch(study_id) and not _ROUNDED.fullmatch(study_id):
        return study_id, ""
    shown = repr(cell if len(cell) <= 80 else cell[:80] + "…")
    if not study_id:
        reason = f"the study_id in line {line} is empty"
    elif _ROUNDED.fullmatch(study_id):
        reason = f"study_id {shown} in line {line} is a rounded number; export the column as whole numbers or text"
    else:
        reason = (
            f"study_id {shown} in line {line} is not an identifier; it may have 64 letters A-Z, digits, '.', '_', '-' "
            "and '/', and begins with a letter or digit"
        )
    return f"line-{line}", describe(IdError(reason))


def study_key(study_id: str) -> str:
    """What two spellings of one study_id have in common: ``00012`` of a text column is ``12`` of a number column."""
    return study_id.lstrip("0") or "0" if study_id.isdecimal() else study_id
