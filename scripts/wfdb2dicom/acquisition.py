"""What is known about a recording besides its WFDB record, and how cells of tables are read: ids, times, sex, age.

The fields of an `Acquisition` are text as DICOM has it (DS, SH and CS values), "" if unknown. A value that cannot be
understood or does not fit its attribute is unknown; it is never guessed, rounded or cut short. A row of
``machine_measurements.csv`` gives:

=====================  ==========================================================================================
Column                 Field
=====================  ==========================================================================================
subject_id, study_id   the same fields, digits only if they are numbers (see `normalise_id`)
ecg_time               ecg_time
cart_id                cart_id (Station Name)
bandwidth              ``0.005-150 Hz``: filter_low and filter_high (Filter Low and High Frequency)
lowpassfilter          filter_low, and *highpassfilter* filter_high: the columns of the original tool's preprocessed
                       frame hold the first and the second number of bandwidth, whatever their names say
filtering              ``60 Hz notch Baseline filter``: notch (Notch Filter Frequency)
rr_interval … t_axis   measurements, only on request
report_0 … report_17   reports, only on request
=====================  ==========================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

from wfdb2dicom.errors import ArgumentError

COLUMNS = ("subject_id", "cart_id", "ecg_time", "bandwidth", "filtering", "lowpassfilter", "highpassfilter")
INTERVALS = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end")
AXES = ("p_axis", "qrs_axis", "t_axis")
REPORTS = tuple(f"report_{i}" for i in range(18))
ANNOTATION_COLUMNS = (*INTERVALS, *AXES, *REPORTS)

# What the carts write for "none" (29999, 32767, -32768, 65535, 65534, 61440 in MIMIC-IV-ECG) lies beyond all of these.
_LONGEST_INTERVAL = 20_000  # ms: twice the length of a recording
_WIDEST_AXIS = 360  # degrees, either way
_NOTHING = frozenset({"", "nan", "nat", "none", "null", "<na>", "<not specified>"})

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e([+-]?[0-9]{1,3}))?\s*(?:Hz)?\s*", re.IGNORECASE)
_BANDWIDTH = re.compile(r"\s*([0-9.]+)\s*(?:Hz)?\s*[-\u2013]\s*([0-9.]+)\s*Hz\s*", re.IGNORECASE)
_NOTCH = re.compile(r"([0-9.]+)\s*Hz\s+notch", re.IGNORECASE)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?").fullmatch
_MONTH_NAME = re.compile(r"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)").fullmatch
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}  # PS3.3 C.7.1.1, Patient's Sex
_YEARS = re.compile(r"([0-9]{1,3})(?:\.0*)?").fullmatch
OLDEST_AGE = 89  # years; HIPAA forbids stating a higher age (45 CFR 164.514(b)(2)(i)(C))
_WHOLE = re.compile(r"(-?[0-9]{1,6})(?:\.0*)?")
_MINUTE = 60  # seconds
_LONGEST_TIME = 60  # characters of a time that cannot be read
_SHORTEST_ID = 8  # digits of MIMIC-IV-ECG's ids
_SHORT_STRING = re.compile(r"(?! )[ -\[\]-~]{1,16}(?<! )")  # SH in the default repertoire: no backslash, no control


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What is known about a recording besides its WFDB record.

    Attributes
    ----------
    subject_id, study_id : str
        As in the study CSV, normalised to digits.
    ecg_time : str
        ``YYYY-MM-DD HH:MM:SS``; or what the study CSV or the metadata state instead, see `stated_time`.
    cart_id : str
        The ECG cart, at most 16 characters.
    filter_low, filter_high, notch : str
        Hz: high-pass cut-off (first number of ``bandwidth``), low-pass cut-off (second), notch frequency.
    patient_sex, anchor_age, anchor_year : str
        From a table of patients: CS ``M``, ``F`` or ``O``; an age in years, and the year in which the patient had it.
    column_sex, column_age : str
        From columns of the study CSV: CS ``M``, ``F`` or ``O``; the age in years when the ECG was recorded.
    measurements : tuple of (str, int)
        Column and value, in the order of the columns, without sentinels: intervals in ms, axes in degrees.
    reports : tuple of str
        The lines of the machine's report that are not empty.
    study_instance_uid, series_instance_uid : str
        Used instead of derived ones: those of an examination that an information system already knows.
    """

    subject_id: str = ""
    study_id: str = ""
    ecg_time: str = ""
    cart_id: str = ""
    filter_low: str = ""
    filter_high: str = ""
    notch: str = ""
    patient_sex: str = ""
    anchor_age: str = ""
    anchor_year: str = ""
    measurements: tuple[tuple[str, int], ...] = ()
    reports: tuple[str, ...] = ()
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    column_sex: str = ""
    column_age: str = ""

    def __post_init__(self) -> None:
        """Refuse ids and times that are not text (`ArgumentError`): no number equals the text of a header."""
        if type(self.subject_id) is type(self.study_id) is type(self.ecg_time) is str:
            return  # without a call: there is one of these per study
        for name in ("subject_id", "study_id", "ecg_time"):
            if not isinstance(value := getattr(self, name), str):
                raise ArgumentError(f"{name}: {value!r} is not text; write {str(value)!r}")

    def to_json(self) -> str:
        """Compact JSON of the fields that are not empty, with sorted keys, so that equal values give equal text."""
        return _encode({name: value for name, value in zip(_SORTED_FIELDS, _values(self), strict=True) if value})

    @classmethod
    def from_json(cls, text: str) -> Acquisition:
        """The inverse of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        if "measurements" in values:
            values["measurements"] = tuple((str(name), int(value)) for name, value in values["measurements"])
        if "reports" in values:
            values["reports"] = tuple(values["reports"])
        return cls(**values)


_SORTED_FIELDS = sorted(f.name for f in fields(Acquisition))
_values = attrgetter(*_SORTED_FIELDS)  # one call for all of them: it is made for each study
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def from_row(row: Mapping[str, object], *, annotations: bool = False) -> Acquisition:
    """The values of one row of machine_measurements, or of the original tool's preprocessed frame.

    Parameters
    ----------
    row
        Column name → cell: text, number, time, None or NaN. Columns may be missing; others are ignored.
    annotations
        Whether to include measurements and report lines.
    """
    low, high = _band(as_text(row.get("bandwidth")))
    if not low and not high:
        low, high = _edges(as_text(row.get("lowpassfilter")), as_text(row.get("highpassfilter")))
    return Acquisition(
        subject_id=normalise_id(as_text(row.get("subject_id")), "p"),
        study_id=normalise_id(as_text(row.get("study_id")), "s"),
        ecg_time=stated_time(as_text(row.get("ecg_time"))),
        cart_id=station_name(as_text(row.get("cart_id"))),
        filter_low=low,
        filter_high=high,
        notch=_notch(as_text(row.get("filtering"))),
        measurements=_measurements(row) if annotations else (),
        reports=tuple(filter(None, (as_text(row.get(name)) for name in REPORTS))) if annotations else (),
    )


def as_text(value: object) -> str:
    """A cell of a CSV or frame as stripped text; "" for None, NaN, NaT and the words that stand for them.

    A float that is a whole number loses its ``.0``, because it is an integer from a column with missing values. Times
    become ``YYYY-MM-DD HH:MM:SS``.
    """
    if isinstance(value, str):
        text = value.strip()
        return "" if text.lower() in _NOTHING else text
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return as_text(str(value))  # None, NaN, NaT and NA are in `_NOTHING`


def normalise_id(text: str, prefix: str) -> str:
    """An id in its plain form: ``40689238.0`` and ``s40689238`` become ``40689238``.

    Parameters
    ----------
    text
        The id as text, see `as_text`.
    prefix
        ``s`` for studies, ``p`` for subjects: the letter of their folders in MIMIC-IV-ECG. With fewer than 8 digits it
        is part of the id, because another data set may have P001 and 001.

    Returns
    -------
    str
        Digits if the id is a number, with leading zeros; else the text as it is.
    """
    if text.isdecimal() and text.isascii():
        return text
    number = text.partition(".")
    digits = number[0][1:] if number[0][:1].lower() == prefix and len(number[0]) > _SHORTEST_ID else number[0]
    return digits if digits.isdecimal() and digits.isascii() and not number[2].strip("0") else text


def parse_moment(text: str) -> datetime | None:
    """A date and time of day in a form that can be read in one way only; None for anything else.

    The forms are ISO 8601 without a UTC offset (``2180-07-23 08:44:00.5``, ``2180-07-23T08:44``) and a date with the
    name of its month (``12-May-2020 12:33:59``). A date alone is not enough: midnight would be invented.
    """
    if not _ISO(text):
        match = _MONTH_NAME(text)
        if match is None or match[2].lower() not in _MONTHS:
            return None
        text = f"{match[3]}-{_MONTHS.index(match[2].lower()) + 1:02d}-{int(match[1]):02d} {match[4]}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def same_time(one: datetime, other: datetime) -> bool:
    """Whether two times are less than a minute apart: MIMIC-IV-ECG's headers, and some tables, have no seconds."""
    return abs((one - other).total_seconds()) < _MINUTE


