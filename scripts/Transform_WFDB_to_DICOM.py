"""The original tool's function for one record, on this library.

from Transform_WFDB_to_DICOM import wfdb_to_dicom_ecg_phase1
wfdb_to_dicom_ecg_phase1("files/p1000/p10000032/s40689238/40689238", "ecg.dcm", df_info)
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition, as_text, from_row, normalise_id
from wfdb2dicom.errors import StudyError, SubjectMismatch
from wfdb2dicom.inputs.measurements import MISSING
from wfdb2dicom.inputs.studies import study_key


def wfdb_to_dicom_ecg_phase1(
    sample_path_no_ext: str,
    out_dcm_path: str,
    df_info: Any,
    study_uid: str | None = None,
    series_uid: str | None = None,
) -> str:
    """Convert one WFDB record to a 12-lead ECG DICOM file.

    Parameters
    ----------
    sample_path_no_ext : str
        Path of the record without extension; its last part is the study id.
    out_dcm_path : str
        The file to write.
    df_info : pandas.DataFrame or mapping
        Rows of machine_measurements, or of the original's preprocessed frame, one a study with the study id in the
        column or index ``study_id``; or the one row of this study. The frame of a whole data set is searched at every
        call: give the row where many records are converted.
    study_uid, series_uid : str, optional
        Instead of UIDs derived from patient and study.

    Returns
    -------
    str
        `out_dcm_path`.

    Raises
    ------
    StudyError
        What keeps the record from being converted, ``Missing df_info row for study_id`` included.
    """
    study_id = Path(sample_path_no_ext).name
    row = _row(df_info, study_id)
    if row.study_id and study_key(row.study_id) != study_key(study_id):
        raise SubjectMismatch(f"the row of df_info is of study {row.study_id}, the record of study {study_id}")
    acquisition = replace(
        row, study_id=study_id, study_instance_uid=study_uid or "", series_instance_uid=series_uid or ""
    )
    convert_record(sample_path_no_ext, out_dcm_path, acquisition)
    return out_dcm_path


def _row(df_info: Any, study_id: str) -> Acquisition:
    """What the row of a study in a frame says, or the row itself."""
    if isinstance(df_info, Mapping) or df_info.ndim == 1:
        return from_row(dict(df_info))
    ids = df_info["study_id"] if "study_id" in df_info.columns else df_info.index
    wanted = study_key(study_id)
    rows = df_info[[study_key(normalise_id(as_text(value), "s")) == wanted for value in ids]]
    if rows.empty:
        raise StudyError(f"{MISSING} {study_id}")
    first, *others = (from_row(dict(row)) for _, row in rows.iterrows())
    if any(other != first for other in others):
        raise StudyError(f"df_info has rows for study {study_id} that differ; keep one of them")
    return first
