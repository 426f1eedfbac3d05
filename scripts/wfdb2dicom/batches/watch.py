"""What files look like now, against what plan files and receipts say: the signature that makes `plan` run again.

Snakemake sees that an input or an option changed. What it does not look at are the source files and the DICOMs, more
than two million of them: here they are compared by size and modification time, once when a run starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    fingerprint,
    options_line,
    read_plan,
    read_receipt,
    table_digest,
)
from wfdb2dicom.errors import is_transient
from wfdb2dicom.records.stamps import LOOKERS, further_sources, sources, stamp_of
from wfdb2dicom.system.pool import spread, studies_in, workers
from wfdb2dicom.system.whole_file import replace_file

TOKEN_FILE = ".token.json"
AGREE, DIFFER = 0, 10  # exit status of `wfdb2dicom look`; a program that fails otherwise has another one
FURTHER = "further_sources"  # among the facts of a receipt


def token(
    plans: Path,
    receipts: Path,
    *,
    inputs: Iterable[Path] = (),
    wfdb_dir: str = "",
    retry_failed: str = "transient",
    overwrite: bool = False,
    watch_files: bool = True,
) -> str:
    """A text that stays the same as long as files, plan and receipts agree and nothing is to be tried again.

    Parameters
    ----------
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    inputs : iterable of Path
        The tables that a plan is made from. Snakemake notices newer ones only, not one put in place with an old time.
    wfdb_dir : str
        The tree, in which records may have come to lie elsewhere than the plan found them; "" for not to ask.
    retry_failed : {"transient", "all", "none"}
        Which failures are to be tried again.
    overwrite : bool
        Whether everything is to be made again: never the same text twice.
    watch_files : bool
        Whether to look at source files and DICOMs, or at plan files and receipts only.

    Returns
    -------
    str
        The text stored by the last plan, or a new one.
    """
    stored, digest, stamps_then = _stored(plans)
    if overwrite or not stored or digest != plans_digest(plans) or stamps_then != stamps(inputs):
        return secrets.token_hex(8)
    if watch_files and wfdb_dir and not _answers_stand(plans, wfdb_dir):
        return secrets.token_hex(8)
    return secrets.token_hex(8) if _differ(plans, receipts, retry_failed, watch_files=watch_files) else stored


def _answers_stand(plans: Path, wfdb_dir: str) -> bool:
    """Whether records lie where the last plan found them, as far as it asked."""
    from wfdb2dicom.batches.remembered import Memory  # 10 ms of imports that batch jobs do not need
    from wfdb2dicom.inputs.studies import Locator

    return Memory(plans).answers_stand(Locator(Path(wfdb_dir)))


def _differ(plans: Path, receipts: Path, retry_failed: str, *, watch_files: bool) -> bool:
    """`differ`, in processes of a program of its own where there is much to look at."""
    if workers(studies_in(plans.glob("*.tsv")), LOOKERS) > 1:
        # Forking the process that calls this, Snakemake's, is not safe: it has threads.
        package = Path(__file__).resolve().parents[1]
        command: list[str | Path] = [sys.executable, package, "look", plans, receipts, f"--retry-failed={retry_failed}"]
        command += ["--watch-files"] if watch_files else []
        with contextlib.suppress(OSError):
            status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
            if status in (AGREE, DIFFER):
                return status == DIFFER
    return differ(plans, receipts, retry_failed, watch_files=watch_files)  # it is for us to do


def differ(plans: Path, receipts: Path, retry_failed: str, *, watch_files: bool, processes: int = 1) -> bool:
    """Whether anything of any batch is not as its plan file or receipt says; the first difference ends the look.

    Parameters
    ----------
    plans, receipts, retry_failed, watch_files
        As for `token`.
    processes : int
        That share the batches, see `wfdb2dicom.system.pool.spread`.
    """
    look = partial(_mismatch, receipts=receipts, retry_failed=retry_failed, watch_files=watch_files)
    looks = spread(look, sorted(plans.glob("*.tsv")), processes=processes, threads=LOOKERS if watch_files else 1)
    with contextlib.closing(looks):
        return any(looks)


def stored_token(plans: Path) -> str:
    """The token that the last plan was given; empty without any."""
    return _stored(plans)[0]


def _stored(plans: Path) -> tuple[str, str, dict[str, str]]:
    """Token of the last plan, digest of the plan files that it wrote, and stamps of its inputs."""
    try:
        stored = json.loads((plans / TOKEN_FILE).read_bytes())
        return str(stored["token"]), str(stored["plans"]), dict(stored["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", "", {}


def store_token(plans: Path, text: str, inputs: dict[str, str] | None = None) -> None:
    """Keep the token that a plan was given, and the `stamps` that its inputs had before it read them.

    Written last, it also says that the plan is whole.
    """
    content = json.dumps({"token": text, "plans": plans_digest(plans), "inputs": inputs or {}})
    replace_file(plans / TOKEN_FILE, content.encode())


def stamps(files: Iterable[Path]) -> dict[str, str]:
    """``size:mtime_ns`` of each file, ``-`` for a missing one."""
    return {str(file): stamp_of(str(file)) for file in files}


def plans_digest(plans: Path) -> str:
    """A digest over names and digests of all plan files; that these are right is seen by whoever reads them."""
    digest = blake2b(digest_size=16)
    for path in sorted(plans.glob("*.tsv")):
        digest.update(f"{path.name}\0{table_digest(path)}\0".encode())
    return digest.hexdigest()


def further_sources_changed(tree: str, row: PlanRow, receipt: ReceiptRow) -> bool:
    """Whether a study's further signal files are not as they were when it was converted or failed."""
    if FURTHER not in receipt.facts:
        return False
    then: str = json.loads(receipt.facts)[FURTHER]
    return further_sources(os.path.join(tree, row.record)) != then


