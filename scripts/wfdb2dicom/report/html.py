"""The page of the report from its data, charts and drawings."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from wfdb2dicom.report import charts
from wfdb2dicom.report.data import EXAMPLES, ReportData, read_report_data
from wfdb2dicom.report.flags import LISTED, Flag, Row
from wfdb2dicom.report.pictures import Picture, pictures
from wfdb2dicom.results.remedies import remedy
from wfdb2dicom.results.summary import failure_message, read_summary, size_words, table_name
from wfdb2dicom.system.whole_file import replace_file, text_of, whole_file
from wfdb2dicom.words import duration, share

FOLDED = 12  # more failed studies than these are folded, so that the sections below are seen


@dataclass(frozen=True)
class ReportOptions:
    """What the report is made from, and where it goes.

    Attributes
    ----------
    summary, manifest : Path
        ``summary.json`` and ``manifest.parquet`` of the run.
    receipts : Path
        Folder of the receipts.
    page : Path
        The HTML file to write.
    max_failed : float, optional
        The limit that the run is judged by; by default that of the summary, which may be an earlier run's.
    """

    summary: Path
    manifest: Path
    receipts: Path
    page: Path
    max_failed: float | None = None


@dataclass(frozen=True)
class Drawing:
    """A study that is drawn, and why: the titles of its flags, or that it is one of the sample."""

    row: Row
    reasons: list[str]
    picture: Picture


def write_report(options: ReportOptions) -> Path:
    """Write the report; the file takes its name when it is complete."""
    summary = read_summary(options.summary)
    if options.max_failed is not None:
        summary["options"]["max_failed"] = options.max_failed
    found = read_report_data(options.manifest, options.receipts)
    text = render(summary, found, drawings(found), flagged_path(options.page).name)
    with whole_file(flagged_path(options.page)) as stream:
        write_flagged(found.flags, stream)
    replace_file(options.page, text.encode("utf-8", "replace"))
    return options.page


def flagged_path(page: Path) -> Path:
    """The CSV beside a page that lists every study worth a look."""
    return page.with_name("flagged.csv")


def write_flagged(flags: list[Flag], stream: BinaryIO) -> None:
    """Every study that is worth a look, once for each reason: the page lists at most `LISTED` of each.

    What is found in all studies is not among the reasons: the page says it of the collection.
    """
    with text_of(stream) as text:
        writer = csv.writer(text)
        writer.writerow(["study_id", "subject_id", "reason", "found", "acquired", "record", "dcm_path"])
        for flag in flags:
            for row in flag.details() if not flag.of_all else ():
                found = [row[name] for name in ("acquired", "record", "dcm_path")]
                writer.writerow([row["study_id"], row["subject_id"], flag.title, row["detail"], *found])


def data_set(options: dict[str, Any]) -> str:
    """The name of what was converted: that of the folder or ZIP with the records, else of the study CSV."""
    source = Path(options.get("wfdb_dir") or options.get("input_csv") or "")
    return (source.stem if source.suffix in (".zip", ".csv") else source.name) or "a data set"


def drawings(found: ReportData) -> list[Drawing]:
    """Examples of every kind of flagged study, then the sample; a study that is both is drawn once."""
    rows: dict[str, Row] = {}
    reasons: dict[str, list[str]] = {}
    for flag in found.flags:
        for row in flag.rows[:EXAMPLES]:
            rows.setdefault(row["study_id"], row)
    rows |= {row["study_id"]: row for row in found.sample if row["study_id"] not in rows}
    for flag in found.flags:
        for row in flag.rows:
            if row["study_id"] in rows:
                reasons.setdefault(row["study_id"], []).append(flag.title)
    drawn = pictures([Path(row["dcm_path"]) for row in rows.values()])
    return [
        Drawing(row, reasons.get(study, ["the sample"]), one)
        for (study, row), one in zip(rows.items(), drawn, strict=True)
    ]


def render(summary: dict[str, Any], found: ReportData, drawn: list[Drawing], flagged_name: str) -> str:
    """The page as text."""
    here = files("wfdb2dicom.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["bytes"] = size_words
    environment.filters["elapsed"] = elapsed
    environment.filters["path"] = breakable
    environment.filters["sentence"] = breakable_paths
    environment.filters["option"] = option_text
    template = environment.from_string((here / "page.html.jinja").read_text(encoding="utf-8"))
    options = summary["options"]
    limit = options.get("max_failed")
    return template.render(
        style=Markup((here / "page.css").read_text(encoding="utf-8")),
        script=Markup((here / "page.js").read_text(encoding="utf-8")),
        summary=summary,
        options=options,
        limit=limit,
        passed=limit is None or not failure_message(summary, limit),
        share=share,
        table_name=table_name,
        found=found,
        remedy=remedy,
        listed=LISTED,
        examples=EXAMPLES,
        folded=FOLDED,
        flagged_name=flagged_name,
        data_set=data_set(options),
        drawn=drawn,
        drawn_ids={drawing.row["study_id"] for drawing in drawn},
        charts=_charts(found),
        rate_chart=_rate_chart(found),
    )


def _charts(found: ReportData) -> dict[str, Markup]:
    """A chart for each distribution with more than one value, and one of the kinds of failure."""
    made: dict[str, str] = {}
    for one in found.distributions:
        if one.is_scattered:
            made[one.key] = charts.ranking(
                one.key, one.scatter, one.ranked, f"{one.title.lower()}, most frequent first"
            )
        elif len(one.counts) > 1:
            made[one.key] = charts.bars(one.key, f"{one.title}: {_spoken(one.counts)}", one.counts)
    if len(found.kinds) > 1:
        counts = [(entry["kind"], entry["count"]) for entry in found.kinds[:12]]
        made["kinds"] = charts.bars("kinds", f"Failures by kind: {_spoken(counts)}", counts)
    return {key: Markup(svg) for key, svg in made.items()}


def _rate_chart(found: ReportData) -> Markup | None:
    """Studies per second of each batch over the time of the run; a single point makes no chart."""
    timed = sorted((run for run in found.batches if run.get("started")), key=lambda run: run["started"])
    if len(timed) < 2:
        return None
    # 2000 points show as much as one for each of very many batches.
    timed = timed[:: 1 + len(timed) // 2000]
    unit, size = time_unit(timed[-1]["started"] - timed[0]["started"])
    times = [(run["started"] - timed[0]["started"]) / size for run in timed]
    rates = [run["rate"] for run in timed]
    title = f"Studies per second of {len(timed)} batches, from {min(rates):,.0f} to {max(rates):,.0f}"
    return Markup(charts.points("rates", title, times, rates, f"{unit} since the first batch began", "studies/s"))


def time_unit(seconds: float) -> tuple[str, int]:
    """The unit for an axis of this length, and the seconds that it has."""
    return next((unit for unit in (("hours", 3600), ("minutes", 60)) if seconds >= 2 * unit[1]), ("seconds", 1))


def elapsed(seconds: float) -> str:
    """How long something took: ``0.25 s``, ``12.3 s``, ``3 min 20 s``."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def breakable(path: str) -> Markup:
    """A path that a browser breaks behind its slashes."""
    return Markup("<wbr>").join(part for part in re.split(r"(?<=/)", path) if part)


def breakable_paths(sentence: str) -> Markup:
    """A sentence that a browser breaks behind the slashes of its paths too."""
    return Markup("<wbr>").join(re.split(r"(?<=[\w.]/)(?=[\w.])", sentence))


def option_text(value: Any) -> str:
    """The value of an option as the configuration has it."""
    if isinstance(value, list):
        return ", ".join(map(option_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _spoken(counts: list[tuple[str, int]]) -> str:
    return ", ".join(f"{label} {count:,}" for label, count in counts[:5]) + (", …" if len(counts) > 5 else "")
