"""What files look like now, against what plan files and receipts say.

Snakemake sees that an input or an option changed. What it does not look at are the source files and the DICOMs, more
than two million of them: here they are compared by size and modification time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wfdb2dicom.errors import is_transient
from wfdb2dicom.tables import PlanRow, ReceiptRow, TableError, fingerprint, options_line, read_plan, read_receipt

_MOST_FILES = 1000  # of one record that are looked at
FURTHER = "further_sources"  # among the facts of a receipt


def sources(record: str) -> str:
    """``size:mtime_ns`` of a record's header and of each signal file, comma separated, ``-`` for a missing one.

    The signal file is the one named like the record with .dat or .mat; else those that the header names.

    Parameters
    ----------
    record : str
        Path of the record without extension.
    """
    header = stamp(record + ".hea")
    _, signal = _usual_signal_file(record)
    if signal == "-" and header != "-":
        signal = ",".join(map(stamp, _named_signal_files(record))) or "-"
    return f"{header},{signal}"


def further_sources(record: str, names: Iterable[str] | None = None) -> str:
    """The stamps of the signal files that a header names and `sources` does not look at; "" for none.

    Looking for them means reading the header, so only a study's conversion does, and its receipt keeps them.

    Parameters
    ----------
    record : str
        Path of the record without extension.
    names : iterable of str, optional
        The files that the header names, where they are known already.
    """
    usual, found = _usual_signal_file(record)
    if found == "-":
        return ""
    folder = os.path.dirname(record)
    files = _named_signal_files(record) if names is None else [os.path.join(folder, name) for name in names]
    return ",".join(stamp(file) for file in files if file != usual)


def further_sources_changed(tree: str, record: str, receipt: ReceiptRow) -> bool:
    """Whether a study's further signal files are not as they were when it was converted or failed."""
    if FURTHER not in receipt.facts:
        return False
    then: str = json.loads(receipt.facts)[FURTHER]
    return further_sources(os.path.join(tree, record)) != then


def receipt_mismatch(
    planned: Sequence[PlanRow],
    receipts: Sequence[ReceiptRow],
    options: dict[str, Any],
    retry_failed: str,
    *,
    watch_files: bool = True,
) -> bool:
    """Whether a batch has to run again.

    So it is when the receipt is that of another plan, a DICOM or a further signal file is not as it says, or a failure
    is to be tried again.

    Parameters
    ----------
    planned, receipts : sequences of rows
        The plan and the receipt of one batch.
    options : dict
        Of the plan file.
    retry_failed : {"transient", "all", "none"}
        Which failures are to be tried again.
    watch_files : bool
        Whether to look at the DICOMs and at signal files that the plan does not know.
    """
    line = options_line(options)
    if [fingerprint(line, row) for row in planned] != [receipt.plan_row for receipt in receipts]:
        return True
    dcm_dir = options["dcm_dir"]
    # What the plan itself found to fail is looked at by every plan: trying it again is of no use.
    hopeless = {row.study_id for row in planned if row.error}
    for row, receipt in zip(planned, receipts, strict=True):
        if watch_files and further_sources_changed(options["wfdb_dir"], row.record, receipt):
            return True
        if receipt.status == "failed":
            if wants_retry(receipt, retry_failed) and receipt.study_id not in hopeless:
                return True
        elif watch_files and stamp(os.path.join(dcm_dir, receipt.dicom)) != f"{receipt.size}:{receipt.mtime_ns}":
            return True
    return False


def prospect(plan: Path, *, overwrite: bool = False, look: bool = True) -> str:
    """What converting a batch means, in words: how many studies it holds, and how many of them are to be converted.

    Parameters
    ----------
    plan : Path
        The plan file.
    overwrite : bool
        Whether also what is up to date is converted.
    look : bool
        Whether to compare DICOMs with their sources, by modification time, or to say the number of studies only.
    """
    if not look:
        return f"{count_studies(plan)} studies"
    options, rows = read_plan(plan)
    hopeless = sum(bool(row.error) for row in rows)
    current = 0 if overwrite else sum(_seems_current(row, options["dcm_dir"]) for row in rows)
    words = [f"{len(rows)} studies, {len(rows) - hopeless - current} to convert"]
    words += [f"{current} already there"] if current else []
    words += [f"{hopeless} that cannot be converted"] if hopeless else []
    return ", ".join(words)


