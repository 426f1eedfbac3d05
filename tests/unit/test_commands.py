"""The commands for one record, and the original's function."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from wfdb2dicom.errors import StudyError, SubjectMismatch, UidError

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def convert(project: Path) -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(project / "scripts/wfdb2dicom"), "convert", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    return run


@pytest.fixture
def phase1(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(project / "scripts")
    from Transform_WFDB_to_DICOM import wfdb_to_dicom_ecg_phase1

    return wfdb_to_dicom_ecg_phase1


FRAME = pd.DataFrame(
    {
        "study_id": [40689238, 40689239],
        "subject_id": [10000032, 10000033],
        "cart_id": [6848296, 6848297],
        "lowpassfilter": [0.05, 0.5],
        "highpassfilter": [150, 40],
    }
)


def test_ids_may_have_the_forms_that_they_have_in_csvs(convert: Run, make_record, tmp_path: Path) -> None:
    done = convert(make_record(), tmp_path / "x.dcm", "--subject-id", "p10000032", "--study-id", "s40689238")
    assert done.returncode == 0, done.stderr
    assert pydicom.dcmread(tmp_path / "x.dcm").PatientID == "10000032"


@pytest.mark.parametrize("ending", ["", ".hea", ".dat"])
def test_a_record_becomes_a_file_or_a_file_in_a_folder(convert: Run, make_record, tmp_path: Path, ending: str) -> None:
    record = make_record()
    done = convert(f"{record}{ending}", tmp_path / "x.dcm")
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'x.dcm'}: converted, " in done.stdout
    convert(f"{record}{ending}", tmp_path)
    assert (tmp_path / "40689238.dcm").read_bytes() == (tmp_path / "x.dcm").read_bytes()
    assert "current" in convert(record, tmp_path).stdout


def test_no_file_that_is_no_dicom_is_written_over(convert: Run, make_record, tmp_path: Path) -> None:
    record = make_record()
    signal = Path(f"{record}.dat").read_bytes()
    for out in (f"{record}.dat", tmp_path / "new.hea"):
        refused = convert(f"{record}.hea", out)
        assert refused.returncode == 1 and "give the name of the DICOM file to write" in refused.stderr
    (tmp_path / "notes.txt").write_text("precious " * 40)
    refused = convert(record, tmp_path / "notes.txt")
    assert refused.returncode == 1 and "exists and is not a DICOM file; give another name" in refused.stderr
    assert Path(f"{record}.dat").read_bytes() == signal and "precious" in (tmp_path / "notes.txt").read_text()
    assert not (tmp_path / "new.hea").exists()


def test_what_the_header_lacks_comes_from_the_command_line(convert: Run, make_record, tmp_path: Path) -> None:
    record = make_record(moment="", subject="")
    refused = convert(record, tmp_path / "x.dcm")
    assert refused.returncode == 1 and "error: UnknownSubject: no patient is known" in refused.stderr
    assert not (tmp_path / "x.dcm").exists()
    done = convert(record, tmp_path / "x.dcm", "--subject-id", 77, "--ecg-time", "2180-01-02 03:04:05")
    assert done.returncode == 0, done.stderr
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert (ds.PatientID, ds.StudyDate, ds.StudyTime) == ("77", "21800102", "030405")


def test_metadata_are_looked_up_by_study(convert: Run, make_record, tmp_path: Path) -> None:
    csv = tmp_path / "machine_measurements.csv"
    csv.write_text(
        "subject_id,study_id,cart_id,bandwidth,filtering\n10000032,40689238,6848296,0.05-150 Hz,50 Hz notch\n"
    )
    assert convert(make_record(), tmp_path / "x.dcm", "--metadata", csv).returncode == 0
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert ds.StationName == "6848296"
    assert ds.WaveformSequence[0].ChannelDefinitionSequence[0].NotchFilterFrequency == 50
    missing = convert(make_record(name="40689240"), tmp_path / "y.dcm", "--metadata", csv)
    assert missing.returncode == 1
    assert "Missing df_info row for study_id 40689240" in missing.stderr


def test_the_originals_function_takes_a_frame_or_a_row(phase1, make_record, tmp_path: Path) -> None:
    record, out = str(make_record()), str(tmp_path / "x.dcm")
    assert phase1(record, out, FRAME) == out
    first = Path(out).read_bytes()
    for info in (FRAME.set_index("study_id"), FRAME.iloc[0], FRAME.iloc[0].to_dict()):
        Path(out).unlink()
        phase1(record, out, info)
        assert Path(out).read_bytes() == first
    channel = pydicom.dcmread(out).WaveformSequence[0].ChannelDefinitionSequence[0]
    assert (channel.FilterLowFrequency, channel.FilterHighFrequency) == (0.05, 150)


def test_the_originals_function_takes_uids_and_refuses_what_is_none(phase1, make_record, tmp_path: Path) -> None:
    record, out = str(make_record()), str(tmp_path / "x.dcm")
    phase1(record, out, FRAME, "1.2.3", "1.2.4")
    ds = pydicom.dcmread(out)
    assert (ds.StudyInstanceUID, ds.SeriesInstanceUID) == ("1.2.3", "1.2.4")
    with pytest.raises(UidError, match=r"'1\.02' is not a DICOM UID"):
        phase1(record, out, FRAME, "1.02")


def test_the_originals_function_says_what_is_missing_or_wrong(phase1, make_record, tmp_path: Path) -> None:
    record, out = str(make_record()), str(tmp_path / "x.dcm")
    with pytest.raises(StudyError, match="Missing df_info row for study_id"):
        phase1(record, out, FRAME[1:])
    with pytest.raises(SubjectMismatch):
        phase1(record, out, FRAME.assign(subject_id=10000033))
    with pytest.raises(SubjectMismatch, match="row of df_info is of study 40689239, the record of study 40689238"):
        phase1(record, out, FRAME.iloc[1])
    twice = FRAME.assign(study_id=40689238, subject_id=10000032)
    with pytest.raises(StudyError, match="rows for study 40689238 that differ"):
        phase1(record, out, twice)
    phase1(record, out, twice.assign(cart_id=1, lowpassfilter=0.05, highpassfilter=150))


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--ecg-time", "nonsense", "'nonsense' is not YYYY-MM-DD HH:MM:SS"),
        ("--ecg-time", "2180-07-23", "is not YYYY-MM-DD HH:MM:SS"),
        ("--uid-root", "banana", "uid_root 'banana' is not a UID root"),
        ("--uid-root", "1.2." + "3" * 60, "is not a UID root"),
    ],
)
def test_a_value_that_is_none_is_refused_even_where_it_would_not_be_used(
    convert: Run, make_record, tmp_path: Path, option: str, value: str, words: str
) -> None:
    refused = convert(make_record(), tmp_path / "x.dcm", option, value)
    assert refused.returncode != 0 and words in refused.stderr
    assert not (tmp_path / "x.dcm").exists()


def test_check_says_what_is_wrong_by_line_and_status(project: Path, convert: Run, make_record, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    record = make_record()
    convert(record, good)
    bad.write_bytes(good.read_bytes().replace(b"CS\x04\0ECG ", b"CS\x04\0EEG "))

    def check(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(project / "scripts/wfdb2dicom"), "check", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    done = check(good)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{good}: conforms\n", "")
    done = check("--quiet", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = check(good, bad)
    assert done.returncode == 1 and done.stdout.startswith(f"{bad}: ") and "Modality" in done.stdout
    assert str(good) not in done.stdout and "PS3.3" in done.stdout
    assert done.stdout.endswith("\n1 of 2 objects conform\n")
    assert check(bad).stdout.endswith(f"\n{bad}: does not conform\n")
    assert check("--record", record, good).returncode == 0
    assert check("--record", make_record("40689239", gain="100.0(0)/mV"), good).returncode == 1
    done = check(tmp_path / "none.dcm")
    assert done.returncode == 1
    assert done.stderr == f"error: No such file or directory: '{tmp_path / 'none.dcm'}'\n"  # named once
    done = check(tmp_path)
    assert "not a regular file but a folder, name a regular one: " in done.stderr and "remove" not in done.stderr
    assert f"; for all below it: find {tmp_path} -name '*.dcm' -exec wfdb2dicom check {{}} +" in done.stderr
    assert check("--record", record, good, bad).returncode == 2


def test_draw_and_restore_say_what_they_wrote(project: Path, convert: Run, make_record, tmp_path: Path) -> None:
    convert(make_record(), tmp_path / "x.dcm")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(project / "scripts/wfdb2dicom"), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = run("draw", "x.dcm", "x.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"x.svg: drawn, {(tmp_path / 'x.svg').stat().st_size} bytes\n"
    assert run("draw", "--quiet", "x.dcm", "x.svg").stdout == ""
    assert run("restore", "x.dcm", "back").stdout.split() == ["back/40689238.dat", "back/40689238.hea"]
    done = run("restore", "none.dcm", "back")
    assert (done.returncode, done.stderr) == (1, "error: No such file or directory: 'none.dcm'\n")


@pytest.mark.parametrize(
    "command",
    [["gate", "none.json", "passed.txt"], ["report", "--summary=none.json", "--manifest=m", "--receipts=r", "p"]],
)
def test_a_file_that_is_gone_is_an_error_in_one_line(project: Path, tmp_path: Path, command: list[str]) -> None:
    line = [sys.executable, str(project / "scripts/wfdb2dicom"), *command]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr == "error: No such file or directory: 'none.json'; no result is lost; fix the cause and run again\n"
    )
