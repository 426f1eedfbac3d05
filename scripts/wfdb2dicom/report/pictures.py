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


def pictures(dicoms: Sequence[Path]) -> list[Picture]:
    """Draw the ECGs of DICOM files, in a process of its own: a drawing that ends it is the only one missing."""
    drawn: list[Picture] = []
    while len(drawn) < len(dicoms):
        try:
            for one in map_in_order(picture, dicoms[len(drawn) :], apart=True):
                drawn.append(one)
        except OSError as error:  # it was killed, or memory or semaphores ran out
            drawn.append(Picture(error=describe(error)))
    return drawn


def picture(dicom: Path) -> Picture:
    """Draw the ECG of a DICOM file."""
    try:
        svg = small_svg(read(dicom))
    except Exception as error:  # whatever is wrong with one file, the report says so and continues
        return Picture(error=describe(error))
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")
    return Picture(uri, round(WIDTH * PIXELS_PER_MM), round(HEIGHT * PIXELS_PER_MM))
