"""Command-line options that several commands have."""

import argparse

from wfdb2dicom.dicom.options import CHOICES, Options

_HELP = {
    "annotations": "write intervals, axes and report lines of the metadata as annotations",
    "baseline": "subtract the record's baselines from the samples, for viewers that ignore Channel Baseline",
    "invalid_samples": "keep invalid samples, or repeat the last valid value for viewers that ignore padding values",
    "issuer_of_patient_id": "Issuer of Patient ID; if empty, there is none",
    "lead_order": "order of the leads; standard puts aVL before aVF",
    "other_signals": "signals that are not an ECG: fail, or leave them out",
    "sex_and_age_from": "sources of sex and age, the preferred one first, separated by commas",
    "sop_class": "DICOM class; any but auto fails a record that does not fit it",
    "time_from": "take the header's time if it has one, or only ecg_time",
    "uid_root": "prefix of all UIDs; 2.25 needs no registration",
    "undated": "placeholder (YYYY-MM-DD) for records without a date; if empty, they are refused",
    "unknown_leads": "a lead that CID 3001 does not list: fail, or keep its name as an unspecified lead",
    "unknown_subject": "a record without a patient: fail, or make the study's id the Patient ID",
}


def add_conversion_options(parser: argparse.ArgumentParser) -> None:
    """Add each of `Options` as an option of its name, with its default."""
    defaults = Options()
    for name in Options.names():
        flag, default = f"--{name.replace('_', '-')}", getattr(defaults, name)
        if isinstance(default, tuple):
            default = ",".join(default)
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", help=_HELP[name])
        else:
            words = f"{_HELP[name]} [{default}]"
            parser.add_argument(flag, choices=CHOICES.get(name), default=default, help=words)
