"""The study CSV: every form people have, and what is said of the ones that are wrong."""

import csv
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdb2dicom.errors import ConfigError, PathError
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.csv_text import RowWriter, iter_rows
from wfdb2dicom.inputs.locator import Locator
from wfdb2dicom.inputs.shared_files import Files, find_shared
from wfdb2dicom.inputs.studies import Study, read_studies
from wfdb2dicom.inputs.study_ids import identify, study_key

SUBJECT, STUDY = "10000032", "40689238"
RECORD = f"files/p1000/p{SUBJECT}/s{STUDY}/{STUDY}"
DATA_SET = "mimic-iv-ecg-diagnostic-electrocardiogram-matched-subset-1.0"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A data set's folder with one record of MIMIC-IV-ECG."""
    folder = tmp_path / "wfdb"
    (folder / RECORD).parent.mkdir(parents=True)
    (folder / f"{RECORD}.hea").touch()
    return folder


def read(tree: Path, text: str | bytes, path_col: str = "path", study_id_col: str = "study_id") -> list[Study]:
    file = tree.parent / "studies.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_studies(file, StudyColumns(study_id_col, path_col), tree).studies


def located(tree: Path, path: str) -> Study:
    quoted = '"' + path.replace('"', '""') + '"'
    (study,) = read(tree, f"subject_id,study_id,path\n{SUBJECT},{STUDY},{quoted}\n")
    return study


def test_a_row_of_record_list(tree):
    text = f"subject_id,study_id,file_name,ecg_time,path\n{SUBJECT},{STUDY},{STUDY},2180-07-23 08:44:00,{RECORD}\n"
    assert read(tree, text) == [Study(STUDY, SUBJECT, RECORD, RECORD, "2180-07-23 08:44:00", "")]
    assert read(tree, text)[0].dicom == f"{RECORD}.dcm"


@pytest.mark.parametrize(
    ("path", "dicom"),
    [
        (RECORD, RECORD),
        (RECORD.removeprefix("files/"), RECORD.removeprefix("files/")),
        (f"{DATA_SET}/{RECORD}", RECORD),
        (f"physionet.org/files/mimic-iv-ecg/1.0/{RECORD}", RECORD),
        (f"mimic-iv-ecg/1.0/{RECORD.removeprefix('files/')}", RECORD.removeprefix("files/")),
        (f"{RECORD}.hea", RECORD),
        (f"{RECORD}.dat", RECORD),
        (f"{RECORD}.MAT", RECORD),
        (RECORD.replace("/", "\\"), RECORD),
        (f"./{RECORD.replace('/', '//')}", RECORD),
        (f"  {RECORD} ", RECORD),
    ],
)
@pytest.mark.parametrize("wfdb_dir", ["", "files"])
def test_every_form_of_path_finds_the_record_and_names_the_dicom(tree, path, dicom, wfdb_dir):
    root = tree / wfdb_dir
    study = located(root, path)
    assert (study.error, study.dicom) == ("", f"{dicom}.dcm")
    assert (root / f"{study.record}.hea").exists()


def test_paths_that_begin_with_the_folder_of_wfdb_dir(tree):
    bare = RECORD.removeprefix("files/")
    assert located(tree, f"wfdb/{RECORD}").path == RECORD
    assert located(tree, f"wfdb/{bare}").path == bare
    assert located(tree, "wfdb/JS20004").record == "JS20004"
    (tree / "wfdb").mkdir()
    assert located(tree, "wfdb/JS20004").record == "wfdb/JS20004"


def test_absolute_paths_within_wfdb_dir(tree):
    study = located(tree, f"{tree}/{RECORD}.dat")
    assert (study.record, study.path, study.error) == (RECORD, RECORD, "")


def test_absolute_paths_through_a_link_to_wfdb_dir(tree):
    link = tree.parent / "link"
    link.symlink_to(tree)
    assert located(link, f"{tree}/{RECORD}").record == RECORD
    assert located(link, f"{link}/{RECORD}").record == RECORD


@pytest.mark.parametrize(
    "header", ["waveform_path,subject_id,study_id", "file_name,subject_id,study_id", "path,subject_id,study_id"]
)
def test_the_other_names_of_the_path_column(tree, header):
    assert read(tree, f"{header}\n{RECORD},{SUBJECT},{STUDY}\n")[0].record == RECORD


