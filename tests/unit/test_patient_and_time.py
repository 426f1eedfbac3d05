"""Patient, sex, age and time of an object: which source each is taken from, and what is said of what is not known."""

import argparse
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from wfdb2dicom import Options, check, convert_record, read, restore
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.cli.info import run as describe_file
from wfdb2dicom.errors import ConfigError, DateError, UnknownSubject
from wfdb2dicom.records.comments import sex_and_age
from wfdb2dicom.records.header import parse

LINES = "r 1 500 500\nr.dat 16 200(0)/mV 16 0 1 2 0 I\n"
UNDATED = Options(undated="1900-01-01")
WITHOUT_PATIENT = Options(unknown_subject="study")


@pytest.mark.parametrize(
    ("comments", "sex", "age"),
    [
        (["#Age: 74", "#Sex: Male", "#Dx: 426783006"], "M", "74"),
        (["# age: 81", "# sex: female", "# ECG date: 01/10/1990"], "F", "81"),
        (["#<age>: 65 <sex>: F <diagnoses> Coronary artery disease"], "F", "65"),
        (["#<age>: 51", "#<sex>: F", "#<diagnoses>:"], "F", "51"),
        (["# Sex: Female"], "F", ""),
        (["#Age: NaN", "#Sex: Unknown"], "", ""),
        (["#Age: 300", "#Sex: NaN"], "", ""),
        (["#Age: -1"], "", ""),
        (["#Age: 92"], "", ""),
        (["#Age: 8 months"], "", ""),
        (["#Age: 74", "# age: 75", "#Sex: M"], "M", ""),
        (["#Age: 74", "# age: 74"], "", "74"),
        (["# Image: 12", "# 69 M 1085 1629 x1", "# Message: M"], "", ""),
        ([], "", ""),
    ],
)
def test_comments_state_sex_and_age_exactly_or_not_at_all(comments: list[str], sex: str, age: str) -> None:
    assert sex_and_age(parse((LINES + "\n".join(comments)).encode())) == (sex, age)


@pytest.fixture
def convert(make_record, acquisition, tmp_path: Path):
    """Convert a record with comments; some of what is known besides may be changed."""

    def run(options: Options | None = None, comments: tuple[str, ...] = (), **values: str) -> pydicom.Dataset:
        moment, subject = values.pop("moment", "08:44:00 23/07/2180"), values.pop("subject", "10000032")
        record = make_record(moment=moment, subject=subject)
        with record.with_suffix(".hea").open("a") as header:
            header.writelines(f"{comment}\n" for comment in comments)
        done = convert_record(record, tmp_path / "x.dcm", replace(acquisition, **values), options)
        dataset = pydicom.dcmread(BytesIO((tmp_path / "x.dcm").read_bytes()))
        dataset.facts = done.facts
        return dataset

    return run


ALL = {"column_sex": "M", "column_age": "50", "patient_sex": "F", "anchor_age": "60", "anchor_year": "2180"}
STATED = ("#Age: 70", "#Sex: F")


@pytest.mark.parametrize(
    ("sources", "values", "sex", "age"),
    [
        (("columns", "patients", "comments"), ALL, "M", "050Y"),
        (("comments", "columns"), ALL, "F", "070Y"),
        (("patients", "comments"), ALL, "F", "060Y"),
        (("columns", "patients", "comments"), {"column_sex": "M"}, "M", "070Y"),
        (("patients",), {"column_sex": "M"}, "", None),
        ((), ALL, "", None),
    ],
)
def test_sex_and_age_come_from_the_first_source_that_states_them(
    convert, sources: tuple[str, ...], values: dict[str, str], sex: str, age: str | None
) -> None:
    dataset = convert(Options(sex_and_age_from=sources), STATED, **values)
    assert (dataset.PatientSex, dataset.get("PatientAge")) == (sex, age)


def test_the_sources_of_sex_and_age_are_part_of_the_identity(convert) -> None:
    uids = {convert(Options(sex_and_age_from=s), STATED).SOPInstanceUID for s in ((), ("comments",), ["columns"])}
    assert len(uids) == 3


@pytest.mark.parametrize("given", [["header"], ["columns", "columns"], "comment"])
def test_other_sources_are_refused(given: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"sex_and_age_from: .* is not a list of columns, patients, comments"):
        Options(sex_and_age_from=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["1900", "1900-02-30", "0999-01-01", "19000101"])
def test_a_placeholder_is_a_date(given: str) -> None:
    with pytest.raises(ConfigError, match="undated: "):
        Options(undated=given)


