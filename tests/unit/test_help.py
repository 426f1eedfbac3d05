"""Every command says what it does, its exit statuses and an example, and every example runs as it is written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from help_examples import examples, help_of
from wfdb2dicom.cli import main
from wfdb2dicom.cli.main import COMMANDS, STAGES, usage
from wfdb2dicom.cli.run import snakefile

NAMES = [*COMMANDS, *STAGES]


@pytest.fixture(scope="module")
def folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, in which the examples run one after the other, each with what those before it wrote."""
    folder = tmp_path_factory.mktemp("examples") / "demo"
    shutil.copytree(demo, folder)
    (folder / "mine.yaml").write_text(
        "{input_csv: record_list.csv, wfdb_dir: ., output_csv: out/studies.csv,"
        " metadata: machine_measurements.csv, max_failed: 0.1}\n"
    )
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_help_names_exit_statuses_and_an_example(name: str) -> None:
    assert re.search(r"\nexit status:\n  0 +\w.*\n  1 +\w.*\n  2 +wrong arguments\n", help_of(name))
    assert examples(name)
    assert all(example[0] == name for example in examples(name))
    assert f"  {name} " in usage()


@pytest.mark.parametrize(("arguments", "stage"), [(["verify"], "verify"), (["validate", "sample"], "validate")])
def test_a_stage_called_by_hand_names_the_target(
    capsys: pytest.CaptureFixture[str], arguments: list[str], stage: str
) -> None:
    with pytest.raises(SystemExit):
        main.run(arguments)
    assert capsys.readouterr().err.endswith(f"; this is the stage, the target is: wfdb2dicom run ... {stage}\n")
    with pytest.raises(SystemExit):
        main.run(["gate"])
    assert "target" not in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("run", "send")])  # send: tests/archive
def test_every_example_runs(project: Path, folder: Path, name: str) -> None:
    for example in examples(name):
        run(project, folder, example)


@pytest.mark.slow
@pytest.mark.workflow
def test_the_example_of_run_runs(project: Path, folder: Path) -> None:
    (example,) = examples("run")
    shutil.copytree(folder, folder.parent / "run", ignore=shutil.ignore_patterns("results", "dicom"))
    run(project, folder.parent / "run", example)
    assert (folder.parent / "run/out/studies.csv").exists()


def run(project: Path, folder: Path, arguments: list[str]) -> None:
    command = [sys.executable, str(project / "scripts/wfdb2dicom"), *arguments]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]


def test_help_is_printed_by_every_command(project: Path) -> None:
    for name in ("run", "convert"):
        command = [sys.executable, str(project / "scripts/wfdb2dicom"), name, "--help"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 and "exit status:" in done.stdout


def test_a_clone_runs_its_own_snakefile(project: Path) -> None:
    assert snakefile() == project / "Snakefile"


COUNT = """
import sys
sys.argv = ["wfdb2dicom", "check", sys.argv[1]]
from wfdb2dicom.cli import main, startup
startup.exit_without_cleaning = main.exit_without_cleaning = lambda status: None
main.main()
import numpy
print(len(__import__("os").listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in Linux's /proc")
def test_no_threads_of_blas_are_started(project: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    environment["PYTHONPATH"] = str(project / "scripts")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "none.dcm")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split()[-1] == "1", done.stderr


def test_a_command_leaves_nothing_on_the_path(project: Path) -> None:
    """Neither the package, whose modules would be top-level ones, nor the folder beside it."""
    command = [sys.executable, "-S", "-c", PATHS, str(project / "scripts/wfdb2dicom")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


PATHS = """
import runpy, sys
sys.argv = [sys.argv[1], "--version"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
print([entry for entry in sys.path if entry.endswith(("scripts", "wfdb2dicom"))])
"""
