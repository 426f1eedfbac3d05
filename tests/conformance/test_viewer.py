"""A viewer opens the objects in a browser and draws them: ecg-dicom-web-viewer (npm), in Chromium without a screen.

The lines are measured where the viewer puts them, not by their pixels: how dark a thin line comes out, and over how
many pixels a steep one spreads, differs between versions of a browser. The picture must have ink all along them.
The viewer has rules of its own for every object, whoever wrote it: a low-pass
filter of 40 Hz; for a sample 1/25 pixel a second of the recording; for a millivolt a tenth of the row's distance from
the top; names by position. docs/conformance.md, section 6, says what follows from them.
"""

import base64
import csv
import io
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
import pytest
import wfdb
from PIL import Image
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
const words = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  words.push([text, x, y]);
  write.call(this, text, x, y);
};
const strokes = [];
let matrix = null; // as it is when a line begins: asking at each of half a million points takes half a minute
const placed = (x, y) => [matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f];
const inText = (numbers) => {
  const all = new Uint8Array(Float32Array.from(numbers).buffer);
  let text = "";
  for (let n = 0; n < all.length; n += 9000) text += btoa(String.fromCharCode(...all.subarray(n, n + 9000)));
  return text;
};
const { moveTo, lineTo } = CanvasRenderingContext2D.prototype;
let at = null;
CanvasRenderingContext2D.prototype.moveTo = function (x, y) {
  matrix = this.getTransform();
  at = placed(x, y);
  moveTo.call(this, x, y);
};
CanvasRenderingContext2D.prototype.lineTo = function (x, y) {
  const end = placed(x, y);
  strokes.push(...at, ...end);
  at = end;
  lineTo.call(this, x, y);
};
new $.DicomECGViewer(bytes, "ecg", "0").loadCanvas();
Object.assign(CanvasRenderingContext2D.prototype, { fillText: write, moveTo, lineTo });
const read = new $.ReadECG(bytes, "", { applyLowPassFilter: false }).getWaveform();
return JSON.stringify({
  labels: read.channelDefinitionSequence.map((channel) => channel.ChannelLabel),
  leads: read.leads.map((lead) => [lead.source, lead.signal]),
  frequency: read.samplingFrequency,
  duration: read.duration,
  text: document.getElementById("infoECG").textContent,
  words: words,
  strokes: inText(strokes),
  picture: document.querySelector("canvas").toDataURL().split(",")[1],
});"""


class Shown(NamedTuple):
    """What the viewer made of an object."""

    labels: list[str]  # of the channels, in their order
    leads: list[tuple[str, list[float]]]  # in the viewer's order
    frequency: float
    duration: float
    text: str  # above the picture
    words: list[tuple[str, float, float]]  # in the picture, with their places
    picture: str
    strokes: np.ndarray  # float32, (strokes, 4): begin and end of each, in pixels of the picture


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Chrome, None, None]:
    if not VIEWER.exists():
        pytest.skip(f"no ecg-dicom-web-viewer: install node, then (cd {VIEWER.parents[3]} && npm ci --ignore-scripts)")
    running = chromium.start(tmp_path_factory.mktemp("profile"))
    yield running
    running.quit()


@pytest.fixture(scope="module")
def show(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Shown]:
    """A function that opens an object; an alert, an exception, a complaint or a request to anyone is a failure."""
    page = tmp_path_factory.mktemp("viewer") / "index.html"
    page.write_text(PAGE.format(script=VIEWER.as_uri()), encoding="utf-8")
    chromium.resize(browser, 2400, 2800)

    def open_(dicom: Path) -> Shown:
        browser.get("about:blank")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(page.as_uri())
        # As text: the driver takes half a minute over two million numbers of its own.
        text = browser.execute_script(OPEN, base64.b64encode(dicom.read_bytes()).decode("ascii"))
        found = json.loads(text)
        strokes = np.frombuffer(base64.b64decode(found.pop("strokes")), "<f4").reshape(-1, 4)
        shown = Shown(**found, strokes=strokes)
        assert [entry for entry in browser.get_log("browser") if entry["level"] != "DEBUG"] == []
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert asked and all(url.startswith(("file:", "data:")) for url in asked)
        return shown

    return open_


def trace_beside(shown: Shown, name: str) -> tuple[np.ndarray, float]:
    """Top and bottom of the line beside a lead's name, pixel column by pixel column, and the height of its zero.

    Both count from the picture's top. Columns that the name itself may cover are left out; see `SKIPPED`.
    """
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.picture))))
    ink = (picture[..., 3] > 16) & (picture[..., 0] < 128)  # lines are black, the grid is light red
    ((left, zero),) = [(int(x) + 20, y + 20) for word, x, y in shown.words if word == name]
    right = left + picture.shape[1] // 2 - 52
    line = line_from(shown.strokes.astype(float), left, zero)
    found = []
    for column in range(left + SKIPPED, right):
        within = (line[:, 2] >= column) & (line[:, 0] <= column + 1)
        assert within.any(), f"the line of {name} ends at {column}"
        begin, top, end, bottom = line[within].T
        steep = np.where(end > begin, (bottom - top) / np.where(end > begin, end - begin, 1), 0)
        heights = np.concatenate(
            [top + steep * (np.maximum(begin, column) - begin), top + steep * (np.minimum(end, column + 1) - begin)]
        )
        heights = np.where(np.tile(end > begin, 2), heights, np.concatenate([top, bottom]))
        found.append((heights.min(), heights.max()))
        assert ink[max(0, int(heights.min()) - 2) : int(heights.max()) + 3, column].any(), f"{name} at {column}"
    return np.array(found), zero


def line_from(strokes: np.ndarray, left: float, zero: float) -> np.ndarray:
    """The strokes that begin at the left end of a row and join end to end."""
    begins = np.flatnonzero(np.abs(strokes[:, 0] - left) < 2)
    first = begins[np.abs(strokes[begins, 1] - zero).argmin()]
    joined = np.abs(strokes[first + 1 :, :2] - strokes[first:-1, 2:]).max(axis=1) < 1e-3
    apart = np.flatnonzero(~joined)
    return strokes[first : first + 1 + (apart[0] if apart.size else len(joined))]


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
    show: Callable[[Path], Shown],
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
        assert [name for name, _ in shown.leads] == STANDARD
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
            found = np.array(dict(shown.leads)[name])
            assert found.shape == signal.shape
            assert np.abs(found - expected)[~np.isnan(signal)].max() <= 1e-9


def test_it_shows_the_measurements_of_the_source(show: Callable[[Path], Shown], annotated: Path, demo: Path) -> None:
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
    lines = {name: trace_beside(shown, name) for name in STANDARD}
    (columns,) = {len(line) for line, _ in lines.values()}
    millivolts = {
        name: as_drawn(signal, record.fs, columns)
        for name, signal in zip(record.sig_name, record.p_signal.T, strict=True)
    }
    for name, (line, zero) in lines.items():
        pixels = zero / 10  # the viewer's for a millivolt: a tenth of the row's distance from the top
        off = {lead: pixels_off(line, zero - values * pixels) for lead, values in millivolts.items()}
        assert min(off, key=lambda lead: off[lead]) == place_of.get(name, name)
        assert min(off.values()) <= 3, name


def whole(records: dict[str, Path]) -> list[tuple[str, Any]]:
    """Study id and record of those without invalid samples, which the viewer draws as spikes through the page."""
    found = [(study_id, wfdb.rdrecord(str(path))) for study_id, path in records.items()]
    return [(study_id, record) for study_id, record in found if not np.isnan(record.p_signal).any()]


def test_it_draws_each_lead_of_the_source_beside_its_name(
    show: Callable[[Path], Shown], records: dict[str, Path], tmp_path: Path
) -> None:
    for study_id, record in whole(records)[:3]:
        convert_record(records[study_id], tmp_path / study_id, from_row({}), Options(lead_order="standard"))
        assert_drawn(show(tmp_path / study_id), record, {})


def test_in_the_order_of_mimic_it_draws_avl_and_avf_beside_each_others_name(
    show: Callable[[Path], Shown], records: dict[str, Path], dicoms: dict[str, Path]
) -> None:
    # It sorts the signals, then takes the names in the order of the file: its mistake, as it reads both rightly.
    study_id, record = whole(records)[0]
    assert record.sig_name[4:6] == ["aVF", "aVL"]
    assert_drawn(show(dicoms[study_id]), record, {"aVL": "aVF", "aVF": "aVL"})
