#!/usr/bin/env python3
"""Measure the workflow phase by phase at growing numbers of studies, up to all 800,035 of MIMIC-IV-ECG.

    full.py [--studies 1000 10000 100000 800035] [--dir bench/full] [--json tests/bench/figures/growth.json]

The records are short (10 samples at 500 Hz) so that the tree fits a disk; number of studies, files, batches and rows
are the true ones. For each number of studies, in a folder of its own: the first run, `plan` and `aggregate` each by
itself, a run with nothing changed, a run with one study changed, a batch job by itself, `publish`, and the first and
second run from a ZIP of the tree. Every number is added to the JSON file as it is known; publish.py draws it. The tree
is made once: about 10 GB and 2.6 million files, and as much again while it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import run

from bench import PYTHON, ROOT, batch_job, machine, make_tree, make_zip, sync, workflow

SAMPLES = 10
SIZES = (1_000, 10_000, 100_000, 800_035)
TABLES = ("record_list.csv", "machine_measurements.csv")
PUBLISH = "{name: synthetic, version: '1', title: t, license: none, license_url: 'https://example.org'}"


def head(source: Path, target: Path, rows: int) -> Path:
    """The first rows of a CSV file that has no line breaks in its cells, and its header."""
    with open(source, "rb") as lines, open(target, "wb") as out:
        out.writelines(line for line, _ in zip(lines, range(rows + 1), strict=False))
    return target


def spans(work: Path, since: float) -> dict[str, float]:
    """Seconds of wall that each rule's jobs took, as Snakemake recorded their starts and ends; the jobs of one rule
    run at the same time, so from the first start to the last end."""
    times: dict[str, list[tuple[float, float]]] = {}
    for path in (work / ".snakemake/metadata").iterdir():
        job = json.loads(path.read_bytes())
        if job["starttime"] >= since:
            times.setdefault(job["rule"], []).append((job["starttime"], job["endtime"]))
    return {rule: max(end for _, end in jobs) - min(start for start, _ in jobs) for rule, jobs in times.items()}


def between_jobs(work: Path, since: float, wall: float) -> float:
    """Seconds of wall in which no job ran: Snakemake's own share, and our functions in its main process."""
    jobs = []
    for path in (work / ".snakemake/metadata").iterdir():
        job = json.loads(path.read_bytes())
        if job["starttime"] >= since:
            jobs.append((job["starttime"], job["endtime"]))
    busy, last = 0.0, 0.0
    for start, end in sorted(jobs):
        busy += max(0.0, end - max(start, last))
        last = max(last, end)
    return wall - busy


def change_one(tree: Path, row: int) -> None:
    """Add a comment to one header, or take it away again: its DICOM has to become another object."""
    with open(tree / TABLES[0]) as lines:
        path = next(line for n, line in enumerate(lines) if n == row).rstrip("\n").rsplit(",", 1)[1]
    header = tree / f"{path}.hea"
    text, comment = header.read_text(), "# changed by tests/bench/full.py\n"
    header.write_text(text.removesuffix(comment) if text.endswith(comment) else text + comment)


def newer(folder: Path, than: Path, pattern: str) -> int:
    """How many files below a folder are newer than another file."""
    command = ["find", str(folder), "-newer", str(than), "-type", "f", "-name", pattern, "-printf", "x"]
    return len(subprocess.run(command, check=True, capture_output=True).stdout)


def alone(command: str, work: Path, *options: str | Path) -> dict[str, float]:
    """The cost of one command of wfdb2dicom."""
    return run(
        [PYTHON, ROOT / "scripts/wfdb2dicom", command, *options], cwd=work, log=work / f"{command}.log"
    ).as_dict()


