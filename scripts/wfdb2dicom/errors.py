"""The errors of this package, and their text in the result CSV.

A failed study is data, not a failed job: an error of the study itself is raised as a `StudyError` (or as an `OSError`
on its source files) and ends as text in the ``dcm_error`` column. Errors that are not a study's (`OutputError`,
`ConfigError`) stop the job or the run.

::

    Wfdb2DicomError
    ├── StudyError                the study cannot be converted
    │   ├── HeaderError
    │   ├── SignalError
    │   │   └── ChecksumError
    │   ├── SubjectMismatch, UnknownSubject
    │   ├── LeadError, UnitsError
    │   ├── DateError
    │   ├── UidError, PathError, RangeError
    │   ├── ValidationFailed
    │   └── RestoreError, MetadataError, ...   (beside what raises them)
    ├── ConfigError               an option, table or argument is wrong
    │   └── ArgumentError
    ├── OutputError               a file cannot be written
    └── EcgError, TableError, ... (beside what raises them)
"""

import builtins
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from wfdb2dicom.words import printable

_LONGEST_MESSAGE = 4000  # characters of an error that stops a run: it may name many keys


class Wfdb2DicomError(Exception):
    """Everything that this package raises on purpose; its text is always printable and bounded."""

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable() and len(text) <= _LONGEST_MESSAGE:
            return text
        return "\n".join(printable(line, _LONGEST_MESSAGE) for line in text[:_LONGEST_MESSAGE].split("\n"))


class StudyError(Wfdb2DicomError):
    """A study that cannot be converted, for a reason in the study itself."""


class HeaderError(StudyError):
    """The WFDB header cannot be understood or contradicts itself."""


class SignalError(StudyError):
    """The signal file does not hold what the header says."""


class ChecksumError(SignalError):
    """The samples do not have the checksum or initial value that the header gives."""


class SubjectMismatch(StudyError):
    """The header names another patient or study than the CSV."""


class UnknownSubject(StudyError):
    """Neither the header nor the CSV names the patient."""


class LeadError(StudyError):
    """A lead name is unknown or appears twice."""


class UnitsError(StudyError):
    """A physical unit that cannot be converted to millivolt."""


class DateError(StudyError):
    """The date and time of the recording is unknown or invalid."""


class UidError(StudyError):
    """A given UID is not a valid one."""


class PathError(StudyError):
    """A path leaves its tree, or is missing or not usable."""


class RangeError(StudyError):
    """The record breaks a limit of the DICOM class that it would become."""


class ValidationFailed(StudyError):
    """The file on disk is not the one that was written."""


class ConfigError(Wfdb2DicomError):
    """An error that stops a run before any work; names the key or column, its value and the remedy."""


class ArgumentError(ConfigError):
    """An argument of a public function or command is wrong: names it, its value and the remedy."""


class OutputError(Wfdb2DicomError):
    """The output cannot be written (disk full, read-only, forbidden): the job fails, not a study."""


# All other `OSError`s may be temporary. A missing file is permanent because `plan` records that it is missing, and
# notices when it appears.
_PERMANENT_OS_ERRORS = {"FileNotFoundError", "NotADirectoryError", "IsADirectoryError"}


# Ends the text of an error whose files were different when the run was planned: it may be temporary.
CHANGED = " (the files changed since the run was planned)"


def describe(error: BaseException) -> str:
    """The text of an error in the result CSV: ``{ExceptionType}: {message}`` on one line, all of it printable."""
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{error.strerror}: {error.filename!r}"
    elif isinstance(error, UnicodeEncodeError):
        lacking = error.object[error.start : error.end]
        message = f"the locale's {error.encoding} lacks {lacking!r} of a path: set PYTHONUTF8=1, or a UTF-8 locale"
    else:
        message = str(error)
    name = "MemoryError" if isinstance(error, MemoryError) else type(error).__name__  # numpy has one of its own
    return f"{name}: {printable(message)}"


def told(error: BaseException, path: object = "") -> str:
    """The words of an error for the screen: without its type, and with the file that it is about, named once."""
    words = describe(error).partition(": ")[2]
    return words if str(path) in words else f"{path}: {words}"


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """A block that works on an open file: its errors get the name of the file, of which the kernel says nothing."""
    try:
        yield
    except OSError as error:
        name_file(error, path)
        raise


def name_file(error: OSError, path: str | os.PathLike[str]) -> None:
    """Give an error the name of its file where it has none."""
    if error.filename is None:
        error.filename = os.fspath(path)


# Each may identify a patient: a quoted path (but of the workflow's own files), a path that an error begins with
# (including spaces, up to the name of a file), an unquoted path (not "Input/output error"), the word after "patient"
# or "subject".
_QUOTED = re.compile(
    r"""(['"])(?!results/(?:plan|receipts)/)(?![\d: .]*\d/\d{1,2}/\d{2,4}[\d: .]*\1)"""
    r"""(?:(?!\1).)*/((?:(?!\1|/).)*)(\1|$)"""
)
_LEADING = re.compile(r"""^(\w+: )(?:(?!: ['"]).)*?/(?=[^\s/'"]+\.(?:hea|dat|mat|dcm)\b)""")
_BARE = re.compile(r"""(?<![^\s'"])(?!Input/output |\d{1,2}/\d{1,2}/\d{2,4}\b)(?:[^\s'"/]*/)+(?=[^\s/])""")
_PATIENT = re.compile(r"\b(subject(?:_id)?|patient(?:_id)?)( is)? ('[^']*'|\"[^\"]*\"|[^\s,;]*\d[^\s,;]*)")
_OF_SUBJECT = re.compile(
    r"\b(belongs to subject|says? subject|of subject|CSV subject|two subjects,) (?!…)([^;]*?)(?=[;,] |;|$)"
)
_PATIENT_FOLDER = re.compile(r"\bp\d{8}\b")


def mask_patient(error: str, *known: str) -> str:
    """The text of an error without patients, and without folders, which MIMIC-IV-ECG names after them.

    Parameters
    ----------
    known : str
        Identifiers of the patient as far as they are known.
    """
    error = _BARE.sub("", _without_folders(_LEADING.sub(r"\1", error)))
    error = _PATIENT_FOLDER.sub("p…", _without_subjects(error))
    for identifier in filter(None, known):
        error = re.sub(rf"(?<!\w){re.escape(identifier)}(?!\w)", "…", error)
    return error


def stop_message(error: BaseException) -> str:
    """The error that stopped a job or a run, for the screen: files without folders, which may name a patient."""
    if isinstance(error, OSError):
        return f"{told(error)}; no result is lost; fix the cause and run again"
    return _without_folders(str(error)) if isinstance(error, OutputError) else str(error)


def _without_subjects(words: str) -> str:
    return _OF_SUBJECT.sub(r"\1 …", _PATIENT.sub(r"\1\2 …", words))


def _without_folders(words: str) -> str:
    """The text with quoted paths cut down to the names of the files."""
    return _QUOTED.sub(r"\1\2\3", words)


def is_transient(error: str) -> bool:
    """Whether an unchanged study that failed with this text is worth another try.

    True for ``Timeout>…``, ``WorkerCrash: …``, ``ValidationFailed: …``, lack of memory, input/output errors other than
    a missing file, and any error of files that changed during the run.
    """
    if error.startswith(("Timeout>", "WorkerCrash", "MemoryError", "ValidationFailed")) or error.endswith(CHANGED):
        return True
    name = error.partition(":")[0]
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, OSError) and name not in _PERMANENT_OS_ERRORS
