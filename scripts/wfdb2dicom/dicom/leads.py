"""ECG lead names and their codes: PS3.16 CID 3001 "ECG Leads", coding scheme MDC (ISO/IEEE 11073-10101).

Code Meaning of limb, chest and Frank leads is ``Lead aVR``, the short form that ECG viewers recognise, rather than the
context group's "aVR, augmented voltage, right", which several print in full or sort after V6 (measured with four
viewers). The other leads have the context group's own words.

A lead that the context group does not list is an unspecified lead, which it lists too: only its label tells it apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from wfdb2dicom.errors import LeadError

MDC = "MDC"
UNSPECIFIED = "2:0"
"""Code of every lead that CID 3001 does not list."""

_MAX_SH = 16  # characters of a Channel Label, PS3.5 table 6.2-1


class Lead(NamedTuple):
    """A lead: its label in the standard's spelling, its code, and the code that modifies it, "" for none."""

    label: str
    code: str
    meaning: str
    modifier: str = ""


STANDARD_ORDER = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT = frozenset({"I", "II", "V1", "V2", "V3", "V4", "V5", "V6"})
"""The leads from which a 12-lead ECG follows; the other four are sums and differences of I and II."""

# Leads whose Code Meaning is "Lead <label>".
_LEADS = {
    **{"I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64"},
    **{"V1": "2:3", "V2": "2:4", "V3": "2:5", "V4": "2:6", "V5": "2:7", "V6": "2:8"},
    **{"V7": "2:9", "V8": "2:66", "V9": "2:67"},
    **{"V2R": "2:10", "V3R": "2:11", "V4R": "2:12", "V5R": "2:13", "V6R": "2:14", "V7R": "2:15"},
    **{"V8R": "2:68", "V9R": "2:69"},
    **{"X": "2:16", "Y": "2:17", "Z": "2:18"},
}
# Other leads, mostly of monitors; several labels may share a code that says less than they do.
_NAMED = {
    **{label: ("2:126", "Modified limb lead") for label in ("ML", "MLI", "MLII", "MLIII")},
    "V": ("2:87", "Precordial lead"),
    "C": ("2:86", "Chest lead"),
    "MCL": ("2:91", "Modified chest lead (left arm indifferent)"),
    **{f"MCL{n}": (f"2:{91 + n}", f"Modified chest lead per V{n} placement") for n in range(1, 7)},
    "CM": ("2:105", "Chest-manubrium lead"),
    **{f"CM{n}": (f"2:{105 + n}", f"Chest-manubrium lead per V{n} placement") for n in range(1, 5)},
    "CM5": ("2:20", "Chest-manubrium lead per V5 placement"),
    "CM6": ("2:110", "Chest-manubrium lead per V6 placement"),
    "CM7": ("2:121", "Chest-manubrium lead per V7 placement"),
    "CC": ("2:98", "Chest lead (symmetric placement)"),
    **{f"CC{n}": (f"2:{98 + n}", f"Chest lead per V{n} and V{n}R placement") for n in range(1, 5)},
    "CC5": ("2:19", "Chest lead per V5 and V5R placement"),
    "CC6": ("2:103", "Chest lead per V6 and V6R placement"),
    "CC7": ("2:104", "Chest lead per V7 and V8R placement"),
    "CB5": ("2:124", "negative: low right scapula Lead"),
    "CS5": ("2:123", "negative: right infraclavicular fossa"),
    "CH5": ("2:122", "Lead CH5"),
    "CR5": ("2:125", "Lead CR5"),
    "ES": ("2:131", "EASI Lead ES"),
    "AS": ("2:132", "EASI Lead AS"),
    "AI": ("2:133", "EASI Lead AI"),
    "VR": ("2:88", "Lead VR, nonaugmented voltage, vector of RA"),
    "VL": ("2:89", "Lead VL, nonaugmented voltage, vector of LA"),
    "VF": ("2:90", "Lead VF, nonaugmented voltage, vector of LL"),
    "RA": ("2:22", "Right Arm Lead"),
    "LA": ("2:21", "Left Arm Lead"),
    "LL": ("2:23", "Left Leg Lead"),
    "RL": ("2:147", "Right Leg Lead"),
}
# Leads that share a code, and the lead whose code tells them apart.
_MODIFIERS = {"MLI": "2:1", "MLII": "2:2", "MLIII": "2:61"}
_ALIASES = {
    "vx": "X",
    "vy": "Y",
    "vz": "Z",
    "di": "I",
    "dii": "II",
    "diii": "III",
    "ml1": "MLI",
    "ml2": "MLII",
    "ml3": "MLIII",
}

LEADS = tuple(Lead(label, code, f"Lead {label}") for label, code in _LEADS.items()) + tuple(
    Lead(label, code, meaning, modifier=_MODIFIERS.get(label, "")) for label, (code, meaning) in _NAMED.items()
)
"""Every lead that is coded."""

