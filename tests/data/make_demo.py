#!/usr/bin/env python3
"""Write the bundled demo: 12 synthetic 12-lead ECGs of 4 patients that exist nowhere, in MIMIC-IV-ECG's layout.

    make_demo.py [OUT]    (default: demo beside this script)

The heart is a dipole: P, QRS and T are sums of Gaussians along Frank's X, Y and Z, beat after beat with a variable
rhythm; Dower's matrix (G. E. Dower, J Electrocardiol 1980) gives the leads, and drift, noise and mains hum of each
electrode are added before the leads are formed, so that Einthoven's law holds as it does in a recorder.
The same script gives the same bytes: numpy's RandomState stream is frozen. Needs numpy only.
"""

import csv
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FS, SAMPLES, GAIN = 500, 5000, 200
LEADS = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
REPORTS = [f"report_{i}" for i in range(18)]
MEASURES = ["rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end", "p_axis", "qrs_axis", "t_axis"]
NONE = 29999  # MIMIC-IV-ECG's word for "no such measurement"
TRUNCATED_BYTES = 15 * 4096  # what a download that broke off leaves
INVALID = -32768

# Leads I, II and V1 to V6 from Frank's X (to the left), Y (to the feet), Z (to the back).
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# A wave: seconds from the R peak, width (standard deviation, s), and its dipole in mV along X, Y, Z.
Wave = tuple[float, float, tuple[float, float, float]]
P: list[Wave] = [(-0.168, 0.017, (0.05, 0.09, -0.05)), (-0.142, 0.018, (0.06, 0.07, 0.04))]
QRS: list[Wave] = [
    (-0.027, 0.0070, (-0.14, -0.06, -0.28)),  # the septum, to the right and the front
    (-0.002, 0.0105, (1.25, 0.95, 0.10)),  # the free walls
    (0.016, 0.0095, (0.30, 0.15, 0.85)),  # the left ventricle's back
    (0.033, 0.0085, (-0.22, -0.18, 0.30)),  # the base
]
T: list[Wave] = [(-0.045, 0.048, (0.18, 0.12, -0.10)), (0.010, 0.032, (0.24, 0.17, -0.15))]  # around the T peak
# Left bundle branch block: slow and notched, to the left and the back; T against it.
WIDE_QRS: list[Wave] = [
    (-0.045, 0.0150, (0.35, 0.18, 0.12)),
    (-0.012, 0.0190, (0.95, 0.42, 0.80)),
    (0.032, 0.0200, (1.00, 0.30, 0.95)),
    (0.066, 0.0140, (0.20, -0.05, 0.30)),
]
WIDE_P: list[Wave] = [(at - 0.035, width, dipole) for at, width, dipole in P]
WIDE_T: list[Wave] = [(-0.040, 0.050, (-0.20, -0.06, -0.28)), (0.012, 0.034, (-0.22, -0.08, -0.30))]


@dataclass(frozen=True)
class Study:
    """One ECG of the demo."""

    study_id: int
    subject_id: int
    time: str  # as in the CSV files, to the minute
    rate: int  # beats a minute
    rhythm: str  # sinus, af (atrial fibrillation), lbbb (left bundle branch block)
    bandwidth: str
    filtering: str
    cart_id: int
    reports: tuple[str, ...]
    fault: str = ""  # invalid (lost samples in V3), truncated
    measured_time: str = ""  # ecg_time of machine_measurements where it is not the header's


# MIMIC's subjects begin with 1 and its studies with 4; these begin with 9 and are nobody.
NOTCH = "60 Hz notch Baseline filter"
STUDIES = [
    Study(94000001, 90000001, "2151-03-04 08:44:00", 72, "sinus", "0.005-150 Hz", NOTCH, 9000017,
          ("Sinus rhythm", "Normal ECG")),
    Study(94000002, 90000001, "2151-03-04 16:20:00", 88, "sinus", "0.005-150 Hz", NOTCH, 9000017,
          ("Sinus rhythm", "Normal ECG")),
    Study(94000003, 90000001, "2153-11-30 23:59:00", 120, "sinus", "0.05-150 Hz", "Baseline filter", 9000052,
          ("Sinus tachycardia", "Borderline ECG")),
    Study(94000004, 90000002, "2120-02-29 06:05:00", 50, "sinus", "0.005-150 Hz", NOTCH, 9000033,
          ("Sinus bradycardia", "Borderline ECG")),
    Study(94000005, 90000002, "2120-02-29 06:05:00", 52, "sinus", "0.005-150 Hz", "<not specified>", 9000008,
          ("Sinus bradycardia", "Borderline ECG")),
    Study(94000006, 90000002, "2121-07-01 12:31:00", 64, "sinus", "0.0005-150 Hz", "<not specified>", 9000033,
          ("Sinus rhythm", "Lead(s) unsuitable for analysis: V3"), fault="invalid"),
    Study(94000007, 90000003, "2187-12-31 00:00:00", 110, "af", "0.005-150 Hz", NOTCH, 9000101,
          ("Atrial fibrillation with rapid ventricular response", "Abnormal ECG")),
    Study(94000008, 90000003, "2188-01-02 09:15:00", 76, "sinus", "0.005-150 Hz", NOTCH, 9000101,
          ("Sinus rhythm", "Normal ECG"), measured_time="2188-01-02 09:17:00"),
    Study(94000009, 90000003, "2188-01-02 21:40:00", 80, "sinus", "0.005-150 Hz", "50 Hz notch Baseline filter",
          9000101, ("Sinus rhythm", "Normal ECG"), fault="truncated"),
    Study(94000010, 90000004, "2102-05-17 10:10:00", 66, "lbbb", "0.05-150 Hz", NOTCH, 9000144,
          ("Sinus rhythm", "Left bundle branch block", "Abnormal ECG")),
    Study(94000011, 90000004, "2102-06-17 10:12:00", 70, "lbbb", "0.005-150 Hz", "Baseline filter", 9000144,
          ("Sinus rhythm", "Left bundle branch block", "Abnormal ECG")),
    Study(94000012, 90000004, "2103-09-09 18:03:00", 98, "lbbb", "0.0005-150 Hz", "<not specified>", 9000029,
          ("Sinus rhythm", "Left bundle branch block", "Abnormal ECG")),
]  # fmt: skip


