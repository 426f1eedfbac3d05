"""What the fault tests share: root's faults, and a run to damage."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .helpers import Work, make_tree

COUNT = 32


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A finished run of 32 studies in four batches."""
    work = Work(tmp_path_factory.mktemp("finished"), {"studies_per_job": 8})
    make_tree(work.folder / "wfdb", COUNT)
    work.run()
    return work


@pytest.fixture
def work(finished: Work, tmp_path: Path) -> Work:
    """A copy of the finished run, all times kept."""
    shutil.copytree(finished.folder, tmp_path / "work", symlinks=True)
    return Work(tmp_path / "work", dict(finished.config))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A function that mounts a file system of its own, or changes its options."""
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        again = "remount," if folder in mounted else ""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"a file system of one's own needs root (mount: {done.stderr.strip()})")
        if not again:
            mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def as_anybody() -> Callable[[], None]:
    """Run in a child before it becomes another program: root, too, is then subject to permissions."""

    def drop() -> None:
        drop_from_bounding_set, read_search_and_override = 24, (1, 2)
        for capability in read_search_and_override:
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)

    return drop if os.geteuid() == 0 else lambda: None
