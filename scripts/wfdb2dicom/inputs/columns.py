"""Which columns of the study CSV say what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom.inputs.csv_text import missing_column


class StudyColumns(NamedTuple):
    """Names of columns of the study CSV, as the options ``study_id_col``, ``path_col`` and so on give them.

    "" is no column: the study's path is rebuilt, or what the column would say stays unknown.
    """

    study_id: str = "study_id"
    path: str = "path"
    subject_id: str = "subject_id"
    ecg_time: str = "ecg_time"
    sex: str = ""
    age: str = ""

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> StudyColumns:
        """The columns that a configuration names."""
        return cls(**{name: options[f"{name}_col"] for name in cls._fields})

    def place(self, name: str, header: Sequence[str], input_csv: Path) -> int:
        """Index of a column that may be missing; -1 where there is none.

        Only a column of the default's name may be missing from the file.

        Raises
        ------
        ConfigError
            When the file has no column of another name.
        """
        column: str = getattr(self, name)
        if column in header:
            return header.index(column)
        if column in ("", self._field_defaults[name]):
            return -1
        raise missing_column(f"{name}_col", column, input_csv, header)
