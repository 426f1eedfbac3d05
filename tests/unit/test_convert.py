"""One study: what the DICOM holds, when a file counts as up to date, and which input is refused."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import wfdb

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import (
    ChecksumError,
    DateError,
    HeaderError,
    LeadError,
    RangeError,
    SignalError,
    SubjectMismatch,
    UnitsError,
    UnknownSubject,
)
from wfdb2dicom.system.output_tree import OutputTree

from .conftest import MIMIC_ORDER, ecg

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def channels(ds: pydicom.Dataset) -> list[str]:
    return [c.ChannelLabel for c in ds.WaveformSequence[0].ChannelDefinitionSequence]


def assert_samples(record: Path, dicom: Path, order: tuple[str, ...] | None = None) -> None:
    """Every sample equals wfdb's, in counts and in millivolt, invalid ones apart."""
    ds = pydicom.dcmread(dicom)
    digital = wfdb.rdrecord(str(record), physical=False)
    physical = wfdb.rdrecord(str(record)).p_signal
    names = [n.lower() for n in digital.sig_name]
    columns = [names.index(lead.lower()) for lead in (order or digital.sig_name)]
    group = ds.WaveformSequence[0]
    raw = np.frombuffer(group.WaveformData, "<i2").reshape(-1, len(names))
    assert np.array_equal(raw, digital.d_signal[:, columns])
    expected = physical[:, columns]
    valid = ~np.isnan(expected)
    assert np.array_equal(raw == -32768, ~valid)
    assert np.abs(ds.waveform_array(0) - expected)[valid].max() < 1e-9


@pytest.fixture
def convert(make_record, acquisition, tmp_path: Path):
    """Convert the default record, some values changed, and return the Dataset."""

    def run(record: Path | None = None, options: Options | None = None, **values: str) -> pydicom.Dataset:
        dicom = tmp_path / "out.dcm"
        convert_record(record or make_record(), dicom, replace(acquisition, **values), options)
        return pydicom.dcmread(dicom)

    return run


def test_samples_are_the_records_to_the_bit(make_record, acquisition, tmp_path: Path) -> None:
    record, dicom = make_record(), tmp_path / "x.dcm"
    outcome = convert_record(record, dicom, acquisition)
    assert_samples(record, dicom)
    assert outcome.status == "converted"
    assert (outcome.size, outcome.mtime_ns) == (dicom.stat().st_size, dicom.stat().st_mtime_ns)
    assert dicom.read_bytes().endswith(record.with_suffix(".dat").read_bytes())


@pytest.mark.real
def test_every_real_twelve_lead_record_converts_exactly_and_validates(
    shared_data: Path, dciodvfy: Path, acquisition, tmp_path: Path
) -> None:
    headers = [*sorted((shared_data / "cinc2021_torch_ecg").glob("*.hea")), shared_data / "ludb_egm/ludb-ecg.hea"]
    assert len(headers) == 51
    for header in headers:
        record, dicom = header.with_suffix(""), tmp_path / f"{header.stem}.dcm"
        convert_record(record, dicom, replace(acquisition, study_id=record.name))
        assert_samples(record, dicom)
    files = [str(p) for p in sorted(tmp_path.glob("*.dcm"))]
    for file in files:
        said = subprocess.run([dciodvfy, "-new", file], capture_output=True, text=True).stderr
        assert not [line for line in said.splitlines() if line.startswith(("Error", "Warning"))], file


def test_values_land_in_their_attributes(convert) -> None:
    ds = convert()
    assert (ds.PatientID, ds.StudyID, ds.StationName, ds.Modality) == ("10000032", "40689238", "6848296", "ECG")
    assert (ds.StudyDate, ds.StudyTime, ds.AcquisitionDateTime) == ("21800723", "084400", "21800723084400")
    assert (ds.ContentDate, ds.ContentTime) == ("21800723", "084400")
    channel = ds.WaveformSequence[0].ChannelDefinitionSequence[3]
    assert (channel.ChannelLabel, channel.ChannelSourceSequence[0].CodeValue) == ("aVR", "2:62")
    assert (channel.FilterLowFrequency, channel.FilterHighFrequency, channel.NotchFilterFrequency) == (0.005, 150, 60)
    assert channel["ChannelSensitivity"].value.original_string == "0.005"


