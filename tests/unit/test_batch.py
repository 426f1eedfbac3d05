"""Batches: every study gets an outcome, whatever its neighbours do, and a receipt says so."""

import faulthandler
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.batches import job, tables, worker
from wfdb2dicom.batches.freshness import Policy
from wfdb2dicom.batches.plan import known_failures
from wfdb2dicom.convert import PreparedRecord
from wfdb2dicom.errors import OutputError, is_transient
from wfdb2dicom.records import stamps
from wfdb2dicom.system import stable_storage

from .conftest import ecg

Fault = Callable[[], None]


@pytest.fixture
def make_plan(make_record, tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a plan of n studies of 500 samples."""

    def make(n: int = 8, **options: str) -> Path:
        rows = []
        for study in range(40_000_000, 40_000_000 + n):
            path = make_record(name=str(study), samples=ecg(seed=study), folder=f"wfdb/s{study}")
            values = Acquisition(subject_id="10000032", study_id=str(study), filter_low="0.05").to_json()
            name = f"s{study}/{study}"
            seen = stamps.record_stamps(str(path))
            rows.append(tables.PlanRow(str(study), "10000032", name, f"{name}.dcm", seen, values, ""))
        mapping = {"wfdb_dir": str(tmp_path / "wfdb"), "dcm_dir": str(tmp_path / "dcm"), **options}
        tables.write_plan(tmp_path / "plan/000.tsv", mapping, rows)
        return tmp_path / "plan/000.tsv"

    return make


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Fault]], None]:
    """Make the workers do something terrible when they come to a study (their processes are forked from this one)."""

    def inject(faults: dict[str, Fault], ahead: dict[str, Fault] | None = None) -> None:
        whole = worker.Converter

        class Faulty(whole):  # type: ignore[misc, valid-type]
            def expect(self, record: str, dicom: str, members: str = "") -> None:
                (ahead or {}).get(Path(record).name, lambda: None)()
                super().expect(record, dicom, members)

            def convert(self, prepared: PreparedRecord, dicom: str):
                faults.get(prepared.acquisition.study_id, lambda: None)()
                return super().convert(prepared, dicom)

        monkeypatch.setattr(worker, "Converter", Faulty)

    return inject


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60  # a busy machine is not a failure
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def die(by: int) -> None:
    faulthandler.disable()  # the death is meant; no trace of it in the test's output
    os.kill(os.getpid(), by)


def run_again(plan: Path, receipt: Path, first: Path, retry_failed: str = "transient") -> job.BatchSummary:
    """Convert with what the plan hands over of an earlier receipt."""
    options, rows = tables.read_plan(plan)
    done = {row.study_id: row for row in tables.read_receipt(first)}
    known = first.with_suffix(".known")
    tables.write_receipt(known, known_failures(rows, done, options["wfdb_dir"], Policy(retry_failed)))
    return job.run(plan, receipt, known_failures=known)


def outcomes(receipt: Path) -> dict[str, str]:
    """Study → status, or the error of a failed one."""
    return {row.study_id: row.error or row.status for row in tables.read_receipt(receipt)}


def test_every_study_is_converted_and_the_receipt_tells_what_is_on_disk(make_plan, tmp_path: Path) -> None:
    plan, receipt = make_plan(), tmp_path / "receipts/000.tsv"
    summary = job.run(plan, receipt)
    assert (summary.studies, summary.converted, summary.current, summary.failed) == (8, 8, 0, 0)
    assert str(summary).startswith("batch 000: 8 studies, 8 converted, 0 up to date, 0 failed, ")
    for row in tables.read_receipt(receipt):
        status = (tmp_path / "dcm" / row.dicom).stat()
        assert (row.size, row.mtime_ns) == (str(status.st_size), str(status.st_mtime_ns))
        assert json.loads(row.facts)["sop_instance_uid"].startswith("2.25.")


def test_warnings_are_named_by_study_also_of_what_is_up_to_date(make_plan, tmp_path: Path) -> None:
    plan = make_plan(3)
    for study in (40_000_000, 40_000_002):
        with open(tmp_path / f"wfdb/s{study}/{study}.dat", "ab") as stream:
            stream.write(bytes(24))
    first = job.run(plan, tmp_path / "1.tsv")
    told = "24 bytes after the samples were not used: the checksums prove that they are not samples"
    assert first.warnings == tuple(f"warning: study {study}: {told}" for study in (40_000_000, 40_000_002))
    again = job.run(plan, tmp_path / "2.tsv")
    assert (again.current, again.warnings) == (3, first.warnings)


@pytest.mark.parametrize("workers", [1, 3])
def test_results_do_not_depend_on_the_number_of_workers_or_the_order_of_ends(
    make_plan, tmp_path: Path, workers: int
) -> None:
    plan = make_plan(150)
    job.run(plan, tmp_path / "1.tsv", workers=workers)
    rows = tables.read_receipt(tmp_path / "1.tsv")
    assert [r.study_id for r in rows] == [r.study_id for r in tables.read_plan(plan)[1]]
    assert {r.status for r in rows} == {"converted"}
    summary = job.run(plan, tmp_path / "2.tsv", workers=workers)
    assert (summary.converted, summary.current) == (0, 150)


def test_a_study_that_hangs_costs_its_timeout_and_only_itself(make_plan, tmp_path: Path, fault) -> None:
    plan = make_plan(40)
    fault({"40000010": lambda: time.sleep(600), "40000030": lambda: os.kill(os.getpid(), signal.SIGSTOP)})
    start = time.monotonic()
    job.run(plan, tmp_path / "r.tsv", timeout=1.5)
    assert time.monotonic() - start < 10
    found = outcomes(tmp_path / "r.tsv")
    assert found.pop("40000010") == found.pop("40000030") == "Timeout>1.5s"
    assert set(found.values()) <= {"converted", "current"} and len(found) == 38


def test_a_study_whose_files_hang_or_kill_when_they_are_fetched_ahead_pays_for_itself(
    make_plan, tmp_path: Path, fault
) -> None:
    plan = make_plan(40)
    fault({}, {"40000005": lambda: time.sleep(600), "40000030": lambda: die(signal.SIGBUS)})
    job.run(plan, tmp_path / "r.tsv", timeout=1.5)
    found = outcomes(tmp_path / "r.tsv")
    assert found.pop("40000005") == "Timeout>1.5s"
    assert found.pop("40000030") == "WorkerCrash: the worker was ended by SIGBUS"
    assert set(found.values()) <= {"converted", "current"} and len(found) == 38


def test_each_of_several_studies_whose_files_come_slowly_has_the_whole_timeout(
    make_plan, tmp_path: Path, fault
) -> None:
    plan = make_plan(12)
    fault({}, {str(study): lambda: time.sleep(0.25) for study in range(40_000_000, 40_000_012)})
    job.run(plan, tmp_path / "r.tsv", timeout=1)  # nobody hears of a study before all of them were asked for
    assert set(outcomes(tmp_path / "r.tsv").values()) == {"converted"}


def test_the_timeout_is_for_all_steps_of_a_study_together(make_plan, tmp_path: Path, fault) -> None:
    plan = make_plan(12)
    slow = {"40000005": lambda: time.sleep(0.8), "40000007": lambda: time.sleep(0.4)}
    fault(slow, slow)  # when its files are asked for, and when it is converted
    job.run(plan, tmp_path / "r.tsv", timeout=1.2)
    found = outcomes(tmp_path / "r.tsv")
    assert found.pop("40000005") == "Timeout>1.2s"
    assert set(found.values()) <= {"converted", "current"} and len(found) == 11


def test_what_a_disk_that_is_synced_holds_up_is_no_studys_fault(
    make_plan, tmp_path: Path, fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, begun = make_plan(90), tmp_path / "begun"

    def study() -> None:
        begun.touch()
        time.sleep(1.4)

    def sync(fd: int) -> None:
        if not begun.exists():  # the first time: the study begins while the supervisor waits for the disk
            wait_for(begun.exists)
            time.sleep(1.2)

    fault({"40000060": study})
    monkeypatch.setattr(stable_storage, "_PORTION", 40)
    monkeypatch.setattr(stable_storage, "sync_file_system", sync)
    job.run(plan, tmp_path / "r.tsv", timeout=1.0)
    assert set(outcomes(tmp_path / "r.tsv").values()) == {"converted"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_that_kills_its_worker_costs_only_itself(make_plan, tmp_path: Path, fault, workers: int) -> None:
    plan = make_plan(40)
    deaths = {
        "40000000": signal.SIGSEGV,
        "40000017": signal.SIGABRT,
        "40000018": signal.SIGKILL,
        "40000039": signal.SIGSEGV,
    }
    fault({study: (lambda s=s: die(s)) for study, s in deaths.items()})  # type: ignore[misc]
    job.run(plan, tmp_path / "r.tsv", workers=workers)
    found = outcomes(tmp_path / "r.tsv")
    for study, death in deaths.items():
        assert found.pop(study) == f"WorkerCrash: the worker was ended by {death.name}"
    assert set(found.values()) <= {"converted", "current"} and len(found) == 36


def test_a_study_that_exhausts_memory_or_exits_costs_only_itself(make_plan, tmp_path: Path, fault) -> None:
    def exhaust() -> None:
        raise MemoryError("no more")

    plan = make_plan(6)
    fault({"40000002": exhaust, "40000003": lambda: os.kill(os.getpid(), 40), "40000004": lambda: os._exit(7)})
    job.run(plan, tmp_path / "r.tsv")
    found = outcomes(tmp_path / "r.tsv")
    assert found["40000002"] == "MemoryError: no more"
    assert found["40000003"] == "WorkerCrash: the worker was ended by signal 40"  # one without a name
    assert found["40000004"] == "WorkerCrash: the worker ended with status 7"
    assert sorted(found.values()).count("converted") + sorted(found.values()).count("current") == 3


def test_errors_of_studies_are_rows_in_the_words_of_the_csv(make_plan, tmp_path: Path) -> None:
    plan = make_plan(4)
    (tmp_path / "wfdb/s40000001/40000001.dat").write_bytes(b"")
    (tmp_path / "wfdb/s40000002/40000002.dat").unlink()
    options, rows = tables.read_plan(plan)
    rows[3] = rows[3]._replace(error="Missing df_info row for study_id")
    tables.write_plan(plan, options, rows)
    summary = job.run(plan, tmp_path / "r.tsv")
    assert summary.failed == 3
    found = outcomes(tmp_path / "r.tsv")
    assert found["40000001"].startswith("SignalError: ") and "has 0 bytes" in found["40000001"]
    assert found["40000002"].startswith("FileNotFoundError: No such file or directory: ")
    assert found["40000003"] == "Missing df_info row for study_id"


def test_a_target_that_cannot_be_written_fails_the_job_and_leaves_no_receipt(make_plan, tmp_path: Path) -> None:
    plan = make_plan(4)
    (tmp_path / "dcm").write_bytes(b"in the way")
    with pytest.raises(OutputError, match="fix the cause and run again"):
        job.run(plan, tmp_path / "r.tsv")
    assert not (tmp_path / "r.tsv").exists()


def test_an_unchanged_failure_of_the_studys_own_is_not_tried_again(make_plan, tmp_path: Path, fault) -> None:
    plan, first, second = make_plan(4), tmp_path / "1.tsv", tmp_path / "2.tsv"
    (tmp_path / "wfdb/s40000001/40000001.dat").write_bytes(b"")
    options, rows = tables.read_plan(plan)
    rows[1] = rows[1]._replace(sources=stamps.record_stamps(str(tmp_path / "wfdb" / rows[1].record)))
    tables.write_plan(plan, options, rows)
    fault({"40000002": lambda: die(signal.SIGKILL)})
    job.run(plan, first)
    tried: Path = tmp_path / "tried"
    fault({study: lambda: tried.touch() for study in ("40000001",)})
    run_again(plan, second, first)
    assert not tried.exists()
    assert outcomes(second)["40000001"] == outcomes(first)["40000001"]
    assert outcomes(second)["40000002"].startswith("WorkerCrash")  # this one was tried, and died again
    run_again(plan, second, first, retry_failed="all")
    assert tried.exists()
    rows[1] = rows[1]._replace(sources="changed")
    tables.write_plan(plan, options, rows)
    tried.unlink()
    run_again(plan, second, first)
    assert tried.exists()


def test_a_failure_of_files_that_were_there_when_planned_is_tried_again(make_plan, tmp_path: Path) -> None:
    plan, first, second = make_plan(3), tmp_path / "1.tsv", tmp_path / "2.tsv"
    tree, away = tmp_path / "wfdb", tmp_path / "unmounted"
    tree.rename(away)  # the file system goes away, and comes back as it was
    tree.mkdir()
    assert job.run(plan, first).failed == 3
    assert {error.partition(":")[0] for error in outcomes(first).values()} == {"FileNotFoundError"}
    tree.rmdir()
    away.rename(tree)
    assert run_again(plan, second, first).converted == 3


def test_retry_none_keeps_even_transient_failures(make_plan, tmp_path: Path, fault) -> None:
    plan, first, second = make_plan(2), tmp_path / "1.tsv", tmp_path / "2.tsv"
    fault({"40000001": lambda: os._exit(1)})
    job.run(plan, first)
    run_again(plan, second, first, retry_failed="none")
    assert outcomes(second) == {"40000000": "current", "40000001": outcomes(first)["40000001"]}


def test_a_damaged_earlier_receipt_is_ignored(make_plan, tmp_path: Path) -> None:
    plan, first = make_plan(2), tmp_path / "1.tsv"
    for content in (b"", b"garbage\n", os.urandom(1000)):
        first.write_bytes(content)
        assert job.run(plan, tmp_path / "2.tsv", known_failures=first).failed == 0


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        ("Timeout>60s", True),
        ("WorkerCrash: the worker was ended by SIGKILL", True),
        ("MemoryError: no more", True),
        ("ValidationFailed: 'x.dcm' does not read back as written; check the disk and run again", True),
        ("OSError: Input/output error: 'x'", True),
        ("PermissionError: Permission denied: 'x'", True),
        ("FileNotFoundError: No such file or directory: 'x.dat'", False),  # its appearance changes the plan row
        ("ChecksumError: x", False),
        ("HeaderError: x", False),
        ("Missing df_info row for study_id", False),
        ("ValueError: OSError", False),
        ("print: x", False),
    ],
)
def test_which_failures_are_worth_another_try(error: str, transient: bool) -> None:
    assert is_transient(error) is transient


def slow_job(plan: Path, receipt: Path, delay: str, options: str = "") -> subprocess.Popen[str]:
    """A batch in a process of its own, and of its own session, in which each study first runs these statements."""
    script = (
        "import sys, time; from pathlib import Path; from wfdb2dicom.batches import job, worker\n"
        "class Slow(worker.Converter):\n"
        "    def convert(self, *args):\n"
        f"{indent(delay, ' ' * 8)}\n"
        "        return super().convert(*args)\n"
        "worker.Converter = Slow\n"
        f"job.run(Path(sys.argv[1]), Path(sys.argv[2]), {options})\n"
    )
    command = [sys.executable, "-c", script, str(plan), str(receipt)]
    scripts = Path(__file__).parents[2] / "scripts"
    return subprocess.Popen(command, cwd=scripts, stderr=subprocess.PIPE, text=True, start_new_session=True)


def until_a_dicom_is_there(folder: Path) -> None:
    wait_for(lambda: any(folder.rglob("*.dcm")))


def test_a_killed_supervisor_takes_its_workers_with_it(make_plan, tmp_path: Path) -> None:
    plan = make_plan(4)
    job = slow_job(plan, tmp_path / "r.tsv", "time.sleep(600)", "workers=2")
    known = Path(f"/proc/{job.pid}/task/{job.pid}/children")
    wait_for(lambda: len(known.read_text().split()) == 2)
    children = known.read_text().split()
    job.kill()
    job.wait()
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_a_job_that_is_stopped_and_continued_calls_no_study_late(make_plan, tmp_path: Path) -> None:
    plan, begun, go = make_plan(12), tmp_path / "begun", tmp_path / "go"
    waits = f"Path({str(begun)!r}).touch()\nwhile not Path({str(go)!r}).exists(): time.sleep(0.01)"
    job = slow_job(plan, tmp_path / "r.tsv", waits, "timeout=2.0")
    wait_for(begun.exists)
    os.killpg(job.pid, signal.SIGSTOP)  # Ctrl-Z
    time.sleep(4)
    go.touch()
    os.killpg(job.pid, signal.SIGCONT)
    assert job.wait(60) == 0
    assert set(outcomes(tmp_path / "r.tsv").values()) == {"converted"}


def test_a_job_of_a_killed_run_ends_when_the_next_run_has_planned_its_batch_anew(make_plan, tmp_path: Path) -> None:
    plan = make_plan(60)
    job = slow_job(plan, tmp_path / "r.tsv", "time.sleep(0.1)")
    until_a_dicom_is_there(tmp_path)
    options, rows = tables.read_plan(plan)
    tables.write_plan(plan, options | {"lead_order": "standard"}, rows)
    assert "has changed: a later run has planned this batch anew" in job.communicate(timeout=30)[1]
    assert job.returncode != 0 and not (tmp_path / "r.tsv").exists()
    assert 0 < len(list(tmp_path.rglob("*.dcm"))) < 30


def test_two_copies_of_a_batch_at_once_give_one_whole_result(make_plan, tmp_path: Path) -> None:
    plan = make_plan(200)
    script = (
        "import sys; from pathlib import Path; from wfdb2dicom.batches import job; job.run(*map(Path, sys.argv[1:]))"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(plan), str(tmp_path / "r.tsv")],
            cwd=Path(__file__).parents[2] / "scripts",
        )
        for _ in range(2)
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    assert set(outcomes(tmp_path / "r.tsv").values()) <= {"converted", "current"}
    assert sum(1 for p in (tmp_path / "dcm").rglob("*") if p.is_file()) == 200
    summary = job.run(plan, tmp_path / "r2.tsv")
    assert (summary.current, summary.failed) == (200, 0)