def test_without_paths_they_are_rebuilt_as_mimic_has_them(tree):
    (study,) = read(tree, f"subject_id,study_id,file_name\np{SUBJECT},{STUDY}.0,{STUDY}\n")
    assert study == Study(STUDY, SUBJECT, RECORD, RECORD, "", "")


def test_without_paths_they_are_rebuilt_as_the_demo_has_them(tmp_path):
    record = f"files/p{SUBJECT}/s107143276/107143276"
    (tmp_path / "demo" / record).parent.mkdir(parents=True)
    (study,) = read(tmp_path / "demo", f"subject_id,study_id\n{SUBJECT},107143276\n")
    assert (study.record, study.error) == (record, "")


def test_a_path_that_cannot_be_rebuilt_is_an_error_of_its_study(tree):
    (study,) = read(tree, "subject_id,study_id\n,JS20004\n")
    assert study.error.startswith("PathError: the CSV has no path") and study.dicom == ""


def test_flat_folders_and_ids_that_are_no_numbers(tmp_path):
    (tmp_path / "w").mkdir()
    studies = read(tmp_path / "w", "study_id,path\nJS20004,JS20004.mat\n00001_lr,records100/00000/00001_lr\n")
    assert [(s.study_id, s.record, s.error) for s in studies] == [
        ("JS20004", "JS20004", ""),
        ("00001_lr", "records100/00000/00001_lr", ""),
    ]


def test_trees_and_csvs_that_mix_both_forms(tmp_path):
    for folder in ("files/p1000", "p1001", "files"):
        (tmp_path / "w" / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "w/files/flat.hea").touch()
    (tmp_path / "w/bare.hea").touch()
    locator = Locator(tmp_path / "w")
    assert [locator.locate(path)[0] for path in ("p1000/a", "files/p1000/a", "p1001/b", "files/p1001/b")] == [
        "files/p1000/a",
        "files/p1000/a",
        "p1001/b",
        "p1001/b",
    ]
    assert [locator.locate(path)[0] for path in ("flat", "bare", "absent")] == ["files/flat", "bare", "absent"]


def test_a_missing_record_is_named_as_the_csv_names_it(tree):
    assert Locator(tree).locate("p1999/p19999999/s1/1") == ("p1999/p19999999/s1/1", "p1999/p19999999/s1/1")


def test_the_folders_are_looked_up_once(tree, monkeypatch):
    locator = Locator(tree)
    bare, other = RECORD.removeprefix("files/"), f"p1000/p{SUBJECT}/s40689239/40689239"
    for spelling in (RECORD, bare):
        locator.locate(spelling)
    monkeypatch.setattr("os.path.isdir", lambda path: pytest.fail(f"{path} was looked up again"))
    assert locator.locate(other)[0] == locator.locate(f"files/{other}")[0] == f"files/{other}"


def test_a_path_as_it_is_written_goes_before_all_that_it_may_stand_for(tmp_path):
    for folder in ("siteB/files/p1000", "files/p1000", "files/a", "a", "mimic-iv-ecg-demo/files"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "flat.hea").touch()
    (tmp_path / "files/flat.hea").touch()
    locator = Locator(tmp_path)
    for path in (f"siteB/{RECORD}", RECORD, "a/r", "files/a/r", "mimic-iv-ecg-demo/files/r", "flat"):
        assert locator.locate(path) == (path, path)
    # A folder that is not there is one that the data set was in elsewhere.
    assert locator.locate(f"siteC/{RECORD}") == (RECORD, RECORD)


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        f"files/../../{RECORD}",
        "files/..",
        "/etc/passwd",
        f"/{RECORD}",
        "C:\\data\\40689238",
        "",
        "  ",
        "/",
        "./",
        "a\0b",
        "a\nb",
        "a\x1bb",
        "x" * 300,
        f"{'y' * 256}/x",
        "/".join(["z" * 200] * 20),
        "é" * 120,
    ],
)
def test_a_path_that_leaves_wfdb_dir_or_is_none_is_an_error_of_its_study(tree, path):
    with pytest.raises(PathError):
        Locator(tree).locate(path)


def test_a_study_that_is_refused_early_keeps_what_the_csv_has_for_its_path(tree):
    bad, unnamed = read(tree, f"study_id,path\n1,../{'x' * 300}\n-,files/a/b\n")
    assert (bad.record, bad.path, bad.dicom) == (f"../{'x' * 197} …", "", "")
    assert (unnamed.record, unnamed.dicom) == ("files/a/b", "") and unnamed.error.startswith("IdError: ")


