"""Texts that stay the same as long as nothing is to be done: as parameters they make `plan` and `aggregate` run again.

`plan` gets another one when anything that plan files and receipts speak of is not as they say, `aggregate` when its
results are not as it left them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from hashlib import blake2b, file_digest
from pathlib import Path

from wfdb2dicom.look import differs_quickly
from wfdb2dicom.watch import stamp
from wfdb2dicom.wholefile import replace_file

TOKEN_FILE = ".token.json"


def token(
    plans: Path,
    receipts: Path,
    *,
    inputs: Iterable[Path] = (),
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
    return secrets.token_hex(8) if differs_quickly(plans, receipts, retry_failed, watch_files) else stored


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
    return {str(file): stamp(str(file)) for file in files}


def plans_digest(plans: Path) -> str:
    """A digest over names and contents of all plan files."""
    digest = blake2b(digest_size=16)
    for path in sorted(plans.glob("*.tsv")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


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


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return file_digest(stream, lambda: blake2b(digest_size=16)).hexdigest()
