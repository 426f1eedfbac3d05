"""Limits that are kept, and what may stand in a log."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from small_tree import header_text, subject_of, write
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches import tables
from wfdb2dicom.records import stamps

from .helpers import ENVIRONMENT, Work, batch_command, convert, make_plan, make_tree, outcomes, write_csv

MEGABYTE = 1 << 20
LIMIT = 300  # MB of a convert job, whatever its number of studies


def peak(command: list[str]) -> float:
    """Megabytes of the largest process of a command."""
    code = (
        "import resource, subprocess, sys; status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024 / MEGABYTE


def plan_of(folder: Path, count: int) -> None:
    """Many studies of one record: hard links are made quickly."""
    samples = np.random.default_rng(1).integers(-500, 500, (250, 12)).astype("<i2")
    write(folder / "wfdb/ecg.hea", header_text("ecg", samples))
    write(folder / "wfdb/ecg.dat", samples.tobytes())
    seen = stamps.record_stamps(str(folder / "wfdb/ecg"))
    values = Acquisition(subject_id="10000000").to_json()
    rows = []
    for n in range(count):
        os.link(folder / "wfdb/ecg.hea", folder / f"wfdb/r{n}.hea")
        rows.append(tables.PlanRow(f"r{n}", "10000000", f"r{n}", f"{n % 100}/r{n}.dcm", seen, values, ""))
    options = {"wfdb_dir": str(folder / "wfdb"), "dcm_dir": str(folder / "dicom")}
    tables.write_plan(folder / "results/plan/001-000.tsv", options, rows)


@pytest.mark.slow
def test_a_jobs_memory_hardly_grows_with_the_number_of_its_studies(tmp_path: Path) -> None:
    """A worker's not at all; the table of the batch that the supervisor holds takes some 3 kB a study."""
    used = {}
    for count in (100, 20_000):
        folder = tmp_path / str(count)
        plan_of(folder, count)
        used[count] = peak(batch_command(folder))
        assert len(outcomes(folder)) == count
    print(f"convert job: {used[100]:.0f} MB for 100 studies, {used[20_000]:.0f} MB for 20,000")
    assert used[20_000] < LIMIT
    assert used[20_000] - used[100] < 100


SECRET = re.compile(r"p?1000\d{4}|Miller|\b1\d{7}\b")


@pytest.mark.workflow
def test_no_line_of_log_or_screen_names_a_patient(tmp_path: Path) -> None:
    work = Work(tmp_path / "work", {"studies_per_job": 4, "max_failed": 0.1})
    tree = make_tree(work.folder / "wfdb", 12)
    rows = [line.split(",") for line in (tree / "record_list.csv").read_text().splitlines()]
    rows[1][0] = "10009999"  # not that of the header, nor of the path
    rows[2][0] = "Miller"
    rows[3][-1] = f"files/p1000/p{subject_of(40_000_002)}/s40000002/none"
    rows[4][-1] = "../p10000000/x"
    for name in ("40000004.dat", "40000005.dat"):
        next(tree.rglob(name)).write_bytes(b"short")
    next(tree.rglob("40000006.hea")).write_text("nonsense of p10000001\n")
    header = next(tree.rglob("40000007.hea"))
    header.write_text(header.read_text().replace(str(subject_of(40_000_007)), "10008888"))
    write_csv(tree / "record_list.csv", rows)
    output = work.run(status=1).output
    logs = {str(p): p.read_text(errors="replace") for p in (work.folder / "logs").rglob("*") if p.is_file()}
    logs["the screen"] = output
    for name, text in logs.items():
        assert not SECRET.findall(text), (name, SECRET.findall(text), text[:3000])
    assert len(work.errors()) == 8
    assert "such as study 4000000" in output  # and yet it says which study, and why


@pytest.mark.workflow
def test_neither_does_a_finding_of_validate(tmp_path: Path) -> None:
    work = Work(tmp_path / "work", {"studies_per_job": 4, "watch_sources": False})
    make_tree(work.folder / "wfdb", 4)
    work.run()
    dicom = next((work.folder / "dicom").rglob("*.dcm"))
    content = bytearray(dicom.read_bytes())
    content[content.index(b"UCUM")] = ord("X")  # another coding scheme
    dicom.write_bytes(content)
    said = work.run("validate", status=1).output
    assert "1 has findings" in said and "for example study 4000000" in said
    for text in (said, *(p.read_text() for p in (work.folder / "logs").rglob("*.log"))):
        assert not SECRET.findall(text), text


def test_neither_does_a_job_that_cannot_write(tmp_path: Path) -> None:
    make_plan(tmp_path)
    run = convert(tmp_path, status=1, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
    assert "error: cannot write '40000000.dcm': File too large" in run.output
    assert not SECRET.findall(run.output)