def test_a_path_beside_wfdb_dir_with_the_same_beginning_is_outside(tree):
    with pytest.raises(PathError, match="not in wfdb_dir"):
        Locator(tree).locate(f"{tree}-other/x")


@pytest.mark.parametrize("path", ["a b/c d", "it's; rm -rf $HOME", '=cmd("x")', "Ärzte/Müller", "-n", "{wildcard}"])
def test_odd_names_are_names(tree, path):
    assert located(tree, path).dicom == f"{path}.dcm"


@given(st.text(st.sampled_from("abp0/\\. :é\n\0~")) | st.text())
def test_no_path_leaves_its_folder(path):
    try:
        results = Locator(Path("/nowhere/wfdb")).locate(path)
    except PathError:
        return
    for result in results:
        parts = result.split("/")
        assert result and not result.startswith("/") and "\0" not in result and "\n" not in result
        assert not {"", ".", ".."} & set(parts)


@pytest.mark.parametrize("cell", ["40689238", "40689238.0", "40689238.00", "s40689238", "S40689238", " 40689238 "])
def test_forms_of_ids(cell):
    assert identify(cell, 2) == (STUDY, "")


def test_leading_zeros_stay_but_do_not_tell_studies_apart():
    assert identify("00012", 2) == ("00012", "")
    assert study_key("00012") == study_key("12") and study_key("0a") == "0a" and study_key("000") == "0"


@pytest.mark.parametrize("cell", ["", " ", "nan", "4.0689238e7", "40689238.5", "a b", "../x", "-1", "x" * 65, "é", "s"])
def test_a_study_without_a_usable_id_has_an_error_and_is_called_after_its_line(cell):
    study_id, error = identify(cell, 17)
    assert (study_id, error) == ("s", "") if cell == "s" else (study_id == "line-17" and "line 17" in error)
    assert error == "" or error.startswith("IdError: ")


def test_other_studies_are_not_touched_by_a_wrong_row(tree):
    studies = read(tree, f"study_id,path\n,x\n{STUDY},{RECORD}\n,y\n40689239,/etc/passwd\n")
    assert [bool(study.error) for study in studies] == [True, False, True, True]
    assert [study.study_id for study in studies] == ["line-2", STUDY, "line-4", "40689239"]


def test_subject_from_the_path_where_the_csv_has_none(tree):
    assert read(tree, f"study_id,path\n{STUDY},{RECORD}\n")[0].subject_id == SUBJECT
    assert read(tree, "study_id,path\nJS1,JS1\n")[0].subject_id == ""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (f"10000033,{STUDY},{RECORD}", "subject 10000032"),
        (f"{SUBJECT},40689239,{RECORD}", "study 40689238"),
        (f"{SUBJECT},{STUDY},files/p1000/p{SUBJECT}/s{STUDY}/40689239", "study 40689239"),
        (f"{SUBJECT},{STUDY},files/p1000/p{SUBJECT}/s40689239/{STUDY}", "study 40689239"),
        (f"{SUBJECT},{STUDY},40689239", "study 40689239"),
    ],
)
def test_a_row_shifted_against_its_path_is_a_mismatch(tree, row, words):
    (study,) = read(tree, f"subject_id,study_id,path\n{row}\n")
    assert study.error.startswith("SubjectMismatch: ") and words in study.error


def test_ids_of_another_kind_are_not_compared_with_mimics_folders(tree):
    assert read(tree, f"subject_id,study_id,path\nA7,17,{RECORD}\n")[0].error == ""


def test_studies_that_share_a_record_name_each_other(tree):
    bare = RECORD.removeprefix("files/")
    first, second, third = read(tree, f"study_id,path\n1,{RECORD}\n2,{bare}\n3,other\n")
    assert first.error == f"PathError: path '{RECORD}' is also that of study 2"
    assert second.error == f"PathError: path '{bare}' is also that of study 1"
    assert third.error == ""


