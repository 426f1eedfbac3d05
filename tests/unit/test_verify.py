"""Verify: what is on disk against the receipts, without a trace of its own."""

import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from wfdb2dicom.batches import job, plan
from wfdb2dicom.batches.plan import Request
from wfdb2dicom.checks import verify


@pytest.fixture
def converted(make_record: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with two studies converted."""
    names = ("100", "200")
    for name in names:
        make_record(name)
    csv = tmp_path / "studies.csv"
    csv.write_text("subject_id,study_id,path\n" + "".join(f"10000032,{name},{name}\n" for name in names))
    request = Request(csv, str(tmp_path / "wfdb"), str(tmp_path / "dcm"), missing_metadata="allow")
    plan.make(request, tmp_path / "plan", tmp_path / "receipts", "token")
    for path in (tmp_path / "plan").glob("*.tsv"):
        assert job.run(path, tmp_path / "receipts" / path.name).converted == 2
    return tmp_path


def check(folder: Path) -> verify.Outcome:
    return verify.run(folder / "plan", folder / "receipts", folder / "verify.tsv", workers=1)


def test_what_holds_is_no_finding(converted: Path) -> None:
    assert str(check(converted)).startswith("verify: 2 DICOM objects, 0 do not hold")


def test_a_planned_batch_without_a_receipt_is_a_finding(converted: Path) -> None:
    shutil.copy(next((converted / "plan").glob("*.tsv")), converted / "plan/lost.tsv")
    (finding,) = check(converted).findings
    assert finding.dcm_path.endswith("receipts/lost.tsv")
    assert "has no receipt, so its studies were not looked at" in finding.finding


def test_a_folder_of_dicoms_that_is_gone_is_not_made_by_looking(converted: Path) -> None:
    shutil.rmtree(converted / "dcm")
    outcome = check(converted)
    assert [(f.study_id, f.finding) for f in outcome.findings] == [
        ("100", "the file is missing"),
        ("200", "the file is missing"),
    ]
    assert not (converted / "dcm").exists()


def test_no_more_chunks_than_needed_are_read_ahead_and_their_results_keep_their_order() -> None:
    read, finished, ahead = [], [], []

    class Pool:
        """A pool whose work is done when its result is asked for."""

        def submit(self, function: object, chunk: int) -> Future:
            class Result(Future):
                def result(self, timeout: float | None = None) -> int:
                    ahead.append(len(read) - len(finished))
                    finished.append(chunk)
                    return chunk

            return Result()

    def work():
        for chunk in range(100):
            read.append(chunk)
            yield chunk

    assert list(verify._in_turn(Pool(), work(), 4)) == list(range(100))
    assert max(ahead) == 4
