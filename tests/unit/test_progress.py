"""A run tells how far it is: at the foot of a terminal, and in plain lines elsewhere."""

import fcntl
import io
import os
import pty
import re
import struct
import termios
import time
from pathlib import Path

import pytest

from wfdb2dicom.batches import freshness, plan_files, tables
from wfdb2dicom.batches.progress import ProgressFile, ProgressReader, RunProgress
from wfdb2dicom.cli.statusline import Display, Rate, duration, words


def plan_rows(n: int, first: int = 0, error: str = "") -> list[tables.PlanRow]:
    return [tables.PlanRow(str(first + i), "1", f"r{i}", f"{first + i}.dcm", "1:1,2:2", "{}", error) for i in range(n)]


class Folder:
    """A working directory in which two batches of ten studies are planned."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plans, self.receipts, self.notes = root / "plan", root / "receipts", root / "progress"
        for name in ("002-000", "002-001"):
            tables.write_plan(self.plans / f"{name}.tsv", {"dcm_dir": str(root / "dcm")}, plan_rows(10))
        freshness.store_plan_token(self.plans, "t")

    def observer(self) -> ProgressReader:
        return ProgressReader(self.plans, self.receipts, self.notes)

    def end(self, batch: str, failed: int) -> None:
        run = {"studies": 10, "failed": failed, "converted": 10 - failed, "current": 0, "seconds": 2.0}
        tables.write_receipt(self.receipts / f"{batch}.tsv", [], run=run, sync=False)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_nothing_is_known_before_the_plan_is_whole(folder: Folder) -> None:
    (folder.plans / plan_files.TOKEN_FILE).unlink()
    assert folder.observer().read() == RunProgress()


def test_ended_batches_count_by_their_receipts_and_others_by_their_notes(folder: Folder) -> None:
    observer = folder.observer()
    assert observer.read() == RunProgress(True, 20, 0, 0)
    folder.end("002-000", failed=2)
    with ProgressFile(folder.notes / "002-001") as note:
        note.add(failed=False)
        note._write(folder.notes / "002-001")
        note.add(failed=True)
        note._write(folder.notes / "002-001")
        assert observer.read() == RunProgress(True, 20, 12, 3)
    assert not (folder.notes / "002-001").exists()
    assert observer.read() == RunProgress(True, 20, 10, 2)


def test_a_receipt_taken_away_or_written_anew_is_noticed(folder: Folder) -> None:
    observer = folder.observer()
    folder.end("002-000", failed=2)
    assert observer.read().failed == 2
    folder.end("002-000", failed=0)
    assert observer.read().failed == 0
    (folder.receipts / "002-000.tsv").unlink()
    assert observer.read().done == 0


def test_receipts_and_notes_of_batches_no_longer_planned_do_not_count(folder: Folder) -> None:
    folder.end("064-000", failed=1)
    with ProgressFile(folder.notes / "064-001"):
        assert folder.observer().read() == RunProgress(True, 20, 0, 0)


def test_what_a_killed_job_left_is_forgotten(folder: Folder) -> None:
    ProgressFile(folder.notes / "002-000").__enter__()
    observer = folder.observer()
    observer.forget()
    assert list(folder.notes.iterdir()) == []


def test_a_batch_does_not_fail_because_it_cannot_note_its_progress(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with ProgressFile(tmp_path / "file" / "batch") as note:
        note.add(failed=False)


def test_what_a_receipt_says_of_its_job_is_no_part_of_its_table(folder: Folder) -> None:
    folder.end("002-000", failed=0)
    assert tables.read_receipt(folder.receipts / "002-000.tsv") == []
    assert tables.read_run(folder.receipts / "002-000.tsv")["seconds"] == 2.0
    tables.write_receipt(folder.receipts / "old.tsv", [], sync=False)
    assert tables.read_run(folder.receipts / "old.tsv") == {}


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    rate = Rate()
    assert rate.per_second == 0
    for second in range(100):
        rate.add(second, 10 * second if second < 50 else 500 + 100 * (second - 50))
    assert rate.per_second == pytest.approx(100)
    rate.add(100, 0)  # a new plan
    assert rate.per_second == 0


@pytest.mark.parametrize(
    ("state", "rate", "text"),
    [
        (RunProgress(), 0, "planning: reading the tables, looking at the source files"),
        (
            RunProgress(True, 800_035, 9_288, 3),
            5120,
            "9,288 of 800,035 studies (1.2 %) · 5,120/s · 2 min 34 s left · 3 failed",
        ),
        (RunProgress(True, 800_035, 800_034, 0), 0, "800,034 of 800,035 studies (99.9 %) · 0 failed"),
        (RunProgress(True, 12, 12, 1), 9, "12 of 12 studies (100 %) · writing tables and report · 1 failed"),
    ],
)
def test_words(state: RunProgress, rate: float, text: str) -> None:
    assert words(state, rate) == text


def test_times_as_people_say_them() -> None:
    assert [duration(n) for n in (0.2, 59.4, 90, 3600 * 3 + 1200)] == ["1 s", "59 s", "1 min 30 s", "3 h 20 min"]


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_where_there_is_no_terminal_it_writes_plain_lines(folder: Folder) -> None:
    stream = io.StringIO()
    display = Display(folder.observer(), stream, interval=0.02)
    display.start()
    wait_for(lambda: stream.getvalue().count("\n") > 0)
    with ProgressFile(folder.notes / "002-001") as note:
        note.add(failed=False)
        note._write(folder.notes / "002-001")
        time.sleep(0.2)  # not another tenth of the studies: nothing is written
        for failed in (True, False, False, False):
            note.add(failed=failed)
        note._write(folder.notes / "002-001")
        wait_for(lambda: stream.getvalue().count("\n") > 1)
    display.stop()
    display.stop()
    first, second, *_ = stream.getvalue().splitlines()  # perhaps a third, as the note goes with its batch
    assert first == "progress: 0 of 20 studies (0 %) · 0 failed"
    assert second.startswith("progress: 5 of 20 studies (25 %) · ") and second.endswith(" · 1 failed")


def test_a_terminal_keeps_a_row_for_it_and_gets_it_back(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with open(theirs, "w", encoding="utf-8") as terminal:
        display = Display(folder.observer(), terminal)
        display.start()
        written = b""
        while b"20 studies" not in written:
            written += os.read(ours, 4096)
        display.stop()
        written += os.read(ours, 4096)
    text = written.decode()
    assert "\x1b[1;23r" in text  # everything else scrolls in the rows above
    shown = re.findall(r"\x1b\[24;1H\x1b\[2K\x1b\[7m(.*?)\x1b\[0m", text)
    assert shown and all(len(line) < 30 for line in shown)  # never wider than the screen
    assert text.endswith("\x1b[24;1H\x1b[2K\x1b[r\x1b8")  # row cleared, whole screen scrolls again


def test_a_display_that_never_began_ends_in_silence(tmp_path: Path) -> None:
    stream = io.StringIO()
    Display(Folder(tmp_path).observer(), stream).stop()
    assert stream.getvalue() == ""
