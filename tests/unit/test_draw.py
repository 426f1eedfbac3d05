"""An ECG page, measured in the drawing itself: millimetres of paper, read back from SVG, PDF and PNG."""

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pydicom import dcmread

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom.leads import STANDARD_ORDER
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.page.draw import draw, page_figure
from wfdb2dicom.page.ecg import EcgError, read

from .conftest import MIMIC_ORDER, RecordMaker

MM = 25.4 / 72  # of a point, the unit of SVG and PDF here
LEFT, GRID_LEFT = 28.0, 13.0  # where traces and the grid begin
SQUARE_FROM, SQUARE_TO = 0.5, 0.7  # seconds in every period of 2.5 s

Dicom = Callable[..., Path]
Points = np.ndarray


def squares(leads: int, frequency: int = 500, seconds: float = 10.0, gain: int = 200) -> np.ndarray:
    """Zero with a square wave: 0.1 mV high in the first lead, 0.2 mV in the second ... from 0.5 to 0.7 s of 2.5 s."""
    time = np.arange(round(frequency * seconds)) / frequency % 2.5
    on = (time >= SQUARE_FROM - 1e-9) & (time < SQUARE_TO - 1e-9)
    return (on[:, None] * (np.arange(leads) + 1) * gain // 10).astype("<i2")


def height_of(lead: str, order: tuple[str, ...] = MIMIC_ORDER) -> float:
    """The height of a lead's square, mm at 10 mm/mV."""
    return order.index(lead) + 1.0


@pytest.fixture
def dicom(make_record: RecordMaker, acquisition: Acquisition, tmp_path: Path) -> Dicom:
    """A function that makes the DICOM of a record; by default the known signal in MIMIC-IV-ECG's order of leads."""

    def make(samples: np.ndarray | None = None, **record: object) -> Path:
        samples = squares(12) if samples is None else samples
        path = tmp_path / "ecg.dcm"
        convert_record(make_record(samples=samples, **record), path, acquisition)
        return path

    return make


class Svg:
    """The content of a page: polylines by their id, in mm from the lower left corner of the paper, and texts."""

    def __init__(self, dicom: Path) -> None:
        stream = BytesIO()
        draw(dicom, stream, "svg")
        root = ElementTree.fromstring(stream.getvalue())
        self.width, self.height = (float(root.get(name, "").removesuffix("pt")) * MM for name in ("width", "height"))
        self.lines: dict[str, list[Points]] = {}
        self.styles: dict[str, list[str]] = {}
        for group in root.iter("{http://www.w3.org/2000/svg}g"):
            for path in group.findall("{http://www.w3.org/2000/svg}path"):
                self.lines.setdefault(group.get("id", ""), []).append(path.get("d", ""))  # type: ignore[arg-type]
                self.styles.setdefault(group.get("id", ""), []).append(path.get("style", ""))
        self.texts = [" ".join((text.text or "").split()) for text in root.iter("{http://www.w3.org/2000/svg}text")]

    def pieces(self, name: str) -> list[Points]:
        """The unbroken pieces of a line, each an array of x, y."""
        pieces: list[list[tuple[float, float]]] = []
        for command, x, y in re.findall(r"([ML]) (\S+) (\S+)", " ".join(self.lines[name])):  # type: ignore[arg-type]
            if command == "M":
                pieces.append([])
            pieces[-1].append((float(x) * MM, self.height - float(y) * MM))
        return [np.array(piece) for piece in pieces]

    def trace(self, lead: str) -> Points:
        (piece,) = self.pieces(f"trace-{lead}")
        return piece

    def place(self, lead: str) -> tuple[float, float]:
        """Left end and base line of a trace without gaps."""
        points = self.trace(lead)
        return round(points[0, 0], 2), round(float(np.median(points[:, 1])), 2)

    def colors(self) -> dict[str, str]:
        """The colour of each line, by its id."""
        found = {name: re.search(r"stroke: (#\w+)", " ".join(styles)) for name, styles in self.styles.items()}
        return {name: color[1] for name, color in found.items() if color}

    def says(self, words: str) -> bool:
        return any(words in text for text in self.texts)


def edges(points: Points) -> tuple[float, float]:
    """Where the first square begins and ends: the x of its first and last high point, mm from the trace's begin."""
    high = points[points[:, 1] > points[:, 1].min() + np.ptp(points[:, 1]) / 2]
    first = high[high[:, 0] < points[0, 0] + 2.5 * 25]
    return float(first[0, 0] - points[0, 0]), float(first[-1, 0] - points[0, 0])


@pytest.mark.parametrize("lead", MIMIC_ORDER)
def test_amplitudes_are_10_mm_and_times_25_mm_a_unit(dicom: Dicom, lead: str) -> None:
    points = Svg(dicom()).trace(lead)
    assert np.ptp(points[:, 1]) == pytest.approx(height_of(lead), abs=0.001)
    begin, end = edges(points)
    assert begin == pytest.approx(SQUARE_FROM * 25, abs=0.001)
    assert end == pytest.approx(SQUARE_TO * 25 - 25 / 500, abs=0.001)  # the last sample before it falls


def test_the_rhythm_strip_is_lead_ii_for_ten_seconds(dicom: Dicom) -> None:
    (points,) = Svg(dicom()).pieces("trace-II-rhythm")
    assert np.ptp(points[:, 1]) == pytest.approx(height_of("II"), abs=0.001)
    assert points[-1, 0] - points[0, 0] == pytest.approx(250 - 25 / 500, abs=0.001)
    rises = points[1:, 0][np.diff(points[:, 1]) > 0.5] - LEFT
    assert rises == pytest.approx([12.5, 75.0, 137.5, 200.0], abs=0.001)


def test_the_columns_lie_on_one_time_line(dicom: Dicom) -> None:
    """All leads alike, with a square of another height in each quarter of the record."""
    quarter = np.arange(5000) // 1250 + 1
    signal = squares(1)[:, 0] * quarter
    page = Svg(dicom(np.repeat(signal[:, None], 12, axis=1)))
    for number, lead in enumerate(("I", "aVR", "V1", "V4")):
        x, y = page.trace(lead).T
        assert x[0] == pytest.approx(LEFT + 62.5 * number, abs=0.001)
        assert np.ptp(y) == pytest.approx(number + 1, abs=0.001)


def test_leads_stand_by_name_not_by_channel(dicom: Dicom) -> None:
    """MIMIC-IV-ECG has aVF before aVL; here the channels are even turned round."""
    for order in (MIMIC_ORDER, MIMIC_ORDER[::-1]):
        page = Svg(dicom(leads=order))
        rows = [page.place(lead)[1] for lead in ("I", "II", "III")]
        assert sorted(rows, reverse=True) == rows
        for column, leads in enumerate(
            (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
        ):
            assert [page.place(lead) for lead in leads] == [(LEFT + 62.5 * column, row) for row in rows]
            for lead in leads:
                assert np.ptp(page.trace(lead)[:, 1]) == pytest.approx(height_of(lead, order), abs=0.001)


def test_calibration_pulses_stand_before_every_row(dicom: Dicom) -> None:
    page = Svg(dicom())
    pulses = page.pieces("calibration")
    assert len(pulses) == 4
    rows = [page.place(lead)[1] for lead in ("I", "II", "III")]
    assert [round(pulse[0, 1], 2) for pulse in pulses[:3]] == rows
    for pulse in pulses:
        top = pulse[pulse[:, 1] == pulse[:, 1].max()]
        assert np.ptp(pulse[:, 1]) == pytest.approx(10, abs=0.001), "1 mV"
        assert np.ptp(top[:, 0]) == pytest.approx(5, abs=0.001), "200 ms"
        assert pulse[:, 0].max() < LEFT


def test_the_grid_has_a_line_every_millimetre_and_base_lines_lie_on_it(dicom: Dicom) -> None:
    page = Svg(dicom())
    for every in (1, 5):
        pieces = page.pieces(f"grid-{every}mm")
        upright = sorted({round(p[0, 0], 3) for p in pieces if p[0, 0] == p[1, 0]})
        level = sorted({round(p[0, 1], 3) for p in pieces if p[0, 1] == p[1, 1]})
        assert np.diff(upright) == pytest.approx(every, abs=0.002)
        assert np.diff(level) == pytest.approx(every, abs=0.002)
        for lead in ("I", "II", "III"):
            assert np.abs(np.array(level) - page.place(lead)[1]).min() < 0.01
        assert np.abs(np.array(upright) - LEFT).min() < 0.01


def test_invalid_samples_are_gaps(dicom: Dicom) -> None:
    samples = squares(12)
    samples[1000:1200, 0] = -32768  # I, from 2.0 to 2.4 s
    samples[7, 1] = -32768  # II, one sample
    samples[:, 6] = -32768  # V1 as a whole
    page = Svg(dicom(samples))
    before, after = page.pieces("trace-I")
    assert before[-1, 0] - LEFT == pytest.approx(25 * 999 / 500, abs=0.001)
    assert after[0, 0] - LEFT == pytest.approx(25 * 1200 / 500, abs=0.001)
    assert [len(piece) for piece in page.pieces("trace-II")] == [7, 1243]
    assert page.pieces("trace-V1") == []
    assert page.says("Gaps, invalid samples: I 200, II 1")
    assert page.says("No valid sample: V1") and page.says("no valid sample")


def test_a_value_of_minus_32768_without_padding_value_is_drawn(dicom: Dicom) -> None:
    path = dicom()
    ds = dcmread(path)
    group = ds.WaveformSequence[0]
    group.WaveformData = np.full((5000, 12), -32768, "<i2").tobytes()
    ds.save_as(path)
    page = Svg(path)
    assert [text for text in page.texts if text.endswith(" flat")] == [
        f"{lead} flat" for lead in (*STANDARD_ORDER, "II")
    ]


def test_invalid_samples_that_the_page_does_not_show_are_not_called_gaps(dicom: Dicom) -> None:
    samples = squares(12)
    samples[1000:1200, 0] = -32768  # I, from 2.0 to 2.4 s: the first column ends at 2.5 s
    samples[3000:3050, 0] = -32768
    samples[0:100, 10] = samples[0:7, 11] = -32768  # V5 and V6, whose column begins at 7.5 s
    page = Svg(dicom(samples))
    assert page.says("Gaps, invalid samples: I 200 · I: 50, V5: 100, V6: 7 invalid samples, not in the part shown")


def test_notes_that_are_longer_than_a_line_continue_on_the_next(dicom: Dicom) -> None:
    samples = squares(12) * 40  # V6: 48 mm, in rows of 40 mm
    samples[1000:1200, 0] = samples[0:100, 10] = samples[:, 6] = -32768
    samples[2000:2010, 3] = 30000
    page = Svg(dicom(samples))
    at = next(n for n, text in enumerate(page.texts) if text.startswith("Pieces are centred"))
    assert page.texts[at].endswith("No valid sample: V1")
    assert page.texts[at + 1].startswith("Cut at the edge of the grid: ")


def test_held_samples_are_drawn_as_the_gaps_that_they_fill(
    make_record: RecordMaker, acquisition: Acquisition, tmp_path: Path
) -> None:
    samples = squares(12)
    samples[1000:1200, 0] = samples[:, 6] = -32768
    pages = []
    for choice in ("keep", "hold"):
        path = tmp_path / f"{choice}.dcm"
        convert_record(make_record(samples=samples), path, acquisition, Options(invalid_samples=choice))
        pages.append(Svg(path))
    kept, held = pages
    assert dcmread(tmp_path / "hold.dcm").WaveformSequence[0].WaveformOriginality == "DERIVED"
    assert held.lines == kept.lines
    assert held.says("Gaps, invalid samples: I 200") and held.says("No valid sample: V1")


def test_tall_leads_of_neighbouring_rows_differ_in_colour(dicom: Dicom) -> None:
    assert len({color for name, color in Svg(dicom()).colors().items() if name.startswith("trace-")}) == 1
    page = Svg(dicom(squares(12) * 40))  # V6: 48 mm, in rows of 40 mm
    colors = page.colors()
    for column in (("I", "II", "III", "II-rhythm"), ("V4", "V5", "V6", "II-rhythm")):
        for one, other in pairwise(column):
            assert colors[f"trace-{one}"] != colors[f"trace-{other}"]
    assert page.says("Rows that overlap have different colours")


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1000.0), ("V", 0.001), ("mV", 1.0)])
def test_other_units_have_the_same_amplitude(dicom: Dicom, unit: str, factor: float) -> None:
    path = dicom()
    ds = dcmread(path)
    for channel in ds.WaveformSequence[0].ChannelDefinitionSequence:
        channel.ChannelSensitivity = str(0.005 * factor)
        channel.ChannelSensitivityUnitsSequence[0].CodeValue = unit
        channel.ChannelBaseline = str(0.3 * factor)
    ds.save_as(path)
    assert np.ptp(Svg(path).trace("V6")[:, 1]) == pytest.approx(12.0, abs=0.001)