def test_a_folder_that_is_also_below_files_is_never_taken_for_that_one(tree):
    for folder in ("g1", "files/g1"):
        (tree / folder).mkdir(parents=True)
    cells = ("g1/x", "wfdb/g1/y", "mimic-iv-ecg-1.0/g1/z", "files/g1/x", "wfdb/files/g1/y")
    found = read(tree, "study_id,path\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    places = [(study.record, study.path, study.error) for study in found]
    assert places == [(p, p, "") for p in ("g1/x", "g1/y", "g1/z", "files/g1/x", "files/g1/y")]


@pytest.mark.parametrize(
    ("one", "other"),
    [("g1/Ab", "g1/aB"), ("G1/x", "g1/x"), ("g/\u00e4", "g/a\u0308"), ("g/\u00c4", "g/a\u0308"), ("g/SS", "g/\u00df")],
)
def test_paths_that_differ_in_case_or_unicode_form_only_are_one_file_elsewhere(one, other):
    studies = [Files("1", one, one), Files("2", other, other), Files("3", "c", "c")]
    (_, first), (_, second) = find_shared(studies)
    words = "in case or Unicode form only, which SMB and macOS ignore; rename one of them"
    assert first == f"PathError: path {one!r} differs from that of study 2 {words}"
    assert second.startswith(f"PathError: path {other!r} differs from that of study 1")


def test_many_studies_that_share_a_path_cost_time_in_proportion(tree):
    """A column of paths that is not one: every row holds the same. Quadratic, this takes some minutes."""
    count = 20_000
    studies = [Files(str(n), "a", "a") for n in range(count)]
    begin = time.process_time()
    found = dict(find_shared(studies))
    assert time.process_time() - begin < 5
    assert found[7] == f"PathError: path 'a' is also that of study 0, 1, 2 and {count - 4} more"


def test_studies_that_would_become_one_file_name_each_other(tree):
    studies = [
        Files("1", "files/a", "a"),
        Files("2", "a", "a"),
        Files("3", "b", "c"),
    ]
    assert dict(find_shared(studies)) == {n: f"PathError: path 'a' is also that of study {2 - n}" for n in (0, 1)}


@pytest.mark.parametrize("again", [STUDY, f"{STUDY}.0", f"s{STUDY}", f"0{STUDY}"])
def test_a_study_that_stands_twice_stops_the_run(tree, again):
    with pytest.raises(ConfigError, match=r"study 0?40689238 on line 2 and on line 5.*study_id_col"):
        read(tree, f'study_id,path,note\n{STUDY},a,"x\ny"\n1,b,\n{again},c,\n')


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_cells_are_text_exactly_as_they_stand(tmp_path, start, newline):
    rows = ['study_id,"a ""b"", c",', '00012,"1,5\n 2",', '1.50,,"""x"""', "", "NA, 007 ,=1+1"]
    file = tmp_path / "s.csv"
    file.write_bytes((start + newline.join(rows) + newline).encode())
    header, body = iter_rows(file)
    assert header == ["study_id", 'a "b", c', ""]
    assert list(body) == [
        (2, ["00012", "1,5\n 2", ""]),
        (4, ["1.50", "", '"x"']),
        (6, ["NA", " 007 ", "=1+1"]),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"study_id,path\n", "no rows"),
        (b"study_id;path\n1;a\n", "separated by ';'"),
        (b"study_id\tpath\n1\ta\n", r"separated by '\\t'"),
        ("study_id,path\n1,a\n".encode("utf-16"), "UTF-16"),
        ("study_id,path\n1,a\n".encode("utf-16-le"), "UTF-16"),
        (b"study_id,path\n1,a\n2,M\xfcller\n", "not UTF-8 after line .*0xfc"),
        (b"study_id,path\n1,a\0\n", "line 2: NUL"),
        (b"study_id,path\n1,a\n2\n", "line 3: 1 cells instead of the 2"),
        (b"study_id,path\n1,a\n2,b,c\n", "line 3: 3 cells"),
        (b"study_id,path,path\n1,a,b\n", "column 'path' twice"),
        (b'study_id,path\n1,a\n2,"b\n3,c\n', "begins on line 3.*quotation mark"),
        (b'study_id,path\n1,"a"b\n', "line 2.*quotation mark"),
        (b"study_id,path\n1," + b"x" * (1 << 21) + b"\n", "line 2: field larger than field limit"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"Study ID,path\n1,a\n", "study_id_col: .* no column 'study_id'. Did you mean 'Study ID'"),
        (b"study_id,Path\n1,a\n", "path_col: .* no column 'path'. Did you mean 'Path'"),
        (b"study_id,file_name\n1,40689238\n", "path_col"),
    ],
)
def test_what_is_wrong_with_the_file_stops_the_run(tree, content, words):
    with pytest.raises(ConfigError, match=words) as caught:
        read(tree, content)
    assert str(tree.parent / "studies.csv") in str(caught.value)


