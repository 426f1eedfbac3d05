"""Debian's Chromium without a screen: nothing is downloaded, and nothing talks to anyone by itself."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

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


def start(profile: Path, without: Iterable[str] = ()) -> webdriver.Chrome:
    """A browser that logs its console and requests, ``without`` images or javascript; skips where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium or no chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    settings = {f"profile.managed_default_content_settings.{kind}": 2 for kind in without}
    options.add_experimental_option("prefs", settings)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_script_timeout(120)  # a busy machine draws slowly
    return browser


def resize(browser: webdriver.Chrome, width: int, height: int) -> None:
    """The size of the page in CSS pixels, each one pixel of the picture."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
