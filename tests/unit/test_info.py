"""`wfdb2dicom info` on everything odd: described, or refused in one line, and never a traceback."""

import os
import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

import wfdb2dicom
from wfdb2dicom.cli.main import run

Info = Callable[[Path], tuple[int, str, str]]


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]) -> Info:
    """A function that runs the command: exit status, what it prints, and what it says of errors."""

    def describe(source: Path) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["info", str(source)])
        said = capsys.readouterr()
        assert status in (0, 1) and (said.err == "" if status == 0 else said.err.count("\n") == 1)
        return status, said.out, said.err

    return describe


def test_what_is_neither_a_record_nor_a_dicom_is_called_so(info: Info, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("study_id\n1\n")
    (tmp_path / "damaged.dcm").write_bytes(bytes(200))
    (tmp_path / "empty.dcm").touch()
    os.mkfifo(tmp_path / "fifo")
    for source in (tmp_path, *tmp_path.iterdir()):
        status, _, error = info(source)
        assert status == 1 and "is neither a DICOM file nor a WFDB record; name a .dcm file" in error
    assert "No such file or directory: " in info(tmp_path / "none")[2]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("r 1 0 10\nr.dat 16 200 16 0 0 0 0 I\n", "sampling rate:    0 Hz\nlength:           10 samples\n"),
        ("r 1 500\nnone.dat 16 200 16 0 0 0 0 I\n", "length:           not stated"),
        ("r 1 500 10\nr.dat 16 0 16 0 0 0 0 I\n", "conversion:       not possible: HeaderError: "),
        ("r 1 500 99\nr.dat 16 200 16 0 0 0 0 I\n", "conversion:       not possible: SignalError: "),
        ("r 1 500 10\nnone.dat 16 200 16 0 0 0 0 I\n", "conversion:       not possible: FileNotFoundError: "),
        ("r 2 500 5\nr.dat 16x2 200 16 0 0 0 0 I\nr.dat 16 200 16 0 0 0 0 II\n", "not possible: "),
        ("r 1 500 10\nr.dat 16 200/furlong 16 0 0 0 0 I\n", "conversion:       "),
        ("r/2 1 500 20\na 10\nb 10\n", "not possible: FileNotFoundError: "),
        ("r 1 500 10\nr.dat 16 200 16 0 0 0 0\n", "signals:          (no name)\n"),
    ],
)
def test_a_record_is_described_as_far_as_its_header_goes(info: Info, tmp_path: Path, header: str, words: str) -> None:
    (tmp_path / "r.hea").write_text(header)
    (tmp_path / "r.dat").write_bytes(bytes(20))
    status, text, _ = info(tmp_path / "r.hea")
    assert status == 0 and words in text and text.startswith(f"WFDB record:      {tmp_path}/r\n")


@pytest.mark.parametrize(
    ("subject", "moment", "words"),
    [
        ("1", "08:44:00 23/07/2180", "options\n"),
        ("", "08:44:00 23/07/2180", "options once the patient is given\n"),
        ("1", "", "options once the date is given\n"),
        ("", "", "options once the patient and the date are given\n"),
    ],
)
def test_a_conversion_is_possible_once_what_the_header_lacks_is_given(
    info: Info, make_record, subject: str, moment: str, words: str
) -> None:
    text = info(make_record(subject=subject, moment=moment))[1]
    assert "conversion:       possible with the default " + words in text and "sex and age:      not given\n" in text


def test_sex_and_age_are_those_of_the_comments(info: Info, make_record) -> None:
    record = make_record()
    with record.with_suffix(".hea").open("a") as file:
        file.write("#Age: 74\n#Sex: Female\n")
    assert "sex and age:      F, 74 y\n" in info(record)[1]


@pytest.mark.parametrize("header", ["", "\0\1\2", "nonsense", "r 1 500 10\n# <subject_id>: 1\n# <subject_id>: 2\n"])
def test_a_header_that_is_none_is_an_error(info: Info, tmp_path: Path, header: str) -> None:
    (tmp_path / "r.hea").write_text(header)
    assert info(tmp_path / "r")[0] == 1


def test_objects_of_other_kinds(info: Info, make_record, tmp_path: Path) -> None:
    dataset = wfdb2dicom.to_dataset(make_record())
    path = tmp_path / "x.dcm"
    channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[0]
    del dataset.SOPClassUID, dataset.PatientID, dataset.StudyID, channel.ChannelLabel
    dataset.save_as(path, enforce_file_format=False)
    status, text, _ = info(path)
    assert status == 0 and "DICOM class:      not given\npatient:          not given\n" in text
    del dataset.WaveformSequence
    dataset.save_as(path, enforce_file_format=False)
    status, _, error = info(path)
    assert status == 1 and "holds no waveform (ECG)" in error


def test_damaged_objects(info: Info, make_record, tmp_path: Path) -> None:
    stream = BytesIO()
    wfdb2dicom.to_dataset(make_record()).save_as(stream)
    whole, rng, path = stream.getvalue(), random.Random(1), tmp_path / "x.dcm"
    assert pydicom.dcmread(BytesIO(whole)).SOPClassUID
    for _ in range(150):
        damaged = bytearray(whole[: rng.randrange(140, 2500)] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(132, min(2500, len(damaged)))] = rng.randrange(256)
        path.write_bytes(damaged)
        info(path)
