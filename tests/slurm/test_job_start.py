"""What a batch job costs before it converts: Snakemake starts twice in it, whatever the size of the data set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, Work

pytestmark = [pytest.mark.slurm, pytest.mark.workflow, pytest.mark.slow, pytest.mark.long]

BATCH = "001-000"
MIMIC = 800_035
# Stands in for Slurm's: drops its own options and runs the rest.
SRUN = '#!/bin/sh\nwhile case "$1" in -*) ;; *) false;; esac; do shift; done\nexec "$@"\n'


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Ten studies, planned and converted."""
    folder = tmp_path_factory.mktemp("start")
    maker = ROOT / "tests/bench/tree.py"
    subprocess.run([sys.executable, maker, folder / "tree", "--studies=10", "--samples=250"], check=True)
    csv, measurements = "tree/record_list.csv", "tree/machine_measurements.csv"
    work = Work(folder, {"input_csv": csv, "wfdb_dir": "tree", "metadata": measurements})
    work.run()
    srun = folder / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(0o755)
    return work


def batch_job(work: Work) -> tuple[float, int]:
    """Run one batch as a job on a node does; CPU seconds of all its processes and MB of the largest."""
    receipt = work.folder / f"results/receipts/{BATCH}.tsv"
    receipt.unlink()
    common = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "mine.yaml", "--cores", "all", "--force"]
    remote = ["--mode", "remote", "--executor", "slurm-jobstep", "--jobs", "1", "--no-hooks", "--nolock"]
    target = ["--target-jobs", f"convert:batch={BATCH}", "--allowed-rules", "convert"]
    environment = os.environ | {"PATH": f"{work.folder / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "1"}
    with (work.folder / "job").open("w") as output:
        command = [sys.executable, "-m", "snakemake", *common, *remote, *target]
        job = subprocess.Popen(command, cwd=work.folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(job.pid, 0)
        job.returncode = os.waitstatus_to_exitcode(status)
    assert job.returncode == 0, (work.folder / "job").read_text()
    assert receipt.exists()
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def grow_to_mimic(csv: Path) -> None:
    """Put the other studies of MIMIC-IV-ECG behind those of a CSV."""
    lines = csv.read_text().splitlines()
    with csv.open("a") as stream:
        for n in range(MIMIC - len(lines) + 1):
            path = f"files/p9999/p{99_000_000 + n}/s{90_000_000 + n}/{90_000_000 + n}"
            stream.write(f"{99_000_000 + n},{90_000_000 + n},{90_000_000 + n},2180-07-23 08:44:00,{path}\n")


def test_time_and_memory_are_those_of_ten_rows_for_all_of_mimic(work: Work) -> None:
    few = min(batch_job(work) for _ in range(2))
    grow_to_mimic(work.folder / "tree/record_list.csv")
    many = min(batch_job(work) for _ in range(2))
    for name, (seconds, megabytes) in (("10 rows", few), (f"{MIMIC} rows", many)):
        print(f"a batch job, {name}: {seconds:.2f} s CPU, largest process {megabytes} MB")
    # Reading the CSV would cost more than a second and 100 MB, twice.
    assert many[0] < 1.3 * few[0]
    assert many[1] < 1.1 * few[1]


def test_a_batch_job_needs_neither_the_csv_nor_the_measurements(work: Work) -> None:
    for name in ("record_list.csv", "machine_measurements.csv"):
        (work.folder / "tree" / name).unlink()
    batch_job(work)
