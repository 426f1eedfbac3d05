#!/usr/bin/env python3
"""Measure the workflow against the usual script, against copying the files, and against the least that must be done.

    bench.py [--studies 20000] [--rounds 3] [--baseline-studies 1000] [--dir bench] [--json FILE]

Prints a table in Markdown and writes the figures; publish.py puts them into the documents. They take turns, and
the best round of each counts: what a virtual machine's host adds to one is nobody's work. The tree is made once and
kept in the folder; everything else is made anew, and removed at the end: ext4 passes over inodes that were deleted in
the last minutes, one by one, so whoever makes files after a removal would be measured with a handicap (0.9 ms a study).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import Cost, run

from wfdb2dicom.batches.tables import read_plan, write_plan

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = sys.executable
SNAKEMAKE = Path(PYTHON).parent / "snakemake"
SIZE = 120_000  # bytes of samples of a study


def make_tree(folder: Path, studies: int, samples: int) -> Path:
    """The tree of so many studies, made unless it is there."""
    tree = folder / f"tree-{studies}-{samples}"
    if not (tree / "done").exists():
        print(f"making {studies} studies of {samples} samples in {tree}", file=sys.stderr)
        run([PYTHON, HERE / "tree.py", tree, f"--studies={studies}", f"--samples={samples}"])
        (tree / "done").touch()
    return tree


def make_zip(tree: Path) -> Path | None:
    """The ZIP of a tree as its publisher would serve it, made unless it is there; None where `unzip` is missing."""
    if not shutil.which("unzip"):
        print("no unzip: converting from a ZIP is not measured", file=sys.stderr)
        return None
    path = tree.with_suffix(".zip")
    if not path.exists():
        print(f"making {path}", file=sys.stderr)
        made = path.with_suffix(".part")
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(file for file in tree.rglob("*") if file.is_file() and file.name != "done"):
                archive.write(file, f"{tree.name}/{file.relative_to(tree)}")
        made.rename(path)
    return path


def workflow(tree: Path, work: Path, *options: str) -> list[str | Path]:
    """The command that converts a tree with two cores."""
    config = work / "config.yaml"
    keys = {
        "input_csv": tree / "record_list.csv",
        "wfdb_dir": tree,
        "metadata": tree / "machine_measurements.csv",
        "dcm_dir": work / "dicom",
    }
    work.mkdir(parents=True, exist_ok=True)
    config.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    return [SNAKEMAKE, "-s", ROOT / "Snakefile", "--directory", work, "--configfile", config, "--cores", "2", *options]


def copy_halves(tree: Path, out: Path) -> Cost:
    """Copy the records of a tree with two `cp -r`, each of which copies half of its folders and makes them."""
    groups = sorted((tree / "files").iterdir())
    (out / "files").mkdir(parents=True)
    middle = (len(groups) + 1) // 2
    lists = [out.with_suffix(f".half{n}") for n in range(2)]
    for path, half in zip(lists, (groups[:middle], groups[middle:]), strict=True):
        path.write_bytes(b"".join(os.fsencode(group) + b"\0" for group in half))
    return run(["bash", "-c", both(*(f"xargs -0 -r cp -r -t '{out}/files' < '{path}'" for path in lists))])


def both(one: str, other: str) -> str:
    """A command for bash that runs two commands at the same time, and fails when either does."""
    return f"{one} & {other} && wait $!"


def build_floor(folder: Path) -> Path | None:
    """Compile floor.c; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("no C compiler: the floor is not measured", file=sys.stderr)
        return None
    program = folder / "floor"
    run([compiler, "-O2", "-o", program, HERE / "floor.c", "-ldl"])
    return program


def floor(program: Path, tree: Path, out: Path) -> Cost:
    """Do the least that converting the tree must do, in two processes; see floor.c."""
    with open(tree / "record_list.csv", newline="") as stream:
        records = [row["path"] for row in csv.DictReader(stream)]
    out.mkdir()
    middle = (len(records) + 1) // 2
    lists = [out.with_suffix(f".half{n}") for n in range(2)]
    for path, half in zip(lists, (records[:middle], records[middle:]), strict=True):
        path.write_text("".join(f"{record}\n" for record in half))
    return run(["bash", "-c", both(*(f"'{program}' '{tree}' '{out}' < '{path}'" for path in lists))])


def into_memory(tree: Path) -> None:
    """Have all source files in the page cache. Kernels may drop what nobody reads for a while, so before each run."""
    run(["bash", "-c", f"find '{tree}/files' -type f -print0 | xargs -0 -P 2 -n 1000 cat > /dev/null"])


