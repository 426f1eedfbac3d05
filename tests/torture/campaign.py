"""How long a campaign is, and what must be true after each disturbed run and at its end."""

import os
import random
import shutil

from faults.helpers import Work, contents, litter, manifest

LONG = bool(os.environ.get("WFDB2DICOM_TORTURE"))  # set by `make torture`
SEED = int(os.environ.get("WFDB2DICOM_SEED", "0")) or random.randrange(10**6)

# Columns of the manifest that tell when and where a study was converted, not what it became.
_NOT_COMPARED = {"dcm_path"}


def amount(short: int, variable: str, long: int) -> int:
    """How many faults: few in CI, many by `make torture`, or as many as the variable says."""
    return int(os.environ.get(variable) or (long if LONG else short))


def assert_nothing_wrong(work: Work, calm: Work) -> None:
    """Every DICOM under its name is the right one, and results that are there say nothing wrong of any study."""
    right = contents(calm.folder / "dicom")
    for name, digest in contents(work.folder / "dicom").items():
        if name.endswith(".dcm"):
            assert digest == right[name], f"{name} is not the object of an undisturbed run"
    if (work.folder / "results/manifest.parquet").exists():
        expected = {str(row["study_id"]): row for row in manifest(calm.folder)}
        for row in manifest(work.folder):
            if row["error"] is None:
                same = {key: value for key, value in row.items() if key not in _NOT_COMPARED}
                assert same == {k: v for k, v in expected[str(row["study_id"])].items() if k not in _NOT_COMPARED}


def assert_ends_like(work: Work, calm: Work) -> None:
    """A plain run completes what is left, and nothing tells it from an undisturbed one."""
    run = work.run()
    assert work.errors() == {}, run.output
    assert contents(work.folder / "dicom") == contents(calm.folder / "dicom")
    assert (work.folder / "results/studies.with_dcm.csv").read_bytes() == (
        calm.folder / "results/studies.with_dcm.csv"
    ).read_bytes()
    assert_nothing_wrong(work, calm)
    assert litter(work.folder) == []


def begin_again(work: Work, chance: random.Random) -> None:
    """Leave the next run something to do: all of it, or what depends on some receipts."""
    if chance.random() < 0.5:
        shutil.rmtree(work.folder / "dicom", ignore_errors=True)
        shutil.rmtree(work.folder / "results/receipts", ignore_errors=True)
        return
    for receipt in (work.folder / "results/receipts").glob("*.tsv"):
        if chance.random() < 0.5:
            receipt.unlink()
