"""Rows of the study CSV in which study and path belong to different rows, as in a column shifted by a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wfdb2dicom.acquisition import normalise_id
from wfdb2dicom.errors import SubjectMismatch, describe
from wfdb2dicom.inputs.shared_files import Files
from wfdb2dicom.inputs.study_ids import study_key


def find_shifted(studies: Sequence[Files]) -> Iterator[tuple[int, str]]:
    """Position and error of each study whose record has the name of another study, or whose name another record has.

    Ids that have nothing to do with the names of records are fine.
    """
    names = [study.record.rpartition("/")[2] for study in studies]
    odd = [n for n, study in enumerate(studies) if names[n] != study.study_id and not _same(names[n], study)]
    if not odd:
        return
    rows_of_ids = {study_key(study.study_id): n for n, study in enumerate(studies)}
    rows_of_names = {_key(name): n for n, name in enumerate(names)}
    for n in odd:
        study = studies[n]
        if rows_of_ids.get(_key(names[n]), n) != n:
            error = SubjectMismatch(
                f"path {study.path!r} is named for study {names[n]}, which has another row; check path and study_id"
            )
        elif rows_of_names.get(study_key(study.study_id), n) != n:
            error = SubjectMismatch(
                f"path {study.path!r} is not the record {study.study_id}, which another row has; check path and "
                "study_id"
            )
        else:
            continue
        yield n, describe(error)


def _same(name: str, study: Files) -> bool:
    return _key(name) == study_key(study.study_id) or study.study_id == study.record


def _key(name: str) -> str:
    return study_key(normalise_id(name, "s"))
