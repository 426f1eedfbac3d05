"""Work shared by several processes comes out as if one had done it, and a process that dies is no result."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from wfdb2dicom import aggregate, batch, look, plan
from wfdb2dicom.parallel import each

STUDIES = 40


@pytest.fixture
def request_of(make_record: Callable[..., Path], tmp_path: Path) -> plan.Request:
    """A request to plan forty studies, one of them damaged and one without its files, into eight batches."""
    names = [str(40_000_000 + n) for n in range(STUDIES)]
    for name in names[:-1]:
        make_record(name, folder="wfdb")
    (tmp_path / "wfdb" / f"{names[3]}.dat").write_bytes(b"")
    csv = tmp_path / "studies.csv"
    csv.write_text("subject_id,study_id,path\n" + "".join(f"10000032,{name},{name}\n" for name in names))
    folders = {"wfdb_dir": str(tmp_path / "wfdb"), "dcm_dir": str(tmp_path / "dcm")}
    return plan.Request(csv, **folders, missing_metadata="allow", studies_per_job=5)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Already few studies are many."""
    for module in (plan, look, aggregate):
        monkeypatch.setattr(module, "FEW", 1)


def run(request: plan.Request, folder: Path) -> tuple[Path, Path]:
    plans, receipts = folder / "plan", folder / "receipts"
    plan.make(request, plans, receipts, "token")
    for path in plans.glob("*.tsv"):
        batch.run(path, receipts / path.name)
    return plans, receipts


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tsv")}


def test_results_come_in_the_order_of_the_items_and_from_other_processes() -> None:
    squares = list(each(lambda n: (n * n, os.getpid()), range(50), 3))
    assert [square for square, _ in squares] == [n * n for n in range(50)]
    assert os.getpid() not in {pid for _, pid in squares}
    assert {pid for _, pid in each(lambda n: (n, os.getpid()), range(9), 1)} == {os.getpid()}


def test_an_error_of_a_task_is_the_callers_and_a_dead_process_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        list(each(lambda n: 1 / (n - 5), range(9), 2))
    with pytest.raises(OSError, match="a process that shared the work was killed"):
        list(each(lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == 5 else n, range(9), 2))


def test_plans_and_results_are_the_same_whoever_makes_them(
    request_of: plan.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    for few in (5_000, 1):
        for module in (plan, aggregate):
            monkeypatch.setattr(module, "FEW", few)
        plans, receipts = run(request_of, tmp_path / f"run{few}")
        out = tmp_path / f"out{few}"
        paths = {"output_csv": "o.csv", "errors": "o.log", "manifest": "m.parquet", "summary": "s.json"}
        places = {key: out / name for key, name in paths.items()}
        summary = aggregate.run(aggregate.Request(request_of.input_csv, "dcm", plans, receipts, **places, workers=3))
        counts = {key: summary[key] for key in ("studies", "failed", "bytes", "batches", "kinds_of_error", "errors")}
        table = pq.read_table(places["manifest"])
        outputs.append(
            (contents(plans), places["output_csv"].read_bytes(), places["errors"].read_text(), counts, table)
        )
    (*alone, alone_table), (*together, together_table) = outputs
    assert alone == together and alone_table.equals(together_table)
    assert alone_table.num_rows == STUDIES and alone[-1]["failed"] == 2


@pytest.mark.usefixtures("shared")
def test_a_difference_is_seen_wherever_it_is(request_of: plan.Request, tmp_path: Path) -> None:
    plans, receipts = run(request_of, tmp_path)
    assert not look.differs_quickly(plans, receipts, "transient", watch_files=True)
    for path in (tmp_path / "wfdb/40000017.hea", tmp_path / "dcm/40000029.dcm"):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
        assert look.differs_quickly(plans, receipts, "transient", watch_files=True)
        assert not look.differs_quickly(plans, receipts, "transient", watch_files=False)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    receipt = min(receipts.glob("*.tsv"))
    receipt.write_bytes(receipt.read_bytes()[:-1])
    assert look.differs_quickly(plans, receipts, "transient", watch_files=False)


@pytest.mark.usefixtures("shared")
def test_one_that_cannot_look_has_seen_no_agreement(
    request_of: plan.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans, receipts = run(request_of, tmp_path)
    monkeypatch.setattr(look.sys, "executable", "/bin/false")
    assert look.differs_quickly(plans, receipts, "transient", watch_files=True)


@pytest.mark.usefixtures("shared")
def test_only_receipts_that_no_longer_hold_are_forgotten(request_of: plan.Request, tmp_path: Path) -> None:
    plans, receipts = run(request_of, tmp_path)
    (tmp_path / "wfdb/40000021.hea").touch()
    before = contents(receipts)
    summary = plan.make(request_of, plans, receipts, "token")
    assert (summary.failed, summary.forgotten) == (0, 1)
    assert len(before.keys() - contents(receipts).keys()) == 1
    assert before.items() >= contents(receipts).items()
    assert "40000003" in "".join(path.read_text() for path in (receipts / "previous").glob("*.tsv"))
