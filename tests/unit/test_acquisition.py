"""One row of machine_measurements as DICOM values: known, or unknown; never guessed."""

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdb2dicom.acquisition import (
    REPORTS,
    Acquisition,
    age_in_years,
    as_text,
    from_row,
    normalise_id,
    normalise_time,
    sex_code,
)

ROW = {
    "subject_id": "10000032",
    "study_id": "40689238",
    "cart_id": "6848296",
    "ecg_time": "2180-07-23 08:44:00",
    "bandwidth": "0.005-150 Hz",
    "filtering": "60 Hz notch Baseline filter",
}


def test_a_row_of_machine_measurements():
    assert from_row(ROW) == Acquisition(
        subject_id="10000032",
        study_id="40689238",
        ecg_time="2180-07-23 08:44:00",
        cart_id="6848296",
        filter_low="0.005",
        filter_high="150",
        notch="60",
    )


def test_nothing_known():
    assert from_row({}) == Acquisition()
    assert Acquisition().to_json() == "{}"


@pytest.mark.parametrize(
    ("bandwidth", "low", "high"),
    [
        ("0.005-150 Hz", "0.005", "150"),
        ("0.0005-150 Hz", "0.0005", "150"),
        ("0.05-150 Hz", "0.05", "150"),
        ("0.050 \u2013 40.0Hz", "0.05", "40"),
        (" 1-100 hz ", "1", "100"),
        ("0-150 Hz", "", "150"),
        ("150-0.05 Hz", "", ""),
        ("150-150 Hz", "", ""),
        ("0.05-150", "", ""),
        ("0.05-150-300 Hz", "", ""),
        ("1.2.3-150 Hz", "", "150"),
        ("<not specified>", "", ""),
        ("garbage", "", ""),
        ("", "", ""),
        (math.nan, "", ""),
        (None, "", ""),
    ],
)
def test_bandwidth_low_edge_first(bandwidth, low, high):
    found = from_row({"bandwidth": bandwidth})
    assert (found.filter_low, found.filter_high) == (low, high)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.005, 150.0, ("0.005", "150")),
        (np.float32(0.005), np.int64(150), ("0.005", "150")),
        (float(np.float32(0.0005)), 150, ("0.0005", "150")),
        ("5e-4", "150.0 Hz", ("0.0005", "150")),
        (math.nan, 150, ("", "150")),
        (pd.NA, None, ("", "")),
        (math.inf, -1, ("", "")),
        (1e-300, 1e300, ("", "")),
        ("1.234567e-9", 150, ("", "150")),
        (150, 0.05, ("", "")),
    ],
)
def test_the_original_tools_frame_holds_the_low_edge_in_lowpassfilter(low, high, expected):
    found = from_row({"lowpassfilter": low, "highpassfilter": high})
    assert (found.filter_low, found.filter_high) == expected


def test_bandwidth_goes_before_the_original_tools_columns():
    assert from_row({"bandwidth": "1-100 Hz", "lowpassfilter": 2, "highpassfilter": 40}).filter_low == "1"
    assert from_row({"bandwidth": math.nan, "lowpassfilter": 2, "highpassfilter": 40}).filter_low == "2"


@pytest.mark.parametrize(
    ("filtering", "notch"),
    [
        ("60 Hz notch Baseline filter", "60"),
        ("50 Hz notch Baseline filter", "50"),
        ("Baseline filter", ""),
        ("<not specified>", ""),
        ("notch", ""),
        (math.nan, ""),
    ],
)
def test_notch(filtering, notch):
    assert from_row({"filtering": filtering}).notch == notch


@given(st.floats(allow_nan=True, allow_infinity=True) | st.text() | st.integers())
def test_frequencies_are_valid_and_canonical_ds_texts(value):
    text = from_row({"lowpassfilter": value}).filter_low
    assert len(text) <= 16 and (text == "" or float(text) > 0)
    assert from_row({"lowpassfilter": text}).filter_low == text


@pytest.mark.parametrize(
    ("cart_id", "station"),
    [
        (6848296, "6848296"),
        (6848296.0, "6848296"),
        ("6848296.0", "6848296"),
        (np.float32(684829), "684829"),
        (" MUSE 7 ", "MUSE 7"),
        ("x" * 16, "x" * 16),
        ("x" * 17, ""),
        ("a\\b", ""),
        ("a\nb", ""),
        ("Wagen Süd", ""),
        (math.nan, ""),
        ("nan", ""),
    ],
)
def test_a_cart_that_does_not_fit_station_name_is_left_out_not_cut_short(cart_id, station):
    assert from_row({"cart_id": cart_id}).cart_id == station


