"""The options that decide what the DICOM objects of a run are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
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
    "unknown_leads": ("error", "local"),
}
"""The values of each option that has a list of them."""
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
        ``source`` keeps the order of the WFDB header, ``standard`` is I II III aVR aVL aVF V1–V6, others behind.
    other_signals : str
        How to treat signals that are not an ECG: ``error``, or ``omit`` to leave them out.
    sop_class : str
        ``auto``, or the class that every object must be of: ``12-lead``, ``general``, ``ambulatory``,
        ``general-32bit``; see `wfdb2dicom.dicom.sop_classes`.
    uid_root : str
        Root of all identifiers; under ``2.25`` they are UUIDs.
    unknown_leads : str
        How to treat a lead that CID 3001 does not know: ``error``, or ``local`` to give it a private code.
    """

    annotations: bool = False
    baseline: str = "source"
    invalid_samples: str = "keep"
    issuer_of_patient_id: str = ""
    lead_order: str = "source"
    other_signals: str = "error"
    sop_class: str = "auto"
    uid_root: str = "2.25"
    unknown_leads: str = "error"

    def __post_init__(self) -> None:
        """Refuse values that the configuration would refuse too (`ConfigError`)."""
        for name, values in CHOICES.items():
            if (value := getattr(self, name)) not in values:
                raise ConfigError(f"{name}: {value!r} is none of {', '.join(values)}; write one of them")
        if not isinstance(self.annotations, bool):
            raise ConfigError(f"annotations: {self.annotations!r} is neither True nor False; write one of them")
        check_root(self.uid_root)
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


@lru_cache(maxsize=64)  # every study asks for it
def _canonical(options: Options) -> bytes:
    return json.dumps(asdict(options), sort_keys=True).encode()