@pytest.mark.parametrize("frequency", [100, 257, 1000])
def test_other_sampling_rates_keep_time(dicom: Dicom, frequency: int) -> None:
    page = Svg(dicom(squares(12, frequency), frequency=str(frequency)))
    begin, end = edges(page.trace("V6"))
    assert begin == pytest.approx(12.5, abs=25 / frequency)
    assert end == pytest.approx(17.5, abs=26 / frequency)
    assert page.says(f"{frequency} samples/s")


def test_of_a_long_record_the_first_ten_seconds_are_drawn_and_the_page_says_so(dicom: Dicom) -> None:
    leads = ("I", "II", "V5")
    page = Svg(dicom(squares(3, 250, 3600), leads=leads, frequency="250"))
    assert page.says("First 10 s of 3600 s")
    assert len({page.place(lead)[1] for lead in leads}) == 3
    for lead in leads:
        points = page.trace(lead)
        assert np.ptp(points[:, 0]) == pytest.approx(250, abs=0.001)
        assert np.ptp(points[:, 1]) == pytest.approx(height_of(lead, leads), abs=0.001)
    assert "trace-II-rhythm" not in page.lines


def test_columns_of_a_short_record_begin_at_the_times_given(dicom: Dicom) -> None:
    page = Svg(dicom(squares(12, seconds=4)))
    assert page.says("Whole record of 4 s") and page.says("Columns begin at the times given")
    assert page.says("V4 from 1.50 s")
    points = page.trace("V4")
    assert points[0, 0] == pytest.approx(LEFT + 187.5, abs=0.001)
    rises = points[1:, 0][np.diff(points[:, 1]) > 0.5] - points[0, 0]
    assert rises == pytest.approx([(3.0 - 1.5) * 25], abs=0.001), "the square of 3.0 s, in a column from 1.5 s"


