"""The names of the columns of the study CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wfdb2dicom.inputs.csv_text import missing_column


class StudyColumns(NamedTuple):
    """Names of columns of the study CSV, from the options ``study_id_col``, ``path_col`` and so on.

    With "" no column is read: the path is rebuilt, and any other value stays unknown.
    """

    study_id: str = "study_id"
    path: str = "path"
    subject_id: str = "subject_id"
    ecg_time: str = "ecg_time"
    sex: str = ""
    age: str = ""

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> StudyColumns:
        """The columns named by a configuration."""
        return cls(**{name: options[f"{name}_col"] for name in cls._fields})

    def place(self, name: str, header: Sequence[str], input_csv: Path) -> int:
        """Index of an optional column; -1 if the file does not have it, which is allowed for the default name only.

        Raises
        ------
        ConfigError
            When the file does not have a column that is not the default.
        """
        column: str = getattr(self, name)
        if column in header:
            return header.index(column)
        if column in ("", self._field_defaults[name]):
            return -1
        raise missing_column(f"{name}_col", column, input_csv, header)
