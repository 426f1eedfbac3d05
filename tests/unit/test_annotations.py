"""Measurements and report lines as annotations; sex and age of patients. Both only on request."""

import gzip
import subprocess
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition, from_row
from wfdb2dicom.batches.plan import PlanConfig, read_rows
from wfdb2dicom.dicom.annotations import annotate
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.patient import age_at
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.patients import Patient, read_patients

# The first row of machine_measurements.csv.
MEASURED = {
    **{"rr_interval": 659, "p_onset": 40, "p_end": 128, "qrs_onset": 170, "qrs_end": 258, "t_end": 518},
    **{"p_axis": 81, "qrs_axis": 77, "t_axis": 79},
}
REPORT = ("Sinus rhythm", "Possible right atrial abnormality", "Borderline ECG")


def measured(**changes: int) -> dict[str, str]:
    """Meaning → value of the annotations of that row, some measurements changed."""
    acquisition = from_row(MEASURED | changes, annotations=True)
    return {a.meaning: f"{a.value} {a.unit}" for a in annotate(acquisition) if not a.text}


def test_intervals_are_differences_of_the_marks_and_axes_as_they_are() -> None:
    assert measured() == {
        "VRate": "91 {H.B.}/min",
        "RR Interval": "659 ms",
        "PR Interval": "130 ms",
        "QRS Duration": "88 ms",
        "QT Interval": "348 ms",
        "P Axis": "81 deg",
        "QRS Axis": "77 deg",
        "T Axis": "79 deg",
    }


@pytest.mark.parametrize("nothing", [29999, 32767, -32768, 65535, 65534, 61440])
def test_sentinels_leave_their_measurement_out(nothing: int) -> None:
    assert "PR Interval" not in measured(p_onset=nothing)
    assert "QT Interval" not in measured(t_end=nothing)
    assert not {"QRS Duration", "QT Interval", "PR Interval"} & measured(qrs_onset=nothing).keys()
    assert not {"RR Interval", "VRate"} & measured(rr_interval=nothing).keys()
    assert "P Axis" not in measured(p_axis=nothing)


@pytest.mark.parametrize(
    ("meaning", "within", "beyond"),
    [
        ("RR Interval", {"rr_interval": 150}, {"rr_interval": 149}),
        ("RR Interval", {"rr_interval": 6000}, {"rr_interval": 6001}),
        ("PR Interval", {"p_onset": 150}, {"p_onset": 151}),
        ("PR Interval", {"p_onset": 40, "qrs_onset": 840}, {"p_onset": 40, "qrs_onset": 841}),
        ("QRS Duration", {"qrs_end": 190}, {"qrs_end": 189}),
        ("QRS Duration", {"qrs_end": 570}, {"qrs_end": 571}),
        ("QT Interval", {"t_end": 270}, {"t_end": 269}),
        ("QT Interval", {"t_end": 1170}, {"t_end": 1171}),
        ("QRS Axis", {"qrs_axis": -180}, {"qrs_axis": 361}),
    ],
)
def test_what_is_not_plausible_is_left_out(meaning: str, within: dict[str, int], beyond: dict[str, int]) -> None:
    assert meaning in measured(**within)
    assert meaning not in measured(**beyond)


def test_report_lines_stand_beside_a_ventricular_rate_or_not_at_all(acquisition: Acquisition) -> None:
    known = replace(acquisition, measurements=(("rr_interval", 659), ("p_axis", 81)), reports=("Sinus rhythm",))
    assert [a.text or a.meaning for a in annotate(known)] == ["VRate", "RR Interval", "P Axis", "Sinus rhythm"]
    known = replace(known, measurements=(("p_axis", 81),))
    assert [a.text or a.meaning for a in annotate(known)] == ["P Axis"]


@pytest.fixture
def annotated(acquisition: Acquisition) -> Acquisition:
    row = from_row(MEASURED | {f"report_{n}": line for n, line in enumerate(REPORT)}, annotations=True)
    return replace(acquisition, measurements=row.measurements, reports=row.reports)


def test_annotations_are_valid_and_refer_to_all_channels(
    make_record, annotated, tmp_path: Path, dciodvfy: Path
) -> None:
    dicom = tmp_path / "x.dcm"
    convert_record(make_record(), dicom, annotated, Options(annotations=True))
    items = pydicom.dcmread(dicom).WaveformAnnotationSequence
    assert all(list(item.ReferencedWaveformChannels) == [1, 0] for item in items)
    assert [item.UnformattedTextValue for item in items if "UnformattedTextValue" in item] == list(REPORT)
    numeric = [item.ConceptNameCodeSequence[0] for item in items if "NumericValue" in item]
    codes = {name.CodeMeaning: name.CodeValue for name in numeric}
    assert codes == {
        **{"VRate": "2:16770", "RR Interval": "2:16168", "PR Interval": "2:15872", "QRS Duration": "2:16156"},
        **{"QT Interval": "2:16160", "P Axis": "2:16128", "QRS Axis": "2:16132", "T Axis": "2:16136"},
    }
    said = subprocess.run([dciodvfy, "-new", dicom], capture_output=True, text=True).stderr
    assert not [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]


def test_without_the_option_nothing_is_carried(make_record, annotated, tmp_path: Path) -> None:
    convert_record(make_record(), tmp_path / "x.dcm", annotated)
    assert "WaveformAnnotationSequence" not in pydicom.dcmread(tmp_path / "x.dcm")