def test_leads_beyond_the_twelve_stand_in_a_row_of_their_own(dicom: Dicom) -> None:
    page = Svg(dicom(squares(15), leads=(*MIMIC_ORDER, "vx", "vy", "vz")))
    places = [page.place(lead) for lead in "XYZ"]
    assert [x for x, _ in places] == [LEFT, LEFT + 62.5, LEFT + 125]
    (strip,) = page.pieces("trace-II-rhythm")
    assert page.place("III")[1] > places[0][1] > np.median(strip[:, 1])


def test_traces_do_not_leave_the_grid_unnoticed(dicom: Dicom) -> None:
    samples = squares(12)
    samples[2000:2010, 2] = 5000  # III, 25 mV: beyond the upper edge, at 4 s only in no column of III
    samples[100:110, 0] = 3000
    page = Svg(dicom(samples))
    assert page.says("Cut at the edge of the grid: I")


def test_the_page_says_who_when_and_how(dicom: Dicom) -> None:
    page = Svg(dicom())
    for words in (
        "ID 10000032",
        "2180-07-23 08:44:00 (date shifted)",
        "Study 40689238",
        "Cart 6848296",
        "Sex – Age –",
        "Pieces are centred on their median",
        "25 mm/s 10 mm/mV Filters 0.005–150 Hz, notch 60 Hz 500 samples/s",
        str(dcmread(dicom()).SOPInstanceUID),
    ):
        assert page.says(words), words
    for lead in MIMIC_ORDER:
        assert page.texts.count(lead) == (2 if lead == "II" else 1)


