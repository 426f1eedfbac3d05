"""The wheel in an empty environment: the command and the API with few dependencies, the workflow with the extra."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def call(*command: object, cwd: Path, status: int = 0) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"MPLBACKEND": "agg"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):  # what is committed alone, as a clone has it
        if not name.startswith("tests/") and (project / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            call("cp", "-P", project / name, source / name, cwd=folder)
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    call(*pip, "-w", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def install(environment: Path, requirement: str) -> None:
    """Install into an environment, from the index that pip has; the pip is that of the tests."""
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin/python", "install", "-q", "--no-compile")
    call(*pip, requirement, cwd=environment.parent)


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that was empty, with the wheel alone: the folder of its commands."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment.parent)
    install(environment, f"wfdb2dicom @ {wheel.as_uri()}")
    return environment / "bin"


@pytest.fixture(scope="module")
def with_extra(plain: Path, wheel: Path) -> Path:
    """The same environment, the extra added as the plain command says: no test of the wheel alone comes after it."""
    install(plain.parent, f"wfdb2dicom[workflow] @ {wheel.as_uri()}")
    return plain


def plotted_lead(project: Path) -> str:
    """The first example of docs/api.md: five lines from a record to a plotted lead."""
    text = (project / "docs/api.md").read_text(encoding="utf-8")
    first = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    assert len([line for line in first.splitlines() if line]) == 5
    return first


def test_the_wheel_alone_gives_the_command_and_the_api(plain: Path, project: Path, demo: Path, tmp_path: Path) -> None:
    record = demo / "files/p9000/p90000001/s94000001/94000001"
    for package in ("snakemake", "jinja2", "jsonschema", "pynetdicom"):
        call(plain / "python", "-c", f"import {package}", cwd=tmp_path, status=1)
    (tmp_path / "files").symlink_to(demo / "files")
    call(plain / "python", "-c", f"{plotted_lead(project)}\nplt.savefig('v1.png')", cwd=tmp_path)
    assert (tmp_path / "v1.png").stat().st_size > 1000
    command = plain / "wfdb2dicom"
    call(command, "convert", record, "a.dcm", "--metadata", demo / "machine_measurements.csv", cwd=tmp_path)
    assert call(command, "check", "a.dcm", "--record", record, cwd=tmp_path) == "a.dcm: conforms\n"
    assert "patient:          90000001" in call(command, "info", "a.dcm", cwd=tmp_path)
    call(command, "restore", "a.dcm", "back", cwd=tmp_path)
    assert (tmp_path / "back/94000001.dat").read_bytes() == record.with_suffix(".dat").read_bytes()
    call(command, "draw", "a.dcm", "a.pdf", cwd=tmp_path)
    words = call(command, "run", "--cores", "1", cwd=tmp_path, status=1)
    assert words == "error: Snakemake is not installed; run: pip install 'wfdb2dicom[workflow]'\n"


def test_the_extra_runs_the_workflow_without_a_clone(with_extra: Path, demo: Path, tmp_path: Path) -> None:
    options = ("--config", f"wfdb_dir={demo}", "max_failed=1.0", "--dataset", "mimic-iv-ecg", "--cores", "2")
    run = (with_extra / "wfdb2dicom", "run", *options)
    call(*run, cwd=tmp_path)
    assert (tmp_path / "results/studies.with_dcm.csv").exists() and (tmp_path / "results/report/index.html").exists()
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) >= 10
    assert "nothing to do: all 12 studies are up to date but 1" in call(*run, cwd=tmp_path)
    call(*run, "verify", cwd=tmp_path)
    # The profile for Slurm and the rules' environments are in the wheel too.
    install(with_extra.parent, "snakemake-executor-plugin-slurm>=2.8")
    done = call(*run, "--workflow-profile", "slurm", "--executor", "local", "-n", cwd=tmp_path)
    assert "up to date" in done
    package = call(
        with_extra / "python", "-c", "import wfdb2dicom; print(wfdb2dicom.__path__[0])", cwd=tmp_path
    ).strip()
    assert {path.name for path in Path(package, "_workflow/envs").iterdir()} == {"archive.yaml", "wfdb2dicom.yaml"}
