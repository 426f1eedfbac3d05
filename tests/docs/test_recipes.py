"""Every block of docs/recipes.md runs unchanged, and does what its text says."""

import csv
import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import wfdb

from wfdb2dicom.results.manifest import SCHEMA

Recipe = Callable[[str], dict[str, Any]]
FAILED = 1  # studies of the demo


@pytest.fixture
def recipe(project: Path, converted_demo: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A function that runs the block below a heading in the demo's working directory and returns its variables."""
    text = (project / "docs/recipes.md").read_text(encoding="utf-8")
    monkeypatch.chdir(converted_demo)

    def run(heading: str) -> dict[str, Any]:
        section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert section, heading
        blocks = re.findall(r"```python\n(.*?)```", section[1], re.DOTALL)
        assert len(blocks) == 1
        variables: dict[str, Any] = {}
        exec(compile(blocks[0], f"recipes.md: {heading}", "exec"), variables)
        return variables

    return run


def test_every_recipe_is_tested_here(project: Path) -> None:
    text = (project / "docs/recipes.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)", text, re.MULTILINE)
    tested = re.findall(r'recipe\("(.*?)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert len(headings) == len(set(headings)) > 7 and set(headings) == set(tested)
    assert text.count("```") == 2 * len(headings)


def test_join_with_diagnoses(recipe: Recipe, converted_demo: Path) -> None:
    codes = {"94000001": "['I48', 'I10']", "94000002": "['I10']", "94000009": "['I48']", "94000010": "['I489']"}
    with open(converted_demo / "records_w_diag_icd10.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([["study_id", "all_diag_hosp"], *codes.items()])
    found = recipe("Join with diagnoses")["fibrillation"]
    assert list(found.study_id) == ["94000001", "94000010"]  # 94000009 has no DICOM
    assert all(Path(path).is_file() for path in found.dcm_path)


def write_gzipped(path: Path, rows: list[list[object]]) -> None:
    with gzip.open(path, "wt", newline="") as stream:
        csv.writer(stream).writerows(rows)


def test_join_with_admissions_and_ed_stays(recipe: Recipe, converted_demo: Path) -> None:
    manifest = pq.read_table(converted_demo / "results/manifest.parquet").to_pandas().set_index("study_id")

    def around(study: str, before: int, after: int) -> list[str]:
        """A stay from so many minutes before the ECG to so many after it."""
        return [str(manifest.acquired[study] + pd.Timedelta(minutes=minutes)) for minutes in (-before, after)]

    subject = manifest.subject_id
    admissions = [
        ["subject_id", "hadm_id", "admittime", "dischtime"],
        [subject["94000001"], 20000001, *around("94000001", 60, 60)],
        [subject["94000001"], 20000002, *around("94000001", 100, -61)],  # ended before
        [subject["94000010"], 20000003, *around("94000001", 60, 60)],  # another patient at that time
        [subject["94000006"], 20000004, *around("94000006", 60, 60)],
        [subject["94000006"], 20000005, *around("94000006", 5, 5)],  # two contain it
    ]
    ed_stays = [
        ["subject_id", "hadm_id", "stay_id", "intime", "outtime"],
        [subject["94000006"], "", 30000001, *around("94000006", 0, 5)],
    ]
    write_gzipped(converted_demo / "admissions.csv.gz", admissions)
    write_gzipped(converted_demo / "edstays.csv.gz", ed_stays)
    stays = recipe("Join with admissions and ED stays")["stays"].set_index("study_id")
    assert len(stays) == 12 - FAILED
    assert stays.hadm_id["94000001"] == "20000001" and stays.admissions["94000001"] == 1
    assert pd.isna(stays.hadm_id["94000006"]) and stays.admissions["94000006"] == 2
    assert stays.ed_stay_id["94000006"] == "30000001" and pd.isna(stays.ed_stay_id["94000001"])
    assert stays.hadm_id.notna().sum() == 1 and stays.ed_stay_id.notna().sum() == 1
    assert (stays.admissions == 0).sum() == 9


def test_join_with_mimic_cxr(recipe: Recipe, converted_demo: Path) -> None:
    images = [
        ["subject_id", "study_id", "dicom_id", "path"],
        [90000001, 94000012, "a1", "files/p90/p90000001/s50000001/a1.dcm"],  # an id that is an ECG's too
        [90000001, 50000002, "a2", "files/p90/p90000001/s50000002/a2.dcm"],
        [99999999, 50000003, "a3", "files/p99/p99999999/s50000003/a3.dcm"],
    ]
    write_gzipped(converted_demo / "cxr-record-list.csv.gz", images)
    found = recipe("Join with MIMIC-CXR")
    manifest = pd.read_parquet(converted_demo / "results/manifest.parquet")
    ecgs = manifest[manifest.error.isna() & (manifest.subject_id == "90000001")]
    assert found["patients"] == 1 and len(found["pairs"]) == 2 * len(ecgs) > 2
    assert set(found["pairs"].ecg_study_id) == set(ecgs.study_id)
    assert set(found["pairs"].dicom_id) == {"a1", "a2"}


def test_join_with_ptb_xls_labels(recipe: Recipe, converted_demo: Path) -> None:
    labels = [["ecg_id", "patient_id", "scp_codes", "strat_fold"]]
    labels += [[94000001, 15709.0, "{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", 3]]
    labels += [[94000002, 13243.0, "{'IMI': 80.0, 'ASMI': 15.0, 'NDT': 50.0}", 10], [94000009, 1.0, "{'SR': 0.0}", 1]]
    statements = [["", "description", "diagnostic", "diagnostic_class"], ["NORM", "normal ECG", 1.0, "NORM"]]
    statements += [["IMI", "inferior MI", 1.0, "MI"], ["ASMI", "anteroseptal MI", 1.0, "MI"]]
    statements += [["NDT", "non-diagnostic T", 1.0, "STTC"], ["SR", "sinus rhythm", "", ""]]
    for name, rows in (("ptbxl_database.csv", labels), ("scp_statements.csv", statements)):
        with open(converted_demo / name, "w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    labelled = recipe("Join with PTB-XL's labels")["labelled"]
    assert list(labelled.study_id) == ["94000001", "94000002"]  # 94000009 has no DICOM
    assert list(labelled.superclasses) == [["NORM"], ["MI", "STTC"]]
    assert labelled.codes[1]["IMI"] == 80.0 and list(labelled.strat_fold) == [3, 10]


def test_read_1000_waveforms(recipe: Recipe, demo: Path) -> None:
    found = recipe("Read 1,000 waveforms as one array")
    waveforms, chosen = found["waveforms"], found["chosen"]
    assert waveforms.shape == (12 - FAILED, 5000, 12) and waveforms.dtype == np.float32
    for values, record in zip(waveforms, chosen.record, strict=True):
        truth = wfdb.rdrecord(str(demo / record))
        order = [truth.sig_name.index(lead) for lead in found["LEADS"]]
        np.testing.assert_allclose(values, truth.p_signal[:, order], atol=1e-5, equal_nan=True)
    assert np.isnan(waveforms).sum() == chosen.invalid_samples.sum() > 0


def test_find_studies_with_gaps(recipe: Recipe, demo: Path) -> None:
    found = recipe("Find studies with gaps")
    assert list(found["gaps"].study_id) == ["94000006"] and list(found["gaps"].lead) == ["V3"]
    (record,) = found["gappy"].record
    truth = wfdb.rdrecord(str(demo / record))
    bad = np.isnan(truth.p_signal[:, truth.sig_name.index("V3")])
    assert found["gaps"].gaps[0] == np.count_nonzero(np.diff(bad.astype(int)) == 1)
    runs = [len(run) for run in "".join("x" if b else " " for b in bad).split()]
    assert found["gaps"].longest_ms[0] == max(runs) * 2


def test_a_split_by_patient(recipe: Recipe, converted_demo: Path) -> None:
    part = recipe("A split by patient")["part"]
    split = pd.read_csv(converted_demo / "split.csv", dtype=str)
    assert len(split) == 12 - FAILED and not split.isna().any().any()
    shares = pd.Series([part(subject) for subject in range(10_000)]).value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.02) and shares["test"] == pytest.approx(0.1, abs=0.02)


def test_a_split_of_studies_whose_patients_are_not_known(
    recipe: Recipe, converted_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pd.read_parquet(converted_demo / "results/manifest.parquet")
    others = [known.assign(study_id=known.study_id + f"_{n}") for n in range(50)]
    manifest = pd.concat([known, *others], ignore_index=True)
    manifest["subject_id"] = manifest.subject_id.where(manifest.study_id.isin(known.study_id))
    (tmp_path / "results").mkdir()
    manifest.to_parquet(tmp_path / "results/manifest.parquet")
    monkeypatch.chdir(tmp_path)
    recipe("A split by patient")
    split = pd.read_csv("split.csv", dtype=str)
    assert len(split) == 51 * (12 - FAILED) and not split.part.isna().any()
    assert set(split.part[split.subject_id.isna()]) == {"train", "validate", "test"}


def test_load_into_omop(recipe: Recipe, converted_demo: Path) -> None:
    with duckdb.connect(str(converted_demo / "omop.duckdb")) as cdm:
        cdm.execute("CREATE TABLE person (person_id INTEGER, person_source_value VARCHAR)")
        cdm.execute(
            "INSERT INTO person SELECT row_number() OVER (), s FROM (VALUES ('90000001'), ('90000002')) AS t(s)"
        )
        cdm.execute(
            "CREATE TABLE concept (concept_id INTEGER, concept_name VARCHAR, vocabulary_id VARCHAR,"
            " concept_code VARCHAR)"
        )
        cdm.execute(
            "INSERT INTO concept VALUES (1001, '12 lead ECG', 'SNOMED', '268400002'),"
            " (1002, 'EHR', 'Type Concept', 'OMOP4976890'), (1003, 'EHR', 'Note Type', 'x')"
        )
        cdm.execute(
            "CREATE TABLE procedure_occurrence (procedure_occurrence_id INTEGER PRIMARY KEY, person_id INTEGER"
            " NOT NULL, procedure_concept_id INTEGER NOT NULL, procedure_date DATE NOT NULL, procedure_datetime"
            " TIMESTAMP, procedure_end_date DATE, procedure_type_concept_id INTEGER NOT NULL, modifier_concept_id"
            " INTEGER, procedure_source_value VARCHAR(50))"
        )
    first = recipe("Load into OMOP")["loaded"]
    again = recipe("Load into OMOP")["loaded"]
    assert first == again == 6
    with duckdb.connect(str(converted_demo / "omop.duckdb")) as cdm:
        rows = cdm.execute(
            "SELECT person_id, procedure_concept_id, procedure_type_concept_id, procedure_datetime,"
            " procedure_source_value FROM procedure_occurrence ORDER BY procedure_occurrence_id"
        ).fetchall()
    manifest = pd.read_parquet(converted_demo / "results/manifest.parquet").sort_values("study_id")
    expected = manifest[manifest.subject_id.isin(["90000001", "90000002"])]
    assert [row[4] for row in rows] == list(expected.sop_instance_uid)
    assert [row[3] for row in rows] == list(expected.acquired)
    assert {row[1:3] for row in rows} == {(1001, 1002)}


def test_the_manifest_is_documented_column_by_column(project: Path, converted_demo: Path) -> None:
    text = (project / "docs/manifest.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ", text, re.MULTILINE)
    words = {"list<element: string>": "list of string", "list<item: string>": "list of string"}
    written = pq.read_schema(converted_demo / "results/manifest.parquet")
    assert documented == [(field.name, words.get(str(field.type), str(field.type))) for field in written]
    assert written.names == SCHEMA.names
