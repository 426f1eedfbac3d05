"""Any process of a run is killed, stopped, continued or terminated at a random moment, again and again.

Processes that outlive their run are hit on, or continued, during the next one, which may have other options.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from faults.helpers import Work, in_folder, wait_until

from .campaign import HANGS, SEED, Calm, Progress, amount, assert_ends_like, assert_nothing_wrong, begin_again

SIGNALS = amount(6, "WFDB2DICOM_TORTURE_KILLS", 1000) // 2  # from a folder, and as many from a ZIP
TO_RUNNING = (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT)
TO_STOPPED = (signal.SIGCONT, signal.SIGCONT, signal.SIGKILL)
COMMANDS = ("convert-batch", "plan", "aggregate", "report", "gate")
AIMS = ("", "convert-batch", *COMMANDS)  # a run is left alone until there is such a process: each stage is to be met
PAUSES = (0.1, 0.3, 0.3, 1.0, 5.0)  # seconds between signals at most: a run has one of them


@pytest.mark.long
def test_a_run_whose_processes_are_hit_at_random_ends_like_one_undisturbed(
    work: Work, calm: Calm, tmp_path: Path
) -> None:
    progress = Progress(f"signals, {work.config['wfdb_dir']}", SIGNALS)
    chance = random.Random(f"{SEED} {work.config['wfdb_dir']}")
    sent: Counter[str] = Counter()
    runs = good = 0
    with open(tmp_path / "output", "a") as output:
        while sent.total() < SIGNALS:
            command = work.command(*["--keep-going"] * (chance.random() < 0.5))
            process = subprocess.Popen(command, cwd=work.folder, stdout=output, stderr=output)
            _disturb(work, process, chance, sent)
            process.kill()
            status = process.wait()
            if chance.random() < 0.4:  # else what is left of it lives on while the next run begins
                _end(work)
            runs, good = runs + 1, good + (status == 0)
            assert_nothing_wrong(work, calm, status)
            progress.tell(sent, f" in {runs} runs, {good} of which ended well")
            begin_again(work, chance, finished=status == 0)
    _end(work)
    assert_ends_like(work, calm)
    progress.tell(sent, f" in {runs} runs, {good} of which ended well", last=True)


def _disturb(work: Work, process: "subprocess.Popen[bytes]", chance: random.Random, sent: Counter[str]) -> None:
    """Hit processes of a run, and of earlier ones, until it ends or there was enough."""
    aim, pause, end = chance.choice(AIMS), chance.choice(PAUSES), time.monotonic() + HANGS
    if chance.random() < 0.1:  # while Snakemake looks for what is to be done
        time.sleep(chance.random() * 3)
        _hit(process.pid, "snakemake", chance, sent)
    while process.poll() is None and sent.total() < SIGNALS:
        assert time.monotonic() < end, "the run hangs"
        found = _by_role(work)
        main = found.pop("snakemake", [])
        is_stopped = any(map(_is_stopped, main))
        if not is_stopped and (not found or (aim and aim not in found)):
            time.sleep(0.03)
            continue
        aim = ""
        if is_stopped or (main and chance.random() < 0.1):  # it lives longest, and is hit seldom
            found["snakemake"] = main
        time.sleep(chance.random() * pause)
        role = chance.choice(sorted(found))
        _hit(chance.choice(found[role]), role, chance, sent)


def _hit(pid: int, role: str, chance: random.Random, sent: Counter[str]) -> None:
    number = chance.choice(TO_STOPPED if _is_stopped(pid) else TO_RUNNING)
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        sent[f"{number.name} {role}"] += 1


def _by_role(work: Work) -> dict[str, list[int]]:
    """Processes by what they do, so that the few that plan are hit as often as the many that convert."""
    found: dict[str, list[int]] = {}
    for pid, command in sorted(in_folder(work.folder).items()):
        words = command.split()
        if not words:  # it ends at this moment
            continue
        role = "snakemake" if "snakemake" in words else next((name for name in COMMANDS if name in words), "shell")
        found.setdefault("shell" if words[0].endswith("sh") else role, []).append(pid)
    return found


def _is_stopped(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")
    return False


def _end(work: Work) -> None:
    """Kill what is left of a run, stopped or not."""
    for pid in in_folder(work.folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not in_folder(work.folder))
