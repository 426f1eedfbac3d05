"""The files of a published data set, written beside its objects."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from wfdb2dicom.batches.plan_files import TOKEN_FILE
from wfdb2dicom.batches.rerun_token import TokenFile
from wfdb2dicom.batches.tables import read_plan
from wfdb2dicom.checks import verify
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.publish.completeness import IncompleteRun, require_complete
from wfdb2dicom.publish.croissant import CROISSANT, croissant
from wfdb2dicom.publish.data_card import README, data_card
from wfdb2dicom.publish.figures import count
from wfdb2dicom.publish.source import LICENSE, Source, read_source
from wfdb2dicom.publish.tables import MANIFEST, RECORDS, SUMS, publishable, write_manifest, write_records, write_sums
from wfdb2dicom.results.summary import read_summary, too_many_failed
from wfdb2dicom.system.current_run import current_run
from wfdb2dicom.system.paths import is_zip, stamp_of
from wfdb2dicom.system.regular_file import file_digest
from wfdb2dicom.words import counted

_STAGING = ".publication-"  # begins the name of a folder in dcm_dir, from which files can be renamed into place


@dataclass(frozen=True)
class PublishOptions:
    """What is published, and with which words.

    Attributes
    ----------
    dcm_dir, wfdb_dir : str
        As in the configuration; the files are written into dcm_dir.
    plans, receipts : Path
        Folders of the plan files and of the receipts.
    manifest, summary, digests : Path
        What `wfdb2dicom.results.aggregate` wrote; `digests` says what the others were, without it nothing is compared.
    state : Path
        Digests of what the last publication wrote: no other file of these names is replaced.
    publish : dict
        The option of that name; ``verify`` asks for every object and its source to be read first.
    max_failed : float
        Share of the studies that may fail.
    workers : int
        Processes that do so.
    """

    dcm_dir: str
    wfdb_dir: str
    plans: Path
    receipts: Path
    manifest: Path
    summary: Path
    state: Path
    digests: Path | None = None
    publish: dict[str, Any] = field(default_factory=dict)
    max_failed: float = 0.05
    workers: int = 1


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes
    ----------
    folder : str
    objects : int
    written : list of str
        Names of the files beside the objects that are new or changed.
    """

    folder: str
    objects: int
    written: list[str]

    def __str__(self) -> str:
        text = f"publish: {counted(self.objects, 'object')} in {self.folder}; "
        return text + (f"wrote {', '.join(self.written)}" if self.written else "every file beside them is up to date")


def publish(options: PublishOptions) -> Publication:
    """Write what belongs beside the objects; files whose content stays the same are left alone.

    Raises
    ------
    IncompleteRun
        When the run is incomplete, so that nothing is written.
    ConfigError
        When the option publish lacks what must not be guessed, or a file of another has the name of one of ours.
    """
    state = TokenFile(options.state)
    summary = _complete_summary(options)
    source = read_source(options.publish, options.wfdb_dir, options.plans / TOKEN_FILE, state)
    require_complete(options.plans, options.receipts, options.manifest, options.dcm_dir)
    if options.publish.get("verify"):
        _verify(options)
    # The version of the encoding is that of the plan; the program that publishes may be a later one.
    plan_options, _ = read_plan(min(options.plans.glob("*.tsv")))
    summary["versions"] |= {"DICOM encoding": plan_options["encoding_version"]}
    table = publishable(options.manifest, options.dcm_dir)
    with _staging(Path(options.dcm_dir)) as staging:
        digests = _write_all(staging, table, source, summary)
        publication = _take_places(staging, digests, state, table)
    zip_known = {"stamp": stamp_of(options.wfdb_dir), "sha256": source.zip_sha256} if is_zip(options.wfdb_dir) else {}
    state.store("published", files=digests, zip=zip_known)
    return publication


