"""Any index: the columns of patient, time, sex and age by the names that a collection gives them."""

from pathlib import Path

import pytest

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches.plan import PlanConfig, read_rows
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.configuration import check_inputs
from wfdb2dicom.inputs.sex_and_age_columns import read_ages, read_sexes
from wfdb2dicom.inputs.studies import StudyTable, read_studies

PTB_XL = StudyColumns("ecg_id", "filename_hr", "patient_id", "recording_date", "sex", "age")
HEADER = "ecg_id,patient_id,age,sex,recording_date,filename_lr,filename_hr"
ROWS = (
    "1,15001.0,56.0,1,1984-11-09 09:17:34,records100/00000/00001_lr,records500/00000/00001_hr",
    "2,13002.0,300.0,0,1984-11-14 12:55:37,records100/00000/00002_lr,records500/00000/00002_hr",
    "3,20003.0,,1,05/06/1984 10:00,records100/00000/00003_lr,records500/00000/00003_hr",
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    file = tmp_path / "ptbxl_database.csv"
    file.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return file


def read(index: Path, columns: StudyColumns = PTB_XL) -> StudyTable:
    return read_studies(index, columns, index.parent)


def test_the_index_of_ptb_xl_as_it_is_published(index: Path) -> None:
    table = read(index)
    assert [study.error for study in table.studies] == ["", "", ""]
    assert [study.subject_id for study in table.studies] == ["15001", "13002", "20003"]
    assert [study.dicom for study in table.studies] == [f"records500/00000/0000{n}_hr.dcm" for n in (1, 2, 3)]
    assert [(study.sex, study.age) for study in table.studies] == [("F", "56"), ("M", ""), ("F", "")]
    # A time in another form stays, so that the error can name it.
    assert [study.ecg_time for study in table.studies][1:] == ["1984-11-14 12:55:37", "05/06/1984 10:00"]
    assert table.warnings == (
        "sex_col: the numbers are read as PTB-XL has them, 0 for male and 1 for female",
        "age_col: 1 value is left out, such as '300.0'; only whole years from 0 to 89 are taken",
    )


def test_what_the_columns_say_is_in_the_plan(index: Path) -> None:
    rows, warnings = read_rows(PlanConfig(index, str(index.parent), "dicom", columns=PTB_XL))
    first = Acquisition.from_json(rows[0].acquisition)
    assert first == Acquisition("15001", "1", "1984-11-09 09:17:34", column_sex="F", column_age="56")
    assert len(warnings) == 2


def test_columns_are_not_read_unless_they_are_named(index: Path) -> None:
    table = read(index, StudyColumns("ecg_id", "filename_hr", "", "", "", ""))
    assert {(s.subject_id, s.ecg_time, s.sex, s.age) for s in table.studies} == {("", "", "", "")}
    assert table.warnings == ()


@pytest.mark.parametrize("name", ["subject_id", "ecg_time", "sex", "age"])
def test_a_column_that_is_named_must_be_there(index: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}_col: .* has no column 'Patient_ID'. Did you mean 'patient_id'"):
        read(index, PTB_XL._replace(**{name: "Patient_ID"}))


def test_a_result_does_not_take_the_place_of_a_column_that_is_read(index: Path) -> None:
    options = {"input_csv": str(index), "wfdb_dir": str(index.parent), "metadata": "", "patients": "", "dcm_dir": "d"}
    options |= {"output_csv": "o.csv", "error_log": "", "dcm_path_col": "dcm_path", "error_col": "dcm_error"}
    options |= {f"{name}_col": column for name, column in PTB_XL._asdict().items()}
    check_inputs(options)
    for column in ("patient_id", "recording_date", "sex", "age"):
        with pytest.raises(ConfigError, match=f"error_col: '{column}' is a column that is read"):
            check_inputs(options | {"error_col": column})


@pytest.mark.parametrize(
    ("cells", "sexes", "warnings"),
    [
        (["F", "male", "", "F"], {"F": "F", "male": "M"}, 0),
        (["0", "1.0"], {"0": "M", "1.0": "F"}, 1),
        (["0"], {"0": ""}, 1),  # 0 is "not known" in ISO 5218
        (["1", "1.0"], {"1": "", "1.0": ""}, 1),  # and 1 is male there
        (["1", "2"], {"1": "", "2": ""}, 1),  # another coding
        (["0", "1", "9"], {"0": "", "1": "", "9": ""}, 1),
        (["0", "1", "Unknown"], {"0": "M", "1": "F", "Unknown": ""}, 2),
        (["1", "Unknown"], {"1": "", "Unknown": ""}, 1),
        (["F", "1"], {"F": "F", "1": ""}, 1),
    ],
)
def test_sexes_of_a_whole_column(cells: list[str], sexes: dict[str, str], warnings: int) -> None:
    found, said = read_sexes(cells)
    assert found == {"": "", **sexes}
    assert len(said) == warnings


def test_values_that_are_left_out_are_counted_and_shown() -> None:
    found, (warning,) = read_ages(["-1", "300", "300", "74", "x" * 99, "", "1.5"])
    assert {cell: age for cell, age in found.items() if age} == {"74": "74"}
    assert warning.startswith(f"age_col: 5 values are left out, such as '-1', '300', '{'x' * 20}'; only whole")
