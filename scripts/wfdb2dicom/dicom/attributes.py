"""The values of a DICOM ECG object, as text and numbers: those that many objects share, and those of one alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from wfdb2dicom.dicom.annotations import Annotation
from wfdb2dicom.dicom.sop_classes import SopClass

MAX_DS = 16  # characters of a decimal string, PS3.5 table 6.2-1


class Channel(NamedTuple):  # a tuple, because shared attributes are looked up by their channels: it hashes fast
    """A channel definition; decimal strings are as DICOM holds them, millivolt and samples their units.

    Attributes
    ----------
    modifier : str
        MDC code of the lead that tells channels with the same `code` apart, "" for none.
    status : str
        Channel Status, "" where all samples are valid.
    """

    label: str
    code: str
    meaning: str
    sensitivity: str
    baseline: str
    skew: str = "0"
    modifier: str = ""
    status: str = ""


class StandIns(NamedTuple):
    """Values that an object has in place of unknown ones: the study's id for the patient, a date for the date."""

    patient: bool = False
    date: bool = False


ALL_KNOWN = StandIns()


@dataclass(frozen=True, slots=True)
class SharedAttributes:
    """The attributes that many objects share: all but `InstanceAttributes` and samples.

    Attributes
    ----------
    frequency : str
        Sampling frequency, Hz.
    filter_low, filter_high, notch : str
        Hz, "" when unknown.
    padding : int or None
        The value of invalid samples, None when there are none.
    omitted : tuple of str
        Names of signals of the record that the object does not hold.
    issuer : str
        Issuer of Patient ID, "" for none.
    subtracted : tuple of int
        The WFDB baseline of each channel where the samples are without it; () where they are the source's.
    held : bool
        Whether the last valid value takes the place of invalid samples.
    stand_ins : StandIns
    ascii : bool
        Whether all text is ASCII; else Specific Character Set is ISO_IR 192.
    """

    sop_class: SopClass
    frequency: str
    n_samples: int
    channels: tuple[Channel, ...]
    filter_low: str = ""
    filter_high: str = ""
    notch: str = ""
    padding: int | None = None
    omitted: tuple[str, ...] = ()
    issuer: str = ""
    subtracted: tuple[int, ...] = ()
    held: bool = False
    stand_ins: StandIns = ALL_KNOWN
    ascii: bool = True


@dataclass(frozen=True, slots=True)
class InstanceAttributes:
    """The values of one object alone; `station` and `patient_age` are absent when empty."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    moment: datetime
    patient_id: str
    study_id: str
    station: str = ""
    patient_sex: str = ""
    patient_age: str = ""
    annotations: tuple[Annotation, ...] = ()

    def texts(self) -> list[str]:
        """All values that may hold characters other than ASCII."""
        return [self.patient_id, self.study_id, self.station, *(a.text for a in self.annotations)]

    def values(self) -> dict[str, str]:
        """DICOM keyword → value, for every attribute that is neither shared nor a sequence."""
        at = self.moment
        date, time = f"{at.year:04d}{at.month:02d}{at.day:02d}", f"{at.hour:02d}{at.minute:02d}{at.second:02d}"
        if at.microsecond:
            time += f".{at.microsecond:06d}"
        return {
            "SOPInstanceUID": self.sop_instance_uid,
            "StudyDate": date,
            "StudyTime": time,
            "ContentDate": date,
            "ContentTime": time,
            "AcquisitionDateTime": date + time,
            "StationName": self.station,
            "PatientID": self.patient_id,
            "PatientSex": self.patient_sex,
            "PatientAge": self.patient_age,
            "StudyInstanceUID": self.study_instance_uid,
            "SeriesInstanceUID": self.series_instance_uid,
            "StudyID": self.study_id,
        }


@lru_cache(maxsize=4096)
def decimal_string(value: Fraction) -> str:
    """The decimal string of at most 16 characters that comes closest to `value`.

    PS3.5 table 6.2-1 allows fixed and exponential notation; the one that keeps more digits wins.
    """
    best = ("", (Fraction(-1), False, 0))
    for digits in range(17, 0, -1):
        for text in (f"{float(value):.{digits}g}", f"{float(value):.{digits - 1}e}", f"{float(value):.{digits}f}"):
            short = _shorten(text)
            if len(short) > MAX_DS:
                continue
            rank = (abs(Fraction(short) - value), "e" in short, len(short))
            if not best[0] or rank < best[1]:
                best = (short, rank)
    return best[0]


def _shorten(text: str) -> str:
    """Drop the zeros and signs of a number's text that carry nothing."""
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    if mantissa in ("-0", ""):
        mantissa = "0"
    return f"{mantissa}e{int(exponent)}" if exponent and int(exponent) else mantissa
