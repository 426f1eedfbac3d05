"""The targets validate and roundtrip, in real Snakemake runs on the bundled demo."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from wfdb2dicom.checks.checked_objects import CheckedObject, read_checked

pytestmark = pytest.mark.workflow
CONVERTED = 11  # of the demo's twelve studies


@dataclass
class Folder:
    """A working directory; the configuration is the demo's unless it says otherwise."""

    path: Path
    project: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        demo = self.project / "tests/data/demo"
        options = {"input_csv": f"{demo}/record_list.csv", "wfdb_dir": str(demo), "max_failed": 0.1}
        options["metadata"] = f"{demo}/machine_measurements.csv"
        (self.path / "demo.yaml").write_text(yaml.safe_dump(options))
        command = [sys.executable, "-m", "snakemake", "-s", str(self.project / "Snakefile"), "--cores=2", "-p"]
        command += [*arguments, "--configfile", "demo.yaml"]
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False)

    def table(self, name: str) -> list[CheckedObject]:
        return read_checked(self.path / "results" / f"{name}.tsv")

    def dicoms(self) -> list[Path]:
        return sorted((self.path / "dicom").rglob("*.dcm"))


@pytest.fixture(scope="module")
def folder(project: Path, dciodvfy: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """After a first run of both targets."""
    folder = Folder(tmp_path_factory.mktemp("targets"), project)
    first = folder.run("validate", "roundtrip", "--config", "validate_sample=all")
    assert first.returncode == 0, first.stderr
    assert f"of {CONVERTED} DICOM objects {CONVERTED} conform, 0 have findings" in first.stdout
    assert f"of {CONVERTED} DICOM objects {CONVERTED} give their WFDB files back, 0 do not" in first.stdout
    return folder


def test_every_converted_study_has_a_row_in_both_tables(folder: Folder) -> None:
    for name in ("validation", "roundtrip"):
        assert [item.result for item in folder.table(name)] == ["good"] * CONVERTED


def jobs(run: subprocess.CompletedProcess[str]) -> set[str]:
    return {line.split()[1].rstrip(":") for line in run.stderr.splitlines() if line.startswith(("rule ", "localrule "))}


def test_what_was_judged_is_not_judged_again_until_its_dicom_changed(folder: Folder) -> None:
    again = folder.run("validate", "--config", "validate_sample=all")
    assert again.returncode == 0
    assert jobs(again) == {"validate"}
    victim = folder.dicoms()[0]
    victim.unlink()
    changed = folder.run("validate", "--config", "validate_sample=all")
    assert changed.returncode == 0, changed.stderr
    assert victim.exists()
    assert jobs(changed) >= {"validate_batch", "validation", "validate"}


def copy(folder: Folder, tmp_path: Path) -> Folder:
    shutil.copytree(folder.path, tmp_path / "copy", symlinks=True)
    return Folder(tmp_path / "copy", folder.project)


def corrupt(path: Path, old: bytes, new: bytes) -> None:
    """Change a file without anyone noticing by its size or time."""
    status, content = path.stat(), path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_findings_fail_the_target_when_its_table_is_complete(folder: Folder, tmp_path: Path) -> None:
    mine = copy(folder, tmp_path)
    shutil.rmtree(mine.path / "results" / "validation")
    corrupt(mine.dicoms()[0], b"Lead aVR", b"Lead V3 ")
    run = mine.run("validate", "--config", "validate_sample=all")
    assert run.returncode != 0
    assert f"of {CONVERTED} DICOM objects {CONVERTED - 1} conform, 1 has findings" in run.stdout
    assert "CID 3001" in run.stdout
    bad = [item for item in mine.table("validation") if item.result == "bad"]
    assert len(mine.table("validation")) == CONVERTED
    assert [item.dcm_path for item in bad] == [str(mine.dicoms()[0].relative_to(mine.path))]


def test_a_sample_that_differs_fails_the_round_trip(folder: Folder, tmp_path: Path) -> None:
    mine = copy(folder, tmp_path)
    shutil.rmtree(mine.path / "results" / "roundtrip")
    flip_last_bit(mine.dicoms()[-1])
    run = mine.run("roundtrip", "--config", "validate_sample=all")
    assert run.returncode != 0
    assert "its samples are not those that the publisher gave the digest of" in run.stdout
    assert [item.result for item in mine.table("roundtrip")].count("bad") == 1


def flip_last_bit(path: Path) -> None:
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1, content[-1]]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.long
def test_a_sample_has_exactly_the_size_wanted_and_is_always_the_same(folder: Folder, tmp_path: Path) -> None:
    mine = copy(folder, tmp_path)
    drawn = []
    for partition in ("auto", "1"):
        run = mine.run("validate", "--config", "validate_sample=4", f"studies_per_job={partition}")
        assert run.returncode == 0, run.stderr
        drawn.append({item.study_id for item in mine.table("validation")})
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1]


def test_without_digests_the_round_trip_says_what_is_missing(folder: Folder, demo: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(demo, tree)
    (tree / "SHA256SUMS.txt").unlink()
    here = Folder(tmp_path, folder.project)
    run = here.run("roundtrip", "--config", f"input_csv={tree}/record_list.csv", f"wfdb_dir={tree}")
    assert run.returncode != 0
    assert "SHA256SUMS.txt does not exist" in run.stdout + run.stderr
