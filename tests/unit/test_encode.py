"""The fast path writes the very bytes that pydicom would; decimal strings come as close as 16 characters can."""

import io
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config, datadict

from wfdb2dicom.dicom import elements, leads, sop_classes
from wfdb2dicom.dicom.annotations import Annotation
from wfdb2dicom.dicom.attributes import Channel, InstanceAttributes, SharedAttributes, decimal_string
from wfdb2dicom.dicom.template import Template, template

from .reference import encode_reference

gains = st.floats(1e-3, 1e9).map(Fraction) | st.integers(1, 100_000).map(Fraction)
hertz = st.sampled_from(["", "0.005", "0.0005", "0.05", "150", "60"]) | st.integers(1, 9999).map(str)


def text(limit: int, least: int = 0) -> st.SearchStrategy[str]:
    """DICOM text: printable, no backslash, no spaces around it; pydicom, when strict, counts bytes for characters."""
    letters = st.characters(codec="utf-8", exclude_characters="\\", exclude_categories=["C", "Z"])
    return st.text(letters, min_size=least, max_size=limit // 2).filter(lambda value: len(value.encode()) <= limit)


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    lead = draw(
        st.sampled_from(leads.LEADS)
        | text(16, 1).map(lambda name: leads.find(name, "local") if ok(name) else leads.LEADS[0])
    )
    gain, baseline = draw(gains), draw(st.integers(-(2**15), 2**15))
    return Channel(
        label=lead.label,
        code=lead.code,
        meaning=lead.meaning,
        sensitivity=decimal_string(1 / gain),
        baseline=decimal_string(-baseline / gain),
        modifier=lead.modifier,
        status=draw(st.sampled_from(["", "INVALID", "QUESTIONABLE"])),
        skew=str(-draw(st.integers(0, 1000))),
    )


def ok(name: str) -> bool:
    """Whether the name may be that of an unspecified lead."""
    try:
        return bool(leads.find(name, "local"))
    except leads.LeadError:
        return False


annotations = st.builds(
    lambda value: Annotation("2:16168", "RR Interval", str(value), "ms"), st.integers(1, 20_000)
) | text(1024, 1).map(lambda line: Annotation(text=line))
intervals = st.builds(
    lambda channel, edges: Annotation(channel=channel, positions=tuple(sorted(edges + edges))),
    st.integers(1, 24),
    st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=5),
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[SharedAttributes, InstanceAttributes, bytes]:
    sop_class = draw(st.sampled_from(sop_classes.SOP_CLASSES))
    definitions = tuple(draw(st.lists(channels(), min_size=1, max_size=4)))
    uid = st.integers(1, 2**128).map(lambda n: f"2.25.{n}")
    instance = InstanceAttributes(
        sop_instance_uid=draw(uid),
        study_instance_uid=draw(uid),
        series_instance_uid=draw(uid),
        moment=draw(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))),
        patient_id=draw(text(64, 1)),
        study_id=draw(text(16)),
        station=draw(text(16)),
        patient_sex=draw(st.sampled_from(["", "M", "F", "O"])),
        patient_age=draw(st.sampled_from(["", "000Y", "063Y", "089Y"])),
        annotations=tuple(draw(st.lists(annotations | intervals, max_size=3))),
    )
    shared = SharedAttributes(
        sop_class=sop_class,
        frequency=decimal_string(Fraction(draw(st.floats(1e-3, 1e5)))),
        n_samples=draw(st.integers(1, 9)),
        channels=definitions,
        filter_low=draw(hertz),
        filter_high=draw(hertz),
        notch=draw(hertz),
        omitted=tuple(draw(st.lists(text(64, 1), max_size=3))),
        issuer=draw(text(64)),
        subtracted=tuple(draw(st.lists(st.integers(-(2**31), 2**31), max_size=24))),
        held=draw(st.booleans()),
        padding=draw(st.sampled_from([None, -128, -2048, -32768] + [-(2**31)] * (sop_class.bits == 32))),
        ascii=True,
    )
    words = (*instance.texts(), *shared.omitted, shared.issuer, *(c.label for c in definitions))
    shared = replace(shared, ascii=all(word.isascii() for word in words))
    size = shared.n_samples * len(definitions) * sop_class.bits // 8
    return shared, instance, draw(st.binary(min_size=size, max_size=size))


@settings(max_examples=60)
@given(objects())
def test_head_and_samples_are_the_bytes_that_pydicom_writes(
    made: tuple[SharedAttributes, InstanceAttributes, bytes],
) -> None:
    shared, instance, data = made
    with config.strict_reading():
        expected = encode_reference(shared, instance, data)
        found = Template(shared).head(instance) + data
        assert found == expected
        assert Template(shared).data_size == len(data)
        ds = pydicom.dcmread(io.BytesIO(found))
        assert ds.WaveformSequence[0].WaveformData == data
        assert ds.PatientID == instance.patient_id
        assert [c.ChannelLabel for c in ds.WaveformSequence[0].ChannelDefinitionSequence] == [
            c.label for c in shared.channels
        ]


@pytest.mark.parametrize("keyword", elements.TAGS)
def test_tags_and_representations_are_those_of_the_standard(keyword: str) -> None:
    tag, vr = elements.TAGS[keyword]
    assert tag == datadict.tag_for_keyword(keyword)
    assert vr in datadict.dictionary_VR(tag).split(" or ")


def test_equal_layouts_share_a_template() -> None:
    def shared(gain: int) -> SharedAttributes:
        return SharedAttributes(
            sop_classes.SOP_CLASSES[0],
            "500",
            3,
            (Channel("I", "2:1", "Lead I", decimal_string(Fraction(1, gain)), "0"),),
        )

    assert template(shared(200)) is template(shared(200))
    assert template(shared(200)) is not template(shared(1000))


@given(gains, st.integers(-(2**15), 2**15))
def test_decimal_strings_fit_and_are_as_close_as_sixteen_characters_allow(gain: Fraction, baseline: int) -> None:
    for value in (1 / gain, -baseline / gain):
        found = decimal_string(value)
        assert len(found) <= 16
        assert abs(Fraction(found) - value) <= abs(value) * Fraction(1, 10**9)
        assert value == 0 or Fraction(found) != 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(1, 200), "0.005"),
        (Fraction(1, 1000), "0.001"),
        (Fraction(500), "500"),
        (Fraction(0), "0"),
        (Fraction(5, 698), "0.00716332378223"),
        (Fraction(1, 3), "0.33333333333333"),
        (Fraction(1, 10**9), "0.000000001"),
    ],
)
def test_decimal_strings_are_the_short_ones_people_expect(value: Fraction, expected: str) -> None:
    assert decimal_string(value) == expected
