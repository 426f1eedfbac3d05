"""The counts of the data card, from the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydicom.uid import UID

from wfdb2dicom.words import counted

COMMON = 10  # values that a table names; the rest is summed up


@dataclass(frozen=True)
class Figures:
    """What a run holds, in numbers.

    Attributes
    ----------
    studies, objects, failed, patients, nameless, bytes : int
        Patients of the objects, and objects whose patient is not known; bytes of the objects.
    failures, classes, shapes, time_sources : list of (str, int)
        Kinds of failure; SOP Classes; rate, length and leads; where the time of the recording is from. The most
        frequent first.
    earliest, latest : str
        Dates of the first and the last recording; "" if none is known.
    with_invalid, invalid_samples, with_flat, rebased, with_omitted : int
        Objects with invalid samples, and how many these are; objects with flat leads, with baselines that were
        subtracted, with signals left out.
    """

    studies: int
    objects: int
    failed: int
    patients: int
    nameless: int
    bytes: int
    failures: list[tuple[str, int]]
    classes: list[tuple[str, int]]
    shapes: list[tuple[str, int]]
    time_sources: list[tuple[str, int]]
    earliest: str
    latest: str
    with_invalid: int
    invalid_samples: int
    with_flat: int
    rebased: int
    with_omitted: int

    def sentence(self, source: str) -> str:
        """Objects, patients and source: ``20 electrocardiograms of 4 patients as DICOM …, converted from …``."""
        text = counted(self.objects, "electrocardiogram")
        if self.patients:
            text += f" of {counted(self.patients, 'patient')}"
            text += f" (the patients of {self.nameless:,} are not known)" if self.nameless else ""
        text += f" as DICOM ECG waveform objects, converted from {source}."
        return text + (" The patients are not known." if self.nameless and not self.patients else "")


def count(table: pa.Table) -> Figures:
    """Count a manifest, see `wfdb2dicom.publish.tables.publishable`."""
    objects = table.filter(pc.is_valid(table["dcm_path"]))
    times = pc.min_max(objects["acquired"]).as_py()
    return Figures(
        studies=table.num_rows,
        objects=objects.num_rows,
        failed=table.num_rows - objects.num_rows,
        patients=pc.count_distinct(objects["subject_id"]).as_py(),
        nameless=objects["subject_id"].null_count,
        bytes=pc.sum(objects["size"]).as_py() or 0,
        failures=_ranked(_counts(table["error"].drop_null())),
        classes=_ranked((UID(uid).name, number) for uid, number in _counts(objects["sop_class_uid"])),
        shapes=_common(_ranked(_shapes(objects))),
        time_sources=_ranked(_counts(objects["time_source"])),
        earliest=f"{times['min']:%Y-%m-%d}" if times["min"] else "",
        latest=f"{times['max']:%Y-%m-%d}" if times["max"] else "",
        with_invalid=_number(pc.greater(objects["invalid_samples"], 0)),
        invalid_samples=pc.sum(objects["invalid_samples"]).as_py() or 0,
        with_flat=_number(pc.greater(pc.list_value_length(objects["flat_leads"]), 0)),
        rebased=_number(pc.equal(objects["baseline"], "zero")) if "baseline" in objects.column_names else 0,
        with_omitted=_number(pc.greater(pc.list_value_length(objects["omitted_signals"]), 0)),
    )


def _counts(values: pa.ChunkedArray) -> list[tuple[Any, int]]:
    return [(entry["values"], entry["counts"]) for entry in pc.value_counts(values).to_pylist()]


def _shapes(objects: pa.Table) -> list[tuple[str, int]]:
    """Rate, length and number of leads of the objects, in words."""
    keys = ["sampling_frequency", "n_samples", "n_channels"]
    groups = objects.select(keys).group_by(keys).aggregate([([], "count_all")]).to_pylist()
    return [
        (
            f"{group['sampling_frequency']:g} Hz | {group['n_samples']:,} samples | {group['n_channels']} leads",
            group["count_all"],
        )
        for group in groups
    ]


def _ranked(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The most frequent first; those that are written alike count as one."""
    merged: Counter[str] = Counter()
    for name, number in counts:
        merged[name] += number
    return sorted(merged.items(), key=lambda item: (-item[1], item[0]))


def _common(ranked: list[tuple[str, int]]) -> list[tuple[str, int]]:
    if len(ranked) <= COMMON + 1:
        return ranked
    rest = ranked[COMMON:]
    return [*ranked[:COMMON], (f"{len(rest)} others | |", sum(number for _, number in rest))]


def _number(chosen: pa.ChunkedArray) -> int:
    return int(pc.sum(chosen.cast(pa.int64())).as_py() or 0)
