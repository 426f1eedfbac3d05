"""Fault 3: no space, no inodes, no permission, read-only, while DICOMs, receipts, plans and results are written."""

import errno
import os
import sys
from pathlib import Path

import pytest

from .helpers import (
    SCRIPTS,
    Work,
    contents,
    convert,
    convert_again,
    counts,
    litter,
    make_plan,
    make_tree,
    outcomes,
    receipt_of,
    run_command,
    write_csv,
)

FULL = os.strerror(errno.ENOSPC)


def fill(folder: Path) -> Path:
    """Take all space that is left."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return ballast


def test_no_space_for_dicoms_fails_the_job_and_the_next_run_completes(tmp_path: Path, small_disk) -> None:
    make_plan(tmp_path, 40)
    disk = small_disk(tmp_path / "dicom", "size=160k")
    run = convert(tmp_path, status=1)
    assert run.output.startswith("error: cannot write ") and FULL in run.output and "Traceback" not in run.output
    assert not receipt_of(tmp_path).exists() and litter(tmp_path) == []
    made = len(contents(disk))
    assert 0 < made < 40
    small_disk(disk, "size=4m")
    assert counts(convert(tmp_path)) == (40 - made, made, 0)


def test_no_inodes_for_dicoms_fails_the_job_and_the_next_run_completes(tmp_path: Path, small_disk) -> None:
    make_plan(tmp_path, 12)
    small_disk(tmp_path / "dicom", "size=4m,nr_inodes=15")
    assert FULL in convert(tmp_path, status=1).output
    assert not receipt_of(tmp_path).exists() and litter(tmp_path) == []
    small_disk(tmp_path / "dicom", "nr_inodes=1000")
    assert sum(counts(convert(tmp_path))) == 12 == len(contents(tmp_path / "dicom"))


def test_a_read_only_target_fails_the_job_with_the_reason(tmp_path: Path, small_disk) -> None:
    make_plan(tmp_path, 3)
    small_disk(tmp_path / "dicom", "size=4m")
    small_disk(tmp_path / "dicom", "ro")
    assert os.strerror(errno.EROFS) in convert(tmp_path, status=1).output
    assert not receipt_of(tmp_path).exists()
    small_disk(tmp_path / "dicom", "rw")
    assert counts(convert(tmp_path)) == (3, 0, 0)


def test_a_forbidden_target_fails_the_job_with_the_reason(tmp_path: Path, as_anybody) -> None:
    make_plan(tmp_path, 3)
    (tmp_path / "dicom").mkdir(mode=0o555)
    run = convert(tmp_path, status=1, before=as_anybody)
    assert os.strerror(errno.EACCES) in run.output and "Traceback" not in run.output
    assert not receipt_of(tmp_path).exists()
    (tmp_path / "dicom").chmod(0o755)
    assert counts(convert(tmp_path, before=as_anybody)) == (3, 0, 0)


def test_a_forbidden_source_is_that_studys_error_and_tried_again(tmp_path: Path, as_anybody) -> None:
    make_plan(tmp_path, 3)
    signal = next((tmp_path / "wfdb").rglob("40000001.dat"))
    signal.chmod(0)
    assert counts(convert(tmp_path, before=as_anybody)) == (2, 0, 1)
    assert outcomes(tmp_path)["40000001"].startswith("PermissionError: ")
    signal.chmod(0o644)
    again = convert_again(tmp_path, before=as_anybody)
    assert counts(again) == (1, 2, 0)


def test_no_space_for_the_receipt_leaves_none_and_keeps_the_dicoms(tmp_path: Path, small_disk) -> None:
    make_plan(tmp_path, 5)
    disk = small_disk(receipt_of(tmp_path).parent, "size=64k")
    ballast = fill(disk)
    run = convert(tmp_path, status=1)
    assert "error: cannot write " in run.output and FULL in run.output and "Traceback" not in run.output
    assert sorted(p.name for p in disk.iterdir()) == ["ballast"]
    ballast.unlink()
    assert counts(convert(tmp_path)) == (0, 5, 0)


def plan_command(folder: Path) -> list[str]:
    script = [sys.executable, str(SCRIPTS / "wfdb2dicom"), "plan", "--receipts", str(folder / "results/receipts")]
    inputs = ["--input-csv", str(folder / "wfdb/record_list.csv"), "--wfdb-dir", str(folder / "wfdb")]
    return [*script, *inputs, "--dcm-dir", str(folder / "dicom"), "--token", "t", str(folder / "results/plan")]


def test_no_space_for_plan_files_fails_the_plan_with_the_reason(tmp_path: Path, small_disk) -> None:
    make_tree(tmp_path / "wfdb", 40)
    disk = small_disk(tmp_path / "results", "size=64k")
    (disk / "plan").mkdir()
    ballast = fill(disk)
    run = run_command(plan_command(tmp_path))
    assert run.status == 1 and "error: " in run.output and FULL in run.output and "Traceback" not in run.output
    assert list((disk / "plan").iterdir()) == []
    ballast.unlink()
    assert run_command(plan_command(tmp_path)).status == 0
    assert sorted(p.name for p in (disk / "plan").iterdir()) == [".token.json", "001-000.tsv"]


@pytest.mark.parametrize("place", ["--output-csv", "--manifest"])
def test_no_space_for_results_keeps_those_that_were_there(tmp_path: Path, small_disk, place: str) -> None:
    make_plan(tmp_path, 5)
    convert(tmp_path)
    write_csv(tmp_path / "s.csv", [["study_id", "note"], *([40_000_000 + n, "x" * 2000] for n in range(5))])
    disk = small_disk(tmp_path / "small", "size=64k")
    results = {f"--{name}": str(tmp_path / name) for name in ("output-csv", "errors", "manifest", "summary")}
    results[place] = str(disk / "result")
    (disk / "result").write_bytes(b"earlier")
    ballast = fill(disk)
    command = [sys.executable, str(SCRIPTS / "wfdb2dicom"), "aggregate", "--input-csv", str(tmp_path / "s.csv")]
    command += ["--dcm-dir", str(tmp_path / "dicom"), "--plans", str(tmp_path / "results/plan")]
    command += ["--receipts", str(tmp_path / "results/receipts"), *(word for pair in results.items() for word in pair)]
    run = run_command(command)
    assert run.status == 1 and FULL in run.output and "Traceback" not in run.output, run.output
    assert (disk / "result").read_bytes() == b"earlier"
    assert sorted(p.name for p in disk.iterdir()) == ["ballast", "result"]
    assert not any(Path(path).exists() for path in results.values() if path != str(disk / "result"))
    ballast.unlink()
    assert run_command(command).status == 0
    assert (disk / "result").stat().st_size > 2000


@pytest.mark.workflow
@pytest.mark.long
def test_a_run_on_a_full_disk_says_so_and_the_next_one_completes(tmp_path: Path, small_disk) -> None:
    work = Work(tmp_path / "work", {"studies_per_job": 8})
    make_tree(work.folder / "wfdb", 32)
    disk = small_disk(work.folder / "dicom", "size=120k")
    failed = work.run(status=1)
    assert FULL in failed.output
    spoken_of = [line for p in (work.folder / "results/receipts").glob("*.tsv") for line in p.read_text().splitlines()]
    for line in spoken_of:
        if line[:1].isdecimal() and line.split("\t")[1] != "failed":
            assert (disk / line.split("\t")[4]).stat().st_size == int(line.split("\t")[5])
    assert litter(work.folder) == []
    small_disk(disk, "size=4m")
    work.run()
    assert work.errors() == {} and len(contents(disk)) == 32
