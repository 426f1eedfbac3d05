"""What a user who knows only pydicom and pandas may hand to the public functions, and what each is told."""

import copy
import io
import os
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest

import wfdb2dicom
from wfdb2dicom import Options
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.errors import ArgumentError, ConfigError, Wfdb2DicomError

NOT_PATHS = [None, 5, b"x.dcm", io.BytesIO(b""), ["x.dcm"], "", "a\0b"]


@pytest.fixture
def dicom(make_record, tmp_path: Path) -> Path:
    return wfdb2dicom.convert_record(make_record(), tmp_path / "made.dcm").path


@pytest.mark.parametrize("wrong", NOT_PATHS, ids=lambda wrong: f"{type(wrong).__name__} {wrong!r:.10}")
def test_what_is_not_a_path_is_refused_by_every_function(dicom: Path, make_record, tmp_path: Path, wrong: Any) -> None:
    record = make_record()
    calls = {
        "record": lambda: wfdb2dicom.convert_record(wrong, tmp_path / "x.dcm"),
        "out": lambda: wfdb2dicom.convert_record(record, wrong),
        "dicom": lambda: wfdb2dicom.read(wrong),
        "folder": lambda: wfdb2dicom.restore(dicom, wrong),
    }
    more = [
        ("record", lambda: wfdb2dicom.to_dataset(wrong)),
        ("dicom", lambda: wfdb2dicom.check(wrong)),
        ("dicom", lambda: wfdb2dicom.restore(wrong, tmp_path / "back")),
        ("dicom", lambda: wfdb2dicom.draw(wrong, tmp_path / "x.png")),
        ("out", lambda: wfdb2dicom.draw(dicom, wrong)),
    ]
    if wrong is not None:
        more.append(("record", lambda: wfdb2dicom.check(dicom, record=wrong)))
    for name, call in [*calls.items(), *more]:
        with pytest.raises(ArgumentError, match=rf"^{name}\b.*not a path: give the path of "):
            call()


def test_a_folder_or_a_file_of_another_kind_is_not_a_record(dicom: Path, make_record, tmp_path: Path) -> None:
    (tmp_path / "list.csv").touch()
    for wrong, kind in ((tmp_path, "a folder"), (dicom, "not a WFDB record"), (tmp_path / "list.csv", "not a WFDB")):
        for call in (wfdb2dicom.to_dataset, lambda record: wfdb2dicom.check(dicom, record=record)):
            with pytest.raises(ArgumentError, match=rf"^record: '{re.escape(str(wrong))}' is {kind}"):
                call(wrong)
    record = make_record()
    record.mkdir()  # a folder beside a record that has its name
    assert wfdb2dicom.to_dataset(record).StudyID == "40689238"


def test_a_folder_as_out_is_one_that_exists_or_ends_in_a_slash(make_record, tmp_path: Path) -> None:
    record = make_record()
    assert wfdb2dicom.convert_record(record, f"{tmp_path}/new/").path == tmp_path / "new/40689238.dcm"
    (tmp_path / "40689238.dcm").mkdir()
    done = wfdb2dicom.convert_record(record, tmp_path / "40689238.dcm")
    assert done.path == tmp_path / "40689238.dcm/40689238.dcm" and done.path.is_file()


def test_devices_and_fifos_are_not_replaced(dicom: Path, make_record, tmp_path: Path) -> None:
    for name in ("fifo", "fifo.dcm", "fifo.png"):
        os.mkfifo(tmp_path / name)
    for name in ("fifo", "fifo.dcm"):
        with pytest.raises(ConfigError, match="exists and is not a regular file; give another name"):
            wfdb2dicom.convert_record(make_record(), tmp_path / name)
    with pytest.raises(ConfigError, match="exists and is not a regular file; give another name"):
        wfdb2dicom.draw(dicom, tmp_path / "fifo.png")
    assert all((tmp_path / name).is_fifo() for name in ("fifo", "fifo.dcm", "fifo.png"))


