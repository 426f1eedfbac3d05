"""Every example of docs/api.md runs."""

import re
import shutil
from pathlib import Path

import matplotlib
import pytest

import wfdb2dicom


def test_every_example_of_the_api_page_runs(
    project: Path, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("agg")
    shutil.copytree(demo, tmp_path / "demo")
    monkeypatch.chdir(tmp_path / "demo")
    text = (project / "docs/api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "lead_order: 'standrad' is none of source, standard" in printed
    assert "subject 90000001" in printed and "converted with_row.dcm 2.25." in printed
    assert Path("ecg.png").stat().st_size > 1000


def test_the_page_names_every_function(project: Path) -> None:
    text = (project / "docs/api.md").read_text(encoding="utf-8")
    functions = [name for name in wfdb2dicom.__all__ if name[0].islower()]
    assert functions and all(f"{name}(" in text for name in functions)
