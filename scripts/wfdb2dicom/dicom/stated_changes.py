"""How an object says that it differs from its record: samples that were changed, patient and date not known."""

from __future__ import annotations

from typing import NamedTuple

from wfdb2dicom.dicom.part10 import Dataset, code_of, integers, items_of, text

OMITTED = "Signals that are not an ECG were left out: "
SUBTRACTED = "Baselines were subtracted from the samples: "
HELD = "Invalid samples were replaced by the last valid value"
UNKNOWN_PATIENT = "The patient is not known: Patient ID is the id of the study"
_NO_SIGNAL = ("MDC", "10:11248")  # PS3.16 CID 3335


class Interval(NamedTuple):
    """Samples without a signal: the index of the channel, and those from `start` to before `stop`."""

    channel: int
    start: int
    stop: int


def descriptions(dataset: Dataset) -> list[str]:
    """Contribution Description of each step on the way to the object."""
    return [text(item, 0x0018A003) for item in items_of(dataset, 0x0018A001)]


def subtracted(dataset: Dataset) -> tuple[int, ...]:
    """The WFDB baseline that was subtracted from each channel, () when none was.

    Raises
    ------
    ValueError
        When the object does not state them as numbers.
    """
    for description in descriptions(dataset):
        if description.startswith(SUBTRACTED):
            return tuple(int(number) for number in description.removeprefix(SUBTRACTED).split(", "))
    return ()


def intervals(dataset: Dataset) -> list[Interval]:
    """The intervals in which the last valid value takes the place of invalid samples.

    Raises
    ------
    ValueError
        When positions are not pairs of first and last sample, or no channel is named.
    """
    found = []
    for item in items_of(dataset, 0x0040B020):
        if code_of(item, 0x0040A043) != _NO_SIGNAL:
            continue
        channels = integers(item, 0x0040A0B0, "H")
        positions = integers(item, 0x0040A132, "I")
        if len(channels) != 2 or channels[0] != 1 or not channels[1] or not positions or len(positions) % 2:
            raise ValueError(f"an interval without a signal has channels {channels} and {len(positions)} positions")
        for first, last in zip(positions[::2], positions[1::2], strict=True):
            if not 1 <= first <= last:
                raise ValueError(f"an interval without a signal goes from sample {first} to {last}")
            found.append(Interval(channels[1] - 1, first - 1, last))
    return found


def patient_is_known(dataset: Dataset) -> bool:
    """Whether Patient ID is that of a patient, not that of the study."""
    return text(dataset, 0x00104000) != UNKNOWN_PATIENT


def date_is_known(dataset: Dataset) -> bool:
    """Whether dates and times are those of the recording, perhaps shifted; if not, they were removed or replaced."""
    return text(dataset, 0x00280303) != "REMOVED"
