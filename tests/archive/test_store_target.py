"""The target store, as a user calls it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from orthanc import Orthanc

from .conftest import clean_environment
from .test_confirmation import serve

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
SECRETS = {"WFDB2DICOM_ARCHIVE_USER": "ward", "WFDB2DICOM_ARCHIVE_PASSWORD": "s3cret-word"}


def snakemake(folder: Path, *arguments: str, project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile"), "--cores", "2", "-p"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def demo_inputs(demo: Path) -> list[str]:
    return ["--config", f"input_csv={demo}/record_list.csv", f"wfdb_dir={demo}"]


def test_without_an_archive_it_names_key_and_remedy(project: Path, demo: Path, tmp_path: Path) -> None:
    done = snakemake(tmp_path, "store", *demo_inputs(demo), project=project)
    assert done.returncode == 1
    assert "archive: the target store sends to a DICOM archive, and none is configured: write archive:" in done.stderr


def test_a_wrong_archive_stops_the_run_before_any_work(project: Path, demo: Path, tmp_path: Path) -> None:
    wrong = 'archive={"url": "https://ward:s3cret-word@a.org"}'
    done = snakemake(tmp_path, *demo_inputs(demo), wrong, project=project)
    assert done.returncode == 1
    assert "archive.url: holds a user or password" in done.stderr and "s3cret" not in done.stderr + done.stdout
    assert not (tmp_path / "dicom").exists()


def test_it_sends_what_is_not_there_and_then_has_nothing_to_do(project: Path, demo: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    metadata = work / "measurements.csv"
    metadata.write_bytes((demo / "machine_measurements.csv").read_bytes())
    with Orthanc(tmp_path / "orthanc", user="ward", password="s3cret-word") as archive:
        options = yaml.safe_load((project / "config.yaml").read_text())
        options |= {"input_csv": str(demo / "record_list.csv"), "wfdb_dir": str(demo), "metadata": str(metadata)}
        options |= {"archive": {"url": archive.dicomweb}, "studies_per_job": 4}
        (work / "config.yaml").write_text(yaml.safe_dump(options))

        first = snakemake(work, "store", "--configfile", "config.yaml", project=project, **SECRETS)
        assert first.returncode == 0, first.stderr[-3000:]
        assert "store: 11 of 11 objects are in the archive" in first.stdout
        assert len(archive.instances()) == 11

        second = snakemake(work, "store", "--configfile", "config.yaml", project=project)
        assert second.returncode == 0 and "Nothing to be done" in second.stdout + second.stderr

        text = metadata.read_text().splitlines()
        at = next(n for n, line in enumerate(text) if ",94000001," in line)
        text[at] = text[at].replace("9000017", "9000018")
        metadata.write_text("\n".join(text) + "\n")
        third = snakemake(work, "store", "--configfile", "config.yaml", project=project, **SECRETS)
        assert third.returncode == 0, third.stderr[-3000:]
        assert sum(" 1 sent, " in line for line in third.stdout.splitlines()) == 1
        assert "store: 1 sent earlier are superseded and still there" in third.stdout
        assert len(archive.instances()) == 12

        fourth = snakemake(work, "store", "--configfile", "config.yaml", project=project)
        assert fourth.returncode == 0 and "Nothing to be done" in fourth.stdout + fourth.stderr
    kept = (path for path in work.rglob("*") if path.is_file() and not path.is_symlink())
    assert [path for path in kept if b"s3cret" in path.read_bytes()] == []


@pytest.mark.long
def test_a_refused_log_in_is_tried_once_in_a_run_of_many_jobs(project: Path, demo: Path, tmp_path: Path) -> None:
    """Several batches, two at a time, each tried again by Snakemake; the next run tries once more."""
    with serve([]) as server:
        server.authorize = lambda header: False
        for run in (1, 2):
            done = snakemake(
                tmp_path,
                *("store", "--keep-going", "--retries", "1", *demo_inputs(demo)),
                f"archive={{url: {server.archive['url']}}}",
                "studies_per_job=3",
                project=project,
                **SECRETS,
            )
            assert done.returncode == 1
            assert "does not let us in (HTTP 401)" in done.stderr and "s3cret" not in done.stderr + done.stdout
            assert server.refused == run


def test_the_rules_conda_environment_asks_for_the_same_versions(project: Path) -> None:
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    environment = yaml.safe_load((project / "envs" / "archive.yaml").read_text(encoding="utf-8"))
    conda = {requirement.replace(" ", "") for requirement in environment["dependencies"]}
    own = {r for r in metadata["dependencies"] if r.startswith("pydicom")}
    extra = set(metadata["optional-dependencies"]["archive"])
    assert conda == own | extra | {"python" + metadata["requires-python"]}
