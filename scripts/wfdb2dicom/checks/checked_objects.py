"""What `validate` and `roundtrip` say of each DICOM object: a table per batch, one of all, and its summary."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wfdb2dicom.errors import mask_patient
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.system.tsv import TableError, encode_table, read_table
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.words import counted

_COLUMNS = ("study_id", "dcm_path", "result", "detail")
_SEPARATOR = " | "
_EXAMPLES = 5


class CheckedObject(NamedTuple):
    """What a check says of the DICOM object of a study.

    Attributes
    ----------
    result : str
        ``good``, ``bad``, or ``open``: the check cannot judge this object, which is not a fault.
    details : tuple of str
        Findings of a bad object, the reason of an open one.
    """

    study_id: str
    dcm_path: str
    result: str
    details: tuple[str, ...] = ()


def write_checked(path: Path, objects: Iterable[CheckedObject]) -> None:
    """Write a table, a row per object."""
    rows = ((item.study_id, item.dcm_path, item.result, _SEPARATOR.join(item.details)) for item in objects)
    replace_file(path, encode_table(_COLUMNS, rows))


def read_checked(path: Path) -> list[CheckedObject]:
    """The rows of a table.

    Raises
    ------
    TableError
        When it is not a whole table.
    """
    return read_table(path, _COLUMNS, _checked_object)[1]


def _checked_object(values: list[str]) -> CheckedObject:
    study_id, dcm_path, result, details = values
    return CheckedObject(study_id, dcm_path, result, tuple(details.split(_SEPARATOR)) if details else ())


@dataclass(frozen=True, slots=True)
class CheckWords:
    """The words of a check's summary: what one ``good``, ``bad`` or ``open`` object does, and what several do."""

    name: str
    good: tuple[str, str]
    bad: tuple[str, str]
    open: tuple[str, str]


VALIDATE = CheckWords(
    "validate",
    good=("conforms", "conform"),
    bad=("has findings", "have findings"),
    open=(
        "is of a class that dciodvfy does not know, checker only",
        "are of a class that dciodvfy does not know, checker only",
    ),
)
ROUNDTRIP = CheckWords(
    "roundtrip",
    good=("gives its WFDB files back", "give their WFDB files back"),
    bad=("does not", "do not"),
    open=("cannot be judged", "cannot be judged"),
)


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """The numbers of a whole table, and the text for the screen."""

    good: int
    bad: int
    text: str


def collect(parts: Sequence[Path], table: Path, words: CheckWords) -> None:
    """Join the tables of the batches, and write the summary beside the whole as ``<stem>.json``."""
    objects = [item for part in parts for item in read_checked(part)]
    write_checked(table, objects)
    counts = Counter(item.result for item in objects)
    text = "\n".join(_summary(objects, counts, table, words))
    summary = {"good": counts["good"] + counts["open"], "bad": counts["bad"], "text": text}
    replace_file(table.with_suffix(".json"), json.dumps(summary, ensure_ascii=True, indent=1).encode())


def read_summary(path: Path) -> CheckSummary:
    """The summary that `collect` wrote.

    Raises
    ------
    TableError
        When the file is damaged or of another version.
    """
    try:
        return CheckSummary(**json.loads(read_file(path)))
    except (ValueError, TypeError) as error:
        raise TableError(f"{path} is not a whole summary of this version; delete it and run again") from error


def _summary(objects: Sequence[CheckedObject], counts: Counter[str], table: Path, words: CheckWords) -> Iterable[str]:
    good, bad = counted(counts["good"], *words.good), counted(counts["bad"], *words.bad)
    yield f"{words.name}: of {counted(len(objects), 'DICOM object')} {good}, {bad}"
    if counts["open"]:
        yield f"  {counted(counts['open'], *words.open)}"
    for result, title in (("bad", "most frequent findings"), ("open", "why")):
        found = [(detail, item) for item in objects if item.result == result for detail in item.details]
        kinds = Counter(_kind(detail) for detail, _ in found)
        if kinds:
            yield f"  {title}:"
        for kind, count in kinds.most_common(_EXAMPLES):
            detail, example = next((detail, item) for detail, item in found if _kind(detail) == kind)
            yield f"    {count} x {mask_patient(detail)[:240]}"
            yield f"        for example study {example.study_id}"
    yield f"  table: {table}"


def _kind(detail: str) -> str:
    """A finding without its numbers, so that equal ones of different channels and studies are counted as one."""
    return re.sub(r"-?\d+(\.\d+)?", "#", detail)
