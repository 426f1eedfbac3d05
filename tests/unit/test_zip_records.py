"""Records straight from a ZIP: planned and converted as from the folder, to the byte, and as little as needed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wfdb2dicom.batches import freshness, job, plan, tables
from wfdb2dicom.batches.plan import PlanConfig
from wfdb2dicom.checks import verify
from wfdb2dicom.errors import ConfigError, SignalError
from wfdb2dicom.records import zip_source
from wfdb2dicom.system import zip_member
from wfdb2dicom.system.zip_directory import find_member

from .conftest import ecg


class ZipRun:
    """Studies converted as the workflow does it, from a folder or from the ZIP of it."""

    def __init__(self, folder: Path, records: list[str]) -> None:
        self.folder, self.plans, self.receipts = folder, folder / "plan", folder / "receipts"
        self.tree, self.zip, self.csv = folder / "wfdb", folder / "data.zip", folder / "studies.csv"
        rows = [f"10000032,{os.path.basename(record)},{record}\n" for record in records]
        self.csv.write_text("subject_id,study_id,path\n" + "".join(rows))
        self.planned: dict[str, bytes] = {}

    def pack(self, *, backwards: bool = False, method: int = zipfile.ZIP_DEFLATED) -> None:
        with zipfile.ZipFile(self.zip, "w", method) as archive:
            for path in sorted(self.tree.rglob("*"), reverse=backwards):
                if path.is_file():
                    archive.write(path, f"data-set-1.0/{path.relative_to(self.tree)}")

    def plan(self, source: Path, dcm: str = "dcm") -> plan.PlanSummary:
        config = PlanConfig(self.csv, str(source), str(self.folder / dcm), missing_metadata="allow")
        token = freshness.plan_token(self.plans, self.receipts, inputs=[self.csv], wfdb_dir=str(source))
        return plan.make(config, self.plans, self.receipts, token)

    def changed(self) -> bool:
        token = freshness.plan_token(self.plans, self.receipts, inputs=[self.csv], wfdb_dir=str(self.zip))
        return token != freshness.stored_plan_token(self.plans)

    def convert(self) -> dict[str, tuple[str, str]]:
        """Run the batches whose plan file is new or changed; status and error of the studies in them."""
        outcome = {}
        for path in sorted(self.plans.glob("*.tsv")):
            if self.planned.get(path.name) != path.read_bytes():
                known = self.plans / plan.KNOWN_FAILURES / path.name
                job.run(path, self.receipts / path.name, known_failures=known)
                self.planned[path.name] = path.read_bytes()
                rows = tables.read_receipt(self.receipts / path.name)
                outcome |= {row.study_id: (row.status, row.error) for row in rows}
        return outcome

    def dicoms(self, dcm: str = "dcm") -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / dcm).rglob("*.dcm")}

    def times(self) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / "dcm").rglob("*.dcm")}


def leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob(f"wfdb2dicom-zip-{os.getpid()}-*"))


def in_two_files(record: Path) -> None:
    """Give a record three signals more in a second file, as PTB has them; such a record needs wfdb."""
    samples = ecg(n_signals=3, seed=2)
    lines = record.with_suffix(".hea").read_text().replace(" 12 ", " 15 ", 1).splitlines()
    sums = samples.sum(axis=0, dtype=int) % 65536
    name = record.name
    extra = [
        f"{name}.xyz 16 200/mV 16 0 {samples[0, n]} {sums[n]} 0 {lead}" for n, lead in enumerate(("vx", "vy", "vz"))
    ]
    record.with_suffix(".hea").write_text("\n".join([*lines[:13], *extra, *lines[13:]]) + "\n")
    record.with_suffix(".xyz").write_bytes(samples.tobytes())


@pytest.fixture
def run(make_record: Callable[..., Path], tmp_path: Path) -> ZipRun:
    """One record alone in its folder, two that share theirs, one in two files, and one of two segments."""
    make_record("100", folder="wfdb/a")
    make_record("200", folder="wfdb/b", samples=ecg(seed=5))
    make_record("201", folder="wfdb/b", samples=ecg(seed=6))
    in_two_files(make_record("300", folder="wfdb/c"))
    for n in (1, 2):
        make_record(f"400_{n}", folder="wfdb/d", samples=ecg(seed=7 + n))
    (tmp_path / "wfdb/d/400.hea").write_text("400/2 12 500 1000 08:44:00 23/07/2180\n400_1 500\n400_2 500\n")
    run = ZipRun(tmp_path, ["a/100", "b/200", "b/201", "c/300", "d/400"])
    run.pack()
    return run


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_folder_and_zip_give_the_same_bytes(run: ZipRun, method: int) -> None:
    run.pack(method=method)
    run.plan(run.tree, "from_folder")
    assert {status for status, _ in run.convert().values()} == {"converted"}
    run.plan(run.zip, "from_zip")
    assert {status for status, _ in run.convert().values()} == {"converted"}
    assert len(run.dicoms("from_zip")) == 5
    assert run.dicoms("from_zip") == run.dicoms("from_folder")
    assert not leftovers()


def test_changing_between_folder_and_zip_rewrites_nothing(run: ZipRun) -> None:
    run.plan(run.tree)
    run.convert()
    before = run.times()
    for source in (run.zip, run.tree):
        run.plan(source)
        assert {status for status, _ in run.convert().values()} == {"current"}
    assert run.times() == before


def test_an_unchanged_zip_is_one_stat(run: ZipRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run.plan(run.zip)
    run.convert()
    monkeypatch.setattr("wfdb2dicom.batches.plan.ZipIndex", None)  # neither is it opened
    assert not run.changed()


def test_the_same_zip_downloaded_again_runs_no_batch(run: ZipRun) -> None:
    run.plan(run.zip)
    run.convert()
    os.utime(run.zip)
    assert run.changed()
    run.plan(run.zip)
    assert run.convert() == {}
    assert not run.changed()


def test_the_same_members_at_other_places_convert_nothing(run: ZipRun) -> None:
    run.plan(run.zip)
    run.convert()
    before = run.times()
    run.pack(backwards=True)
    run.plan(run.zip)
    assert {status for status, _ in run.convert().values()} == {"current"}
    assert run.times() == before


def test_one_member_changed_converts_one_study(run: ZipRun, make_record: Callable[..., Path]) -> None:
    run.plan(run.zip)
    run.convert()
    before = run.times()
    make_record("201", folder="wfdb/b", samples=ecg(seed=60))
    run.pack()
    assert run.changed()
    run.plan(run.zip)
    assert {study for study, (status, _) in run.convert().items() if status == "converted"} == {"201"}
    assert {name for name, time in run.times().items() if before[name] != time} == {"201.dcm"}


def damage(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"data-set-1.0/{name}")
    with open(path, "r+b") as stream:
        stream.seek(info.header_offset + 30 + len(info.filename) + info.compress_size // 2)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 0x10]))


@pytest.mark.parametrize("name", ["a/100.dat", "a/100.hea"])
def test_a_damaged_member_costs_its_study_until_a_whole_zip_is_there(run: ZipRun, name: str) -> None:
    whole = run.zip.read_bytes()
    damage(run.zip, name)
    run.plan(run.zip)
    outcome = run.convert()
    assert "fetch the ZIP again" in outcome["100"][1]
    assert sorted(study for study, (status, _) in outcome.items() if status == "failed") == ["100"]
    assert not run.changed()  # it is not tried again in the same ZIP
    run.zip.write_bytes(whole)
    assert run.changed()
    run.plan(run.zip)
    assert run.convert()["100"] == ("converted", "")


def test_a_zip_replaced_after_the_plan_is_noticed(run: ZipRun) -> None:
    run.plan(run.zip)
    (run.tree / "a/100.dat").with_name("099.txt").write_text("all that follows lies elsewhere now")
    run.pack()
    assert {status for status, _ in run.convert().values()} == {"failed"}
    assert run.changed()
    run.plan(run.zip)
    assert {status for status, _ in run.convert().values()} == {"converted"}


def test_a_zip_that_is_gone_when_a_job_begins_is_tried_again(run: ZipRun) -> None:
    run.plan(run.zip)
    away = run.zip.rename(run.folder / "away.zip")
    assert {status for status, _ in run.convert().values()} == {"failed"}
    away.rename(run.zip)
    assert run.changed()
    run.plan(run.zip)
    assert {status for status, _ in run.convert().values()} == {"converted"}


def test_missing_members_are_named(run: ZipRun) -> None:
    (run.tree / "a/100.dat").unlink()
    (run.tree / "b/200.hea").rename(run.tree / "b/200.HEA")
    run.pack()
    run.plan(run.zip)
    outcome = run.convert()
    assert outcome["100"][1].startswith("FileNotFoundError: No such file or directory: ")
    assert outcome["100"][1].endswith("data.zip/a/100.dat'")
    assert outcome["200"][1].endswith("the ZIP has 'b/200.HEA': rename it to .hea, and pack the ZIP again")
    assert outcome["201"] == ("converted", "")


@pytest.mark.parametrize("path", ["A/100", "top/a/100"])
def test_the_remedy_for_a_path_of_another_spelling_helps(run: ZipRun, path: str) -> None:
    with zipfile.ZipFile(run.zip, "w") as archive:
        archive.write(run.csv, "a cohort beside the folder of the data set.csv")
        for kind in ("hea", "dat"):
            archive.write(run.tree / f"a/100.{kind}", f"top/a/100.{kind}" if path != "A/100" else f"a/100.{kind}")
    wrong, right = ("A/100", "a/100") if path == "A/100" else ("a/100", path)
    run.csv.write_text(f"subject_id,study_id,path\n10000032,100,{wrong}\n")
    run.plan(run.zip)
    assert run.convert()["100"][1].endswith(f"; the ZIP has '{right}.hea': correct the path in input_csv")
    run.csv.write_text(f"subject_id,study_id,path\n10000032,100,{right}\n")
    run.plan(run.zip)
    assert run.convert()["100"] == ("converted", "")


@pytest.mark.parametrize("name", ["../sig/500.dat", "sig/500.dat", "./500.dat"])
def test_signals_in_another_folder_are_read_as_from_the_folder(
    run: ZipRun, make_record: Callable[..., Path], name: str
) -> None:
    record = make_record("500", folder="wfdb/e/headers")
    signal = (record.parent / name).resolve()
    signal.parent.mkdir(exist_ok=True)
    record.with_suffix(".dat").rename(signal)
    header = record.with_suffix(".hea")
    header.write_text(header.read_text().replace("500.dat", name))
    run.csv.write_text("subject_id,study_id,path\n10000032,500,e/headers/500\n")
    run.pack()
    for source, dcm in ((run.tree, "from_folder"), (run.zip, "from_zip")):
        run.plan(source, dcm)
        assert run.convert() == {"500": ("converted", "")}
    assert run.dicoms("from_zip") == run.dicoms("from_folder")
    assert not leftovers()


@pytest.mark.parametrize("name", ["../../../x.dat", "/etc/hostname"])
def test_signals_outside_of_the_zip_are_refused(run: ZipRun, make_record: Callable[..., Path], name: str) -> None:
    header = make_record("500", folder="wfdb/e").with_suffix(".hea")
    header.write_text(header.read_text().replace("500.dat", name))
    run.csv.write_text("subject_id,study_id,path\n10000032,500,e/500\n")
    run.pack()
    run.plan(run.zip)
    error = run.convert()["500"][1]
    assert error.startswith("PathError: ")
    assert f"data.zip/e/500.hea names the signal file {name!r}, which is not in wfdb_dir; put the file there" in error


def test_errors_of_records_that_wfdb_reads_name_the_zip_and_no_private_folder(run: ZipRun) -> None:
    (run.tree / "c/300.xyz").write_bytes(b"12")
    run.pack()
    run.plan(run.zip)
    error = run.convert()["300"][1]
    assert "data.zip/c/300.xyz has 2 bytes" in error
    assert "wfdb2dicom-zip-" not in error
    assert not leftovers()


def test_a_record_for_wfdb_that_unpacks_to_far_more_is_refused_before_it_is_unpacked(run: ZipRun) -> None:
    files = sorted(run.tree.rglob("*.xyz"))
    assert files
    for file in files:
        file.write_bytes(bytes(20 << 20))
    run.pack()
    run.plan(run.zip)
    errors = [error for _, error in run.convert().values() if error]
    assert len(errors) == len(files) and all("20971520 bytes, which no table or record does" in e for e in errors)


def test_verify_reads_the_zip(run: ZipRun) -> None:
    run.plan(run.zip)
    run.convert()
    outcome = verify.run(run.plans, run.receipts, run.folder / "verify.tsv", workers=1)
    assert str(outcome).startswith("verify: 5 DICOM objects checked, 0 findings")
    damage(run.zip, "a/100.dat")
    outcome = verify.run(run.plans, run.receipts, run.folder / "verify.tsv", workers=1)
    assert [finding.study_id for finding in outcome.findings] == ["100"]


def test_the_private_folder_of_a_killed_process_is_removed(
    run: ZipRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import sys, tempfile, time\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "from wfdb2dicom.records import zip_source\n"
        "with zip_source._private_folder() as folder:\n"
        "    print(folder, flush=True)\n"
        "    time.sleep(60)\n"
    )
    library = str(Path(zip_source.__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": library}
    )
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    (folder / "100.dat").write_bytes(b"samples")
    assert folder.stat().st_mode & 0o777 == 0o700
    zip_source.remove_leftovers()
    assert folder.exists()  # in use
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    run.plan(run.zip)
    run.convert()
    assert not folder.exists()


def test_a_plan_file_says_where_all_files_of_a_record_lie(run: ZipRun) -> None:
    run.plan(run.zip)
    rows = {row.study_id: row for path in run.plans.glob("*.tsv") for row in tables.read_plan(path)[1]}
    names = {study: [name for name, *_ in json.loads(row.members)] for study, row in rows.items()}
    assert names == {
        "100": ["100.hea", "100.dat"],
        "200": ["200.hea", "200.dat"],
        "201": ["201.hea", "201.dat"],
        "300": ["300.hea", "300.dat", "300.xyz"],
        "400": ["400.hea", "400_1.hea", "400_1.dat", "400_2.hea", "400_2.dat"],
    }
    assert all(len(row.sources.split(",")) == len(names[study]) for study, row in rows.items())


def test_a_zip_without_an_end_stops_the_run(run: ZipRun) -> None:
    run.zip.write_bytes(run.zip.read_bytes()[:-30])
    with pytest.raises(ConfigError, match="cut short, or still being downloaded"):
        run.plan(run.zip)


def test_samples_are_those_of_the_record(run: ZipRun) -> None:
    run.plan(run.zip)
    run.convert()
    samples = np.frombuffer((run.tree / "a/100.dat").read_bytes(), "<i2")
    assert run.dicoms()["100.dcm"].endswith(samples.tobytes())


@pytest.mark.parametrize("inflating", [zip_member.isal_zlib, zlib], ids=lambda module: module.__name__)
def test_a_member_is_read_and_its_damage_found_with_isal_and_without(monkeypatch, tmp_path, inflating):
    assert zip_member.isal_zlib is not zlib, "isal is not installed"
    monkeypatch.setattr(zip_member, "isal_zlib", inflating)
    content = np.random.default_rng(0).integers(-300, 300, 5000, "<i2").tobytes()
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dat", content)
    member = find_member(str(path), "a.dat")
    with open(path, "rb") as stream:
        assert zip_member.read_member(stream.fileno(), member, str(path)) == content
    packed = bytearray(path.read_bytes())
    for position in range(member.offset + 40, member.offset + 40 + member.compressed, 97):
        damaged = bytearray(packed)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        with open(path, "rb") as stream, pytest.raises(SignalError, match=r"cannot be inflated|size and CRC-32"):
            zip_member.read_member(stream.fileno(), member, str(path))
