"""The data of the report: counts, and at most a few thousand rows of the manifest, whatever its size."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wfdb2dicom.batches.tables import read_run
from wfdb2dicom.report.flags import LISTED, Flag, Row, flags, listed
from wfdb2dicom.results.manifest import read_manifest
from wfdb2dicom.results.summary import error_kind
from wfdb2dicom.words import share

SAMPLE = 12  # studies drawn as a sample of all
SEED = 7  # the same studies on each run
EXAMPLES = 2  # drawings of each kind of flagged study
COMMON = 12  # values that a distribution names; the rest is summed up

_UNKNOWN = "unknown"


@dataclass
class Distribution:
    """How often each value occurs among the converted studies.

    Attributes
    ----------
    key, title, unit
        For ids, headings and values.
    counts : list of (str, int)
        Values in the order in which they are shown; the last one sums up the rare ones where there are many.
    ranked : list of int
        Studies of every value, the most frequent first.
    absent
        What stands for a value that is not known, and has no unit.
    """

    key: str
    title: str
    unit: str
    counts: list[tuple[str, int]]
    ranked: list[int] = field(default_factory=list)
    absent: str = _UNKNOWN

    @property
    def first(self) -> str:
        """The first value with its unit."""
        value = self.counts[0][0]
        return value if value == self.absent else f"{value} {self.unit}".rstrip()

    @property
    def is_unknown(self) -> bool:
        """Whether no study has a value."""
        return [value for value, _ in self.counts] == [self.absent]

    @property
    def is_scattered(self) -> bool:
        """Whether the values without a name outnumber each named one, so that a list of bars would say nothing."""
        return len(self.ranked) > len(self.counts) and self.counts[-1][1] > self.ranked[0]

    @property
    def scatter(self) -> str:
        """How the studies spread over many values, in a sentence."""
        total = sum(self.ranked)
        half = next(n for n, sofar in enumerate(accumulate(self.ranked), 1) if 2 * sofar >= total)
        return (
            f"{len(self.ranked):,} {self.title.lower()}: the most frequent one has {self.ranked[0]:,} studies "
            f"({share(self.ranked[0], total)}), the rarest {self.ranked[-1]:,}; half of all studies come from "
            f"{half:,} of them."
        )


@dataclass
class ReportData:
    """Everything that the report shows except the summary and the options."""

    kinds: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)
    sample: list[Row] = field(default_factory=list)
    batches: list[Row] = field(default_factory=list)


def read_report_data(manifest: Path, receipts: Path) -> ReportData:
    """Read manifest and receipts.

    Parameters
    ----------
    manifest : Path
        See `wfdb2dicom.results.manifest`.
    receipts : Path
        Folder of the receipts; only their first lines are read.
    """
    table = read_manifest(manifest, _COLUMNS)
    failed = table.filter(pc.is_valid(table["error"]))
    done = table.filter(pc.is_null(table["error"]))
    kinds = _kinds(failed)
    return ReportData(
        kinds=kinds,
        failures=_failures(failed, kinds),
        flags=[listed(flag, done.num_rows) for flag in flags(done)],
        distributions=list(_distributions(done)),
        sample=_sample(done),
        batches=_batches(receipts),
    )


_COLUMNS = [
    "study_id",
    "subject_id",
    "dcm_path",
    "error",
    "acquired",
    "ecg_time",
    "time_source",
    "time_difference",
    "sampling_frequency",
    "n_samples",
    "n_channels",
    "invalid_samples",
    "invalid_leads",
    "flat_leads",
    "omitted_signals",
    "warnings",
    "filter_low",
    "filter_high",
    "notch",
    "cart_id",
    "record",
]


def _kinds(failed: pa.Table) -> list[Row]:
    """Count and first example of each kind of error, the most frequent first."""
    kinds: dict[str, Row] = {}
    for error in pc.value_counts(failed["error"]).to_pylist():
        entry = kinds.setdefault(error_kind(error["values"]), {"count": 0, "error": error["values"]})
        entry["count"] += error["counts"]
    for name, entry in kinds.items():
        first = failed.slice(pc.index(failed["error"], entry["error"]).as_py(), 1).to_pylist()[0]
        entry |= {"kind": name, "study_id": first["study_id"], "record": first["record"]}
    return sorted(kinds.values(), key=lambda entry: (-entry["count"], entry["kind"]))


def _failures(failed: pa.Table, kinds: list[Row]) -> list[Row]:
    """Failed studies for the table, kind by kind: all of them, or of each kind its share, so that none is missing."""
    each = failed.num_rows if failed.num_rows <= LISTED else LISTED // max(1, len(kinds))
    rows: list[Row] = []
    names = pc.list_element(pc.split_pattern(failed["error"], ":", max_splits=1), 0)
    for entry in kinds:
        rows += failed.filter(pc.equal(names, entry["kind"])).slice(0, each).to_pylist()
    return rows


def _distributions(done: pa.Table) -> Iterable[Distribution]:
    seconds = pc.divide(done["n_samples"].cast(pa.float64()), done["sampling_frequency"])
    yield _by_value("rate", "Sampling rates", "Hz", _counted(done["sampling_frequency"]))
    yield _by_value("duration", "Durations", "", _counted(pc.round(seconds, 1)), label=length)
    yield _by_value("leads", "Numbers of leads", "", _counted(done["n_channels"]))
    yield _by_frequency("band", "Filter pass bands", "Hz", _bands(done["filter_low"], done["filter_high"]))
    yield _by_value("notch", "Notch filters", "Hz", _counted(done["notch"]), absent="none known")
    carts = {_UNKNOWN if cart is None else str(cart): count for cart, count in _counted(done["cart_id"]).items()}
    yield _by_frequency("cart", "Carts", "", carts)


def _counted(values: pa.ChunkedArray) -> dict[Any, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(values).to_pylist()}


def _bands(low: pa.ChunkedArray, high: pa.ChunkedArray) -> dict[str, int]:
    pairs = pa.table({"low": low, "high": high}).group_by(["low", "high"]).aggregate([([], "count_all")])
    named = ((_edge(row["low"]), _edge(row["high"]), row["count_all"]) for row in pairs.to_pylist())
    return {_UNKNOWN if lower == upper == "?" else f"{lower}–{upper}": count for lower, upper, count in named}


def _edge(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def length(seconds: float) -> str:
    """The duration of a recording in a fitting unit: ``10 s``, ``30 min``, ``24 h``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 2):g} {unit}"
    return f"{seconds:g} s"


