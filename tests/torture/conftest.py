"""What the campaigns share: undisturbed runs to compare with, and a library that makes system calls fail."""

import shutil
import subprocess
from pathlib import Path

import pytest

from faults.helpers import Work, make_tree
from published_trees import pack

from .campaign import LONG, ORDERS, Calm, Result


@pytest.fixture(scope="session", params=["folder", "ZIP"])
def calm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """Finished runs that nothing disturbed."""
    studies, batch = (2000, 100) if LONG else (240, 20)
    work = Work(tmp_path_factory.mktemp("calm"), {"studies_per_job": batch})
    make_tree(work.folder / "wfdb", studies)
    if request.param == "ZIP":
        pack(work.folder / "wfdb", work.folder / "wfdb.zip", "data-set-1.0")
        shutil.rmtree(work.folder / "wfdb/files")
        work.config["wfdb_dir"] = "wfdb.zip"
    results = {}
    for order in ORDERS:
        work.config["lead_order"] = order
        work.run()
        results[order] = Result.of(work)
    return Calm(work, results)


@pytest.fixture
def work(calm: Calm, tmp_path: Path) -> Work:
    """The same records, not converted yet."""
    work = Work(tmp_path / "work", calm.work.config | {"lead_order": ORDERS[0]})
    shutil.copytree(calm.work.folder / "wfdb", work.folder / "wfdb")
    for path in calm.work.folder.glob("*.zip"):
        shutil.copy2(path, work.folder)
    return work


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
