"""The kinds of converted study that are worth a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wfdb2dicom.results.summary import LEAST_DIFFERENCE
from wfdb2dicom.words import apart

LISTED = 1000  # flagged studies, or failures, that a table lists at most

Row = dict[str, Any]


@dataclass
class Flag:
    """A kind of study that is worth a look.

    Attributes
    ----------
    key, title, meaning
        For links, headings and the text below them.
    collection : str
        What is said instead where it is every converted study: a sentence about the collection.
    studies : pyarrow.Table
        Their rows of the manifest, the worst ones first.
    describe : callable
        From one of their rows to what was found.
    of_all : bool
        Whether it is every converted study, so that none is singled out.
    rows : list of dict
        At most `LISTED` of them; ``detail`` says what was found. None where it is every study.
    """

    key: str
    title: str
    meaning: str
    collection: str
    studies: pa.Table
    describe: Callable[[Row], str]
    of_all: bool = False
    rows: list[Row] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of all studies of this kind."""
        return int(self.studies.num_rows)

    def details(self) -> Iterator[Row]:
        """Every study, with what was found in it as ``detail``."""
        for batch in self.studies.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield row | {"detail": self.describe(row)}


def flags(done: pa.Table) -> Iterable[Flag]:
    """Every kind of study that was converted and yet is worth a look, from the rows of the manifest."""
    yield from _of_samples(done)
    yield from _of_times(done)
    yield from _partly_used(done)


def _of_samples(done: pa.Table) -> Iterable[Flag]:
    invalid = pc.greater(done["invalid_samples"], 0)
    yield Flag(
        "invalid",
        "Invalid samples",
        "Samples without a value: gaps in the drawing, padding value in the DICOM.",
        "Every study has samples without a value: gaps in the drawings, padding value in the DICOM objects.",
        done.filter(invalid).sort_by([("invalid_samples", "descending"), ("study_id", "ascending")]),
        lambda row: f"{row['invalid_samples']:,} samples in {', '.join(row['invalid_leads'])}",
    )
    flat = done.filter(pc.greater(pc.list_value_length(done["flat_leads"]), 0))
    flat = flat.append_column("n_flat", pc.list_value_length(flat["flat_leads"]))
    yield Flag(
        "flat",
        "Flat leads",
        "Leads in which all samples are equal: an electrode was off, or never connected.",
        "Every study has a lead in which all samples are equal.",
        flat.sort_by([("n_flat", "descending"), ("study_id", "ascending")]),
        lambda row: ", ".join(row["flat_leads"]),
    )


def _of_times(done: pa.Table) -> Iterable[Flag]:
    late = done.filter(pc.greater_equal(pc.abs(done["time_difference"]), LEAST_DIFFERENCE))
    late = late.append_column("apart", pc.abs(late["time_difference"]))
    yield Flag(
        "times",
        "Header and ecg_time differ",
        "The DICOM has the header's time (time_from). ecg_time differs from it by a minute or more.",
        "In every study the header's time, which the DICOM has, differs from ecg_time by a minute or more: see "
        "time_from.",
        late.sort_by([("apart", "descending"), ("study_id", "ascending")]),
        lambda row: f"header {row['acquired']}, ecg_time {row['ecg_time']} ({apart(row['time_difference'])})",
    )
    undated = done.filter(pc.equal(done["time_source"], "ecg_time"))
    yield Flag(
        "dated",
        "Dated by ecg_time",
        "The header's date is not known or not taken; the DICOM has ecg_time instead.",
        "The date of every study is its ecg_time, not one of the header.",
        undated,
        lambda row: f"{row['acquired']} from ecg_time",
    )
    placeholder = done.filter(pc.equal(done["time_source"], "placeholder"))
    yield Flag(
        "undated",
        "No date",
        "No date is known; the DICOM has a placeholder and says that dates were removed.",
        "The date of no study is known: the DICOM objects have a placeholder and say that dates were removed.",
        placeholder,
        lambda row: "no date",
    )


def _partly_used(done: pa.Table) -> Iterable[Flag]:
    """Studies of which something is not known or was left out."""
    bare = pc.and_(pc.is_null(done["cart_id"]), pc.is_null(done["filter_low"]))
    bare = pc.and_(pc.and_(bare, pc.is_null(done["filter_high"])), pc.is_null(done["notch"]))
    yield Flag(
        "bare",
        "Without metadata",
        "No cart and no filters are known: no row in metadata, or an empty one.",
        "Cart and filters are not known of any study.",
        done.filter(bare),
        lambda row: "neither cart nor filters",
    )
    if "warnings" in done.column_names:
        yield Flag(
            "warnings",
            "Warnings",
            "Something in the source was not used, such as a time that cannot be read.",
            "Of every study something was not used, such as a time that cannot be read: column warnings of "
            "manifest.parquet.",
            done.filter(pc.greater(pc.list_value_length(done["warnings"]), 0)),
            lambda row: "; ".join(row["warnings"]),
        )
    if "omitted_signals" in done.column_names:
        yield Flag(
            "omitted",
            "Signals left out",
            "Signals that are not an ECG were left out (other_signals: omit).",
            "Every study has signals that are not an ECG and were left out (other_signals: omit).",
            done.filter(pc.greater(pc.list_value_length(done["omitted_signals"]), 0)),
            lambda row: ", ".join(row["omitted_signals"]),
        )


def listed(flag: Flag, converted: int) -> Flag:
    """The flag with the rows for its table."""
    flag.of_all = flag.count == converted > 1
    flag.rows = [] if flag.of_all else list(islice(flag.details(), LISTED))
    return flag
