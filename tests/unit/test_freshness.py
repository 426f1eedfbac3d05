"""What has changed since the last run is found alike in this process, in a program of its own and in several."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdb2dicom.batches import freshness, job, plan
from wfdb2dicom.records import stamps
from wfdb2dicom.system import pool


class Run:
    """Records planned and converted in four batches."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plans, self.receipts = folder, folder / "plan", folder / "receipts"
        self.csv = folder / "studies.csv"

    def token(self) -> str:
        return freshness.plan_token(self.plans, self.receipts, inputs=[self.csv])

    def changed(self, processes: int) -> bool:
        return freshness.anything_changed(self.plans, self.receipts, freshness.Policy(), processes=processes)


@pytest.fixture
def run(make_record: Callable[..., Path], tmp_path: Path) -> Run:
    run = Run(tmp_path)
    names = [str(n) for n in range(100, 112)]
    for name in names:
        make_record(name)
    run.csv.write_text("study_id,path\n" + "".join(f"{name},{name}\n" for name in names))
    request = plan.PlanConfig(
        run.csv, str(tmp_path / "wfdb"), str(tmp_path / "dcm"), missing_metadata="allow", studies_per_job=3
    )
    plan.make(request, run.plans, run.receipts, run.token())
    for path in run.plans.glob("*.tsv"):
        job.run(path, run.receipts / path.name)
    return run


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit statuses of the programs that look, as if every run were a large one on two cores."""
    statuses: list[int] = []
    start = subprocess.run

    def started(*args: object, **kwargs: object) -> "subprocess.CompletedProcess[bytes]":
        done = start(*args, **kwargs)
        statuses.append(done.returncode)
        return done

    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setattr(pool, "MANY_STUDIES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return statuses


def lose(path: Path) -> None:
    path.unlink()


def grow(path: Path) -> None:
    with open(path, "ab") as stream:
        stream.write(b"\n")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


DIFFERENCES = [
    (lose, "dcm/105.dcm"),
    (grow, "dcm/105.dcm"),
    (grow, "wfdb/105.hea"),
    (lose, "wfdb/105.dat"),
    (cut, "receipts/004-001.tsv"),
    (cut, "plan/004-003.tsv"),
    (lose, "plan/004-003.tsv"),
    (lose, "plan/.token.json"),
]


@pytest.mark.parametrize(("change", "name"), DIFFERENCES)
def test_every_difference_is_seen_by_the_program_too(
    run: Run, programs: list[int], change: Callable[[Path], None], name: str
) -> None:
    stored = freshness.stored_plan_token(run.plans)
    assert run.token() == stored
    assert programs == [freshness.UNCHANGED]
    change(run.folder / name)
    assert run.token() != stored
    assert programs in (
        [freshness.UNCHANGED, freshness.CHANGED],
        [freshness.UNCHANGED],
    )  # sometimes a look into the folder is enough


@pytest.mark.parametrize("count", [1, 3])
def test_several_processes_see_what_one_sees(run: Run, count: int) -> None:
    assert not run.changed(count)
    grow(run.folder / "wfdb/105.hea")
    assert run.changed(count)


def test_a_plan_file_garbled_before_its_end_is_seen(run: Run, programs: list[int]) -> None:
    stored = freshness.stored_plan_token(run.plans)
    path = run.plans / "004-003.tsv"
    path.write_bytes(path.read_bytes().replace(b"\t1", b"\t2", 1))
    assert run.token() != stored


def test_where_the_program_fails_this_process_looks(
    run: Run, programs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = freshness.stored_plan_token(run.plans)
    monkeypatch.setattr(freshness.sys, "executable", "/bin/false")
    assert run.token() == stored
    grow(run.folder / "wfdb/105.hea")
    assert run.token() != stored
    assert programs == [1, 1]


@pytest.mark.parametrize(("wait", "threads"), [(0, 1), (0.001, stamps.STAT_THREADS)])
def test_several_threads_look_where_each_look_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: float, threads: int
) -> None:
    looked = []
    monkeypatch.setattr(stamps, "stamp_of", lambda path: looked.append(path) or (wait and time.sleep(wait)) or "1:1")
    assert stamps.choose_threads([f"{tmp_path}/{n}" for n in range(1000)]) == threads
    assert 50 < len(looked) < 250  # some of them, from all over the tree
    assert any("/0." in path for path in looked) and any("/98" in path for path in looked)
