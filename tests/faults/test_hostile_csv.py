"""Faults 6 and 9: CSVs and folders that mean harm, and wrong patients: a clear error or a right result, no more."""

import csv
import os
import shutil
import sys
from pathlib import Path

import pytest

from finished_run import Run
from small_tree import FIRST, add_study, study_path, subject_of
from wfdb2dicom.batches import tables

from .helpers import SCRIPTS, Work, contents, convert, make_tree, outcomes, run_command, write_csv


def plan(folder: Path, *arguments: str, csv_file: str = "list.csv") -> Run:
    script = [sys.executable, str(SCRIPTS / "wfdb2dicom"), "plan", "--token=t"]
    script += ["--receipts", str(folder / "results/receipts")]
    inputs = [f"--input-csv={folder / csv_file}", f"--wfdb-dir={folder / 'wfdb'}", f"--dcm-dir={folder / 'dicom'}"]
    return run_command([*script, *inputs, *arguments, str(folder / "results/plan")])


def planned(folder: Path) -> dict[str, str]:
    """Study → error of the plan, "" for those to be converted."""
    return {row.study_id: row.error for row in tables.read_plan(folder / "results/plan/001-000.tsv")[1]}


HOSTILE_PATHS = {
    "up": "../outside/100",
    "up inside": "files/../../outside/100",
    "up by back-slashes": "..\\outside\\100",
    "absolute": "/etc/passwd",
    "a drive": "C:\\Windows\\100",
    "newline": "files/a\nb/100",
    "NUL-like control": "files/a\x01b/100",
    "300 characters": "files/" + "x" * 300,
    "3,000 characters": "/".join(["folder"] * 500),
    "nothing": "",
    "only dots": "./.",
    "a link out": "linked/100",
    "a shell command": "$(touch pwned)/`touch pwned`;touch pwned",
    "a formula": "=cmd|' /C calc'!A0",
}


def test_no_path_of_a_csv_leads_a_write_out_or_a_shell_in(tmp_path: Path) -> None:
    tree = tmp_path / "wfdb"
    add_study(tmp_path, FIRST, path="outside/100")
    tree.mkdir()
    (tree / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "dicom").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "dicom/away").symlink_to(tmp_path / "elsewhere")
    add_study(tree, FIRST + 90, path="away/100")
    add_study(tree, FIRST + 91, path="good/100")
    rows = [["study_id", "path"], *([f"{n + 1}", path] for n, path in enumerate(HOSTILE_PATHS.values()))]
    write_csv(tmp_path / "list.csv", [*rows, ["90", "away/100"], ["91", "good/100"]])
    before = contents(tmp_path / "outside") | contents(tree)
    assert plan(tmp_path).status == 0
    convert(tmp_path)
    found = outcomes(tmp_path)
    assert found.pop("91") == "converted"
    assert found.pop("90").startswith("PathError: ") and list((tmp_path / "elsewhere").iterdir()) == []
    assert {error.partition(":")[0] for error in found.values()} <= {"PathError", "FileNotFoundError"}
    assert len(found) == len(HOSTILE_PATHS)
    assert [p for p in contents(tmp_path / "dicom") if not p.startswith("away")] == ["good/100.dcm"]
    assert contents(tmp_path / "outside") | contents(tree) == before
    assert not list(tmp_path.rglob("pwned*")) and not Path("pwned").exists()


STOPPED = {
    "a study twice": ("study_id,path\n1,a/1\n1.0,b/1\n", "has the study 1 on line 2 and on line 3"),
    "semicolons": ("study_id;path\n1;a/1\n", "separated by ';'"),
    "UTF-16": ("study_id,path\n1,a/1\n".encode("utf-16"), "UTF-16"),
    "Latin-1": ("study_id,path\n1,caf\xe9\n".encode("latin-1"), "not UTF-8"),
    "no column of ids": ("id,path\n1,a/1\n", "has no column 'study_id'"),
    "no column of paths": ("study_id,pfad\n1,a/1\n", "has no column 'path'"),
    "empty": ("", "is empty"),
    "no rows": ("study_id,path\n", "has column names but no rows"),
    "a cell too few": ("study_id,path\n1\n", "1 cells instead of the 2"),
    "NUL": (b"study_id,path\n1,a\0/1\n", "NUL"),
    "an open quotation mark": ('study_id,path\n1,"a/1\n2,b/2\n', "quotation mark"),
    "10 MB in a cell": (f"study_id,path,note\n1,a/1,{'x' * 10_000_000}\n", "field larger than"),
    "a zip": (b"PK\x03\x04" + bytes(100), "spreadsheet"),
}


