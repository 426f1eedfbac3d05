"""The report says what the manifest holds, stays small, and depends on nothing but itself."""

import base64
import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

import synthetic_manifest
from wfdb2dicom import report
from wfdb2dicom.page.draw import page_figure
from wfdb2dicom.page.ecg import read
from wfdb2dicom.page.layout import HEIGHT
from wfdb2dicom.page.small_svg import small_svg
from wfdb2dicom.report import data, flags
from wfdb2dicom.report.charts import bars
from wfdb2dicom.report.data import SAMPLE, read_report_data
from wfdb2dicom.report.flags import LISTED
from wfdb2dicom.report.html import breakable, breakable_paths, data_set, elapsed, option_text, time_unit
from wfdb2dicom.report.pictures import pictures
from wfdb2dicom.results.summary import table_name
from wfdb2dicom.words import apart, share

STUDIES = 5000
MEGABYTE = 10**6


def make(folder: Path, studies: int, dicom: Path, failed: float = 0.01) -> str:
    made = synthetic_manifest.write(folder, studies, dicom, failed=failed)
    page = folder / "report" / "index.html"
    report.write_report(report.ReportOptions(made / "summary.json", made / "manifest.parquet", made / "receipts", page))
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def page(folder: Path, one_dicom: Path) -> str:
    return make(folder, STUDIES, one_dicom)


@pytest.fixture(scope="module")
def found(folder: Path, page: str):
    return read_report_data(folder / "manifest.parquet", folder / "receipts")


def test_every_failure_is_counted_under_its_kind(found, folder: Path) -> None:
    errors = [e for e in pq.read_table(folder / "manifest.parquet")["error"].to_pylist() if e]
    assert sum(entry["count"] for entry in found.kinds) == len(errors)
    assert {entry["kind"] for entry in found.kinds} == set(synthetic_manifest.KINDS)
    for entry in found.kinds:
        assert entry["count"] == sum(e.startswith(entry["kind"]) for e in errors)


def test_each_oddity_is_counted_and_listed_with_what_was_found(found, folder: Path) -> None:
    table = pq.read_table(folder / "manifest.parquet").to_pandas()
    done = table[table.error.isna()]
    counts = {flag.key: flag.count for flag in found.flags}
    assert counts == {
        "invalid": (done.invalid_samples > 0).sum(),
        "flat": done.flat_leads.map(len).gt(0).sum(),
        "times": (done.time_difference.abs() >= 60).sum(),
        "dated": (done.time_source == "ecg_time").sum(),
        "undated": (done.time_source == "placeholder").sum(),
        "warnings": done.warnings.map(len).gt(0).sum(),
        "omitted": done.omitted_signals.map(len).gt(0).sum(),
        "bare": (done.cart_id.isna() & done.filter_low.isna() & done.notch.isna()).sum(),
    }
    assert all(counts.values())
    for flag in found.flags:
        assert len(flag.rows) == min(flag.count, LISTED) and all(row["detail"] for row in flag.rows)


def test_the_worst_come_first(found) -> None:
    invalid = next(flag for flag in found.flags if flag.key == "invalid")
    counts = [row["invalid_samples"] for row in invalid.rows]
    assert counts == sorted(counts, reverse=True)


def test_distributions_account_for_every_converted_study(found, folder: Path) -> None:
    errors = pq.read_table(folder / "manifest.parquet")["error"]
    converted = errors.null_count
    assert {one.key for one in found.distributions} == {"rate", "duration", "leads", "band", "notch", "cart"}
    for one in found.distributions:
        assert sum(count for _, count in one.counts) == converted, one.title
        assert len(one.counts) <= 13


def test_the_sample_is_the_same_however_the_studies_are_ordered(found, folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "manifest.parquet")
    pq.write_table(table.sort_by([("sha256", "ascending"), ("record", "descending")]), tmp_path / "other.parquet")
    again = read_report_data(tmp_path / "other.parquet", folder / "receipts")
    ids = [row["study_id"] for row in found.sample]
    assert len(set(ids)) == SAMPLE and ids == [row["study_id"] for row in again.sample]


def test_every_kind_of_oddity_is_drawn(page: str, found) -> None:
    drawn = set(re.findall(r'<figure id="ecg-(\d+)"', page))
    assert all(any(row["study_id"] in drawn for row in flag.rows) for flag in found.flags)
    assert {row["study_id"] for row in found.sample} <= drawn
    assert page.count("data:image/svg+xml") == len(drawn)


