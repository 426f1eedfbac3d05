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


DICOM_RENAMED = r" renameat2?\(.*\.part\", .*\.dcm\""
SYNC = r" syncfs\(\d+<.*/dicom>"  # strace notes its result apart where other calls end meanwhile


class Trace:
    """The calls of a batch job, in order."""

    def __init__(self, folder: Path, strace: str) -> None:
        log = folder / "strace"
        run = run_command([strace, "-f", "-y", "-s", "300", "-o", str(log), "-e", CALLS, *batch_command(folder)])
        assert run.status == 0, run.output
        self.calls = log.read_text(errors="replace").splitlines()

    def places(self, pattern: str) -> list[int]:
        """Where calls of a pattern stand, of which there is one at least."""
        found = [n for n, call in enumerate(self.calls) if re.search(pattern, call)]
        assert found, pattern
        return found


def test_dicoms_then_sync_then_the_receipts_content_then_its_name_then_its_folder(tmp_path: Path, strace: str) -> None:
    make_plan(tmp_path, 12)
    trace = Trace(tmp_path, strace)
    dicoms = trace.places(DICOM_RENAMED)
    assert len(dicoms) == 12
    (sync,) = trace.places(rf"{SYNC}\)\s+= 0")
    temporary = r"\.001-000\.tsv\.tmp"
    written = trace.places(rf" p?write(?:64)?\(\d+<.*{temporary}>")
    contents = trace.places(rf" fsync\(\d+<.*{temporary}>\)\s+= 0")
    name = trace.places(rf" rename.*{temporary}.*001-000\.tsv\"\)?.*= 0")
    folder = trace.places(r" fsync\(\d+<.*/receipts>\)\s+= 0")
    order = [max(dicoms), sync, min(written), max(written), min(contents), min(name), min(folder)]
    assert order == sorted(order), "\n".join(trace.calls[n] for n in order)


def test_a_long_batch_syncs_in_portions_and_at_its_end_all_that_is_left(tmp_path: Path, strace: str) -> None:
    make_plan(tmp_path, 450)
    trace = Trace(tmp_path, strace)
    early, last = trace.places(SYNC)
    renames = trace.places(DICOM_RENAMED)
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
