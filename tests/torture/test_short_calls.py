"""Every call moves less than it was asked to: what remains is read and written by further calls."""

import subprocess
from pathlib import Path

from faults.helpers import ENVIRONMENT, batch_command, contents, convert, litter, make_plan, outcomes


def test_a_batch_whose_every_read_and_write_is_short_is_converted(faulty_calls: Path, tmp_path: Path) -> None:
    calm, short = tmp_path / "calm", tmp_path / "short"
    for folder in (calm, short):
        make_plan(folder, 8)
    convert(calm)
    log = tmp_path / "log"
    environment = ENVIRONMENT | {
        "LD_PRELOAD": str(faulty_calls),
        "TORTURE_ROOTS": str(short),
        "TORTURE_RATE": "1",
        "TORTURE_KINDS": "short",
        "TORTURE_LOG": str(log),
    }
    done = subprocess.run(batch_command(short), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    calls = {line.split()[0] for line in log.read_text().splitlines()}
    assert {"pread64", "pwrite64"} <= calls, "the library was not used"
    assert set(outcomes(short).values()) == {"converted"}
    assert contents(short / "dicom") == contents(calm / "dicom")
    assert litter(short) == []
