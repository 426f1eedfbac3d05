"""What a person sees of a real run on a terminal, of one that is piped, of a dry run, and of one that fails."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def command(project: Path, *arguments: str, changes: Sequence[str] = ()) -> list[str]:
    demo = project / "tests/data/demo"
    inputs = {"input_csv": "record_list.csv", "wfdb_dir": "", "metadata": "machine_measurements.csv"}
    config = [f"{key}={demo / name}" for key, name in inputs.items()] + ["max_failed=0.1"]
    snakemake = [sys.executable, "-m", "snakemake", "-s", str(project / "Snakefile"), "--cores", "2"]
    return [*snakemake, *arguments, "--config", *config, *changes]


def piped(project: Path, folder: Path, *arguments: str, status: int = 0, changes: Sequence[str] = ()) -> str:
    done = subprocess.run(command(project, *arguments, changes=changes), cwd=folder, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def on_terminal(project: Path, folder: Path, *arguments: str) -> str:
    """All that a run writes to a terminal of 24 rows and 100 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environment = os.environ | {"TERM": "xterm"}
    run = subprocess.Popen(
        command(project, *arguments), cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # the last writer has closed the terminal
        pass
    os.close(ours)
    assert run.wait() == 0, written.decode(errors="replace")
    return written.decode()


def test_a_run_from_plan_to_report(project: Path, tmp_path: Path) -> None:
    piped(project, tmp_path, "plan")
    assert "Batch 001-000: 12 studies, 12 to convert" in piped(project, tmp_path, "-n", "-p")
    told = piped(project, tmp_path, "-n").splitlines()
    assert told[:2] == ["would convert 12 of 12 studies; 1 batch would run", "  12 × not converted yet"]
    assert "steps: convert, aggregate, report, gate" in told and len(told) < 8

    screen = on_terminal(project, tmp_path)
    assert "\x1b[24;1H\x1b[2K\x1b[7m12 of 12 studies (100 %) · writing tables and report · 1 failed" in screen
    assert screen.rindex("\x1b[r") > screen.rindex("\x1b[1;23r")  # the terminal got its last row back
    log = (tmp_path / "logs/convert/001-000.log").read_text()
    assert "batch 001-000: 12 studies, 11 converted, 0 up to date, 1 failed" in log
    assert "next: fetch files that are cut short again" in screen and "report: results/report/index.html" in screen
    page = tmp_path / "results/report/index.html"
    assert "11 of 12 studies were converted" in page.read_text(encoding="utf-8")

    again = piped(project, tmp_path)
    assert (
        "nothing to do: all 12 studies are up to date" in again and "progress:" not in again and "\x1b[24" not in again
    )

    dry = piped(project, tmp_path, "-n", changes=["lead_order=standard"])
    assert "would convert 12 of 12 studies" in dry and "12 × lead_order changed from source to standard" in dry
    assert "steps: plan, convert, aggregate, report, gate" in dry

    piped(project, tmp_path, "--report", "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        (held,) = (name for name in archive.namelist() if name.endswith("index.html"))
        assert archive.read(held) == page.read_bytes()


@pytest.mark.long
def test_a_run_that_fails_has_its_report_all_the_same(project: Path, tmp_path: Path) -> None:
    output = piped(project, tmp_path, changes=["max_failed=0.01"], status=1)
    assert "more than max_failed allows (1 %)" in output
    page = (tmp_path / "results/report/index.html").read_text(encoding="utf-8")
    assert "the run counts as failed" in page and "SignalError" in page
