"""Measurements of the ECG carts, looked up by study.

A row becomes an `Acquisition` only when its study is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from wfdb2dicom.acquisition import (
    ANNOTATION_COLUMNS,
    COLUMNS,
    Acquisition,
    as_text,
    from_row,
    normalise_id,
    parse_moment,
    same_time,
    stated_time,
    station_name,
)
from wfdb2dicom.errors import ConfigError, StudyError, SubjectMismatch, describe
from wfdb2dicom.inputs.measurements_file import Column, read_columns
from wfdb2dicom.inputs.studies import Study
from wfdb2dicom.inputs.study_ids import study_key

MISSING = "Missing df_info row for study_id"  # the original's words
WHAT_IS_MISSING = "metadata has no row of this study; complete it, or set missing_metadata: allow"
_APART = ("subject_id", "ecg_time")  # differ between studies; the rest has a few thousand combinations
_SHARED_FIELDS = [field.name for field in fields(Acquisition)][3:]  # all but subject_id, study_id and ecg_time


class MetadataError(StudyError):
    """The metadata contain contradictory rows for a study."""


class Metadata:
    """The rows of a metadata table by study.

    Parameters
    ----------
    rows
        Row of each study, by `study_key`; None without a table, in which case no study misses its row.
    columns
        The columns that are used, by name.
    conflicts
        For each study with contradictory rows, the columns in which they differ.
    warnings
        What the user should know about the table, one sentence each.
    annotations
        Whether measurements and report lines are wanted too.
    """

    def __init__(
        self,
        rows: dict[str, int] | None = None,
        columns: dict[str, Column] | None = None,
        conflicts: dict[str, str] | None = None,
        warnings: Iterable[str] = (),
        *,
        annotations: bool = False,
    ) -> None:
        self._warnings = tuple(warnings)
        self._apart: list[timedelta] = []  # what the times of each row that is not used for that differ by
        self._rows = rows
        self._conflicts = conflicts or {}
        self._columns = columns or {}
        shared = {name: column for name, column in self._columns.items() if name not in _APART}
        self._shared = tuple(shared.values())

        @lru_cache(maxsize=8192)
        def interpret(*texts: str) -> tuple[Any, ...]:
            found = from_row(dict(zip(shared, texts, strict=True)), annotations=annotations)
            return tuple(getattr(found, name) for name in _SHARED_FIELDS)

        self._interpret = interpret

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the table and the studies looked up so far, one sentence each."""
        if not self._apart:
            return self._warnings
        apart = sorted(self._apart)
        rows = "1 row is" if len(apart) == 1 else f"{len(apart)} rows are"
        words = (
            f"metadata: {rows} not used because ecg_time there differs from that in input_csv, by {apart[0]} to"
            f" {apart[-1]} (median {apart[len(apart) // 2]}); docs/conversion.md, Times of the metadata, says what can"
            " be done"
        )
        return (*self._warnings, words)

    def lookup(self, study: Study) -> tuple[Acquisition, str]:
        """What the study CSV and the metadata together say about a study.

        Returns
        -------
        acquisition : Acquisition
            The study CSV takes precedence for subject and time.
        error : str
            "", `MISSING`, or the error for the result CSV if the rows contradict each other. With an error, the
            acquisition holds only what the study CSV says.
        """
        error = ""
        try:
            known = self._acquisition(study)
        except (StudyError, KeyError) as problem:
            error = describe(problem) if isinstance(problem, StudyError) else MISSING
            known = Acquisition(subject_id=study.subject_id, study_id=study.study_id, ecg_time=study.ecg_time)
        if study.sex or study.age:
            known = replace(known, column_sex=study.sex, column_age=study.age)
        return known, error

    def _acquisition(self, study: Study) -> Acquisition:
        subject_id, ecg_time = study.subject_id, study.ecg_time
        if self._rows is None:
            return Acquisition(subject_id=subject_id, study_id=study.study_id, ecg_time=ecg_time)
        key = study_key(study.study_id)
        row = self._rows[key]
        if differing := self._conflicts.get(key):
            raise MetadataError(f"the metadata have rows for study {study.study_id} that differ in {differing}")
        if subject := normalise_id(self._text("subject_id", row), "p"):
            if subject_id and subject != subject_id:
                raise SubjectMismatch(f"the metadata say subject {subject}, the study CSV subject {subject_id}")
            subject_id = subject
        stated = self._text("ecg_time", row)
        if ecg_time and stated != ecg_time and (apart := _contradiction(stated, ecg_time)):
            self._apart.append(apart)
            return Acquisition(study.subject_id, study.study_id, ecg_time)
        ecg_time = ecg_time or stated_time(stated)
        shared = self._interpret(*[column.text(row) for column in self._shared])
        return Acquisition(subject_id, study.study_id, ecg_time, *shared)

    def _text(self, name: str, row: int) -> str:
        column = self._columns.get(name)
        return column.text(row) if column is not None else ""


