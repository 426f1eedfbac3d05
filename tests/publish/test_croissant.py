"""croissant.json: what programs that know nothing of this project get from it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import wfdb

import synthetic_manifest
from wfdb2dicom.publish.croissant import croissant
from wfdb2dicom.publish.figures import count
from wfdb2dicom.publish.source import Source
from wfdb2dicom.publish.tables import publishable

from .conftest import GIVEN, Publisher

WHOLE = GIVEN | {
    "title": "Demo",
    "release": "1.0.0",
    "date": "2026-01-31",
    "authors": ["N. N."],
    "page": "https://a.b/c",
}


def plain(value: Any) -> Any:
    """A value of mlcroissant as Python's own."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of its libraries
def test_mlcroissant_validates_it_and_reads_every_row(publish_demo: Publisher) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed: pip install '.[test]'")
    publish_demo(WHOLE)
    dataset = mlcroissant.Dataset(jsonld="dicom/croissant.json")
    assert not dataset.metadata.ctx.issues.errors and not dataset.metadata.ctx.issues.warnings
    rows = [
        {key.removeprefix("studies/"): plain(value) for key, value in row.items()} for row in dataset.records("studies")
    ]
    expected = pq.read_table("dicom/manifest.parquet").to_pylist()
    assert len(rows) == 12 and rows == expected
    assert isinstance(rows[0]["acquired"], datetime)


def test_a_reader_of_croissant_json_and_dicom_gets_to_the_samples(publish_demo: Publisher, demo: Path) -> None:
    """Only json, pydicom, a reader of Parquet (which the encoding format names) and the words of the file are used."""
    import pydicom

    publish_demo()
    path = Path("dicom/croissant.json").absolute()
    described = json.loads(path.read_text())
    files = {item["@id"]: item for item in described["distribution"]}
    objects = [item for item in files.values() if item["@type"] == "cr:FileSet"]
    assert len(objects) == 1 and objects[0]["encodingFormat"] == "application/dicom"
    found = {str(file.relative_to(path.parent)) for glob in objects[0]["includes"] for file in path.parent.glob(glob)}
    (records,) = described["recordSet"]
    fields = {item["name"]: item["source"] for item in records["field"]}
    table = files[fields["dcm_path"]["fileObject"]["@id"]]
    assert table["encodingFormat"] == "application/x-parquet"
    rows = pq.read_table(path.parent / table["contentUrl"]).to_pylist()
    column, record = (fields[name]["extract"]["column"] for name in ("dcm_path", "record"))
    read = 0
    for row in rows:
        if row[column] is None:
            continue
        assert row[column] in found
        ecg = pydicom.dcmread(path.parent / row[column])
        truth = wfdb.rdrecord(str(demo / row[record])).p_signal
        samples = ecg.waveform_array(0)
        np.testing.assert_allclose(samples[~np.isnan(truth)], truth[~np.isnan(truth)], atol=1e-9)
        read += 1
    assert read == len(found) == 11


def test_every_column_of_the_manifest_is_a_field(publish_demo: Publisher) -> None:
    publish_demo()
    (records,) = json.loads(Path("dicom/croissant.json").read_text())["recordSet"]
    names = [field["name"] for field in records["field"]]
    assert names == pq.read_schema("dicom/manifest.parquet").names
    assert all(len(field["description"]) > 5 and field["dataType"] for field in records["field"])


def test_its_size_does_not_grow_with_the_studies(tmp_path: Path) -> None:
    sizes = []
    for studies in (100, 3000):
        synthetic_manifest.write(tmp_path / str(studies), studies, Path("dicom/x.dcm"))
        figures = count(publishable(tmp_path / str(studies) / "manifest.parquet", "dicom"))
        sizes.append(len(croissant(Source(GIVEN, b""), figures, "0" * 64)))
    assert sizes[1] - sizes[0] < 10 and sizes[1] < 20_000


def test_what_is_not_given_is_left_out(publish_demo: Publisher) -> None:
    publish_demo({"name": "x", "license": "y", "license_url": "https://example.org/y"})
    described = json.loads(Path("dicom/croissant.json").read_text())
    assert not {"url", "version", "datePublished", "creator", "citeAs", "isBasedOn"} & described.keys()
    assert described["license"] == "https://example.org/y"