def test_a_path_column_asked_for_by_name_must_be_there(tree):
    with pytest.raises(ConfigError, match=r"path_col: .* 'record'"):
        read(tree, f"subject_id,study_id,path\n{SUBJECT},{STUDY},{RECORD}\n", path_col="record")


def test_no_path_column_by_wish(tree):
    assert read(tree, f"subject_id,study_id\n{SUBJECT},{STUDY}\n", path_col="")[0].record == RECORD


def test_a_csv_that_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        iter_rows(tmp_path / "nothing.csv")
    with pytest.raises(ConfigError, match="is a folder"):
        iter_rows(tmp_path)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6))
def test_what_csv_writers_write_is_read_back(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "s.csv"
    with open(file, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    assert [row for _, row in iter_rows(file)[1]] == [list(row) for row in rows]


@given(st.lists(st.tuples(CELLS, CELLS | st.just("a\rb"), CELLS), max_size=6))
def test_what_is_written_back_is_read_as_it_was(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "s.csv"
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = RowWriter(stream)
        for row in [("a", "b", "c"), *rows]:
            writer.write_row(row)
    assert [row for _, row in iter_rows(file)[1]] == [list(row) for row in rows]
    with open(file, newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream))[1:] == [list(row) for row in rows]
    assert not file.read_bytes().endswith(b"\r\n")


@given(st.binary(max_size=200) | st.text(string.printable, max_size=200).map(str.encode))
def test_any_bytes_are_studies_or_a_clear_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("csv") / "s.csv"
    file.write_bytes(b"study_id,path\n1,a\n" + content)
    try:
        assert len(read_studies(file, StudyColumns(), file.parent).studies) >= 1
    except ConfigError as error:
        assert str(error).startswith("input_csv: ")


def test_rows_that_share_a_path_and_columns_cost_no_more_the_more_there_are(tmp_path: Path) -> None:
    """A wrong path_col made all 800,035 rows share one: 19 hours. CPU time, with 10 times as much as it takes."""
    rows = "".join(f"{n},same/record\n" for n in range(20_000))
    start = time.process_time()
    studies = read(tmp_path, f"study_id,path\n{rows}")
    assert studies[7].error.endswith("is also that of study 0, 1, 2 and 19996 more")
    read(tmp_path, f"study_id,path,{','.join(f'c{n}' for n in range(40_000))}\n1,a{',x' * 40_000}\n")
    assert time.process_time() - start < 8  # 65 s with a look at each other row and column


def of_a_flat_tree(names: list[str], ids: list[str]) -> list[Study]:
    rows = "".join(f"{study_id},g1/{name}\n" for study_id, name in zip(ids, names, strict=True))
    Path("s.csv").write_text(f"study_id,path\n{rows}")
    return read_studies(Path("s.csv"), StudyColumns(), Path.cwd()).studies


NAMES = [f"JS{n:05d}" for n in range(1, 7)]


@pytest.mark.parametrize(
    ("names", "ids", "refused"),
    [
        (NAMES, NAMES, 0),
        (NAMES[1:] + NAMES[:1], NAMES, 6),
        (NAMES[1:], NAMES[:-1], 5),  # also at both ends
        (NAMES[:2] + NAMES[3:1:-1] + NAMES[4:], NAMES, 2),  # two of them exchanged
        (NAMES, ["1", "2", "3", "4", "5", "6"], 0),  # ids that do not come from names
        (["00001", "00002", "00003"], ["2", "3", "1"], 3),
        (["00001", "00002", "00003"], ["1", "2.0", "003"], 0),
        (["100", "101", "102"], ["1", "2", "100"], 2),  # 100 is a study and the record of another one
        (["a/x", "b/x"], ["g1/a/x", "g1/b/x"], 0),
    ],
)
def test_a_record_that_has_the_name_of_another_study_is_a_mismatch(tmp_path, monkeypatch, names, ids, refused):
    monkeypatch.chdir(tmp_path)
    errors = [study.error for study in of_a_flat_tree(names, ids) if study.error]
    assert len(errors) == refused
    assert all(error.startswith("SubjectMismatch: path 'g1/") for error in errors)


def test_the_rows_of_a_shift_name_study_and_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *_, last = of_a_flat_tree(NAMES[1:], NAMES[:-1])
    start, end = "SubjectMismatch: path", "; check path and study_id"
    assert first.error == f"{start} 'g1/JS00002' is named for study JS00002, which has another row{end}"
    assert last.error == f"{start} 'g1/JS00006' is not the record JS00005, which another row has{end}"
