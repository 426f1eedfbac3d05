"""From WFDB header, acquisition and options to the values of a DICOM object; docs/conversion.md in code.

Whatever the header says is checked here before a sample is read: the patient, the date, leads, gains and units.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from wfdb2dicom.acquisition import Acquisition, parse_moment, same_time
from wfdb2dicom.dicom import leads, sop_classes
from wfdb2dicom.dicom.annotations import Annotation, annotate
from wfdb2dicom.dicom.attributes import (
    ALL_KNOWN,
    Channel,
    InstanceAttributes,
    SharedAttributes,
    StandIns,
    decimal_string,
)
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.patient import find_patient_id, find_sex_and_age
from wfdb2dicom.dicom.recording_time import PLACEHOLDER, RecordingTime, find_recording_time
from wfdb2dicom.dicom.uids import ENCODING_VERSION, derive_uid
from wfdb2dicom.errors import HeaderError, RangeError, UidError, UnitsError
from wfdb2dicom.records.header import INVALID_16, Header, Signal

# ADC units per unit → ADC units per mV. WFDB spells them in every case; "MV" would be a megavolt and is refused.
PER_MILLIVOLT = {
    "mV": Fraction(1),
    "mv": Fraction(1),
    "uV": Fraction(1000),
    "uv": Fraction(1000),
    "µV": Fraction(1000),
    "μV": Fraction(1000),
    "nV": Fraction(1_000_000),
    "V": Fraction(1, 1000),
}
_VOLTS = re.compile(r"(?:[a-zµμ]|milli|micro|nano)?v(?:olts?)?", re.IGNORECASE).fullmatch
# Units without a quantity ("no units", "A/D units"): the signal may be an uncalibrated ECG.
_NO_QUANTITY = frozenset({"nu", "adu", "au", "a.u.", "nd", "n/a", "none", "unit", "units", "unknown", "?", "-", "1"})
_UID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+").fullmatch
_MAX_SH, _MAX_LO, _MAX_UI = 16, 64, 64  # characters, PS3.5 table 6.2-1


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """Everything in a study's DICOM object except the samples.

    Attributes
    ----------
    shared : SharedAttributes
        Without what depends on the samples, see `wfdb2dicom.dicom.stored_samples`.
    baselines : tuple of int
        The WFDB baseline of each channel, counts.
    order : tuple of int or None
        The signal that becomes each channel; None when channels are in the order of the signals.
    time : RecordingTime
        Whose `moment` is the instance's.
    """

    shared: SharedAttributes
    instance: InstanceAttributes
    baselines: tuple[int, ...]
    order: tuple[int, ...] | None
    time: RecordingTime


def describe_object(
    header: Header, acquisition: Acquisition, options: Options, digest: bytes = b"", bits: int = 16
) -> ObjectDescription:
    """Check a header against what the CSV says and map both to DICOM values.

    Parameters
    ----------
    digest : bytes
        Digest of the samples; takes the place of checksums in the identity where the header has none.
    bits : int
        Bits that the samples need.

    Raises
    ------
    StudyError
        One of its subclasses, naming the field, its value and the remedy.
    """
    subject, known = find_patient_id(header, acquisition, options)
    patient_id = _text("subject_id", subject, _MAX_LO)
    time = find_recording_time(header, acquisition, options)
    annotations, time = _annotations(acquisition, time) if options.annotations else ((), time)
    undated = time.source == PLACEHOLDER
    stand_ins = StandIns(not known, undated) if undated or not known else ALL_KNOWN
    sex, age = find_sex_and_age(header, acquisition, options, None if undated else time.moment.year)
    who = (patient_id.encode(), (acquisition.study_id or header.name).encode())
    identity = (str(ENCODING_VERSION).encode(), options.text(), header.text, acquisition.to_json().encode(), digest)
    study_instance_uid = _uid(acquisition.study_instance_uid) or derive_uid(options.uid_root, "study", *who)
    instance = InstanceAttributes(
        sop_instance_uid=derive_uid(options.uid_root, "instance", *identity),
        study_instance_uid=study_instance_uid,
        series_instance_uid=_uid(acquisition.series_instance_uid) or derive_uid(options.uid_root, "series", *who),
        moment=time.moment,
        patient_id=patient_id,
        study_id=_text("study_id", _study_id(header, acquisition) or study_instance_uid[-_MAX_SH:], _MAX_SH),
        station=_text("cart_id", acquisition.cart_id, _MAX_SH),
        patient_sex=sex,
        patient_age=age,
        annotations=annotations,
    )
    shared, baselines, order = _shared_attributes(
        tuple([signal[:5] for signal in header.signals]),
        _Shape(header.n_samples or 0, header.sampling_frequency, bits),
        (acquisition.filter_low, acquisition.filter_high, acquisition.notch),
        header.omitted,
        stand_ins,
        all(text.isascii() for text in instance.texts()),
        options,
    )
    return ObjectDescription(shared, instance, baselines, order, time)


SignalKey = tuple[str, float, int, str, int]
"""The fields of a `Signal` that decide on its channel: they are its first ones."""


class _Shape(NamedTuple):
    """Samples of each signal, their frequency in Hz, and the bits that they need."""

    n_samples: int
    frequency: float
    bits: int


@lru_cache(maxsize=4096)  # most studies of a data set have one of a handful
def _shared_attributes(
    signals: tuple[SignalKey, ...],
    shape: _Shape,
    filters: tuple[str, str, str],
    omitted: tuple[str, ...],
    stand_ins: StandIns,
    ascii_texts: bool,
    options: Options,
) -> tuple[SharedAttributes, tuple[int, ...], tuple[int, ...] | None]:
    """The attributes that a study's object shares with others, the baselines and the order of its channels."""
    channels, order = _channels(signals, options.lead_order, options.unknown_leads)
    labels = [channel.label for channel in channels]
    filter_low, filter_high, notch = filters
    shared = SharedAttributes(
        sop_class=sop_classes.choose(labels, shape.n_samples, shape.frequency, shape.bits, options.sop_class),
        frequency=decimal_string(Fraction(shape.frequency)),
        n_samples=shape.n_samples,
        channels=channels,
        filter_low=filter_low,
        filter_high=filter_high,
        notch=notch,
        omitted=omitted,
        issuer=options.issuer_of_patient_id,
        stand_ins=stand_ins,
        ascii=ascii_texts and all(text.isascii() for text in (*labels, *omitted, options.issuer_of_patient_id)),
    )
    baselines = [Signal(*signal).baseline for signal in signals]
    return shared, tuple(baselines if order is None else [baselines[n] for n in order]), order


