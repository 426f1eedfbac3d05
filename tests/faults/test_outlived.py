"""Fault 8: processes of a run that was killed hang, and continue when a later run has begun."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wfdb2dicom.batches import job, plan
from wfdb2dicom.batches.plan import PlanConfig
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import ConfigError, OutputError
from wfdb2dicom.results import aggregate
from wfdb2dicom.system import current_run
from wfdb2dicom.system.output_tree import OutputTree
from wfdb2dicom.system.whole_file import replace_file

from .helpers import ENVIRONMENT, SCRIPTS, contents, make_tree

COMMAND = [sys.executable, str(SCRIPTS / "wfdb2dicom")]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """A function that begins a run in this process and returns what it hands to its jobs."""
    monkeypatch.setenv(current_run.VARIABLE, "")

    def start() -> str:
        current_run.begin(tmp_path / "results/.run")
        return os.environ[current_run.VARIABLE]

    yield start
    current_run._run.cache_clear()


class Folder:
    """What plan, convert and aggregate of one working directory do, here and as commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, folder / "results"
        self.csv, self.tree, self.dicom = folder / "wfdb/record_list.csv", folder / "wfdb", folder / "dicom"
        make_tree(self.tree, 8)

    def plan_command(self) -> list[str]:
        options = [f"--wfdb-dir={self.tree}", f"--dcm-dir={self.dicom}", f"--input-csv={self.csv}", "--token=of-a"]
        receipts = f"--receipts={self.results / 'receipts'}"
        return [*COMMAND, "plan", *options, receipts, "--missing-metadata=allow", str(self.results / "plan")]

    def plan(self, lead_order: str) -> None:
        config = PlanConfig(
            self.csv,
            str(self.tree),
            str(self.dicom),
            missing_metadata="allow",
            options=Options(lead_order=lead_order),
        )
        plan.make(config, self.results / "plan", self.results / "receipts", f"of-{lead_order}")

    def convert(self) -> None:
        for path in (self.results / "plan").glob("*.tsv"):
            job.run(path, self.results / "receipts" / path.name)

    def files(self) -> dict[str, Path]:
        names = {"output_csv": "out.csv", "errors": "errors.log", "manifest": "m.parquet", "summary": "summary.json"}
        return {key: self.results / name for key, name in names.items()}

    def aggregate_command(self) -> list[str]:
        places = [f"--plans={self.results / 'plan'}", f"--receipts={self.results / 'receipts'}"]
        outputs = [f"--{key.replace('_', '-')}={path}" for key, path in self.files().items()]
        options = '--options={"lead_order": "source"}'
        return [*COMMAND, "aggregate", f"--input-csv={self.csv}", f"--dcm-dir={self.dicom}", *places, *outputs, options]

    def aggregate(self) -> None:
        folders = {name: self.results / name for name in ("plans", "receipts")} | {"plans": self.results / "plan"}
        aggregate.write_results(aggregate.AggregateOptions(self.csv, str(self.dicom), **folders, **self.files()))


def stopped(command: list[str], run: str, seconds: float) -> "subprocess.Popen[str]":
    """A process of a run, stopped after some time, as one that waits for storage."""
    process = subprocess.Popen(
        command,
        env=ENVIRONMENT | {current_run.VARIABLE: run},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGSTOP)
    return process


def outlived(process: "subprocess.Popen[str]") -> bool:
    """Whether a process that is continued finds that its run is over."""
    process.send_signal(signal.SIGCONT)
    errors = process.communicate(timeout=60)[1]
    return process.returncode == 1 and "a later run has begun" in errors


@pytest.mark.parametrize("seconds", [0.01, 0.1])
def test_a_plan_that_outlives_its_run_leaves_the_plan_of_the_next_alone(
    tmp_path: Path, begin: Callable[[], str], seconds: float
) -> None:
    work = Folder(tmp_path)
    process = stopped(work.plan_command(), begin(), seconds)
    begin()
    work.plan("standard")
    planned = contents(work.results)
    assert outlived(process)
    assert contents(work.results) == planned


def test_an_aggregate_that_outlives_its_run_leaves_the_results_of_the_next_alone(
    tmp_path: Path, begin: Callable[[], str]
) -> None:
    work = Folder(tmp_path)
    first = begin()
    work.plan("source")
    work.convert()
    process = stopped(work.aggregate_command(), first, 0.1)
    begin()
    work.plan("standard")
    work.convert()
    work.aggregate()
    results = contents(work.results)
    assert outlived(process)
    assert contents(work.results) == results


def test_a_dicom_of_an_earlier_run_does_not_take_the_place_of_a_later_one(
    tmp_path: Path, begin: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin()
    tree = OutputTree(str(tmp_path / "dicom"))
    tree.write("1.dcm", b"of the first run")
    begin()
    monkeypatch.setenv(current_run.VARIABLE, first)
    current_run._run.cache_clear()
    with pytest.raises(OutputError, match="a later run has begun"):
        tree.write("1.dcm", b"of the first run, late")
    assert (tmp_path / "dicom/1.dcm").read_bytes() == b"of the first run"
    assert [path.name for path in (tmp_path / "dicom").iterdir()] == ["1.dcm"]


def test_a_run_begins_only_between_the_proof_of_a_process_and_its_rename(
    tmp_path: Path, begin: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    monkeypatch.setattr(current_run, "_PATIENCE", 0.2)
    with current_run.current_run(), pytest.raises(ConfigError, match="is stopped while it writes a file: end it"):
        current_run.begin(tmp_path / "results/.run")
    begin()
    replace_file(tmp_path / "results/x", b"of this run")
    assert (tmp_path / "results/x").read_bytes() == b"of this run"


def test_a_run_does_not_begin_while_a_dicom_takes_its_place(
    tmp_path: Path, begin: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On storage that does not answer the rename itself hangs, after the proof."""
    begin()
    tree = OutputTree(str(tmp_path / "dicom"))
    monkeypatch.setattr(current_run, "_PATIENCE", 0.2)
    rename, refused = os.rename, []

    def hanging(*names: str, **folders: int) -> None:
        with pytest.raises(ConfigError, match="is stopped while it writes a file: end it"):
            begin()
        refused.append(names)
        rename(*names, **folders)

    monkeypatch.setattr(os, "rename", hanging)
    tree.write("1.dcm", b"of the first run")
    assert len(refused) == 1


def test_without_a_run_there_is_nothing_to_prove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(current_run.VARIABLE, raising=False)
    current_run._run.cache_clear()
    replace_file(tmp_path / "x", b"1")
    assert (tmp_path / "x").read_bytes() == b"1"