def test_a_dollar_is_a_dollar(dicom: Dicom) -> None:
    ds = dcmread(path := dicom())
    ds.PatientID, ds.StationName = "A$^$B", "$x_1$"
    ds.save_as(path)
    page = Svg(path)
    assert page.says("ID A$^$B") and page.says("Cart $x_1$")


def test_measurements_and_report_lines_of_the_object_are_shown(
    make_record: RecordMaker, acquisition: Acquisition, tmp_path: Path
) -> None:
    measured = replace(
        acquisition,
        measurements=(("rr_interval", 600), ("qrs_onset", 170), ("qrs_end", 258), ("qrs_axis", -30)),
        reports=("Sinus rhythm", "Left axis deviation", *(f"line {n}" for n in range(8))),
    )
    convert_record(make_record(), tmp_path / "ecg.dcm", measured, Options(annotations=True))
    page = Svg(tmp_path / "ecg.dcm")
    for words in ("Sinus rhythm", "line 3"):
        assert page.says(words), words
    at = page.texts.index("Vent. rate")
    assert page.texts[at : at + 8] == [
        *("Vent. rate", "100 /min", "RR interval", "600 ms"),
        *("QRS duration", "88 ms", "P-R-T axes", "– -30° –"),
    ]
    assert page.says("and 4 more lines in the object") and not page.says("line 4")


