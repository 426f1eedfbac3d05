"""Small WFDB trees, real Snakemake runs and real batch jobs on them, and what they leave behind."""

import csv
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finished_run import Run
from small_tree import add_study, studies, study_path, subject_of
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches import plan, tables
from wfdb2dicom.batches.freshness import Policy
from wfdb2dicom.records import stamps
from working_folder import ROOT, WorkingFolder

SCRIPTS = ROOT / "scripts"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SCRIPTS)}


def make_tree(tree: Path, count: int, samples: int = 250) -> Path:
    """A tree of `count` studies in MIMIC-IV-ECG's layout, with its record_list.csv."""
    for study in studies(count):
        add_study(tree, study, samples=samples)
    rows = [["subject_id", "study_id", "file_name", "ecg_time", "path"]]
    rows += [[subject_of(s), s, s, "2180-07-23 08:44:00", study_path(s)] for s in studies(count)]
    write_csv(tree / "record_list.csv", rows)
    return tree


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


@dataclass
class Work(WorkingFolder):
    """The tree is ``wfdb`` unless the configuration says another, and studies may fail."""

    def __post_init__(self) -> None:
        self.config = {"input_csv": "wfdb/record_list.csv", "wfdb_dir": "wfdb", "max_failed": 1.0} | self.config


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and modification time of every DICOM: what tells whether a file was written again."""
    return {str(p.relative_to(folder)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*.dcm"))}


def litter(folder: Path) -> list[str]:
    """Temporary files that somebody left behind; what is Snakemake's own does not count."""
    found = [p for top in ("dicom", "results") for p in (folder / top).rglob("*") if p.is_file()]
    return [str(p) for p in found if p.suffix in (".part", ".tmp") or (p.suffix != ".dcm" and "dicom" in p.parts)]


def make_plan(folder: Path, count: int = 8, samples: int = 250, **options: object) -> Path:
    """A tree below `folder`/wfdb, and a plan file as `plan` writes it: what a convert job is given."""
    rows = []
    for study in studies(count):
        stem = add_study(folder / "wfdb", study, samples=samples)
        values = Acquisition(subject_id=str(subject_of(study)), study_id=str(study)).to_json()
        name = study_path(study)
        rows.append(
            tables.PlanRow(
                str(study), str(subject_of(study)), name, f"{name}.dcm", stamps.record_stamps(str(stem)), values, ""
            )
        )
    plan = folder / "results/plan/001-000.tsv"
    tables.write_plan(plan, {"wfdb_dir": str(folder / "wfdb"), "dcm_dir": str(folder / "dicom")} | options, rows)
    return plan


def batch_command(folder: Path, *arguments: str) -> list[str]:
    """The command of the convert job of `make_plan`."""
    plan, receipt = folder / "results/plan/001-000.tsv", folder / "results/receipts/001-000.tsv"
    return [sys.executable, str(SCRIPTS / "wfdb2dicom"), "convert-batch", *arguments, str(plan), str(receipt)]


def run_command(command: Sequence[str], before: Callable[[], None] | None = None, **more: object) -> Run:
    done = subprocess.run(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=ENVIRONMENT,
        preexec_fn=before,
        timeout=120,
        **more,  # type: ignore[call-overload]
    )
    return Run(done.returncode, done.stdout)


def convert(folder: Path, *arguments: str, status: int = 0, before: Callable[[], None] | None = None) -> Run:
    """Run the convert job of `make_plan` as Snakemake does."""
    run = run_command(batch_command(folder, *arguments), before)
    assert run.status == status, run.output
    return run


def convert_again(folder: Path, before: Callable[[], None] | None = None) -> Run:
    """The same once more, with what the plan would hand to the job from its receipt."""
    wfdb_dir, (_, rows) = str(folder / "wfdb"), tables.read_plan(folder / "results/plan/001-000.tsv")
    done = {row.study_id: row for row in tables.read_receipt(receipt_of(folder))}
    known = folder / "results/plan/known_failures/001-000.tsv"
    tables.write_receipt(known, plan.known_failures(rows, done, wfdb_dir, Policy()))
    return convert(folder, f"--known-failures={known}", before=before)


def receipt_of(folder: Path) -> Path:
    return folder / "results/receipts/001-000.tsv"


def outcomes(folder: Path) -> dict[str, str]:
    """Study → status, or the error of a failed one."""
    return {row.study_id: row.error or row.status for row in tables.read_receipt(receipt_of(folder))}


def counts(run: Run) -> tuple[int, int, int]:
    """Converted, up to date and failed of a convert job's line."""
    found = re.search(r"(\d+) converted, (\d+) up to date, (\d+) failed", run.output)
    assert found, run.output
    return int(found[1]), int(found[2]), int(found[3])


def in_folder(folder: Path) -> dict[int, str]:
    """Process id and command of the processes that work in a folder. (It is called often, so it has to be fast.)"""
    found = {}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def manifest(folder: Path) -> list[dict[str, object]]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(folder / "results/manifest.parquet").to_pylist()
