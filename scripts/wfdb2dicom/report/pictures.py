"""Drawings of single studies for the report: small, and never a reason for the report to fail."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from matplotlib.colors import to_rgb
from PIL import Image

from wfdb2dicom.errors import describe
from wfdb2dicom.page.draw import COARSE, FINE, INK, QUIET, raster
from wfdb2dicom.system.pool import map_in_order

_PIXELS_PER_MM = 4  # 1188 pixels across a page of 297 mm
# The colours of a page and how many shades lie between two of them where lines have soft edges: a palette takes a
# quarter of the bytes, without visible loss, and a known one a fortieth of the time of finding the best.
_BLENDS = (
    ("white", FINE, 4),
    ("white", COARSE, 4),
    (FINE, COARSE, 2),
    ("white", INK, 10),
    (FINE, INK, 5),
    (COARSE, INK, 5),
    ("white", QUIET, 6),
)


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
        image = Image.fromarray(raster(dicom, _PIXELS_PER_MM)).quantize(palette=_palette(), dither=Image.Dither.NONE)
    except Exception as error:  # whatever is wrong with one file, the report says so and continues
        return Picture(error=describe(error))
    packed = BytesIO()
    image.save(packed, "png")
    uri = "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode("ascii")
    return Picture(uri, *image.size)


@cache
def _palette() -> Image.Image:
    image = Image.new("P", (1, 1))
    colours = dict.fromkeys(_shades())
    image.putpalette([value for colour in colours for value in colour])
    return image


def _shades() -> Iterator[tuple[int, ...]]:
    for first, last, between in _BLENDS:
        ends = list(zip(to_rgb(first), to_rgb(last), strict=True))
        for step in range(between + 2):
            part = step / (between + 1)
            yield tuple(round(255 * (a + (b - a) * part)) for a, b in ends)
