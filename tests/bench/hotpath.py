#!/usr/bin/env python3
"""The work of converting one study, in figures that do not depend on the machine's speed.

    hotpath.py          measure and print
    hotpath.py --write  the same, and make it the reference of test_hot_path.py

| figure | what |
|---|---|
| calls | calls of Python functions and of functions in C, a study |
| os_calls | those of the module posix among them, which are system calls |
| zip_calls, zip_os_calls | the same of a study in a ZIP |
| cpu | CPU time, in multiples of what reading, hashing and writing the same bytes takes |

Calls are counted and always the same; they notice more Python and more system calls. CPU time notices work
inside a call, such as hashing twice; both of its sides are timed in turns, and the least time of each is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tree

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.records.zip_index import ZipIndex
from wfdb2dicom.system import linux
from wfdb2dicom.system.output_tree import OutputTree

REFERENCE = Path(__file__).with_name("hotpath.json")
STUDIES = 12
REPETITIONS = 60
HEAD = bytes(4500)  # about as many bytes as precede the samples of a DICOM file

Conversion = Callable[[Converter, str, str], object]


def convert(converter: Converter, record: str, dicom: str) -> object:
    """What a worker does with a study, but for its supervision."""
    known = Acquisition(study_id=os.path.basename(record), cart_id="6848296", filter_low="0.005", filter_high="150")
    return converter.convert(converter.prepare(record, Acquisition.from_json(known.to_json())), dicom)


def convert_from_zip(converter: Converter, record: str, dicom: str, members: str) -> object:
    """The same for a study in a ZIP, whose bytes are asked for first."""
    converter.expect(record, dicom, members)
    known = Acquisition(study_id=os.path.basename(record), cart_id="6848296", filter_low="0.005", filter_high="150")
    return converter.convert(converter.prepare(record, Acquisition.from_json(known.to_json()), members), dicom)


def count_from_zip(folder: Path, records: list[str]) -> tuple[int, int]:
    """Calls of all functions, and of those of the operating system, for a study in a ZIP."""
    path = folder / "tree.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in (folder / "tree").rglob("*") if file.is_file()):
            archive.write(file, f"top/{file.relative_to(folder / 'tree')}")
    names = [os.path.relpath(record, folder / "tree") for record in records]
    members = [found.members for found in ZipIndex(str(path)).find(names)]
    converter = Converter(str(path), OutputTree(str(folder / "zip")), Options())
    for n, (name, places) in enumerate(zip(names, members, strict=True)):
        convert_from_zip(converter, name, f"first/{n}/x.dcm", places)
    unknown = members[0] + " "  # a text that is not in the cache of those that were parsed
    return _count(lambda: convert_from_zip(converter, names[0], "counted/0/x.dcm", unknown))


def plain_copy(record: str, dicom: str) -> None:
    """The floor: read a record, hash it, write as many bytes into a folder of their own."""
    header, data = Path(record + ".hea").read_bytes(), Path(record + ".dat").read_bytes()
    sha256(HEAD + data).hexdigest()
    os.makedirs(os.path.dirname(dicom))
    Path(dicom).write_bytes(HEAD + data)
    assert header


def measure(conversion: Conversion = convert) -> dict[str, float]:
    """The figures of a conversion."""
    linux.keep_freed_memory()  # as workers do
    # In memory, where it can be had: what a disk's file system costs differs, and is not our work.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        tree.write(Path(folder, "tree"), STUDIES, 5000)
        records = [str(path.with_suffix("")) for path in sorted(Path(folder, "tree").rglob("*.hea"))]
        converter = Converter("", OutputTree(folder), Options())
        for n, record in enumerate(records):  # templates are encoded, caches filled
            conversion(converter, record, f"first/{n}/x.dcm")
        calls, os_calls = _count(lambda: conversion(converter, records[0], "counted/0/x.dcm"))
        zip_calls, zip_os_calls = count_from_zip(Path(folder), records)
        ours, floor = 0, 0
        for n, record in enumerate(records):
            times = [
                (
                    _time(partial(conversion, converter, record, f"{n}/{k}/x.dcm")),
                    _time(partial(plain_copy, record, f"{folder}/{n}/plain{k}/x.dcm")),
                )
                for k in range(REPETITIONS)
            ]
            ours += min(our for our, _ in times)
            floor += min(its for _, its in times)
    counts = {"calls": calls, "os_calls": os_calls, "zip_calls": zip_calls, "zip_os_calls": zip_os_calls}
    return counts | {"cpu": round(ours / floor, 2)}


def _time(action: Callable[[], object]) -> int:
    start = time.thread_time_ns()
    action()
    return time.thread_time_ns() - start


def _count(action: Callable[[], object]) -> tuple[int, int]:
    """Calls of all functions, and of those of the operating system."""
    counts = [0, 0]

    def note(_frame: object, event: str, what: object) -> None:
        counts[0] += event in ("call", "c_call")
        counts[1] += event == "c_call" and getattr(what, "__module__", "") == "posix"

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return counts[0], counts[1]


def main() -> None:
    """Measure, print, and on request write the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {REFERENCE.name}")
    args = parser.parse_args()
    figures = measure()
    print(json.dumps(figures))
    if args.write:
        REFERENCE.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
