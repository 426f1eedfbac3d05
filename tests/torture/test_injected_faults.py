"""System calls fail at random, in Snakemake and all of its jobs: errors, short reads and short writes."""

import os
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from faults.helpers import ENVIRONMENT, Work, in_folder

from .campaign import SEED, amount, assert_ends_like, assert_nothing_wrong, begin_again

FAULTS = amount(30, "WFDB2DICOM_TORTURE_CALLS", 5000)
# Errors end most jobs soon, so that one call in thousands fails; what is short is only continued.
MIXTURES = (
    (1000, "EIO,ESTALE,ENOSPC,EINTR,EAGAIN,ENOLCK,short"),
    (20, "short,EINTR"),
    (200, "EINTR,ENOLCK,short"),
    (400, "EIO,ESTALE"),
    (1500, "ENOSPC,EAGAIN"),
)


@pytest.mark.long
def test_runs_whose_system_calls_fail_at_random_end_like_one_undisturbed(
    work: Work, calm: Work, faulty_calls: Path, tmp_path: Path
) -> None:
    print(f"WFDB2DICOM_SEED={SEED}")
    chance = random.Random(SEED)
    log = tmp_path / "faults.log"
    log.touch()
    runs = good = 0
    while (found := _faults(log)).total() < FAULTS:
        rate, kinds = MIXTURES[runs % len(MIXTURES)]
        environment = ENVIRONMENT | {
            "LD_PRELOAD": str(faulty_calls),
            "TORTURE_ROOTS": ":".join(str(work.folder / name) for name in ("wfdb", "results", "dicom")),
            "TORTURE_RATE": str(rate),
            "TORTURE_KINDS": kinds,
            "TORTURE_SEED": str(chance.randrange(10**9)),
            "TORTURE_LOG": str(log),
        }
        with open(tmp_path / "output", "a") as output:
            process = subprocess.Popen(work.command(), cwd=work.folder, env=environment, stdout=output, stderr=output)
            try:
                status = process.wait(timeout=300)
            finally:
                for pid in in_folder(work.folder):
                    os.kill(pid, signal.SIGKILL)
        runs, good = runs + 1, good + (status == 0)
        assert_nothing_wrong(work, calm)
        if status == 0:
            begin_again(work, chance)
    print(f"{found.total()} faults in {runs} runs, {good} of which ended well: {dict(found)}")
    assert_ends_like(work, calm)


def _faults(log: Path) -> Counter[str]:
    return Counter(" ".join(line.split(" ", 2)[:2]) for line in log.read_text(errors="replace").splitlines())
