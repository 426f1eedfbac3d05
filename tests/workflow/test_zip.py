"""A run from the ZIP as it is downloaded: the publisher's digests inside it, nothing unpacked."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from small_tree import FIRST, study_path

from .conftest import Tree, Work, changed, dicom_names

STUDIES = range(FIRST, FIRST + 6)


def pack(work: Work) -> None:
    """Make the ZIP of the tree, with one top folder as PhysioNet has it."""
    with zipfile.ZipFile(work.folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((work.folder / "tree").rglob("*")):
            if path.is_file():
                archive.write(path, f"data-set-1.0/{path.relative_to(work.folder / 'tree')}")


@pytest.fixture
def zipped(tmp_path: Path) -> Work:
    tree = Tree(tmp_path / "tree")
    for study in STUDIES:
        tree.add(study)
    tree.write_csvs()
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(tree.root)}\n"
        for path in sorted(tree.root.rglob("*"))
        if path.suffix in (".hea", ".dat")
    ]
    (tree.root / "SHA256SUMS.txt").write_text("".join(sums))
    config = {"input_csv": "record_list.csv", "metadata": "machine_measurements.csv", "wfdb_dir": "data.zip"}
    for name in ("record_list.csv", "machine_measurements.csv"):
        shutil.copy2(tree.root / name, tmp_path)
    work = Work(tmp_path, config | {"dcm_dir": "dicom"})
    pack(work)
    return work


def contents(work: Work) -> dict[str, bytes]:
    return {name: content for name, (_, _, content) in work.dicoms().items()}


def test_zip_and_folder_give_one_tree_and_changing_over_rewrites_nothing(zipped: Work) -> None:
    shutil.move(zipped.folder / "tree", zipped.folder / "away")
    zipped.run()
    assert not zipped.errors()
    from_zip = zipped.dicoms()
    assert set(from_zip) == dicom_names(*STUDIES)

    shutil.move(zipped.folder / "away", zipped.folder / "tree")
    (zipped.folder / "data.zip").unlink()
    zipped.run(wfdb_dir="tree")
    assert changed(from_zip, zipped.dicoms()) == set()

    shutil.rmtree(zipped.folder / "dicom")
    zipped.run(wfdb_dir="tree")
    assert contents(zipped) == {name: content for name, (_, _, content) in from_zip.items()}


def test_only_what_changed_in_a_zip_is_converted(zipped: Work) -> None:
    zipped.run()
    before = zipped.dicoms()
    assert "Nothing to be done" in zipped.run().output

    os.utime(zipped.folder / "data.zip")  # downloaded again
    zipped.run()
    assert changed(before, zipped.dicoms()) == set()

    Tree(zipped.folder / "tree").add(FIRST + 2, seed=99)
    pack(zipped)
    zipped.run()
    assert changed(before, zipped.dicoms()) == dicom_names(FIRST + 2)
    assert "Nothing to be done" in zipped.run().output


@pytest.mark.long
def test_single_targets_and_checks_read_the_zip(zipped: Work) -> None:
    zipped.run(f"dicom/{study_path(FIRST)}.dcm")
    assert set(zipped.dicoms()) == dicom_names(FIRST)
    checks = zipped.run("verify", "roundtrip", "validate").output
    assert set(zipped.dicoms()) == dicom_names(*STUDIES)
    assert "verify: 6 DICOM objects checked, 0 findings" in checks
    assert "roundtrip: of 6 DICOM objects 6 give their WFDB files back, 0 do not" in checks
    assert "validate: of 6 DICOM objects 6 conform, 0 have findings" in checks


def test_a_zip_that_is_still_being_downloaded_stops_the_run(zipped: Work) -> None:
    path = zipped.folder / "data.zip"
    path.write_bytes(path.read_bytes()[:-100])
    assert "cut short, or still being downloaded" in zipped.run(status=1).output


@pytest.mark.long
def test_a_killed_run_is_continued(
    zipped: Work, kill_when: Callable[[list[str], Path, Callable[[], bool]], None]
) -> None:
    kill_when(zipped.command(), zipped.folder, lambda: any((zipped.folder / "dicom").rglob("*.dcm")))
    zipped.run("--rerun-incomplete")
    assert not zipped.errors()
    from_zip = contents(zipped)
    shutil.rmtree(zipped.folder / "dicom")
    zipped.run(wfdb_dir="tree")
    assert contents(zipped) == from_zip
    assert set(from_zip) == dicom_names(*STUDIES)


def test_tables_inside_the_data_set_are_taken_and_named(zipped: Work) -> None:
    for name in ("record_list.csv", "machine_measurements.csv"):
        (zipped.folder / name).unlink()
    run = zipped.run()
    assert "input_csv: record_list.csv is taken from data.zip" in run.output
    assert "metadata: machine_measurements.csv is taken from data.zip" in run.output
    assert not zipped.errors()
    before = zipped.dicoms()
    run = zipped.run(wfdb_dir="tree")
    assert "input_csv: record_list.csv is taken from tree" in run.output
    assert changed(before, zipped.dicoms()) == set()
