"""The DICOM ECG classes and their limits (PS3.3 A.34.3 to A.34.5 and A.34, General 32-bit ECG), one table.

No validator checks these limits, so they are checked here before anything is written. An object of this project has
one multiplex group, so the limits of a group are those of the object.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from wfdb2dicom.dicom.leads import INDEPENDENT
from wfdb2dicom.errors import RangeError

AUTO = "auto"
MAX_DATA_BYTES = 2**32 - 2**20
"""Waveform Data lies in a sequence whose 32-bit length counts it; the last mebibyte is left to what precedes it."""


class SopClass(NamedTuple):
    """An ECG waveform storage class.

    Attributes
    ----------
    name : str
        Its name in the option ``sop_class``.
    uid : str
        SOP Class UID.
    description : str
        Study and Series Description.
    max_channels : int
        Channels of a multiplex group.
    max_samples : int or None
        Samples of a channel.
    min_frequency, max_frequency : float
        Hz.
    bits : int
        Bits of a sample: 16 is SS, 32 is SL (PS3.3 C.10.9.1.5).
    """

    name: str
    uid: str
    description: str
    max_channels: int
    max_samples: int | None
    min_frequency: float
    max_frequency: float
    bits: int

    def breach(self, n_channels: int, n_samples: int, frequency: float, bits: int = 16) -> str:
        """The first limit that a record of this shape breaks, "" when it fits."""
        if not 1 <= n_channels <= self.max_channels:
            return f"{n_channels} channels (limit 1 to {self.max_channels})"
        if n_samples < 1 or (self.max_samples is not None and n_samples > self.max_samples):
            return f"{n_samples} samples (limit 1 to {self.max_samples or 'any number'})"
        if n_samples * n_channels * self.bits // 8 > MAX_DATA_BYTES:
            return f"{n_samples * n_channels * self.bits // 8} bytes of samples (limit {MAX_DATA_BYTES})"
        if not self.min_frequency <= frequency <= self.max_frequency or not frequency > 0:
            return f"{frequency:.10g} Hz (limit {self.min_frequency:g} to {self.max_frequency:g})"
        if bits > self.bits:
            return f"samples of {bits} bits (limit {self.bits})"
        return ""


_ANY = float("inf")
_ROOT = "1.2.840.10008.5.1.4.1.1.9.1."
SOP_CLASSES = (
    SopClass("12-lead", _ROOT + "1", "12-lead ECG", 13, 16_384, 200, 1000, 16),
    SopClass("general", _ROOT + "2", "General ECG", 24, None, 200, 1000, 16),
    SopClass("ambulatory", _ROOT + "3", "Ambulatory ECG", 12, None, 50, 1000, 16),
    SopClass("general-32bit", _ROOT + "4", "General 32-bit ECG", 24, None, 0, _ANY, 32),
)
NAMES = (AUTO, *(sop_class.name for sop_class in SOP_CLASSES))


def choose(leads: Collection[str], n_samples: int, frequency: float, bits: int = 16, wanted: str = AUTO) -> SopClass:
    """The class of a record.

    ``auto`` takes the first of the table that fits, with two rules of this project. 12-Lead is for 12-lead ECGs only:
    those that have at least the eight independent leads. General 32-bit is for samples that need more than 16 bits
    only: widening others doubles them, and few readers know the class. A forced class needs to fit its limits.

    Parameters
    ----------
    leads : collection of str
        Labels of the channels.
    n_samples : int
        Samples of each.
    frequency : float
        Hz.
    bits : int
        Bits that the samples need.
    wanted : str
        One of `NAMES`.

    Raises
    ------
    RangeError
        Naming for each class that was tried the limit that the record breaks.
    """
    breaches = []
    for sop_class in SOP_CLASSES:
        if wanted not in (AUTO, sop_class.name):
            continue
        breach = sop_class.breach(len(leads), n_samples, frequency, bits)
        if not breach and wanted == AUTO:
            breach = _misfit(sop_class, leads, bits)
        if not breach:
            return sop_class
        breaches.append(f"{sop_class.name}: {breach}")
    if wanted == AUTO:
        raise RangeError(f"no DICOM ECG class takes this record: {'; '.join(breaches)}")
    raise RangeError(f"the record does not fit the class that sop_class asks for, {breaches[0]}; set sop_class: auto")


def _misfit(sop_class: SopClass, leads: Collection[str], bits: int) -> str:
    """Why ``auto`` does not take a class although its limits hold, "" when it does."""
    if sop_class.name == "12-lead" and not INDEPENDENT.issubset(leads):
        return "not a 12-lead ECG (leads I, II, V1 to V6 needed)"
    if sop_class.bits > 16 and bits <= 16:
        return f"samples of 16 bits (set sop_class: {sop_class.name} to widen them)"
    return ""
