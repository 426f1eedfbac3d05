"""What the README shows runs as it stands: its commands on a small ZIP, its Python on a record of the demo."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pydicom
import pytest

# The study of the README, under which the first one of the demo goes here.
IDS = {"94000001": "40689238", "90000001": "10000032", "p9000": "p1000"}
# Not run here: they make the environment that the tests run in, and run the tests.
SET_UP = {"make demo", "make test", "source .venv/bin/activate"}


@pytest.fixture(scope="module")
def readme(project: Path) -> str:
    return (project / "README.md").read_text(encoding="utf-8")


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def mimic(text: str) -> str:
    for ours, theirs in IDS.items():
        text = text.replace(ours, theirs)
    return text


@pytest.fixture
def folder(project: Path, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, beside it /data with the ZIP of the README; the demo where the README has it."""
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    run.mkdir()
    record = demo / "files/p9000/p90000001/s94000001/94000001"
    with zipfile.ZipFile(data / "mimic-iv-ecg-1.0.zip", "w") as archive:
        for table in ("record_list.csv", "machine_measurements.csv"):
            head, *rows = (demo / table).read_text().splitlines()
            rows = [mimic(row) for row in rows if "94000001" in row]
            archive.writestr(f"mimic-iv-ecg-1.0/{table}", "\n".join([head, *rows]) + "\n")
        for ending in (".hea", ".dat"):
            name = mimic(str(record.relative_to(demo))) + ending
            content = record.with_suffix(ending).read_bytes()
            archive.writestr(
                f"mimic-iv-ecg-1.0/{name}", mimic(content.decode()).encode() if ending == ".hea" else content
            )
    (run / "tests").symlink_to(project / "tests")
    monkeypatch.chdir(run)
    return run


def test_every_command_runs(readme: str, project: Path, folder: Path) -> None:
    def there(text: str) -> str:
        return re.sub(r"(?<!\w)/data/", f"{folder.parent}/data/", text)

    (configuration,) = blocks(readme, "yaml")
    (folder / "mine.yaml").write_text(there(configuration))
    commands = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    assert set(commands) >= SET_UP
    for command in commands:
        if command in SET_UP:
            continue
        program, *arguments = shlex.split(there(command))
        assert program == "wfdb2dicom"
        line = [sys.executable, str(project / "scripts/wfdb2dicom"), *arguments]
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    dicom = folder.parent / "data/mimic-iv-ecg-dicom/files/p1000/p10000032/s40689238/40689238.dcm"
    assert pydicom.dcmread(dicom).PatientID == "10000032"
    for name in ("studies.with_dcm.csv", "studies.with_dcm.errors.log", "report/index.html", "manifest.parquet"):
        assert f"`results/{name}`" in readme and (folder / "results" / name).is_file()
    assert (folder / "ecg.pdf").read_bytes().startswith(b"%PDF")


def test_the_library_on_a_record_of_the_demo(readme: str, folder: Path) -> None:
    (block,) = blocks(readme, "python")
    variables: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), variables)
    assert variables["outcome"].status == "converted"  # type: ignore[attr-defined]
    assert pydicom.dcmread(folder / "ecg.dcm").StationName == "6848296"


def test_links_lead_to_files_and_pictures_are_small(readme: str, project: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    assert "docs/README.md" in links
    assert [link for link in links if not (project / link).exists()] == []
    pictures = [link for link in links if link.endswith(".png")]
    assert len(pictures) == 2 and all(os.stat(project / picture).st_size < 60_000 for picture in pictures)
