"""DICOM objects changed by structure: lengths, VRs, tags, order, values, nesting.

Each mutant is checked, restored and read for drawing, some are described and compared with their record. That may end
in documented errors only, in bounded time and memory; and in the place of a study's DICOM it is recognised and written
again.
"""

import contextlib
import random
import resource
import signal
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import numpy as np
import pytest

from small_tree import FIRST, header_text, write
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.cli import info
from wfdb2dicom.conformance import checker
from wfdb2dicom.conformance.source import check_source
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom import restore
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.errors import Wfdb2DicomError
from wfdb2dicom.page import ecg
from wfdb2dicom.system.output_tree import OutputTree

from .campaign import SEED, Progress, amount

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of much that a mutant holds
MUTANTS = amount(1500, "WFDB2DICOM_TORTURE_MUTANTS", 1_000_000)
SECONDS = 5  # for one mutant; an object of this size takes a few milliseconds
MEMORY = 2 << 30
LONG_FORM = {b"OB", b"OW", b"OF", b"OD", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OL", b"OV", b"SV", b"UV"}
VALUES = (b"", b"NaN ", b"inf ", b"0 ", b"-1", b"1e400 ", b"\n# <subject_id>: 1 ", b"\x1b[2J", b"\\\\", b"x" * 70_000)
SEQUENCE = struct.pack("<HH2sHIHHI", 0x5400, 0x0100, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)


class Element(NamedTuple):
    """Where an element begins, where its VR is (0 for items), where its value begins and ends."""

    at: int
    vr: int
    value: int
    end: int


def elements(content: bytes, at: int, end: int) -> Iterator[Element]:
    """All elements of an object in explicit VR little endian, nested ones and items included."""
    while at + 8 <= end:
        group, _ = struct.unpack_from("<HH", content, at)
        vr = content[at + 4 : at + 6]
        if group == 0xFFFE:
            vr_at, value, length = 0, at + 8, struct.unpack_from("<I", content, at + 4)[0]
        elif vr in LONG_FORM:
            vr_at, value, length = at + 4, at + 12, struct.unpack_from("<I", content, at + 8)[0]
        else:
            vr_at, value, length = at + 4, at + 8, struct.unpack_from("<H", content, at + 6)[0]
        undefined = length == 0xFFFFFFFF
        stop = value if undefined else value + length
        yield Element(at, vr_at, value, stop)
        if not undefined and (vr == b"SQ" or group == 0xFFFE):
            yield from elements(content, value, stop)
        at = stop


def set_length(content: bytearray, element: Element, chance: random.Random) -> None:
    width = 2 if element.value - element.at == 8 and element.vr else 4
    old = int.from_bytes(content[element.value - width : element.value], "little")
    new = chance.choice((0, 1, old + 1, old - 1, old + 2, old * 2, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 0xFFFE))
    content[element.value - width : element.value] = (new % 2 ** (8 * width)).to_bytes(width, "little")


def set_vr(content: bytearray, element: Element, chance: random.Random) -> None:
    if element.vr:
        content[element.vr : element.vr + 2] = chance.choice((*sorted(LONG_FORM), b"US", b"DS", b"IS", b"FD", b"??"))


def set_tag(content: bytearray, element: Element, chance: random.Random) -> None:
    content[element.at + chance.randrange(4)] ^= 1 << chance.randrange(8)


def delete(content: bytearray, element: Element, chance: random.Random) -> None:
    del content[element.at : element.end]


def duplicate(content: bytearray, element: Element, chance: random.Random) -> None:
    content[element.end : element.end] = content[element.at : element.end] * chance.choice((1, 1, 2, 50))


def set_value(content: bytearray, element: Element, chance: random.Random) -> None:
    content[element.value : element.end] = chance.choice(VALUES)


def fit_value(content: bytearray, element: Element, chance: random.Random) -> None:
    """A value of the same length, so that everything else stays well-formed."""
    size = element.end - element.value
    new = chance.choice((chance.randbytes(min(size, 64)), *VALUES))[:size]
    content[element.value : element.value + len(new)] = new


def nest(content: bytearray, element: Element, chance: random.Random) -> None:
    """Sequences within sequences, of undefined length and without ends, or of defined length."""
    depth = chance.choice((1, 2, 30, 300, 2000))
    if chance.random() < 0.5:
        content[element.at : element.at] = SEQUENCE * depth
        return
    inner = b""
    for _ in range(min(depth, 500)):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
        inner = struct.pack("<HH2sHI", 0x5400, 0x0100, b"SQ", 0, len(item)) + item
    content[element.at : element.at] = inner


def truncate(content: bytearray, element: Element, chance: random.Random) -> None:
    del content[chance.choice((element.at, element.value, element.end, chance.randrange(len(content)))) :]


def flip(content: bytearray, element: Element, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


MUTATIONS: tuple[Callable[[bytearray, Element, random.Random], None], ...] = (
    *(set_length, set_vr, set_tag, delete, duplicate, set_value, fit_value, fit_value, nest, truncate, flip),
)


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Time for each block by `signal.alarm`, and memory for all of them."""

    def too_long(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"a mutant takes longer than {SECONDS} s")

    before, memory = signal.signal(signal.SIGALRM, too_long), resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, memory[1]))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, memory)


def use(mutant: bytes, path: Path, record: str, chance: float) -> None:
    """Put a mutant in the place of a DICOM, and read it in every way: documented errors alone.

    Some mutants, by a number from 0 to 1, are described or compared with their record too, which takes longer.
    """
    checker.check_bytes(mutant)
    with contextlib.suppress(Wfdb2DicomError):
        restore.restore(mutant, "100")
    path.write_bytes(mutant)
    with contextlib.suppress(Wfdb2DicomError):
        if chance < 0.05:
            info._of_object(path)  # reads it for drawing, too
        else:
            ecg.read(path)
    if chance < 0.02:
        check_source(path, record)


class Specimen(NamedTuple):
    """A DICOM to make mutants of, where it lies, what it was made from, and where its elements are."""

    path: Path
    record: str
    acquisition: Acquisition
    right: bytes
    elements: list[Element]


SPOKEN = {
    "measurements": (("rr_interval", 800), ("qrs_onset", 160), ("qrs_axis", -30)),
    "reports": ("Sinus rhythm", "x"),
}
# Objects of two leads have elements of every kind, and take a quarter of the time of one of twelve.
FORMS: tuple[tuple[int, int, dict[str, object]], ...] = ((6, 2, {}), (3, 2, SPOKEN), (1, 12, SPOKEN))


def specimens(folder: Path, converter: Converter) -> Iterator[Specimen]:
    """One of each form."""
    for study, (_, leads, known) in enumerate(FORMS, FIRST):
        samples = np.random.default_rng(study).integers(-500, 500, (100, leads)).astype("<i2")
        stem, path = folder / "wfdb" / str(study), folder / "dicom" / f"{study}.dcm"
        write(stem.with_suffix(".hea"), header_text(stem.name, samples))
        write(stem.with_suffix(".dat"), samples.tobytes())
        acquisition = Acquisition(subject_id="10000000", study_id=stem.name, ecg_time="2180-07-23 08:44:00", **known)  # type: ignore[arg-type]
        converter.convert(converter.prepare(str(stem), acquisition), path.name)
        right = path.read_bytes()
        yield Specimen(path, str(stem), acquisition, right, list(elements(right, 132, len(right))))


def mutate(specimen: Specimen, chance: random.Random) -> tuple[bytes, list[str]]:
    """A mutant, and the mutations that made it."""
    content, names = bytearray(specimen.right), []
    for mutation in chance.choices(MUTATIONS, k=chance.choice((1, 1, 1, 2, 3))):
        element = chance.choice(specimen.elements)  # as it was: after a first mutation, some place in the object
        if element.end < len(content):
            mutation(content, element, chance)
            names.append(mutation.__name__)
    return bytes(content), names


def test_mutants_end_in_documented_errors_and_are_written_again(tmp_path: Path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("limits of memory need Linux's /proc")
    chance, progress = random.Random(SEED), Progress("mutants", MUTANTS)
    converter = Converter("", OutputTree(str(tmp_path / "dicom")), Options(annotations=True))
    found = list(specimens(tmp_path, converter))
    shares = [share for share, *_ in FORMS]
    for specimen in found:  # also imports what they need, which counts neither as time nor as memory of a mutant
        use(specimen.right, specimen.path, specimen.record, 0)
    done: Counter[str] = Counter()
    with limits():
        while done.total() < MUTANTS:
            (specimen,) = chance.choices(found, shares)
            mutant, names = mutate(specimen, chance)
            signal.alarm(SECONDS)
            try:
                use(mutant, specimen.path, specimen.record, chance.random())
                prepared = converter.prepare(specimen.record, specimen.acquisition)
                outcome = converter.convert(prepared, specimen.path.name)
                assert outcome.status == ("current" if mutant == specimen.right else "converted")
                assert specimen.path.read_bytes() == specimen.right
            except BaseException:
                (tmp_path / "failed.dcm").write_bytes(mutant)
                print(f"seed {SEED}, after {done.total()} mutants: {names}, kept as {tmp_path / 'failed.dcm'}")
                raise
            done[names[0] if names else "none"] += 1
            progress.tell(done)
    progress.tell(done, last=True)
