"""Plans: what makes a batch run again, which failures are not tried again, and what a dry run says of both."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdb2dicom.batches import freshness, job, plan, preview, tables
from wfdb2dicom.batches.freshness import Policy
from wfdb2dicom.batches.plan import PlanConfig
from wfdb2dicom.batches.preview import Work
from wfdb2dicom.dicom.options import Options

from .conftest import ecg


class Run:
    """A study CSV in a folder of its own, planned and converted as the workflow does it."""

    def __init__(self, folder: Path, records: list[str]) -> None:
        self.folder, self.plans, self.receipts = folder, folder / "plan", folder / "receipts"
        self.csv = folder / "studies.csv"
        self.converted: dict[str, bytes] = {}
        self.write_csv(records)

    def write_csv(self, records: list[str]) -> None:
        self.csv.write_text("subject_id,study_id,path\n" + "".join(f"10000032,{name},{name}\n" for name in records))

    def request(self, **options: object) -> PlanConfig:
        folders = {"wfdb_dir": str(self.folder / "wfdb"), "dcm_dir": str(self.folder / "dcm")}
        return PlanConfig(self.csv, **folders, **{"missing_metadata": "allow"} | options)

    def plan(self, **options: object) -> plan.PlanSummary:
        return plan.make(self.request(**options), self.plans, self.receipts, self.token())

    def preview(self, **options: object) -> preview.Preview:
        return preview.preview(self.request(**options), self.plans, self.receipts)

    def token(self) -> str:
        return freshness.plan_token(self.plans, self.receipts, inputs=[self.csv])

    def convert(self) -> dict[str, str]:
        """Run the batches whose plan file is new or changed; study_id → error of the studies in them."""
        errors = {}
        for path in sorted(self.plans.glob("*.tsv")):
            if self.converted.get(path.name) != path.read_bytes():
                job.run(path, self.receipts / path.name, known_failures=self.known(path.name))
                self.converted[path.name] = path.read_bytes()
                errors |= {row.study_id: row.error for row in tables.read_receipt(self.receipts / path.name)}
        return errors

    def known(self, name: str) -> Path:
        """The failures that the job of a batch is not to try again."""
        return self.plans / plan.KNOWN_FAILURES / name

    def changed(self) -> bool:
        """Whether the next run would plan again."""
        return self.token() != freshness.stored_plan_token(self.plans)

    def stamps(self) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / "dcm").rglob("*.dcm")}


@pytest.fixture
def ptb(make_record: Callable[..., Path], tmp_path: Path) -> Run:
    """Two records of which one has three signals more in a second file, as those of PTB have."""
    make_record("100")
    record = make_record("200", leads=("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"))
    samples = ecg(n_signals=3, seed=2)
    lines = record.with_suffix(".hea").read_text().replace("200 12 ", "200 15 ").splitlines()
    sums = samples.sum(axis=0, dtype=int) % 65536
    extra = [f"200.xyz 16 200/mV 16 0 {samples[0, n]} {sums[n]} 0 {lead}" for n, lead in enumerate(("vx", "vy", "vz"))]
    record.with_suffix(".hea").write_text("\n".join([*lines[:13], *extra, *lines[13:]]) + "\n")
    record.with_suffix(".xyz").write_bytes(samples.tobytes())
    return Run(tmp_path, ["100", "200"])


def test_a_further_signal_file_that_was_missing_is_noticed_and_tried(ptb: Run) -> None:
    xyz = ptb.folder / "wfdb/200.xyz"
    content = xyz.read_bytes()
    xyz.unlink()
    ptb.plan()
    assert ptb.convert()["200"].startswith("FileNotFoundError: ")
    assert not ptb.changed()  # nothing to be done as long as it is missing
    xyz.write_bytes(content)
    assert ptb.changed()
    ptb.plan()
    assert ptb.convert() == {"100": "", "200": ""}
    assert not ptb.changed()


def test_a_further_signal_file_still_missing_is_not_tried_again(ptb: Run) -> None:
    (ptb.folder / "wfdb/200.xyz").unlink()
    ptb.plan()
    first = ptb.convert()
    (ptb.folder / "wfdb/100.hea").touch()
    ptb.plan()
    assert ptb.convert() == first
    (receipt,) = ptb.receipts.glob("*.tsv")
    assert [row.facts for row in tables.read_receipt(receipt)][1] == '{"further_sources":"-"}'  # kept for the next


def test_a_further_signal_file_replaced_rewrites_its_study_only(ptb: Run) -> None:
    ptb.plan()
    assert ptb.convert() == {"100": "", "200": ""}
    before = ptb.stamps()
    samples = ecg(n_signals=3, seed=2)
    samples[[3, 4]] = samples[[4, 3]]  # the same checksums
    (ptb.folder / "wfdb/200.xyz").write_bytes(samples.tobytes())
    assert ptb.changed()
    ptb.plan()
    ptb.convert()
    after = ptb.stamps()
    assert {name for name in after if after[name] != before[name]} == {"200.dcm"}
    assert not ptb.changed()


def test_what_failed_for_good_is_known_although_plan_runs_twice_before_a_conversion(ptb: Run) -> None:
    (ptb.folder / "wfdb/100.dat").write_bytes(b"")
    ptb.plan()
    assert ptb.convert()["100"].startswith("SignalError: ")
    for records in (["100", "200", "300"], ["100", "200", "300", "400"]):
        ptb.write_csv(records)
        ptb.plan()
    assert [row.study_id for row in tables.read_receipt(ptb.known("001-000.tsv"))] == ["100"]
    ptb.plan(studies_per_job=1)  # into other batches, twice before a conversion
    ptb.plan(studies_per_job=1)
    assert [row.study_id for row in tables.read_receipt(ptb.known("100.tsv"))] == ["100"]
    ptb.plan(policy=Policy(overwrite=True))
    assert not list(ptb.known("").glob("*.tsv"))


def test_a_failure_that_is_over_is_not_handed_over_any_more(ptb: Run) -> None:
    signal = ptb.folder / "wfdb/100.dat"
    content = signal.read_bytes()
    signal.write_bytes(b"")
    ptb.plan()
    ptb.convert()
    (ptb.folder / "wfdb/200.hea").touch()
    ptb.plan()
    assert ptb.known("001-000.tsv").exists()
    signal.write_bytes(content)
    ptb.plan()
    assert ptb.convert()["100"] == ""
    (ptb.folder / "wfdb/200.hea").touch()
    ptb.plan()
    assert not list(ptb.known("").glob("*.tsv"))


def test_a_batch_whose_receipt_holds_gets_the_same_bytes_and_any_other_does_not(ptb: Run) -> None:
    ptb.plan()
    ptb.convert()
    (path,) = ptb.plans.glob("*.tsv")
    before = path.read_bytes()
    assert ptb.plan().again == 0 and path.read_bytes() == before
    (ptb.folder / "dcm/100.dcm").unlink()
    assert ptb.changed() and ptb.plan().again == 1
    assert path.read_bytes() != before
    ptb.convert()
    after = path.read_bytes()
    assert not ptb.changed() and ptb.plan().again == 0 and path.read_bytes() == after


def test_a_plan_that_was_not_carried_out_is_made_anew(ptb: Run) -> None:
    """The run was killed between plan and conversion: the receipt is that of an earlier generation."""
    ptb.plan()
    ptb.convert()
    (ptb.folder / "dcm/100.dcm").unlink()
    ptb.plan()
    assert ptb.changed()
    ptb.plan()
    ptb.convert()
    assert not ptb.changed()


@pytest.mark.parametrize(("retry", "tried"), [("transient", True), ("all", True), ("none", False)])
def test_a_failure_of_the_moment_is_tried_again_unless_nothing_is_to_be(ptb: Run, retry: str, tried: bool) -> None:
    ptb.plan()
    ptb.convert()
    (receipt,) = ptb.receipts.glob("*.tsv")
    rows = tables.read_receipt(receipt)
    tables.write_receipt(receipt, [rows[0]._replace(status="failed", error="Timeout>60s"), rows[1]])
    (ptb.folder / "wfdb/200.hea").touch()
    ptb.plan(policy=Policy(retry))
    assert ptb.convert()["100"] == ("" if tried else "Timeout>60s")


def work(studies: int = 2, current: int = 0, failed: int = 0, hopeless: int = 0, **reasons: int) -> Work:
    """The work of a dry run; reasons by the names that they have in `preview`, or ``option``."""
    words = {"option": "lead_order changed from source to standard"}
    named = {words.get(name) or getattr(preview, name): count for name, count in reasons.items()}
    return Work(studies, current, failed, hopeless, Counter(named))


STANDARD = Options(lead_order="standard")


def test_a_dry_run_says_what_the_run_would_convert_and_why(ptb: Run) -> None:
    (ptb.folder / "wfdb/100.dat").write_bytes(b"")
    assert ptb.preview().total == work(NEW=2)
    ptb.plan()
    assert ptb.preview().total == work(NEW=2)
    ptb.convert()
    assert ptb.preview().total == work(current=1, failed=1) and ptb.preview().batches == {}
    (ptb.folder / "wfdb/200.hea").touch()
    assert ptb.preview().total == work(failed=1, SOURCES=1)
    assert ptb.preview(policy=Policy("all")).total == work(SOURCES=1, AGAIN=1)
    assert ptb.preview(policy=Policy(overwrite=True)).total == work(OVERWRITE=2)
    ptb.plan()
    ptb.convert()
    assert ptb.preview(options=STANDARD).total == work(option=2)  # newer than their sources, and yet not up to date
    (ptb.folder / "dcm/200.dcm").unlink()
    assert ptb.preview().total == work(failed=1, DICOM=1)
    ptb.write_csv(["100", "200", "300", "../400"])
    assert ptb.preview().total == work(4, failed=1, hopeless=1, DICOM=1, NEW=1)


def test_a_dry_run_tells_what_a_killed_run_left_undone(ptb: Run) -> None:
    ptb.plan()
    ptb.convert()
    ptb.plan(options=STANDARD)
    assert ptb.preview(options=STANDARD).total == work(INTERRUPTED=2)


def test_a_dry_run_takes_objects_without_a_receipt_for_good_unless_they_are_older_than_their_sources(ptb: Run) -> None:
    ptb.plan()
    ptb.convert()
    for receipt in ptb.receipts.glob("*.tsv"):
        receipt.unlink()
    found = ptb.preview()
    assert found.total == work(current=2) and len(found.batches) == 1
    assert ptb.preview(studies_per_job=1).total == work(current=2)
    assert ptb.preview(studies_per_job=1, options=STANDARD).total == work(option=2)
    os.utime(ptb.folder / "dcm/100.dcm", ns=(1, 1))
    assert ptb.preview().total == work(current=1, SOURCES=1)


def test_a_dry_run_says_that_rows_changed_or_can_be_converted_now(ptb: Run) -> None:
    metadata = ptb.folder / "measurements.csv"
    metadata.write_text("study_id,cart_id\n100,1\n")
    request = {"metadata": metadata, "missing_metadata": "error"}
    ptb.plan(**request)
    ptb.convert()
    assert ptb.preview(**request).total == work(current=1, hopeless=1)
    metadata.write_text("study_id,cart_id\n100,2\n200,2\n")
    assert ptb.preview(**request).total == work(ROWS=1, POSSIBLE=1)


@pytest.mark.parametrize("change", ["lead_order", "lost", "new", "failed", "moved"])
def test_as_many_studies_are_tried_as_the_dry_run_said(ptb: Run, change: str, make_record: Callable[..., Path]) -> None:
    ptb.plan()
    ptb.convert()
    options: dict[str, object] = {}
    if change == "lead_order":
        options["options"] = STANDARD
    elif change == "lost":
        (ptb.folder / "dcm/100.dcm").unlink()
    elif change == "new":
        make_record("300")
        ptb.write_csv(["100", "200", "300"])
    elif change == "failed":
        (ptb.folder / "wfdb/200.hea").write_text("nonsense\n")
    else:  # into other batches
        options["studies_per_job"] = 1
    said, before = ptb.preview(**options), ptb.stamps()
    ptb.plan(**options)
    failed = [study for study, error in ptb.convert().items() if error]
    written = [name for name, stamp in ptb.stamps().items() if before.get(name) != stamp]
    assert said.total.to_convert == len(written) + len(failed)
    assert {"lead_order": 2, "moved": 0}.get(change, 1) == said.total.to_convert


def test_a_dry_run_is_some_lines_that_name_the_reasons() -> None:
    total = work(3000, current=2988, failed=4, hopeless=1, NEW=2, option=5)
    said = str(preview.Preview({"016-003": total, "016-004": Work()}, total, 16, ("a column is empty",)))
    assert said.splitlines() == [
        "would convert 7 of 3,000 studies; 2 of 16 batches would run",
        "  5 × lead_order changed from source to standard",
        "  2 × not converted yet",
        "    (of these, an object that turns out to be right already stays as it is)",
        "would leave 2,993",
        "  2,988 × up to date",
        "  4 × failed, and would fail again (retry_failed)",
        "  1 × cannot be converted, as the tables are",
        "warning: a column is empty",
    ]
    assert str(work(2, current=1, NEW=1)) == "2 studies, 1 to convert, 1 up to date"


def test_batches_are_stable_and_named_after_the_study_where_each_has_its_own() -> None:
    assert plan.batch_name("40689238", 0) == "40689238"
    assert {plan.batch_name(str(n), 4) for n in range(100)} == {f"004-00{n}" for n in range(4)}


def test_a_study_without_metadata_says_so_after_the_words_of_the_original(ptb: Run) -> None:
    metadata = ptb.folder / "measurements.csv"
    metadata.write_text("study_id,cart_id\n100,1\n")
    request = {"metadata": metadata, "missing_metadata": "error"}
    ptb.plan(**request)
    errors = {row.error for path in ptb.plans.glob("*.tsv") for row in tables.read_plan(path)[1]}
    assert errors == {
        "",
        "Missing df_info row for study_id: "
        "metadata has no row of this study; complete it, or set missing_metadata: allow",
    }
