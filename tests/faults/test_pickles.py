"""Fault 7: metadata as a pickle that runs code when it is loaded."""

import builtins
import faulthandler
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs import measurements

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
    monkeypatch.setattr(measurements, "_load_pickle", crash)  # in the process that reads, which is forked from this one
    with pytest.raises(ConfigError, match="so damaged that the process reading it died"):
        measurements.read_metadata(tmp_path / "m.pkl", "study_id")
