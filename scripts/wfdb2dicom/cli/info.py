"""Describe a WFDB record or a DICOM ECG object on one screen.

Shows patient, time, leads, rate, length, gains, filters, DICOM class and invalid samples. For a record it also shows
whether it can be converted with the default options, and the row that a study CSV needs for it.

exit status:
  0  described
  1  it is neither a WFDB record nor a DICOM ECG object, or cannot be read
  2  wrong arguments

example:
  wfdb2dicom info files/p9000/p90000001/s94000001/94000001
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.arguments import record_path
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.part10 import is_dicom
from wfdb2dicom.dicom.sop_classes import SOP_CLASSES
from wfdb2dicom.dicom.stated_changes import UNKNOWN_PATIENT
from wfdb2dicom.errors import ArgumentError, ConfigError, StudyError, describe
from wfdb2dicom.records import comments
from wfdb2dicom.records.header import Header, parse
from wfdb2dicom.records.source_file import read_header_text
from wfdb2dicom.system.output_tree import OutputTree
from wfdb2dicom.system.paths import WFDB_SUFFIXES
from wfdb2dicom.system.regular_file import read_file
from wfdb2dicom.words import duration

if TYPE_CHECKING:
    from pydicom import Dataset

    from wfdb2dicom.page.ecg import Ecg


# To try the conversion of a record whose patient and time only the study CSV knows.
_STAND_INS = Options(unknown_subject="study", undated="1900-01-01")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("source", type=Path, metavar="RECORD_OR_DICOM", help="path of a WFDB record or DICOM object")


def run(args: argparse.Namespace) -> int:
    """Describe."""
    path = args.source
    may_be_object = path.is_file() and path.suffix not in WFDB_SUFFIXES
    lines = _of_object(path) if may_be_object and is_dicom(path) else _of_record(_record(path))
    for name, value in lines:
        print(f"{name + ':':18}{value}" if name else value)
    return 0


def _record(path: Path) -> str:
    try:
        return record_path(path)
    except ArgumentError:
        raise ConfigError(
            f"{str(path)!r} is neither a DICOM file nor a WFDB record; name a .dcm file, or a record's header (.hea)"
        ) from None


def _of_record(record: str) -> list[tuple[str, str]]:
    header = _header(record)
    moment = header.moment.isoformat(" ") if header.moment else "not in the header: give ecg_time, or set undated"
    sex, age = comments.sex_and_age(header)
    lines = [
        ("WFDB record", record),
        ("patient", header.subject_id or "not in the header: give subject_id, or set unknown_subject"),
        ("sex and age", ", ".join(filter(None, (sex, age and f"{age} y"))) or "not given"),
        ("recorded", moment),
        ("signals", ", ".join(signal.description or "(no name)" for signal in header.signals)),
        *_extent(header.sampling_frequency, header.n_samples or 0),
        ("gains", _grouped((s.description, f"{s.gain:g}({s.baseline})/{s.units}") for s in header.signals)),
    ]
    missing = ["the patient"] * (not header.subject_id) + ["the date"] * (not header.moment)
    once = f" once {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} given" if missing else ""
    lenient = replace(_STAND_INS, other_signals="omit", unknown_leads="local")
    try:
        facts = _facts(record, lenient)
    except (StudyError, OSError) as error:
        return [*lines, ("conversion", f"not possible: {describe(error)}")]
    names = {sop_class.uid: sop_class.name for sop_class in SOP_CLASSES}
    lines.append(("DICOM class", names[facts["sop_class_uid"]]))
    lines.append(("invalid samples", _counts(facts.get("invalid_samples", {}))))
    lines.append(("flat leads", ", ".join(facts.get("flat_leads", [])) or "none"))
    try:
        _facts(record, _STAND_INS)
        lines.append(("conversion", f"possible with the default options{once}"))
    except StudyError as error:
        choices = f"only with --other-signals omit or --unknown-leads local{once and ','}{once}"
        lines.append(("conversion", f"{choices}: {describe(error)}"))
    needed = {"study_id": header.name, "path": os.path.basename(record)}
    if not header.subject_id:
        needed["subject_id"] = "<patient>"
    if not header.moment:
        needed["ecg_time"] = "<YYYY-MM-DD HH:MM:SS>"
    lines += [("study CSV", ",".join(needed)), ("", " " * 18 + ",".join(needed.values()))]
    return [*lines, ("", " " * 18 + f"with wfdb_dir {os.path.dirname(os.path.abspath(record))}")]


def _header(record: str) -> Header:
    text = read_header_text(record + ".hea", "")
    header = parse(text, record + ".hea")
    if not header.is_plain:
        from wfdb2dicom.records.wfdb_reader import read_with_wfdb

        with contextlib.suppress(StudyError, OSError):  # it is described as far as its header goes
            header = read_with_wfdb(record, "", text).header
    return header


def _facts(record: str, options: Options) -> dict[str, Any]:
    """The facts of the object that a record becomes."""
    converter = Converter("", OutputTree(os.curdir, make=False), options)
    facts: dict[str, Any] = json.loads(converter.encode(converter.prepare(record, Acquisition())).facts)
    return facts


def _of_object(path: Path) -> list[tuple[str, str]]:
    from pydicom import dcmread

    from wfdb2dicom.page.ecg import damaged, read

    ecg = read(path)
    try:
        return _lines(path, ecg, dcmread(BytesIO(read_file(path, follow_links=True))))
    except Exception as error:  # pydicom reads an attribute when it is asked for, and damage can raise anything
        raise damaged(str(path), error) from error


def _lines(path: Path, ecg: Ecg, dataset: Dataset) -> list[tuple[str, str]]:
    lines = [
        ("DICOM object", str(path)),
        ("SOP instance", ecg.sop_instance_uid),
        ("DICOM class", dataset.SOPClassUID.name if dataset.get("SOPClassUID") else "not given"),
        ("patient", ", ".join(filter(None, (_patient(ecg, dataset), ecg.sex, ecg.age))) or "not given"),
        ("study", ecg.study_id or "not given"),
        ("recorded", _moment(ecg, dataset)),
        ("station", ecg.station or "not given"),
        ("leads", ", ".join(ecg.leads)),
    ]
    for rate, length in dict.fromkeys((trace.frequency, len(trace.millivolt)) for trace in ecg.traces):
        lines += _extent(rate, length)
    lines.append(("sensitivities", _grouped(_sensitivities(dataset))))
    lines.append(("filters", ecg.filters or "not given"))
    lines.append(("invalid samples", _counts({trace.label: trace.invalid for trace in ecg.traces if trace.invalid})))
    lines.append(("flat leads", ", ".join(trace.label for trace in ecg.traces if trace.flat) or "none"))
    contributions = dataset.get("ContributingEquipmentSequence") or ()
    steps = [item.ContributionDescription for item in contributions if "ContributionDescription" in item]
    return [*lines, *([("steps", "; ".join(steps))] if steps else [])]


def _patient(ecg: Ecg, dataset: Dataset) -> str:
    known = dataset.get("PatientComments") != UNKNOWN_PATIENT
    return ecg.patient_id if known else f"not known ({ecg.patient_id} is the study's id)"


def _moment(ecg: Ecg, dataset: Dataset) -> str:
    if dataset.get("LongitudinalTemporalInformationModified") == "REMOVED":
        return "not known (the object's date is a placeholder)"
    return (ecg.acquired or "not given") + (" (dates were modified)" if ecg.shifted else "")


def _sensitivities(dataset: Dataset) -> Iterable[tuple[str, str]]:
    for group in dataset.WaveformSequence:
        for channel in group.ChannelDefinitionSequence:
            units = channel.get("ChannelSensitivityUnitsSequence")
            unit = units[0].get("CodeValue", "") if units else ""
            yield str(channel.get("ChannelLabel", "")), f"{channel.get('ChannelSensitivity', '?')} {unit}".strip()


def _extent(rate: float, length: int) -> list[tuple[str, str]]:
    seconds = f", {duration(length / rate)}" if length and rate else ""
    return [("sampling rate", f"{rate:g} Hz"), ("length", f"{length} samples{seconds}" if length else "not stated")]


def _grouped(values: Iterable[tuple[str, str]]) -> str:
    """Values by lead, each named once: `200(0)/mV`, or `200(0)/mV (I, II), 100(0)/mV (V1)`."""
    groups: dict[str, list[str]] = {}
    for name, value in values:
        groups.setdefault(value, []).append(name)
    if len(groups) == 1:
        return next(iter(groups))
    return ", ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
