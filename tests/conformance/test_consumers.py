"""Every form of object in real programs and libraries: the matrix of docs/viewers.md, measured.

`consumers` runs them, `variants` makes the objects and says what is right. Drawing is measured in test_viewer.py.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom.leads import LEADS
from wfdb2dicom.dicom.options import Options

from .conftest import WITH_INVALID_SAMPLES
from .consumers import CONSUMERS, READERS, Reading, anonymized, with_pydicom
from .variants import PATIENT, UNSPECIFIED, Variant, write_all

RIGHT = "right"
IGNORED = "baseline ignored"
IN_COUNTS = "baseline added to counts"
MICROVOLTS = "1 count = 1 µV"
VALUE, NO_VALUE, HELD = "a value", "no value", "the last valid value"
MIXED = "nonsense: words of 16 bits"


class Row(NamedTuple):
    """What a consumer makes of the objects."""

    names: str  # of leads: the attribute
    plain: str  # amplitudes of records with baselines of 0
    source: str  # amplitudes with `baseline: source`
    zero: str  # amplitudes with `baseline: zero`
    keep: str  # invalid samples with `invalid_samples: keep`
    hold: str  # invalid samples with `invalid_samples: hold`
    bits_32: str  # objects of General 32-bit ECG

    @property
    def helps(self) -> str:
        """The options that help, as far as any does."""
        options = ["`baseline: zero`"] if self.source != RIGHT and self.zero == RIGHT else []
        return ", ".join(options + (["`invalid_samples: hold`"] if self.keep == VALUE else []))


LABEL, MEANING, SHORT, BOTH = (
    "Channel Label",
    "Code Meaning",
    "Code Meaning without “Lead”",
    "Code Meaning, Channel Label",
)
ATTRIBUTES = Row(LABEL, RIGHT, RIGHT, RIGHT, VALUE, HELD, RIGHT)
EXPECTED = {
    "pydicom": ATTRIBUTES,
    "highdicom": ATTRIBUTES,
    "DCMTK dcmdump": ATTRIBUTES,
    "DCMTK dcmconv to implicit": ATTRIBUTES,
    "DCMTK dcmconv to deflated": ATTRIBUTES,
    "DCMTK dcmconv and back": ATTRIBUTES,
    "DCMTK dcm2xml and back": ATTRIBUTES,
    "PixelMed": Row(BOTH, RIGHT, IGNORED, RIGHT, VALUE, HELD, MIXED),
    "dcmjs": Row(MEANING, RIGHT, RIGHT, RIGHT, VALUE, HELD, RIGHT),
    "dicom-parser": Row(MEANING, RIGHT, RIGHT, RIGHT, VALUE, HELD, RIGHT),
    "ecg-dicom-web-viewer": Row(SHORT, RIGHT, IN_COUNTS, RIGHT, VALUE, HELD, "refused"),
    "Cornerstone3D": Row(MEANING, MICROVOLTS, MICROVOLTS, MICROVOLTS, VALUE, HELD, "no channels"),
    "dicognito": ATTRIBUTES,
}
_MEANINGS = {lead.label: lead.meaning for lead in LEADS} | {UNSPECIFIED: "Unspecified lead"}
_NAMES: dict[str, Callable[[str], str]] = {
    LABEL: lambda name: name,
    MEANING: lambda name: _MEANINGS[name],
    SHORT: lambda name: _MEANINGS[name].replace("Lead", "").replace("lead", "").strip(),
    BOTH: lambda name: f"{_MEANINGS[name]} {name}",
}
_AMPLITUDES: dict[str, Callable[[Variant], npt.NDArray[np.float64]]] = {
    RIGHT: lambda variant: variant.counts * variant.sensitivities + variant.baselines,  # PS3.3 C.10.9.1.4.2
    IGNORED: lambda variant: variant.counts * variant.sensitivities,
    IN_COUNTS: lambda variant: (variant.counts + variant.baselines) * variant.sensitivities,
    MICROVOLTS: lambda variant: variant.counts / 1000,
}


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    return write_all(tmp_path_factory.mktemp("variants"))


@pytest.fixture(scope="module")
def read(
    variants: list[Variant], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], list[tuple[Variant, Reading]]]:
    """A function that has a consumer read all objects, once."""
    folder = tmp_path_factory.mktemp("consumers")
    known: dict[str, list[Reading]] = {}

    def read_(consumer: str) -> list[tuple[Variant, Reading]]:
        if consumer not in known:
            known[consumer] = CONSUMERS[consumer]([variant.path for variant in variants], folder)
        return list(zip(variants, known[consumer], strict=True))

    return read_


def only(found: set[str]) -> str:
    """The one thing that all objects show."""
    assert len(found) == 1, f"not the same in all objects: {found}"
    return found.pop()


def namings(variant: Variant, reading: Reading) -> list[str]:
    """The rules by which the leads may be named; several, where attributes agree."""
    found = [rule for rule, name in _NAMES.items() if sorted(map(name, variant.names)) == sorted(reading.names)]
    assert found, f"{variant.path.name}: {reading.names} for {variant.names}"
    return found


def naming(pairs: list[tuple[Variant, Reading]]) -> str:
    """The rule that holds for all objects."""
    return next(rule for rule in _NAMES if all(rule in namings(*pair) for pair in pairs))


def in_order(variant: Variant, reading: Reading) -> Reading:
    """The channels in the object's order; a consumer may sort them."""
    name = _NAMES[namings(variant, reading)[0]]
    order = [reading.names.index(name(label)) for label in variant.names]
    millivolts = None if reading.millivolts is None else reading.millivolts[:, order]
    samples = None if reading.samples is None else reading.samples[:, order]
    return Reading([reading.names[n] for n in order], samples, millivolts)


