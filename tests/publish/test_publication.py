"""What is written beside the objects, when, and what is refused."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest

from demo_run import convert_demo
from wfdb2dicom.batches.rerun_token import store_results
from wfdb2dicom.batches.tables import read_receipt, write_receipt
from wfdb2dicom.dicom.uids import ENCODING_VERSION
from wfdb2dicom.errors import ConfigError, OutputError
from wfdb2dicom.page.draw import FORMATS
from wfdb2dicom.publish import publication, source
from wfdb2dicom.publish.completeness import IncompleteRun
from wfdb2dicom.publish.tables import publishable
from wfdb2dicom.system import current_run
from wfdb2dicom.system.paths import stamp_of

from .conftest import GIVEN, Publisher, content

FILES = {"README.md", "LICENSE.txt", "RECORDS", "SHA256SUMS.txt", "croissant.json", "manifest.parquet"}
OBJECTS = 11
STUDY = Path("dicom/files/p9000/p90000001/s94000001/94000001.dcm")


def test_a_published_folder_holds_its_objects_and_what_describes_them(publish_demo: Publisher) -> None:
    published = publish_demo()
    assert set(published.written) == FILES == content(Path("dicom")).keys()
    assert published.objects == OBJECTS
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS.txt"], cwd="dicom", check=True)
    summed = {line[66:] for line in Path("dicom/SHA256SUMS.txt").read_text().splitlines()}
    objects = {str(path.relative_to("dicom")) for path in Path("dicom").rglob("*.dcm")}
    assert summed == objects | FILES - {"SHA256SUMS.txt"}
    assert f"Versions of the last run: DICOM encoding {ENCODING_VERSION}, numpy" in Path("dicom/README.md").read_text()
    records = Path("dicom/RECORDS").read_text().splitlines()
    assert records == sorted(objects) and len(records) == OBJECTS


def test_the_data_card_is_right_about_the_objects_and_its_example_reads_one(
    publish_demo: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_demo()
    card = Path("dicom/README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir("dicom")
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["millivolts"].shape == (5000, len(names["leads"])) and "aVR" in names["leads"]
    objects = [pydicom.dcmread(path) for path in Path().rglob("*.dcm")]
    for keyword, value in re.findall(r": ([A-Z][A-Za-z ]+) is ([A-Z]+)\.", card):
        assert {ecg.get(keyword.replace(" ", "")) for ecg in objects} == {value}, keyword
    assert "Modified is MODIFIED" in card and "Removed is YES" in card
    assert {(str(ecg.PatientName), ecg.PatientBirthDate) for ecg in objects} == {("", "")}


def test_the_published_manifest_names_no_folder_of_this_machine(publish_demo: Publisher) -> None:
    publish_demo()
    run, published = (pq.read_table(path) for path in ("results/manifest.parquet", "dicom/manifest.parquet"))
    assert published.schema.equals(run.schema) and published.num_rows == run.num_rows
    paths = published["dcm_path"].drop_null().to_pylist()
    assert len(paths) == OBJECTS and all(Path("dicom", path).is_file() for path in paths)
    assert published["error"].drop_null().to_pylist() == ["SignalError"]
    assert published["record"].to_pylist() == sorted(run["record"].to_pylist())


def test_paths_outside_the_collection_are_not_published(run_folder: Path) -> None:
    table = pq.read_table("results/manifest.parquet")
    others = ["/home/me/ecg/1", "C:\\ecg\\1", "../ecg/1", "a\\b"]
    records = [*others, None, *table["record"].to_pylist()[5:]]
    table = table.set_column(table.column_names.index("record"), "record", pa.array(records))
    pq.write_table(table, "changed.parquet")
    published = publishable(Path("changed.parquet"), "dicom")["record"]
    assert published.null_count == 5 and sorted(published.drop_null().to_pylist()) == sorted(records[5:])


def test_a_second_run_leaves_alone_what_is_up_to_date(publish_demo: Publisher) -> None:
    publish_demo()
    before = {name: stamp_of(Path("dicom", name)) for name in FILES}  # not when they were read
    assert publish_demo().written == []
    publish_demo(GIVEN | {"title": "Another title"})
    after = {name: stamp_of(Path("dicom", name)) for name in FILES}
    changed = {name for name in FILES if before[name] != after[name]}
    assert changed == {"README.md", "croissant.json", "SHA256SUMS.txt"}
    assert not list(Path("dicom").glob(".*"))


def test_two_runs_publish_the_same_bytes(publish_demo: Publisher, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_demo()
    first = content(Path("dicom"))
    other = Path("../other")
    other.mkdir()
    convert_demo(other, demo, studies_per_job=3)  # another division into batches, at another time
    monkeypatch.chdir(other)
    publish_demo()
    second = content(Path("dicom"))
    assert {name for name in FILES if first[name] != second[name]} == set()


def _remove_receipt() -> None:
    next(Path("results/receipts").glob("*.tsv")).unlink()


def _damage_receipt() -> None:
    receipt = next(Path("results/receipts").glob("*.tsv"))
    receipt.write_bytes(receipt.read_bytes()[:-40])


def _plan_a_study_otherwise() -> None:
    receipt = next(Path("results/receipts").glob("*.tsv"))
    write_receipt(receipt, [row._replace(plan_row="0" * 16) for row in read_receipt(receipt)])


def _forget_a_study() -> None:
    table = pq.read_table("results/manifest.parquet")
    pq.write_table(table.slice(1), "results/manifest.parquet")
    _own_results()


def _own_results() -> None:
    """Make results that were changed by hand look as if the last run had written them."""
    store_results(Path("results/.results.json"), "x", map(Path, ("results/manifest.parquet", "results/summary.json")))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_remove_receipt, r"receipts/\S+\.tsv is missing"),
        (_damage_receipt, "is not a whole table"),
        (_plan_a_study_otherwise, "is not the receipt of"),
        (lambda: STUDY.unlink(), r"1 receipt or object is missing or(?s:.*)study 94000001: its object is missing"),
        (lambda: os.utime(STUDY, ns=(0, 0)), "study 94000001: its object is not the file that was written"),
        (
            lambda: STUDY.with_name("left.dcm").write_bytes(b""),
            r"1 file besides the objects(?s:.*)\ns94000001/left\.dcm",
        ),
        (lambda: Path("dicom/top.dcm").write_bytes(b""), r"1 file besides .* move it elsewhere(?s:.*)top\.dcm"),
        (lambda: Path("results/manifest.parquet").unlink(), "manifest.parquet is not what the last run wrote"),
        (lambda: Path("results/summary.json").write_text("{}"), "summary.json is not what the last run wrote"),
        (_forget_a_study, "is not the table of these receipts"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(publish_demo: Publisher, change: Callable[[], Any], words: str) -> None:
    change()
    with pytest.raises(IncompleteRun, match=words):
        publish_demo()
    assert not content(Path("dicom")).keys() & FILES


def test_a_run_of_which_too_many_studies_failed_is_refused(publish_demo: Publisher) -> None:
    with pytest.raises(
        IncompleteRun, match=r"1 of 12 studies failed \(8\.33 %\), more than max_failed allows \(5 %\): fix"
    ):
        publish_demo(max_failed=0.05)


def test_a_folder_of_another_run_is_refused(publish_demo: Publisher) -> None:
    with pytest.raises(IncompleteRun, match="elsewhere is not the folder of the last run, which wrote into dicom"):
        publish_demo(dcm_dir="elsewhere")


def test_bytes_that_changed_under_the_same_size_and_time_are_found_on_request(publish_demo: Publisher) -> None:
    status = STUDY.stat()
    damaged = bytearray(STUDY.read_bytes())
    damaged[-1] ^= 1
    STUDY.write_bytes(damaged)
    os.utime(STUDY, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(IncompleteRun, match=r"put right what .*\n.*study 94000001: .* delete it and run without"):
        publish_demo(GIVEN | {"verify": True})
    publish_demo()  # a look at it does not see that, and sha256sum does
    summed = subprocess.run(
        ["sha256sum", "--quiet", "-c", "SHA256SUMS.txt"], cwd="dicom", capture_output=True, text=True
    )
    assert summed.returncode == 1 and summed.stdout.count("FAILED") == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, r"publish: missing: name \(.*\), license \(.*\), license_url \(.*\); nothing is guessed"),
        ({"name": "x"}, r"publish: missing: license \(.*\), license_url"),
        ({"name": "x", "license": "y"}, "publish: missing: license_url"),
        ({"name": "x", "license": "y", "license_file": "none.txt"}, "license_file: 'none.txt' is neither below"),
    ],
)
def test_what_must_not_be_guessed_must_be_given(publish_demo: Publisher, given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        publish_demo(given)


def test_pages_of_studies_are_refused_and_own_pictures_are_not(publish_demo: Publisher) -> None:
    Path("dicom/figure.png").write_bytes(b"")
    publish_demo()
    for kind in FORMATS:
        STUDY.with_suffix(f".{kind}").write_bytes(b"")
    with pytest.raises(IncompleteRun, match=r"dicom holds 3 files .* drawn pages\): move them(?s:.*)94000001\.svg"):
        publish_demo()


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_of_others_are_not_replaced(publish_demo: Publisher, name: str) -> None:
    Path("dicom", name).write_text("mine")
    with pytest.raises(ConfigError, match=rf"dicom/{name} is not what publish wrote"):
        publish_demo()
    assert content(Path("dicom")) == {name: b"mine"}


def test_what_outlives_its_run_leaves_the_files_of_a_later_one_alone(
    publish_demo: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(current_run.VARIABLE, "")
    current_run.begin(Path("results/.run"))
    first, write = os.environ[current_run.VARIABLE], publication.croissant

    def write_while_a_later_run_begins(*args: Any) -> bytes:
        current_run.begin(Path("results/.run"))
        monkeypatch.setenv(current_run.VARIABLE, first)
        current_run._run.cache_clear()
        return write(*args)

    monkeypatch.setattr(publication, "croissant", write_while_a_later_run_begins)
    try:
        with pytest.raises(OutputError, match="a later run has begun"):
            publish_demo()
    finally:
        monkeypatch.setenv(current_run.VARIABLE, "")
        current_run._run.cache_clear()
    assert content(Path("dicom")) == {}


def test_a_process_that_outlives_its_run_finds_its_folder_gone(
    publish_demo: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not write into the folder of the next one, whose files are digested and renamed meanwhile."""
    write, write_all, folders = publication.croissant, publication._write_all, []

    def write_while_another_publishes(*args: Any) -> bytes:
        monkeypatch.setattr(publication, "croissant", write)
        publish_demo()
        return write(*args)

    def write_into(folder: Path, *args: Any) -> dict[str, str]:
        folders.append(folder)
        return write_all(folder, *args)

    monkeypatch.setattr(publication, "croissant", write_while_another_publishes)
    monkeypatch.setattr(publication, "_write_all", write_into)
    with pytest.raises(FileNotFoundError):
        publish_demo()
    assert len(set(folders)) == 2
    assert content(Path("dicom")).keys() == FILES
    assert not list(Path("dicom").glob(".*"))