@contextmanager
def _staging(dcm_dir: Path) -> Iterator[Path]:
    """A folder of this process alone, removed at the end; those that killed ones left behind are removed now.

    What outlives a run that was killed finds its folder gone, so it writes nothing into that of a later one.
    """
    with current_run():
        for left in dcm_dir.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)
    staging = dcm_dir / os.path.basename(tempfile.mkdtemp(prefix=_STAGING, dir=dcm_dir))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _complete_summary(options: PublishOptions) -> dict[str, Any]:
    """The summary, if manifest and summary are what the last run wrote and not too many studies failed."""
    written: Mapping[str, str] = TokenFile(options.digests).read().get("files", {}) if options.digests else {}
    for path in (options.manifest, options.summary):
        if not path.exists() or (options.digests and written.get(str(path)) != file_digest(path)):
            raise IncompleteRun(f"{path} is not what the last run wrote: run the workflow first, then publish")
    summary = read_summary(options.summary)
    made_in = summary["options"].get("dcm_dir", options.dcm_dir)
    if made_in != options.dcm_dir:
        raise IncompleteRun(
            f"dcm_dir: {options.dcm_dir} is not the folder of the last run, which wrote into {made_in}: run the "
            "workflow first, then publish"
        )
    if failed := too_many_failed(summary, options.max_failed):
        raise IncompleteRun(
            f"{failed}: fix what the errors in {summary['error_log']} name and run the workflow again, or set "
            "max_failed higher"
        )
    return summary


def _verify(options: PublishOptions) -> None:
    table = options.state.with_name("verify.tsv")
    outcome = verify.run(options.plans, options.receipts, table, workers=options.workers)
    if outcome.findings:
        raise IncompleteRun(f"{outcome}: put right what the findings name, then publish\n{outcome.examples()}")


def _write_all(folder: Path, table: pa.Table, source: Source, summary: Mapping[str, Any]) -> dict[str, str]:
    """Write every file; names and digests, SHA256SUMS.txt last."""
    figures = count(table)
    digests: dict[str, str] = {}

    def digest(*names: str) -> None:
        digests.update((name, file_digest(folder / name, "sha256")) for name in names)

    write_manifest(folder / MANIFEST, table)
    write_records(folder / RECORDS, table)
    (folder / LICENSE).write_bytes(source.license_text or _license_notice(source))
    digest(MANIFEST, RECORDS, LICENSE)
    (folder / CROISSANT).write_bytes(croissant(source, figures, digests[MANIFEST]))
    card = data_card(source, figures, summary, extra=(MANIFEST, RECORDS, SUMS, LICENSE, CROISSANT))
    (folder / README).write_text(card, encoding="utf-8")
    digest(CROISSANT, README)
    write_sums(folder / SUMS, table, sorted(digests.items()))
    digest(SUMS)
    return digests


def _license_notice(source: Source) -> bytes:
    """What stands for the text of the licence where only its address is known."""
    name, license, url = map(source.get, ("name", "license", "license_url"))
    return f"{name} is made available under the licence {license}:\n{url}\n".encode()


def _take_places(staging: Path, digests: Mapping[str, str], state: TokenFile, table: pa.Table) -> Publication:
    """Rename the files that changed into place, once it is certain that no file of another is in the way."""
    folder = staging.parent
    before: Mapping[str, str] = state.read().get("files", {})
    now = {name: file_digest(folder / name, "sha256") for name in digests if (folder / name).exists()}
    for name, digest in now.items():
        if digest not in (digests[name], before.get(name)):
            raise ConfigError(
                f"{folder / name} is not what publish wrote: it was there before, or was changed since; rename it, or "
                "delete it to have it written anew"
            )
    written = [name for name, digest in digests.items() if now.get(name) != digest]
    for name in written:
        _sync(staging / name)
        with current_run():
            os.replace(staging / name, folder / name)
    return Publication(str(folder), table.num_rows - table["dcm_path"].null_count, written)


def _sync(path: Path) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