def waves_of(study: Study, rr: float) -> dict[str, list[Wave]]:
    """P, QRS and T of a beat that follows and precedes others by `rr` seconds: T comes sooner at a high rate."""
    wide = study.rhythm == "lbbb"
    squeeze = min(1.15, rr**0.5)
    peak = (0.345 if wide else 0.300) * squeeze
    return {
        "P": [] if study.rhythm == "af" else WIDE_P if wide else P,
        "QRS": WIDE_QRS if wide else QRS,
        "T": [(peak + at * squeeze, width * squeeze, dipole) for at, width, dipole in (WIDE_T if wide else T)],
    }


def beat_times(study: Study, rng: np.random.RandomState) -> Floats:
    """R peaks in seconds, from before the recording to after it; shape (beats,).

    Sinus rhythm breathes (±3 %); atrial fibrillation is irregular without a pattern.
    """
    mean, times = 60 / study.rate, [-0.6 * 60 / study.rate]
    while times[-1] < SAMPLES / FS + 1:
        if study.rhythm == "af":
            step = mean * max(0.62, 1 + 0.24 * rng.standard_normal())
        else:
            step = mean * (1 + 0.03 * np.sin(2 * np.pi * 0.23 * times[-1]) + 0.008 * rng.standard_normal())
        times.append(times[-1] + step)
    return np.array(times)


def heart_of(study: Study, rng: np.random.RandomState) -> Floats:
    """The dipole in mV; shape (SAMPLES, 3)."""
    t = np.arange(SAMPLES) / FS
    person = np.random.RandomState(study.subject_id % 2**32)
    build = person.uniform(0.85, 1.15, 3)  # each patient's own chest, the same in all of the patient's studies
    dipole = np.zeros((SAMPLES, 3))
    beats = beat_times(study, rng)
    for beat, rr in zip(beats, np.diff(beats, prepend=beats[0] - 60 / study.rate), strict=True):
        strength = 1 + 0.03 * np.sin(2 * np.pi * 0.23 * beat) + 0.01 * rng.standard_normal()
        for waves in waves_of(study, rr).values():
            for at, width, vector in waves:
                bump = np.exp(-(((t - beat - at) / width) ** 2) / 2)
                dipole += strength * bump[:, None] * (build * vector)
    if study.rhythm == "af":  # fibrillatory waves, coarse and wandering in rate
        phase = 2 * np.pi * np.cumsum(6.3 + 0.8 * np.sin(2 * np.pi * 0.31 * t)) / FS
        dipole += (0.045 * np.sin(phase) + 0.02 * np.sin(1.7 * phase + 1))[:, None] * np.array([0.2, 0.7, -0.8])
    return dipole


def disturbance(study: Study, rng: np.random.RandomState, electrodes: int) -> Floats:
    """Drift, noise and, without a notch filter, 60 Hz hum of each electrode in mV; shape (SAMPLES, electrodes)."""
    t = np.arange(SAMPLES)[:, None] / FS
    phases = rng.uniform(0, 2 * np.pi, (3, electrodes))
    wander = 0.5 if "Baseline" in study.filtering else 1.5
    drift = wander * (
        0.020 * np.sin(2 * np.pi * 0.23 * t + phases[0]) + 0.025 * np.sin(2 * np.pi * 0.07 * t + phases[1])
    )
    noise = rng.standard_normal((SAMPLES + 2, electrodes))
    noise = 0.006 * (0.25 * noise[:-2] + 0.5 * noise[1:-1] + 0.25 * noise[2:])
    hum = 0.0 if "notch" in study.filtering else 0.006 * np.sin(2 * np.pi * 60 * t + phases[2])
    return np.asarray(drift + noise + hum)