@pytest.mark.parametrize(
    ("time", "normal"),
    [
        ("2180-07-23 08:44:00", "2180-07-23 08:44:00"),
        ("2180-07-23 08:44", "2180-07-23 08:44:00"),
        ("2180-07-23T08:44:24.500", "2180-07-23 08:44:24"),
        (pd.Timestamp("2180-07-23 08:44"), "2180-07-23 08:44:00"),
        (datetime(2180, 7, 23, 8, 44, 1), "2180-07-23 08:44:01"),
        (pd.NaT, ""),
        ("23-Jul-2180 08:44:24", "2180-07-23 08:44:24"),
        ("2180-07-23", ""),
        ("2180-02-30 08:44:00", ""),
        ("2180-07-23 24:44:00", ""),
        ("0000-01-01 00:00:00", ""),
        ("23/07/2180 08:44", ""),
        ("2180-07-23 08:44:00+01:00", ""),
        ("\u0662180-07-23 08:44", ""),
    ],
)
def test_a_time_is_whole_and_real_or_as_it_was_stated(time, normal):
    assert normalise_time(as_text(time)) == normal
    assert from_row({"ecg_time": time}).ecg_time == (normal or as_text(time))
    assert from_row({"ecg_time": "x" * 1000}).ecg_time == "x" * 60


@pytest.mark.parametrize(
    ("text", "sex"),
    [("F", "F"), (" female ", "F"), ("MALE", "M"), ("m", "M"), ("Other", "O")]
    + [(text, "") for text in ("", "Unknown", "NaN", "0", "1", "woman", "F?", "M/F")],
)
def test_only_an_exact_sex_is_one(text, sex):
    assert sex_code(text) == sex


@pytest.mark.parametrize(
    ("text", "age"),
    [("74", "74"), ("056", "56"), ("56.0", "56"), ("0", "0"), ("89", "89")]
    + [(text, "") for text in ("", "90", "300", "300.0", "-1", "NaN", "Unknown", "5.5", "8 months", "1e1", "\u0667")],
)
def test_only_a_whole_number_of_years_is_an_age(text, age):
    assert age_in_years(text) == age


@given(st.text(st.sampled_from("0123456789-: T./"), max_size=24) | st.datetimes().map(str))
def test_times_that_are_known_are_times(text):
    normal = normalise_time(text)
    if normal:
        assert datetime.strptime(normal, "%Y-%m-%d %H:%M:%S")
        assert normal[:16] == text[:16].replace("T", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (math.nan, ""),
        (None, ""),
        (pd.NA, ""),
        (" a ", "a"),
        ("NULL", ""),
        (-5.0, "-5"),
    ],
)
def test_cells_as_text(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("text", "prefix", "number"),
    [
        ("p10000032", "p", "10000032"),
        ("p10000032", "s", "p10000032"),
        ("40689238.0", "s", "40689238"),
        ("40689238.5", "s", "40689238.5"),
        ("00012", "s", "00012"),
        ("s0010_re", "s", "s0010_re"),
        ("P001", "p", "P001"),
        ("S0012", "s", "S0012"),
        ("s40689238.0", "s", "40689238"),
        ("\u0664\u0665", "s", "\u0664\u0665"),
        ("", "s", ""),
    ],
)
def test_ids(text, prefix, number):
    assert normalise_id(text, prefix) == number


def test_measurements_and_reports_only_on_request():
    row = {
        **ROW,
        "rr_interval": 659,
        "p_onset": "40",
        "p_end": 29999,
        "qrs_onset": "170.0",
        "qrs_end": -5,
        "t_end": 65534,
        "p_axis": "-81",
        "qrs_axis": 32767,
        "t_axis": 400,
        "report_0": "Sinus rhythm",
        "report_1": math.nan,
        "report_3": " Borderline ECG ",
    }
    assert from_row(row) == from_row(ROW)
    found = from_row(row, annotations=True)
    assert found.measurements == (("rr_interval", 659), ("p_onset", 40), ("qrs_onset", 170), ("p_axis", -81))
    assert found.reports == ("Sinus rhythm", "Borderline ECG")


@pytest.mark.parametrize("sentinel", [29999, 32767, -32768, 65535, 65534, 61440, 0, 999999999, "junk", "", 1.5])
def test_sentinels_are_no_measurements(sentinel):
    assert from_row({"rr_interval": sentinel}, annotations=True).measurements == ()


@pytest.mark.parametrize("sentinel", [29999, 32767, -32768, 65535, 65534, 61440, "junk", ""])
def test_sentinels_are_no_axes(sentinel):
    assert from_row({"p_axis": sentinel, "qrs_axis": 0}, annotations=True).measurements == (("qrs_axis", 0),)


TEXT = st.text(max_size=20)


@given(
    st.builds(
        Acquisition,
        subject_id=TEXT,
        ecg_time=TEXT,
        cart_id=TEXT,
        notch=TEXT,
        measurements=st.lists(st.tuples(st.just("rr_interval"), st.integers())).map(tuple),
        reports=st.lists(TEXT, max_size=len(REPORTS)).map(tuple),
    )
)
def test_json_gives_back_what_it_was_made_from(acquisition):
    assert Acquisition.from_json(acquisition.to_json()) == acquisition


def test_json_is_compact_sorted_and_without_empty_fields():
    assert Acquisition(study_id="1", cart_id="2", notch="60").to_json() == '{"cart_id":"2","notch":"60","study_id":"1"}'
