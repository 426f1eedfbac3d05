"""File systems with an oddity: every call moves less than it was asked to, or files cannot be locked."""

import subprocess
from pathlib import Path

from faults.helpers import ENVIRONMENT, batch_command, contents, convert, litter, make_plan, outcomes


def convert_with_faults(folder: Path, library: Path, kinds: str) -> set[str]:
    """Run the convert job while every call that can have one of the faults has it; return the calls that had."""
    log = folder / "log"
    environment = ENVIRONMENT | {
        "LD_PRELOAD": str(library),
        "TORTURE_ROOTS": str(folder),
        "TORTURE_RATE": "1",
        "TORTURE_KINDS": kinds,
        "TORTURE_LOG": str(log),
    }
    done = subprocess.run(batch_command(folder), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {line.split()[0] for line in log.read_text().splitlines()}


def test_a_batch_whose_every_read_and_write_is_short_is_converted(faulty_calls: Path, tmp_path: Path) -> None:
    calm, short = tmp_path / "calm", tmp_path / "short"
    for folder in (calm, short):
        make_plan(folder, 8)
    convert(calm)
    assert {"pread64", "pwrite64"} <= convert_with_faults(short, faulty_calls, "short"), "the library was not used"
    assert set(outcomes(short).values()) == {"converted"}
    assert contents(short / "dicom") == contents(calm / "dicom")
    assert litter(short) == []


def test_where_files_cannot_be_locked_nothing_is_left_behind(faulty_calls: Path, tmp_path: Path) -> None:
    make_plan(tmp_path, 8)
    assert convert_with_faults(tmp_path, faulty_calls, "ENOLCK") == {"flock"}
    assert set(outcomes(tmp_path).values()) == {"converted"}
    assert [str(path) for path in tmp_path.rglob("*.tmp")] + litter(tmp_path) == []
