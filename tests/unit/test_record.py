"""Reading WFDB records: the plain reader agrees with wfdb, and nothing doubtful passes."""

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from wfdb2dicom.errors import ChecksumError, HeaderError, PathError, SignalError
from wfdb2dicom.records.header import parse, read_moment
from wfdb2dicom.records.plain_reader import read_plain_samples
from wfdb2dicom.records.samples import reduce_columns, verify_samples
from wfdb2dicom.records.source_file import MAX_HEADER_BYTES, Source, read_header_text


def plain(record: Path):
    header = parse(read_header_text(f"{record}.hea"))
    assert header is not None
    with Source(f"{record.parent}/{header.signal_file}", "") as source:
        return header, read_plain_samples(source, header)


def assert_like_wfdb(record: Path) -> None:
    header, samples = plain(record)
    expected = wfdb.rdrecord(str(record), physical=False)
    assert header.name == expected.record_name
    assert header.sampling_frequency == expected.fs
    assert header.n_samples == expected.sig_len
    assert [s.description for s in header.signals] == expected.sig_name
    assert [s.gain for s in header.signals] == expected.adc_gain
    assert [s.baseline for s in header.signals] == expected.baseline
    assert [s.units for s in header.signals] == expected.units
    assert [s.initial_value for s in header.signals] == expected.init_value
    assert [s.checksum for s in header.signals] == expected.checksum
    moment = expected.base_date and datetime.combine(expected.base_date, expected.base_time)
    assert header.moment == moment
    assert list(header.comments) == expected.comments
    assert np.array_equal(samples, expected.d_signal)
    verify_samples(header.signals, samples, str(record))


@pytest.mark.real
def test_every_real_plain_record_reads_as_wfdb_reads_it(shared_data: Path) -> None:
    headers = sorted(shared_data.rglob("*.hea"))
    plain_ones = [
        h
        for h in headers
        if parse(h.read_bytes()).is_plain and (h.with_suffix(".dat").exists() or h.with_suffix(".mat").exists())
    ]
    for header in plain_ones:
        assert_like_wfdb(header.with_suffix(""))
    names = {h.stem for h in plain_ones}
    assert {"E07500", "HR06000", "JS20000", "ludb-ecg", "00001_lr"} <= names
    assert len(plain_ones) >= 53


@pytest.mark.real
def test_real_mimic_headers_are_plain_and_name_their_patient(shared_data: Path) -> None:
    paths = sorted((shared_data / "mimic_iv_ecg_headers").glob("*.hea"))
    assert len(paths) == 3
    for path in paths:
        header, expected = parse(path.read_bytes()), wfdb.rdheader(str(path.with_suffix("")))
        assert header is not None
        assert header.moment == datetime.combine(expected.base_date, expected.base_time)
        assert [s.checksum for s in header.signals] == expected.checksum
        assert expected.comments == [f"<subject_id>: {header.subject_id}"]


def test_a_record_of_mimics_form_reads_as_wfdb_reads_it(make_record) -> None:
    assert_like_wfdb(make_record())


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_endings_bom_comments_and_blank_lines_do_not_matter(make_record, ending: str) -> None:
    text = make_record().with_suffix(".hea").read_bytes()
    expected = parse(text)
    lines = text.decode().splitlines()
    variant = ending.join(["\ufeff" + lines[0], "", "# a comment", *lines[1:], ""]).encode()
    found = parse(variant)
    assert found is not None and expected is not None
    assert (found.name, found.signals, found.moment) == (expected.name, expected.signals, expected.moment)
    assert found.subject_id == "10000032"


@pytest.mark.parametrize(
    "change",
    [
        (" 12 500 500 ", " 12 500/250 500 "),  # counter frequency
        (".dat 16 ", ".dat 212 "),
        (".dat 16 ", ".dat 16x2 "),
        (".dat 16 ", ".dat 16:3 "),  # skew
        (" 0 V6", " 0"),  # no description
        ("200.0(0)/mV", "-200.0(0)/mV"),
    ],
)
def test_what_is_not_plain_is_left_to_wfdb(make_record, change: tuple[str, str]) -> None:
    text = make_record().with_suffix(".hea").read_text()
    assert change[0] in text
    assert not parse(text.replace(*change).encode()).is_plain


def test_a_header_without_all_of_its_lines_is_refused(make_record) -> None:
    text = make_record().with_suffix(".hea").read_text()
    with pytest.raises(HeaderError, match="states 13 signals and describes 12"):
        parse(text.replace(" 12 500 ", " 13 500 ").encode())
    with pytest.raises(HeaderError, match="not a segment"):
        parse(text.replace("40689238 12", "40689238/2 12").encode())


