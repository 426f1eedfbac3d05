"""A tree of 2,000 short records, its conversion without a cluster, and clusters to convert it on."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from .cluster import Cluster, missing_packages

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).parent / "faults"
STUDIES = 2000
# Polls of the queue as fast as the plugin allows: tests need not spare a controller.
IMPATIENT = ["--slurm-init-seconds-before-status-checks=1", "--max-status-checks-per-second=2"]
PATIENCE = 400


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as a condition holds; it has to within a generous time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


@dataclass
class Work:
    """A working directory with a configuration, in which Snakemake runs."""

    folder: Path
    config: dict[str, object]
    cluster: Cluster | None = None
    running: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.faults.mkdir(parents=True)
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.config))

    @property
    def faults(self) -> Path:
        return self.folder / "faults"

    def command(self, *arguments: str) -> list[str]:
        profile = ["--workflow-profile", "slurm", *IMPATIENT] if self.cluster else ["--cores", "2"]
        common = [str(ROOT / "scripts/wfdb2dicom"), "run", "--configfile", "mine.yaml"]
        return [sys.executable, *common, *profile, "-p", *arguments]  # -p: what Snakemake says is tested too

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a run in the background; its output goes to a file."""
        environment = self.cluster.env if self.cluster else dict(os.environ)
        environment = environment | {"PYTHONPATH": str(FAULTS), "WFDB2DICOM_TEST_FAULTS": str(self.faults)}
        with (self.folder / "output").open("w") as output:
            self.running = subprocess.Popen(
                self.command(*arguments), cwd=self.folder, env=environment, stdout=output, stderr=output, text=True
            )
        return self.running

    def finish(self, status: int = 0) -> str:
        """The output of a run, once it has ended with this status."""
        assert self.running is not None
        try:
            ended = self.running.wait(PATIENCE)
        finally:
            self.end()
        assert ended == status, self.output
        return self.output

    def end(self) -> None:
        """End a run that a test has given up."""
        if self.running is not None and self.running.poll() is None:
            self.running.send_signal(signal.SIGINT)
            try:
                self.running.wait(30)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()

    def run(self, *arguments: str) -> str:
        self.start(*arguments)
        return self.finish()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def fault(self, batch: str, word: str, attempt: int = 1) -> None:
        """Have a try of a batch go wrong, see faults/sitecustomize.py."""
        (self.faults / f"{batch}.{attempt}").write_text(word)

    def hit(self, batch: str, attempt: int = 1) -> bool:
        """Whether that has happened."""
        assert self.running is None or self.running.poll() is None, self.output
        return (self.faults / f"{batch}.{attempt}.hit").exists()

    def release(self) -> None:
        """Let the jobs that hold go on."""
        (self.faults / "release").touch()

    def dicoms(self) -> dict[str, str]:
        """A digest of everything below the folder of the DICOMs, by path."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((self.folder / "dicom").rglob("*"))
            if path.is_file()
        }

    def times(self) -> dict[str, int]:
        """Modification time of every DICOM."""
        return {str(path): path.stat().st_mtime_ns for path in sorted((self.folder / "dicom").rglob("*.dcm"))}

    def table(self) -> bytes:
        """The result CSV, in which errors name the source."""
        content = (self.folder / "results/studies.with_dcm.csv").read_bytes()
        return content.replace(str(self.config["wfdb_dir"]).encode(), b"wfdb_dir")

    def jobs(self) -> list["Job"]:
        """All jobs that the controller remembers, the latest first."""
        assert self.cluster is not None
        lines = self.cluster.run("squeue", "--states=all", "--noheader", "--format=%i|%T|%k|%Z|%C").splitlines()
        jobs = []
        for number, state, comment, folder, cores in (line.split("|") for line in lines):
            if folder == str(self.folder):
                jobs.append(Job(number, state, re.sub(r".*_wildcards_", "", comment), int(cores)))
        return sorted(jobs, key=lambda job: -int(job.number))

    def states(self, batch: str) -> list[str]:
        """What became of the jobs of a batch, the latest first."""
        return [job.state for job in self.jobs() if job.batch == batch]


@dataclass
class Job:
    """A Slurm job."""

    number: str
    state: str
    batch: str
    cores: int


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 studies of 250 samples; the .dat of one of them is cut short."""
    folder = tmp_path_factory.mktemp("tree")
    maker = ROOT / "tests/bench/tree.py"
    subprocess.run([sys.executable, maker, folder, f"--studies={STUDIES}", "--samples=250"], check=True)
    victim = min(folder.rglob("*.dat"))
    victim.write_bytes(victim.read_bytes()[:100])
    return folder


@pytest.fixture(scope="session")
def archive(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ZIP of the tree."""
    return Path(shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "data"), "zip", tree))


@pytest.fixture(scope="session")
def config(tree: Path) -> dict[str, object]:
    # The time for a study is longer than that for a job, so that Slurm ends a job that hangs, and not its supervisor.
    return {"input_csv": str(tree / "record_list.csv"), "wfdb_dir": str(tree), "studies_per_job": 500, "timeout": 600}


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, config: dict[str, object]) -> Work:
    """The same studies converted on this machine without a cluster."""
    work = Work(tmp_path_factory.mktemp("local"), config)
    work.run()
    assert len(work.times()) == STUDIES - 1
    return work


@contextmanager
def _cluster(folder: Path, *, accounting: bool) -> Iterator[Cluster]:
    if missing := missing_packages(accounting):
        pytest.skip(f"Slurm is not installed: apt-get install {' '.join(missing)}")
    with Cluster(folder / "slurm", accounting=accounting) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def plain_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes, no accounting: squeue is all there is."""
    with _cluster(tmp_path_factory.mktemp("plain"), accounting=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def accounted_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes, with slurmdbd and MariaDB: sacct answers."""
    with _cluster(tmp_path_factory.mktemp("accounted"), accounting=True) as cluster:
        yield cluster
