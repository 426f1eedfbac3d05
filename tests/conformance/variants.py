"""Objects of every ECG class in every form that options give their samples, and what is right for each of them.

What is right comes from wfdb and from the words of docs/conversion.md, not from the converter.
"""

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import wfdb

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom.options import Options

TWELVE = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")  # as MIMIC-IV-ECG orders them
UNSPECIFIED = "CH1"  # is not a lead of CID 3001
LEADS = {
    "12-lead": TWELVE,
    "general": (*TWELVE, "X", "Y", "Z", UNSPECIFIED),
    "ambulatory": ("MLII", "V5"),
    "general-32bit": TWELVE,
}
FREQUENCY = {"12-lead": 500, "general": 1000, "ambulatory": 125, "general-32bit": 500}
PATIENT = "90000007"
SAMPLES = 200
Floats = npt.NDArray[np.float64]


class Variant(NamedTuple):
    """An object, and what a consumer must find in it."""

    path: Path
    sop_class: str
    plain: bool  # all baselines are 0 and all samples are valid
    options: Options
    names: list[str]
    counts: npt.NDArray[np.int64]  # as stored, shape (samples, channels)
    millivolts: Floats  # the same shape; NaN where there is no value
    sensitivities: Floats  # mV per count of each channel
    baselines: Floats  # Channel Baseline of each channel, mV
    invalid: npt.NDArray[np.bool_]  # in the record

    @property
    def bits(self) -> int:
        return 32 if self.sop_class == "general-32bit" else 16

    @property
    def frequency(self) -> int:
        return FREQUENCY[self.sop_class]

    def matches(self, baseline: str = "", invalid_samples: str = "") -> bool:
        """Whether it is of a record with baselines and invalid samples, and of these options."""
        wanted = (baseline or self.options.baseline, invalid_samples or self.options.invalid_samples)
        return not self.plain and wanted == (self.options.baseline, self.options.invalid_samples)


def write_all(folder: Path) -> list[Variant]:
    """Of each class: a plain record, and one with baselines and invalid samples in the four forms of the options."""
    found = []
    for sop_class in LEADS:
        for plain in (True, False):
            record = _write_record(folder, sop_class, plain)
            forms = [("source", "keep")] if plain else list(product(("source", "zero"), ("keep", "hold")))
            for baseline, invalid_samples in forms:
                options = Options(
                    baseline=baseline, invalid_samples=invalid_samples, sop_class=sop_class, unknown_leads="local"
                )
                path = folder / f"{record.name}-{baseline}-{invalid_samples}.dcm"
                convert_record(record, path, Acquisition(), options)
                found.append(_right(record, path, sop_class, plain, options))
    return found


def _write_record(folder: Path, sop_class: str, plain: bool) -> Path:
    """Leads that differ in signal, gain and baseline, so that one in the place of another is noticed."""
    leads = LEADS[sop_class]
    wide = sop_class == "general-32bit"
    record = folder / (sop_class + ("-plain" if plain else ""))
    time = np.arange(SAMPLES) / SAMPLES
    waves = [np.sin(2 * np.pi * (1 + n / 5) * time) + n / 20 for n in range(len(leads))]
    gains = [(500 + 31 * n) * (400 if wide else 1) for n in range(len(leads))]
    baselines = [0 if plain else 37 * n - 250 for n in range(len(leads))]
    samples = np.stack([np.round(w * g + b) for w, g, b in zip(waves, gains, baselines, strict=True)], axis=1)
    samples = samples.astype("<i4" if wide else "<i2")
    if not plain:
        least = np.iinfo(samples.dtype).min
        samples[40:60, 1] = least
        samples[:3, 0] = samples[-2:, 0] = least
    lines = [f"{record.name} {len(leads)} {FREQUENCY[sop_class]} {SAMPLES} 09:30:15 02/01/2150"]
    for n, lead in enumerate(leads):
        total = int(samples[:, n].sum(dtype=np.int64)) % 65536
        form = "32" if wide else "16"
        lines.append(
            f"{record.name}.dat {form} {gains[n]}({baselines[n]})/mV {form} 0 {samples[0, n]} {total} 0 {lead}"
        )
    lines.append(f"# <subject_id>: {PATIENT}")
    record.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record.with_suffix(".dat").write_bytes(samples.tobytes())
    return record


def _right(record: Path, path: Path, sop_class: str, plain: bool, options: Options) -> Variant:
    raw: Any = wfdb.rdrecord(str(record), physical=False)
    physical: Any = wfdb.rdrecord(str(record))
    counts = raw.d_signal.astype(np.int64)
    millivolts = physical.p_signal.copy()
    invalid = np.isnan(millivolts)
    baselines, gains = np.array(raw.baseline), np.array(raw.adc_gain)
    if options.invalid_samples == "hold":
        for n, missing in enumerate(invalid.T):
            valid = np.flatnonzero(~missing)
            source = valid[np.maximum(np.searchsorted(valid, np.arange(len(missing)), side="right") - 1, 0)]
            counts[:, n], millivolts[:, n] = counts[source, n], millivolts[source, n]
    if options.baseline == "zero":
        counts = np.where(np.isnan(millivolts), counts, counts - baselines)
        baselines = np.zeros_like(baselines)
    return Variant(
        path, sop_class, plain, options, raw.sig_name, counts, millivolts, 1 / gains, -baselines / gains, invalid
    )
