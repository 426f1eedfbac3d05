#!/usr/bin/env python3
"""Put the figures of bench.py and full.py into README.md and docs/performance.md, and draw them.

    publish.py

Reads tests/bench/figures; writes between the markers ``<!-- name -->`` and ``<!-- /name -->`` of the two documents,
and docs/growth.svg. What the documents say beside the markers is not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = 10_000  # studies; below, a run is mostly start-up, and has a table of its own
FIGURES = ROOT / "tests/bench/figures"
Entry = dict[str, Any]

TIMES = {  # name in the legend: place of the figure in an entry of growth.json
    "first run": ("first", "wall"),
    "plan": ("plan", "wall"),
    "aggregate": ("aggregate", "wall"),
    "one study changed": ("one_changed", "wall"),
    "nothing changed": ("again", "wall"),
}
MEMORY = {
    "main process of Snakemake": ("first", "main_peak_mb"),
    "plan": ("plan", "peak_mb"),
    "aggregate": ("aggregate", "peak_mb"),
    "a batch job": ("batch", "peak_mb"),
}
ROWS: dict[str, Callable[[Entry], str]] = {  # label: the cell of an entry
    "load of the machine before": lambda e: f"{e['load']:.1f}",
    "first run: wall, CPU of all processes": lambda e: f"{e['first']['wall']:.0f} s, {e['first']['cpu']:.0f} s",
    "… CPU per study": lambda e: f"{e['first']['cpu'] / e['studies'] * 1000:.2f} ms",
    "… `plan`, wall": lambda e: f"{e['spans']['plan']:.1f} s",
    "… `convert`": lambda e: f"{e['spans']['convert']:.1f} s",
    "… `aggregate`": lambda e: f"{e['spans']['aggregate']:.1f} s",
    "… `report`": lambda e: f"{e['spans']['report']:.1f} s",
    "… between jobs: Snakemake itself": lambda e: f"{e['between_jobs']:.1f} s",
    "… Snakemake's main process: CPU, peak": lambda e: (
        f"{e['first']['main_cpu']:.1f} s, {e['first']['main_peak_mb']:.0f} MB"
    ),
    "`plan` by itself: wall, CPU, peak": lambda e: _cost(e["plan"]),
    "`aggregate` by itself": lambda e: _cost(e["aggregate"]),
    "the largest kind of batch job by itself": lambda e: _cost(e["batch"]),
    "batches": lambda e: str(e["batches"]),
    "files that Snakemake keeps": lambda e: str(e["snakemake_files"]),
    "second run, nothing changed: wall, CPU": lambda e: f"{e['again']['wall']:.1f} s, {e['again']['cpu']:.1f} s",
    "one study changed: wall, CPU": lambda e: f"{e['one_changed']['wall']:.1f} s, {e['one_changed']['cpu']:.1f} s",
    "… DICOMs rewritten": lambda e: str(e["rewritten"]),
    "`publish`: wall, CPU, peak": lambda e: _cost(e["publish"]) if "publish" in e else "",
    "from a ZIP, first run: wall, CPU": lambda e: _zip(e, "first"),
    "… second run, nothing changed": lambda e: _zip(e, "again"),
    "… `plan` by itself: wall, CPU, peak": lambda e: _cost(e["from_zip"]["plan"]) if "from_zip" in e else "",
}


def _zip(entry: Entry, run: str) -> str:
    if "from_zip" not in entry:
        return ""
    cost = entry["from_zip"][run]
    return f"{cost['wall']:.1f} s, {cost['cpu']:.1f} s"


def _cost(cost: dict[str, float]) -> str:
    return f"{cost['wall']:.1f} s, {cost['cpu']:.1f} s, {cost['peak_mb']:.0f} MB"


def small_table(sizes: list[Entry]) -> str:
    """One row per number of studies, beside the plain script."""
    rows = [
        f"| {n:,} | {ours:.1f} s | {usual:.1f} s | {ours / usual:.2f} × | {figures['again']['wall']:.1f} s |"
        for figures in sizes
        for n, ours, usual in [
            (figures["studies"], figures["workflow"]["wall"], figures["studies"] / figures["baseline_rate"])
        ]
    ]
    head = "| studies | the workflow | wfdb + pydicom | ratio | second run |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def growth_table(entries: list[Entry]) -> str:
    """One column per number of studies."""
    head = "| studies | " + " | ".join(f"{entry['studies']:,}" for entry in entries) + " |"
    cells = {name: [cell(entry) for entry in entries] for name, cell in ROWS.items()}
    rows = [f"| {name} | " + " | ".join(row) + " |" for name, row in cells.items() if any(row)]
    return "\n".join([entries[-1]["machine"], "", head, "|---" * (len(entries) + 1) + "|", *rows])


def elsewhere(all_studies: Entry, conversion_ms: float) -> str:
    """What all of MIMIC-IV-ECG would take on other machines, with the arithmetic."""
    n, calls, wait, line = 800_035, 18, 0.3e-3, 1.1  # calls a study and seconds a call on NFS; GB/s of 10 Gbit/s
    c, nfs = conversion_ms / 1000, calls * wait
    plan, aggregate = all_studies["plan"]["cpu"], all_studies["aggregate"]["cpu"]
    report, snakemake = all_studies["spans"]["report"], all_studies["first"]["main_cpu"]
    serial = plan + aggregate + report + snakemake
    looks = 3 * n / 8 * wait
    move = 99 / line

    def row(name: str, conversion: str, seconds: float, storage: str, stored: float, rest: float) -> str:
        total = max(seconds, stored) + rest
        return f"| {name} | {conversion} = {seconds:.0f} s | {storage} | {rest:.0f} s | {total / 60:.1f} min |"

    return "\n".join(
        [
            f"c = {conversion_ms:.2f} ms of CPU per conversion, on this machine. In one process each: `plan`"
            f" {plan:.0f} s + `aggregate` {aggregate:.0f} s + report {report:.0f} s + Snakemake {snakemake:.0f} s"
            f" = {serial:.0f} s.",
            "",
            "| | conversion | storage, at the same time | in one process | together |",
            "|---|---|---|---|---|",
            row("2 cores, this machine", f"{n:,} × c / 2", n * c / 2, "written behind", 0, serial),
            row("12 cores, NVMe of 2 GB/s", f"{n:,} × c / 12", n * c / 12, "195 GB / 2 GB/s = 98 s", 97.5, serial),
            row(
                "12 cores, NFS over 10 Gbit/s",
                f"{n:,} × (c + {calls} × 0.3 ms) / 12",
                n * (c + nfs) / 12,
                f"99 GB / {line} GB/s = {move:.0f} s each way",
                move,
                serial + looks,
            ),
            row(
                "32 nodes, a job of 25,000 studies with 4 processes on each, the same NFS",
                f"25,001 × (c + {calls} × 0.3 ms) / 4",
                25_001 * (c + nfs) / 4,
                f"{move:.0f} s each way",
                move,
                serial + looks + 60,
            ),
        ]
    )


def in_short(size: Entry, all_studies: Entry, conversion_ms: float) -> str:
    """The three lines of the README, whose figures are those of the tables."""
    wall, small, large = size["workflow"]["wall"], size["studies"], all_studies["studies"]
    rate = small / wall
    table = elsewhere(all_studies, conversion_ms)
    minutes = re.findall(r"^\| 12 cores, NVMe.* ([\d.]+) min \|$", table, re.MULTILINE)[0]
    return "\n".join(
        [
            f"- {rate / size['baseline_rate']:.1f} times as fast as wfdb and pydicom in 2 processes:"
            f" {rate:,.0f} studies per second instead of {size['baseline_rate']:.0f} on the same 2 cores, CSV to CSV.",
            f"- All {large:,} studies of MIMIC-IV-ECG with 12 cores and an NVMe disk: {minutes} minutes, computed from"
            " measured parts.",
            f"- A second run in which nothing changed: {size['again']['wall']:.1f} s with {small:,} studies,"
            f" {all_studies['again']['wall']:.0f} s with {large:,}.",
        ]
    )


def draw(entries: list[Entry], path: Path) -> None:
    """Two panels, seconds and megabytes, both axes logarithmic."""
    studies = [entry["studies"] for entry in entries]
    pyplot.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "wfdb2dicom", "font.size": 9}
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for panel, series, unit in zip(panels, (TIMES, MEMORY), ("seconds (wall clock)", "MB at the peak"), strict=True):
        for name, (part, key) in series.items():
            panel.plot(studies, [entry[part][key] for entry in entries], marker="o", markersize=3, label=name)
        panel.set(xscale="log", yscale="log", xlabel="studies", ylabel=unit)
        panel.grid(which="major", linewidth=0.3)
        panel.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def insert(document: Path, name: str, text: str) -> None:
    """Replace what is between the markers of this name."""
    whole = document.read_text()
    block = f"<!-- {name} -->\n{text}\n<!-- /{name} -->"
    replaced, count = re.subn(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _: block, whole, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(
            f"{document} needs the markers <!-- {name} --> and <!-- /{name} --> once, has them {count} times"
        )
    document.write_text(replaced)


def main() -> None:
    """Read all figures there are, write the documents."""
    sizes = [json.loads(path.read_text()) for path in FIGURES.glob("size-*.json")]
    sizes.sort(key=lambda figures: int(figures["studies"]))
    small, large = ([figures for figures in sizes if (figures["studies"] < SMALL) is few] for few in (True, False))
    entries: list[Entry] = json.loads((FIGURES / "growth.json").read_text())
    performance = ROOT / "docs/performance.md"
    insert(ROOT / "README.md", "bench", in_short(large[0], entries[-1], large[-1]["conversion_ms"]))
    insert(performance, "small", small_table(small))
    insert(performance, "bench", "\n\n".join(figures["table"] for figures in large))
    insert(performance, "growth", growth_table(entries))
    insert(performance, "elsewhere", elsewhere(entries[-1], large[-1]["conversion_ms"]))
    draw(entries, ROOT / "docs/growth.svg")


if __name__ == "__main__":
    main()
