"""What can go wrong with a study, in the words of the result CSV.

A failed study is data, not a failed job: everything that a study itself is to blame for is raised as a
`StudyError` (or an `OSError` on its source files) and ends as text in the ``dcm_error`` column.
What no study is to blame for (`OutputError`, `ConfigError`) stops the job or the run.
"""

import builtins
import re


class Wfdb2DicomError(Exception):
    """Everything that this package raises on purpose."""


class StudyError(Wfdb2DicomError):
    """Something in the study itself that keeps it from being converted."""


class HeaderError(StudyError):
    """The WFDB header cannot be understood or contradicts itself."""


class SignalError(StudyError):
    """The signal file does not hold what the header says."""


class ChecksumError(SignalError):
    """The samples do not have the checksum or initial value that the header gives."""


class SubjectMismatch(StudyError):
    """The header speaks of another patient or study than the CSV."""


class LeadError(StudyError):
    """A lead name is unknown or stands twice."""


class UnitsError(StudyError):
    """A physical unit that cannot be converted to millivolt."""


class DateError(StudyError):
    """No date and time of the recording is known, or it is not one."""


class UidError(StudyError):
    """A UID that was given is none."""


class PathError(StudyError):
    """A path that leaves its tree, or none at all."""


class RangeError(StudyError):
    """The record breaks a limit of the DICOM class that it would become."""


class ValidationFailed(StudyError):
    """The file written is not the file meant."""


class ConfigError(Wfdb2DicomError):
    """What stops a run before any work: names the key or column, its value and the remedy."""


class ArgumentError(ConfigError):
    """An argument of a public function or command is wrong: names it, its value and the remedy."""


class OutputError(Wfdb2DicomError):
    """The output cannot be written (disk full, read-only, forbidden): the job fails, no study is to blame."""


# A study that failed so may succeed next time although nothing in it has changed. A missing file is not among
# them: `plan` records that it is missing, so its appearance is noticed.
_PERMANENT_OS_ERRORS = {"FileNotFoundError", "NotADirectoryError", "IsADirectoryError"}


# What follows the words of an error of files that were different when the run was planned: it may pass.
CHANGED = " (the files changed since the run was planned)"
_LONGEST = 1000  # characters of an error: a header may hold a megabyte of nonsense


def describe(error: BaseException) -> str:
    """The text of an error in the result CSV: ``{ExceptionType}: {message}`` on one line, all of it printable."""
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{error.strerror}: {error.filename!r}"
    else:
        message = str(error)
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]} …"
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(message.split()))
    name = "MemoryError" if isinstance(error, MemoryError) else type(error).__name__  # numpy has one of its own
    return f"{name}: {plain}"


# A path between quotes, one that an error begins with (spaces and all, to the name of a file), one that stands for
# itself (not "Input/output error"), and what follows the words for a patient: each may identify one.
_QUOTED = re.compile(r"""(['"])(?:(?!\1).)*/((?:(?!\1|/).)*)(\1|$)""")
_LEADING = re.compile(r"""^(\w+: )(?:(?!: ['"]).)*?/(?=[^\s/'"]+\.(?:hea|dat|mat|dcm)\b)""")
_BARE = re.compile(r"""(?<![^\s'"])(?!Input/output )(?:[^\s'"/]*/)+(?=[^\s/])""")
_PATIENT = re.compile(r"\b(subject(?:_id)?|patient(?:_id)?)( is)? ('[^']*'|\"[^\"]*\"|[^\s,;]*\d[^\s,;]*)")
_PATIENT_FOLDER = re.compile(r"\bp\d{8}\b")


def mask_patient(error: str, *known: str) -> str:
    """The words of an error for log and screen: no folders, which MIMIC-IV-ECG names after patients, and no patients.

    Parameters
    ----------
    known : str
        Identifiers of the patient as far as they are known.
    """
    error = _BARE.sub("", _without_folders(_LEADING.sub(r"\1", error)))
    error = _PATIENT_FOLDER.sub("p…", _PATIENT.sub(r"\1\2 …", error))
    for identifier in filter(None, known):
        error = re.sub(rf"(?<!\w){re.escape(identifier)}(?!\w)", "…", error)
    return error


def stop_message(error: BaseException) -> str:
    """What stopped a job or a run, for the screen: a target's file without its folders, which may name a patient."""
    if isinstance(error, OSError):
        return f"{describe(error).partition(': ')[2]}; no result is lost, mend it and run again"
    return _without_folders(str(error)) if isinstance(error, OutputError) else str(error)


def _without_folders(words: str) -> str:
    """Words whose quoted paths are but the names of their files."""
    return _QUOTED.sub(r"\1\2\3", words)


def is_transient(error: str) -> bool:
    """Whether an unchanged study that failed with this text is worth another try.

    True for ``Timeout>…``, ``WorkerCrash: …``, lack of memory, input/output errors other than a missing file, and
    whatever befell files that changed under the run.
    """
    if error.startswith(("Timeout>", "WorkerCrash", "MemoryError")) or error.endswith(CHANGED):
        return True
    name = error.partition(":")[0]
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, OSError) and name not in _PERMANENT_OS_ERRORS
