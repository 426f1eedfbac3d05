"""What a header promises is checked before a sample is read, so that a small record cannot take much memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wfdb2dicom import Options, convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.errors import HeaderError, PathError, RangeError, SignalError
from wfdb2dicom.records.wfdb_reader import read_with_wfdb

from .conftest import ecg

WHO = Acquisition(subject_id="1", ecg_time="2100-01-01 00:00:00")


def write(path: Path, first: str, lines: list[str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".hea").write_text("\n".join([first, *lines]) + "\n")
    return str(path)


def read(record: str, root: Path | str = "") -> np.ndarray:
    return read_with_wfdb(record, str(root), Path(f"{record}.hea").read_bytes()).samples


def test_a_flac_file_that_unpacks_to_two_hundred_times_its_size_is_not_unpacked(tmp_path: Path) -> None:
    samples = 17 * 2**20
    with soundfile.SoundFile(tmp_path / "r.flac", "w", 500, 1, "PCM_16", format="FLAC") as file:
        for _ in range(17):
            file.write(np.zeros(2**20, "i2"))
    with (tmp_path / "r.flac").open("ab") as stream:
        stream.truncate(4 * samples // 200)
    record = write(tmp_path / "r", f"r 1 500 {samples}", ["r.flac 516 200 16 0 0 0 0 I"])
    tracemalloc.start()
    with pytest.raises(SignalError, match=r"claims \d+ bytes of samples"):
        read(record)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def segments(folder: Path, files: list[str], frames: int = 100) -> str:
    for n, name in enumerate(files):
        write(folder / f"s{n}", f"s{n} 1 250 {frames}", [f"{name} 16 200 16 0 0 0 0 I"])
    return write(folder / "r", f"r/{len(files)} 1 250 {100 * len(files)}", [f"s{n} 100" for n in range(len(files))])


def test_many_segments_of_one_file_are_refused_before_any_is_read(tmp_path: Path) -> None:
    (tmp_path / "d.dat").write_bytes(b"")  # reading it would be another error
    (tmp_path / "link.dat").symlink_to("d.dat")
    names = [("./" * n) + ("d.dat" if n % 2 else "link.dat") for n in range(40)]
    with pytest.raises(HeaderError, match=r"more than 4 segments of .* name the signal file 'd.dat'"):
        read(segments(tmp_path, names))


def test_a_segment_of_another_length_is_refused_before_any_is_read(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match=r"segment s0 has 50 samples where .* needs 100"):
        read(segments(tmp_path, ["missing.dat", "other.dat"], frames=50))


@pytest.mark.parametrize(
    ("first", "leads", "options", "words"),
    [
        ("r 30 500 5000", [f"L{n}" for n in range(30)], Options(unknown_leads="local"), "30 channels"),
        ("r 1 20 5000", ["I"], Options(), "20 Hz"),
        ("r 1 500 20000", ["I"], Options(sop_class="12-lead"), "20000 samples"),
        ("r 1 500 5000000000", ["I"], Options(), "bytes of samples"),
    ],
)
def test_what_no_class_takes_is_refused_before_it_is_read(
    tmp_path: Path, first: str, leads: list[str], options: Options, words: str
) -> None:
    record = write(tmp_path / "r", first, [f"missing.dat 212 200 16 0 0 0 0 {lead}" for lead in leads])
    with pytest.raises(RangeError, match=words):
        convert_record(record, tmp_path / "x.dcm", WHO, options)


def test_the_class_is_that_of_the_whole_record_not_of_its_segments(tmp_path: Path) -> None:
    record = segments(tmp_path, [f"{n}.dat" for n in range(170)])
    with pytest.raises(RangeError, match="17000 samples"):
        convert_record(record, tmp_path / "x.dcm", WHO, Options(sop_class="12-lead"))


def test_samples_of_many_bits_are_no_reason_to_refuse_what_the_wide_class_takes(tmp_path: Path) -> None:
    (tmp_path / "d.dat").write_bytes((np.arange(6000, dtype="<i4") * 100).tobytes())
    record = write(tmp_path / "r", "r 1 5000 6000", ["d.dat 32 200 32 0 0 0 0 I"])
    assert convert_record(record, tmp_path / "x.dcm", WHO).facts["sop_class_uid"].endswith(".4")


# --- Where signal files may be -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../signals/d.dat", "{tree}/signals/d.dat"])
def test_a_signal_file_elsewhere_in_the_tree_is_read(tmp_path: Path, name: str) -> None:
    tree = tmp_path / "tree"
    samples = ecg(n_signals=1)
    (tree / "signals").mkdir(parents=True)
    (tree / "signals/d.dat").write_bytes(samples.tobytes())
    record = write(tree / "headers/r", "r 1 500 500", [f"{name.format(tree=tree)} 16 200 16 0 0 0 0 I"])
    assert np.array_equal(read(record, tree), samples)


@pytest.mark.parametrize("name", ["../d.dat", "{outside}/d.dat"])
def test_a_signal_file_outside_of_the_tree_is_refused_with_a_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "d.dat").write_bytes(ecg(n_signals=1).tobytes())
    record = write(tmp_path / "tree/r", "r 1 500 500", [f"{name.format(outside=tmp_path)} 16 200 16 0 0 0 0 I"])
    with pytest.raises(PathError, match="which is not in wfdb_dir; put the file there and correct its name"):
        read(record, tmp_path / "tree")


def test_format_61_with_several_samples_per_frame_equals_the_record_in_format_16(tmp_path: Path) -> None:
    samples = ecg(n_samples=500, n_signals=2)
    frames = samples.reshape(250, 2, 2).transpose(0, 2, 1)
    (tmp_path / "d.dat").write_bytes(frames.astype(">i2").tobytes())
    sums = samples.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"d.dat 61x2 200/mV 16 0 {samples[0, n]} {sums[n]} 0 {lead}" for n, lead in enumerate(("I", "II"))]
    record = write(tmp_path / "r", "r 2 250 250", lines)
    assert np.array_equal(read(record), samples)