def test_long_names_stay_left_of_the_measurements(dicom: Dicom) -> None:
    ds = dcmread(path := dicom())
    ds.PatientID, ds.PatientName = "12345678" * 8, "Longname" * 8
    ds.StudyID, ds.StationName = "S" * 16, "C" * 16
    ds.save_as(path)
    figure = page_figure(read(path))
    figure.set_dpi(7 * 25.4)
    renderer = FigureCanvasAgg(figure).get_renderer()
    (at_measurements, _) = figure.transFigure.transform((112 / 297, 0))
    drawn = {text.get_text(): text.get_window_extent(renderer).x1 for text in figure.texts}
    for words in (f"ID {ds.PatientID}", str(ds.PatientName), f"Study {ds.StudyID}\N{EM SPACE}Cart {ds.StationName}"):
        assert drawn[words] < at_measurements


def test_what_is_unknown_is_called_unknown(dicom: Dicom) -> None:
    path = dicom()
    ds = dcmread(path)
    del ds.AcquisitionDateTime, ds.ContentDate, ds.ContentTime, ds.LongitudinalTemporalInformationModified
    ds.PatientID = ""
    for channel in ds.WaveformSequence[0].ChannelDefinitionSequence:
        del channel.FilterLowFrequency, channel.FilterHighFrequency, channel.NotchFilterFrequency
    ds.save_as(path)
    page = Svg(path)
    assert page.says("ID unknown") and page.says("no date") and page.says("Filters not given")
    assert not page.says("shifted")


@pytest.mark.parametrize("value", ["MODIFIED", "UNMODIFIED", "REMOVED", ""])
def test_dates_are_called_shifted_where_the_object_says_so(dicom: Dicom, value: str) -> None:
    path = dicom()
    ds = dcmread(path)
    ds.LongitudinalTemporalInformationModified = value
    ds.PatientSex, ds.PatientAge = "F", "063Y"
    ds.save_as(path)
    page = Svg(path)
    assert page.says("2180-07-23 08:44:00") == (value != "REMOVED") and page.says("no date") == (value == "REMOVED")
    assert page.says("shifted") == (value == "MODIFIED")
    assert page.says("Sex F Age 63 y")


def test_paper_is_a4_landscape_in_every_format(dicom: Dicom) -> None:
    path, streams = dicom(), {name: BytesIO() for name in ("png", "pdf")}
    for name, stream in streams.items():
        draw(path, stream, name)
    page = Svg(path)
    assert (page.width, page.height) == pytest.approx((297, 210), abs=0.01)
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", streams["pdf"].getvalue())
    assert box is not None
    assert [float(side) * MM for side in box.groups()] == pytest.approx([297, 210], abs=0.01)
    png = streams["png"].getvalue()
    assert struct.unpack(">II", png[16:24]) == (297 * 7, 210 * 7)
    at = png.index(b"pHYs")
    assert struct.unpack(">IIB", png[at + 4 : at + 13]) == (7000, 7000, 1), "7 pixels a millimetre"


def test_a_pdf_has_the_same_millimetres(dicom: Dicom) -> None:
    path, stream = dicom(), BytesIO()
    draw(path, stream, "pdf")
    found = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", stream.getvalue(), re.DOTALL)
    content = next(text for text in map(inflate, found) if b" l\n" in text)
    trace = Svg(path).trace("V6")
    first = b"%.6f" % (trace[0, 0] / MM)
    lines = re.split(rb" m\n", content)
    points = next(
        np.array(re.findall(rb"([\d.]+) ([\d.]+) l", line)[:1249], float) * MM
        for before, line in pairwise(lines)
        if before.split()[-2][:7] == first[:7] and abs(float(before.split()[-1]) * MM - trace[0, 1]) < 0.01
    )
    assert np.allclose(points, trace[1:], atol=0.001)