def normalise_time(text: str) -> str:
    """``YYYY-MM-DD HH:MM:SS`` of what `parse_moment` reads; "" for anything else."""
    moment = parse_moment(text)
    return moment.isoformat(" ", "seconds") if moment else ""


def stated_time(text: str) -> str:
    """`normalise_time` of a text, or the text itself, so that a time which cannot be read can be named."""
    return normalise_time(text) or text[:_LONGEST_TIME]


def sex_code(text: str) -> str:
    """Patient's Sex (CS ``M``, ``F`` or ``O``) of a letter or an English word; "" for anything else."""
    return _SEXES.get(text.strip().lower(), "")


def age_in_years(text: str) -> str:
    """A whole number of years from 0 to 89 without leading zeros and fraction; "" for anything else.

    Higher ages must not be stated (docs/conversion.md), and collections replace them: ``300`` in PTB-XL.
    """
    match = _YEARS(text.strip())
    return str(int(match[1])) if match and int(match[1]) <= OLDEST_AGE else ""


@lru_cache(maxsize=4096)
def station_name(text: str) -> str:
    """`text` where it fits Station Name (SH: 16 characters, no backslash; PS3.5 section 6.2), else ""."""
    text = normalise_id(text, "")
    return text if _SHORT_STRING.fullmatch(text) else ""


