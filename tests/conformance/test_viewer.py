"""A viewer opens the objects in a browser and draws them: ecg-dicom-web-viewer (npm), in Chromium without a screen.

The lines are measured where the viewer puts them, not by their pixels: how dark a thin line comes out, and over how
many pixels a steep one spreads, differs between versions of a browser. The picture must have ink all along them. All
of it is measured in the page, because the driver takes ten times as long to hand over the points of the lines.

The viewer has rules of its own for every object, whoever wrote it: a low-pass filter of 40 Hz; for a sample 1/25 pixel
a second of the recording; for a millivolt a tenth of the row's distance from the top; names by position.
docs/viewers.md says what follows from them.
"""

import base64
import csv
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pydicom
import pytest
import wfdb
from selenium.webdriver import Chrome

import chromium
from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import from_row
from wfdb2dicom.dicom.options import Options

pytestmark = pytest.mark.browser
VIEWER = Path(__file__).parent / "readers" / "node_modules" / "ecg-dicom-web-viewer" / "dist" / "index.umd.js"
STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
SKIPPED = 45  # pixels from a line's begin, where the lead's name is above it
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<body style="margin: 0"><div id="ecg"></div><script src="{script}"></script></body>"""
OPEN = """
const bytes = Uint8Array.from(atob(arguments[0]), (character) => character.charCodeAt(0)).buffer;
const names = arguments[1]; // of the leads whose lines are wanted
const { fillText, beginPath, moveTo, lineTo } = CanvasRenderingContext2D.prototype;
const words = [];
const strokes = []; // in pixels of the picture: begin and end of each
if (names.length) {
  let matrix = null, at = null;
  const placed = (x, y) => [matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f];
  Object.assign(CanvasRenderingContext2D.prototype, {
    fillText(text, x, y) { words.push([text, x, y]); fillText.call(this, text, x, y); },
    beginPath() { matrix = this.getTransform(); beginPath.call(this); },
    moveTo(x, y) { at = placed(x, y); moveTo.call(this, x, y); },
    lineTo(x, y) { const end = placed(x, y); strokes.push([at, end]); at = end; lineTo.call(this, x, y); },
  });
}
new $.DicomECGViewer(bytes, "ecg", "0").loadCanvas();
Object.assign(CanvasRenderingContext2D.prototype, { fillText, beginPath, moveTo, lineTo });
const canvas = document.querySelector("canvas");
const pixels = names.length && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
const isInk = (x, y) => { // lines are black, the grid is light red
  const red = 4 * (y * canvas.width + x);
  return pixels[red + 3] > 16 && pixels[red] < 128;
};

// The strokes that begin at the left end of a row and join end to end.
function lineFrom(left, zero) {
  const begins = strokes.keys().filter((n) => Math.abs(strokes[n][0][0] - left) < 2).toArray();
  const distance = (n) => Math.abs(strokes[n][0][1] - zero);
  const first = begins.reduce((best, n) => (distance(n) < distance(best) ? n : best));
  let end = first + 1;
  const joins = ([, [x, y]], [[u, v]]) => Math.abs(u - x) < 1e-3 && Math.abs(v - y) < 1e-3;
  while (end < strokes.length && joins(strokes[end - 1], strokes[end])) end++;
  return strokes.slice(first, end);
}

// Top and bottom of the line beside a lead's name in each column of pixels, and whether there is ink at it.
function trace(name, skipped) {
  const [[, x, y], ...others] = words.filter(([word]) => word === name);
  if (others.length) throw new Error(`${name} is written twice`);
  const left = Math.trunc(x) + 20, zero = y + 20;
  const first = left + skipped, right = left + Math.floor(canvas.width / 2) - 52;
  const tops = new Array(right - first).fill(Infinity), bottoms = new Array(right - first).fill(-Infinity);
  for (const [[begin, top], [end, bottom]] of lineFrom(left, zero)) {
    const steep = end > begin ? (bottom - top) / (end - begin) : 0;
    for (let column = Math.max(first, Math.ceil(begin - 1)); column <= end && column < right; column++) {
      const heights = end > begin
        ? [Math.max(begin, column), Math.min(end, column + 1)].map((at) => top + steep * (at - begin)) : [top, bottom];
      tops[column - first] = Math.min(tops[column - first], ...heights);
      bottoms[column - first] = Math.max(bottoms[column - first], ...heights);
    }
  }
  const inked = tops.map((top, n) => {
    let y = Math.max(0, Math.trunc(top) - 2);
    while (y < Math.trunc(bottoms[n]) + 3 && !isInk(first + n, y)) y++;
    return y < Math.trunc(bottoms[n]) + 3;
  });
  return { zero, tops, bottoms, inked };
}