def samples_of(study: Study) -> NDArray[np.int16]:
    """ADC counts, 200 a millivolt, leads in MIMIC's order; shape (SAMPLES, 12), little-endian."""
    rng = np.random.RandomState(study.study_id % 2**32)
    leads = heart_of(study, rng) @ DOWER.T
    ra, la, ll, *chest = disturbance(study, rng, 9).T
    one, two = leads[:, 0] + la - ra, leads[:, 1] + ll - ra
    columns = [one, two, two - one, -(one + two) / 2, two - one / 2, one - two / 2]
    columns += [lead + electrode - (ra + la + ll) / 3 for lead, electrode in zip(leads[:, 2:].T, chest, strict=True)]
    counts: NDArray[np.int16] = np.rint(np.column_stack(columns) * GAIN).astype("<i2")
    if study.fault == "invalid":
        counts[2900:3100, LEADS.index("V3")] = INVALID
        counts[4990:, LEADS.index("V3")] = INVALID
    return counts


def axis_of(waves: list[Wave], build: Floats) -> int:
    """The frontal axis in whole degrees of the area under some waves, from leads I and aVF."""
    dipole = sum((width * np.array(vector) for _, width, vector in waves), np.zeros(3)) * build
    one, two = DOWER[:2] @ dipole
    return round(float(np.degrees(np.arctan2((two - one / 2) * 2 / 3**0.5, one))))


def measurements_of(study: Study) -> list[int]:
    """The machine's measurements in MEASURES' order, in ms and degrees: those of the study's average beat."""
    rng = np.random.RandomState(study.study_id % 2**32)
    beats = beat_times(study, rng)
    rr = float(np.diff(beats[(beats >= 0) & (beats < SAMPLES / FS)]).mean())
    waves = waves_of(study, rr)
    first = (waves["P"] or P)[0]
    start = first[0] - 2.3 * first[1] - 0.040  # the average beat is cut out from 40 ms before P

    def edge(wave: Wave, side: float) -> int:
        return round((wave[0] + side * wave[1] - start) * 1000)

    build = np.random.RandomState(study.subject_id % 2**32).uniform(0.85, 1.15, 3)
    has_p = bool(waves["P"])
    return [
        round(rr * 1000),
        edge(waves["P"][0], -2.3) if has_p else NONE,
        edge(waves["P"][1], 2.3) if has_p else NONE,
        edge(waves["QRS"][0], -2.3),
        edge(waves["QRS"][-1], 2.3),
        edge(waves["T"][1], 2.3),
        axis_of(waves["P"], build) if has_p else NONE,
        axis_of(waves["QRS"], build),
        axis_of(waves["T"], build),
    ]


def header_of(study: Study, counts: NDArray[np.int16]) -> bytes:
    """The .hea file, as MIMIC-IV-ECG writes them: checksums unsigned, the patient in the only comment."""
    date, clock = study.time.split()
    sums = counts.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"{study.study_id} 12 {FS} {SAMPLES} {clock} {'/'.join(reversed(date.split('-')))}"]
    for lead, first, checksum in zip(LEADS, counts[0], sums, strict=True):
        lines.append(f"{study.study_id}.dat 16 {GAIN}.0(0)/mV 16 0 {first} {checksum} 0 {lead}")
    lines.append(f"# <subject_id>: {study.subject_id}")
    return ("\n".join(lines) + "\n").encode()


def write_csv(path: Path, columns: list[str], rows: list[list[object]]) -> None:
    """A CSV file with LF line ends, as MIMIC-IV-ECG has them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_demo(out: Path) -> None:
    """Write the records, record_list.csv, machine_measurements.csv and SHA256SUMS.txt below `out`."""
    records: list[list[object]] = []
    measurements: list[list[object]] = []
    sums: list[str] = []
    for study in STUDIES:
        path = f"files/p{str(study.subject_id)[:4]}/p{study.subject_id}/s{study.study_id}/{study.study_id}"
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        counts = samples_of(study)
        signal = counts.tobytes()
        for suffix, content in ((".hea", header_of(study, counts)), (".dat", signal)):
            sums.append(f"{hashlib.sha256(content).hexdigest()} {path}{suffix}\n")
            cut = suffix == ".dat" and study.fault == "truncated"
            (out / (path + suffix)).write_bytes(content[:TRUNCATED_BYTES] if cut else content)
        records.append([study.subject_id, study.study_id, study.study_id, study.time, path])
        reports = [*study.reports, *[""] * (len(REPORTS) - len(study.reports))]
        keys = [study.subject_id, study.study_id, study.cart_id, study.measured_time or study.time]
        measurements.append([*keys, *reports, study.bandwidth, study.filtering, *measurements_of(study)])
    write_csv(out / "record_list.csv", ["subject_id", "study_id", "file_name", "ecg_time", "path"], records)
    columns = ["subject_id", "study_id", "cart_id", "ecg_time", *REPORTS, "bandwidth", "filtering", *MEASURES]
    write_csv(out / "machine_measurements.csv", columns, measurements)
    (out / "SHA256SUMS.txt").write_text("".join(sums), encoding="ascii", newline="\n")


if __name__ == "__main__":
    write_demo(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "demo")
