"""Fault 10: what lies on disk between two runs is deleted, cut short, replaced by garbage or by something older."""

import os
import shutil
from pathlib import Path

import pytest

from small_tree import FIRST, study_path

from .helpers import Work, contents, litter, manifest, written

pytestmark = pytest.mark.workflow


def plans(work: Work) -> list[Path]:
    return sorted((work.folder / "results/plan").glob("*.tsv"))


def receipts(work: Work) -> list[Path]:
    return sorted((work.folder / "results/receipts").glob("*.tsv"))


def garble(path: Path, *, keep_stamp: bool = False) -> None:
    """Other bytes of the same number."""
    status = path.stat()
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))
    if keep_stamp:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def older_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b" 1 ", b" 0 ", 1).replace(b"-receipt 1", b"-receipt 0", 1))


def one_word(path: Path) -> None:
    """A change that leaves a well-formed table, and says something else of a study."""
    content = path.read_bytes()
    changed = content.replace(b'"n_samples":250', b'"n_samples":249')
    assert changed != content
    path.write_bytes(changed)


DAMAGE = {
    "receipts deleted, cut, garbage, older": lambda work: [
        action(path) for action, path in zip((os.unlink, cut, garble, older_version), receipts(work), strict=True)
    ],
    "all receipts swapped": lambda work: (
        [os.replace(path, path.with_suffix(".old")) for path in receipts(work)]
        + [shutil.copy(path, path.with_name(other.with_suffix(".tsv").name)) for path, other in swapped(work)]
    ),
    "plan files deleted, cut, garbage, older": lambda work: [
        action(path) for action, path in zip((os.unlink, cut, garble, older_version), plans(work), strict=True)
    ],
    "a receipt altered in a word": lambda work: [one_word(path) for path in receipts(work)],
    "the plan's token and all plans deleted": lambda work: shutil.rmtree(work.folder / "results/plan"),
    "manifest cut": lambda work: cut(work.folder / "results/manifest.parquet"),
    "results deleted, cut, garbage": lambda work: [
        os.unlink(work.folder / "results/manifest.parquet"),
        cut(work.folder / "results/studies.with_dcm.csv"),
        garble(work.folder / "results/summary.json"),
    ],
    "everything but DICOMs deleted": lambda work: [
        shutil.rmtree(work.folder / name) for name in ("results", ".snakemake")
    ],
}


def swapped(work: Work) -> list[tuple[Path, Path]]:
    old = sorted((work.folder / "results/receipts").glob("*.old"))
    return list(zip(old, old[1:] + old[:1], strict=True))


# Of damages that are found in the same way, CI tries one.
LONG = ("all receipts swapped", "a receipt altered in a word", "the plan's token and all plans deleted", "manifest cut")


@pytest.mark.parametrize("damage", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in DAMAGE])
def test_damaged_state_is_repaired_by_a_plain_run_without_touching_a_dicom(work: Work, damage: str) -> None:
    results = ("results/studies.with_dcm.csv", "results/studies.with_dcm.errors.log")
    before = [(work.folder / name).read_bytes() for name in results]
    rows, dicoms = manifest(work.folder), written(work.folder / "dicom")
    DAMAGE[damage](work)
    for path in (work.folder / "results/receipts").glob("*.old"):
        path.unlink()
    work.run()
    assert [(work.folder / name).read_bytes() for name in results] == before
    assert manifest(work.folder) == rows
    assert written(work.folder / "dicom") == dicoms
    assert litter(work.folder) == []
    assert work.run().nothing_done


def test_damaged_dicoms_are_made_again_and_no_others(work: Work) -> None:
    whole, stamps = contents(work.folder / "dicom"), written(work.folder / "dicom")
    hurt = [f"{study_path(FIRST + n)}.dcm" for n in range(5)]
    paths = [work.folder / "dicom" / name for name in hurt]
    paths[0].unlink()
    cut(paths[1])
    garble(paths[2])
    paths[3].write_bytes(b"")
    paths[4].unlink()
    paths[4].symlink_to(work.folder / "dicom" / f"{study_path(FIRST + 9)}.dcm")
    work.run()
    assert contents(work.folder / "dicom") == whole and not paths[4].is_symlink()
    now = written(work.folder / "dicom")
    assert {name for name in whole if now[name] != stamps[name]} == set(hurt)
    assert work.run().nothing_done


def test_garbage_of_the_same_size_and_time_is_found_by_verify(work: Work) -> None:
    """A plain run cannot see it without reading every DICOM, and does not claim to; see docs/reliability.md."""
    path = work.folder / "dicom" / f"{study_path(FIRST)}.dcm"
    whole = path.read_bytes()
    garble(path, keep_stamp=True)
    run = work.run("verify", status=1)
    assert f"study {FIRST}" in run.output
    assert str(FIRST + 1) not in run.output
    assert "delete it and run without a target; --config overwrite=true makes every DICOM again" in run.output
    path.unlink()
    work.run()
    assert path.read_bytes() == whole
    work.run("verify")


def test_a_plan_or_aggregate_killed_halfway_leaves_nothing_half_and_the_next_run_completes(work: Work) -> None:
    """What SIGKILL leaves of them: an incomplete folder or file under a temporary name."""
    table = (work.folder / "results/studies.with_dcm.csv").read_bytes()
    dicoms = written(work.folder / "dicom")
    (work.folder / "results/plan/.token.json").unlink()
    plans(work)[0].unlink()
    (work.folder / "results/plan/.004-000.tsv.tmp").write_bytes(b"half a pl")
    for name in ("studies.with_dcm.csv", "manifest.parquet"):
        (work.folder / "results" / name).unlink()
        (work.folder / f"results/.{name}.tmp").write_bytes(b"study_id,pa")
    (work.folder / "results/receipts/.004-001.tsv.tmp").write_bytes(b"#wfdb2dicom-rec")
    (work.folder / "results/receipts/004-001.tsv").unlink()
    work.run()
    assert (work.folder / "results/studies.with_dcm.csv").read_bytes() == table
    assert litter(work.folder) == [] and written(work.folder / "dicom") == dicoms
