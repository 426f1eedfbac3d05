"""Verify: what is on disk against the receipts, without a trace of its own."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdb2dicom.batches import job, plan
from wfdb2dicom.batches.plan import PlanConfig
from wfdb2dicom.checks import verify
from wfdb2dicom.cli import main


@pytest.fixture
def converted(make_record: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with two studies converted."""
    names = ("100", "200")
    for name in names:
        make_record(name)
    csv = tmp_path / "studies.csv"
    csv.write_text("subject_id,study_id,path\n" + "".join(f"10000032,{name},{name}\n" for name in names))
    request = PlanConfig(csv, str(tmp_path / "wfdb"), str(tmp_path / "dcm"), missing_metadata="allow")
    plan.make(request, tmp_path / "plan", tmp_path / "receipts", "token")
    for path in (tmp_path / "plan").glob("*.tsv"):
        assert job.run(path, tmp_path / "receipts" / path.name).converted == 2
    return tmp_path


def check(folder: Path) -> verify.Verification:
    return verify.run(folder / "plan", folder / "receipts", folder / "verify.tsv", workers=1)


def test_what_holds_is_no_finding(converted: Path) -> None:
    assert str(check(converted)).startswith("verify: 2 DICOM objects checked, 0 findings")


def test_a_planned_batch_without_a_receipt_is_a_finding(converted: Path) -> None:
    shutil.copy(next((converted / "plan").glob("*.tsv")), converted / "plan/lost.tsv")
    (finding,) = check(converted).findings
    assert finding.dcm_path.endswith("receipts/lost.tsv")
    assert "has no receipt, so its studies were not looked at" in finding.finding


def test_a_receipt_of_an_earlier_plan_is_not_a_finding_while_its_studies_are_planned(converted: Path) -> None:
    receipt = next((converted / "receipts").glob("*.tsv"))
    shutil.copy(receipt, converted / "receipts/earlier.tsv")
    assert check(converted).findings == []
    (converted / "plan" / receipt.name).unlink()
    findings = check(converted).findings
    assert [Path(finding.dcm_path).name for finding in findings] == sorted([receipt.name, "earlier.tsv"])
    assert all("this receipt has no plan file" in finding.finding for finding in findings)


def test_a_folder_of_dicoms_that_is_gone_is_not_made_by_looking(converted: Path) -> None:
    shutil.rmtree(converted / "dcm")
    outcome = check(converted)
    assert [(f.study_id, f.finding.partition(";")[0]) for f in outcome.findings] == [
        ("100", "the file is missing: run without a target"),
        ("200", "the file is missing: run without a target"),
    ]
    assert not (converted / "dcm").exists()


def dies(chunk: object) -> tuple[int, list[verify.Discrepancy]]:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0, []


def test_a_killed_process_is_named_in_one_line(
    converted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the kernel kills one when memory runs out."""
    monkeypatch.setattr(verify, "_check", dies)
    monkeypatch.chdir(converted)
    status = main.run(["verify", "--plans=plan", "--receipts=receipts", "--workers=2", "verify.tsv"])
    assert status == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: one of its processes was killed, most often because memory ran out")
    assert not (converted / "verify.tsv").exists()
