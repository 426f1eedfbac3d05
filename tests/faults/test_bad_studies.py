"""Fault 2: a study that hangs, kills its worker or eats memory costs itself; its neighbours convert, in time."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from small_tree import study_path

from .helpers import (
    ENVIRONMENT,
    batch_command,
    convert,
    convert_again,
    counts,
    litter,
    make_plan,
    make_tree,
    outcomes,
    run_command,
    wait_until,
)
from .test_full_disk import plan_command

# Real misdeeds of a worker, done in a process of its own: the convert job with a converter that misbehaves.
FAULTY = """
import ctypes, os, signal, sys, time
import numpy
from pathlib import Path
from wfdb2dicom.batches import job, worker

def eat():
    hoard = []
    while True:
        hoard.append(numpy.zeros(1 << 22))

DEEDS = {
    "hang": lambda: time.sleep(600),
    "spin": lambda: any(iter(int, 1)),
    "native": lambda: ctypes.PyDLL(None).sleep(600),  # holds the interpreter's lock: no Python thread could end it
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "segv": lambda: ctypes.string_at(0),
    "abort": lambda: ctypes.CDLL(None).abort(),
    "exit": lambda: os._exit(3),
    "eat": eat,
}

class Faulty(worker.Converter):
    def convert(self, described, dicom):
        DEEDS.get(deeds.get(described.acquisition.study_id), lambda: None)()
        return super().convert(described, dicom)

deeds = dict(word.split("=") for word in sys.argv[5:])
worker.Converter = Faulty
print(job.run(Path(sys.argv[1]), Path(sys.argv[2]), timeout=float(sys.argv[3]), workers=int(sys.argv[4])))
"""
MEMORY = 1 << 30


def misbehave(folder: Path, timeout: float, workers: int, **deeds: str):
    plan, receipt = batch_command(folder)[-2:]
    words = [f"{study.removeprefix('s')}={deed}" for study, deed in deeds.items()]
    limit = (MEMORY, MEMORY)
    return run_command(
        [sys.executable, "-c", FAULTY, plan, receipt, str(timeout), str(workers), *words],
        lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_each_misdeed_is_its_studys_error_and_the_batch_ends_in_time(tmp_path: Path, workers: int) -> None:
    make_plan(tmp_path, 60)
    start = time.monotonic()
    run = misbehave(
        tmp_path,
        3,
        workers,
        s40000003="hang",
        s40000010="spin",
        s40000020="native",
        s40000030="stop",
        s40000031="segv",
        s40000040="abort",
        s40000050="exit",
        s40000059="eat",
    )
    assert time.monotonic() - start < 8 + 4 * 3 + 30
    assert run.status == 0, run.output
    found = outcomes(tmp_path)
    late, died = "Timeout>3s", "WorkerCrash: the worker "
    assert [found.pop(s) for s in ("40000003", "40000010", "40000020", "40000030")] == [late] * 4
    assert found.pop("40000031") == f"{died}was ended by SIGSEGV"
    assert found.pop("40000040") == f"{died}was ended by SIGABRT"
    assert found.pop("40000050") == f"{died}ended with status 3"
    assert found.pop("40000059").startswith("MemoryError: ")
    assert set(found.values()) <= {"converted", "current"} and len(found) == 52
    assert litter(tmp_path) == []
    # All of these pass: the next run tries them again, and they convert.
    again = convert_again(tmp_path)
    assert counts(again) == (8, 52, 0)


# Storage that hangs where one member of a ZIP lies, or that does not let it be opened (begin 0): the job with a pread
# that does not return there, or with an open that fails.
FAULTY_ZIP = """
import errno, os, sys, time
from pathlib import Path
from wfdb2dicom.batches import job

begin, end = map(int, sys.argv[5:])
read, open_ = os.pread, os.open

def pread(fd, count, offset):
    if begin <= offset < end:
        time.sleep(600)
    return read(fd, count, offset)

def fail(path, *arguments, **more):
    if str(path).endswith(".zip"):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)
    return open_(path, *arguments, **more)

if begin:
    os.pread = pread
else:
    os.open = fail
