"""The outcomes of a run in numbers: ``summary.json``, and the text at the end of a run."""

from __future__ import annotations

import json
import os
import platform
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from wfdb2dicom import __version__
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, TableError
from wfdb2dicom.errors import mask_patient
from wfdb2dicom.inputs.records_list import RECORDS
from wfdb2dicom.inputs.zip_copies import COPIES
from wfdb2dicom.results.remedies import remedy
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.words import apart, counted, part_of

FREQUENT = 5  # kinds of error that a summary names
LEAST_DIFFERENCE = 60  # seconds between header and ecg_time: MIMIC-IV-ECG's headers have no seconds
_PACKAGES = ("pydicom", "wfdb", "numpy", "pandas", "pyarrow", "snakemake")


def read_summary(path: Path) -> dict[str, Any]:
    """The summary of a run, as `OutcomeCounts.summary` gives it.

    Raises
    ------
    TableError
        When the file is damaged.
    """
    try:
        summary = json.loads(read_file(path))
    except ValueError:
        summary = None
    if not (isinstance(summary, dict) and "studies" in summary):
        raise TableError(f"{path} is not the summary of a run; delete it and run again")
    return summary


def error_kind(error: str) -> str:
    """The kind of an error: its type, or the whole text where it has none (``Timeout>60s``)."""
    return error.partition(":")[0]


def shown_path(plan: PlanRow) -> str:
    """The path by which people look for a study: that of its DICOM, or the text of the CSV if that is not a path."""
    return plan.dicom.removesuffix(".dcm") or plan.record


class OutcomeCounts:
    """Counts outcomes batch by batch."""

    def __init__(self) -> None:
        self.studies = 0
        self.failed = 0
        self._converted = 0
        self._batches = 0
        self._fresh_batches = 0
        self._fresh_studies = 0
        self._bytes = 0
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, dict[str, str]] = {}
        self._warned = 0
        self._warning: dict[str, str] = {}
        self._times_differ = 0
        self._times: dict[str, Any] = {}

    def add_batch(self, rows: Sequence[tuple[PlanRow, ReceiptRow]], *, fresh: bool) -> None:
        """Count the studies of one batch; `fresh` means that this run converted it."""
        self._batches += 1
        self._fresh_batches += fresh
        self._fresh_studies += fresh * len(rows)
        self.studies += len(rows)
        for plan, result in rows:
            if result.error:
                self.failed += 1
                self._count_error(plan, result.error)
            else:
                self._bytes += int(result.size)
                self._converted += fresh and result.status == "converted"
                if '"warnings":' in result.facts:
                    self._count_warning(plan, result.facts)

    def add(self, other: OutcomeCounts) -> None:
        """Add the counts of another, whose batches come after these."""
        self._batches += other._batches
        self._fresh_batches += other._fresh_batches
        self._fresh_studies += other._fresh_studies
        self.studies += other.studies
        self.failed += other.failed
        self._bytes += other._bytes
        self._converted += other._converted
        self._kinds.update(other._kinds)
        self._examples = other._examples | self._examples
        self._warned += other._warned
        self._warning = self._warning or other._warning
        self._times_differ += other._times_differ
        self._times = self._times or other._times

    def add_times(self, study_ids: Sequence[str], differences: Sequence[int | None]) -> None:
        """Count studies whose header has another time than ecg_time, by the difference in seconds where it is known."""
        for study_id, seconds in zip(study_ids, differences, strict=True):
            if seconds is not None and abs(seconds) >= LEAST_DIFFERENCE:
                self._times_differ += 1
                self._times = self._times or {"study_id": study_id, "seconds": seconds}

    def _count_error(self, plan: PlanRow, error: str) -> None:
        name = error_kind(error)
        self._kinds[name] += 1
        if name not in self._examples:
            shown = mask_patient(error, plan.subject_id)
            self._examples[name] = {"study_id": plan.study_id, "path": shown_path(plan), "error": error, "shown": shown}

    def _count_warning(self, plan: PlanRow, facts: str) -> None:
        self._warned += 1
        if not self._warning:
            first = json.loads(facts)["warnings"][0]
            self._warning = {"study_id": plan.study_id, "shown": mask_patient(first, plan.subject_id)}

    def summary(self, options: dict[str, Any], places: dict[str, str], seconds: float) -> dict[str, Any]:
        """The summary.

        Parameters
        ----------
        options : dict
            The configuration of the run.
        places : dict
            The files ``output_csv`` and ``error_log``.
        seconds : float
            Since the run began; 0 when that is not known.

        Returns
        -------
        dict
            Counts of studies (studies, succeeded, failed; converted: written by this run; warned: with warnings in the
            manifest, and the first of those; times_differ: with another time in the header than in ecg_time, and the
            first of those), batches (all, and run just now), bytes of all DICOMs, the most frequent kinds of error,
            seconds and studies per second of this run, versions, options.
        """
        frequent = [
            {"kind": name, "count": count, "example": self._examples[name]}
            for name, count in self._kinds.most_common(FREQUENT)
        ]
        return {
            "studies": self.studies,
            "succeeded": self.studies - self.failed,
            "failed": self.failed,
            "converted": self._converted,
            "warned": self._warned,
            "warning": self._warning,
            "times_differ": self._times_differ,
            "time_difference": self._times,
            "batches": self._batches,
            "batches_run": self._fresh_batches,
            "bytes": self._bytes,
            "kinds_of_error": len(self._kinds),
            "errors": frequent,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "studies_per_second": round(self._fresh_studies / seconds, 1) if seconds > 0 else None,
            **places,
            "versions": _versions(),
            "options": options,
        }


