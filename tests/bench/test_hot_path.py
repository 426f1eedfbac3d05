"""The work of converting one study stays what it is: a doubling of any part of it is noticed here.

No seconds are compared, but counts and a ratio with the committed reference, hotpath.json; see hotpath.py.
"""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from bench import hotpath
from wfdb2dicom.convert import Converter

REFERENCE = json.loads(hotpath.REFERENCE.read_text())
# Counts differ a little between versions of Python, the ratio with the processor's caches and what else runs.
SLACK = {"calls": 1.1, "os_calls": 1.1, "zip_calls": 1.1, "zip_os_calls": 1.1, "cpu": 1.5}


def excess(figures: dict[str, float]) -> list[str]:
    """The figures that are higher than the reference allows."""
    return [
        f"{name} is {figures[name]} where the reference is {REFERENCE[name]}: find what was added to each study, or, "
        "if it is worth it, run tests/bench/hotpath.py --write and commit hotpath.json"
        for name, slack in SLACK.items()
        if figures[name] > slack * REFERENCE[name]
    ]


def test_a_study_is_no_more_work_than_it_was() -> None:
    assert excess(hotpath.measure()) == []


def twice(converter: Converter, record: str, dicom: str) -> None:
    """Everything is done again for a second file."""
    hotpath.convert(converter, record, dicom)
    hotpath.convert(converter, record, dicom.replace("x.dcm", "y/x.dcm"))


def hashed_again(converter: Converter, record: str, dicom: str) -> None:
    """Four digests more of the samples: few calls, much work."""
    hotpath.convert(converter, record, dicom)
    content = Path(record + ".dat").read_bytes()
    for _ in range(4):
        sha256(content).digest()


@pytest.mark.parametrize(("conversion", "noticed"), [(twice, {"calls", "os_calls", "cpu"}), (hashed_again, {"cpu"})])
def test_more_work_is_noticed(conversion: hotpath.Conversion, noticed: set[str]) -> None:
    assert {words.split()[0] for words in excess(hotpath.measure(conversion))} == noticed
