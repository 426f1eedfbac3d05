"""Fault 5: a coverage-guided fuzzer on all that is read from outside, for some seconds each; `make fuzz` for longer."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("WFDB2DICOM_FUZZ_SECONDS", "3"))
SEED = "1" if SECONDS <= 3 else "0"  # the short run is the same each time; 0 is a new one


@pytest.mark.parametrize("target", ["header", "record", "csv", "measurements", "pickle", "table", "dicom"])
def test_only_documented_errors_come_of_anything(tmp_path: Path, target: str) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed, or has no wheel for this Python: pip install atheris")
    corpus = tmp_path / "corpus"
    command = [
        sys.executable,
        str(Path(__file__).with_name("fuzz.py")),
        target,
        f"-max_total_time={SECONDS:.0f}",
        f"-seed={SEED}",
    ]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/", str(corpus)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Done " in done.stdout