def summary_text(summary: dict[str, Any], max_failed: float, folder: str = "") -> str:
    """The summary as the end of a run shows it; `folder` is that of the run, relative to where it was started."""
    lines = [
        "",
        f"{counted(summary['studies'], 'study', 'studies')}: {counted(summary['succeeded'], 'DICOM object')} "
        f"({size_words(summary['bytes'])}), "
        f"{summary['failed']:,} failed ({_share(summary)}; max_failed: {100 * max_failed:.4g} %)",
        f"last conversion: {counted(summary['converted'], 'object')} written, "
        f"{part_of(summary['batches_run'], summary['batches'], 'batch', 'batches')} run, "
        f"{summary['seconds']:.1f} s" + _rate(summary),
    ]
    if summary.get("warned"):
        warning = summary["warning"]
        lines.append(f"  {summary['warned']:,} with warnings, such as study {warning['study_id']}: {warning['shown']}")
        lines.append("    all of them: column warnings of results/manifest.parquet")
    if summary.get("times_differ"):
        first = summary["time_difference"]
        lines.append(
            f"  {summary['times_differ']:,} with another time in the header than in ecg_time, such as study "
            f"{first['study_id']}: {apart(first['seconds'])}"
        )
        lines.append("    the objects have the header's; time_from: ecg_time takes the other")
    for error in summary["errors"]:
        example = error["example"]
        words = example["shown"].removeprefix(error["kind"])  # all of it where there is a kind and no more
        lines.append(f"  {error['count']:,} × {error['kind']}, such as study {example['study_id']}{words}")
        lines.append(f"    next: {remedy(error['kind']).next_step}{_where(error, summary['options'])}")
    if summary["kinds_of_error"] > len(summary["errors"]):
        lines.append(f"  and {summary['kinds_of_error'] - len(summary['errors'])} more kinds of error")
    lines.append(f"table: {os.path.join(folder, summary['output_csv'])}")
    if summary["failed"]:
        lines.append(f"failures: {os.path.join(folder, summary['error_log'])}")
    return "\n".join(lines)


def _where(error: dict[str, Any], options: dict[str, Any]) -> str:
    """Where a missing file was looked for, and the first folder on the way to it that is not there."""
    top = options.get("wfdb_dir", "")
    missing = re.search(r"'(.+)'", error["example"]["error"])
    if error["kind"] != "FileNotFoundError" or not top or not missing:
        return ""
    step = os.path.relpath(missing[1], top).split("/")[0]
    lacks = os.path.isdir(top) and not os.path.lexists(os.path.join(top, step))
    return f"; it was looked for in wfdb_dir, {top!r}" + (f", which has no {mask_patient(step)!r}" if lacks else "")


def too_many_failed(summary: dict[str, Any], max_failed: float) -> str:
    """Says that more studies failed than are allowed to, without a full stop; empty when it is not so."""
    # In decimals as they were written: 0.29 of 100 studies are 29, and in binary a little less.
    if summary["failed"] <= Fraction(str(max_failed)) * summary["studies"]:
        return ""
    return (
        f"{summary['failed']:,} of {counted(summary['studies'], 'study', 'studies')} failed ({_share(summary)}), "
        f"more than max_failed allows ({100 * max_failed:.4g} %)"
    )


def failure_message(summary: dict[str, Any], max_failed: float, folder: str = "") -> str:
    """Why the run as a whole counts as failed, and what to do; empty when it does not. See `summary_text`."""
    failed = too_many_failed(summary, max_failed)
    if not failed:
        return ""
    return (
        f"{failed}.\n"
        f"All results are kept; {os.path.join(folder, summary['error_log'])} lists every failure.\n"
        "Next: fix what the errors name and run again (only those studies are converted then), "
        "or set max_failed higher if they may stay as they are."
    )


def _share(summary: dict[str, Any]) -> str:
    return f"{100 * summary['failed'] / max(1, summary['studies']):.3g} %"


def _rate(summary: dict[str, Any]) -> str:
    rate = summary["studies_per_second"]
    if not rate:
        return ""
    return f", {rate:,.0f} studies/s" if rate >= 10 else f", {rate:.1f} studies/s"


def table_name(path: str) -> str:
    """The name under which the user knows a table: a copy of one in the data set has its path there."""
    name = path.removeprefix(os.path.join(COPIES, ""))
    made = name != path and os.path.basename(name) == f"{RECORDS}.csv"
    return name.removesuffix(".csv") if made else name


def size_words(count: float) -> str:
    """A number of bytes with its unit: ``1.36 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _versions() -> dict[str, str]:
    found = {"wfdb2dicom": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
