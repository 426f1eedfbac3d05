"""Fault 8: two runs in one folder, two folders with one target, readers while a run writes."""

import os
import signal
import subprocess
import threading
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from small_tree import FIRST, add_study, studies

from .helpers import (
    ENVIRONMENT,
    Work,
    batch_command,
    contents,
    convert,
    counts,
    litter,
    make_plan,
    make_tree,
    wait_until,
)


@pytest.mark.workflow
def test_a_second_run_in_one_folder_is_refused_clearly_and_harms_nothing(tmp_path: Path) -> None:
    work = Work(tmp_path / "work", {"studies_per_job": 5})
    make_tree(work.folder / "wfdb", 40)
    first = work.start()
    lock = work.folder / "results/.lock"
    wait_until(lambda: (lock.exists() and lock.read_text().startswith("process ")) or first.poll() is not None)
    os.kill(first.pid, signal.SIGSTOP)  # so that it does not end before the second begins
    try:
        second = work.run(status=1, lead_order="standard")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert "another run is using" in second.output and f"process {first.pid} " in second.output
    assert "--directory" in second.output
    output = first.communicate(timeout=200)[0]
    assert first.returncode == 0, output
    assert work.errors() == {} and len(contents(work.folder / "dicom")) == 40
    assert work.run().nothing_done  # the lock went with its process, and the second run has left nothing


@pytest.mark.workflow
@pytest.mark.long
def test_two_folders_with_one_target_end_with_whole_files(tmp_path: Path) -> None:
    one, two = (Work(tmp_path / name, {"dcm_dir": "../dicom", "wfdb_dir": "../wfdb"}) for name in ("one", "two"))
    make_tree(tmp_path / "wfdb", 40)
    config = {"input_csv": str(tmp_path / "wfdb/record_list.csv")}
    runs = [work.start(**config) for work in (one, two)]
    outputs = [run.communicate(timeout=200)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert one.errors() == two.errors() == {}
    dicoms = contents(tmp_path / "dicom")
    assert len(dicoms) == 40 and all(name.endswith(".dcm") for name in dicoms)
    # Whoever wrote last, both wrote the same bytes; each run repairs its receipts and touches no file.
    for work in (one, two):
        work.run(**config)
        assert contents(tmp_path / "dicom") == dicoms


def test_two_jobs_of_one_batch_write_and_sweep_side_by_side(tmp_path: Path) -> None:
    """A scheduler that takes a job for dead starts it again while it still runs."""
    make_plan(tmp_path, 150)
    for _ in range(2):
        jobs = [
            subprocess.Popen(batch_command(tmp_path, "--overwrite"), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
            for _ in range(3)
        ]
        assert [job.wait(timeout=100) for job in jobs] == [0, 0, 0]
        assert litter(tmp_path) == []
    assert counts(convert(tmp_path)) == (0, 150, 0)


def test_a_reader_never_sees_a_part_of_a_file(tmp_path: Path) -> None:
    make_plan(tmp_path, 40)
    convert(tmp_path)
    valid = {path: {path.read_bytes()} for path in sorted((tmp_path / "dicom").rglob("*.dcm"))}
    for study in studies(40):
        add_study(tmp_path / "wfdb", study, seed=study + 1000)
    seen: dict[Path, set[bytes]] = {path: set() for path in valid}
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for path, contents_seen in seen.items():
                contents_seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(3):
            convert(tmp_path, "--overwrite")
    finally:
        done.set()
        reader.join()
    for path, content in valid.items():
        content.add(path.read_bytes())
        assert seen[path] <= content, path
        assert pydicom.dcmread(BytesIO(path.read_bytes())).StudyID == path.stem
    assert f"{FIRST}" in str(next(iter(valid)))
