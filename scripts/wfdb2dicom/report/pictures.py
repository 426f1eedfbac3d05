"""Drawings of single studies for the report: small, and never a reason for the report to fail."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wfdb2dicom.errors import describe
from wfdb2dicom.page.ecg import read
from wfdb2dicom.page.layout import HEIGHT, WIDTH
from wfdb2dicom.page.small_svg import PIXELS_PER_MM, small_svg
from wfdb2dicom.system.pool import map_in_order


@dataclass(frozen=True)
class Picture:
    """A drawing as a data URI with its size in pixels, or the reason why there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    error: str = ""


def pictures(dicoms: Sequence[Path], workers: int = 1) -> list[Picture]:
    """Draw the ECGs of DICOM files, in so many processes."""
    try:
        return list(map_in_order(picture, dicoms, processes=min(workers, len(dicoms))))
    except OSError as error:  # one was killed, or memory or semaphores ran out
        return [Picture(error=describe(error)) for _ in dicoms]


def picture(dicom: Path) -> Picture:
    """Draw the ECG of a DICOM file."""
    try:
        svg = small_svg(read(dicom))
    except Exception as error:  # whatever is wrong with one file, the report says so and continues
        return Picture(error=describe(error))
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")
    return Picture(uri, round(WIDTH * PIXELS_PER_MM), round(HEIGHT * PIXELS_PER_MM))
