"""A second opinion beside dciodvfy, for General 32-bit ECG too, which dciodvfy does not know: the standard's tables.

highdicom ships the tables of PS3.3 as JSON, made from the standard's own files: the modules of each class, and the
attributes of each module with their types. This test walks them; they state no conditions and no values.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
import pytest
from pydicom.dataset import Dataset

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom.options import Options

from .variants import write_all

pytest.importorskip("highdicom")


def load(name: str) -> dict[str, Any]:
    return json.loads(files("highdicom").joinpath("_standard", f"{name}.json").read_bytes())


IODS = load("sop_class_iod_map")
MODULES = load("iod_module_map")
ATTRIBUTES = load("module_attribute_map")
_STRICTEST = ("1", "1C", "2", "2C", "3")


class Table(NamedTuple):
    """The attributes of a class at each path of sequences, and the keywords of its mandatory modules at the top."""

    types: dict[tuple[str, ...], dict[str, str]]  # path → keyword → the strictest type
    mandatory: set[str]


@cache
def table_of(sop_class: str) -> Table:
    found = Table(defaultdict(dict), set())
    for module in MODULES[IODS[sop_class]]:
        for attribute in ATTRIBUTES[module["key"]]:
            path, keyword = tuple(attribute["path"]), attribute["keyword"]
            if module["usage"] == "M" and not path:
                found.mandatory.add(keyword)
            known = found.types[path].get(keyword, "3")
            found.types[path][keyword] = min(known, attribute["type"], key=_STRICTEST.index)
    return found


def complaints_of(item: Dataset, table: Table, at: tuple[str, ...] = ()) -> Iterator[str]:
    """Attributes that the class does not have, and those of type 1 or 2 that are missing or have no value."""
    types = table.types[at]
    for element in item:
        if element.keyword not in types:
            yield f"{(*at, element.keyword)} is not of this class"
        for nested in element.value if element.VR == "SQ" else ():
            yield from complaints_of(nested, table, (*at, element.keyword))
    for keyword, kind in types.items():
        # At the top, a module that is not mandatory may be absent as a whole; an item has what its table demands.
        if kind in ("1", "2") and keyword not in item and (at or keyword in table.mandatory):
            yield f"{(*at, keyword)} is missing, type {kind}"
        elif kind in ("1", "1C") and keyword in item and item[keyword].is_empty:
            yield f"{(*at, keyword)} has no value, type {kind}"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory, annotated: Path, complete: Path) -> list[Path]:
    """Every form of every class, annotations, all filters, an unspecified lead, an issuer, a signal left out."""
    folder = tmp_path_factory.mktemp("tables")
    made = [variant.path for variant in write_all(folder)]
    record = folder / "12-lead"
    header = record.with_suffix(".hea").read_text()
    (folder / "odd.hea").write_text(header.replace("12-lead 12", "odd 12").replace(" V5\n", " Q9\n"))
    options = Options(unknown_leads="local", issuer_of_patient_id="HOSPITAL", sop_class="12-lead")
    convert_record(folder / "odd", folder / "odd.dcm", Acquisition(), options)
    return [*made, folder / "odd.dcm", annotated, complete]


def test_no_object_of_any_class_misses_an_attribute_or_has_one_too_many(objects: list[Path]) -> None:
    found = {}
    for path in objects:
        dataset = pydicom.dcmread(path)
        found[path.name] = list(complaints_of(dataset, table_of(dataset.SOPClassUID)))
    assert found == {path.name: [] for path in objects}


def test_each_missing_empty_or_foreign_attribute_of_general_32_bit_is_noticed(objects: list[Path]) -> None:
    """So the test above can fail, at the top and in every item."""
    dataset = next(ds for ds in map(pydicom.dcmread, objects) if ds.SOPClassUID.name.startswith("General 32-bit"))
    table = table_of(dataset.SOPClassUID)
    tried = 0
    for path, types in table.types.items():
        for item in items_at(dataset, path)[:1]:
            for keyword, kind in types.items():
                optional = kind not in ("1", "2") or (not path and keyword not in table.mandatory)
                if optional or keyword not in item:
                    continue
                tried += 1
                element = item[keyword]
                del item[keyword]
                assert f"{(*path, keyword)} is missing, type {kind}" in list(complaints_of(dataset, table))
                if kind == "1":
                    setattr(item, keyword, [] if element.VR == "SQ" else None)
                    assert f"{(*path, keyword)} has no value, type 1" in list(complaints_of(dataset, table))
                item[keyword] = element
            item.Rows = 1
            assert f"{(*path, 'Rows')} is not of this class" in list(complaints_of(dataset, table))
            del item.Rows
    assert tried >= 40


def items_at(dataset: Dataset, path: tuple[str, ...]) -> list[Dataset]:
    """The items at the end of a path of sequences."""
    items = [dataset]
    for keyword in path:
        items = list(chain.from_iterable(item.get(keyword) or () for item in items))
    return items
