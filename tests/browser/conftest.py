"""Debian's Chromium without a screen, and the report of a run to open in it."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from selenium import webdriver

import chromium
import synthetic_manifest
from wfdb2dicom import convert_record, report
from wfdb2dicom.acquisition import Acquisition

Opener = Callable[..., webdriver.Chrome]


@pytest.fixture(scope="session")
def page(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 2,000 studies with every kind of failure and oddity."""
    folder = tmp_path_factory.mktemp("report")
    dicom = folder / "94000001.dcm"
    convert_record(demo / "files/p9000/p90000001/s94000001/94000001", dicom, Acquisition(study_id="94000001"))
    made = synthetic_manifest.write(folder, 2000, dicom, failed=0.02)
    request = report.ReportOptions(
        made / "summary.json", made / "manifest.parquet", made / "receipts", folder / "a b#c" / "index.html"
    )
    return report.write_report(request)


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[..., webdriver.Chrome], None, None]:
    """A function that starts a browser with or without images and scripts, once each."""
    running: dict[tuple[bool, bool], webdriver.Chrome] = {}

    def start(images: bool, scripts: bool) -> webdriver.Chrome:
        if (images, scripts) not in running:
            blocked = [kind for kind, wanted in (("images", images), ("javascript", scripts)) if not wanted]
            running[images, scripts] = chromium.start(tmp_path_factory.mktemp("profile"), blocked)
        return running[images, scripts]

    yield start
    for browser in running.values():
        browser.quit()


@pytest.fixture
def open_page(page: Path, browsers: Callable[..., webdriver.Chrome]) -> Opener:
    """A function that opens the report afresh: `width` in CSS pixels, `images` or none, `scripts` or none."""

    def open_(width: int = 1280, *, images: bool = True, scripts: bool = True) -> webdriver.Chrome:
        browser = browsers(images, scripts)
        chromium.resize(browser, width, 900)
        browser.get("about:blank")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(page.as_uri())
        return browser

    return open_