def test_a_data_card_that_was_edited_is_not_replaced(publish_demo: Publisher) -> None:
    publish_demo()
    with open("dicom/README.md", "a") as stream:
        stream.write("More words.\n")
    with pytest.raises(ConfigError, match=r"README\.md is not what publish wrote"):
        publish_demo()


def test_a_run_from_a_zip_names_its_digest(
    publish_demo: Publisher, demo: Path, zipped_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "zip"
    other.mkdir()
    convert_demo(other, demo, str(zipped_demo))
    monkeypatch.chdir(other)
    publish_demo(wfdb_dir=str(zipped_demo))
    digest = subprocess.run(["sha256sum", zipped_demo], capture_output=True, text=True, check=True).stdout[:64]
    assert f"`demo-0.9.zip`, SHA-256 `{digest}`" in Path("dicom/README.md").read_text()
    assert Path("dicom/LICENSE.txt").read_text() == "the text that came with the source\n"
    # It is read once.
    monkeypatch.setattr(source, "file_digest", lambda *arguments: pytest.fail("digested again"))
    assert publish_demo(wfdb_dir=str(zipped_demo)).written == []


def test_another_zip_than_the_one_converted_is_refused(
    publish_demo: Publisher, demo: Path, zipped_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "zip"
    other.mkdir()
    convert_demo(other, demo, str(zipped_demo))
    monkeypatch.chdir(other)
    os.utime(zipped_demo)
    with pytest.raises(ConfigError, match="is not the ZIP that was converted"):
        publish_demo(wfdb_dir=str(zipped_demo))
