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
    from_header = header.moment if options.time_from == "header" else None
    ecg_time = acquisition.ecg_time
    from_csv = parse_moment(ecg_time) if ecg_time else None
    if from_header is not None and (from_csv or not ecg_time):
        return _dated(RecordingTime(from_header, "header"))
    unused, warnings = [], []
    if header.stated_time and from_header is None:
        stated = printable(header.stated_time, _SHOWN)
        unused.append(f"header: {stated}")
        if header.moment is None:
            warnings.append(f"the header's time {stated!r} was not used: it is not a date with a time")
    if from_header is not None:
        stated = printable(ecg_time, _SHOWN)
        unused.append(f"ecg_time: {stated}")
        warnings.append(f"ecg_time {stated!r} was not used: it is not YYYY-MM-DD HH:MM:SS")
        return _dated(RecordingTime(from_header, "header", tuple(unused), tuple(warnings)))
    if from_csv is not None:
        return _dated(RecordingTime(from_csv, "ecg_time", tuple(unused), tuple(warnings)))
    if ecg_time:
        raise DateError(f"ecg_time {ecg_time!r} is not YYYY-MM-DD HH:MM:SS; correct it")
    if not options.undated:
        raise DateError(
            f"no date is known: {_why_undated(header, options)}, and there is no ecg_time; name its column in"
            " ecg_time_col, or set undated to a placeholder such as 1900-01-01"
        )
    return RecordingTime(datetime.fromisoformat(options.undated), PLACEHOLDER, tuple(unused), tuple(warnings))


def _dated(found: RecordingTime) -> RecordingTime:
    if found.moment.year < FIRST_YEAR:
        raise DateError(
            f"the {found.source} has the year {found.moment.year}, in which no ECG was recorded; correct it"
        )
    return found


def _why_undated(header: Header, options: Options) -> str:
    """Why the header gives no date."""
    if options.time_from != "header":
        return "the header's is not taken (time_from: ecg_time)"
    if header.stated_time:
        return f"the header has {printable(header.stated_time, _SHOWN)!r}, which is not a date with a time"
    return "the header has none"
