"""A plan that uses the rows of the last one: the same to the byte as one made anew, or it is made anew."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdb2dicom.batches import plan, remembered, tables, watch
from wfdb2dicom.system import pool

STUDIES = range(40_000_000, 40_000_040)


class Work:
    """A tree of empty records with a study CSV and metadata, planned like the workflow does it."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.results = folder / "wfdb", folder / "results"
        self.csv, self.metadata = folder / "s.csv", folder / "m.csv"
        self.options: dict[str, object] = {"studies_per_job": 10}
        for study in STUDIES:
            self.write(f"files/p1000/p10000032/s{study}/{study}.hea", f"{study} 12\n")
            self.write(f"files/p1000/p10000032/s{study}/{study}.dat", "12")
        rows = [f"10000032,{n},files/p1000/p10000032/s{n}/{n}\n" for n in STUDIES]
        self.csv.write_text("subject_id,study_id,path\n" + "".join(rows))
        self.metadata.write_text("study_id,cart_id\n" + "".join(f"{n},6000{n % 10}\n" for n in STUDIES))

    def write(self, path: str, text: str) -> None:
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / path).write_text(text)

    def plan(self) -> dict[str, bytes]:
        """The plan files by name, from a folder that Snakemake has removed before."""
        plans, receipts = self.results / "plan", self.results / "receipts"
        shutil.rmtree(plans, ignore_errors=True)
        request = plan.Request(self.csv, str(self.tree), "dicom", metadata=self.metadata, **self.options)
        self.summary = plan.make(request, plans, receipts, "token")
        assert watch.stored_token(plans) == "token"
        return {path.name: path.read_bytes() for path in plans.glob("*.tsv")}

    def plan_anew(self) -> dict[str, bytes]:
        shutil.rmtree(self.results / ".plan", ignore_errors=True)
        return self.plan()

    def kept(self) -> list[Path]:
        return sorted((self.results / ".plan").glob("*.tsv"))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[plan.Request]:
    """A list that grows when rows are made from the tables."""
    calls: list[plan.Request] = []
    read = plan.read_rows
    monkeypatch.setattr(plan, "read_rows", lambda request, locator: (calls.append(request), read(request, locator))[1])
    return calls


@pytest.fixture(params=[1 << 40, 0], ids=["one process", "three"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WORTH", request.param)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


def test_nothing_but_sources_changed_uses_the_rows_and_gives_the_bytes_of_a_plan_made_anew(
    work: Work, made: list[plan.Request], many: None
) -> None:
    first = work.plan()
    assert len(first) == 4 and work.summary.studies == len(STUDIES)
    inodes = {path.name: path.stat().st_ino for path in work.kept()}
    assert work.plan() == first and len(made) == 1
    work.write("files/p1000/p10000032/s40000003/40000003.hea", "40000003 12 500\n")
    (work.tree / "files/p1000/p10000032/s40000009/40000009.dat").unlink()
    again, summary = work.plan(), work.summary
    assert len(made) == 1
    changed = {name for name in first if again[name] != first[name]}
    assert changed == {f"{plan.batch_name(study, 4)}.tsv" for study in ("40000003", "40000009")}
    assert {p.name for p in work.kept() if p.stat().st_ino != inodes[p.name]} == changed  # the others are not written
    assert work.plan_anew() == again and len(made) == 2
    assert work.summary == summary


def test_the_tables_count_by_their_contents(work: Work, made: list[plan.Request]) -> None:
    before = work.plan()
    os.utime(work.csv)
    assert work.plan() == before and len(made) == 1
    text, status = work.metadata.read_text(), work.metadata.stat()
    for time in (status.st_mtime_ns - 10**15, status.st_mtime_ns):  # older, and the same; the size is the same, too
        work.metadata.write_text(text.replace("40000004,60004", "40000004,60009"))
        os.utime(work.metadata, ns=(time, time))
        after = work.plan()
        assert [name for name in before if before[name] != after[name]] == [f"{plan.batch_name('40000004', 4)}.tsv"]
        work.metadata.write_text(text)
        os.utime(work.metadata, ns=(time, time))
        assert work.plan() == before
    assert len(made) == 5


@pytest.mark.parametrize(
    "options",
    [
        {"studies_per_job": 5},
        {"studies_per_job": 1},
        {"options": plan.Options(lead_order="standard")},
        {"options": plan.Options(annotations=True)},
        {"missing_metadata": "allow"},
        {"path_col": ""},
    ],
    ids=str,
)
def test_another_option_makes_the_rows_anew(work: Work, made: list[plan.Request], options: dict[str, object]) -> None:
    work.plan()
    work.options |= options
    after = work.plan()
    assert len(made) == 2
    assert work.plan() == after and len(made) == 2
    assert work.plan_anew() == after
    assert {path.name for path in work.kept()} == after.keys()


def test_other_software_makes_the_rows_anew(
    work: Work, made: list[plan.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    work.plan()
    monkeypatch.setattr(remembered, "version", lambda package: f"another {package}")
    work.plan()
    assert len(made) == 2


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "deleted": lambda path, other: path.unlink(),
    "cut": lambda path, other: path.write_bytes(path.read_bytes()[:200]),
    "altered": lambda path, other: path.write_bytes(path.read_bytes().replace(b"6000", b"6001", 1)),
    "another whole one": lambda path, other: shutil.copy(other, path),
    "sound, but not what was planned": lambda path, other: tables.write_plan(path, {}, tables.read_plan(path)[1][1:]),
    "the note": lambda path, other: (path.parent / "origin.json").write_text('{"origin": 1}'),
    "all": lambda path, other: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_kept_files_that_are_damaged_are_not_used(
    work: Work, made: list[plan.Request], damage: str, many: None
) -> None:
    before = work.plan()
    DAMAGE[damage](work.kept()[2], work.kept()[1])
    assert work.plan() == before and len(made) == 2
    assert work.plan() == before and len(made) == 2


def test_a_tree_that_is_laid_out_anew_makes_the_rows_anew(work: Work, made: list[plan.Request]) -> None:
    first = work.plan()
    os.rename(work.tree / "files/p1000", work.tree / "p1000")
    moved = work.plan()
    assert len(made) == 2 and moved != first
    assert b"\tp1000/p10000032/" in b"".join(moved.values())
    os.rename(work.tree / "p1000", work.tree / "files/p1000")
    assert len(work.plan()) == 4 and len(made) == 3


def test_a_table_that_changes_while_it_is_read_is_not_remembered(
    work: Work, made: list[plan.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, read = work.csv.read_text(), plan.read_rows

    def read_another(*args: object) -> object:
        work.csv.write_text(old.replace("40000004", "40000999"))
        return read(*args)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(plan, "read_rows", read_another)
        work.plan()
    work.csv.write_text(old)
    assert b"40000999" not in b"".join(work.plan().values())
    assert len(made) == 2


def test_without_hard_links_every_plan_is_made_anew(
    work: Work, made: list[plan.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert work.plan() == work.plan()
    assert len(made) == 2