@pytest.mark.parametrize("wrong", STOPPED)
def test_a_csv_that_cannot_be_meant_stops_the_run_with_the_reason(tmp_path: Path, wrong: str) -> None:
    content, words = STOPPED[wrong]
    (tmp_path / "wfdb").mkdir()
    (tmp_path / "list.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    run = plan(tmp_path)
    assert (run.status == 1 and run.output.startswith("error: input_csv: ")) or "_col: " in run.output, run.output[:500]
    assert words in run.output and "Traceback" not in run.output and len(run.output) < 2000
    assert not (tmp_path / "results/plan").exists()


def test_ids_that_are_none_and_paths_of_two_studies_are_those_rows_errors(tmp_path: Path) -> None:
    for n in range(3):
        add_study(tmp_path / "wfdb", FIRST + n, path=f"r/{FIRST + n}")
    ids = ["../1", "", "1e7", "a\nb", "=1+1", "x" * 100, "-rf", "$(id)"]
    rows = [[bad, f"r/{n}"] for n, bad in enumerate(ids)]
    rows += [[FIRST, f"r/{FIRST}"], [FIRST + 1, f"r/{FIRST + 1}"], [FIRST + 2, f"r/{FIRST + 1}.dat"]]
    rows += [["71", "r/shared"], ["72", "./r//shared.hea"]]
    write_csv(tmp_path / "list.csv", [["study_id", "path"], *rows])
    assert plan(tmp_path).status == 0
    found = planned(tmp_path)
    assert found.pop(str(FIRST)) == ""
    assert found.pop(str(FIRST + 1)) == "" and found.pop(str(FIRST + 2)).startswith("SubjectMismatch: ")
    assert all(found.pop(study).startswith("PathError: path 'r/shared' is also that of") for study in ("71", "72"))
    assert all(error.startswith("IdError: ") for error in found.values()) and len(found) == len(ids)


# Everything that a shell or Python's format might take for its own; braces can be in studies' paths only.
NASTY = "a 'b' \"c\" $(touch pwned) `touch pwned`; touch pwned & | > pwned * %s \\ ü–漢 #"


@pytest.mark.workflow
@pytest.mark.long
def test_a_whole_run_in_folders_of_nasty_names(tmp_path: Path) -> None:
    folder = tmp_path / f"work {NASTY[:60]}"
    names = ["plain", f"{NASTY} {{x}} {{{{y}}}}", "$HOME", "-n", "=cmd()"]
    tree = folder / f"wfdb {NASTY}"
    rows = [["study_id", "subject_id", "path", "note"]]
    for n, name in enumerate(names):
        add_study(tree, FIRST + n, path=f"{name.replace(chr(92), '')}/{FIRST + n}")
        rows.append([FIRST + n, subject_of(FIRST + n), f"{name.replace(chr(92), '')}/{FIRST + n}", f"=cmd() {NASTY}\n"])
    write_csv(folder / f"list {NASTY}.csv", rows)
    config = {
        "input_csv": f"list {NASTY}.csv",
        "wfdb_dir": tree.name,
        "dcm_dir": f"dicom {NASTY}",
        "output_csv": f"out {NASTY}/result {NASTY}.csv",
        "dcm_path_col": "path of it $(touch pwned)",
        "error_col": "'; touch pwned; '",
    }
    work = Work(folder, config)
    work.run()
    with open(folder / str(config["output_csv"]), newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [row["note"] for row in table] == [row[3] for row in rows[1:]]
    for row in table:
        assert row["'; touch pwned; '"] == ""
        assert (folder / row["path of it $(touch pwned)"]).stat().st_size > 6000
    assert not list(tmp_path.rglob("pwned")) and not (Path.home() / "pwned").exists()
    assert work.run().nothing_done
    # A single study as the target of a run passes through the shell as well.
    target = table[1]["path of it $(touch pwned)"]
    os.unlink(folder / target)
    work.run(target)
    assert (folder / target).exists() and not list(tmp_path.rglob("pwned"))


@pytest.mark.workflow
@pytest.mark.parametrize("key", ["dcm_dir", "output_csv", "wfdb_dir"])
def test_names_that_snakemake_cannot_take_are_refused_with_the_reason(tmp_path: Path, key: str) -> None:
    run = Work(tmp_path, {key: "a{b}"}).run(status=1)
    assert f"{key}: 'a{{b}}' holds a brace" in run.output


def test_a_csv_shifted_by_a_row_or_a_study_in_a_wrong_folder_is_each_studys_error(tmp_path: Path) -> None:
    """Fault 9: the wrong patient."""
    make_tree(tmp_path / "wfdb", 12)
    with open(tmp_path / "wfdb/record_list.csv", newline="") as stream:
        header, *rows = csv.reader(stream)
    paths = [row[-1] for row in rows]
    shifted = [[*row[:-1], path] for row, path in zip(rows, paths[1:] + paths[:1], strict=True)]
    write_csv(tmp_path / "list.csv", [header, *shifted])
    assert plan(tmp_path).status == 0
    convert(tmp_path)
    assert {words.partition(":")[0] for words in outcomes(tmp_path).values()} == {"SubjectMismatch"}
    assert not contents(tmp_path / "dicom")

    # Subjects shifted by a patient, paths without anything of the patient: only the header can tell.
    flat = [["study_id", "subject_id", "path"]]
    for row in rows:
        for suffix in (".hea", ".dat"):
            shutil.copy(tmp_path / "wfdb" / f"{row[-1]}{suffix}", tmp_path / "wfdb" / f"{row[1]}{suffix}")
        flat.append([row[1], str(int(row[0]) + 1), row[1]])
    write_csv(tmp_path / "list.csv", flat)
    assert plan(tmp_path).status == 0
    convert(tmp_path)
    assert all(words.startswith("SubjectMismatch: the header belongs to") for words in outcomes(tmp_path).values())

    # The files of one study lie in the folder, and under the name, of another one.
    for suffix in (".hea", ".dat"):
        own, other = (tmp_path / "wfdb" / f"{study_path(FIRST + n)}{suffix}" for n in (0, 1))
        shutil.copy(other, own)
    write_csv(tmp_path / "list.csv", [header, *rows])
    assert plan(tmp_path).status == 0
    convert(tmp_path)
    found = outcomes(tmp_path)
    assert "40000001" in found[str(FIRST)] and not (tmp_path / "dicom" / f"{study_path(FIRST)}.dcm").exists()
    assert list(found.values()).count("converted") == 11
