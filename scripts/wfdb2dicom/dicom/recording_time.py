"""The date and time of an object: those of the header, of ``ecg_time``, or a placeholder."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from wfdb2dicom.acquisition import Acquisition, parse_moment
from wfdb2dicom.dicom.options import FIRST_YEAR, Options
from wfdb2dicom.errors import DateError
from wfdb2dicom.records.header import Header
from wfdb2dicom.words import printable

PLACEHOLDER = "placeholder"
_SHOWN = 60  # characters of a time that cannot be read


class RecordingTime(NamedTuple):
    """When a recording was made.

    Attributes
    ----------
    moment : datetime
    source : str
        ``header``, ``ecg_time`` or ``placeholder``.
    unused : tuple of str
        Times that are stated and were not used, each with its source: ``header: 19:46:25.757``. A time that can be
        read is not among them when the header's goes first.
    warnings : tuple of str
        A sentence about each that was not used because it cannot be read.
    """

    moment: datetime
    source: str
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_recording_time(header: Header, acquisition: Acquisition, options: Options) -> RecordingTime:
    """Choose the time of a recording by ``time_from`` and ``undated``.

    Raises
    ------
    DateError
        When no date is known, unless ``undated`` gives a placeholder, and when the one to be used cannot be read.
    """
    of_header = header.moment if options.time_from == "header" else None
    ecg_time = acquisition.ecg_time
    of_csv = parse_moment(ecg_time) if ecg_time else None
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    if of_header is None and header.stated_time:
        stated = printable(header.stated_time, _SHOWN)
        unused = (f"header: {stated}",)
        if header.moment is None:
            warnings = (f"the header's time {stated!r} was not used: it is not a date with a time",)
    elif of_header is not None and ecg_time and of_csv is None:
        stated = printable(ecg_time, _SHOWN)
        unused = (f"ecg_time: {stated}",)
        warnings = (f"ecg_time {stated!r} was not used: it is not YYYY-MM-DD HH:MM:SS",)
    moment, source = (of_header, "header") if of_header is not None else (of_csv, "ecg_time")
    if moment is None:
        moment, source = _placeholder(header, acquisition, options), PLACEHOLDER
    if moment.year < FIRST_YEAR:
        raise DateError(f"the {source} has the year {moment.year}, in which no ECG was recorded; correct it")
    return RecordingTime(moment, source, unused, warnings)


def _placeholder(header: Header, acquisition: Acquisition, options: Options) -> datetime:
    if acquisition.ecg_time:
        raise DateError(f"ecg_time {acquisition.ecg_time!r} is not YYYY-MM-DD HH:MM:SS; correct it")
    if not options.undated:
        raise DateError(
            f"no date is known: {_why_undated(header, options)}, and ecg_time is empty in this row or not given;"
            " fill it in, name its column in ecg_time_col, or set undated to a placeholder such as 1900-01-01"
        )
    return datetime.fromisoformat(options.undated)


def _why_undated(header: Header, options: Options) -> str:
    """Why the header gives no date."""
    if options.time_from != "header":
        return "the header's is not taken (time_from: ecg_time)"
    if header.stated_time:
        return f"the header has {printable(header.stated_time, _SHOWN)!r}, which is not a date with a time"
    return "the header has none"
