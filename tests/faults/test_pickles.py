"""Fault 7: metadata as a pickle that runs code when it is loaded, and tables that are far more than their bytes."""

import builtins
import faulthandler
import gzip
import lzma
import os
import pickle
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs import measurements, measurements_file
from wfdb2dicom.inputs.patients import read_patients

from .helpers import SCRIPTS, make_tree, run_command


class Call:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.what = (function, arguments)

    def __reduce__(self):
        return self.what


def malicious(mark: Path) -> dict[str, object]:
    touch = f"open({str(mark)!r}, 'w')"
    frame = pd.DataFrame({"study_id": [40_000_000], "cart_id": ["1"]})
    frame.attrs["x"] = Call(os.system, f"touch {mark}")
    return {
        "os.system": Call(os.system, f"touch {mark}"),
        "eval": Call(builtins.eval, touch),
        "exec": Call(builtins.exec, touch),
        "subprocess": Call(subprocess.Popen, ["touch", str(mark)]),
        "a frame around it": frame,
        "a cell of a frame": pd.DataFrame({"study_id": [40_000_000], "cart_id": [Call(os.system, f"touch {mark}")]}),
        "getattr": Call(builtins.getattr, "text", "format"),
        "pandas' own eval": Call(pd.eval, f"@pd.io.common.os.system('touch {mark}')"),
        "a file of pandas' choice": Call(pd.read_pickle, str(mark)),
        "10 GB of nothing": Call(bytearray, 10**10),
        "10 GB of an array": Call(np._core.multiarray._reconstruct, np.ndarray, (10**10,), b"b"),
        "__import__": Call(builtins.__import__, "antigravity"),
    }


@pytest.mark.parametrize("kind", malicious(Path("x")))
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_calls_anything_is_refused_and_calls_nothing(tmp_path: Path, kind: str, protocol: int) -> None:
    mark, path = tmp_path / "mark", tmp_path / "measurements.pkl"
    path.write_bytes(pickle.dumps(malicious(mark)[kind], protocol))
    with pytest.raises(ConfigError, match="is refused because it is a pickle that calls for"):
        measurements.read_metadata(path, "study_id")
    assert not mark.exists()


def test_the_plan_stops_at_a_malicious_pickle_and_takes_an_honest_one(tmp_path: Path) -> None:
    make_tree(tmp_path / "wfdb", 2)
    mark, path = tmp_path / "mark", tmp_path / "measurements.pkl"
    command = [sys.executable, str(SCRIPTS / "wfdb2dicom"), "plan", "--receipts", str(tmp_path / "r"), "--token=t"]
    command += [f"--input-csv={tmp_path / 'wfdb/record_list.csv'}", f"--wfdb-dir={tmp_path / 'wfdb'}"]
    command += [f"--dcm-dir={tmp_path / 'dicom'}", f"--metadata={path}", str(tmp_path / "plan")]
    path.write_bytes(pickle.dumps(Call(os.system, f"touch {mark}")))
    run = run_command(command)
    assert run.status == 1 and "error: metadata: " in run.output and "posix.system" in run.output
    assert "save the table as CSV or Parquet" in run.output and not mark.exists()
    pd.DataFrame({"study_id": [40_000_000, 40_000_001], "cart_id": ["1", "2"]}).to_pickle(path)
    assert run_command(command).status == 0


def crash(*_: object) -> None:
    faulthandler.disable()  # the death is meant; no trace of it in the test's output
    os.kill(os.getpid(), signal.SIGSEGV)


def test_damage_that_crashes_the_reader_is_a_message_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numpy and pandas trust the state of their objects; the fuzzer found pickles that crash them."""
    pd.DataFrame({"study_id": [1]}).to_pickle(tmp_path / "m.pkl")
    # In the process that reads, which is forked from this one.
    monkeypatch.setattr(measurements_file, "_load_pickle", crash)
    with pytest.raises(ConfigError, match="so damaged that the process reading it died"):
        measurements.read_metadata(tmp_path / "m.pkl", "study_id")


def nested(depth: int) -> list[object]:
    """Lists that hold the one before twice: a byte or two each, and 2**depth values."""
    lists: list[object] = [1]
    for _ in range(depth):
        lists = [lists, lists]
    return lists


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Call(pd.Series, pd.RangeIndex(4_000_000_000)), "asks for more than .* MB of memory"),  # 32 GB
        (Call(pd.Timestamp, nested(60)), "takes more than 2 s of CPU|asks for more than .* MB of memory"),
    ],
)
def test_a_small_pickle_takes_no_more_memory_and_time_than_its_size_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, words: str
) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(content))
    assert path.stat().st_size < 1000
    monkeypatch.setattr(measurements_file, "_PICKLE_SECONDS", 2)
    with pytest.raises(ConfigError, match=words):
        measurements.read_metadata(path, "study_id")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 3_000_000  # kB


@pytest.mark.parametrize("name", ["m.pkl.gz", "m.pkl.xz", "m.csv.gz", "patients.csv.gz"])
def test_a_file_of_some_kilobytes_does_not_unpack_to_gigabytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    pack = lzma.compress if name.endswith("xz") else gzip.compress
    head = {"m.csv.gz": b"study_id\n", "patients.csv.gz": b"subject_id,gender,anchor_age,anchor_year\n"}.get(name, b"")
    much = (b"]\n" if head else b"]0") * 5_000_000  # rows, or empty lists that are dropped
    path.write_bytes(b"".join(pack(head * (n == 0) + much) for n in range(8)))
    read = (
        read_patients if name.startswith("patients") else partial(measurements.read_metadata, study_id_col="study_id")
    )
    with pytest.raises(ConfigError, match=r"unpacks to more than .* MB, which no table of its size does"):
        read(path)


def test_a_parquet_file_has_no_more_rows_than_its_size_allows(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"study_id": pa.repeat(1, 3_000_000)}), path)
    assert path.stat().st_size < 20_000
    with pytest.raises(ConfigError, match="claims to have 3000000 rows, which no table of its size has"):
        measurements.read_metadata(path, "study_id")


def test_a_range_of_ids_in_a_parquet_file_is_as_long_as_its_table(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    table = pa.Table.from_pandas(pd.DataFrame({"cart_id": ["1", "2"]}, pd.RangeIndex(5, 7, name="study_id")))
    index = table.schema.metadata[b"pandas"].replace(b'"stop": 7', b'"stop": 99999999999')
    pq.write_table(table.replace_schema_metadata({b"pandas": index}), path)
    with pytest.raises(ConfigError, match="its index '…' is not one of 2 rows"):
        measurements.read_metadata(path, "study_id")