def test_unknown_values_are_absent_not_empty(convert) -> None:
    ds = convert(cart_id="", filter_low="", filter_high="", notch="")
    assert "StationName" not in ds
    channel = ds.WaveformSequence[0].ChannelDefinitionSequence[0]
    assert not [k for k in ("FilterLowFrequency", "FilterHighFrequency", "NotchFilterFrequency") if k in channel]


def test_invalid_samples_give_a_padding_value_and_only_they(convert, make_record) -> None:
    assert "WaveformPaddingValue" not in convert().WaveformSequence[0]
    samples = ecg()
    samples[10:20, 4] = -32768
    group = convert(make_record(samples=samples)).WaveformSequence[0]
    assert group["WaveformPaddingValue"].VR == "OW"
    assert group.WaveformPaddingValue == b"\x00\x80"


def test_the_manifest_facts_tell_invalid_samples_and_flat_leads(make_record, acquisition, tmp_path: Path) -> None:
    samples = ecg()
    samples[10:20, 4] = -32768
    samples[:, 7] = 3
    facts = convert_record(make_record(samples=samples), tmp_path / "x.dcm", acquisition).facts
    assert facts["invalid_samples"] == {"aVF": 10}
    assert facts["flat_leads"] == ["V2"]
    assert (facts["time_source"], facts["acquired"]) == ("header", "2180-07-23 08:44:00")


def test_a_baseline_becomes_its_negative_in_millivolt(convert, make_record, tmp_path: Path) -> None:
    record = make_record(gain="698.0(-5)/mV")
    ds = convert(record)
    baseline = ds.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelBaseline
    assert float(baseline) == pytest.approx(5 / 698, abs=1e-12)
    assert_samples(record, tmp_path / "out.dcm")


@pytest.mark.parametrize(
    ("gain", "sensitivity"), [("0.2(0)/uV", "0.005"), ("200000(0)/V", "0.005"), ("1000(0)/mv", "0.001")]
)
def test_gains_in_other_volts_are_converted(convert, make_record, gain: str, sensitivity: str) -> None:
    channel = convert(make_record(gain=gain)).WaveformSequence[0].ChannelDefinitionSequence[0]
    assert channel["ChannelSensitivity"].value.original_string == sensitivity
    assert channel.ChannelSensitivityUnitsSequence[0].CodeValue == "mV"


def test_standard_order_moves_samples_with_their_leads(convert, make_record, tmp_path: Path) -> None:
    record = make_record()
    assert channels(convert(record)) == list(MIMIC_ORDER)
    ds = convert(record, Options(lead_order="standard"))
    assert channels(ds) == list(STANDARD)
    assert_samples(record, tmp_path / "out.dcm", STANDARD)


@pytest.mark.parametrize("option", [Options(), Options(lead_order="standard")])
def test_a_file_that_is_up_to_date_is_not_touched(make_record, acquisition, tmp_path: Path, option: Options) -> None:
    samples = ecg()
    samples[0, 0] = -32768
    record, dicom = make_record(samples=samples), tmp_path / "x.dcm"
    first = convert_record(record, dicom, acquisition, option)
    inode = dicom.stat().st_ino
    again = convert_record(record, dicom, acquisition, option)
    assert (again.status, dicom.stat().st_ino) == ("current", inode)
    assert replace(again, status="converted") == first


def test_overwrite_writes_what_is_up_to_date(make_record, acquisition, tmp_path: Path) -> None:
    record, target = make_record(), OutputTree(str(tmp_path))
    plain, overwriting = (Converter("", target, Options(), overwrite=o) for o in (False, True))
    assert plain.convert(plain.prepare(str(record), acquisition), "x.dcm").status == "converted"
    inode = (tmp_path / "x.dcm").stat().st_ino
    assert overwriting.convert(overwriting.prepare(str(record), acquisition), "x.dcm").status == "converted"
    assert (tmp_path / "x.dcm").stat().st_ino != inode


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: content[:-500] + b"\0" * 500,
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(b"10000032", b"10000033"),
        lambda content: os.urandom(len(content)),
        lambda content: b"\1" + content[1:],
    ],
)
def test_a_damaged_file_is_made_again(make_record, acquisition, tmp_path: Path, damage) -> None:
    record, dicom = make_record(), tmp_path / "x.dcm"
    convert_record(record, dicom, acquisition)
    whole = dicom.read_bytes()
    dicom.write_bytes(damage(whole))
    assert convert_record(record, dicom, acquisition).status == "converted"
    assert dicom.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [{"cart_id": "1"}, {"filter_low": "0.05"}, {"notch": "50"}],
)
def test_changed_metadata_make_a_new_instance_of_the_same_study(convert, change: dict[str, str]) -> None:
    before, after = convert(), convert(**change)
    assert before.SOPInstanceUID != after.SOPInstanceUID
    assert before.StudyInstanceUID == after.StudyInstanceUID
    assert before.SeriesInstanceUID == after.SeriesInstanceUID


