"""RECORDS in place of a study CSV, and study CSVs without paths whose ids are names in RECORDS."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdb2dicom.batches import freshness
from wfdb2dicom.batches.plan import PlanConfig, batch_name, make
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.configuration import check_inputs
from wfdb2dicom.inputs.find_tables import find_tables
from wfdb2dicom.inputs.locator import Locator
from wfdb2dicom.inputs.records_csv import studies_of_records
from wfdb2dicom.inputs.studies import Study, read_studies
from wfdb2dicom.system.zip_directory import ZipDirectory

TREE = {
    "RECORDS": "training/georgia/g1/\ntraining/ningbo/\ntop\n\n",
    "training/georgia/g1/RECORDS": "E00001\nE00002\n100\nE00001\n",
    "training/ningbo/RECORDS": "sub/JS1\n100\n",
}
CSV = """study_id,path,folder
E00001,training/georgia/g1/E00001,g1
E00002,training/georgia/g1/E00002,g1
training/georgia/g1/100,training/georgia/g1/100,g1
JS1,training/ningbo/sub/JS1,sub
training/ningbo/100,training/ningbo/100,ningbo
top,top,
"""

Tree = Callable[[dict[str, str]], str]


@pytest.fixture(params=["folder", "zip", "zip with a top folder"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Makes wfdb_dir of files; the working directory is another one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def make(files: dict[str, str]) -> str:
        if request.param == "folder":
            for name, content in files.items():
                (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "data" / name).write_text(content)
            return str(tmp_path / "data")
        top = "the-collection-1.0/" if "top" in request.param else ""
        with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**files, "other/x.hea": ""}.items():
                archive.writestr(top + name, content)
        return str(tmp_path / "data.zip")

    return make


def locator(wfdb_dir: str) -> Locator:
    return Locator(Path(wfdb_dir), ZipDirectory(wfdb_dir) if os.path.isfile(wfdb_dir) else None)


def written(wfdb_dir: str, input_csv: str = "RECORDS") -> str:
    options = {"input_csv": input_csv, "wfdb_dir": wfdb_dir, "metadata": "", "patients": ""}
    found = find_tables(options, extract=True)
    return studies_of_records(options, found.get("input_csv", ""), write=True)


def test_records_of_folders_of_records(tree: Tree) -> None:
    made = written(tree(TREE))
    assert made == "results/inputs/RECORDS.csv"
    assert Path(made).read_text() == CSV


def test_what_has_the_name_of_the_csv_is_not_waited_for(tree: Tree) -> None:
    Path("results/inputs").mkdir(parents=True)
    os.mkfifo("results/inputs/RECORDS.csv")
    assert Path(written(tree(TREE))).read_text() == CSV


def test_the_records_of_one_folder(tree: Tree) -> None:
    made = written(tree(TREE), "training/georgia/g1/RECORDS")
    assert Path(made).read_text().split()[1:] == [
        f"{name},training/georgia/g1/{name},g1" for name in ("E00001", "E00002", "100")
    ]


def test_another_list_of_the_same_source_is_another_study_csv(tree: Tree) -> None:
    wfdb_dir = tree(TREE)
    for name in ("RECORDS", "training/georgia/g1/RECORDS", "training/ningbo/RECORDS", "RECORDS"):
        records = Path(written(wfdb_dir, name)).read_text().split()[1:]
        folder = os.path.dirname(name)
        assert len(records) == {"": 6, "training/georgia/g1": 3, "training/ningbo": 2}[folder]
        assert all(folder in record for record in records)


def test_lists_as_windows_writes_them(tree: Tree) -> None:
    made = written(tree({"RECORDS": "\ufeffg1/\r\n g2/ \r\n\r\n", "g1/RECORDS": "a\r\nb", "g2/RECORDS": "c\r\n"}))
    assert Path(made).read_text().split()[1:] == ["a,g1/a,g1", "b,g1/b,g1", "c,g2/c,g2"]


def test_a_list_of_ones_own_counts_from_wfdb_dir(tree: Tree) -> None:
    wfdb_dir = tree(TREE)
    Path("mine").mkdir()
    Path("mine/RECORDS").write_text("training/georgia/g1/E00002\ntraining/ningbo/\n")
    made = written(wfdb_dir, "mine/RECORDS")
    assert [line.partition(",")[0] for line in Path(made).read_text().split()[1:]] == ["E00002", "JS1", "100"]


def test_only_a_list_that_changed_is_written_again(tree: Tree) -> None:
    wfdb_dir = tree(TREE)
    made = Path(written(wfdb_dir))
    before = made.stat()
    written(wfdb_dir)
    assert (made.stat().st_ino, made.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    wfdb_dir = tree(TREE | {"training/ningbo/RECORDS": "JS2\n"})
    os.utime(wfdb_dir, ns=(0, before.st_mtime_ns + 10**9))
    written(wfdb_dir)
    assert made.read_text().split()[-2:] == ["JS2,training/ningbo/JS2,ningbo", "top,top,"]


def test_a_process_that_joins_a_run_writes_nothing(tree: Tree) -> None:
    wfdb_dir = tree(TREE)
    options = {"input_csv": "RECORDS", "wfdb_dir": wfdb_dir, "metadata": "", "patients": ""}
    written(wfdb_dir)
    Path("results/inputs/RECORDS.csv").unlink()
    found = find_tables(options, extract=False)
    assert studies_of_records(options, found["input_csv"], write=False) == "results/inputs/RECORDS.csv"
    assert not Path("results/inputs/RECORDS.csv").exists()


def test_other_names_are_study_csvs(tree: Tree) -> None:
    wfdb_dir = tree({"RECORDS.csv": "study_id,path\n1,1\n"})
    assert written(wfdb_dir, "RECORDS.csv") == written(wfdb_dir, "none/RECORDS") == ""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"RECORDS": "a/\n"}, "RECORDS lists the folder 'a/', but wfdb_dir has no a/RECORDS: fetch it"),
        ({"RECORDS": "../a/\n"}, "RECORDS lists the folder '../a/', but wfdb_dir has no ../a/RECORDS"),
        ({"RECORDS": "a/\n", "a/RECORDS": "../\n"}, "RECORDS lists no records"),
        ({"RECORDS": "\n\n"}, "RECORDS lists no records"),
    ],
)
def test_lists_that_cannot_be_used(tree: Tree, files: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=f"^input_csv: {words}"):
        written(tree(files))


def test_ids_that_are_paths_name_batches_without_folders() -> None:
    assert batch_name("training/ningbo/100", 0) == "training~ningbo~100"


LUDB = {"RECORDS": "data/1\ndata/2\n", "ludb.csv": "ID,Sex,Age,Rhythms\n1,F,51,x\n2.0,M,52,y\n3,F,53,z\n"}
COLUMNS = StudyColumns("ID", sex="Sex", age="Age")


def index(wfdb_dir: str, name: str = "ludb.csv") -> Path:
    options = {"input_csv": name, "wfdb_dir": wfdb_dir, "metadata": "", "patients": ""}
    return Path(find_tables(options, extract=True)["input_csv"])


def test_an_index_without_paths_joins_to_records(tree: Tree) -> None:
    wfdb_dir = tree(LUDB)
    studies = read_studies(index(wfdb_dir), COLUMNS, Path(wfdb_dir), locator(wfdb_dir)).studies
    assert studies[:2] == [
        Study("1", "", "data/1", "data/1", "", "", "F", "51"),
        Study("2", "", "data/2", "data/2", "", "", "M", "52"),
    ]
    assert studies[2].error == (
        "PathError: the CSV has no path, and no record in RECORDS has the name '3'; set study_id_col to the column of "
        "the records' names, or path_col to one of paths"
    )
    check_inputs(options(wfdb_dir))


def test_ids_may_be_the_paths_in_records_and_a_name_must_be_that_of_one_record(tree: Tree) -> None:
    wfdb_dir = tree(TREE | {"i.csv": "id\ntraining/ningbo/100\n100\nJS1\n"})
    studies = read_studies(index(wfdb_dir, "i.csv"), StudyColumns("id"), Path(wfdb_dir), locator(wfdb_dir)).studies
    assert [study.record for study in studies] == ["training/ningbo/100", "", "training/ningbo/sub/JS1"]
    assert studies[1].error.startswith("PathError: the CSV has no path, and 2 records in RECORDS have the name '100'")


def test_an_index_of_which_no_id_is_in_records_stops_the_run(tree: Tree) -> None:
    wfdb_dir = tree(LUDB | {"RECORDS": "records500/00000/00001_hr\n"})
    with pytest.raises(ConfigError, match=r"^path_col: .*none of the ids in 'ID' is the name of a record in RECORDS"):
        read_studies(index(wfdb_dir), COLUMNS, Path(wfdb_dir), locator(wfdb_dir))


def test_without_records_paths_are_missing(tree: Tree) -> None:
    wfdb_dir = tree({"ludb.csv": LUDB["ludb.csv"]})
    with pytest.raises(ConfigError, match=r"^path_col: .*has no column 'path'"):
        check_inputs(options(wfdb_dir))


def options(wfdb_dir: str) -> dict[str, str]:
    given = {"input_csv": str(index(wfdb_dir)), "wfdb_dir": wfdb_dir, "metadata": "", "patients": "", "dcm_dir": "d"}
    given |= {"output_csv": "o.csv", "error_log": "", "dcm_path_col": "dcm_path", "error_col": "dcm_error"}
    return given | {f"{name}_col": column for name, column in COLUMNS._asdict().items()}


def test_a_plan_is_made_anew_when_the_list_that_it_joined_to_changes(tree: Tree) -> None:
    wfdb_dir = tree(LUDB)
    plans, receipts = Path("plan"), Path("receipts")
    plans.mkdir()

    def token() -> str:
        return freshness.plan_token(plans, receipts, inputs=[index(wfdb_dir)], wfdb_dir=wfdb_dir)

    config = PlanConfig(index(wfdb_dir), wfdb_dir, "d", columns=COLUMNS)
    make(config, plans, receipts, token())
    assert token() == freshness.stored_plan_token(plans)
    tree(LUDB | {"RECORDS": "data/1\ndata/2\ndata/3\n"})
    assert token() != freshness.stored_plan_token(plans)
