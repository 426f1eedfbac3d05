"""The two tables: what is written is read again, and what is damaged is never trusted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdb2dicom.batches.tables import (
    PlanRow,
    ReceiptRow,
    TableError,
    fingerprint,
    read_plan,
    read_receipt,
    write_plan,
    write_receipt,
)

text = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.builds(PlanRow, *[text] * 7)), st.dictionaries(text, text))
def test_every_plan_reads_back(tmp_path_factory: pytest.TempPathFactory, rows: list[PlanRow], options: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "plan.tsv"
    write_plan(path, options, rows)
    assert read_plan(path) == (options, rows)


@given(st.lists(st.builds(ReceiptRow, *[text] * 9)))
def test_every_receipt_reads_back(tmp_path_factory: pytest.TempPathFactory, rows: list[ReceiptRow]) -> None:
    path = tmp_path_factory.getbasetemp() / "receipt.tsv"
    write_receipt(path, rows, sync=False)
    assert read_receipt(path) == rows


@pytest.mark.parametrize("keep", [0, 1, 20, 60, -1, -3, -6])
def test_a_table_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "p.tsv"
    write_plan(path, {"a": "b"}, [PlanRow(*"1234567")])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TableError, match=r"p\.tsv is not a whole table"):
        read_plan(path)


def test_a_table_of_another_version_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    write_plan(path, {}, [PlanRow(*"1234567")])
    with pytest.raises(TableError):
        read_receipt(path)
    path.write_bytes(path.read_bytes().replace(b"plan 2", b"plan 3"))
    with pytest.raises(TableError):
        read_plan(path)


@pytest.mark.parametrize(
    "change", [(b"5\t6\t7", b"5\t6"), (b"3\t4", b"3\t5"), (b"#end ", b"#end 0"), (b"\n#end", b"\n")]
)
def test_a_table_altered_anywhere_is_refused(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    path = tmp_path / "p.tsv"
    write_plan(path, {}, [PlanRow(*"1234567")])
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(TableError, match="not a whole table"):
        read_plan(path)


def test_a_fingerprint_changes_with_anything_that_the_plan_says() -> None:
    row = PlanRow(*"1234567")
    prints = {fingerprint("{}", row._replace(**{field: "x"})) for field in PlanRow._fields}
    assert len(prints | {fingerprint("{}", row), fingerprint("{1}", row)}) == len(PlanRow._fields) + 2