def test_changed_options_or_samples_make_a_new_instance(convert, make_record) -> None:
    uids = {
        convert().SOPInstanceUID,
        convert(options=Options(lead_order="standard")).SOPInstanceUID,
        convert(options=Options(uid_root="1.2.826.0.1.3680043.10.1")).SOPInstanceUID,
        convert(make_record(samples=ecg(seed=2))).SOPInstanceUID,
    }
    assert len(uids) == 4


def test_a_newer_source_with_the_same_content_leaves_the_file_as_it_is(
    make_record, acquisition, tmp_path: Path
) -> None:
    record, dicom = make_record(), tmp_path / "x.dcm"
    convert_record(record, dicom, acquisition)
    os.utime(record.with_suffix(".dat"), ns=(dicom.stat().st_mtime_ns + 10**9,) * 2)
    inode = dicom.stat().st_ino
    assert convert_record(record, dicom, acquisition).status == "current"
    assert dicom.stat().st_ino == inode


def test_samples_exchanged_within_a_signal_keep_the_instance_but_are_never_called_current(
    make_record, acquisition, tmp_path: Path
) -> None:
    """Their checksums are the same, so docs/conversion.md ("Identity") promises no new UID; the file follows them."""
    record, dicom = make_record(), tmp_path / "x.dcm"
    first = convert_record(record, dicom, acquisition)
    samples = np.fromfile(record.with_suffix(".dat"), "<i2").reshape(-1, 12)
    assert (samples[1] != samples[-1]).any()
    samples[[1, -1]] = samples[[-1, 1]]
    samples.tofile(record.with_suffix(".dat"))
    os.utime(record.with_suffix(".dat"), (2e9, 2e9))
    second = convert_record(record, dicom, acquisition)
    assert (second.status, second.sop_instance_uid) == ("converted", first.sop_instance_uid)
    assert dicom.read_bytes().endswith(samples.tobytes()) and second.sha256 != first.sha256


def test_a_newer_damaged_source_is_an_error_and_the_good_file_stays(make_record, acquisition, tmp_path: Path) -> None:
    record, dicom = make_record(), tmp_path / "x.dcm"
    convert_record(record, dicom, acquisition)
    whole = dicom.read_bytes()
    record.with_suffix(".dat").write_bytes(b"\0" * 12_000)
    os.utime(record.with_suffix(".dat"), ns=(dicom.stat().st_mtime_ns + 10**9,) * 2)
    with pytest.raises(ChecksumError):
        convert_record(record, dicom, acquisition)
    assert dicom.read_bytes() == whole


def test_a_header_without_lead_names_is_refused_and_none_is_guessed(make_record, acquisition, tmp_path: Path) -> None:
    record = make_record()
    lines = record.with_suffix(".hea").read_text().splitlines()
    lines[1:13] = [f"{record.name}.dat 16 200.0(0)/mV 16 0" for _ in lines[1:13]]
    record.with_suffix(".hea").write_text("\n".join(lines))
    with pytest.raises(LeadError):
        convert_record(record, tmp_path / "x.dcm", acquisition)


def test_the_headers_date_leads_and_ecg_time_steps_in(convert, make_record) -> None:
    assert convert(ecg_time="2199-01-01 00:00:00").StudyDate == "21800723"
    ds = convert(make_record(moment=""), ecg_time="2199-01-02 03:04")
    assert (ds.StudyDate, ds.StudyTime) == ("21990102", "030400")


def test_fractions_of_a_second_are_kept(convert, make_record) -> None:
    ds = convert(make_record(moment="8:44:00.25 23/07/2180"))
    assert (ds.StudyTime, ds.AcquisitionDateTime) == ("084400.250000", "21800723084400.250000")