def out_of_memory(tree: Path) -> None:
    """Have no content of source files in the page cache: a data set is larger than memory."""
    sync(tree)
    for path in (tree / "files").rglob("*.*"):
        with open(path, "rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync(folder: Path) -> float:
    """Seconds to put what was written on the disk."""
    start = time.monotonic()
    run(["sync", "-f", folder])
    return time.monotonic() - start


def start_up(tree: Path, folder: Path) -> Cost:
    """A batch job with one study: what a job costs before it has done anything."""
    work = folder / "one"
    small = work / "one.csv"
    work.mkdir(parents=True)
    lines = (tree / "record_list.csv").read_text().splitlines()
    small.write_text("\n".join(lines[:2]) + "\n")
    command = workflow(tree, work, "--config", f"input_csv={small}", "metadata=")
    run(command, log=work / "log")
    jobs = (batch_job(work, f"again-{n}") for n in range(5))
    return min((cost for cost, _ in jobs), key=lambda cost: cost.cpu)


def batch_job(work: Path, target: str = "alone") -> tuple[Cost, int]:
    """The first batch converted alone, without the workflow, into a new folder: its cost and number of studies."""
    options, rows = read_plan(min((work / "results/plan").glob("*.tsv")))
    plan = work / target / "plan.tsv"
    write_plan(plan, options | {"dcm_dir": str(work / target / "dicom")}, rows)
    command = [PYTHON, ROOT / "scripts/wfdb2dicom", "convert-batch", plan, work / target / "receipt.tsv"]
    # As Snakemake starts a job of one thread; numpy's BLAS would start threads that nothing uses (0.06 s of CPU).
    return run(command, cwd=work, log=work / "log", variables={"OPENBLAS_NUM_THREADS": "1"}), len(rows)


def machine() -> str:
    """What the figures hold for."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    return f"{os.cpu_count()} cores of {cpu}, Python {platform.python_version()}, Linux {platform.release()}"


def measure(tree: Path, folder: Path, baseline_studies: int, rounds: int) -> dict[str, Any]:
    """All figures, in seconds: everything in turns and everything made anew in a new folder."""
    folder.mkdir()
    figures: dict[str, Any] = {}
    out_of_memory(tree)
    figures["cold_copy"] = copy_halves(tree, folder / "cold-copy").as_dict()
    figures["cold_copy_sync"] = sync(folder)
    out_of_memory(tree)
    figures["cold"] = run(workflow(tree, folder / "cold"), log=folder / "cold.log").as_dict()
    program = build_floor(folder)
    archive = make_zip(tree)
    turns = [turn(tree, folder, n, baseline_studies, program, archive) for n in range(rounds)]
    for name in ("copy", "workflow", *(["floor"] if program else []), *(["from_zip", "unzip"] if archive else [])):
        figures[name] = min((one[name] for one in turns), key=lambda cost: cost["wall"])
    figures["copy_sync"] = min(one["copy_sync"] for one in turns)
    figures["baseline_rate"] = max(one["baseline_rate"] for one in turns)
    figures["turns"] = [
        {"workflow": one["workflow"]["wall"], "copy": one["copy"]["wall"], "baseline_rate": one["baseline_rate"]}
        for one in turns
    ]
    figures["again"] = run(workflow(tree, folder / "work-0"), log=folder / "again.log").as_dict()
    if b"nothing to do: all" not in (folder / "again.log").read_bytes():
        sys.exit(f"the second run did something, see {folder / 'again.log'}")
    return figures | one_job(tree, folder)


def turn(
    tree: Path, folder: Path, number: int, baseline_studies: int, program: Path | None, archive: Path | None
) -> dict[str, Any]:
    """One round: copy, floor, workflow, the same from a ZIP, and baseline, all with their sources in the page cache."""
    into_memory(tree)
    figures: dict[str, Any] = {"copy": copy_halves(tree, folder / f"copy-{number}").as_dict()}
    figures["copy_sync"] = sync(folder)
    if program:
        into_memory(tree)
        figures["floor"] = floor(program, tree, folder / f"floor-{number}").as_dict()
    into_memory(tree)
    command = workflow(tree, folder / f"work-{number}")
    figures["workflow"] = run(command, log=folder / f"work-{number}.log").as_dict()
    if archive:
        figures |= from_zip(tree, archive, folder, number)
    usual = [PYTHON, HERE / "baseline.py", tree, folder / f"baseline-{number}", f"--studies={baseline_studies}"]
    seconds = subprocess.run([str(c) for c in usual], check=True, capture_output=True, text=True).stdout
    figures["baseline_rate"] = baseline_studies / float(seconds)
    return figures


def from_zip(tree: Path, archive: Path, folder: Path, number: int) -> dict[str, Any]:
    """`unzip` of a ZIP alone, and the whole way from the ZIP to checked DICOMs and the result CSV."""
    figures = {}
    run(["cat", archive])  # into the page cache
    figures["unzip"] = run(["unzip", "-q", archive, "-d", folder / f"unzip-{number}"]).as_dict()
    run(["cat", archive])
    command = workflow(tree, folder / f"zip-{number}", "--config", f"wfdb_dir={archive}")
    figures["from_zip"] = run(command, log=folder / f"zip-{number}.log").as_dict()
    return figures


def one_job(tree: Path, folder: Path) -> dict[str, Any]:
    """A batch job by itself, and what of it is its start; the least of five each."""
    into_memory(tree)
    batch, studies = min((batch_job(folder / "work-0", f"alone-{n}") for n in range(5)), key=lambda job: job[0].cpu)
    start = start_up(tree, folder)
    conversion = (batch.cpu - start.cpu) / (studies - 1) * 1000
    return {"batch": batch.as_dict(), "start_up": start.as_dict(), "conversion_ms": conversion}


def table_of(figures: dict[str, Any], n: int, head: str) -> str:
    """The figures in Markdown."""
    wall = {name: figures[name]["wall"] for name in ("workflow", "copy", "cold", "cold_copy", "again", "start_up")}

    def rate(name: str) -> str:
        return f"{wall[name]:.1f} s, {n / wall[name]:.0f} studies/s, {n * SIZE / 1e6 / wall[name]:.0f} MB/s"

    def copied(name: str) -> str:
        return f"{wall[name]:.1f} s (and {figures[name + '_sync']:.1f} s to sync)"

    def ratio(ours: str, copy: str) -> str:
        synced = wall[copy] + figures[copy + "_sync"]
        return f"{wall[ours] / wall[copy]:.2f} × (with both synced {wall[ours] / synced:.2f} ×)"

    usual = figures["baseline_rate"]
    rows = [
        ("(a) the workflow, 2 cores, from CSV to CSV", rate("workflow")),
        ("(b) wfdb + pydicom, 2 processes", f"{usual:.0f} studies/s"),
        ("(c) two cp -r, each of half of the tree", copied("copy")),
        ("(a) : (b), rate", f"{n / wall['workflow'] / usual:.1f} ×"),
        ("(a) : (c), time", ratio("workflow", "copy")),
        *(
            [
                ("(d) the floor: a program in C that does the least that must be done, 2 processes", f"{least:.1f} s"),
                ("(a) : (d), time", f"{wall['workflow'] / least:.2f} ×"),
            ]
            if (least := figures.get("floor", {}).get("wall"))
            else []
        ),
        *(
            [
                ("(e) the workflow from the ZIP, nothing unpacked", f"{figures['from_zip']['wall']:.1f} s"),
                ("(f) unzip -q of it alone", f"{figures['unzip']['wall']:.1f} s"),
                ("(e) : (f), time", f"{figures['from_zip']['wall'] / figures['unzip']['wall']:.2f} ×"),
            ]
            if "from_zip" in figures
            else []
        ),
        ("the same from the disk, nothing in the page cache: (a)", rate("cold")),
        ("… (c)", copied("cold_copy")),
        ("… (a) : (c), time", ratio("cold", "cold_copy")),
        ("conversion itself, CPU per study", f"{figures['conversion_ms']:.2f} ms"),
        ("start-up of a batch job", f"{wall['start_up']:.2f} s"),
        ("peak memory of a convert job", f"{figures['batch']['main_peak_mb']:.0f} MB"),
        ("second run, nothing changed", f"{wall['again']:.1f} s"),
    ]
    each = {name: ", ".join(f"{turn[name]:.1f}" for turn in figures["turns"]) for name in figures["turns"][0]}
    rounds = f"(a) {each['workflow']} s; (b) {each['baseline_rate']} studies/s; (c) {each['copy']} s"
    rows.append(("rounds of them, the best of which counts above", rounds))
    return "\n".join([head, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="of copy, workflow and baseline")
    parser.add_argument("--baseline-studies", type=int, default=1_000)
    parser.add_argument("--dir", type=Path, default=ROOT / "bench")
    parser.add_argument("--json", type=Path, help="default: tests/bench/figures/size-<studies>.json")
    args = parser.parse_args()
    load, n = os.getloadavg()[0], args.studies
    tree = make_tree(args.dir.resolve(), n, 5000)
    folder = args.dir.resolve() / f"run-{os.getpid()}"
    figures = measure(tree, folder, args.baseline_studies, args.rounds)
    size = f"{n:,} studies of real size, {n * SIZE / 1e9:.1f} GB in and as much out"
    table = table_of(figures, n, f"{size}; {machine()}; load before {load:.1f}")
    print(table)
    file = args.json or HERE / f"figures/size-{n}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"table": table, "machine": machine(), "studies": n, **figures}, indent=1) + "\n")
    shutil.rmtree(folder)  # may take longer than all before


if __name__ == "__main__":
    main()