def count_studies(plan: Path) -> int:
    """How many studies a plan file holds: its lines but for options, column names and end mark."""
    return max(0, plan.read_bytes().count(b"\n") - 3)


def _seems_current(row: PlanRow, dcm_dir: str) -> bool:
    """Whether there is a DICOM, not older than the signal files were when planned."""
    try:
        written = os.stat(os.path.join(dcm_dir, row.dicom)).st_mtime_ns
    except (OSError, ValueError):
        return False
    changed = [source.partition(":")[2] for source in row.sources.split(",")[1:]]
    return not row.error and all(time.isdecimal() and int(time) <= written for time in changed)


def find_plan(plans: Path, dicom: str) -> Path | None:
    """The plan file of the study that becomes `dicom` (path relative to dcm_dir); None if there is none."""
    needle = dicom.encode("utf-8", "surrogateescape")
    for path in sorted(plans.glob("*.tsv")):
        if needle in path.read_bytes() and study_of(path, dicom):
            return path
    return None


def study_of(plan: Path, dicom: str) -> tuple[dict[str, Any], list[PlanRow]] | None:
    """The options of a plan file and its row that becomes `dicom`; None if there is none."""
    options, rows = read_plan(plan)
    chosen = [row for row in rows if row.dicom == dicom]
    return (options, chosen) if chosen else None


def wants_retry(receipt: ReceiptRow, retry_failed: str) -> bool:
    """Whether a failure is to be tried again although nothing in its study has changed."""
    return retry_failed == "all" or (retry_failed == "transient" and is_transient(receipt.error))


def differs(plan: Path, receipt: Path, retry_failed: str, *, watch_files: bool) -> bool:
    """Whether anything of one batch is not as its plan file or receipt says; arguments as those of `token`."""
    try:
        options, rows = read_plan(plan)
        if watch_files and _sources_changed(rows, options):
            return True
        # A missing receipt is no mismatch: Snakemake runs the batch by itself.
        return receipt.exists() and receipt_mismatch(
            rows, read_receipt(receipt), options, retry_failed, watch_files=watch_files
        )
    except TableError:
        return True


def _sources_changed(rows: Iterable[PlanRow], options: dict[str, Any]) -> bool:
    tree = options["wfdb_dir"]
    return any(row.record and sources(os.path.join(tree, row.record)) != row.sources for row in rows)


def stamp(path: str) -> str:
    """``size:mtime_ns`` of a file, ``-`` for a missing one."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return "-"
    return f"{status.st_size}:{status.st_mtime_ns}"


def _usual_signal_file(record: str) -> tuple[str, str]:
    """The signal file that is named like the record, with its stamp; ``-`` without any."""
    for path in (record + ".dat", record + ".mat"):
        if (found := stamp(path)) != "-":
            return path, found
    return "", "-"


def _named_signal_files(record: str) -> list[str]:
    """Paths of the signal files that a header names, as far as it can be read."""
    if not os.path.isfile(record + ".hea"):  # a FIFO would be waited for
        return []
    try:
        with open(record + ".hea", encoding="utf-8", errors="replace") as stream:
            lines = stream.read(1 << 20).splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    names = list(dict.fromkeys(line[0] for line in words[1:] if line[0] != "~" and not os.path.isabs(line[0])))
    names = names[:_MOST_FILES]
    if words and "/" in words[0][0]:  # The lines of a multi-segment header name records.
        names = [name + extension for name in names for extension in (".hea", ".dat")]
    return [os.path.join(os.path.dirname(record), name) for name in names]