def results_token(digests: Path) -> str:
    """A text that stays the same as long as the results are what the last aggregate left; else a new one."""
    try:
        stored = json.loads(digests.read_bytes())
        if all(_digest(path) == digest for path, digest in stored["files"].items()):
            return str(stored["token"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return secrets.token_hex(8)


def store_results(digests: Path, text: str, files: Iterable[Path]) -> None:
    """Keep the token that an aggregate was given, and a digest of each file that it wrote.

    Not their times: Snakemake sets those when the job has ended.
    """
    content = {"token": text, "files": {str(path): _digest(str(path)) for path in files}}
    replace_file(digests, json.dumps(content).encode())


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
    folder = os.path.join(options["dcm_dir"], "")
    # What the plan itself found to fail is looked at by every plan: trying it again is of no use.
    hopeless = {row.study_id for row in planned if row.error}
    for row, receipt in zip(planned, receipts, strict=True):
        if watch_files and FURTHER in receipt.facts and further_sources_changed(options["wfdb_dir"], row, receipt):
            return True
        if receipt.status == "failed":
            if wants_retry(receipt, retry_failed) and receipt.study_id not in hopeless:
                return True
        elif watch_files and stamp_of(folder + receipt.dicom) != f"{receipt.size}:{receipt.mtime_ns}":
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
    changed = [stamp.partition(":")[2] for stamp in row.sources.split(",")[1:]]
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


def _mismatch(plan: Path, receipts: Path, retry_failed: str, watch_files: bool) -> bool:
    """Whether anything of one batch is not as its plan file or receipt says."""
    receipt = receipts / plan.name
    try:
        options, rows = read_plan(plan)
        if watch_files and _sources_changed(rows, options):
            return True
        # A missing receipt is no mismatch: Snakemake runs the batch by itself.
        return receipt.exists() and receipt_mismatch(
            rows, read_receipt(receipt), options, retry_failed, watch_files=watch_files
        )
    except (TableError, OSError):
        return True


def _sources_changed(rows: Iterable[PlanRow], options: dict[str, Any]) -> bool:
    tree = os.path.join(options["wfdb_dir"], "")
    return any(row.record and sources(tree + row.record) != row.sources for row in rows)


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return file_digest(stream, lambda: blake2b(digest_size=16)).hexdigest()