@pytest.mark.parametrize("missing", [None, "", "  ", pd.NA, pd.NaT, float("nan"), np.datetime64("NaT")], ids=repr)
def test_a_missing_value_of_pandas_is_an_argument_that_is_not_given(make_record, missing: Any) -> None:
    record = make_record()
    given = wfdb2dicom.to_dataset(record, subject_id=missing, study_id=missing, ecg_time=missing)
    assert given == wfdb2dicom.to_dataset(record)
    row = dict.fromkeys(("subject_id", "study_id", "ecg_time", "cart_id", "bandwidth", "filtering"), missing)
    assert wfdb2dicom.to_dataset(record, row) == given
    assert wfdb2dicom.to_dataset(record, pd.Series(row, dtype=object)) == given


@pytest.mark.parametrize(
    "subject", ["10000032", "p10000032", 10000032, np.int64(10000032), np.uint32(10000032), 10000032.0, np.float64(1e7)]
)
def test_ids_are_text_or_whole_numbers_of_any_kind(make_record, subject: Any) -> None:
    expected = "10000000" if subject == 1e7 else "10000032"
    assert wfdb2dicom.to_dataset(make_record(subject=""), subject_id=subject).PatientID == expected


@pytest.mark.parametrize(
    "time",
    [
        "2180-07-23 08:44:00",
        "2180-07-23T08:44",
        datetime(2180, 7, 23, 8, 44),
        pd.Timestamp("2180-07-23 08:44"),
        np.datetime64("2180-07-23T08:44:00"),
    ],
    ids=repr,
)
def test_times_are_text_or_moments_of_any_kind(make_record, time: Any) -> None:
    assert wfdb2dicom.to_dataset(make_record(moment=""), ecg_time=time).AcquisitionDateTime == "21800723084400"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"subject_id": np.array([1, 2])}, "subject_id: .* is not an id"),
        ({"subject_id": pd.Series([1, 2])}, "subject_id: .* is not an id"),
        ({"study_id": float("inf")}, "study_id: inf is not an id"),
        ({"subject_id": "1\n2"}, r"subject_id: '1\\n2' has characters that are not printable"),
        ({"study_id": "\ud800"}, "study_id: .* has characters that are not printable"),
        ({"metadata": {"study_id": "\udcff"}}, "study_id: .* has characters that are not printable"),
        ({"ecg_time": date(2180, 7, 23)}, "is not YYYY-MM-DD HH:MM:SS"),
        ({"ecg_time": pd.Timestamp("2180-07-23 08:44", tz="UTC")}, "has a UTC offset"),
        ({"ecg_time": 1_700_000_000}, "is not YYYY-MM-DD HH:MM:SS"),
        ({"ecg_time": pd.Series(["2180-07-23 08:44:00"])}, "is not YYYY-MM-DD HH:MM:SS"),
        ({"metadata": np.array([1, 2])}, "a ndarray is not a row"),
        ({"metadata": pd.Index(["cart_id"])}, "a Index is not a row"),
        ({"metadata": pd.Series([1, 2])}, "none of 0, 1 is a column"),
        ({"metadata": 5}, "a int is not a row"),
        ({"metadata": Acquisition(cart_id=5)}, "metadata: cart_id 5 is not text; write '5'"),  # type: ignore[arg-type]
        ({"options": Options}, "is not an Options object"),
        ({"options": "standard"}, "is not an Options object"),
    ],
)
def test_a_wrong_argument_of_a_conversion(make_record, tmp_path: Path, arguments: dict, words: str) -> None:
    for call in (
        lambda: wfdb2dicom.convert_record(make_record(), tmp_path / "x.dcm", **arguments),
        lambda: wfdb2dicom.to_dataset(make_record(), **arguments),
    ):
        with pytest.raises(ArgumentError, match=f"(?s){words}"):
            call()
    assert not (tmp_path / "x.dcm").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[(name, value) for name in ("uid_root", "undated", "issuer_of_patient_id") for value in (None, 2.25, b"x")],
        ("undated", date(1900, 1, 1)),
        ("lead_order", ["standard"]),
        ("lead_order", np.array(["standard", "source"])),
        ("annotations", 1),
        ("sex_and_age_from", None),
        ("sex_and_age_from", 5),
        ("sex_and_age_from", [["columns"]]),
        ("sex_and_age_from", {"columns": 1}),
    ],
)
def test_an_option_of_another_type_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{option}: "):
        Options(**{option: value})


