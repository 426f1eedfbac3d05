"""Evidence that nothing was lost: each DICOM object is turned back into WFDB files, whose digests its publisher gave.

SHA256SUMS.txt of the WFDB tree holds the digest of every file. The comparison is with what the publisher states, not
with the source on disk, whose header is read only where it comes back in another spelling.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, read_plan
from wfdb2dicom.checks.checked_objects import CheckedObject, write_checked
from wfdb2dicom.checks.published_digests import SUMS, find_sums, read_sums
from wfdb2dicom.checks.sample import sampled
from wfdb2dicom.dicom import leads
from wfdb2dicom.dicom.mapping import PER_MILLIVOLT
from wfdb2dicom.dicom.restore import Restored, restore
from wfdb2dicom.errors import StudyError, describe
from wfdb2dicom.records.header import Header, parse
from wfdb2dicom.records.source_file import header_text, read_header_text
from wfdb2dicom.records.zip_source import ZipFiles
from wfdb2dicom.system.regular_file import read_file

_GAIN_TOLERANCE = 1e-9  # relative: decimal strings round 1/gain


def roundtrip(plan: Path, receipt: Path, limit: str, table: Path) -> int:
    """Turn the DICOM objects of a batch that belong to the sample back into WFDB files and compare their digests.

    Parameters
    ----------
    plan, receipt : Path
        Of the batch.
    limit : str
        Of the sample, see `wfdb2dicom.checks.sample`.
    table : Path
        To be written.

    Returns
    -------
    int
        How many differ.

    Raises
    ------
    ConfigError
        When the source has no list of digests.
    """
    options, planned = read_plan(plan)
    plans = {row.study_id: row for row in planned}
    rows = [row for row in sampled(receipt, limit) if row.study_id in plans]
    wanted = {f"{plans[row.study_id].record}.{kind}" for row in rows for kind in ("hea", "dat", "mat")}
    sums = read_sums(find_sums(options["wfdb_dir"]), wanted)
    objects = [_roundtrip_one(options, plans[row.study_id], row, sums) for row in rows]
    write_checked(table, objects)
    return sum(item.result == "bad" for item in objects)


def _roundtrip_one(options: dict[str, str], plan: PlanRow, row: ReceiptRow, sums: dict[str, str]) -> CheckedObject:
    path = os.path.join(options["dcm_dir"], row.dicom)
    try:
        if reason := _not_comparable(plan, row, sums):
            return CheckedObject(row.study_id, path, "open", (reason,))
        content = read_file(path)
        read_source = partial(_source_header, options["wfdb_dir"], plan)
        restored = _restore(content, plan.record, read_source, options.get("lead_order", "source"), sums)
        dated_by_header = options.get("time_from", "header") == "header"
        details = tuple(_differences(restored, plan.record, read_source, sums, dated_by_header=dated_by_header))
    except (OSError, StudyError, ValueError) as error:
        return CheckedObject(row.study_id, path, "bad", (describe(error),))
    return CheckedObject(row.study_id, path, "bad" if details else "good", details)


def _not_comparable(plan: PlanRow, row: ReceiptRow, sums: dict[str, str]) -> str:
    """Why the digests cannot judge this study; "" when they can."""
    listed = {kind for kind in ("hea", "dat", "mat") if f"{plan.record}.{kind}" in sums}
    missing = ["header"] * ("hea" not in listed) + ["signal file"] * listed.isdisjoint(("dat", "mat"))
    if missing:
        return f"{SUMS} does not list its {' and '.join(missing)}"
    if "dat" not in listed:
        return "its signal file is a .mat, but a .dat comes back, in other bytes"
    facts = json.loads(row.facts)
    if omitted := facts.get("omitted_signals"):
        return f"signals were left out ({', '.join(omitted)}), and the digests are those of all of them"
    size = 2 * facts["n_samples"] * facts["n_channels"]
    sizes = [source.partition(":")[0] for source in plan.sources.split(",")[1:]]
    if sizes and sizes != [str(size)]:
        return "the source is not one file of format 16, so its samples come back in other bytes"
    return ""


def _source_header(wfdb_dir: str, plan: PlanRow) -> bytes:
    """The header of the record, in the folder or in the ZIP."""
    record = os.path.join(wfdb_dir, plan.record)
    if not plan.members:
        return read_header_text(record + ".hea")
    with ZipFiles(wfdb_dir).open(record, record + ".hea", plan.members) as source:
        return header_text(source)


def _restore(
    content: bytes, record: str, read_source: Callable[[], bytes], lead_order: str, sums: dict[str, str]
) -> Restored:
    """The record; of one whose leads were reordered, in its source's order unless it had the standard's already."""
    name = os.path.basename(record)
    restored = restore(content, name)
    if lead_order == "standard" and _digest(restored.signal) != sums[f"{record}.dat"]:
        header = parse(read_source())
        order = leads.labels([signal.description for signal in header.signals])
        return restore(content, name, order=order)
    return restored


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _differences(
    restored: Restored, record: str, read_source: Callable[[], bytes], sums: dict[str, str], *, dated_by_header: bool
) -> Iterator[str]:
    if _digest(restored.signal) != sums[f"{record}.dat"]:
        yield ".dat: its samples are not those that the publisher gave the digest of"
    if _digest(restored.header) != sums[f"{record}.hea"]:
        text = read_source()
        if _digest(text) != sums[f"{record}.hea"]:
            yield ".hea: the source on disk is not what the publisher gave the digest of either; fetch it again"
        elif not _equal_but_for_spelling(parse(restored.header), parse(text), dated_by_header=dated_by_header):
            yield ".hea: it differs from the source in more than spelling"


def _equal_but_for_spelling(ours: Header, theirs: Header, *, dated_by_header: bool) -> bool:
    """Whether two headers differ in spelling only, and in a date that the object does not take from the header."""
    if len(ours.signals) != len(theirs.signals):
        return False
    labels = leads.labels([signal.description for signal in theirs.signals])
    for mine, other, label in zip(ours.signals, theirs.signals, labels, strict=True):
        scale = float(PER_MILLIVOLT.get(other.units, 1))
        same = (
            mine.description.casefold() == label.casefold()
            and abs(mine.gain - other.gain * scale) <= _GAIN_TOLERANCE * mine.gain
            and other.initial_value in (mine.initial_value, 0, None)  # which only difference formats need
            and (not theirs.has_checksums or (mine.checksum or 0) & 0xFFFF == (other.checksum or 0) & 0xFFFF)
        )
        if not same or mine.baseline != other.baseline:
            return False
    moment = theirs.moment if dated_by_header and theirs.moment else ours.moment
    return (ours.n_samples, ours.sampling_frequency, ours.moment) == (
        theirs.n_samples or ours.n_samples,
        theirs.sampling_frequency,
        moment,
    )