def require_class(header: Header, options: Options) -> None:
    """Refuse a record that no class takes whatever its samples are, before they are read.

    Raises
    ------
    LeadError
        When a signal is not a lead: that explains more than the limit of a class does.
    RangeError
    """
    found = leads.find_all([signal.description for signal in header.signals], options.unknown_leads)
    labels = [lead.label for lead in found]
    shape = labels, header.n_samples or 0, header.sampling_frequency
    try:
        sop_classes.choose(*shape, 16, options.sop_class)
    except RangeError:
        if all((signal.invalid or 0) >= INVALID_16 for signal in header.signals):  # in formats of at most 16 bits
            raise
        sop_classes.choose(*shape, 32, options.sop_class)


def _annotations(acquisition: Acquisition, time: RecordingTime) -> tuple[tuple[Annotation, ...], RecordingTime]:
    """Measurements and report; none where their time contradicts the header's: they may be another study's."""
    annotations = annotate(acquisition)
    stated = parse_moment(acquisition.ecg_time) if annotations and time.source == "header" else None
    if stated is None or same_time(stated, time.moment):
        return annotations, time
    words = "measurements and report were left out: their ecg_time"
    warning = f"{words} {acquisition.ecg_time} is not the header's {time.moment.isoformat(' ', 'seconds')}"
    return (), time._replace(warnings=(*time.warnings, warning))


def _study_id(header: Header, acquisition: Acquisition) -> str:
    """The study's id where Study ID can hold it, else the record's name where it can; else ""."""
    return next((name for name in (acquisition.study_id, header.name) if 0 < len(name) <= _MAX_SH), "")


def is_other(signal: Signal) -> bool:
    """Whether a signal is certainly not an ECG: by its name, or by its unit where the name is not that of a lead.

    A lead of CID 3001 in mmHg contradicts itself, so it is not among them, and its unit is refused.
    """
    if leads.is_other(signal.description):
        return True
    unit = signal.units
    return not (leads.is_known(signal.description) or _VOLTS(unit) or unit.casefold() in _NO_QUANTITY)


def _text(field: str, value: str, limit: int) -> str:
    """A value as DICOM text holds it: no backslash, no control characters, within its length."""
    value = value.strip()
    if len(value) > limit or "\\" in value or not value.isprintable():
        raise HeaderError(
            f"{field} {value!r} is not a DICOM text of at most {limit} characters; correct it in the input"
        )
    return value


def _uid(given: str) -> str:
    """A UID that was given, checked (PS3.5 section 9.1); "" when none was."""
    if given and (len(given) > _MAX_UI or not _UID(given)):
        raise UidError(f"{given!r} is not a DICOM UID: digits and dots, no leading zeros, at most {_MAX_UI} characters")
    return given


@lru_cache(maxsize=4096)
def _channels(
    signals: tuple[SignalKey, ...], lead_order: str, unknown_leads: str
) -> tuple[tuple[Channel, ...], tuple[int, ...] | None]:
    """Channel definitions in the order wanted, and that order; signals of one data set are nearly always alike."""
    found = leads.find_all([description for description, *_ in signals], unknown_leads)
    channels = [_channel(lead, Signal(*signal)) for lead, signal in zip(found, signals, strict=True)]
    order = list(range(len(found)))
    if lead_order == "standard":
        rank = {label: n for n, label in enumerate(leads.STANDARD_ORDER)}
        order.sort(key=lambda n: rank.get(found[n].label, len(rank)))
    if order == sorted(order):
        return tuple(channels), None
    return tuple(channels[n] for n in order), tuple(order)


def _channel(lead: leads.Lead, signal: Signal) -> Channel:
    """PS3.3 C.10.9.1.4: millivolt = sample × sensitivity × correction factor + baseline.

    Channel Sample Skew is where a channel's first sample lies; WFDB's skew is by how many samples it lies before that.
    """
    name = signal.description
    if signal.units not in PER_MILLIVOLT:
        raise UnitsError(f"signal {name!r} is in {signal.units!r}, not in volts; only {', '.join(PER_MILLIVOLT)}")
    if not (math.isfinite(signal.gain) and signal.gain > 0):
        raise HeaderError(f"signal {name!r} has gain {signal.gain:g}; a gain is greater than 0")
    per_millivolt = Fraction(signal.gain) * PER_MILLIVOLT[signal.units]
    return Channel(
        label=lead.label,
        code=lead.code,
        meaning=lead.meaning,
        modifier=lead.modifier,
        sensitivity=decimal_string(1 / per_millivolt),
        baseline=decimal_string(-signal.baseline / per_millivolt),
        skew=str(-signal.skew),
    )
