"""The options that decide what the DICOM objects of a run are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from functools import lru_cache
from typing import Any

from wfdb2dicom.dicom import sop_classes
from wfdb2dicom.dicom.uids import check_root
from wfdb2dicom.errors import ConfigError

CHOICES = {
    "baseline": ("source", "zero"),
    "invalid_samples": ("keep", "hold"),
    "lead_order": ("source", "standard"),
    "other_signals": ("error", "omit"),
    "sop_class": sop_classes.NAMES,
    "time_from": ("header", "ecg_time"),
    "unknown_leads": ("error", "local"),
    "unknown_subject": ("error", "study"),
}
"""The values of each option that has a list of them."""
SEX_AND_AGE_SOURCES = ("columns", "patients", "comments")
FIRST_YEAR = 1000  # a date before it is a placeholder
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_MAX_LO = 64  # characters, PS3.5 table 6.2-1


@dataclass(frozen=True, slots=True)
class Options:
    """Options that change the output; each is part of every SOP Instance UID.

    Attributes
    ----------
    annotations : bool
        Whether measurements and report lines of the acquisition become waveform annotations.
    baseline : str
        ``source`` keeps the samples of the record; ``zero`` subtracts their baselines where all still fit.
    invalid_samples : str
        ``keep`` keeps them and marks them by Waveform Padding Value; ``hold`` repeats the last valid value.
    issuer_of_patient_id : str
        Issuer of Patient ID, "" for none.
    lead_order : str
        ``source`` keeps the order of the WFDB header, ``standard`` is I II III aVR aVL aVF V1–V6, others after them.
    other_signals : str
        How to treat signals that are not an ECG: ``error``, or ``omit`` to leave them out.
    sex_and_age_from : tuple of str
        Sources of sex and age, the preferred one first: ``columns`` of the study CSV, the table of ``patients``,
        ``comments`` of the header.
    sop_class : str
        ``auto``, or the class that every object must be of: ``12-lead``, ``general``, ``ambulatory``,
        ``general-32bit``; see `wfdb2dicom.dicom.sop_classes`.
    time_from : str
        ``header`` takes the header's date and time, and ecg_time where it has none; ``ecg_time`` takes no other.
    uid_root : str
        Root of all identifiers; under ``2.25`` they are UUIDs.
    undated : str
        The date (``YYYY-MM-DD``) of records without a known one, which then say that theirs was removed; "" to refuse
        them.
    unknown_leads : str
        How to treat a lead that CID 3001 does not know: ``error``, or ``local`` to write it as an
        unspecified lead with the record's name.
    unknown_subject : str
        How to treat a record whose patient is not known: ``error``, or ``study`` to make the study's id the Patient ID.
    """

    annotations: bool = False
    baseline: str = "source"
    invalid_samples: str = "keep"
    issuer_of_patient_id: str = ""
    lead_order: str = "source"
    other_signals: str = "error"
    sex_and_age_from: tuple[str, ...] = SEX_AND_AGE_SOURCES
    sop_class: str = "auto"
    time_from: str = "header"
    uid_root: str = "2.25"
    undated: str = ""
    unknown_leads: str = "error"
    unknown_subject: str = "error"

    def __post_init__(self) -> None:
        """Refuse values that the configuration would refuse too (`ConfigError`)."""
        for name, values in CHOICES.items():
            if not isinstance(value := getattr(self, name), str) or value not in values:
                raise ConfigError(f"{name}: {value!r} is none of {', '.join(values)}; write one of them")
        if not isinstance(self.annotations, bool):
            raise ConfigError(f"annotations: {self.annotations!r} is neither True nor False; write one of them")
        for name in ("issuer_of_patient_id", "uid_root", "undated"):
            if not isinstance(value := getattr(self, name), str):
                raise ConfigError(f"{name}: {value!r} is not text; write it in quotes, and '' for none")
        check_root(self.uid_root)
        object.__setattr__(self, "sex_and_age_from", _sources(self.sex_and_age_from))
        if self.undated and not _is_date(self.undated):
            raise ConfigError(f"undated: {self.undated!r} is not a date from the year 1000 on; write it as 1900-01-01")
        issuer = self.issuer_of_patient_id
        if len(issuer) > _MAX_LO or "\\" in issuer or not issuer.isprintable():
            raise ConfigError(
                f"issuer_of_patient_id {issuer!r} is not a DICOM text: at most {_MAX_LO} printable characters, no"
                " backslash"
            )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Options:
        """The options among the keys of a plan file's or configuration's mapping; others are ignored."""
        return cls(**{name: mapping[name] for name in cls.names() if name in mapping})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all options."""
        return tuple(field.name for field in fields(cls))

    def text(self) -> bytes:
        """Canonical form: equal options give equal bytes."""
        return _canonical(self)


def _sources(given: Sequence[str]) -> tuple[str, ...]:
    """The sources of sex and age, checked."""
    found = tuple(filter(None, given.split(","))) if isinstance(given, str) else given
    if (
        not isinstance(found, Sequence)
        or not all(source in SEX_AND_AGE_SOURCES for source in found)
        or len(set(found)) < len(found)
    ):
        raise ConfigError(
            f"sex_and_age_from: {given!r} is not a list of {', '.join(SEX_AND_AGE_SOURCES)}, each at most once"
        )
    return tuple(found)


def _is_date(text: str) -> bool:
    try:
        return _DATE(text) is not None and date.fromisoformat(text).year >= FIRST_YEAR
    except ValueError:
        return False


@lru_cache(maxsize=64)  # every study asks for it
def _canonical(options: Options) -> bytes:
    return json.dumps(asdict(options), sort_keys=True).encode()