def _by_value(
    key: str,
    title: str,
    unit: str,
    counts: dict[float | None, int],
    *,
    label: Callable[[float], str] = "{:g}".format,
    absent: str = _UNKNOWN,
) -> Distribution:
    """The most frequent numbers, by their size; those that are written alike count as one."""
    texts: dict[str, int] = {}
    for value in sorted(counts, key=lambda value: (value is None, value or 0)):
        text = absent if value is None else label(value)
        texts[text] = texts.get(text, 0) + counts[value]
    found = _by_frequency(key, title, unit, texts)
    places = {text: place for place, text in enumerate(texts)}
    found.absent = absent
    found.counts.sort(key=lambda item: places.get(item[0], len(places)))
    return found


def _by_frequency(key: str, title: str, unit: str, counts: dict[str, int]) -> Distribution:
    """The most frequent values, and the rest as one."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = (ranked, []) if len(ranked) <= COMMON + 1 else (ranked[:COMMON], ranked[COMMON:])
    if rest:
        shown.append((f"{len(rest)} others", sum(count for _, count in rest)))
    return Distribution(key, title, unit, list(shown), [count for _, count in ranked])


def _sample(done: pa.Table) -> list[Row]:
    """A seeded sample of the converted studies, by the order of their ids: the same however they are batched."""
    ids = done["study_id"].take(pc.sort_indices(done["study_id"])) if done.num_rows else done["study_id"]
    chosen = sorted(random.Random(SEED).sample(range(len(ids)), min(SAMPLE, len(ids))))
    wanted = pa.array([ids[n].as_py() for n in chosen], type=pa.string())
    rows = done.filter(pc.is_in(done["study_id"], value_set=wanted)).to_pylist()
    return sorted(rows, key=lambda row: str(row["study_id"]))


def _batches(receipts: Path) -> list[Row]:
    """What each batch did when it ran last, the slowest first."""
    found = []
    for path in receipts.glob("*.tsv"):
        run = read_run(path)
        if run.get("seconds"):
            found.append(run | {"name": path.stem, "rate": run["studies"] / run["seconds"]})
    return sorted(found, key=lambda run: (run["rate"], run["name"]))
