"""The end of a run: what became of the studies and what to do next, kind by kind."""

import json
from pathlib import Path

import pytest

from wfdb2dicom import errors
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow
from wfdb2dicom.inputs import measurements, studies
from wfdb2dicom.inputs.measurements import MISSING
from wfdb2dicom.results.remedies import remedy
from wfdb2dicom.results.summary import OutcomeCounts, failure_message, summary_text
from wfdb2dicom.words import counted

_CONVERTING = [module.__name__ for module in (errors, measurements, studies)]
UNFORESEEN = remedy("KeyError")


def kinds() -> list[str]:
    def below(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(deeper for one in kind.__subclasses__() for deeper in below(one))]

    own = [kind.__name__ for kind in below(errors.StudyError)[1:] if kind.__module__ in _CONVERTING]
    return [
        *own,
        MISSING,
        "Timeout>60s",
        "WorkerCrash",
        "MemoryError",
        "FileNotFoundError",
        "PermissionError",
        "OSError",
    ]


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_failure_has_a_next_step_of_its_own(kind: str) -> None:
    assert remedy(kind) != UNFORESEEN
    assert remedy(kind).meaning and remedy(kind).next_step


def test_input_output_errors_are_the_storage_s() -> None:
    assert remedy("ConnectionResetError") == remedy("OSError") != remedy("FileNotFoundError")


def failed(error: str, **options: object) -> dict[str, object]:
    """The summary of a run of one study, which failed."""
    plan = PlanRow("1", "2", "p/1", "p/1.dcm", "1:1,2:2", "{}", "")
    counts = OutcomeCounts()
    counts.add_batch([(plan, ReceiptRow("1", "failed", error, "", "p/1.dcm", "", "", "", ""))], fresh=True)
    return counts.summary(options, {"output_csv": "out.csv", "error_log": "out.log"}, 1.0)


def test_a_missing_file_is_told_with_the_folder_that_lacks_it(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    top = str(tmp_path / "files")
    summary = failed(f"FileNotFoundError: No such file or directory: '{top}/files/p1/1.hea'", wfdb_dir=top)
    assert f"it was looked for in wfdb_dir, {top!r}, which has no 'files'" in summary_text(summary, 0.05)
    (tmp_path / "files/files").mkdir()
    assert summary_text(summary, 0.05).count(f"it was looked for in wfdb_dir, {top!r}\n") == 1
    (tmp_path / "p12345678").mkdir()
    summary = failed(f"FileNotFoundError: No such file or directory: '{top}/p12345678/1.hea'", wfdb_dir=top)
    assert "which has no 'p…'" in summary_text(summary, 0.05) and "p12345678" not in summary_text(summary, 0.05)


def test_warnings_are_counted_and_one_is_told() -> None:
    plan = PlanRow("1", "2", "p/1", "p/1.dcm", "1:1,2:2", "{}", "")
    facts = json.dumps({"warnings": ["the header's time '19:46' was not used"]}, separators=(",", ":"))
    receipts = [ReceiptRow(n, "converted", "", "", "p/1.dcm", "9", "9", "ab", facts) for n in ("1", "2")]
    counts, others = OutcomeCounts(), OutcomeCounts()
    counts.add_batch([(plan, receipts[0]), (plan, receipts[1]._replace(facts="{}"))], fresh=True)
    others.add_batch([(plan, receipts[1])], fresh=True)
    counts.add(others)
    summary = counts.summary({}, {"output_csv": "o", "error_log": "e"}, 1.0)
    assert "  2 with warnings, such as study 1: the header's time '19:46' was not used\n" in summary_text(summary, 0.05)


def test_times_that_differ_are_counted_and_one_is_told() -> None:
    counts, others = OutcomeCounts(), OutcomeCounts()
    counts.add_times(["1", "2", "3"], [59, -3600, None])
    others.add_times(["4"], [90_000])
    counts.add(others)
    summary = counts.summary({}, {"output_csv": "o", "error_log": "e"}, 1.0)
    said = summary_text(summary, 0.05)
    assert "  2 with another time in the header than in ecg_time, such as study 2: −1 h\n" in said
    assert "the objects have the header's; time_from: ecg_time takes the other\n" in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("OSError: Input/output error: 'p/1.dat'", "1 × OSError, such as study 1: Input/output error: '1.dat'\n"),
        ("Timeout>60s", "1 × Timeout>60s, such as study 1\n"),
    ],
)
def test_a_kind_of_failure_is_named_once(error: str, said: str) -> None:
    assert said in summary_text(failed(error), 0.05)


def test_paths_are_those_of_the_folder_where_the_command_was_given() -> None:
    summary = failed("SignalError: too short")
    assert "\ntable: run1/out.csv\nfailures: run1/out.log" in summary_text(summary, 0.05, "run1")
    assert "run1/out.log lists every failure" in failure_message(summary, 0.05, "run1")
    assert "\ntable: out.csv\n" in summary_text(summary, 0.05)


@pytest.mark.parametrize(
    ("run", "batches", "text"),
    [(1, 1, "1 batch"), (0, 1, "no batch"), (16, 16, "all 16 batches"), (3, 16, "3 of 16 batches")],
)
def test_batches_are_counted_in_words(run: int, batches: int, text: str) -> None:
    summary = failed("SignalError: too short") | {"batches_run": run, "batches": batches}
    assert f"\nlast conversion: 0 objects written, {text} run, 1.0 s" in summary_text(summary, 0.05)


def test_the_summary_names_the_next_step_for_each_kind() -> None:
    plan = PlanRow("1", "2", "p/1", "p/1.dcm", "1:1,2:2", "{}", "")
    receipt = ReceiptRow("1", "failed", "SignalError: too short", "", "p/1.dcm", "", "", "", "")
    counts = OutcomeCounts()
    counts.add_batch([(plan, receipt)], fresh=True)
    summary = counts.summary({}, {"output_csv": "o", "error_log": "e"}, 1.0)
    assert f"next: {remedy('SignalError').next_step}" in summary_text(summary, 0.05)


@pytest.mark.parametrize(
    ("failed", "studies", "max_failed", "good"),
    [
        (29, 100, 0.29, True),
        (30, 100, 0.29, False),
        (0, 0, 0.0, True),
        (1, 800_035, 0.0, False),
        (8, 800_000, 1e-5, True),
    ],
)
def test_as_many_failures_as_max_failed_says_are_allowed(
    failed: int, studies: int, max_failed: float, good: bool
) -> None:
    said = failure_message({"failed": failed, "studies": studies, "error_log": "e"}, max_failed)
    assert (said == "") is good


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 studies"), (1, "1 study"), (2, "2 studies"), (800_035, "800,035 studies")]
)
def test_a_number_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "study", "studies") == text
    assert counted(number, "finding") == text.replace("study", "finding").replace("studies", "findings")