def amplitudes(variant: Variant, reading: Reading) -> str:
    """The rule by which the amplitudes were computed, at every sample that has a value."""
    found = in_order(variant, reading).millivolts
    assert found is not None and found.shape == variant.millivolts.shape
    valid = ~np.isnan(variant.millivolts)
    assert np.abs(_AMPLITUDES[RIGHT](variant) - variant.millivolts)[valid].max() < 1e-9  # the rule is wfdb's amplitude
    for rule, expected in _AMPLITUDES.items():
        if np.abs(found - expected(variant))[valid].max() < 1e-6:
            return rule
    raise AssertionError(f"{variant.path.name}: no rule gives the amplitudes, which begin with {found[0]}")


def at_invalid_samples(variant: Variant, reading: Reading) -> str:
    found = in_order(variant, reading).millivolts
    assert found is not None
    if np.isnan(found[variant.invalid]).all():
        return NO_VALUE
    wrong = np.abs(found - _AMPLITUDES[amplitudes(variant, reading)](variant))
    assert wrong[variant.invalid].max() < 1e-4, f"{variant.path.name}: {found[variant.invalid]}"
    return HELD if variant.options.invalid_samples == "hold" else VALUE


def wide(variant: Variant, reading: Reading) -> str:
    """What becomes of samples of 32 bits."""
    if reading.refused:
        return "refused"
    if not reading.names:
        return "no channels"
    samples = in_order(variant, reading).samples
    assert samples is not None
    if (samples == variant.counts).all():
        return amplitudes(variant, reading)
    words = np.frombuffer(variant.counts.astype("<i4").tobytes(), "<i2").reshape(-1, len(variant.names))
    assert (samples == words[: len(samples)]).all(), variant.path.name
    return MIXED


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_consumer_reads_names_samples_and_amplitudes_as_documented(
    read: Callable[[str], list[tuple[Variant, Reading]]], consumer: str
) -> None:
    pairs = read(consumer)
    narrow = [(variant, reading) for variant, reading in pairs if variant.bits == 16]
    for variant, reading in narrow:
        samples = in_order(variant, reading).samples
        assert samples is None or (samples == variant.counts).all(), variant.path.name
        assert reading.frequency == pytest.approx(variant.frequency), variant.path.name
        assert (reading.patient == PATIENT) == (consumer != "dicognito"), variant.path.name

    def all_of(measure: Callable[[Variant, Reading], str], **options: str) -> str:
        return only({measure(variant, reading) for variant, reading in narrow if variant.matches(**options)})

    measured = Row(
        names=naming(narrow),
        plain=only({amplitudes(variant, reading) for variant, reading in narrow if variant.plain}),
        source=all_of(amplitudes, baseline="source"),
        zero=all_of(amplitudes, baseline="zero"),
        keep=all_of(at_invalid_samples, invalid_samples="keep"),
        hold=all_of(at_invalid_samples, invalid_samples="hold"),
        bits_32=only({wide(variant, reading) for variant, reading in pairs if variant.bits == 32}),
    )
    assert measured == EXPECTED[consumer]


