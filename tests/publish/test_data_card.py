"""README.md of a published data set: what it says follows from counts, options and what is given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from wfdb2dicom.publish import data_card
from wfdb2dicom.publish.figures import Figures, _common, count
from wfdb2dicom.publish.source import Source
from wfdb2dicom.publish.tables import publishable

from .conftest import GIVEN

SUMMARY = {"versions": {"wfdb2dicom": "9.9"}, "options": {}}


@pytest.fixture(scope="session")
def figures(converted: Path) -> Figures:
    return count(publishable(converted / "results/manifest.parquet", "dicom"))


def card(figures: Figures, given: dict[str, Any] = GIVEN, **options: Any) -> str:
    return data_card.data_card(Source(given, b""), figures, SUMMARY | {"options": options}, extra=("RECORDS",))


def test_it_counts(figures: Figures) -> None:
    text = card(figures)
    assert text.startswith("# A demo as DICOM ECG objects\n\n11 electrocardiograms of 4 patients as DICOM ECG")
    assert "converted from A demo, version 0.9 by wfdb2dicom 9.9." in text
    for row in (
        "| Studies | 12 |  |",
        "| 12-lead ECG Waveform Storage | 11 |",
        "| 500 Hz | 5,000 samples | 12 leads | 11 |",
        "| `SignalError` | the signal file is cut short or not what its header says | 1 |",
        "| First and last recording | 2102-05-17 | 2188-01-02 |",
    ):
        assert row in text
    assert "210 samples in 1 object have no value. They have the value that Waveform Padding Value names." in text
    assert "Date and time of the recording are from the WFDB header in 11 objects. The converter shifted none." in text


def test_it_repeats_what_is_given(figures: Figures) -> None:
    given = GIVEN | {
        "title": "T",
        "release": "2.0",
        "date": "2026-01-31",
        "authors": ["A. A.", "B. B."],
        "doi": "10.1/x",
    }
    text = card(figures, given | {"attribution": "Contains information from A demo."})
    assert text.startswith("# T\n\nVersion 2.0, published 2026-01-31, by A. A., B. B..\n")
    for words in (
        "<https://example.org/demo>",
        "<https://doi.org/10.1/x>",
        "- The publisher shifted all dates.",
        "- Nobody N. A demo. 2026.",
        "The licence of the source is MIT (<https://opensource.org/license/mit>); see `LICENSE.txt`.",
        "Contains information from A demo.",
    ):
        assert words in text


def test_what_is_not_known_is_left_out(figures: Figures) -> None:
    text = card(figures, {"name": "A demo", "license": "MIT"})
    for words in ("| Version", "Page", "DOI", "Cite", "SHA-256 `", "Sex and age", "Lead order", "published"):
        assert words not in text, words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lead_order": "source"}, "**Lead order.** As in each WFDB header."),
        ({"lead_order": "standard"}, "**Lead order.** I, II, III, aVR, aVL, aVF, V1 to V6, others after them."),
        (
            {"invalid_samples": "hold"},
            "Each has the last valid value before it, or the first one of its lead where none",
        ),
        ({"baseline": "zero"}, "The WFDB baseline was subtracted from the samples where all of them still fit"),
        ({"annotations": True}, "Intervals, axes and report lines of the metadata are waveform annotations."),
        ({"unknown_subject": "study"}, "or the study id where the source names no patient."),
        ({"patients": "/data/mimic/patients.csv"}, "Sex and age are from the table of patients."),
        (
            {
                "sex_and_age_from": ["columns", "patients", "comments"],
                "patients": "x.csv",
                "sex_col": "",
                "age_col": "",
            },
            "Sex and age are from the table of patients, else comments of the WFDB header, where stated there.",
        ),
        ({"input_csv": "/home/me/record_list.csv"}, "| Studies of | `record_list.csv` |"),
        ({"input_csv": "results/inputs/RECORDS.csv"}, "| Studies of | `RECORDS` |"),
        ({"uid_root": "1.2.3"}, "| `uid_root` | `1.2.3` |"),
        ({"metadata": "/data/machine_measurements.csv"}, "| `metadata` | `machine_measurements.csv` |"),
    ],
)
def test_it_says_what_the_options_did(figures: Figures, options: dict[str, Any], words: str) -> None:
    text = card(figures, **options)
    assert words in text
    assert "/data" not in text and "/home" not in text


def test_it_says_of_placeholders_that_they_are_some(figures: Figures) -> None:
    dated = replace(figures, time_sources=[("placeholder", 7), ("ecg_time", 4)])
    text = card(dated, undated="1900-01-01")
    assert "No dates are known for 7 objects; they have the placeholder 1900-01-01, and Longitudinal" in text
    assert "from the study CSV or the metadata in 4 objects" in text


@pytest.mark.parametrize(
    ("patients", "nameless", "words"),
    [
        (4, 0, "11 electrocardiograms of 4 patients as DICOM"),
        (1, 2, "11 electrocardiograms of 1 patient (the patients of 2 are not known) as DICOM"),
        (0, 11, "11 electrocardiograms as DICOM"),
    ],
)
def test_it_counts_no_patients_that_are_not_known(figures: Figures, patients: int, nameless: int, words: str) -> None:
    text = card(replace(figures, patients=patients, nameless=nameless))
    assert f"\n{words} ECG" in text
    assert ("wfdb2dicom 9.9. The patients are not known.\n" in text) == (patients == 0)


def test_many_shapes_are_summed_up(figures: Figures) -> None:
    shapes = [(f"{500 + n} Hz | 5,000 samples | 12 leads", 30 - n) for n in range(20)]
    assert "| 10 others |  |  | 155 |" in card(replace(figures, shapes=_common(shapes)))


def test_every_configuration_of_a_collection_says_what_must_be_known(project: Path, figures: Figures) -> None:
    configurations = sorted((project / "datasets").glob("*.yaml"))
    assert len(configurations) > 5
    for path in [*configurations, project / "tests/data/demo/config.yaml"]:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))["publish"]
        text = card(figures, given)
        assert given["name"] in text and f"{given['license']} (<{given['license_url']}>)" in text, path
        for words in (*given.get("citation", ()), *given.get("notes", ()), given.get("attribution", "")):
            assert words in text, path


def test_options_that_it_does_not_list_exist(project: Path) -> None:
    schema = yaml.safe_load((project / "workflow/schemas/config.schema.yaml").read_text())["properties"]
    assert [name for name in data_card._NOT_LISTED if name not in schema] == []
