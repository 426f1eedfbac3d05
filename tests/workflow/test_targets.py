"""Gate, verify and single studies: what a user asks for by name or meets at the end of a run."""

import json
import re

import pytest

from small_tree import FIRST, study_path

from .conftest import CORRUPT, TRUNCATED, Work, changed, dicom_names

pytestmark = pytest.mark.workflow


def test_too_many_failures_fail_the_run_and_keep_its_results(work: Work) -> None:
    run = work.run(status=1, max_failed=0.05)
    assert "2 of 24 studies failed (8.33 %), more than max_failed allows (5 %)" in run.output
    assert f"1 × SignalError, such as study {TRUNCATED}: " in run.output
    assert f"1 × HeaderError, such as study {CORRUPT}: " in run.output
    assert "results/studies.with_dcm.errors.log lists every failure" in run.output
    assert set(work.errors()) == {str(TRUNCATED), str(CORRUPT)}
    log = (work.folder / "results/studies.with_dcm.errors.log").read_text().splitlines()
    assert log[0] == "# 2 of 24 studies failed: study_id, path, error"
    assert [line.split("\t")[:2] for line in log[1:]] == [[str(s), study_path(s)] for s in (TRUNCATED, CORRUPT)]
    assert json.loads((work.folder / "results/summary.json").read_text())["failed"] == 2
    # and a higher limit needs no conversion
    assert work.run(max_failed=0.1).batches == []


def test_the_table_is_the_study_csv_with_two_more_columns(work: Work) -> None:
    given = (work.folder / "wfdb/record_list.csv").read_text().splitlines()
    table = (work.folder / "results/studies.with_dcm.csv").read_text().splitlines()
    assert table[0] == given[0] + ",dcm_path,dcm_error"
    assert table[1] == given[1] + f",dicom/{study_path(FIRST)}.dcm,"
    assert len(table) == len(given)


def test_a_dicom_is_a_target(work: Work) -> None:
    target = f"dicom/{study_path(FIRST)}.dcm"
    before = work.dicoms()
    assert work.run(target).nothing_done
    work.dicom(FIRST).unlink()
    work.dicom(FIRST + 1).unlink()
    run = work.run(target)
    assert run.batches == []
    assert changed(before, work.dicoms()) == dicom_names(FIRST, FIRST + 1)
    assert work.dicom(FIRST).read_bytes() == before[f"{study_path(FIRST)}.dcm"][2]
    assert not work.dicom(FIRST + 1).exists()


def test_a_dicom_is_a_target_in_the_working_directory_too(work: Work) -> None:
    work.run("plan", dcm_dir=".")
    work.run(f"{study_path(FIRST)}.dcm", dcm_dir=".")
    assert (work.folder / f"{study_path(FIRST)}.dcm").read_bytes() == work.dicom(FIRST).read_bytes()
    run = work.run(dcm_dir=".")
    assert "Relative file path" not in run.output
    assert work.table()[str(FIRST)]["dcm_path"] == f"{study_path(FIRST)}.dcm"


def test_a_target_that_cannot_be_converted_fails_with_its_reason(work: Work) -> None:
    run = work.run(f"dicom/{study_path(TRUNCATED)}.dcm", status=1)
    assert f"study {TRUNCATED} cannot be converted: SignalError" in run.output


def test_a_target_of_no_study_is_refused(work: Work) -> None:
    run = work.run("dicom/files/p1000/p10000000/s4/4.dcm", status=1)
    assert "no study of input_csv (wfdb/record_list.csv) becomes dicom/files/p1000/p10000000/s4/4.dcm" in run.output


def test_verify_finds_what_does_not_hold_and_repairs_nothing(work: Work) -> None:
    assert "verify: 22 DICOM objects checked, 0 findings" in work.run("verify").output
    work.dicom(FIRST).unlink()
    content = bytearray(work.dicom(FIRST + 1).read_bytes())
    content[-7] ^= 1
    work.dicom(FIRST + 1).write_bytes(content)
    work.tree.add(FIRST + 2, seed=99)
    before = work.dicoms()
    run = work.run("verify", status=1)
    findings = (work.folder / "results/verify.tsv").read_text().splitlines()
    assert findings[0] == "study_id\tdcm_path\tfinding"
    found = {line.split("\t")[0]: line.split("\t")[2] for line in findings[1:]}
    assert set(found) == {str(FIRST), str(FIRST + 1), str(FIRST + 2)}
    assert found[str(FIRST)].startswith("the file is missing: run without a target; ")
    assert found[str(FIRST + 1)].startswith("samples differ from the source's: delete it and run without a target; ")
    assert re.search("SOP Instance UID|bytes that its source gives", found[str(FIRST + 2)])  # UIDs differ in length
    assert "3 findings: results/verify.tsv" in run.output
    assert changed(before, work.dicoms()) == set()