@pytest.mark.parametrize(
    ("ecg_time", "carried"),
    [("2180-07-23 08:44:59", True), ("2180-07-23", True), ("", True), ("2180-07-23 08:46:00", False)],
)
def test_measurements_of_another_time_than_the_headers_are_left_out(
    make_record, annotated, tmp_path: Path, ecg_time: str, carried: bool
) -> None:
    done = convert_record(
        make_record(), tmp_path / "x.dcm", replace(annotated, ecg_time=ecg_time), Options(annotations=True)
    )
    assert ("WaveformAnnotationSequence" in pydicom.dcmread(done.path)) == carried
    words = f"measurements and report were left out: their ecg_time {ecg_time} is not the header's 2180-07-23 08:44:00"
    assert (words in done.facts.get("warnings", [])) == (not carried)


def test_an_annotated_file_that_is_up_to_date_is_not_touched(make_record, annotated, tmp_path: Path) -> None:
    record, option = make_record(), Options(annotations=True)
    first = convert_record(record, tmp_path / "x.dcm", annotated, option)
    again = convert_record(record, tmp_path / "x.dcm", annotated, option)
    assert (first.status, again.status, again.sha256) == ("converted", "current", first.sha256)


def test_report_lines_outside_ascii_set_the_character_set(make_record, annotated, tmp_path: Path) -> None:
    words = replace(annotated, reports=("Rhythmus: Vorhofflimmern, ß",))
    convert_record(make_record(), tmp_path / "x.dcm", words, Options(annotations=True))
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert ds.WaveformAnnotationSequence[-1].UnformattedTextValue == "Rhythmus: Vorhofflimmern, ß"


@pytest.mark.parametrize(
    ("anchor_age", "anchor_year", "year", "age"),
    [
        ("52", "2180", 2180, "052Y"),
        ("52", "2180", 2191, "063Y"),
        ("52", "2180", 2175, "047Y"),
        ("89", "2180", 2180, "089Y"),
        ("85", "2180", 2185, ""),  # 90: not to be known
        ("91", "2180", 2180, ""),  # stands for any age above 89
        ("91", "2180", 2170, ""),
        ("18", "2180", 2100, ""),
        ("", "2180", 2180, ""),
        ("52", "", 2180, ""),
    ],
)
def test_age_at_the_time_of_the_ecg(anchor_age: str, anchor_year: str, year: int, age: str) -> None:
    assert age_at(anchor_age, anchor_year, year) == age


PATIENTS = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n10000032,F,52,2180,2014 - 2016,2180-09-09\n"


def test_patients_are_read_plain_and_compressed(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text(PATIENTS + ",F,91,2100,\n10000048,m,23,2126,2008 - 2010,\n1,x,,,,\n")
    (tmp_path / "patients.csv.gz").write_bytes(gzip.compress((tmp_path / "patients.csv").read_bytes()))
    expected = {"10000032": Patient("F", "52", "2180"), "10000048": Patient("M", "23", "2126"), "1": Patient()}
    assert read_patients(tmp_path / "patients.csv") == expected
    assert read_patients(tmp_path / "patients.csv.gz") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject_id,sex\n1,F\n", "gender, anchor_age, anchor_year"),
        ("", "no column"),
        (PATIENTS + "10000032,M,52,2180,,\n", "differs from an earlier row for the same subject"),
        (None, "cannot be read"),
    ],
)
def test_a_table_of_patients_that_cannot_be_used_stops_the_run(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "patients.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_patients(path)


def test_sex_and_age_land_in_their_attributes(make_record, acquisition, tmp_path: Path, dciodvfy: Path) -> None:
    known = replace(acquisition, patient_sex="F", anchor_age="52", anchor_year="2180")
    assert Acquisition.from_json(known.to_json()) == known
    convert_record(make_record(), tmp_path / "x.dcm", known)
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert (ds.PatientSex, ds.PatientAge) == ("F", "052Y")
    said = subprocess.run([dciodvfy, "-new", tmp_path / "x.dcm"], capture_output=True, text=True).stderr
    assert not [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
    convert_record(make_record(), tmp_path / "y.dcm", acquisition)
    ds = pydicom.dcmread(tmp_path / "y.dcm")
    assert ds.PatientSex == "" and "PatientAge" not in ds


def test_a_plan_carries_patients_and_measurements_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "studies.csv").write_text("subject_id,study_id,path\n10000032,40689238,files/a/40689238\n")
    columns = ",".join(["subject_id,study_id", *MEASURED, "report_0"])
    values = ",".join(["10000032,40689238", *map(str, MEASURED.values()), "Sinus rhythm"])
    (tmp_path / "measured.csv").write_text(f"{columns}\n{values}\n")
    (tmp_path / "patients.csv").write_text(PATIENTS)
    plain = PlanConfig(tmp_path / "studies.csv", str(tmp_path), "dicom", metadata=tmp_path / "measured.csv")
    asked = replace(plain, patients=tmp_path / "patients.csv", options=Options(annotations=True))
    known = [Acquisition.from_json(read_rows(request)[0][0].acquisition) for request in (plain, asked)]
    assert known[0] == Acquisition(subject_id="10000032", study_id="40689238")
    assert (known[1].patient_sex, known[1].anchor_age, known[1].reports) == ("F", "52", ("Sinus rhythm",))
    assert dict(known[1].measurements) == MEASURED
    assert asked.output_options()["annotations"] is True
