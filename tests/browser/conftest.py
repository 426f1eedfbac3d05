"""Debian's Chromium without a screen, and the report of a run to open in it."""

import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import synthetic_manifest
from wfdb2dicom import report
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.convert import convert_record

# No screen, no sandbox (tests may run as root), and nothing that would talk to anyone by itself.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
Opener = Callable[..., webdriver.Chrome]


@pytest.fixture(scope="session")
def page(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 2,000 studies with every kind of failure and oddity."""
    folder = tmp_path_factory.mktemp("report")
    dicom = folder / "94000001.dcm"
    convert_record(demo / "files/p9000/p90000001/s94000001/94000001", dicom, Acquisition(study_id="94000001"))
    made = synthetic_manifest.write(folder, 2000, dicom, failed=0.02)
    request = report.Request(
        made / "summary.json", made / "manifest.parquet", made / "receipts", folder / "a b#c" / "index.html"
    )
    return report.run(request)


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[..., webdriver.Chrome], None, None]:
    """A function that starts a browser with or without images and scripts, once each."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium or no chromedriver: apt-get install chromium chromium-driver")
    running: dict[tuple[bool, bool], webdriver.Chrome] = {}

    def start(images: bool, scripts: bool) -> webdriver.Chrome:
        if (images, scripts) not in running:
            options = webdriver.ChromeOptions()
            options.binary_location = str(chromium)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
            blocked = [kind for kind, wanted in (("images", images), ("javascript", scripts)) if not wanted]
            settings = {f"profile.managed_default_content_settings.{kind}": 2 for kind in blocked}
            options.add_experimental_option("prefs", settings)
            for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
                options.add_argument(flag)
            running[images, scripts] = webdriver.Chrome(options=options, service=Service(str(driver)))
        return running[images, scripts]

    yield start
    for browser in running.values():
        browser.quit()


@pytest.fixture
def open_page(page: Path, browsers: Callable[..., webdriver.Chrome]) -> Opener:
    """A function that opens the report afresh: `width` in CSS pixels, `images` or none, `scripts` or none."""

    def open_(width: int = 1280, *, images: bool = True, scripts: bool = True) -> webdriver.Chrome:
        browser = browsers(images, scripts)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get("about:blank")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(page.as_uri())
        return browser

    return open_