print(job.run(Path(sys.argv[1]), Path(sys.argv[2]), timeout=float(sys.argv[3]), workers=int(sys.argv[4])))
"""


def planned_from_zip(folder: Path) -> zipfile.ZipInfo:
    """Four studies in a ZIP and the plan of them; where the signals of the third lie."""
    tree, path = make_tree(folder / "tree", 4), folder / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(file for file in tree.rglob("*") if file.is_file()):
            archive.write(file, f"top/{file.relative_to(tree)}")
        member = archive.getinfo(f"top/{study_path(40_000_002)}.dat")
    inputs = ["--input-csv", str(tree / "record_list.csv"), "--wfdb-dir", str(path)]
    plan = run_command([*plan_command(folder), *inputs], cwd=folder)
    assert plan.status == 0, plan.output
    return member


def test_a_zip_on_storage_that_hangs_costs_the_study_its_timeout(tmp_path: Path) -> None:
    member = planned_from_zip(tmp_path)
    place = (member.header_offset, member.header_offset + member.compress_size)
    command = [sys.executable, "-c", FAULTY_ZIP, *batch_command(tmp_path)[-2:], "2", "2", *map(str, place)]
    run = run_command(command, cwd=tmp_path)
    assert run.status == 0, run.output
    found = outcomes(tmp_path)
    assert found.pop("40000002") == "Timeout>2s"
    assert set(found.values()) == {"converted"} and len(found) == 3
    assert litter(tmp_path) == []


def test_a_zip_that_cannot_be_opened_is_no_studys_error(tmp_path: Path) -> None:
    planned_from_zip(tmp_path)
    run = run_command(
        [sys.executable, "-c", FAULTY_ZIP, *batch_command(tmp_path)[-2:], "9", "2", "0", "0"], cwd=tmp_path
    )
    assert run.status != 0
    words = (
        f"OutputError: cannot open '{tmp_path}/data.zip': Input/output error; no result is lost; fix the cause and run"
    )
    assert words in run.output
    assert not (tmp_path / "results/receipts/001-000.tsv").exists()


def test_a_worker_that_is_stopped_or_killed_from_outside_costs_at_most_one_study(tmp_path: Path) -> None:
    """At random moments, also between two studies and while it reports; the first worker perhaps before a study."""
    make_plan(tmp_path, 3000)
    job = subprocess.Popen(batch_command(tmp_path, "--timeout=5"), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children")
    subjects = tmp_path / "dicom/files/p1000"  # a folder for every four studies
    struck: list[str] = []

    def workers() -> list[str]:
        return [child for child in children.read_text().split() if child not in struck]

    try:
        for blow in (signal.SIGKILL, signal.SIGSTOP, signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGKILL):
            wait_until(workers)
            (worker,) = workers()
            if struck:  # of those that die before they come to a study, a job survives four in a row only
                before = len(os.listdir(subjects)) if subjects.exists() else 0
                wait_until(lambda before=before: subjects.exists() and len(os.listdir(subjects)) > before)
            time.sleep(random.random() * 0.03)
            os.kill(int(worker), blow)
            struck.append(worker)  # one that is stopped stays so
        assert job.wait(240) == 0  # a busy machine is not a failure
    finally:
        job.kill()
    failed = [error for error in outcomes(tmp_path).values() if error not in ("converted", "current")]
    assert len(failed) <= len(struck)
    assert set(failed) <= {"Timeout>5s", "WorkerCrash: the worker was ended by SIGKILL"}
    assert litter(tmp_path) == [] or counts(convert(tmp_path))[2] == 0
    convert(tmp_path)
    assert litter(tmp_path) == [] and set(outcomes(tmp_path).values()) <= {"converted", "current"}


@pytest.mark.parametrize("suffix", [".dat", ".hea"])
def test_a_fifo_in_place_of_a_file_is_that_studys_error_at_once(tmp_path: Path, suffix: str) -> None:
    make_plan(tmp_path, 4)
    fifo = tmp_path / "wfdb" / f"{study_path(40_000_002)}{suffix}"
    fifo.unlink()
    os.mkfifo(fifo)
    assert counts(convert(tmp_path, "--timeout=20")) == (3, 0, 1)
    assert "is not a regular file" in outcomes(tmp_path)["40000002"]


def test_a_fifo_does_not_hold_the_plan_up_either(tmp_path: Path) -> None:
    make_tree(tmp_path / "wfdb", 3)
    stem = tmp_path / "wfdb" / study_path(40_000_001)
    stem.with_suffix(".dat").unlink()
    stem.with_suffix(".hea").unlink()
    os.mkfifo(stem.with_suffix(".hea"))
    assert run_command(plan_command(tmp_path)).status == 0


def test_a_header_of_terabytes_needs_no_memory(tmp_path: Path) -> None:
    make_plan(tmp_path, 3)
    header = (tmp_path / "wfdb" / study_path(40_000_001)).with_suffix(".hea")
    text = header.read_text()
    for lie in (
        text.replace(" 500 250 ", " 500 1000000000000 "),
        text.replace(" 16 200", " 212 200").replace("250 ", "1000000000000 "),
        text.replace(" 16 200", " 16x1000000 200"),
    ):
        header.write_text(lie)
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # noqa: E731
        assert counts(convert(tmp_path, before=limit))[2] == 1
        assert outcomes(tmp_path)["40000001"].startswith(("SignalError: ", "HeaderError: ", "RangeError: "))
