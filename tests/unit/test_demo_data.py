"""The bundled demo is what its README says: whole records that look like ECGs, with two planted faults."""

import hashlib
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from numpy.typing import NDArray

MAKE_DEMO = Path(__file__).parent.parent / "data" / "make_demo.py"
LEADS = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
TRUNCATED, INVALID, IRREGULAR = 94000009, 94000006, 94000007
LIMIT = 2_000_000


@pytest.fixture(scope="module")
def records(demo: Path) -> pd.DataFrame:
    return pd.read_csv(demo / "record_list.csv").set_index("study_id", drop=False)


@pytest.fixture(scope="module")
def measurements(demo: Path) -> pd.DataFrame:
    return pd.read_csv(demo / "machine_measurements.csv").set_index("study_id", drop=False)


@pytest.fixture(scope="module")
def counts(demo: Path, records: pd.DataFrame) -> dict[int, NDArray[np.int64]]:
    """ADC counts of each whole study as wfdb reads them, shape (5000, 12)."""
    paths = records.path.drop(TRUNCATED)
    return {study: wfdb.rdrecord(str(demo / path), physical=False).d_signal for study, path in paths.items()}


def lead(signal: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    return signal[:, LEADS.index(name)]


def r_peaks(signal: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of R peaks in lead II: maxima within 200 ms, above half of the highest."""
    ii = lead(signal, "II") - np.median(lead(signal, "II"))
    padded = np.pad(ii, 50, constant_values=-(10**6))
    highest = np.lib.stride_tricks.sliding_window_view(padded, 101).max(axis=1)
    peaks = np.flatnonzero((ii == highest) & (ii > ii.max() / 2))
    return peaks[np.insert(np.diff(peaks) > 50, 0, True)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_script_writes_the_same_bytes_again(demo: Path, tmp_path: Path) -> None:
    runpy.run_path(str(MAKE_DEMO))["write_demo"](tmp_path)
    bundled = files_of(demo)
    del bundled["README.md"], bundled["config.yaml"]
    again = files_of(tmp_path)
    assert sorted(again) == sorted(bundled)
    assert [name for name in again if again[name] != bundled[name]] == []


def test_it_is_small(demo: Path) -> None:
    assert sum(len(content) for content in files_of(demo).values()) < LIMIT


def test_twelve_studies_of_four_patients_in_mimics_layout(demo: Path, records: pd.DataFrame) -> None:
    assert list(records.columns) == ["subject_id", "study_id", "file_name", "ecg_time", "path"]
    assert len(records) == records.study_id.nunique() == records.path.nunique() == 12
    assert records.subject_id.nunique() == 4
    for row in records.itertuples():
        folder = f"files/p{str(row.subject_id)[:4]}/p{row.subject_id}/s{row.study_id}"
        assert row.path == f"{folder}/{row.study_id}"
        assert sorted(p.name for p in (demo / folder).iterdir()) == [f"{row.study_id}.dat", f"{row.study_id}.hea"]


def test_no_id_can_be_a_real_one(records: pd.DataFrame) -> None:
    """MIMIC-IV's subjects begin with 1 and its ECG studies with 4."""
    ids = [*records.subject_id.astype(str), *records.study_id.astype(str)]
    assert all(len(text) == 8 and text[0] == "9" for text in ids)


def test_headers_have_mimics_form_and_checksums_hold(
    demo: Path, records: pd.DataFrame, counts: dict[int, NDArray[np.int64]]
) -> None:
    for study, signal in counts.items():
        row = records.loc[study]
        header = wfdb.rdheader(str(demo / row.path))
        assert (header.fs, header.sig_len, header.sig_name) == (500, 5000, LEADS)
        assert (set(header.fmt), set(header.adc_gain), set(header.baseline)) == ({"16"}, {200.0}, {0})
        assert header.comments == [f"<subject_id>: {row.subject_id}"]
        assert str(header.base_datetime) == row.ecg_time
        assert header.init_value == signal[0].tolist()
        assert header.checksum == (signal.sum(axis=0) % 65536).tolist()


def test_sha256sums_are_those_of_the_whole_files(demo: Path) -> None:
    promised = dict(reversed(line.split(" ")) for line in (demo / "SHA256SUMS.txt").read_text().splitlines())
    on_disk = {p.relative_to(demo).as_posix(): p for p in (demo / "files").rglob("*.*")}
    assert sorted(promised) == sorted(on_disk)
    different = [n for n, p in on_disk.items() if hashlib.sha256(p.read_bytes()).hexdigest() != promised[n]]
    assert [Path(name).name for name in different] == [f"{TRUNCATED}.dat"]


def test_one_study_is_truncated_and_wfdb_cannot_read_it(demo: Path, records: pd.DataFrame) -> None:
    sizes = {p.stem: p.stat().st_size for p in (demo / "files").rglob("*.dat")}
    assert [study for study, size in sizes.items() if size != 120_000] == [str(TRUNCATED)]
    with pytest.raises(ValueError, match="not loaded correctly"):
        wfdb.rdrecord(str(demo / records.path[TRUNCATED]))


def test_one_study_has_invalid_samples_in_one_lead(counts: dict[int, NDArray[np.int64]]) -> None:
    invalid = {study: (signal == -32768).sum(axis=0) for study, signal in counts.items()}
    assert [study for study, number in invalid.items() if number.any()] == [INVALID]
    assert [LEADS[i] for i in np.flatnonzero(invalid[INVALID])] == ["V3"]


def test_limb_leads_satisfy_einthoven_within_one_count(counts: dict[int, NDArray[np.int64]]) -> None:
    for signal in counts.values():
        one, two, three = (lead(signal, name) for name in ("I", "II", "III"))
        assert np.abs(three - (two - one)).max() <= 1
        assert np.abs(lead(signal, "aVR") + (one + two) / 2).max() <= 1
        assert np.abs(lead(signal, "aVL") - (one - two / 2)).max() <= 1
        assert np.abs(lead(signal, "aVF") - (two - one / 2)).max() <= 1


def test_r_peaks_come_at_the_measured_rate(counts: dict[int, NDArray[np.int64]], measurements: pd.DataFrame) -> None:
    intervals = {study: np.diff(r_peaks(signal)) * 2.0 for study, signal in counts.items()}
    measured = measurements.rr_interval
    assert measured.min() <= 510 and measured.max() >= 1180  # from about 120 to about 50 beats a minute
    for study, rr in intervals.items():
        assert rr.mean() == pytest.approx(measured[study], rel=0.02), study
        assert (rr.std() / rr.mean() > 0.12) == (study == IRREGULAR), study


def test_p_and_t_waves_stand_out_where_the_machine_measured_them(
    counts: dict[int, NDArray[np.int64]], measurements: pd.DataFrame
) -> None:
    """The average beat of lead II has a P wave between p_onset and p_end, and a T wave before t_end."""
    for study, signal in counts.items():
        ii, row, peaks = lead(signal, "II"), measurements.loc[study], r_peaks(signal)
        beats = np.mean([ii[p - 150 : p + 225] for p in peaks if 150 <= p < len(ii) - 225], axis=0)
        r_time = (row.qrs_onset + row.qrs_end) / 2  # about; R lies in the middle of QRS

        def at(time: float, beats: NDArray[np.float64] = beats, r_time: float = r_time) -> int:
            return 150 + round((time - r_time) / 2)

        isoelectric = beats[at(row.qrs_onset) - 8 : at(row.qrs_onset) - 3].mean()
        t_wave = beats[at(row.qrs_end) + 20 : min(at(row.t_end), 375)] - isoelectric
        assert np.abs(t_wave).max() > 20, study  # 0.1 mV
        if study == IRREGULAR:
            assert (row[["p_onset", "p_end", "p_axis"]] == 29999).all()
        else:
            assert (beats[at(row.p_onset) : at(row.p_end)] - isoelectric).max() > 14, study  # 0.07 mV


def test_wide_qrs_is_wide(measurements: pd.DataFrame) -> None:
    duration = measurements.qrs_end - measurements.qrs_onset
    assert (duration[measurements.report_1 == "Left bundle branch block"] > 120).all()
    assert (duration[measurements.report_1 != "Left bundle branch block"] < 110).all()


def test_measurements_hold_every_case_a_reader_must_know(measurements: pd.DataFrame, records: pd.DataFrame) -> None:
    assert list(measurements.columns[:5]) == ["subject_id", "study_id", "cart_id", "ecg_time", "report_0"]
    assert len(measurements.columns) == 33
    assert set(measurements.bandwidth) == {"0.005-150 Hz", "0.0005-150 Hz", "0.05-150 Hz"}
    notch = {f"{hertz} Hz notch Baseline filter" for hertz in (50, 60)}
    assert set(measurements.filtering) == notch | {"<not specified>", "Baseline filter"}
    assert [s for s in records.index if records.ecg_time[s] != measurements.ecg_time[s]] == [94000008]
    same_minute = records[records.duplicated(["subject_id", "ecg_time"], keep=False)]
    assert list(same_minute.index) == [94000004, 94000005]
