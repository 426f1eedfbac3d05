"""Failures of earlier runs, and state between runs that is lost or damaged."""

import os
import shutil

import pytest

from small_tree import FIRST
from wfdb2dicom.batches.tables import read_receipt, write_receipt

from .conftest import CORRUPT, TRUNCATED, Work, changed

pytestmark = pytest.mark.workflow


class TestFailures:
    """A failed study is tried again when that is of use, see `retry_failed`."""

    @staticmethod
    def pretend(work: Work, study: int, error: str) -> None:
        """Put another reason for a failure into its receipt."""
        receipt = work.folder / f"results/receipts/{work.batch_of(study)}.tsv"
        status = receipt.stat()
        rows = [row._replace(error=error) if row.study_id == str(study) else row for row in read_receipt(receipt)]
        write_receipt(receipt, rows)
        os.utime(receipt, ns=(status.st_atime_ns, status.st_mtime_ns))

    def test_a_failure_of_the_study_itself_is_not_tried_again(self, work: Work) -> None:
        self.pretend(work, CORRUPT, "HeaderError: as told by an earlier run")
        assert work.run().nothing_done
        # not even when its batch is run for another study's sake, in another batch
        work.dicom(next(s for s in range(FIRST, CORRUPT) if work.batch_of(s) == work.batch_of(CORRUPT))).unlink()
        assert work.run().batches == [work.batch_of(CORRUPT)]
        assert work.errors()[str(CORRUPT)] == "HeaderError: as told by an earlier run"
        work.run(studies_per_job=3)
        assert work.errors()[str(CORRUPT)] == "HeaderError: as told by an earlier run"

    def test_a_failure_of_the_moment_is_tried_again(self, work: Work) -> None:
        """Which failures are of the moment: tests/unit/test_batch.py."""
        self.pretend(work, CORRUPT, "Timeout>60s")
        assert work.run(retry_failed="none").nothing_done
        assert work.run().batches == [work.batch_of(CORRUPT)]
        assert work.errors()[str(CORRUPT)].startswith("HeaderError")
        assert work.run().nothing_done

    def test_all_tries_every_failure_again_on_every_run(self, work: Work) -> None:
        self.pretend(work, CORRUPT, "HeaderError: as told by an earlier run")
        batches = {work.batch_of(CORRUPT), work.batch_of(TRUNCATED)}
        assert set(work.run(retry_failed="all").batches) == batches
        assert work.errors()[str(CORRUPT)] != "HeaderError: as told by an earlier run"
        assert set(work.run(retry_failed="all").batches) == batches


class TestState:
    """The state between runs may be lost or damaged: it is found and made again."""

    def test_receipts(self, work: Work) -> None:
        before = work.dicoms()
        lost, cut = sorted((work.folder / "results/receipts").glob("*.tsv"))[1:3]
        lost.unlink()
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        assert sorted(work.run().batches) == [lost.stem, cut.stem]
        assert changed(before, work.dicoms()) == set()
        assert work.run().nothing_done

    @pytest.mark.long
    def test_plan(self, work: Work) -> None:
        before = work.dicoms()
        plan = work.folder / f"results/plan/{work.batch_of(FIRST)}.tsv"
        content = plan.read_text()
        plan.write_text(content.replace("p1000", "p2000"))
        work.run()
        assert plan.read_text() == content
        assert changed(before, work.dicoms()) == set()
        assert set(work.errors()) == {str(TRUNCATED), str(CORRUPT)}

    @pytest.mark.long
    def test_everything_but_the_dicoms(self, work: Work) -> None:

        before = work.dicoms()
        for name in ("results", "logs", ".snakemake"):
            shutil.rmtree(work.folder / name)
        assert len(work.run().batches) == 4
        assert changed(before, work.dicoms()) == set()


def test_results_stay_when_they_cannot_be_put_together_anew(work: Work) -> None:
    names = ("studies.with_dcm.csv", "studies.with_dcm.errors.log", "manifest.parquet", "summary.json")
    results = {name: (work.folder / "results" / name).read_bytes() for name in names}
    in_the_way = work.folder / "results/.summary.json.tmp"
    in_the_way.mkdir()
    work.dicom(FIRST).unlink()
    run = work.run(status=1)
    assert run.batches == [work.batch_of(FIRST)] and "Error in rule aggregate" in run.output
    assert {name: (work.folder / "results" / name).read_bytes() for name in names} == results
    in_the_way.rmdir()
    run = work.run()
    assert run.batches == [] and "localrule aggregate" in run.output
    assert work.run().nothing_done
