"""Files fetched ahead: one that cannot be had is nobody's trouble before its turn, and none stays open."""

import os
from pathlib import Path

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.convert import Converter
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.records.readahead import ReadAhead
from wfdb2dicom.system.output_tree import OutputTree


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_whoever_reads_a_wanted_file_gets_it_open_and_once(tmp_path: Path) -> None:
    file = tmp_path / "x.dat"
    file.write_bytes(b"samples")
    ahead = ReadAhead()
    ahead.request(str(file))
    ahead.request(str(file))
    fd = ahead.take(str(file))
    assert fd is not None and os.pread(fd, 100, 0) == b"samples"
    os.close(fd)
    assert ahead.take(str(file)) is None


def test_what_cannot_be_opened_is_left_to_its_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # is opened without waiting for a writer
    ahead, before = ReadAhead(), open_files()
    for name in ("missing", "nul\0byte", "fifo"):
        ahead.request(str(tmp_path / name))
    assert ahead.take(str(tmp_path / "missing")) is None
    ahead.drop(str(tmp_path / "fifo"))
    ahead.drop(str(tmp_path / "missing"))
    assert open_files() == before


def test_a_study_leaves_no_file_open_whether_it_converts_or_fails(tmp_path: Path, make_record) -> None:
    whole, cut = make_record(name="1", folder="wfdb"), make_record(name="2", folder="wfdb")
    header = Path(f"{cut}.hea")
    header.write_text(header.read_text().replace("mV", "mmHg"))  # fails before its signals are read
    target = OutputTree(str(tmp_path / "dcm"))
    converter = Converter("", target, Options())
    before = open_files()
    for record in (whole, cut, whole):  # the last time it is up to date
        name = f"{Path(record).name}.dcm"
        converter.expect(str(record), name)
        try:
            prepared = converter.prepare(str(record), Acquisition(subject_id="10000032", study_id="1"))
            converter.convert(prepared, name)
        except Exception as error:
            assert type(error).__name__ == "UnitsError"
        target.close()
    assert open_files() == before
