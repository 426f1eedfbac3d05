"""The set-up is what CONTRIBUTING.md promises: a lock that names no index, and no silent skip in CI."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import wfdb2dicom
from wfdb2dicom.dicom.uids import ENCODING_VERSION


def name_of(requirement: str) -> str:
    """The distribution's name, normalised, of ``Name>=1.0`` and its like."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.fixture(scope="module")
def lock(project: Path) -> str:
    return (project / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def metadata(project: Path) -> dict:
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_lock_names_no_index_and_no_file(lock: str) -> None:
    assert not re.search(r"://|^-|file:| @ ", lock, re.MULTILINE)


def test_the_lock_pins_every_distribution_by_hash(lock: str) -> None:
    entries = re.findall(r"^(\S.*?)(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    pins = [entry for entry in entries if not entry.startswith("#")]
    assert len(pins) > 50
    assert [pin for pin in pins if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", pin, re.DOTALL)] == []


def test_the_lock_holds_everything_that_pyproject_asks_for(lock: str, metadata: dict) -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    asked = [*metadata["dependencies"], *(r for extra in metadata["optional-dependencies"].values() for r in extra)]
    assert {name_of(requirement) for requirement in asked} - {"wfdb2dicom"} <= locked, "run: make lock"


def test_the_rules_conda_environment_asks_for_the_same_versions(project: Path, metadata: dict) -> None:
    """Without Snakemake and its solver, which run the rules and are not called by them."""
    environment = yaml.safe_load((project / "envs" / "wfdb2dicom.yaml").read_text(encoding="utf-8"))
    conda = {requirement.replace(" ", "") for requirement in environment["dependencies"]}
    for theirs, ours in (("pysoundfile", "soundfile"), ("python-isal", "isal")):  # conda-forge has names of its own
        conda = {requirement.replace(theirs, ours) for requirement in conda}
    asked = [*metadata["dependencies"], *metadata["optional-dependencies"]["workflow"]]
    pip = {r for r in asked if name_of(r) not in ("snakemake", "pulp", "wfdb2dicom")}
    assert conda == pip | {"python" + metadata["requires-python"]}


def test_the_citation_and_the_changelog_name_the_version_and_its_date(project: Path) -> None:
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == wfdb2dicom.__version__
    changes = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {citation['version']} — {citation['date-released']}\n" in changes


def test_the_changelog_and_the_tag_message_name_the_version_of_the_encoding(project: Path) -> None:
    words = f"Encoding version {ENCODING_VERSION}."
    pages = (project / "CHANGELOG.md", project / "docs/releasing.md")
    assert [page.name for page in pages if words not in page.read_text(encoding="utf-8")] == []


def test_what_the_workflow_catalog_shows_is_there(project: Path) -> None:
    usage = yaml.safe_load((project / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    rules = "".join(path.read_text(encoding="utf-8") for path in (project / "workflow/rules").glob("*.smk"))
    assert usage["software-stack-deployment"] == {"conda": "conda:" in rules, "report": "report(" in rules}
    assert "mine.yaml" in usage["mandatory-flags"]["flags"] and (project / "workflow/Snakefile").is_file()
    assert "mine.yaml" in (project / "config/README.md").read_text(encoding="utf-8")


SKIPPING = """
import pytest

def test_calls_skip():
    pytest.skip("reason one")

@pytest.mark.skipif(True, reason="reason two")
def test_marked(): pass

@pytest.fixture
def absent():
    pytest.skip("reason three")

def test_fixture(absent): pass

@pytest.mark.xfail(reason="known")
def test_expected_failure():
    assert False
"""


def run_pytest(folder: Path, conftest: Path, no_skip: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(conftest, folder / "conftest.py")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", str(folder)]
    environment = {**os.environ, "WFDB2DICOM_NO_SKIP": no_skip}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("no_skip", "status", "summary"),
    [("1", 1, r"1 failed, 1 xfailed, 2 errors in"), ("", 0, r"3 skipped, 1 xfailed in")],
)
def test_a_skipped_test_fails_only_where_no_skip_is_set(
    project: Path, tmp_path: Path, no_skip: str, status: int, summary: str
) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    run = run_pytest(tmp_path, project / "tests" / "conftest.py", no_skip)
    assert run.returncode == status, run.stdout
    assert re.search(summary, run.stdout.splitlines()[-1])
    assert all(f"reason {number}" in run.stdout for number in ("one", "two", "three"))


def test_a_module_that_skips_itself_fails_where_no_skip_is_set(project: Path, tmp_path: Path) -> None:
    (tmp_path / "test_absent.py").write_text('import pytest; pytest.importorskip("no_such_module")')
    run = run_pytest(tmp_path, project / "tests" / "conftest.py", "1")
    assert run.returncode != 0
    assert "no_such_module" in run.stdout


def test_skipped_tests_are_listed_by_reason_on_ten_lines(project: Path, tmp_path: Path) -> None:
    tests = "".join(
        f"@pytest.mark.parametrize('n', range({20 - number}))\ndef test_{number}(n): pytest.skip('reason {number}')\n"
        for number in range(12)
    )
    (tmp_path / "test_many.py").write_text("import pytest\n" + tests)
    shutil.copy(project / "tests" / "conftest.py", tmp_path / "conftest.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"WFDB2DICOM_NO_SKIP": ""}, capture_output=True, text=True
    )
    _, _, listed = run.stdout.partition("skipped, by reason")
    lines = listed.splitlines()[1:-1]
    assert lines[0].split() == ["20", "reason", "0"]
    assert lines[-1].split()[:5] == ["42", "for", "4", "other", "reasons:"]
    assert len(lines) < 10
