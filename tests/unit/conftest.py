"""Small WFDB records for the tests of the library."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from wfdb2dicom.acquisition import Acquisition

MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
RecordMaker = Callable[..., Path]


def ecg(n_samples: int = 500, n_signals: int = 12, seed: int = 1) -> npt.NDArray[np.int16]:
    """Samples that differ in every lead and at every time."""
    rng = np.random.default_rng(seed)
    return rng.integers(-2000, 2000, (n_samples, n_signals)).astype("<i2")


@pytest.fixture
def make_record(tmp_path: Path) -> RecordMaker:
    """A function that writes a record as MIMIC-IV-ECG has them and returns its path without extension."""

    def make(
        name: str = "40689238",
        samples: npt.NDArray[np.int16] | None = None,
        leads: tuple[str, ...] = MIMIC_ORDER,
        moment: str = "08:44:00 23/07/2180",
        subject: str = "10000032",
        gain: str = "200.0(0)/mV",
        folder: str = "wfdb",
        frequency: str = "500",
    ) -> Path:
        samples = ecg(n_signals=len(leads)) if samples is None else samples
        sums = samples.sum(axis=0, dtype=np.int64) % 65536
        lines = [f"{name} {len(leads)} {frequency} {len(samples)} {moment}".rstrip()]
        lines += [f"{name}.dat 16 {gain} 16 0 {samples[0, n]} {sums[n]} 0 {lead}" for n, lead in enumerate(leads)]
        lines += [f"# <subject_id>: {subject}"] if subject else []
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
        path.with_suffix(".dat").write_bytes(samples.astype("<i2").tobytes())
        return path

    return make


@pytest.fixture
def acquisition() -> Acquisition:
    """The acquisition values that belong to the default record."""
    return Acquisition(
        subject_id="10000032",
        study_id="40689238",
        ecg_time="2180-07-23 08:44:00",
        cart_id="6848296",
        filter_low="0.005",
        filter_high="150",
        notch="60",
    )