@pytest.mark.parametrize(
    ("record", "values", "error", "words"),
    [
        ({"moment": ""}, {"ecg_time": ""}, DateError, "the header has none, and ecg_time is empty in this.* undated"),
        ({"moment": ""}, {"ecg_time": "yesterday"}, DateError, "'yesterday' is not YYYY-MM-DD"),
        ({"moment": ""}, {"ecg_time": "2180-02-30 00:00:00"}, DateError, "2180-02-30"),
        ({"moment": "10:00:00 05/21/1991"}, {"ecg_time": ""}, DateError, "'10:00:00 05/21/1991', which is not a date"),
        ({"moment": "00:00:00 01/01/0001"}, {}, DateError, "the header has the year 1, in which no ECG"),
        ({"moment": ""}, {"ecg_time": "0999-01-01 00:00:00"}, DateError, "the ecg_time has the year 999"),
        ({}, {"subject_id": "10000033"}, SubjectMismatch, "10000032, the CSV says subject 10000033"),
        ({}, {"study_id": "40689239"}, SubjectMismatch, "study 40689238, the CSV says 40689239"),
        ({"subject": ""}, {"subject_id": ""}, UnknownSubject, "no patient is known.* unknown_subject: study"),
        ({"leads": ("I", "II", "PLETH")}, {}, LeadError, "'PLETH'"),
        ({"leads": ("I", "II", "i")}, {}, LeadError, "I appears twice"),
        ({"gain": "0(0)/mV"}, {}, HeaderError, "gain 0"),
        ({"gain": "200(0)/NU"}, {}, UnitsError, "'NU'"),
        ({"gain": "200(0)/MV"}, {}, UnitsError, "'MV'"),
        ({"frequency": "20"}, {}, RangeError, "20 Hz"),
        ({"subject": "x" * 65}, {"subject_id": ""}, HeaderError, "subject_id"),
        ({}, {"cart_id": "12345678901234567"}, HeaderError, "cart_id"),
        ({}, {"cart_id": "a\\b"}, HeaderError, "cart_id"),
    ],
)
def test_what_is_doubtful_is_refused_with_its_reason(
    make_record, acquisition, tmp_path: Path, record: dict, values: dict[str, str], error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        convert_record(make_record(**record), tmp_path / "x.dcm", replace(acquisition, **values))
    assert not (tmp_path / "x.dcm").exists()


def test_a_truncated_signal_file_makes_no_dicom_until_it_is_whole(make_record, acquisition, tmp_path: Path) -> None:
    record, dicom = make_record(), tmp_path / "x.dcm"
    whole = record.with_suffix(".dat").read_bytes()
    record.with_suffix(".dat").write_bytes(whole[:-2])
    with pytest.raises(SignalError, match="fetch it again"):
        convert_record(record, dicom, acquisition)
    assert list(tmp_path.glob("*.dcm")) == []
    record.with_suffix(".dat").write_bytes(whole)
    assert convert_record(record, dicom, acquisition).status == "converted"


def test_a_patient_named_by_the_csv_alone_is_taken(convert, make_record) -> None:
    assert convert(make_record(subject=""), subject_id="77").PatientID == "77"


@pytest.mark.parametrize(("comment", "patient"), [("# patient 4", "4"), ("#patient 4 ", "4"), ("# patient: 4", "")])
def test_the_patient_of_incarts_comment(convert, make_record, comment: str, patient: str) -> None:
    record = make_record(subject="")
    with open(record.with_suffix(".hea"), "a") as file:
        file.write(f"{comment}\n")
    if patient:
        assert convert(record, subject_id="").PatientID == patient
    else:
        with pytest.raises(UnknownSubject):
            convert(record, subject_id="")


def test_check_names_what_does_not_hold(make_record, acquisition, tmp_path: Path) -> None:
    record, dicom = make_record(), tmp_path / "x.dcm"
    checker = Converter("", OutputTree(str(tmp_path)), Options())

    def check(**values: str) -> str:
        return checker.check(str(record), "x.dcm", replace(acquisition, **values))

    assert "missing" in check()
    convert_record(record, dicom, acquisition)
    assert check() == ""
    assert "SOP Instance UID" in check(notch="50")
    whole = dicom.read_bytes()
    dicom.write_bytes(whole[:-1] + b"\x7f")
    assert "samples differ" in check()
    dicom.write_bytes(whole.replace(b"6848296", b"6848297"))
    assert "attributes differ" in check()
    dicom.write_bytes(whole[:-1])
    assert f"does not have the {len(whole)} bytes" in check()


def test_equal_input_gives_equal_bytes_wherever_it_lies(make_record, acquisition: Acquisition, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        convert_record(make_record(folder=folder), tmp_path / folder / "x.dcm", acquisition)
    assert (tmp_path / "a/x.dcm").read_bytes() == (tmp_path / "b/x.dcm").read_bytes()


def test_a_study_and_record_of_long_names_still_have_a_study_id(make_record, tmp_path: Path) -> None:
    name = "a_record_of_a_name_of_more_than_16"
    out = tmp_path / "x.dcm"
    convert_record(make_record(name=name), out, Acquisition(study_id=name, subject_id="10000032"))
    ds = pydicom.dcmread(out)
    assert ds.StudyID == ds.StudyInstanceUID[-16:]


@pytest.mark.parametrize("subject", ["Ä1", "A B"])
def test_a_patient_of_the_header_is_the_whole_comment(make_record, tmp_path: Path, subject: str) -> None:
    record = make_record()
    header = Path(f"{record}.hea")
    header.write_text(header.read_text().replace("<subject_id>: 10000032", f"<subject_id>: {subject}"), "utf-8")
    convert_record(record, tmp_path / "x.dcm", Acquisition(study_id="40689238"))
    assert pydicom.dcmread(tmp_path / "x.dcm").PatientID == subject


def test_a_patient_that_is_no_text_is_refused_by_name(make_record, tmp_path: Path) -> None:
    record = make_record()
    header = Path(f"{record}.hea")
    header.write_bytes(header.read_bytes().replace(b": 10000032", b": \x071"))
    with pytest.raises(HeaderError, match=r"subject_id .* is not a DICOM text"):
        convert_record(record, tmp_path / "x.dcm", Acquisition(study_id="40689238"))


def test_a_header_of_another_record_is_refused(make_record, tmp_path: Path) -> None:
    """A copy under another name: whose patient it is, the header does not say."""
    record = make_record()
    for kind in ("hea", "dat"):
        (record.parent / f"40689239.{kind}").write_bytes(record.with_suffix(f".{kind}").read_bytes())
    with pytest.raises(SubjectMismatch, match="is the header of record '40689238'"):
        convert_record(record.parent / "40689239", tmp_path / "x.dcm", Acquisition(subject_id="10000032"))


def test_contradicting_subjects_in_the_comments_are_refused(make_record, tmp_path: Path) -> None:
    record = make_record()
    with record.with_suffix(".hea").open("a") as file:
        file.write("# <subject_id>: 10000033\n")
    with pytest.raises(SubjectMismatch, match="names two subjects, 10000032 and 10000033"):
        convert_record(record, tmp_path / "x.dcm", Acquisition())


def test_bytes_behind_the_samples_are_left_out_where_checksums_prove_it(make_record, tmp_path: Path) -> None:
    record = make_record()
    plain = convert_record(record, tmp_path / "x.dcm", Acquisition())
    with record.with_suffix(".dat").open("ab") as file:
        file.write(bytes(24))
    facts = convert_record(record, tmp_path / "y.dcm", Acquisition()).facts
    assert list(facts["warnings"]) == [
        "24 bytes after the samples were not used: the checksums prove that they are not samples"
    ]
    assert (tmp_path / "x.dcm").read_bytes() == (tmp_path / "y.dcm").read_bytes()
    assert "warnings" not in plain.facts
    lines = record.with_suffix(".hea").read_text().splitlines()  # no proof without checksums
    lines[1:13] = [" ".join([*line.split()[:6], "0", *line.split()[7:]]) for line in lines[1:13]]
    record.with_suffix(".hea").write_text("\n".join(lines))
    with pytest.raises(SignalError, match="state the right number of samples"):
        convert_record(record, tmp_path / "y.dcm", Acquisition())


def test_checksums_of_0_throughout_are_placeholders_and_the_samples_are_in_the_uid(make_record, tmp_path: Path) -> None:
    record = make_record()
    header = record.with_suffix(".hea")
    lines = header.read_text().splitlines()
    lines[1:13] = [" ".join([*line.split()[:5], "0", "0", *line.split()[7:]]) for line in lines[1:13]]
    header.write_text("\n".join(lines))
    first = convert_record(record, tmp_path / "x.dcm", Acquisition()).facts
    assert first["checksums"] == "placeholder"
    content = bytearray(record.with_suffix(".dat").read_bytes())
    content[1000] ^= 1
    record.with_suffix(".dat").write_bytes(content)
    second = convert_record(record, tmp_path / "x.dcm", Acquisition()).facts
    assert first["sop_instance_uid"] != second["sop_instance_uid"]