def test_a_study_that_cannot_be_drawn_is_said_so(tmp_path: Path) -> None:
    page = make(tmp_path, 30, tmp_path / "none.dcm")
    assert "This study cannot be drawn: FileNotFoundError" in page and "<img" not in page


def test_a_drawing_that_cannot_be_made_says_why(one_dicom: Path, tmp_path: Path) -> None:
    dicoms = [one_dicom, tmp_path / "missing.dcm", one_dicom, one_dicom]
    drawn = pictures(dicoms)
    assert [bool(one.uri) for one in drawn] == [True, False, True, True]
    assert drawn[0] == drawn[2] == drawn[3] and "missing.dcm" in drawn[1].error


def test_a_drawing_that_ends_its_process_is_the_only_one_that_is_missing(
    one_dicom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadly(dicom: Path) -> object:
        return os._exit(9) if dicom.name == "deadly.dcm" else read(dicom)

    monkeypatch.setattr("wfdb2dicom.report.pictures.read", deadly)  # the process is forked
    bad = Path("deadly.dcm")
    drawn = pictures([one_dicom, bad, one_dicom, one_dicom, bad, bad, one_dicom])
    assert [bool(one.uri) for one in drawn] == [True, False, True, True, False, False, True]
    assert all("was killed" in one.error for one in drawn if not one.uri)


SVG = "{http://www.w3.org/2000/svg}"


def drawing_of(dicom: Path) -> Element:
    return fromstring(base64.b64decode(pictures([dicom])[0].uri.partition(",")[2]))


def test_drawings_have_every_line_and_text_of_the_page_at_its_place(one_dicom: Path) -> None:
    figure, svg = page_figure(read(one_dicom)), drawing_of(one_dicom)
    lines = {path.get("id"): path for path in svg.iter(f"{SVG}path") if path.get("id") not in (None, "calibration")}
    traces = [line for line in figure.findobj(Line2D) if line.get_gid() != "calibration"]
    assert lines.keys() == {line.get_gid() for line in traces} and len(lines) >= 13
    for line in traces:
        if line.get_gid() == "separator":
            continue
        drawn = points_of(lines[line.get_gid()]) / 20 * [1, -1] + [0, HEIGHT]
        assert len(drawn) > 100 and abs(drawn[[0, -1]] - line.get_xydata()[[0, -1]]).max() < 0.03
        # A drawn point is a sample, and every sample lies between the drawn points in a pixel's width around it.
        for x, y in line.get_xydata():
            near = drawn[np.abs(drawn[:, 0] - x) < 0.3, 1]
            assert near.min() - 0.03 <= y <= near.max() + 0.03
        apart = np.abs(drawn[:, None] - line.get_xydata()).max(axis=2).min(axis=1)
        assert apart.max() < 0.03
    written = [text.get_text() for text in figure.findobj(Text) if text.get_text()]
    assert sorted(text.text or "" for text in svg.iter(f"{SVG}text")) == sorted(written)


def points_of(path: Element) -> np.ndarray:
    """The points of a path that begins with one and continues with steps."""
    numbers = [int(text) for text in re.findall(r"-?\d+", path.get("d", ""))]
    return np.cumsum(np.reshape(numbers, (-1, 2)), axis=0)


def test_a_gap_of_a_trace_is_a_gap_of_its_drawing(one_dicom: Path) -> None:
    ecg = read(one_dicom)
    for trace in ecg.traces:
        trace.millivolt[300:400] = np.nan
    lines = {path.get("id"): path.get("d", "") for path in fromstring(small_svg(ecg)).iter(f"{SVG}path")}
    assert lines["trace-I"].count("M") == 2 and lines["trace-V6"].count("M") == 1


def test_the_page_refers_to_nothing_outside(page: str) -> None:
    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [str(v) for k, v in attrs if k in ("href", "src", "xlink:href", "action", "data")]

    links = Links()
    links.feed(page)
    assert links.found and all(link.startswith(("#", "data:")) for link in links.found)
    assert "default-src 'none'" in page and "@import" not in page and "url(http" not in page


def test_links_lead_somewhere_and_ids_are_unique(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_what_comes_from_files_is_text_and_never_markup(page: str) -> None:
    assert "&lt;b&gt;not&lt;/b&gt;" in page and "<b>not" not in page


def test_versions_options_and_the_next_step_are_there(page: str) -> None:
    for text in ("max_failed", "record_list.csv", "3.11.7", "fetch the files again", "of 5,000 studies were converted"):
        assert text in page


def test_twelve_studies_without_any_failure(tmp_path: Path, one_dicom: Path) -> None:
    page = make(tmp_path, 12, one_dicom, failed=0)
    assert "All 12 studies were converted." in page and "None: every study became a DICOM object." in page


def test_a_run_in_which_everything_failed(tmp_path: Path, one_dicom: Path) -> None:
    page = make(tmp_path, 40, one_dicom, failed=2)
    assert "the run counts as failed" in page


@pytest.mark.slow
def test_all_of_mimic_iv_ecg_fits_five_megabytes(tmp_path: Path, one_dicom: Path) -> None:
    page = make(tmp_path, 800_035, one_dicom, failed=0.04)
    assert len(page.encode()) < 5 * MEGABYTE
    assert "800,035 studies" in page


def test_shares_are_never_rounded_to_all_or_nothing() -> None:
    assert [share(n, 800_035) for n in (0, 1, 8_000, 800_034, 800_035)] == [
        "0 %",
        "< 0.1 %",
        "1.0 %",
        "99.9 %",
        "100 %",
    ]


def test_differences_of_times_in_the_units_people_use() -> None:
    assert [apart(n) for n in (60, -3600, 93_600, 0)] == ["+1 min", "−1 h", "+1 d 2 h", "+0 s"]


def test_a_chart_has_a_label_text_and_its_own_ids() -> None:
    svg = bars("x", 'Failures "by" kind: <a> 3', [("<a>", 3), ("$b$", 1)])
    assert 'role="img" aria-label="Failures &quot;by&quot; kind: &lt;a> 3"' in svg
    assert ">$b$</text>" in svg and "&lt;a&gt;" in svg
    assert all(name.startswith("x-") for name in re.findall(r'\bid="([^"]+)"', svg))


def widths(svg: str, what: str) -> list[float]:
    """The widths of the bars or tracks of a chart."""
    paths = re.findall(rf'<g id="x-{what}-\d+">\s*<path d="([^"]*)"', svg)
    xs = [[float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path)] for path in paths]
    return [max(x) - min(x) for x in xs]


def test_a_bar_on_its_track_is_the_share_that_its_label_gives() -> None:
    svg = bars("x", "three", [("a", 80), ("b", 19), ("c", 1)])
    shares = [bar / track for bar, track in zip(widths(svg, "bar"), widths(svg, "track"), strict=True)]
    assert shares == pytest.approx([0.8, 0.19, 0.01], abs=1e-4)


def test_many_carts_are_a_sentence_and_a_chart(page: str, found, folder: Path) -> None:
    carts = next(one for one in found.distributions if one.key == "cart")
    table = pq.read_table(folder / "manifest.parquet").to_pandas()
    counts = table[table.error.isna()].cart_id.fillna("unknown").value_counts()
    assert carts.ranked == list(counts)
    half = (counts.cumsum() * 2 < counts.sum()).sum() + 1
    assert carts.scatter.startswith(f"{len(counts)} carts: the most frequent one has {counts.iloc[0]} studies")
    assert carts.scatter.endswith(f"half of all studies come from {half} of them.")
    assert carts.scatter in page and re.search(r">\d+ others</text>", page) is None


def test_rare_values_beside_a_frequent_one_stay_a_list_of_bars() -> None:
    counts = {str(n): 1 for n in range(20)}
    assert data._by_frequency("x", "Values", "", counts).is_scattered
    assert not data._by_frequency("x", "Values", "", counts | {"500": 1000}).is_scattered
    assert not data._by_frequency("x", "Values", "", {"500": 10, "250": 10}).is_scattered


@pytest.mark.parametrize(("seconds", "unit"), [(1.5, "seconds"), (119, "seconds"), (120, "minutes"), (7200, "hours")])
def test_the_time_of_a_run_is_drawn_in_a_fitting_unit(seconds: float, unit: str) -> None:
    assert time_unit(seconds)[0] == unit


def test_times_are_told_in_fitting_units() -> None:
    assert [elapsed(s) for s in (0.25, 12.34, 200, 7300)] == ["0.25 s", "12.3 s", "3 min 20 s", "2 h 01 min"]
    assert [data.length(s) for s in (10.0, 30.5, 1800, 86400)] == ["10 s", "30.5 s", "30 min", "24 h"]


def test_a_path_may_break_behind_its_slashes_only() -> None:
    assert breakable("/a<b/c/") == "/<wbr>a&lt;b/<wbr>c/"
    assert breakable("") == ""
    assert breakable_paths("Error: '/a.b/c d/1.dat' </b> and/or") == (
        "Error: &#39;/a.b/<wbr>c d/<wbr>1.dat&#39; &lt;/b&gt; and/<wbr>or"
    )


def test_options_are_written_as_in_the_configuration() -> None:
    values = (["columns", "comments"], True, 0.05, "2.25", {"host": "x"}, "")
    texts = ["columns, comments", "true", "0.05", "2.25", '{"host": "x"}', ""]
    assert [option_text(value) for value in values] == texts


def test_every_flagged_study_is_in_the_csv(found, page: str, folder: Path) -> None:
    with open(folder / "report/flagged.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for flag in found.flags:
        listed = [row for row in rows if row["reason"] == flag.title]
        assert len(listed) == flag.count and [row["found"] for row in listed][:LISTED] == [
            r["detail"] for r in flag.rows
        ]
    assert len(rows) == sum(flag.count for flag in found.flags) > 100


def test_more_flagged_studies_than_a_table_lists_are_all_in_the_csv(
    one_dicom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flags, "LISTED", 3)
    page = make(tmp_path, 2000, one_dicom)
    rows = (tmp_path / "report/flagged.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert "3 of" in page and sum(",Invalid samples," in row for row in rows) > 20


def test_a_trait_of_every_study_is_a_sentence_about_the_collection(folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "manifest.parquet")
    nothing = pa.nulls(table.num_rows, pa.string())
    for name in ("cart_id", "filter_low", "filter_high", "notch"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, nothing.cast(table.schema.field(at).type))
    pq.write_table(table, tmp_path / "manifest.parquet")
    tables = folder / "summary.json", tmp_path / "manifest.parquet", folder / "receipts"
    report.write_report(report.ReportOptions(*tables, tmp_path / "index.html"))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("Cart and filters are not known of any study.") == 1 and "Without metadata" not in page
    assert "<li>Not known of any study: filter pass bands, notch filters, carts</li>" in page
    flagged = (tmp_path / "flagged.csv").read_text(encoding="utf-8")
    assert "Without metadata" not in flagged and flagged.count(",Invalid samples,") > 20


def test_what_is_in_no_study_is_not_a_row_of_the_table(tmp_path: Path, one_dicom: Path) -> None:
    made = synthetic_manifest.write(tmp_path, 200, one_dicom)
    table = pq.read_table(made / "manifest.parquet")
    for name in ("omitted_signals", "warnings"):
        at = table.column_names.index(name)
        nothing = pa.array([[]] * table.num_rows, table.schema.field(at).type)
        table = table.set_column(at, table.schema.field(at), nothing)
    pq.write_table(table, tmp_path / "manifest.parquet")
    tables = made / "summary.json", made / "manifest.parquet", made / "receipts"
    report.write_report(report.ReportOptions(*tables, tmp_path / "index.html"))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Looked for, and not found in any study: warnings, signals left out." in page
    assert 'href="#flag-invalid"' in page and "Signals left out" not in page


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/record_list.csv", "/data/record_list.csv"),
        ("results/inputs/record_list.csv", "record_list.csv"),
        ("results/inputs/RECORDS.csv", "RECORDS"),
    ],
)
def test_a_table_of_the_data_set_is_named_as_it_is_there(path: str, name: str) -> None:
    assert table_name(path) == name


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"wfdb_dir": "/data/mimic-iv-ecg-1.0", "input_csv": "x.csv"}, "mimic-iv-ecg-1.0"),
        ({"wfdb_dir": "/data/ptb-xl.zip"}, "ptb-xl"),
        ({"wfdb_dir": "", "input_csv": "lists/record_list.csv"}, "record_list"),
    ],
)
def test_the_name_of_the_data_set(options: dict[str, str], name: str) -> None:
    assert data_set(options) == name


def test_drawings_say_that_they_are_examples(page: str) -> None:
    assert f"up to {data.EXAMPLES} of each kind" in page and "These are examples, not all studies" in page
    assert page.count("example of:") == page.count('<figure id="ecg-')


def test_the_command(folder: Path, page: str, project: Path, tmp_path: Path) -> None:
    arguments = [f"--{name}={folder / file}" for name, file in (("summary", "summary.json"), ("receipts", "receipts"))]
    arguments += [f"--manifest={folder / 'manifest.parquet'}", str(tmp_path / "again.html")]
    subprocess.run([sys.executable, str(project / "scripts/wfdb2dicom"), "report", *arguments], check=True)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert json.loads((folder / "summary.json").read_text())["studies"] == STUDIES