@lru_cache(maxsize=4096)
def _band(bandwidth: str) -> tuple[str, str]:
    match = _BANDWIDTH.fullmatch(bandwidth)
    return _edges(match[1], match[2]) if match else ("", "")


@lru_cache(maxsize=4096)
def _edges(low: str, high: str) -> tuple[str, str]:
    """Both edges of the pass band as DS texts in Hz; neither, when the low one is not below the high one."""
    low, high = _hertz(low), _hertz(high)
    return (low, high) if not (low and high) or Decimal(low) < Decimal(high) else ("", "")


@lru_cache(maxsize=4096)
def _notch(filtering: str) -> str:
    match = _NOTCH.search(filtering)
    return _hertz(match[1]) if match else ""


def _hertz(text: str) -> str:
    """A positive frequency as the one DS text it has: ``150.0`` is ``150``, ``5e-4`` is ``0.0005``.

    Seven digits, so that a filter kept in single precision (0.004999999888) is what it was (0.005).
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return ""
    number = Decimal(f"{float(match[1] + ('e' + match[2] if match[2] else '')):.7g}")
    if not number.is_finite() or not 0 < number < 1_000_000:
        return ""
    whole = format(number.normalize(), "f")
    return whole if len(whole) <= 16 else ""


def _measurements(row: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    found = []
    for name in (*INTERVALS, *AXES):
        match = _WHOLE.fullmatch(as_text(row.get(name)))
        value = int(match[1]) if match else 0
        if match and (abs(value) <= _WIDEST_AXIS if name in AXES else 0 < value <= _LONGEST_INTERVAL):
            found.append((name, value))
    return tuple(found)
