"""What the README shows in Python runs as it stands, from the project's folder."""

import re
from pathlib import Path

import pydicom
import pytest


def test_the_library_on_a_record_of_the_demo(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").symlink_to(project / "tests")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (project / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    variables: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), variables)
    assert variables["outcome"].status == "converted"  # type: ignore[attr-defined]
    assert pydicom.dcmread(tmp_path / "ecg.dcm").StationName == "6848296"
