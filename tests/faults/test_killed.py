"""Fault 1: SIGKILL of workers, convert jobs and Snakemake itself, again and again."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest

from .helpers import (
    ENVIRONMENT,
    Work,
    batch_command,
    contents,
    convert,
    counts,
    in_folder,
    litter,
    make_plan,
    make_tree,
    manifest,
    receipt_of,
    run_command,
    wait_until,
    written,
)

KILLS = 8  # tests/torture hits more kinds of processes, and by `make torture` a thousand times
STUDIES = 240
SEED = int(os.environ.get("WFDB2DICOM_SEED", "0")) or random.randrange(10**6)


def living(folder: Path) -> dict[str, list[int]]:
    """Snakemake and the convert jobs of a run."""
    processes = in_folder(folder).items()
    return {
        "snakemake": [pid for pid, command in processes if "-m snakemake" in command],
        "job": [pid for pid, command in processes if "convert-batch" in command and "bash" not in command],
    }


def workers_of(job: int) -> list[int]:
    """They live for some hundredths of a second only, so this has to be fast."""
    try:
        return [int(pid) for pid in Path(f"/proc/{job}/task/{job}/children").read_text().split()]
    except OSError:
        return []


def find(folder: Path, kind: str) -> list[int]:
    found = living(folder)
    if kind != "worker":
        return found[kind]
    end = time.monotonic() + 2
    while found["job"] and time.monotonic() < end:
        for job in found["job"]:
            if workers := workers_of(job):
                return workers
        if not any(Path(f"/proc/{job}").exists() for job in found["job"]):
            break
    return []


def kill(work: Work, kind: str, chance: random.Random, output: IO[str]) -> bool:
    """Let a run go on until a victim of the kind is there, wait a moment of random length, and kill."""
    process = None if living(work.folder)["snakemake"] else work.start_quietly(output)
    while True:
        if victims := find(work.folder, kind):
            time.sleep(chance.random() * {"snakemake": 3.0, "job": 0.6, "worker": 0.005}[kind])
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
                return True
            except ProcessLookupError:
                continue
        if process is not None and process.poll() is not None:
            return False
        if process is None and not living(work.folder)["snakemake"]:
            return False


def test_a_run_killed_again_and_again_at_random_moments_ends_like_one_undisturbed(tmp_path: Path) -> None:
    print(f"WFDB2DICOM_SEED={SEED}")  # shown when the test fails: the same seed makes the same choices
    chance = random.Random(SEED)
    config = {"studies_per_job": 15}
    calm, work = Work(tmp_path / "calm", config), Work(tmp_path / "killed", config)
    for one in (calm, work):
        make_tree(one.folder / "wfdb", STUDIES)
    calm.run()

    kills = dict.fromkeys(("snakemake", "job", "worker"), 0)
    with open(tmp_path / "output", "a") as output:
        while sum(kills.values()) < KILLS:
            kind = chance.choice(list(kills))
            if kill(work, kind, chance, output):
                kills[kind] += 1
            elif not living(work.folder)["snakemake"]:  # it was all done before we came to kill: begin again
                run_command(["rm", "-rf", str(work.folder / "dicom"), str(work.folder / "results/receipts")])
    wait_until(lambda: not any(living(work.folder).values()), 240)  # a busy machine is not a failure
    half = written(work.folder / "dicom")

    work.run()
    assert contents(work.folder / "dicom") == contents(calm.folder / "dicom"), kills
    assert len(contents(calm.folder / "dicom")) == STUDIES
    for name in ("results/studies.with_dcm.csv", "results/studies.with_dcm.errors.log"):
        assert (work.folder / name).read_bytes() == (calm.folder / name).read_bytes()
    assert manifest(work.folder) == manifest(calm.folder)
    assert litter(work.folder) == []
    after = written(work.folder / "dicom")
    assert {name for name, stamp in half.items() if after[name] != stamp} == set()
    assert work.run().nothing_done


@pytest.mark.parametrize("moment", [".dcm", ".tsv"], ids=["DICOM", "receipt"])
def test_what_a_writer_killed_before_its_rename_leaves_is_removed_by_the_next(tmp_path: Path, moment: str) -> None:
    """The moment lasts some microseconds; strace makes it long enough to be met."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: apt-get install strace")
    make_plan(tmp_path, 3)
    call = "renameat" if moment == ".dcm" else "rename"
    hold = [
        strace,
        "-f",
        "-o",
        str(tmp_path / "log"),
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:delay_enter=30000000",
    ]
    environment = ENVIRONMENT | {"PYTHONDONTWRITEBYTECODE": "1"}  # Python renames what it compiles: held as well
    job = subprocess.Popen([*hold, *batch_command(tmp_path)], env=environment, start_new_session=True)
    wait_until(lambda: [name for name in litter(tmp_path) if moment in name])
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    wait_until(lambda: not [pid for pid, command in in_folder(Path.cwd()).items() if str(tmp_path) in command])
    assert len(litter(tmp_path)) == 1 and not receipt_of(tmp_path).exists()
    assert sum(counts(convert(tmp_path))) == 3
    assert litter(tmp_path) == []
