"""Which ECG class a record becomes: every limit of every class on both sides, the choice, and forcing it."""

from itertools import islice

import pytest

from wfdb2dicom.conformance import standard
from wfdb2dicom.dicom import elements, sop_classes
from wfdb2dicom.dicom.leads import LEADS, STANDARD_ORDER
from wfdb2dicom.errors import RangeError

CLASSES = {c.name: c for c in sop_classes.SOP_CLASSES}
UIDS = {"12-lead": "1", "general": "2", "ambulatory": "3", "general-32bit": "4"}


def labels(n: int) -> list[str]:
    """Names of `n` leads, the twelve first."""
    others = (lead.label for lead in LEADS if lead.label not in STANDARD_ORDER)
    return [*STANDARD_ORDER, *islice(others, max(0, n - 12))][:n]


def fits(name: str, channels: int = 12, samples: int = 5000, frequency: float = 500, bits: int = 16) -> bool:
    try:
        return sop_classes.choose(labels(channels), samples, frequency, bits, name).name == name
    except RangeError:
        return False


def test_classes_have_the_uids_of_ps3_4() -> None:
    assert {c.name: c.uid for c in sop_classes.SOP_CLASSES} == {
        name: f"1.2.840.10008.5.1.4.1.1.9.1.{last}" for name, last in UIDS.items()
    }


@pytest.mark.parametrize(
    ("name", "within", "beyond", "words"),
    [
        ("12-lead", {"channels": 13}, {"channels": 14}, r"14 channels \(limit 1 to 13\)"),
        ("12-lead", {"channels": 1}, {"channels": 0}, "0 channels"),
        ("12-lead", {"samples": 16_384}, {"samples": 16_385}, r"16385 samples \(limit 1 to 16384\)"),
        ("12-lead", {"samples": 1}, {"samples": 0}, "0 samples"),
        ("12-lead", {"frequency": 200}, {"frequency": 199.99}, r"199.99 Hz \(limit 200 to 1000\)"),
        ("12-lead", {"frequency": 1000}, {"frequency": 1000.01}, "1000.01 Hz"),
        ("12-lead", {"bits": 16}, {"bits": 17}, "17 bits"),
        ("general", {"channels": 24}, {"channels": 25}, "25 channels"),
        ("general", {"channels": 1}, {"channels": 0}, "0 channels"),
        ("general", {"samples": 10_000_000}, {"samples": 0}, "0 samples"),
        ("general", {"samples": 178_913_000}, {"samples": 178_950_000}, "bytes of samples"),
        ("general", {"frequency": 200}, {"frequency": 199.99}, "199.99 Hz"),
        ("general", {"frequency": 1000}, {"frequency": 1000.01}, "1000.01 Hz"),
        ("general", {"bits": 16}, {"bits": 32}, "32 bits"),
        ("ambulatory", {"channels": 12}, {"channels": 13}, "13 channels"),
        ("ambulatory", {"channels": 1}, {"channels": 0}, "0 channels"),
        ("ambulatory", {"samples": 10_000_000}, {"samples": 0}, "0 samples"),
        ("ambulatory", {"frequency": 50}, {"frequency": 49.99}, r"49.99 Hz \(limit 50 to 1000\)"),
        ("ambulatory", {"frequency": 1000}, {"frequency": 1000.01}, "1000.01 Hz"),
        ("ambulatory", {"bits": 16}, {"bits": 32}, "32 bits"),
        ("general-32bit", {"channels": 24}, {"channels": 25}, "25 channels"),
        ("general-32bit", {"frequency": 20_000}, {"frequency": 0}, "0 Hz"),
        ("general-32bit", {"frequency": 1}, {"frequency": float("nan")}, "nan Hz"),
        ("general-32bit", {"samples": 89_450_000}, {"samples": 89_480_000}, "bytes of samples"),
        ("general-32bit", {"bits": 32}, {"bits": 33}, "33 bits"),
    ],
)
def test_each_limit_holds_on_both_sides(name: str, within: dict, beyond: dict, words: str) -> None:
    assert fits(name, **within)
    assert not fits(name, **beyond)
    shape = {"channels": 12, "samples": 5000, "frequency": 500.0, "bits": 16} | beyond
    with pytest.raises(RangeError, match=words):
        sop_classes.choose(labels(shape.pop("channels")), *shape.values(), wanted=name)


@pytest.mark.parametrize(
    ("leads", "samples", "frequency", "bits", "name"),
    [
        (labels(12), 5000, 500, 16, "12-lead"),  # MIMIC-IV-ECG
        (["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"], 5000, 500, 16, "12-lead"),  # the rest follows
        (labels(15), 115_200, 1000, 16, "general"),  # PTB
        (labels(12), 1000, 100, 16, "ambulatory"),  # PTB-XL at 100 Hz
        (["I", "II", "III"], 999, 360, 16, "general"),  # within 12-Lead's limits, but no 12-lead ECG
        (["MLII", "V5"], 650_000, 360, 16, "general"),  # MIT-BIH
        (["II", "V"], 28_637, 125, 16, "ambulatory"),  # a monitor
        (labels(12), 16_385, 500, 16, "general"),
        (labels(12), 5000, 500, 32, "general-32bit"),
        (labels(12), 5000, 4000, 32, "general-32bit"),
    ],
)
def test_auto_takes_the_first_class_that_the_record_is(leads, samples, frequency, bits, name: str) -> None:
    assert sop_classes.choose(leads, samples, frequency, bits).name == name


def test_auto_names_the_limit_of_every_class_when_none_fits() -> None:
    with pytest.raises(RangeError) as caught:
        sop_classes.choose(labels(12), 5000, 20)
    assert all(name in str(caught.value) for name in CLASSES)
    assert "set sop_class: general-32bit" in str(caught.value)


def test_a_forced_class_needs_its_limits_and_nothing_else() -> None:
    assert sop_classes.choose(["I", "II", "III"], 999, 360, wanted="12-lead").name == "12-lead"
    assert sop_classes.choose(labels(12), 5000, 500, wanted="general-32bit").name == "general-32bit"
    with pytest.raises(RangeError, match="12-lead: 100 Hz"):
        sop_classes.choose(labels(12), 1000, 100, wanted="12-lead")


@pytest.mark.parametrize("sop_class", sop_classes.SOP_CLASSES, ids=lambda sop_class: sop_class.name)
def test_the_converters_limits_are_those_by_which_the_checker_judges(sop_class: sop_classes.SopClass) -> None:
    judged = standard.CLASSES[sop_class.uid]
    assert (sop_class.max_channels, sop_class.max_samples) == (judged.channels, judged.samples)
    assert sop_class.min_frequency == (judged.low or 0)
    assert sop_class.max_frequency == (judged.high or float("inf"))
    assert ("SS" if sop_class.bits == 16 else "SL") in judged.interpretations


def test_the_checker_has_the_same_tags_and_representations_as_the_encoder() -> None:
    tables = [table for table in vars(standard).values() if isinstance(table, dict)]
    judged = {
        tag: (one.keyword, one.vr)
        for table in tables
        for tag, one in table.items()
        if isinstance(one, standard.Attribute)
    }
    written = {tag: (keyword, vr) for keyword, (tag, vr) in elements.TAGS.items()}
    assert len(judged) > 50
    assert {tag: written[tag] for tag in written.keys() & judged.keys()} == {
        tag: judged[tag] for tag in written.keys() & judged.keys()
    }