const read = new $.ReadECG(bytes, "", { applyLowPassFilter: false }).getWaveform();
const inText = (numbers) => { // the driver takes half a minute over a million numbers of its own
  const raw = new Uint8Array(Float64Array.from(numbers).buffer);
  let text = "";
  for (let n = 0; n < raw.length; n += 9000) text += String.fromCharCode(...raw.subarray(n, n + 9000));
  return btoa(text);
};
return {
  labels: read.channelDefinitionSequence.map((channel) => channel.ChannelLabel),
  leads: read.leads.map((lead) => [lead.source, inText(lead.signal)]),
  frequency: read.samplingFrequency,
  duration: read.duration,
  text: document.getElementById("infoECG").textContent,
  traces: Object.fromEntries(names.map((name) => [name, trace(name, arguments[2])])),
};"""


class Trace(NamedTuple):
    """A line beside a lead's name, column by column of pixels; heights count from the picture's top."""

    zero: float
    tops: list[float]
    bottoms: list[float]
    inked: list[bool]


class Shown(NamedTuple):
    """What the viewer made of an object."""

    labels: list[str]  # of the channels, in their order
    leads: dict[str, np.ndarray]  # in the viewer's order
    frequency: float
    duration: float
    text: str  # above the picture
    traces: dict[str, Trace]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Chrome, None, None]:
    if not VIEWER.exists():
        pytest.skip(f"no ecg-dicom-web-viewer: install node, then (cd {VIEWER.parents[3]} && npm ci --ignore-scripts)")
    running = chromium.start(tmp_path_factory.mktemp("profile"))
    yield running
    running.quit()


@pytest.fixture(scope="module")
def show(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shown]:
    """A function that opens an object and measures the lines of the leads that are named.

    An alert, an exception, a complaint or a request to anyone is a failure.
    """
    page = tmp_path_factory.mktemp("viewer") / "index.html"
    page.write_text(PAGE.format(script=VIEWER.as_uri()), encoding="utf-8")

    def open_(dicom: Path, lines: Sequence[str] = ()) -> Shown:
        chromium.resize(browser, *((2400, 2800) if lines else (600, 700)))
        browser.get("about:blank")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(page.as_uri())
        content = base64.b64encode(dicom.read_bytes()).decode("ascii")
        found = browser.execute_script(OPEN, content, list(lines), SKIPPED)
        found["leads"] = {name: np.frombuffer(base64.b64decode(signal), "<f8") for name, signal in found["leads"]}
        found["traces"] = {name: Trace(**trace) for name, trace in found["traces"].items()}
        assert [entry for entry in browser.get_log("browser") if entry["level"] != "DEBUG"] == []
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert asked and all(url.startswith(("file:", "data:")) for url in asked)
        return Shown(**found)

    return open_


def as_drawn(signal: np.ndarray, frequency: float, columns: int) -> np.ndarray:
    """Millivolts after the viewer's filter, by its pixels a second: for each column 25 values, from one pixel before
    it to one behind it."""
    weight = 1 / frequency / (1 / (2 * np.pi * 40) + 1 / frequency)
    smooth = np.array(signal)
    for n in range(1, smooth.size):
        smooth[n] = smooth[n - 1] + weight * (signal[n] - smooth[n - 1])
    pixels = np.arange(8 * (columns + 2) + 1) / 8 + SKIPPED - 1
    values = np.interp(pixels * 25 / (signal.size / frequency), np.arange(signal.size), smooth)
    return np.lib.stride_tricks.sliding_window_view(values, 25)[::8]


def pixels_off(line: np.ndarray, expected: np.ndarray) -> float:
    """How far a line is from where it should be: beyond it, or short of the value in the middle of a column."""
    (top, bottom), middle = line.T, expected[:, 12]
    beyond = np.maximum(expected.min(axis=1) - top, bottom - expected.max(axis=1))
    return float(np.max([beyond, top - middle, middle - bottom]))


def test_it_reads_names_amplitudes_and_timing_of_the_source(
    show: Callable[..., Shown],
    records: dict[str, Path],
    dicoms: dict[str, Path],
    offset_record: Path,
    offset_dicom: Path,
) -> None:
    pairs = [(dicoms[study_id], record) for study_id, record in records.items()]
    for dicom, path in [*pairs, (offset_dicom, offset_record)]:
        record: Any = wfdb.rdrecord(str(path))
        shown = show(dicom)
        assert shown.labels == record.sig_name
        assert list(shown.leads) == STANDARD
        assert shown.frequency == record.fs
        assert shown.duration == record.sig_len / record.fs
        assert f"SAMPLING FREQUENCY: {record.fs} Hz" in shown.text
        (subject,) = [comment.split()[-1] for comment in record.comments if "subject_id" in comment]
        assert f"PATIENT ID: {subject}" in shown.text
        for name, gain, baseline, signal in zip(
            record.sig_name, record.adc_gain, record.baseline, record.p_signal.T, strict=True
        ):
            # The viewer adds Channel Baseline (mV) to the counts, before it multiplies; PS3.3 C.10.9.1.4.2: after.
            expected = signal + baseline / gain - baseline / gain / gain
            found = shown.leads[name]
            assert found.shape == signal.shape
            assert np.abs(found - expected)[~np.isnan(signal)].max() <= 1e-9


def test_it_shows_the_measurements_of_the_source(show: Callable[..., Shown], annotated: Path, demo: Path) -> None:
    with open(demo / "machine_measurements.csv", newline="", encoding="utf-8") as stream:
        row = next(row for row in csv.DictReader(stream) if row["study_id"] == pydicom.dcmread(annotated).StudyID)
    p_onset, qrs_onset, qrs_end, t_end = (int(row[name]) for name in ("p_onset", "qrs_onset", "qrs_end", "t_end"))
    text = show(annotated).text
    assert f"RR INTERVAL: {row['rr_interval']} ms" in text
    assert f"PR INTERVAL: {qrs_onset - p_onset} ms" in text
    assert f"QRS DURATION: {qrs_end - qrs_onset} ms" in text
    assert f"QT INTERVAL: {t_end - qrs_onset} ms" in text
    for wave in ("P", "QRS", "T"):
        assert f"{wave} AXIS: {row[f'{wave.lower()}_axis']} °" in text
    assert row["report_0"] in text


def assert_drawn(shown: Shown, record: Any, place_of: dict[str, str]) -> None:
    """The line beside each name is that lead of the source, or the one that `place_of` says, and no other."""
    (columns,) = {len(trace.tops) for trace in shown.traces.values()}
    millivolts = {
        name: as_drawn(signal, record.fs, columns)
        for name, signal in zip(record.sig_name, record.p_signal.T, strict=True)
    }
    for name, (zero, tops, bottoms, inked) in shown.traces.items():
        line = np.array([tops, bottoms], float).T  # null, where there is no stroke, is NaN
        assert np.isfinite(line).all() and all(inked), f"the line of {name} has holes"
        pixels = zero / 10  # the viewer's for a millivolt: a tenth of the row's distance from the top
        off = {lead: pixels_off(line, zero - values * pixels) for lead, values in millivolts.items()}
        assert min(off, key=lambda lead: off[lead]) == place_of.get(name, name)
        assert min(off.values()) <= 3, name


def whole(records: dict[str, Path]) -> list[tuple[str, Any]]:
    """Study id and record of those without invalid samples, which the viewer draws as spikes through the page."""
    found = [(study_id, wfdb.rdrecord(str(path))) for study_id, path in records.items()]
    return [(study_id, record) for study_id, record in found if not np.isnan(record.p_signal).any()]


def test_it_draws_each_lead_of_the_source_beside_its_name(
    show: Callable[..., Shown], records: dict[str, Path], tmp_path: Path
) -> None:
    for study_id, record in whole(records)[:3]:
        convert_record(records[study_id], tmp_path / study_id, from_row({}), Options(lead_order="standard"))
        assert_drawn(show(tmp_path / study_id, STANDARD), record, {})


def test_in_the_order_of_mimic_it_draws_avl_and_avf_beside_each_others_name(
    show: Callable[..., Shown], records: dict[str, Path], dicoms: dict[str, Path]
) -> None:
    # It sorts the signals, then takes the names in the order of the file: its mistake, as it reads both rightly.
    study_id, record = whole(records)[0]
    assert record.sig_name[4:6] == ["aVF", "aVL"]
    assert_drawn(show(dicoms[study_id], STANDARD), record, {"aVL": "aVF", "aVF": "aVL"})


def test_with_both_options_baselines_and_invalid_samples_are_drawn_where_they_belong(
    show: Callable[..., Shown], offset_record: Path, tmp_path: Path
) -> None:
    """By default, `baseline: source` and `invalid_samples: keep`, they are drawn elsewhere; see docs/viewers.md."""
    source = wfdb.rdrecord(str(offset_record), physical=False)
    source.d_signal[1000:1100, 1] = -32768
    source.record_name, source.file_name, source.checksum = "gap", ["gap.dat"] * 12, source.calc_checksum()
    source.wrsamp(write_dir=str(tmp_path))
    options = Options(lead_order="standard", baseline="zero", invalid_samples="hold")
    convert_record(tmp_path / "gap", tmp_path / "gap.dcm", from_row({}), options)
    record = wfdb.rdrecord(str(tmp_path / "gap"))
    assert np.isnan(record.p_signal).sum() == 100
    record.p_signal = pd.DataFrame(record.p_signal).ffill().to_numpy()
    assert_drawn(show(tmp_path / "gap.dcm", STANDARD), record, {})