def measure(tree: Path, work: Path, studies: int) -> dict[str, Any]:
    """All figures of one number of studies."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    csv, metadata = (head(tree / name, work / name, studies) for name in TABLES)
    command = workflow(tree, work, "--config", f"input_csv={csv}", f"metadata={metadata}")
    sync(work)
    figures: dict[str, Any] = {"studies": studies, "machine": machine(), "load": round(os.getloadavg()[2], 1)}

    since = time.time()
    first = run(command, log=work / "first.log")
    figures["first"] = first.as_dict()
    figures["spans"] = {rule: round(seconds, 2) for rule, seconds in spans(work, since).items()}
    figures["between_jobs"] = round(between_jobs(work, since, first.wall), 2)
    figures["snakemake_files"] = sum(path.is_file() for path in (work / ".snakemake").rglob("*"))
    figures["batches"] = len(list((work / "results/plan").glob("*.tsv")))

    marker = work / "marker"
    marker.touch()
    figures["again"] = run(command, log=work / "again.log").as_dict()
    if b"nothing to do: all" not in (work / "again.log").read_bytes():
        sys.exit(f"the second run did something, see {work / 'again.log'}")
    change_one(tree, studies // 2)
    since = time.time()
    one = run(command, log=work / "one.log")
    figures["one_changed"] = one.as_dict() | {"between_jobs": round(between_jobs(work, since, one.wall), 2)}
    figures["rewritten"] = newer(work / "dicom", marker, "*.dcm")

    (work / "alone").mkdir()
    figures["plan"] = alone(
        "plan", work, f"--input-csv={csv}", f"--metadata={metadata}", f"--wfdb-dir={tree}",
        f"--dcm-dir={work / 'dicom'}", "--token=x", "--receipts=results/receipts", "--watch-sources", "alone/plan",
    )  # fmt: skip
    figures["aggregate"] = alone(
        "aggregate", work, f"--input-csv={csv}", f"--dcm-dir={work / 'dicom'}", "--plans=results/plan",
        "--receipts=results/receipts", "--output-csv=alone/out.csv", "--errors=alone/errors.log",
        "--manifest=alone/manifest.parquet", "--summary=alone/summary.json",
    )  # fmt: skip
    batch, count = batch_job(work)
    figures["batch"] = batch.as_dict() | {"studies": count}
    figures["publish"] = run(
        [command[0], "publish", *command[1:], f"publish={PUBLISH}"], log=work / "publish.log"
    ).as_dict()
    figures["croissant_kb"] = round((work / "dicom/croissant.json").stat().st_size / 1000)
    return figures


def measure_zip(archive: Path, work: Path, csv: Path, metadata: Path) -> dict[str, Any]:
    """The first and the second run from a ZIP, and `plan` by itself, which reads the ZIP's directory."""
    command = workflow(archive, work, "--config", f"input_csv={csv}", f"metadata={metadata}")
    sync(work)
    figures = {"first": run(command, log=work / "first.log").as_dict()}
    figures["again"] = run(command, log=work / "again.log").as_dict()
    if b"nothing to do: all" not in (work / "again.log").read_bytes():
        sys.exit(f"the second run did something, see {work / 'again.log'}")
    (work / "alone").mkdir()
    figures["plan"] = alone(
        "plan", work, f"--input-csv={csv}", f"--metadata={metadata}", f"--wfdb-dir={archive}",
        f"--dcm-dir={work / 'dicom'}", "--token=x", "--receipts=results/receipts", "--watch-sources", "alone/plan",
    )  # fmt: skip
    return figures


def main() -> None:
    """Parse the command line, measure, print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dir", type=Path, default=ROOT / "bench/full")
    parser.add_argument("--json", type=Path, default=ROOT / "tests/bench/figures/growth.json")
    args = parser.parse_args()
    folder = args.dir.resolve()
    tree = make_tree(folder, max(*args.studies, SIZES[-1]), SAMPLES)
    known = json.loads(args.json.read_text()) if args.json.exists() else []
    for studies in args.studies:
        print(f"{studies} studies", file=sys.stderr)
        work = folder / f"work-{studies}"
        figures = measure(tree, work, studies)
        if studies == SIZES[-1] and (archive := make_zip(tree)):
            csv, metadata = (work / name for name in TABLES)
            figures["from_zip"] = measure_zip(archive, folder / f"zip-{studies}", csv, metadata)
            shutil.rmtree(folder / f"zip-{studies}")
        known = [other for other in known if other["studies"] != studies] + [figures]
        known.sort(key=lambda entry: entry["studies"])
        args.json.write_text(json.dumps(known, indent=1) + "\n")
        print(json.dumps(figures, indent=1), flush=True)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
