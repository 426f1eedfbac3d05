"""Drawings of single studies for the report: small, and never a reason for the report to fail."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from wfdb2dicom.draw import draw
from wfdb2dicom.errors import describe

_PIXELS_PER_MM = 4  # 1188 pixels across a page of 297 mm
_COLOURS = 24  # paper, grid and ink with their blends: a quarter of the bytes, no visible loss


@dataclass(frozen=True)
class Picture:
    """A drawing as a data URI with its size in pixels, or the reason why there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    error: str = ""


def picture(dicom: Path) -> Picture:
    """Draw the ECG of a DICOM file."""
    stream = BytesIO()
    try:
        draw(dicom, stream, "png", pixels_per_mm=_PIXELS_PER_MM)
        with Image.open(stream) as image:
            small = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    except Exception as error:  # whatever is wrong with one file, the report says so and goes on
        return Picture(error=describe(error))
    packed = BytesIO()
    small.save(packed, "png", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode("ascii")
    return Picture(uri, *small.size)
