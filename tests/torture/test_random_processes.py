"""Any process of a run is killed, stopped, continued or terminated at a random moment, again and again."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from faults.helpers import Work, in_folder, wait_until

from .campaign import LONG, SEED, amount, assert_ends_like, assert_nothing_wrong, begin_again

FAULTS = amount(5, "WFDB2DICOM_TORTURE_KILLS", 1000)
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT)
ROLES = ("convert-batch", "plan", "aggregate", "report", "gate")
PATIENCE = 20.0 if LONG else 8.0  # seconds that a run with a stopped process may take before it is ended


@pytest.mark.long
def test_a_run_whose_processes_are_hit_at_random_ends_like_one_undisturbed(
    work: Work, calm: Work, tmp_path: Path
) -> None:
    print(f"WFDB2DICOM_SEED={SEED}")
    chance = random.Random(SEED)
    hits: Counter[str] = Counter()
    with open(tmp_path / "output", "a") as output:
        while hits.total() < FAULTS:
            process = work.start_quietly(output)
            begin = time.monotonic()
            while process.poll() is None and hits.total() < FAULTS and time.monotonic() - begin < PATIENCE:
                wanted = chance.choice((*ROLES, "convert-batch", "snakemake", "shell"))
                if victims := _wait_for(work, wanted):
                    time.sleep(chance.random() * (4 if wanted == "snakemake" else 0.2))
                    pid = chance.choice(victims)
                    number = chance.choice(SIGNALS)
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                        hits[f"{number.name} {wanted}"] += 1
            if chance.random() < 0.5:  # the others outlive the run, and continue during the next one
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                    hits["SIGKILL snakemake"] += 1
                for pid in in_folder(work.folder):
                    if chance.random() < 0.5:
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGCONT)
                            hits["SIGCONT"] += 1
            else:
                _end(work)
                process.wait()
            assert_nothing_wrong(work, calm)
            if process.returncode == 0:
                begin_again(work, chance)
    print(f"{hits.total()} signals: {dict(hits)}")
    _end(work)
    assert_ends_like(work, calm)


def _wait_for(work: Work, role: str) -> list[int]:
    """The processes of a role, once there are some: jobs live for some tenths of a second only."""
    end = time.monotonic() + 6
    found = _by_role(work)
    while found and role not in found and time.monotonic() < end:
        time.sleep(0.01)
        found = _by_role(work)
    return found.get(role, [])


def _by_role(work: Work) -> dict[str, list[int]]:
    """Processes by what they do, so that the few that convert are hit as often as those that wait for them."""
    found: dict[str, list[int]] = {}
    for pid, command in sorted(in_folder(work.folder).items()):
        words = command.split()
        role = next((name for name in ROLES if name in words), "snakemake" if "snakemake" in words else "shell")
        found.setdefault(role, []).append(pid)
    return found


def _end(work: Work) -> None:
    """Kill what is left of a run, stopped or not."""
    for pid in in_folder(work.folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not in_folder(work.folder))
