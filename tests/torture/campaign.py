"""How long a campaign is, what is right, and what must be true after each disturbed run and at its end."""

import hashlib
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from faults.helpers import Work, litter, manifest

LONG = bool(os.environ.get("WFDB2DICOM_TORTURE"))  # set by `make torture`
SEED = int(os.environ.get("WFDB2DICOM_SEED", "0")) or random.randrange(10**6)
ORDERS = ("standard", "source")  # of leads: a run in one of them converts again what one in the other converted

HANGS = 1800.0  # seconds after which a run is taken to hang; on a busy machine it takes minutes
_TELL_SECONDS = 30.0
# Columns of the manifest that tell when and where a study was converted, not what it became.
_NOT_COMPARED = {"dcm_path"}


def amount(short: int, variable: str, long: int) -> int:
    """How many faults: few in CI, many by `make torture`, or as many as the variable says."""
    return int(os.environ.get(variable) or (long if LONG else short))


class Progress:
    """Prints now and then how far a campaign is, so that one that is stopped early has its figures too."""

    def __init__(self, campaign: str, goal: int) -> None:
        self._campaign, self._goal = f"{campaign}, seed {SEED}", goal
        self._told = time.monotonic()
        print(f"{self._campaign}: {goal} to come", flush=True)  # a test that fails shows it

    def tell(self, counts: Counter[str], note: str = "", *, last: bool = False) -> None:
        """Print the counts, unless that was done some seconds ago."""
        now = time.monotonic()
        if last or now - self._told > _TELL_SECONDS:
            self._told = now
            kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
            print(f"{self._campaign}: {counts.total()} of {self._goal}{note}: {kinds}", flush=True)


@dataclass(frozen=True)
class Result:
    """What a finished run has given: digests of the DICOMs by path, rows of the manifest by study, the result CSV."""

    dicoms: dict[str, str]
    rows: dict[str, dict[str, object]]
    table: bytes

    @classmethod
    def of(cls, work: Work) -> "Result":
        table = (work.folder / "results/studies.with_dcm.csv").read_bytes()
        return cls(dicoms(work.folder), rows(work.folder), table)


@dataclass(frozen=True)
class Calm:
    """A folder in which nothing was disturbed, and its result by the order of leads."""

    work: Work
    results: dict[str, Result]


def dicoms(folder: Path) -> dict[str, str]:
    """Digest of every DICOM, by path. (Other files come and go while processes of earlier runs are alive.)"""
    found = (folder / "dicom").rglob("*.dcm")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def rows(folder: Path) -> dict[str, dict[str, object]]:
    """The manifest by study, without the columns that are not compared."""
    return {
        str(row["study_id"]): {key: value for key, value in row.items() if key not in _NOT_COMPARED}
        for row in manifest(folder)
    }


def assert_nothing_wrong(work: Work, calm: Calm, status: int) -> None:
    """Every DICOM under its name is right for some run, and results that are there say nothing wrong of any study.

    A run that ended well has converted with its own options, whatever earlier ones left behind.
    """
    right = list(calm.results.values())
    found = dicoms(work.folder)
    for name, digest in found.items():
        assert any(result.dicoms.get(name) == digest for result in right), f"{name} is not the object of any calm run"
    if status == 0:
        right = [calm.results[str(work.config["lead_order"])]]
    elif not (work.folder / "results/manifest.parquet").exists():
        return
    good = {study: row for study, row in rows(work.folder).items() if row["error"] is None}
    differing = [{study for study, row in good.items() if row != result.rows[study]} for result in right]
    assert set() in differing, f"the manifest is wrong about {sorted(min(differing, key=len))[:10]}"
    if status == 0:
        table = work.table()
        assert set(table) == set(right[0].rows)
        for study, row in good.items():
            assert found.get(table[study]["dcm_path"]) == row["sha256"], (
                f"{study}: the DICOM is not that of the manifest"
            )


def assert_ends_like(work: Work, calm: Calm) -> None:
    """A plain run completes what is left, and nothing tells it from an undisturbed one."""
    run = work.run()
    right = calm.results[str(work.config["lead_order"])]
    assert work.errors() == {}, run.output
    assert Result.of(work) == right
    assert_nothing_wrong(work, calm, 0)
    assert litter(work.folder) == []


def begin_again(work: Work, chance: random.Random, *, finished: bool) -> None:
    """Leave the next run something to do: all studies, in the other order of leads, or what some receipts are for."""
    choice = chance.random()
    if choice < (0.5 if finished else 0.1):
        work.config["lead_order"] = next(order for order in ORDERS if order != work.config["lead_order"])
    elif finished and choice < 0.7:
        shutil.rmtree(work.folder / "dicom", ignore_errors=True)
        shutil.rmtree(work.folder / "results/receipts", ignore_errors=True)
    elif finished:
        for receipt in (work.folder / "results/receipts").glob("*.tsv"):
            if chance.random() < 0.5:
                receipt.unlink(missing_ok=True)
