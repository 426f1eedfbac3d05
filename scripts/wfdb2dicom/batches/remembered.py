"""The last plan's files, kept so that the next plan need not make their rows anew from the tables.

Snakemake removes the folder of the plan files before `plan` runs again. The same files therefore have second names
(hard links) in a hidden folder beside it, ``results/.plan``, with a note of all that their rows were made from:
contents of the tables, options, what was asked of the tree, this software. Only if all of that is the same now, and
each file is whole and the one that was noted, are their rows used. The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b, file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wfdb2dicom.batches.tables import PlanRow, TableError, read_plan, table_digest
from wfdb2dicom.inputs.studies import Locator
from wfdb2dicom.system.whole_file import replace_file

_NOTE = "origin.json"
# Records in no folder of their own are asked for one by one; from so many on, asking again takes as long as planning.
_MOST_ANSWERS = 20_000


@dataclass(frozen=True)
class Remembered:
    """A plan, as far as its files do not say it.

    Attributes
    ----------
    files : dict
        Batch → `table_digest` of its plan file as it was kept.
    studies, count : int
        Number of studies; and of batches, see `wfdb2dicom.batches.plan.batch_count`.
    warnings : tuple of str
        As the plan gave them.
    """

    files: Mapping[str, str]
    studies: int
    count: int
    warnings: tuple[str, ...]


class Memory:
    """The kept plan files of a folder.

    Parameters
    ----------
    plans : Path
        Folder of the plan files.
    """

    def __init__(self, plans: Path) -> None:
        self._plans = plans
        self._kept = plans.with_name(f".{plans.name}")

    def recall(self, origin: str, locator: Locator) -> Remembered | None:
        """The last plan, if it was made from the same and the tree answers as it did; else None."""
        try:
            note = json.loads((self._kept / _NOTE).read_bytes())
            if not origin or note["origin"] != origin or not locator.answers_are(note["answers"]):
                return None
            files = {str(name): str(digest) for name, digest in note["files"].items()}
            return Remembered(files, int(note["studies"]), int(note["count"]), tuple(map(str, note["warnings"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def answers_stand(self, locator: Locator) -> bool:
        """Whether the tree answers as it did when the last plan asked where records lie; True where that is unknown."""
        try:
            answers = dict(json.loads((self._kept / _NOTE).read_bytes())["answers"])
        except (OSError, ValueError, KeyError, TypeError):
            return True
        return locator.answers_are(answers)

    def rows(self, name: str, digest: str) -> list[PlanRow]:
        """The rows of a batch as last planned.

        Raises
        ------
        TableError
            When its file is not there, damaged, or another one.
        """
        path = self._kept / f"{name}.tsv"
        try:
            if table_digest(path) != digest:
                raise TableError  # nobody is told: the plan is made anew
            return read_plan(path)[1]
        except OSError as error:
            raise TableError from error

    def give(self, name: str) -> bool:
        """Give a kept plan file its name among the plan files again; whether that was possible."""
        kept, path = self._kept / f"{name}.tsv", self._plans / f"{name}.tsv"
        try:
            self._plans.mkdir(parents=True, exist_ok=True)
            os.link(kept, path)
        except OSError:  # it is there (no run of the workflow), or a file system without links
            return _same(kept, path)
        return True

    def keep(self, plan: Remembered, origin: str, answers: Mapping[str, bool]) -> None:
        """Keep the files of a plan and note what their rows were made from; nothing without an `origin`.

        That something cannot be kept costs the next plan time, and this one nothing.
        """
        with contextlib.suppress(OSError):
            (self._kept / _NOTE).unlink(missing_ok=True)  # until the new one says that all files are there
            if not origin or len(answers) > _MOST_ANSWERS:
                return
            self._kept.mkdir(parents=True, exist_ok=True)
            files = {name: self._keep(f"{name}.tsv") for name in plan.files}
            for path in self._kept.glob("*.tsv"):
                if path.stem not in files:
                    path.unlink()
            note = asdict(plan) | {"origin": origin, "files": files, "answers": dict(answers)}
            replace_file(self._kept / _NOTE, json.dumps(note).encode())

    def _keep(self, name: str) -> str:
        kept, path = self._kept / name, self._plans / name
        if not _same(kept, path):
            kept.unlink(missing_ok=True)
            os.link(path, kept)
        return table_digest(kept)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def origin_of(tables: Iterable[Path], options: Mapping[str, Any], wfdb_dir: str) -> str:
    """A digest of all that the rows of a plan are made from, save what is asked of the tree; "" if that is not known.

    Parameters
    ----------
    tables : iterable of Path
        Study CSV, metadata, patients: their contents count, not their times.
    options : mapping
        All options on which the rows or their batches depend.
    wfdb_dir : str
        Its absolute path counts too: paths of a CSV may begin with it.
    """
    try:
        contents = [[str(path), _digest(path)] for path in tables]
    except OSError:
        return ""
    folder = Path(__file__).parents[1]
    software = [_digest(path) for path in sorted(folder.rglob("*.py"))]
    software += [sys.version, version("pandas"), version("pyarrow")]
    roots = [os.path.abspath(wfdb_dir), os.path.realpath(wfdb_dir)]
    told = json.dumps([contents, dict(options), roots, software], sort_keys=True, default=str)
    return blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    with open(path, "rb") as stream:
        return file_digest(stream, lambda: blake2b(digest_size=16)).hexdigest()
