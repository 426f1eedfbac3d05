"""ReportReader of workers: whole or not at all, and nobody waits for the half of one."""

import os
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from wfdb2dicom.batches.worker_reports import ReportReader, send


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_reports_arrive_as_they_were_sent_and_in_order(ends: tuple[Connection, Connection]) -> None:
    ours, theirs = ends
    for report in ([("a", "b")], [], "why the target fails"):
        send(theirs, report)
    assert ReportReader(ours).take() == [[("a", "b")], [], "why the target fails"]


def test_half_a_report_is_not_waited_for(ends: tuple[Connection, Connection]) -> None:
    ours, theirs = ends
    send(theirs, ["x" * 1000])
    whole = os.read(ours.fileno(), 1 << 16)
    reports = ReportReader(ours)
    for cut in (2, 500, len(whole) - 1):
        os.write(theirs.fileno(), whole[:cut])
        assert reports.take() == []
        os.write(theirs.fileno(), whole[cut:] + whole[:3])
        assert reports.take() == [["x" * 1000]]
        os.write(theirs.fileno(), whole[3:])
        assert reports.take() == [["x" * 1000]]


def test_the_end_of_a_worker_is_told_once_all_it_sent_was_taken(ends: tuple[Connection, Connection]) -> None:
    ours, theirs = ends
    send(theirs, ["done"])
    theirs.close()
    reports = ReportReader(ours)
    assert reports.take() == [["done"]]
    with pytest.raises(EOFError):
        reports.take()