def _contradiction(one: str, other: str) -> timedelta | None:
    """How far two times are apart, if it is a minute or more; a time that cannot be read contradicts nothing."""
    first, second = parse_moment(one), parse_moment(other)
    return None if first is None or second is None or same_time(first, second) else abs(first - second)


def read_metadata(path: Path | None, study_id_col: str, *, annotations: bool = False) -> Metadata:
    """Read a table of metadata.

    Parameters
    ----------
    path
        ``.csv`` or ``.csv.gz``, ``.parquet``, or a pickled data frame (``.pkl``, ``.pickle``, also compressed); None
        for no metadata.
    study_id_col
        Column or index of the study ids; where it is missing, ``study_id``.
    annotations
        Whether measurements and report lines are wanted too.

    Raises
    ------
    ConfigError
        When the file is missing, damaged, of an unsupported kind, without study ids, or a pickle that could run code.
    """
    if path is None:
        return Metadata()
    wanted = (*COLUMNS, *ANNOTATION_COLUMNS) if annotations else COLUMNS
    ids, columns = read_columns(path, study_id_col, wanted)
    return _indexed(path, ids, columns, annotations)


def _indexed(path: Path, ids: Sequence[object], columns: dict[str, Column], annotations: bool) -> Metadata:
    keys = [study_key(normalise_id(as_text(value), "s")) for value in ids]
    rows = dict(zip(keys, range(len(keys)), strict=True))
    conflicts = _conflicts(keys, rows, columns) if len(rows) < len(keys) else {}
    rows.pop("", None)
    if not rows:
        raise ConfigError(
            f"metadata: {path} has no rows with a study id. Set metadata to your file, or leave it empty."
        )
    warnings = []
    if empty := keys.count(""):
        warnings.append(f"metadata: {empty} rows without a study id are not used")
    known = [name for name in columns if name != "subject_id"]
    if absent := [name for name in ("cart_id", "ecg_time") if name not in known]:
        warnings.append(f"metadata: no column {' and no column '.join(absent)}; what it would say stays unknown")
    if not {"bandwidth", "lowpassfilter", "highpassfilter"} & set(known):
        warnings.append("metadata: no column bandwidth; the filters' cut-off frequencies stay unknown")
    if "filtering" not in known:
        warnings.append("metadata: no column filtering; notch filters stay unknown")
    if "cart_id" in columns and (unfit := [v for v in columns["cart_id"].distinct() if not station_name(v)]):
        warnings.append(
            f"metadata: {len(unfit)} values of cart_id, such as {unfit[0][:40]!r}, are left out: Station Name holds at "
            "most 16 characters of ASCII without backslash"
        )
    return Metadata(rows, columns, conflicts, warnings, annotations=annotations)


def _conflicts(keys: Sequence[str], rows: dict[str, int], columns: dict[str, Column]) -> dict[str, str]:
    """For each study with several rows that are not all equal, the columns in which they differ."""
    found: dict[str, str] = {}
    for row, key in enumerate(keys):
        if key and (last := rows[key]) != row:
            differing = [name for name, column in columns.items() if column.text(row) != column.text(last)]
            if differing:
                found[key] = ", ".join(differing)
    return found
