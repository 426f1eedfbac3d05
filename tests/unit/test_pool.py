"""Several processes give what one gives, and say so when one of them dies."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    fingerprint,
    options_line,
    write_plan,
    write_receipt,
)
from wfdb2dicom.results import aggregate
from wfdb2dicom.system import pool

OPTIONS: dict[str, Any] = {"wfdb_dir": "wfdb", "dcm_dir": "dicom"}
FACTS = {
    "acquired": "2180-07-23 08:44:00",
    "time_source": "header",
    "filter_low": "0.05",
    "n_samples": 10,
    "invalid_samples": {"II": 2, "V1": 1},
}


def finished(folder: Path, batches: int = 7) -> aggregate.AggregateOptions:
    """Plan files, receipts and study CSV of a run whose every third study failed."""
    lines = ["study_id,path"]
    for batch in range(batches):
        plans = [
            PlanRow(str(n), "9", f"p/{n}", f"p/{n}.dcm", "1:1,2:2", '{"ecg_time":"2180-07-23 08:43:00"}', "")
            for n in range(100 * batch, 100 * batch + 5)
        ]
        receipts = [
            ReceiptRow(row.study_id, "failed", f"SignalError: {row.study_id}", "", row.dicom, "", "", "", "")
            if int(row.study_id) % 3 == 0
            else ReceiptRow(row.study_id, "converted", "", "", row.dicom, "7", "8", "ab", json.dumps(FACTS))
            for row in plans
        ]
        prints = [fingerprint(options_line(OPTIONS), row) for row in plans]
        answered = [row._replace(plan_row=text) for row, text in zip(receipts, prints, strict=True)]
        write_plan(folder / f"plan/{batch}.tsv", OPTIONS, plans)
        write_receipt(folder / f"receipts/{batch}.tsv", answered, sync=False)
        lines += [f"{row.study_id},{row.record}" for row in plans]
    (folder / "s.csv").write_text("\n".join(lines) + "\n")
    return request(folder, "one")


def request(folder: Path, results: str) -> aggregate.AggregateOptions:
    files = (folder / results / name for name in ("out.csv", "errors.log", "manifest.parquet", "summary.json"))
    return aggregate.AggregateOptions(folder / "s.csv", "dicom", folder / "plan", folder / "receipts", *files)


def test_a_study_refused_for_its_path_is_found_by_the_path_of_the_csv(tmp_path: Path) -> None:
    plan = PlanRow("1", "", "../outside/1", "", "", "{}", "PathError: it leaves its folder")
    receipt = ReceiptRow("1", "failed", plan.error, fingerprint(options_line(OPTIONS), plan), "", "", "", "", "")
    write_plan(tmp_path / "plan/0.tsv", OPTIONS, [plan])
    write_receipt(tmp_path / "receipts/0.tsv", [receipt], sync=False)
    (tmp_path / "s.csv").write_text("study_id,path\n1,../outside/1\n")
    one = request(tmp_path, "one")
    aggregate.write_results(one)
    assert "1\t../outside/1\tPathError: it leaves its folder\n" in one.errors.read_text()
    assert pq.read_table(one.manifest)["record"].to_pylist() == ["../outside/1"]


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were so much to do that three processes are worth it."""
    monkeypatch.setattr(pool, "MANY_STUDIES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


def test_results_are_those_of_one_process(tmp_path: Path, three: None, monkeypatch: pytest.MonkeyPatch) -> None:
    several = request(tmp_path, "three")
    finished(tmp_path)
    summary = aggregate.write_results(several)
    monkeypatch.setattr(pool, "MANY_STUDIES", 1 << 40)
    one = request(tmp_path, "one")
    keys = summary.keys() - {"finished", "output_csv", "error_log"}
    alone = aggregate.write_results(one)
    assert {key: alone[key] for key in keys} == {key: summary[key] for key in keys}
    assert (summary["studies"], summary["failed"], summary["batches"]) == (35, 12, 7)
    for name in ("output_csv", "errors", "manifest"):
        assert getattr(one, name).read_bytes() == getattr(several, name).read_bytes()


def test_a_damaged_receipt_is_found_and_nothing_takes_the_place_of_results(tmp_path: Path, three: None) -> None:
    given = finished(tmp_path)
    path = tmp_path / "receipts/3.tsv"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(TableError, match=r"3\.tsv is not a whole table"):
        aggregate.write_results(given)
    assert not list((tmp_path / "one").iterdir())


def test_a_process_that_is_killed_is_an_error_that_says_so() -> None:
    with pytest.raises(OSError, match="one of its processes was killed"):
        list(pool.map_in_order(_dies_at_three, range(9), processes=2))


def test_results_come_in_the_order_of_the_tasks_and_may_be_left() -> None:
    assert list(pool.map_in_order(abs, range(-50, 0), processes=3)) == list(range(50, 0, -1))
    assert next(pool.map_in_order(abs, iter([-1] * 1000), processes=2)) == 1
    assert list(pool.map_in_order(abs, range(-50, 0), threads=3)) == list(range(50, 0, -1))


def test_no_more_tasks_than_needed_are_read_ahead_and_their_results_keep_their_order() -> None:
    read, finished, ahead = [], [], []

    def tasks():
        for task in range(100):
            read.append(task)
            yield task

    for result in pool.map_in_order(abs, tasks(), processes=2):
        ahead.append(len(read) - len(finished))
        finished.append(result)
    assert finished == list(range(100))
    assert max(ahead) == 5


def _dies_at_three(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task