def test_sources_of_sex_and_age_may_be_a_list_a_tuple_or_text() -> None:
    same = [Options(sex_and_age_from=given) for given in (["comments"], ("comments",), "comments")]  # type: ignore[arg-type]
    assert len({options.text() for options in same}) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": 40689238}, "name: 40689238 is not text; write '40689238'"),
        ({"order": None}, "order: None is neither one of stored, mimic, standard nor a list"),
        ({"order": []}, "nor a list of lead names"),
        ({"order": [1, 2]}, "nor a list of lead names"),
        ({"order": ["I", "V9"]}, "order: 'V9' is not a lead of the object; its leads are I, II, III"),
        ({"order": ["I", "I"]}, "order: 'I' is named twice"),
        ({"signal_format": 0}, "signal_format: 0 is none of 16, 24, 32"),
        ({"signal_format": "16"}, "signal_format: '16' is none of 16, 24, 32"),
        ({"signal_format": 212}, "signal_format: 212 is none of 16, 24, 32"),
    ],
)
def test_a_wrong_argument_of_restore(dicom: Path, tmp_path: Path, arguments: dict, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        wfdb2dicom.restore(dicom, tmp_path / "back", **arguments)
    assert not (tmp_path / "back").exists()


def test_restore_into_a_file_is_refused(dicom: Path) -> None:
    with pytest.raises(ArgumentError, match="is not a folder; name one"):
        wfdb2dicom.restore(dicom, dicom)


@pytest.mark.parametrize("resolution", [0, -1, 51, float("nan"), float("inf"), "7", None, True, np.array([1, 2])])
def test_a_resolution_that_gives_no_picture_is_refused(dicom: Path, tmp_path: Path, resolution: Any) -> None:
    with pytest.raises(ArgumentError, match="is not a number from 1 to 50; 7 is usual"):
        wfdb2dicom.draw(dicom, tmp_path / "x.png", pixels_per_mm=resolution)


@pytest.mark.parametrize(
    "header",
    ["", "nonsense\n", "bad 1 500 10\n", "bad 2 500 10\nbad.dat 16 200 16 0 0 0 0 I\n", "bad 1 500 10\nbad.dat 999\n"],
)
def test_a_record_on_which_wfdb_fails_is_named(dicom: Path, tmp_path: Path, header: str) -> None:
    (tmp_path / "bad.hea").write_text(header)
    (tmp_path / "bad.dat").write_bytes(bytes(20))
    with pytest.raises(Wfdb2DicomError, match=r"/bad cannot be read by wfdb: .*; check the record"):
        wfdb2dicom.check(dicom, record=tmp_path / "bad")


def test_a_data_set_in_memory_can_be_read_and_drawn(make_record, dicom: Path, tmp_path: Path) -> None:
    dataset = wfdb2dicom.to_dataset(make_record())
    of_memory, of_file = wfdb2dicom.read(dataset), wfdb2dicom.read(dicom)
    np.testing.assert_array_equal(of_memory.millivolts, of_file.millivolts)
    assert (of_memory.patient_id, of_memory.leads) == (of_file.patient_id, of_file.leads)
    wfdb2dicom.draw(dataset, tmp_path / "a.svg")
    wfdb2dicom.draw(dicom, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(Wfdb2DicomError, match="the data set holds no waveform"):
        wfdb2dicom.read(pydicom.Dataset())
    del dataset.WaveformSequence[0].SamplingFrequency
    with pytest.raises(Wfdb2DicomError, match="the data set: its waveform cannot be read"):
        wfdb2dicom.read(dataset)


def test_an_outcome_comes_back_from_another_process(make_record, tmp_path: Path) -> None:
    """As it does from joblib or a pool, with which users convert many records."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        done = pool.submit(wfdb2dicom.convert_record, make_record(), tmp_path / "x.dcm").result()
    assert done.sop_instance_uid == pydicom.dcmread(done.path).SOPInstanceUID
    assert copy.deepcopy(done) == pickle.loads(pickle.dumps(done)) == done


def test_every_error_comes_back_from_another_process() -> None:
    from wfdb2dicom.dicom.part10 import MalformedError

    for error in (ArgumentError("x"), MalformedError("cut short", "PS3.5")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)
