"""Fault 4: what a receipt names is on stable storage before the receipt is."""

import re
import shutil
from pathlib import Path

import pytest

from .helpers import batch_command, convert, counts, litter, make_plan, receipt_of, run_command

CALLS = "trace=/^(rename.*|syncfs|fsync|fdatasync|sync|open.*|write.*|pwrite.*|unlink.*|close)$"


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed: apt-get install strace")
    return found


def test_dicoms_then_sync_then_the_receipts_content_then_its_name_then_its_folder(tmp_path: Path, strace: str) -> None:
    make_plan(tmp_path, 12)
    log = tmp_path / "strace"
    run = run_command([strace, "-f", "-y", "-s", "300", "-o", str(log), "-e", CALLS, *batch_command(tmp_path)])
    assert run.status == 0, run.output
    calls = log.read_text(errors="replace").splitlines()

    def places(pattern: str) -> list[int]:
        found = [n for n, call in enumerate(calls) if re.search(pattern, call)]
        assert found, pattern
        return found

    dicoms = places(r" renameat2?\(.*\.part\", .*\.dcm\"")
    assert len(dicoms) == 12
    (sync,) = places(r" syncfs\(\d+<.*/dicom>\)\s+= 0")
    temporary = r"\.001-000\.tsv\.tmp"
    written = places(rf" write\(\d+<.*{temporary}>")
    contents = places(rf" fsync\(\d+<.*{temporary}>\)\s+= 0")
    name = places(rf" rename.*{temporary}.*001-000\.tsv\"\)?.*= 0")
    folder = places(r" fsync\(\d+<.*/receipts>\)\s+= 0")
    order = [max(dicoms), sync, min(written), max(written), min(contents), min(name), min(folder)]
    assert order == sorted(order), "\n".join(calls[n] for n in order)


def test_a_long_batch_syncs_in_portions_and_at_its_end_all_that_is_left(tmp_path: Path, strace: str) -> None:
    make_plan(tmp_path, 450)
    log = tmp_path / "strace"
    run = run_command([strace, "-f", "-y", "-s", "300", "-o", str(log), "-e", CALLS, *batch_command(tmp_path)])
    assert run.status == 0, run.output
    calls = log.read_text(errors="replace").splitlines()
    early, last = (n for n, call in enumerate(calls) if re.search(r" syncfs\(\d+<.*/dicom>", call))
    renames = [n for n, call in enumerate(calls) if re.search(r" renameat2?\(.*\.part\", .*\.dcm\"", call)]
    assert len(renames) == 450
    assert renames[300] < early < last
    assert renames[-1] < last


def test_a_disk_that_loses_a_portion_leaves_no_receipt(tmp_path: Path, strace: str) -> None:
    make_plan(tmp_path, 450)
    inject = ["-e", "trace=syncfs", "-e", "inject=syncfs:error=EIO:when=1"]  # the last sync would succeed
    run = run_command([strace, "-f", "-o", str(tmp_path / "strace"), *inject, *batch_command(tmp_path)])
    assert run.status == 1 and "the disk reports lost data" in run.output
    assert not receipt_of(tmp_path).exists()
    assert sum(counts(convert(tmp_path))[:2]) == 450


FAILING = {
    "syncfs": ("syncfs", "EIO", "cannot sync .*; the disk reports lost data"),
    "content of the receipt": ("fsync", "EIO", "cannot write .*001-000.tsv.*Input/output error"),
    "rename of a DICOM": ("renameat", "EIO", "cannot write .*dcm.*Input/output error"),
    "quota": ("pwrite64", "EDQUOT", "cannot write .*dcm.*Disk quota exceeded"),
}


@pytest.mark.parametrize("call", FAILING)
def test_a_disk_that_fails_at_any_step_leaves_no_receipt(tmp_path: Path, strace: str, call: str) -> None:
    make_plan(tmp_path, 4)
    name, error, words = FAILING[call]
    inject = ["-e", f"trace={name}", "-e", f"inject={name}:error={error}:when=1+"]
    run = run_command([strace, "-f", "-o", str(tmp_path / "strace"), *inject, *batch_command(tmp_path)])
    assert run.status == 1
    assert re.search(f"^error: {words}", run.output, re.MULTILINE), run.output
    assert not receipt_of(tmp_path).exists() and litter(tmp_path) == []
    assert sum(counts(convert(tmp_path))) == 4
    assert receipt_of(tmp_path).exists()
