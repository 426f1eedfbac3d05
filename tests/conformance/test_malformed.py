"""Objects that are malformed: every program reads them in one pass and says what is wrong."""

import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from wfdb2dicom.conformance.checker import check_bytes
from wfdb2dicom.dicom.part10 import MalformedError, parse
from wfdb2dicom.dicom.restore import RestoreError, restore

SEQUENCE = b"\x40\0\x55\x05SQ\0\0"  # Acquisition Context Sequence
UNDEFINED = b"\xff\xff\xff\xff"
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)


def nested(depth: int, *, defined: bool) -> bytes:
    """An Acquisition Context Sequence in which sequences are nested."""
    content = b""
    for _ in range(depth):
        if defined:
            item = ITEM + struct.pack("<I", len(content)) + content
            content = SEQUENCE + struct.pack("<I", len(item)) + item
        else:
            content = SEQUENCE + UNDEFINED + ITEM + UNDEFINED + content + ITEM_END + SEQUENCE_END
    return content


def with_context(path: Path, sequence: bytes) -> bytes:
    """An object whose empty Acquisition Context Sequence is another."""
    content = path.read_bytes()
    assert content.count(SEQUENCE + bytes(4)) == 1
    return content.replace(SEQUENCE + bytes(4), sequence)


@pytest.mark.parametrize("defined", [True, False])
@pytest.mark.parametrize("depth", [30, 500, 5000])
def test_deeply_nested_sequences_are_an_error_at_once(complete: Path, depth: int, defined: bool) -> None:
    content = with_context(complete, nested(depth, defined=defined))
    began = time.process_time()
    (violation,) = check_bytes(content)
    with pytest.raises(RestoreError, match="nested more than 16 deep"):
        restore(content)
    assert "nested more than 16 deep" in str(violation)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("defined", [True, False])
def test_nesting_within_the_limit_is_read(complete: Path, defined: bool) -> None:
    parsed = parse(with_context(complete, nested(16, defined=defined)))
    depth, dataset = 0, parsed.dataset
    while 0x00400555 in dataset and dataset[0x00400555].items:
        depth, dataset = depth + 1, dataset[0x00400555].items[0]
    assert depth == 16
    assert parsed.dataset[0x54000100].items


def test_an_item_without_its_delimiter_is_an_error(complete: Path) -> None:
    content = complete.read_bytes()
    place = content.index(SEQUENCE + bytes(4))
    with pytest.raises(MalformedError):
        parse(content[:place] + SEQUENCE + UNDEFINED + ITEM + UNDEFINED)


def test_a_file_cut_short_anywhere_in_its_beginning_is_an_error(complete: Path) -> None:
    content = complete.read_bytes()
    for end in range(800):
        assert check_bytes(content[:end])
        with pytest.raises(RestoreError):
            restore(content[:end])


@pytest.mark.parametrize("keyword", ["PatientID", "ChannelLabel"])
def test_a_line_feed_does_not_become_a_line_of_the_restored_header(
    complete: Path, tmp_path: Path, keyword: str
) -> None:
    ds = dcmread(complete)
    place = ds if keyword == "PatientID" else ds.WaveformSequence[0].ChannelDefinitionSequence[0]
    setattr(place, keyword, "7\n# <subject_id>")
    ds.save_as(tmp_path / "x.dcm")
    with pytest.raises(RestoreError, match="cannot be a line of a WFDB header"):
        restore((tmp_path / "x.dcm").read_bytes(), "r")


@pytest.mark.parametrize("command", ["check", "restore", "draw"])
@pytest.mark.parametrize("frequency", [b"0   ", b"NaN ", b"inf ", b"-50 "])
def test_a_frequency_that_is_none_is_a_documented_error(
    project: Path, complete: Path, tmp_path: Path, command: str, frequency: bytes
) -> None:
    dicom, content = tmp_path / "x.dcm", complete.read_bytes()
    place = content.index(b"\x3a\x00\x1a\x00DS\x04\x00" + b"500 ") + 8
    dicom.write_bytes(content[:place] + frequency + content[place + 4 :])
    arguments = {"check": [dicom], "restore": [dicom, tmp_path], "draw": [dicom, tmp_path / "x.png"]}[command]
    done = subprocess.run(
        [sys.executable, str(project / "scripts/wfdb2dicom"), command, *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "SamplingFrequency" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