def test_the_demo_is_read_by_pydicom_in_strict_mode(
    records: dict[str, Path], dicoms: dict[str, Path], offset_record: Path, offset_dicom: Path, tmp_path: Path
) -> None:
    import wfdb

    pairs = [(dicoms[study_id], record) for study_id, record in records.items()]
    pairs.append((offset_dicom, offset_record))
    for reading, (_, path) in zip(with_pydicom([dicom for dicom, _ in pairs], tmp_path), pairs, strict=True):
        record: Any = wfdb.rdrecord(str(path))
        valid = ~np.isnan(record.p_signal)
        assert reading.names == record.sig_name
        assert reading.frequency == record.fs
        assert reading.millivolts is not None and reading.millivolts.shape == record.p_signal.shape
        assert np.abs(reading.millivolts - record.p_signal)[valid].max() <= 1e-9


def test_one_invalid_sample_flattens_the_page_of_cornerstone3d_and_hold_keeps_it(
    records: dict[str, Path], tmp_path: Path
) -> None:
    """Its viewport scales all leads by the extreme of all: pixels that 1 mV is high, on a canvas of 1200 × 800."""
    heights = {}
    for invalid_samples in ("keep", "hold"):
        path = tmp_path / invalid_samples
        convert_record(records[WITH_INVALID_SAMPLES], path, Acquisition(), Options(invalid_samples=invalid_samples))
        (reading,) = CONSUMERS["Cornerstone3D"]([path], tmp_path)
        assert reading.pixels_per_count is not None
        sensitivity = pydicom.dcmread(path).WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSensitivity
        heights[invalid_samples] = reading.pixels_per_count / float(sensitivity)
    assert 0 < heights["keep"] < 0.5
    assert heights["hold"] > 10


def test_dicognito_gives_a_new_identity_and_leaves_the_report_text(annotated: Path, variants: list[Variant]) -> None:
    paths = [annotated, *(variant.path for variant in variants)]
    for path, copy in zip(paths, anonymized(paths), strict=True):
        original = pydicom.dcmread(path)
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "StudyDate"):
            assert copy[keyword].value != original[keyword].value, (path.name, keyword)
        assert copy.WaveformSequence == original.WaveformSequence
        assert copy.get("WaveformAnnotationSequence") == original.get("WaveformAnnotationSequence")
    assert any("UnformattedTextValue" in item for item in pydicom.dcmread(annotated).WaveformAnnotationSequence)


def test_highdicom_calls_the_object_an_image_without_frames(variants: list[Variant]) -> None:
    highdicom = pytest.importorskip("highdicom")
    image = highdicom.imread(variants[0].path)
    assert type(image) is highdicom.Image
    with pytest.raises(ValueError, match="does not represent an image"):
        image.get_frames()


def lines_of_the_page() -> list[str]:
    """The matrix as docs/viewers.md has it."""
    head = ["Consumer", "Lead names", "Baselines of 0", "`baseline: source`", "`baseline: zero`"]
    head += ["`invalid_samples: keep`", "`invalid_samples: hold`", "General 32-bit", "What helps"]
    rows = [[consumer, *row, row.helps] for consumer, row in EXPECTED.items()]
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]


def test_the_page_shows_this_matrix(project: Path) -> None:
    page = (project / "docs" / "viewers.md").read_text(encoding="utf-8")
    assert "\n".join(lines_of_the_page()) in page, "docs/viewers.md must hold:\n" + "\n".join(lines_of_the_page())


def test_the_page_names_the_versions_that_are_read_with(project: Path) -> None:
    page = (project / "docs" / "viewers.md").read_text(encoding="utf-8")
    packages = json.loads((READERS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    versions = {name: packages[name] for name in ("dcmjs", "dicom-parser", "ecg-dicom-web-viewer")}
    versions["Cornerstone3D"] = packages["@cornerstonejs/core"]
    lock = (project / "requirements.lock").read_text(encoding="utf-8")
    for name in ("pydicom", "highdicom", "dicognito"):
        (versions[name],) = re.findall(rf"^{name}==(\S+)", lock, re.MULTILINE)
    for name, version in versions.items():
        assert f"{name} {version}" in page
