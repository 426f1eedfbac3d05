"""What the campaigns share: an undisturbed run to compare with, and a library that makes system calls fail."""

import shutil
import subprocess
from pathlib import Path

import pytest

from faults.helpers import Work, make_tree

from .campaign import LONG


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A finished run that nothing disturbed."""
    studies, batch = (2000, 100) if LONG else (240, 20)
    work = Work(tmp_path_factory.mktemp("calm"), {"studies_per_job": batch})
    make_tree(work.folder / "wfdb", studies)
    work.run()
    return work


@pytest.fixture
def work(calm: Work, tmp_path: Path) -> Work:
    """The same records, not converted yet."""
    shutil.copytree(calm.folder / "wfdb", tmp_path / "work/wfdb")
    return Work(tmp_path / "work", dict(calm.config))


@pytest.fixture(scope="session")
def faulty_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of faulty_calls.c, to be loaded with LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: install gcc to have system calls fail")
    library = tmp_path_factory.mktemp("shim") / "faulty_calls.so"
    source = Path(__file__).with_name("faulty_calls.c")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"faulty_calls.c needs Linux with glibc: {done.stderr.splitlines()[0][:200]}")
    return library
