"""The demo converted, and a copy of it to publish."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo_run import convert_demo
from wfdb2dicom.publish import Publication, PublishOptions, publish

Publisher = Callable[..., Publication]
GIVEN = {
    "name": "A demo",
    "version": "0.9",
    "url": "https://example.org/demo",
    "license": "MIT",
    "license_url": "https://opensource.org/license/mit",
    "citation": ["Nobody N. A demo. 2026."],
    "notes": ["The publisher shifted all dates."],
}


@pytest.fixture(scope="session")
def converted(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_demo(tmp_path_factory.mktemp("converted"), demo)


@pytest.fixture
def run_folder(converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a run on the demo, with all times kept, to be changed."""
    folder = shutil.copytree(converted, tmp_path / "run")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def publish_demo(run_folder: Path, demo: Path) -> Publisher:
    """A function that publishes the run; its arguments replace options."""

    def run(given: dict[str, Any] | None = None, **options: Any) -> Publication:
        results = Path("results")
        return publish(
            PublishOptions(
                **{
                    "dcm_dir": "dicom",
                    "wfdb_dir": str(demo),
                    "plans": results / "plan",
                    "receipts": results / "receipts",
                    "manifest": results / "manifest.parquet",
                    "summary": results / "summary.json",
                    "digests": results / ".results.json",
                    "state": results / ".publication.json",
                    "publish": GIVEN if given is None else given,
                    "max_failed": 0.1,
                }
                | options
            )
        )

    return run


@pytest.fixture
def zipped_demo(demo: Path, tmp_path: Path) -> Path:
    """The demo as a publisher would serve it: one folder at the top, and a licence."""
    path = tmp_path / "demo-0.9.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((demo / "files").rglob("*.*")):
            archive.write(file, Path("demo", file.relative_to(demo)))
        archive.writestr("demo/LICENSE.txt", "the text that came with the source\n")
    return path


def content(folder: Path) -> dict[str, bytes]:
    """The files beside the objects."""
    return {name: (folder / name).read_bytes() for name in os.listdir(folder) if (folder / name).is_file()}
