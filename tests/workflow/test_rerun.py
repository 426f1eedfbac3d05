"""What a second run does: nothing, or exactly what changed. Every test is a real Snakemake run on a finished one."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from small_tree import FIRST, study_path, subject_of
from working_folder import ROOT, run_to_end

from .conftest import CORRUPT, STUDIES, TRUNCATED, Work, changed, dicom_names, replace

pytestmark = pytest.mark.workflow
ALL = dicom_names(*(set(range(FIRST, FIRST + STUDIES)) - {TRUNCATED, CORRUPT}))


def test_nothing_changed_is_nothing_to_be_done_and_touches_no_file(work: Work) -> None:
    before = work.files()
    run = work.run()
    assert run.nothing_done
    assert work.files() == before


def test_a_new_header_and_signal_rewrite_that_study_only(work: Work) -> None:
    before = work.dicoms()
    work.tree.add(FIRST + 2, seed=99)
    run = work.run()
    assert run.batches == [work.batch_of(FIRST + 2)]
    assert changed(before, work.dicoms()) == dicom_names(FIRST + 2)
    assert work.run().nothing_done


def test_a_new_signal_with_the_same_checksums_rewrites_that_study_only(work: Work) -> None:
    before = work.dicoms()
    dat = (work.tree.root / study_path(FIRST + 2)).with_suffix(".dat")
    frames = [dat.read_bytes()[n : n + 24] for n in range(0, dat.stat().st_size, 24)]
    dat.write_bytes(b"".join([frames[0], *reversed(frames[1:])]))
    run = work.run()
    assert run.batches == [work.batch_of(FIRST + 2)]
    assert changed(before, work.dicoms()) == dicom_names(FIRST + 2)


def test_a_touched_source_runs_its_batch_but_rewrites_nothing(work: Work) -> None:
    before = work.dicoms()
    os.utime((work.tree.root / study_path(FIRST + 2)).with_suffix(".dat"))
    assert work.run().batches == [work.batch_of(FIRST + 2)]
    assert changed(before, work.dicoms()) == set()
    assert work.run().nothing_done


def test_an_added_study_runs_its_batch_only(work: Work) -> None:
    before = work.dicoms()
    tree = work.tree
    tree.add(FIRST + 500)
    tree.write_csvs()
    run = work.run()
    assert run.batches == [work.batch_of(FIRST + 500)]
    assert changed(before, work.dicoms()) == dicom_names(FIRST + 500)
    assert work.table()[str(FIRST + 500)]["dcm_path"]


@pytest.mark.long
def test_a_removed_study_runs_its_batch_only_and_leaves_the_table(work: Work) -> None:
    before = work.dicoms()
    batch = work.batch_of(FIRST + 2)
    tree = work.tree
    tree.studies.remove(FIRST + 2)
    tree.write_csvs()
    assert work.run().batches == [batch]
    assert changed(before, work.dicoms()) == set()
    assert str(FIRST + 2) not in work.table()
    assert work.run().nothing_done


def test_a_changed_metadata_row_rewrites_that_study_only(work: Work) -> None:
    before = work.dicoms()
    csv = work.folder / "wfdb/machine_measurements.csv"
    rows = csv.read_text().splitlines()
    rows[3] = rows[3].replace("6000000", "6000001")
    replace(csv, "\n".join(rows) + "\n")
    study = int(rows[3].split(",")[1])
    assert work.run().batches == [work.batch_of(study)]
    assert changed(before, work.dicoms()) == dicom_names(study)


@pytest.mark.long
def test_a_metadata_row_changed_in_place_with_an_old_time_rewrites_that_study_only(work: Work) -> None:
    before = work.dicoms()
    csv = work.folder / "wfdb/machine_measurements.csv"
    rows = csv.read_text().splitlines()
    rows[3] = rows[3].replace("6000000", "6000001")
    csv.write_text("\n".join(rows) + "\n")
    os.utime(csv, (0, 0))
    study = int(rows[3].split(",")[1])
    assert work.run().batches == [work.batch_of(study)]
    assert changed(before, work.dicoms()) == dicom_names(study)
    assert work.run().nothing_done


def test_dicoms_that_are_lost_or_cut_short_are_made_again_and_no_others(work: Work) -> None:
    before = work.dicoms()
    lost = FIRST + 4
    cut = next(n for n in range(FIRST, FIRST + 4) if work.batch_of(n) != work.batch_of(lost))
    contents = {study: work.dicom(study).read_bytes() for study in (lost, cut)}
    work.dicom(lost).unlink()
    work.dicom(cut).write_bytes(contents[cut][:-100])
    assert set(work.run().batches) == {work.batch_of(lost), work.batch_of(cut)}
    assert changed(before, work.dicoms()) == dicom_names(lost, cut)
    assert all(work.dicom(study).read_bytes() == content for study, content in contents.items())
    assert work.run().nothing_done


@pytest.mark.parametrize(
    "option",
    [{"lead_order": "standard"}, pytest.param({"uid_root": "1.2.826.0.1.3680043.10.999"}, marks=pytest.mark.long)],
)
def test_an_option_that_changes_the_objects_rewrites_all(work: Work, option: dict[str, str]) -> None:
    before = work.dicoms()
    assert len(work.run(**option).batches) == 4
    assert changed(before, work.dicoms()) == ALL
    assert work.run(**option).nothing_done


@pytest.mark.long
def test_what_changed_is_seen_where_snakemake_has_lost_its_records(work: Work) -> None:
    before = work.dicoms()
    shutil.rmtree(work.folder / ".snakemake")
    work.dicom(FIRST).unlink()
    work.run()  # all batches, for who knows
    assert work.dicom(FIRST).exists()
    assert changed(before, work.dicoms()) == dicom_names(FIRST)
    assert work.run().nothing_done
    shutil.rmtree(work.folder / ".snakemake")
    work.run(lead_order="standard")
    assert changed(before, work.dicoms()) == ALL
    assert work.run(lead_order="standard").nothing_done


@pytest.mark.long
def test_what_changed_is_seen_where_snakemake_is_to_look_at_times_alone(work: Work) -> None:
    before = work.dicoms()
    work.dicom(FIRST).unlink()
    work.run("--rerun-triggers", "mtime", "--")
    assert work.dicom(FIRST).exists()
    assert changed(before, work.dicoms()) == dicom_names(FIRST)
    assert work.run("--rerun-triggers", "mtime", "--").nothing_done


@pytest.mark.parametrize("key", ["output_csv", "error_log"])
@pytest.mark.long
def test_an_output_of_another_name_is_made(work: Work, key: str) -> None:
    before = work.dicoms()
    assert work.run(**{key: "other/out.txt"}).batches == []
    assert (work.folder / "other/out.txt").stat().st_size > 50
    assert changed(before, work.dicoms()) == set()
    assert work.run(**{key: "other/out.txt"}).nothing_done


@pytest.mark.long
def test_a_lost_report_is_written_again(work: Work) -> None:
    page = work.folder / "results/report/index.html"
    page.unlink()
    assert work.run().batches == []
    assert page.exists()


@pytest.mark.long
def test_the_report_names_the_limit_of_this_run(work: Work) -> None:
    page = work.folder / "results/report/index.html"
    work.run(max_failed=0.01, status=1)
    assert "That is more than max_failed allows (1 %): the run counts as failed." in page.read_text()
    work.run()
    assert "That is within max_failed (50 %)." in page.read_text()


@pytest.mark.long
def test_a_folder_that_arrives_below_files_is_found_although_the_csv_leaves_it_out(work: Work) -> None:
    subject = f"p{subject_of(FIRST)}"
    os.rename(work.tree.root / "files/p1000" / subject, work.folder / subject)
    csv = work.tree.root / "record_list.csv"
    group = f"p9000/{subject}"  # of a folder that is in neither place yet
    csv.write_text(csv.read_text().replace(f"files/p1000/{subject}/", f"{group}/"))
    work.run()
    failed = {study for study, error in work.errors().items() if error.startswith("FileNotFoundError")}
    assert str(FIRST) in failed
    (work.tree.root / "files/p9000").mkdir()
    os.rename(work.folder / subject, work.tree.root / "files" / group)
    work.run()
    assert str(FIRST) not in work.errors()
    assert work.run().nothing_done


def test_another_timeout_runs_nothing(work: Work) -> None:
    before = work.files()
    assert work.run(timeout=30).nothing_done
    assert work.files() == before


def test_a_truncated_signal_that_is_whole_now_converts(work: Work) -> None:
    before = work.dicoms()
    work.tree.add(TRUNCATED)
    assert work.run().batches == [work.batch_of(TRUNCATED)]
    assert changed(before, work.dicoms()) == dicom_names(TRUNCATED)
    assert set(work.errors()) == {str(CORRUPT)}


def test_another_size_of_batch_rewrites_no_dicom(work: Work) -> None:
    before = work.dicoms()
    run = work.run(studies_per_job=3)
    assert len(run.batches) == 8, run.output
    assert changed(before, work.dicoms()) == set()
    assert len(list((work.folder / "results/receipts").glob("*.tsv"))) == 8
    assert work.run(studies_per_job=3).nothing_done


def test_one_study_a_job_names_the_batch_after_its_study(work: Work) -> None:
    before = work.dicoms()
    tree = work.tree
    tree.studies = tree.studies[:4]
    tree.write_csvs()
    assert sorted(work.run(studies_per_job=1).batches) == [str(FIRST + n) for n in range(4)]
    assert changed(before, work.dicoms()) == set()


def test_a_run_killed_halfway_is_completed_by_the_next(
    work: Work, kill_when: Callable[[list[str], Path, Callable[[], bool]], None]
) -> None:
    whole = work.dicoms()
    for path in work.folder.glob("dicom/**/*.dcm"):
        path.unlink()
    # Not when there are some receipts: plan removes those of lost DICOMs, one by one.
    kill_when(work.command("--cores", "1"), work.folder, lambda: any(work.folder.glob("dicom/**/*.dcm")))
    before = {name: file for name, file in work.dicoms().items() if name in whole}  # and perhaps a file half written
    assert 0 < len(before) < len(whole)
    work.run()
    after = work.dicoms()
    assert changed(before, after) == whole.keys() - before.keys()
    assert {name: content for name, (_, _, content) in after.items()} == {n: c for n, (_, _, c) in whole.items()}


@pytest.mark.long
def test_overwrite_converts_everything_again_each_time(work: Work) -> None:
    before = work.dicoms()
    assert len(work.run(overwrite=True).batches) == 4
    between = work.dicoms()
    assert changed(before, between) == ALL
    assert len(work.run(overwrite=True).batches) == 4
    assert changed(between, work.dicoms()) == ALL
    assert work.run().nothing_done


@pytest.mark.long
def test_without_watching_a_lost_dicom_goes_unnoticed(work: Work) -> None:
    work.run(watch_sources=False)
    work.dicom(FIRST + 4).unlink()
    assert work.run(watch_sources=False).nothing_done
    assert work.run().batches == [work.batch_of(FIRST + 4)]


@pytest.mark.long
def test_a_clone_that_moved_runs_nothing(work: Work, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("Snakefile", "workflow", "scripts", "envs", "profiles", "config.yaml"):
        os.symlink(ROOT / name, clone / name)
    command = [str(clone / "Snakefile") if part == str(ROOT / "Snakefile") else part for part in work.command()]
    assert run_to_end(command, work.folder).nothing_done


def test_dry_run_says_what_a_run_would_do_and_does_nothing(work: Work) -> None:
    work.tree.add(FIRST + 2, seed=99)
    before = work.files()
    run = work.run("--dry-run")
    assert re.search(r"^(local)?checkpoint plan:", run.output, re.MULTILINE), run.output
    assert work.files() == before


def test_summary_tells_this_run_from_earlier_ones(work: Work) -> None:
    summary = work.summary()
    assert (summary["studies"], summary["succeeded"], summary["failed"], summary["converted"]) == (24, 22, 2, 22)
    work.dicom(FIRST).unlink()
    work.run()
    summary = work.summary()
    assert (summary["succeeded"], summary["converted"], summary["batches"], summary["batches_run"]) == (22, 1, 4, 1)
