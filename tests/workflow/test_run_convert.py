"""The command line of mimic-iv-ecg-to-dcm."""

import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path
from runpy import run_path

import pytest

from finished_run import Run
from small_tree import FIRST
from wfdb2dicom.batches.plan import LARGEST_BATCH, batch_count
from working_folder import ROOT, run_to_end

from .conftest import CORRUPT, TRUNCATED, Work, changed

pytestmark = pytest.mark.workflow


@pytest.fixture
def fresh(work: Work) -> Work:
    """The tree without anything converted, and the first eight of its studies."""
    for name in ("results", "logs", ".snakemake", "dicom"):
        shutil.rmtree(work.folder / name)
    tree = work.tree
    tree.studies = tree.studies[:8]
    tree.write_csvs()
    return work


COMMAND = [sys.executable, str(ROOT / "scripts/run_convert.py"), "--input_csv", "wfdb/record_list.csv"]
COMMAND += ["--output_csv", "out/table.csv", "--wfdb_dir", "wfdb", "--dcm_dir", "dicom"]
COMMAND += ["--df_info_pkl", "wfdb/machine_measurements.csv", "--workers", "2"]


def run_convert(folder: Path, *arguments: str) -> Run:
    return run_to_end([*COMMAND, *arguments], folder)


def test_it_converts_resumes_and_overwrites(fresh: Work) -> None:
    run = run_convert(fresh.folder, "--checkpoint", "4", "--dcm_path_col", "dicom", "--error_col", "why")
    assert run.status == 0, run.output  # a study that fails is a row of the table
    assert len(list((fresh.folder / "out/table.wfdb2dicom/results/receipts").glob("*.tsv"))) == 2
    with open(fresh.folder / "out/table.csv", newline="") as stream:
        rows = {int(row["study_id"]): row for row in csv.DictReader(stream)}
    assert {study for study, row in rows.items() if row["why"]} == {TRUNCATED, CORRUPT}
    assert Path(rows[FIRST]["dicom"]) == fresh.dicom(FIRST)
    assert len((fresh.folder / "out/table.errors.log").read_text().splitlines()) == 1 + 2
    assert {path.name for path in (fresh.folder / "out").iterdir()} == {
        "table.csv",
        "table.errors.log",
        "table.wfdb2dicom",
    }
    assert not (fresh.folder / "results").exists()

    before = fresh.dicoms()
    again = run_convert(fresh.folder, "--checkpoint", "4", "--dcm_path_col", "dicom", "--error_col", "why")
    assert again.nothing_done

    # From the ZIP of the tree, with the tables that are in it.
    shutil.make_archive(str(fresh.folder / "data"), "zip", fresh.folder / "wfdb")
    tables = ("--input_csv", "record_list.csv", "--df_info_pkl", "machine_measurements.csv", "--wfdb_dir", "data.zip")
    more = run_convert(fresh.folder, *tables, "--overwrite", "--error_log", "out/failures.txt")
    assert more.status == 0, more.output
    assert changed(before, fresh.dicoms()) == set(before)
    assert {name: content for name, (_, _, content) in fresh.dicoms().items()} == {
        name: content for name, (_, _, content) in before.items()
    }
    assert (fresh.folder / "out/failures.txt").exists()


def test_another_error_log_is_written_without_converting_again(fresh: Work) -> None:
    run_convert(fresh.folder)
    before = fresh.dicoms()
    assert run_convert(fresh.folder, "--error_log", "out/other.log").status == 0
    assert (fresh.folder / "out/other.log").exists()
    assert fresh.dicoms() == before


def test_who_ends_it_ends_the_run(fresh: Work) -> None:
    process = subprocess.Popen(COMMAND, cwd=fresh.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not any((fresh.folder / "out/table.wfdb2dicom/.snakemake/log").glob("*.log")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    process.terminate()
    assert process.wait(60) != 0
    assert not (fresh.folder / "out/table.csv").exists()


@pytest.mark.parametrize(
    ("checkpoint", "workers", "studies", "batches", "threads"),
    [
        (2000, 4, 8000, 16, 1),  # batches of 2000 would keep four cores busy at most
        (2000, 64, 8000, 16, 4),
        (2000, 17, 8000, 16, 2),
        (2000, 4, 1000, 2, 1),  # more jobs would take longer to start than to convert
        (2000, 4, 500, 1, 1),
        (2000, 4, 800_035, 512, 1),
        (100, 4, 2000, 32, 1),
        (0, 4, 800_035, 256, 1),
        (4, 8, 8, 2, 1),
        (1, 8, 8, 0, 1),  # a batch a study
    ],
)
def test_checkpoint_limits_the_studies_of_a_job_and_leaves_no_worker_idle(
    checkpoint: int, workers: int, studies: int, batches: int, threads: int
) -> None:
    options = run_path(str(ROOT / "scripts/run_convert.py"))["jobs"](checkpoint, workers)
    per_job, largest = options["studies_per_job"], options.get("max_studies_per_job", LARGEST_BATCH)
    assert batch_count(studies, per_job, largest) == batches
    assert options.get("threads_per_job", 1) == threads


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "0"], "--workers 0: give a number from 1"),
        (["--checkpoint", "-1"], "--checkpoint -1: give a number from 0"),
        (["--wfdb_dir", "none"], "wfdb_dir: "),
    ],
)
def test_what_cannot_be_run_is_an_error(fresh: Work, arguments: list[str], words: str) -> None:
    run = run_convert(fresh.folder, *arguments)
    assert run.status != 0
    assert words in run.output
