"""The demo converted, in a working directory of its own."""

from pathlib import Path

import pytest

from demo_run import convert_demo


@pytest.fixture(scope="session")
def converted_demo(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory as a run on the demo leaves it: results/ and dicom/."""
    return convert_demo(tmp_path_factory.mktemp("run"), demo)