def test_binary_in_place_of_a_header_is_not_echoed() -> None:
    with pytest.raises(HeaderError) as caught:
        parse(bytes(range(256)) * 10)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("08:44:00 23/07/2180", datetime(2180, 7, 23, 8, 44)),
        ("8:44:00.25 3/7/2180", datetime(2180, 7, 3, 8, 44, 0, 250000)),
        ("08:44:00", None),  # a time without a date is not a moment
        ("12-May-2020 12:33:59", datetime(2020, 5, 12, 12, 33, 59)),
        ("2-MAY-2020 12:33:59.25 ", datetime(2020, 5, 2, 12, 33, 59, 250000)),
        ("12-Mai-2020 12:33:59", None),
        ("12-May-20 12:33:59", None),
        ("31-Feb-2020 12:33:59", None),
        ("2020-05-12T12:33:59.5", datetime(2020, 5, 12, 12, 33, 59, 500000)),
        ("2020-05-12 12:33", datetime(2020, 5, 12, 12, 33)),
        ("2020-05-12", None),
        ("2020-05-12T12:33:59+02:00", None),
        ("23/07/2180 08:44:00", None),
        ("08:44:00 31/02/2180", None),
        ("25:44:00 23/07/2180", None),
        (None, None),
    ],
)
def test_a_moment_is_a_date_and_a_time_or_nothing(text: str | None, moment: datetime | None) -> None:
    assert read_moment(text) == moment


@given(st.integers(1, 300), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_column_reductions_equal_numpys(n: int, width: int, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(-(2**15), 2**15, (n, width)).astype("<i2")
    bits = samples.view(np.uint16)
    assert np.array_equal(reduce_columns(np.add, bits), samples.sum(axis=0, dtype=np.int64) % 65536)
    assert np.array_equal(reduce_columns(np.minimum, samples), samples.min(axis=0))
    assert np.array_equal(reduce_columns(np.maximum, samples), samples.max(axis=0))


def test_checksums_may_be_written_signed(make_record) -> None:
    record = make_record()
    header = record.with_suffix(".hea")
    lines = header.read_text().splitlines()
    for n, line in enumerate(lines[1:13], 1):
        words = line.split()
        words[6] = str((int(words[6]) + 2**15) % 2**16 - 2**15)
        lines[n] = " ".join(words)
    header.write_text("\n".join(lines))
    found, samples = plain(record)
    assert any(s.checksum is not None and s.checksum < 0 for s in found.signals)
    verify_samples(found.signals, samples, "x")


def test_one_flipped_bit_breaks_a_checksum_and_the_message_names_signal_and_remedy(make_record) -> None:
    record = make_record()
    data = bytearray(record.with_suffix(".dat").read_bytes())
    data[24 * 7 + 10] ^= 4  # sample 7 of the sixth signal
    record.with_suffix(".dat").write_bytes(data)
    header, samples = plain(record)
    with pytest.raises(ChecksumError, match=r"'aVL' sums to \d+ where its header gives \d+.*fetch both again"):
        verify_samples(header.signals, samples, "x.dat")


def test_a_wrong_initial_value_is_found_where_the_sum_is_right(make_record) -> None:
    record = make_record()
    header, samples = plain(record)
    shifted = np.roll(samples, 1, axis=0)
    with pytest.raises(ChecksumError, match="'I' starts with"):
        verify_samples(header.signals, shifted, "x.dat")


@pytest.mark.parametrize("size", [0, 1, 11_999, 12_001, 24_000])
def test_a_signal_file_of_another_length_is_refused(make_record, size: int) -> None:
    record = make_record()
    data = record.with_suffix(".dat").read_bytes()
    record.with_suffix(".dat").write_bytes((data * 2)[:size])
    with pytest.raises(SignalError, match=rf"has {size} bytes where the header .* needs 12000; fetch it again"):
        plain(record)


def test_a_header_that_promises_a_million_million_samples_costs_nothing(make_record) -> None:
    record = make_record()
    header = record.with_suffix(".hea")
    header.write_text(header.read_text().replace(" 500 500 ", " 500 1000000000000 "))
    with pytest.raises(SignalError, match="needs 24000000000000"):
        plain(record)


def test_a_fifo_is_refused_at_once(make_record) -> None:
    record = make_record()
    record.with_suffix(".dat").unlink()
    os.mkfifo(record.with_suffix(".dat"))
    with pytest.raises(SignalError, match="not a regular file"):
        plain(record)


def test_a_link_out_of_the_tree_is_refused(make_record, tmp_path: Path) -> None:
    record = make_record()
    outside = tmp_path / "outside.dat"
    record.with_suffix(".dat").rename(outside)
    record.with_suffix(".dat").symlink_to(outside)
    with pytest.raises(PathError, match="leads out of wfdb_dir"):
        Source(f"{record}.dat", str(record.parent))
    with Source(f"{record}.dat", str(tmp_path)) as source:  # within the tree links are welcome
        assert source.size == 12_000


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"\n \n", "is empty"), (b"#" * (MAX_HEADER_BYTES + 1), "bytes")]
)
def test_a_header_that_cannot_be_one_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.hea"
    path.write_bytes(content)
    with pytest.raises(HeaderError, match=message):
        read_header_text(str(path))
