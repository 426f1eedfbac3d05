"""Snakemake's limit of starts a second costs more the more jobs there are: on one machine it is lifted."""

import subprocess
import sys
from pathlib import Path

import pytest

# Snakemake as its command starts it, saying so when it plans to look for jobs once more because of the limit.
TELLING = """
import sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler
JobScheduler._schedule_reevalutation = lambda self, delay: print("looks again")
main(sys.argv[1:])
"""


@pytest.mark.workflow
def test_a_run_on_one_machine_has_no_limit_of_starts(project: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TELLING, "--snakefile", str(project / "Snakefile"), "--cores", "2"]
    (tmp_path / "work").mkdir()
    (tmp_path / "tests").symlink_to(project / "tests")  # the demo's paths are relative to a folder beside it
    command += ["--configfile", str(project / "tests/data/demo/config.yaml"), "--directory", str(tmp_path / "work")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "work/results/gate.txt").exists()
    assert "looks again" not in done.stdout
