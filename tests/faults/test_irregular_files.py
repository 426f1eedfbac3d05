"""FIFOs and links in place of our own files: nothing waits for them, follows them, or writes through them."""

import os
from pathlib import Path

import pytest

from .helpers import Work, contents, in_folder

FILES = (
    "results/.lock",
    "results/.results.json",
    "results/plan/.token.json",
    "results/plan/001-000.tsv",
    "results/receipts/001-000.tsv",
    "results/studies.with_dcm.csv",
    "results/manifest.parquet",
    "results/summary.json",
    "results/studies.errors.log",
)


def plan_and_receipt(folder: Path, name: str) -> Path:
    """The file; of plan files and receipts, whose names depend on the studies, the first."""
    path = folder / name
    return sorted(path.parent.glob("*.tsv"))[0] if path.suffix == ".tsv" else path


@pytest.mark.parametrize("kind", ["FIFO", "link"])
def test_a_run_ends_and_the_next_is_right_whatever_has_the_names_of_its_files(work: Work, kind: str) -> None:
    """All files at once; those that the run does not replace by itself it names, and they are removed."""
    expected = contents(work.folder / "dicom")
    elsewhere = work.folder / "elsewhere"
    elsewhere.mkdir()
    dicom = sorted((work.folder / "dicom").rglob("*.dcm"))[0]
    for path in [plan_and_receipt(work.folder, name) for name in FILES] + [dicom]:
        path.unlink(missing_ok=True)
        if kind == "FIFO":
            os.mkfifo(path)
        else:
            (elsewhere / path.name).write_bytes(b"precious")
            path.symlink_to(elsewhere / path.name)
    for _ in range(5):
        process = work.start()
        try:
            output = process.communicate(timeout=120)[0]
        finally:
            for pid in in_folder(work.folder):
                os.kill(pid, 9)
        if process.returncode == 0:
            break
        assert "not regular files but" in output, output
        named = {word.strip(",;") for word in output.split() if word.startswith("results/")}
        for path in named:
            (work.folder / path).unlink()
    else:
        pytest.fail(output)
    assert all(path.read_bytes() == b"precious" for path in elsewhere.iterdir())
    assert contents(work.folder / "dicom") == expected
    assert all(not row["dcm_error"] for row in work.table().values())
    assert not any(path.is_symlink() or path.is_fifo() for path in work.folder.rglob("*"))
