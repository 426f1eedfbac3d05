"""What a run shows where nothing is asked for: stages, warnings, failures and the summary, in a few lines."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finished_run import Run
from small_tree import FIRST
from working_folder import ROOT, SNAKEMAKE, run_to_end

from .conftest import STUDIES, Work

pytestmark = pytest.mark.workflow
PROFILE = "Using workflow specific profile"  # Snakemake says so before it reads the workflow


def run_plainly(work: Work, *arguments: str, **config: object) -> Run:
    """A run without the switch that brings Snakemake's own messages back."""
    return run_to_end([part for part in work.command(*arguments, **config) if part != "-p"], work.folder)


def lines(run: Run) -> list[str]:
    return [line for line in run.output.splitlines() if line and not line.startswith(PROFILE)]


def forget(work: Work) -> None:
    for name in ("results", "logs", ".snakemake", "dicom"):
        shutil.rmtree(work.folder / name, ignore_errors=True)


def test_a_run_is_a_line_per_stage_and_ends_with_its_summary(work: Work) -> None:
    forget(work)
    run = run_plainly(work, studies_per_job=1)  # 24 jobs
    assert run.status == 0 and len(lines(run)) <= 25, run.output
    assert lines(run)[0] == "plan: 24 studies, 24 batches"
    assert lines(run)[-1] == "report: results/report/index.html"
    (log,) = (work.folder / ".snakemake/log").glob("*.log")
    assert "Finished jobid: 0" in log.read_text() and "rule aggregate:" in log.read_text()


def test_nothing_to_do_says_what_is_up_to_date_and_where_it_is(work: Work) -> None:
    run = run_plainly(work)
    assert lines(run) == [
        "nothing to do: all 24 studies are up to date but 2, which failed and would fail again (retry_failed)",
        "table: results/studies.with_dcm.csv",
        "report: results/report/index.html",
    ]


@pytest.mark.long
def test_many_failed_jobs_are_some_lines_without_a_traceback(work: Work) -> None:
    forget(work)
    for study in range(FIRST, FIRST + STUDIES):
        (work.folder / f"results/receipts/.{study}.tsv.tmp").mkdir(parents=True)
    run = run_plainly(work, studies_per_job=1)
    assert run.status == 1 and len(lines(run)) <= 40, run.output
    assert "  error: cannot write " in run.output and "and 16 more failed jobs: see logs/" in run.output
    assert "Traceback" not in run.output and "CalledProcessError" not in run.output
    assert lines(run)[-1] == "failed: fix what is named above and run the same command; finished work is kept"


def test_a_folder_that_cannot_be_written_is_found_once_when_the_run_starts(work: Work) -> None:
    forget(work)
    (work.folder / "in the way").touch()
    run = run_plainly(work, dcm_dir="in the way/dicom")
    assert run.status == 1 and len(lines(run)) == 1, run.output
    assert (
        f"error: dcm_dir: cannot write into {str(work.folder / 'in the way/dicom')!r} (Not a directory): " in run.output
    )
    assert not (work.folder / "results/plan").exists()


def test_an_interrupt_is_five_lines_and_the_same_command_resumes(work: Work) -> None:
    forget(work)
    options = [part for part in work.command(studies_per_job=1)[len(SNAKEMAKE) :] if part != "-p"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/wfdb2dicom"), "run", *options],
        cwd=work.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while not any((work.folder / "results/receipts").glob("*.tsv")) and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    told = lines(Run(process.returncode, output[output.index("interrupting") :]))
    assert process.returncode == 130 and len(told) <= 5 and told[-1] == "interrupted: run the same command to resume"
    assert "Traceback" not in output
    assert run_plainly(work, studies_per_job=1).status == 0


def test_all_of_snakemake_comes_back_when_asked_for(work: Work, tmp_path: Path) -> None:
    work.dicom(40_000_000).unlink()
    run = work.run()
    assert "Job stats:" in run.output and len(run.batches) == 1


@pytest.mark.long
def test_the_command_of_its_own_needs_no_home_and_takes_a_target_behind_the_configuration(work: Work) -> None:
    work.command()  # writes mine.yaml
    command = [sys.executable, str(ROOT / "scripts/wfdb2dicom"), "run", "--directory", work.folder.name]
    command += ["--cores", "2", "--configfile", f"{work.folder.name}/mine.yaml", "results/gate.txt"]
    command += ["--config", "max_failed=0.5", "results/report/index.html"]
    (work.folder / "results/gate.txt").unlink()
    done = run_to_end(["env", "HOME=/proc/nowhere", *command], work.folder.parent)
    assert done.status == 0 and "Traceback" not in done.output, done.output
    assert PROFILE not in done.output
    assert f"\ntable: {work.folder.name}/results/studies.with_dcm.csv\n" in done.output
    assert f"\nreport: {work.folder.name}/results/report/index.html\n" in done.output