@pytest.mark.parametrize(
    ("moment", "ecg_time", "options", "date", "source", "unused"),
    [
        ("08:44:00 23/07/2180", "2199-01-02 03:04:05", {}, "21800723084400", "header", []),
        ("12-May-2020 12:33:59", "2199-01-02 03:04:05", {}, "20200512123359", "header", []),
        ("", "2199-01-02 03:04:05", {}, "21990102030405", "ecg_time", []),
        ("19:46:25.757", "2199-01-02 03:04:05", {}, "21990102030405", "ecg_time", ["header: 19:46:25.757"]),
        (
            "10:00:00 05/21/1991",
            "2-Jan-2199 03:04:05",
            {},
            "21990102030405",
            "ecg_time",
            ["header: 10:00:00 05/21/1991"],
        ),
        ("08:44:00 23/07/2180", "05/06/2012 10:00", {}, "21800723084400", "header", ["ecg_time: 05/06/2012 10:00"]),
        (
            "12-May-2020 12:33:59",
            "2199-01-02 03:04:05",
            {"time_from": "ecg_time"},
            "21990102030405",
            "ecg_time",
            ["header: 12-May-2020 12:33:59"],
        ),
    ],
)
def test_the_time_is_that_of_the_chosen_source_and_what_is_not_used_is_said(
    convert, moment: str, ecg_time: str, options: dict[str, str], date: str, source: str, unused: list[str]
) -> None:
    dataset = convert(Options(**options), moment=moment, ecg_time=ecg_time)
    assert (dataset.AcquisitionDateTime, dataset.facts["time_source"]) == (date, source)
    assert dataset.facts.get("unused_times", []) == unused
    warnings = dataset.facts.get("warnings", [])
    assert len(warnings) == (0 if options else len(unused))
    assert all(repr(text.partition(": ")[2]) in warning for text, warning in zip(unused, warnings, strict=False))
    assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"


@pytest.mark.parametrize(
    ("moment", "options", "unused"),
    [
        ("", {}, []),
        ("19:46:25", {}, ["header: 19:46:25"]),
        ("12-May-2020 12:33:59", {"time_from": "ecg_time"}, ["header: 12-May-2020 12:33:59"]),
    ],
)
def test_a_record_without_a_date_is_refused_or_says_that_its_date_was_removed(
    convert, moment: str, options: dict[str, str], unused: list[str], tmp_path: Path
) -> None:
    with pytest.raises(DateError, match=r"no date is known: .* or set undated to a placeholder"):
        convert(Options(**options), moment=moment, ecg_time="")
    values = {"anchor_age": "60", "anchor_year": "1900"}
    dataset = convert(replace(UNDATED, **options), moment=moment, ecg_time="", **values)
    assert (dataset.StudyDate, dataset.ContentTime, dataset.AcquisitionDateTime) == (
        "19000101",
        "000000",
        "19000101000000",
    )
    assert dataset.LongitudinalTemporalInformationModified == "REMOVED"
    assert dataset.DeidentificationMethod.endswith("; dates removed")
    assert "PatientAge" not in dataset  # it would be the age in the year of the placeholder
    assert dataset.facts["time_source"] == "placeholder" and "acquired" not in dataset.facts
    assert dataset.facts.get("unused_times", []) == unused
    assert read(tmp_path / "x.dcm").acquired == "" and check(tmp_path / "x.dcm") == []
    restored = restore(tmp_path / "x.dcm", tmp_path / "restored")[1].read_text()
    assert restored.splitlines()[0] == "40689238 12 500 500"


def test_a_time_of_the_csv_that_cannot_be_read_is_never_replaced_by_a_placeholder(convert) -> None:
    with pytest.raises(DateError, match="'05/06/2012 10:00' is not YYYY-MM-DD HH:MM:SS"):
        convert(UNDATED, moment="", ecg_time="05/06/2012 10:00")


def test_a_date_that_is_known_needs_no_placeholder(convert) -> None:
    assert convert(UNDATED).LongitudinalTemporalInformationModified == "MODIFIED"


def test_a_record_without_a_patient_is_refused_or_says_that_the_patient_is_not_known(convert, tmp_path: Path) -> None:
    with pytest.raises(UnknownSubject):
        convert(subject="", subject_id="")
    dataset = convert(WITHOUT_PATIENT, subject="", subject_id="")
    assert dataset.PatientID == dataset.StudyID == "40689238"
    assert dataset.PatientComments == "The patient is not known: Patient ID is the id of the study"
    assert "subject_id" not in dataset.facts and check(tmp_path / "x.dcm") == []
    assert "<subject_id>" not in restore(tmp_path / "x.dcm", tmp_path / "restored")[1].read_text()
    assert "PatientComments" not in convert(WITHOUT_PATIENT)


def test_the_validator_has_nothing_to_say_of_stand_ins(convert, dciodvfy: Path, tmp_path: Path) -> None:
    import subprocess

    options = replace(UNDATED, unknown_subject="study")
    convert(options, STATED, moment="", ecg_time="", subject="", subject_id="")
    said = subprocess.run([dciodvfy, "-new", tmp_path / "x.dcm"], capture_output=True, text=True).stderr
    assert not [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]


def test_options_survive_the_way_through_a_plan_file() -> None:
    options = replace(UNDATED, sex_and_age_from=("comments",))
    assert Options.from_mapping(json.loads(options.text())) == options
    assert Acquisition.from_json(Acquisition(column_sex="F").to_json()).column_sex == "F"


def test_info_calls_neither_the_study_a_patient_nor_the_placeholder_a_date(
    convert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = replace(UNDATED, unknown_subject="study")
    convert(options, moment="", subject=None, subject_id="", ecg_time="")
    describe_file(argparse.Namespace(source=tmp_path / "x.dcm"))
    said = capsys.readouterr().out
    assert "patient:          not known (40689238 is the study's id)\n" in said
    assert "recorded:         not known (the object's date is a placeholder)\n" in said
