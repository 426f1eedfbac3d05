"""System calls fail at random, in Snakemake and all of its jobs: errors, short reads and short writes."""

import os
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from faults.helpers import ENVIRONMENT, Work, in_folder

from .campaign import HANGS, SEED, Calm, Progress, amount, assert_ends_like, assert_nothing_wrong, begin_again

FAULTS = amount(30, "WFDB2DICOM_TORTURE_CALLS", 5000) // 2  # from a folder, and as many from a ZIP
# Of how many calls one fails, and how. An error costs a study or ends a job; what is short is only continued.
MIXTURES = (
    (300, "EIO,ESTALE,ENOSPC,EINTR,EAGAIN,ENOLCK,short"),
    (100, "short,EINTR"),
    (200, "EINTR,ENOLCK,short"),
    (200, "EIO,ESTALE"),
    (400, "ENOSPC,EAGAIN"),
)


@pytest.mark.long
def test_runs_whose_system_calls_fail_at_random_end_like_one_undisturbed(
    work: Work, calm: Calm, faulty_calls: Path, tmp_path: Path
) -> None:
    progress = Progress(f"failing calls, {work.config['wfdb_dir']}", FAULTS)
    chance = random.Random(f"{SEED} {work.config['wfdb_dir']}")
    log = tmp_path / "faults.log"
    log.touch()
    runs = good = 0
    while (found := _faults(log)).total() < FAULTS:
        rate, kinds = MIXTURES[runs % len(MIXTURES)]
        environment = ENVIRONMENT | {
            "LD_PRELOAD": str(faulty_calls),
            "TORTURE_ROOTS": ":".join(str(work.folder / name) for name in ("wfdb", "wfdb.zip", "results", "dicom")),
            "TORTURE_RATE": str(rate),
            "TORTURE_KINDS": kinds,
            "TORTURE_SEED": str(chance.randrange(10**9)),
            "TORTURE_LOG": str(log),
        }
        command = work.command(*["--keep-going"] * (chance.random() < 0.7))  # other batches meet faults of their own
        with open(tmp_path / "output", "a") as output:
            process = subprocess.Popen(command, cwd=work.folder, env=environment, stdout=output, stderr=output)
            try:
                status = process.wait(timeout=HANGS)
            finally:
                for pid in in_folder(work.folder):
                    os.kill(pid, signal.SIGKILL)
        runs, good = runs + 1, good + (status == 0)
        assert_nothing_wrong(work, calm, status)
        progress.tell(found, f" in {runs} runs, {good} of which ended well")
        begin_again(work, chance, finished=status == 0)
    assert_ends_like(work, calm)
    progress.tell(found, f" in {runs} runs, {good} of which ended well", last=True)


def _faults(log: Path) -> Counter[str]:
    """How many there were, by call and fault."""
    return Counter(" ".join(line.split(" ", 2)[:2]) for line in log.read_text(errors="replace").splitlines())
