"""A small WFDB tree, and a working directory in which Snakemake really runs on it.

The tree and its first run are made once; each test works on a copy, in which all paths are relative.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from small_tree import BEFORE, FIRST, add_study, study_path, subject_of, write
from working_folder import WorkingFolder

SAMPLES = 300


@dataclass
class Tree:
    """MIMIC-IV-ECG's layout with short records."""

    root: Path
    studies: list[int] = field(default_factory=list)

    def add(self, study: int, *, seed: int | None = None) -> None:
        """Write one record; another seed gives other samples."""
        header = (self.root / study_path(study)).with_suffix(".hea")
        add_study(self.root, study, seed=seed, samples=SAMPLES, mtime_ns=later_than(header))
        if study not in self.studies:
            self.studies.append(study)

    def write_csvs(self) -> None:
        """record_list.csv and machine_measurements.csv of the studies that are in the tree."""
        records = [["subject_id", "study_id", "file_name", "ecg_time", "path"]]
        measured = [["subject_id", "study_id", "cart_id", "ecg_time", "bandwidth", "filtering"]]
        for study in self.studies:
            when = "2180-07-23 08:44:00"
            records.append([subject_of(study), study, study, when, study_path(study)])
            measured.append([subject_of(study), study, 6_000_000, when, "0.005-150 Hz", "60 Hz notch Baseline filter"])
        for name, rows in (("record_list.csv", records), ("machine_measurements.csv", measured)):
            replace(self.root / name, "\n".join(",".join(map(str, row)) for row in rows) + "\n")


def later_than(path: Path) -> int:
    """A modification time (ns) in the past, but not that of a file's present content."""
    return path.stat().st_mtime_ns + 10**9 if path.exists() else BEFORE


def replace(path: Path, content: str | bytes) -> None:
    """Write a file whose modification time is in the past, but not that of an earlier content."""
    write(path, content, later_than(path))


@dataclass
class Work(WorkingFolder):
    """A working directory with the tree in ``wfdb``."""

    @property
    def tree(self) -> Tree:
        rows = (self.folder / "wfdb/record_list.csv").read_text().splitlines()[1:]
        return Tree(self.folder / "wfdb", [int(row.split(",")[1]) for row in rows])

    def dicoms(self) -> dict[str, tuple[int, int, bytes]]:
        """Inode, modification time and content of every DICOM, by path."""
        return {
            str(path.relative_to(self.folder / "dicom")): (
                path.stat().st_ino,
                path.stat().st_mtime_ns,
                path.read_bytes(),
            )
            for path in sorted((self.folder / "dicom").rglob("*"))
            if path.is_file()
        }

    def dicom(self, study: int) -> Path:
        return self.folder / "dicom" / f"{study_path(study)}.dcm"

    def batch_of(self, study: int) -> str:
        for plan in (self.folder / "results/plan").glob("*.tsv"):
            if f"\n{study}\t" in plan.read_text():
                return plan.stem
        raise AssertionError(f"no plan holds {study}")

    def files(self) -> dict[str, int]:
        """Modification time of every file that a run makes, except Snakemake's own."""
        return {
            str(path.relative_to(self.folder)): path.stat().st_mtime_ns
            for top in ("dicom", "results", "logs")
            for path in (self.folder / top).rglob("*")
            if path.is_file()
        }


def changed(before: dict[str, tuple[int, int, bytes]], after: dict[str, tuple[int, int, bytes]]) -> set[str]:
    """Names of the files that are new, gone or written again."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def dicom_names(*studies: int) -> set[str]:
    return {f"{study_path(study)}.dcm" for study in studies}


TRUNCATED = FIRST + 5
CORRUPT = FIRST + 6
STUDIES = 24


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """24 studies in four batches, converted once; one .dat is cut short and one header is corrupt."""
    folder = tmp_path_factory.mktemp("finished")
    tree = Tree(folder / "wfdb")
    for study in range(FIRST, FIRST + STUDIES):
        tree.add(study)
    dat = (tree.root / study_path(TRUNCATED)).with_suffix(".dat")
    replace(dat, dat.read_bytes()[:1000])
    replace((tree.root / study_path(CORRUPT)).with_suffix(".hea"), "nonsense\n")
    tree.write_csvs()
    config = {
        "input_csv": "wfdb/record_list.csv",
        "wfdb_dir": "wfdb",
        "metadata": "wfdb/machine_measurements.csv",
        "studies_per_job": 7,
        "max_failed": 0.5,
    }
    work = Work(folder, config)
    run = work.run()
    assert len(run.batches) == 4, run.output
    assert set(work.errors()) == {str(TRUNCATED), str(CORRUPT)}
    return work


@pytest.fixture
def work(finished: Work, tmp_path: Path) -> Work:
    """A copy of the finished run, with all times kept."""
    shutil.copytree(finished.folder, tmp_path / "work", symlinks=True)
    return Work(tmp_path / "work", dict(finished.config))


@pytest.fixture
def kill_when() -> Callable[[list[str], Path, Callable[[], bool]], None]:
    """Start a command, and kill it and its children with SIGKILL as soon as a condition holds."""

    def run(command: list[str], folder: Path, condition: Callable[[], bool]) -> None:
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        end = time.monotonic() + 120
        try:
            while not condition():
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < end
                time.sleep(0.005)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    return run