def inflate(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def test_a_png_has_ink_where_the_pulse_is(dicom: Dicom) -> None:
    import matplotlib.image

    path, stream = dicom(), BytesIO()
    draw(path, stream, "png")
    stream.seek(0)
    dark = matplotlib.image.imread(stream)[..., :3].sum(axis=2) < 1.0
    pulse = Svg(path).pieces("calibration")[0]
    base, top = pulse[:, 1].min(), pulse[:, 1].max()
    band = slice(round((210 - top - 3) * 7), round((210 - base + 3) * 7))
    x = np.flatnonzero(dark[band, : round(LEFT * 7) - 8].any(axis=0)) / 7
    assert (x.min(), x.max()) == pytest.approx((pulse[:, 0].min(), pulse[:, 0].max()), abs=0.4)
    y = 210 - (np.flatnonzero(dark[band, round((pulse[0, 0] + 2) * 7)]) + band.start) / 7
    assert (y.min(), y.max()) == pytest.approx((base, top), abs=0.4)


@pytest.mark.parametrize("name", ["png", "pdf", "svg"])
def test_the_same_object_gives_the_same_bytes(dicom: Dicom, name: str) -> None:
    path, one, two = dicom(), BytesIO(), BytesIO()
    draw(path, one, name)
    draw(path, two, name)
    assert one.getvalue() == two.getvalue()


def test_what_is_no_ecg_is_refused(dicom: Dicom, tmp_path: Path) -> None:
    path = dicom()
    (tmp_path / "text.dcm").write_text("no DICOM " * 100)
    with pytest.raises(EcgError, match=r"text\.dcm is not a DICOM file"):
        draw(tmp_path / "text.dcm", tmp_path / "x.png")
    ds = dcmread(path)
    del ds.WaveformSequence
    ds.save_as(tmp_path / "empty.dcm")
    with pytest.raises(EcgError, match="holds no waveform"):
        draw(tmp_path / "empty.dcm", tmp_path / "x.png")
    ds = dcmread(path)
    for channel in ds.WaveformSequence[0].ChannelDefinitionSequence:
        channel.ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"
    ds.save_as(tmp_path / "pressure.dcm")
    with pytest.raises(EcgError, match=r"no channel in volts, only I \(mm\[Hg\]\)"):
        draw(tmp_path / "pressure.dcm", tmp_path / "x.png")
    assert not list(tmp_path.glob("*.png"))


def test_the_command_names_file_and_remedy(project: Path, dicom: Dicom, tmp_path: Path) -> None:
    command = [sys.executable, str(project / "scripts/wfdb2dicom"), "draw"]
    page = tmp_path / "page.pdf"
    done = subprocess.run([*command, dicom(), page], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert page.read_bytes().startswith(b"%PDF")
    failed = subprocess.run([*command, tmp_path / "none.dcm", page], capture_output=True, text=True)
    assert failed.returncode == 1 and "none.dcm" in failed.stderr and "Traceback" not in failed.stderr
    wrong = subprocess.run([*command, dicom(), tmp_path / "page.gif"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "a page is a .png, .pdf, .svg file" in wrong.stderr
    assert "dicom out\n" in wrong.stderr and "error: out: " in wrong.stderr  # the name that the usage gives it


@pytest.mark.workflow
@pytest.mark.slow
def test_a_page_is_a_target_and_makes_its_dicom(project: Path, tmp_path: Path) -> None:
    """Nothing else is converted; a page that is there is not drawn again."""
    page = Path("dicom/files/p9000/p90000002/s94000006/94000006.png")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile"), "--cores", "1", str(page)]
    demo = project / "tests/data/demo"
    inputs = {"input_csv": "record_list.csv", "wfdb_dir": "", "metadata": "machine_measurements.csv"}
    command += ["--config", *(f"{key}={demo / name}" for key, name in inputs.items())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / page).read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (tmp_path / "dicom").rglob("*.dcm")] == ["94000006.dcm"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and "nothing to do" in again.stdout + again.stderr
