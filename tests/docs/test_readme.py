"""What the README shows runs unchanged: its commands on a small ZIP, its Python on a record of the demo."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pydicom
import pytest

import wfdb2dicom

# Not run here: they make the environment that the tests run in, run the tests, and change the folder.
SET_UP = {"make demo", "make test", "source .venv/bin/activate", "mkdir ~/ecg && cd ~/ecg"}


@pytest.fixture(scope="module")
def readme(project: Path) -> str:
    return (project / "README.md").read_text(encoding="utf-8")


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def pack(archive: Path, demo: Path, names: dict[str, str], tables: dict[str, str]) -> None:
    """The first study of the demo in a ZIP, under other `names`; of a table, its columns and its row for that study."""

    def renamed(text: str) -> str:
        for ours, theirs in names.items():
            text = text.replace(ours, theirs)
        return text

    record = "files/p9000/p90000001/s94000001/94000001"
    with zipfile.ZipFile(archive, "w") as content:
        for table, name in tables.items():
            head, *rows = (demo / table).read_text().splitlines()
            lines = [head, *(row for row in rows if "94000001" in row)]
            content.writestr(f"{archive.stem}/{name}", renamed("\n".join(lines) + "\n"))
        header = (demo / f"{record}.hea").read_text()
        content.writestr(f"{archive.stem}/{renamed(record)}.hea", renamed(header))
        content.writestr(f"{archive.stem}/{renamed(record)}.dat", (demo / f"{record}.dat").read_bytes())


@pytest.fixture
def folder(project: Path, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, beside it /data with the ZIPs of the README; the demo where the README has it."""
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    run.mkdir()
    tables = {"record_list.csv": "record_list.csv", "machine_measurements.csv": "machine_measurements.csv"}
    pack(data / "mimic-iv-ecg-1.0.zip", demo, {}, tables)
    names = {"files/p9000/p90000001/s94000001/94000001": "patient7/ecg1", "94000001": "ecg1", "90000001": "7"}
    pack(data / "my-ecgs.zip", demo, names, {"record_list.csv": "studies.csv"})
    with zipfile.ZipFile(data / "my-ecgs.zip", "a") as content:
        content.writestr("my-ecgs/RECORDS", "patient7/ecg1\n")
    (run / "tests").symlink_to(project / "tests")
    monkeypatch.chdir(run)
    return run


def test_every_command_runs(readme: str, project: Path, folder: Path) -> None:
    def there(text: str) -> str:
        return re.sub(r"(?<!\w)/data/", f"{folder.parent}/data/", text)

    with_table, with_records = blocks(readme, "yaml")
    (folder / "mine.yaml").write_text(there(with_table))
    (folder / "records.yaml").write_text(there(with_records))
    commands = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    commands.append("wfdb2dicom run --configfile records.yaml --cores 1 --directory records")
    assert set(commands) >= SET_UP
    for command in commands:
        if command in SET_UP:
            continue
        program, *arguments = shlex.split(there(command))
        assert program == "wfdb2dicom"
        line = [sys.executable, str(project / "scripts/wfdb2dicom"), *arguments]
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    assert pydicom.dcmread(folder.parent / "data/my-ecgs-dicom/patient7/ecg1.dcm").PatientID == "7"
    assert pydicom.dcmread(folder / "records/dicom/patient7/ecg1.dcm").StudyID == "ecg1"
    of_mimic = folder / "dicom/files/p9000/p90000001/s94000001/94000001.dcm"
    assert pydicom.dcmread(of_mimic).StationName == "9000017"  # its cart, of the measurements in the ZIP
    for name in ("studies.with_dcm.csv", "studies.with_dcm.errors.log", "report/index.html", "manifest.parquet"):
        assert f"`results/{name}`" in readme and (folder / "results" / name).is_file()
    assert (folder / "ecg.pdf").read_bytes().startswith(b"%PDF")


def test_the_library_on_a_record_of_the_demo(readme: str, folder: Path) -> None:
    (block,) = blocks(readme, "python")
    wfdb2dicom.convert_record("tests/data/demo/files/p9000/p90000001/s94000001/94000001", "ecg.dcm")
    variables: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), variables)
    assert variables["outcome"].status == "converted"  # type: ignore[attr-defined]
    assert (folder / "same.dcm").read_bytes() == (folder / "ecg.dcm").read_bytes()
    assert (folder / "v1.png").stat().st_size > 1000


def test_links_lead_to_files_and_pictures_are_small(readme: str, project: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    assert "docs/README.md" in links
    assert [link for link in links if not (project / link).exists()] == []
    pictures = [link for link in links if link.endswith(".png")]
    assert len(pictures) == 2 and all(os.stat(project / picture).st_size < 60_000 for picture in pictures)