_MEANINGS = {lead.code: lead.meaning for lead in LEADS}
_BY_NAME = {lead.label.lower(): lead for lead in LEADS}
_BY_NAME |= {alias: _BY_NAME[label.lower()] for alias, label in _ALIASES.items()}

# Other signals of monitors, by the first word of their names. They are not leads whatever `unknown_leads` says: an ECG
# object has no place for it, and header(5) makes any signal without units one in millivolt.
_NOT_ECG = frozenset(
    {"abp", "art", "ap", "bp", "cvp", "pap", "icp", "pleth", "ppg", "spo2", "resp", "co2", "etco2", "hr", "pulse"}
    | {"eeg", "emg", "eog", "temp"}
)
_DIGITS = "0123456789"  # monitors number them: ABP1
_PREFIX = re.compile(r"(?:mdc_ecg_lead_|(?:(?:ecg|ekg)[ _]+)?(?:lead[ _]+)?)(?=.)|").match
_SPACED_V = re.compile(r"v[ _][1-9]r?").fullmatch
_FIRST_WORD = re.compile(r"[a-z0-9]+").match


def _key(name: str) -> str:
    """The key for looking up a name: ``Lead aVR``, ``ECG lead aVR`` and ``MDC_ECG_LEAD_AVR`` are ``avr``."""
    key = name.strip().lower()
    key = key[_PREFIX(key).end() :]  # type: ignore[union-attr]  # it matches any text
    return f"v{key[2:]}" if _SPACED_V(key) else key


def meaning_of(code: str) -> str:
    """Code Meaning of an MDC code of a lead."""
    return _MEANINGS[code]


def is_known(name: str) -> bool:
    """Whether CID 3001 has a lead of this name."""
    return _key(name) in _BY_NAME


def label(name: str) -> str:
    """A lead's name as the objects have it; that of an unknown one as it is."""
    lead = _BY_NAME.get(_key(name))
    return lead.label if lead else name.strip()


def labels(names: Sequence[str]) -> list[str]:
    """Channel labels for the signals of a record: `label`, and a number after equal names that are not a lead's."""
    found = [label(name) for name in names]
    counts = Counter(name.casefold() for name in found)
    taken = set(counts)
    for place, name in enumerate(found):
        if counts[name.casefold()] > 1 and not is_known(name):
            found[place] = next(text for n in count(1) if (text := f"{name} {n}").casefold() not in taken)
            taken.add(found[place].casefold())
    return found


def is_other(name: str) -> bool:
    """Whether a signal's name says that it is not an ECG, such as ``PLETH`` or ``Resp (sum)``."""
    word = _FIRST_WORD(name.strip().lower())
    return not is_known(name) and word is not None and not _NOT_ECG.isdisjoint({word[0], word[0].rstrip(_DIGITS)})


def find(name: str, unknown: str = "error") -> Lead:
    """The lead of a signal description; case does not matter (``AVR``, ``avr`` and ``aVR`` are all in use).

    Parameters
    ----------
    name : str
        The signal's description.
    unknown : {"error", "local"}
        How to treat a lead that CID 3001 does not know: raise an error, or make it an `UNSPECIFIED` lead with its
        name as the label.

    Raises
    ------
    LeadError
        When CID 3001 does not have the lead, or the signal is not an ECG.
    """
    if lead := _BY_NAME.get(_key(name)):
        return lead
    if is_other(name):
        raise LeadError(
            f"signal {name!r} is not an ECG, and a DICOM ECG object holds nothing else; set other_signals: omit to"
            " leave such signals out, or write a WFDB record of the ECG leads alone"
        )
    if unknown != "local":
        raise LeadError(
            f"signal {name!r} is not a lead of CID 3001 ({', '.join(_LEADS)}, monitoring leads such as MLII);"
            " correct the header, or set unknown_leads: local to write it as an unspecified lead with this name"
        )
    return _unspecified(name.strip())


def find_all(names: Sequence[str], unknown: str = "error") -> list[Lead]:
    """The leads of a record's signals, each of which becomes a channel of its own.

    Parameters
    ----------
    names, unknown
        As for `find`. Equal names of unspecified leads are numbered: ``ECG 1``, ``ECG 2``.

    Raises
    ------
    LeadError
        As `find`, and when a lead of CID 3001 appears twice.
    """
    found = [find(name, unknown) for name in names]
    for place, lead in enumerate(found):
        if lead.code != UNSPECIFIED and lead in found[:place]:
            raise LeadError(f"lead {lead.label} appears twice in the header; it cannot be known which one is right")
    return [
        _unspecified(text) if lead.code == UNSPECIFIED else lead
        for lead, text in zip(found, labels(names), strict=True)
    ]


def _unspecified(name: str) -> Lead:
    if not name or len(name) > _MAX_SH or "\\" in name or not name.isprintable():
        raise LeadError(
            f"signal {name!r} is not a Channel Label: that has 1 to {_MAX_SH} printable characters, no backslash;"
            " correct the header"
        )
    return Lead(name, UNSPECIFIED, "Unspecified lead")
