"""Meaning and next step of each kind of failure; docs/troubleshooting.md explains every message."""

from __future__ import annotations

import builtins
from typing import NamedTuple


class Remedy(NamedTuple):
    """Meaning and next step, a short sentence each."""

    meaning: str
    next_step: str


_AGAIN = "fetch the files again and run again: only these studies are converted then"
_KNOWN = {
    "HeaderError": Remedy(
        "the WFDB header contradicts itself or cannot be understood",
        "do what the errors say; fetch again only headers that differ from the publisher's",
    ),
    "SignalError": Remedy(
        "the signal file is cut short or not what its header says",
        "fetch files that are cut short again; for others do what the errors say",
    ),
    "ChecksumError": Remedy("the samples do not match the checksums in the header", _AGAIN),
    "SubjectMismatch": Remedy(
        "header and study CSV name different patients or studies", "correct path or subject_id in input_csv"
    ),
    "LeadError": Remedy(
        "a lead is unknown or appears twice, or a signal is not an ECG",
        "do what the errors say: correct the header, or set unknown_leads: local or other_signals: omit",
    ),
    "UnitsError": Remedy("a signal is not in volts", "leave out these records: they hold something other than an ECG"),
    "DateError": Remedy(
        "the date and time of the recording are not known or cannot be read",
        "do what the errors say: fill in or correct ecg_time, name its column in ecg_time_col, or set undated",
    ),
    "UnknownSubject": Remedy(
        "neither header nor study CSV names the patient",
        "name the column of patients in subject_id_col, or set unknown_subject: study",
    ),
    "UidError": Remedy("a given UID is not valid, or was given twice", "give another UID, or leave it out"),
    "IdError": Remedy("a study or subject id cannot be used", "correct the id in input_csv"),
    "MetadataError": Remedy("the rows of CSV and metadata contradict each other", "correct the row in metadata"),
    "PathError": Remedy("a path is empty, malformed or leaves wfdb_dir", "correct the path in input_csv"),
    "RangeError": Remedy("the record does not fit any DICOM ECG class", "leave it out, or cut or resample it"),
    "ValidationFailed": Remedy("the file on disk is not what was written", "check the storage, then run again"),
    "Missing df_info row for study_id": Remedy(
        "metadata has no row for the study", "complete metadata, or set missing_metadata: allow"
    ),
    "Timeout": Remedy("the study took too long", "run again, or set timeout higher"),
    "WorkerCrash": Remedy(
        "the converting process died, often for lack of memory",
        "run again with fewer cores; if the same study fails every time, report it",
    ),
    "MemoryError": Remedy("there was not enough memory", "run again with fewer cores"),
    "FileNotFoundError": Remedy(
        "the record is not where input_csv says", "correct wfdb_dir or path, or fetch the file"
    ),
    "PermissionError": Remedy("the record is not readable", "set its permissions, then run again"),
}
_STORAGE = Remedy("the storage failed to deliver the record", "check disk or network, then run again")
_OTHER = Remedy("an unforeseen error", "report it with the header and this line of the error log")


def remedy(kind: str) -> Remedy:
    """Meaning and next step of a kind of error, see `wfdb2dicom.results.summary.error_kind`."""
    name = "Timeout" if kind.startswith("Timeout>") else kind
    if name in _KNOWN:
        return _KNOWN[name]
    builtin = getattr(builtins, name, None)
    return _STORAGE if isinstance(builtin, type) and issubclass(builtin, OSError) else _OTHER
