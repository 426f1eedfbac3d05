"""Fault 11: clocks that jump, times that are coarse or in the future: nothing needless, nothing missed."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from small_tree import BEFORE, FIRST, add_study, header_text, study_path, subject_of, write

from .helpers import Work, contents, convert, counts, make_plan, outcomes, written

SECOND = 10**9
YEAR = 365 * 24 * 3600 * SECOND


def set_time(path: Path, ns: int) -> None:
    os.utime(path, ns=(ns, ns))


def signal_of(folder: Path, n: int) -> Path:
    return (folder / "wfdb" / study_path(FIRST + n)).with_suffix(".dat")


def test_a_source_from_the_future_is_not_converted_again_and_again(tmp_path: Path) -> None:
    make_plan(tmp_path, 4)
    for n in range(4):
        set_time(signal_of(tmp_path, n), time.time_ns() + 150 * YEAR)
    assert counts(convert(tmp_path)) == (4, 0, 0)
    before = written(tmp_path / "dicom")
    assert counts(convert(tmp_path)) == (0, 4, 0)
    assert written(tmp_path / "dicom") == before


@pytest.mark.parametrize("resolution", [SECOND, 2 * SECOND], ids=["seconds", "FAT"])
def test_times_cut_to_seconds_make_nothing_be_written_again(tmp_path: Path, resolution: int) -> None:
    make_plan(tmp_path, 4)
    for n in range(4):
        set_time(signal_of(tmp_path, n), time.time_ns())  # as if fetched a moment ago
    convert(tmp_path)
    for path in (tmp_path / "dicom").rglob("*.dcm"):
        set_time(path, path.stat().st_mtime_ns // resolution * resolution)
    before = written(tmp_path / "dicom")
    assert counts(convert(tmp_path)) == (0, 4, 0)
    assert written(tmp_path / "dicom") == before


def test_a_changed_record_with_the_old_times_is_converted_again(tmp_path: Path) -> None:
    """Restored by rsync or from a backup: the header, or the length, tells what the time does not."""
    make_plan(tmp_path, 4)
    convert(tmp_path)
    old = contents(tmp_path / "dicom")
    add_study(tmp_path / "wfdb", FIRST + 1, seed=9)  # other samples and checksums, the times of before
    add_study(tmp_path / "wfdb", FIRST + 2, samples=200)
    header = signal_of(tmp_path, 3).with_suffix(".hea")
    write(header, header.read_text().replace("23/07/2180", "24/07/2180"))
    assert counts(convert(tmp_path)) == (3, 1, 0)
    new = contents(tmp_path / "dicom")
    assert {name for name in old if old[name] != new[name]} == {f"{study_path(FIRST + n)}.dcm" for n in (1, 2, 3)}


def test_samples_changed_under_an_unchanged_header_are_refused_even_with_older_times(tmp_path: Path) -> None:
    make_plan(tmp_path, 2)
    convert(tmp_path)
    path = signal_of(tmp_path, 1)
    path.write_bytes(bytes(6000))
    set_time(path, time.time_ns())
    assert counts(convert(tmp_path)) == (0, 1, 1)
    assert outcomes(tmp_path)[str(FIRST + 1)].startswith("ChecksumError: ")


def test_samples_that_keep_every_checksum_are_converted_when_their_file_is_newer(tmp_path: Path) -> None:
    """The one change that header and length do not show: the time decides, and the samples are compared."""
    make_plan(tmp_path, 2)
    convert(tmp_path)
    path = signal_of(tmp_path, 1)
    samples = np.frombuffer(path.read_bytes(), "<i2").reshape(250, 12).copy()
    samples[[10, 20]] = samples[[20, 10]]
    path.write_bytes(samples.tobytes())
    header = path.with_suffix(".hea").read_text()
    assert header == header_text(str(FIRST + 1), samples, subject_of(FIRST + 1))
    set_time(path, time.time_ns() + 5 * SECOND)
    assert counts(convert(tmp_path)) == (1, 1, 0)


@pytest.mark.workflow
@pytest.mark.long
def test_a_clock_that_jumps_makes_no_run_do_anything_twice(work: Work) -> None:
    before = contents(work.folder / "dicom")
    inodes = {name: stamp[0] for name, stamp in written(work.folder / "dicom").items()}
    now = time.time_ns()
    for jump in (YEAR, -YEAR):
        for path in [*(work.folder / "dicom").rglob("*.dcm"), *(work.folder / "results").rglob("*.*")]:
            if path.is_file():
                set_time(path, now + jump)
        work.run()
        assert contents(work.folder / "dicom") == before
        assert {name: stamp[0] for name, stamp in written(work.folder / "dicom").items()} == inodes
    assert work.run().nothing_done


@pytest.mark.workflow
@pytest.mark.long
def test_sources_copied_with_other_times_are_read_again_and_no_dicom_written(work: Work) -> None:
    before = written(work.folder / "dicom")
    shutil.copytree(work.folder / "wfdb", work.folder / "copy")
    for path in (work.folder / "copy").rglob("*.*"):
        if path.is_file():
            set_time(path, BEFORE // SECOND // 2 * 2 * SECOND + 4 * SECOND)
    shutil.rmtree(work.folder / "wfdb")
    os.rename(work.folder / "copy", work.folder / "wfdb")
    work.run()
    assert written(work.folder / "dicom") == before
