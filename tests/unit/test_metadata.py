"""Measurements by study, from whatever file they come in; and pickles that are refused."""

import builtins
import csv
import datetime
import decimal
import gzip
import io
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdb2dicom.acquisition import Acquisition, from_row
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.measurements import MISSING, Metadata, read_metadata
from wfdb2dicom.inputs.studies import Study
from wfdb2dicom.inputs.unpickle import Refused, read_frame

HEADER = "subject_id,study_id,cart_id,ecg_time,report_0,bandwidth,filtering,rr_interval"
ROW = '10000032,40689238,6848296,2180-07-23 08:44:00,"Sinus, rhythm",0.005-150 Hz,60 Hz notch Baseline filter,659'
FRAME = pd.read_csv(io.StringIO(f"{HEADER}\n{ROW}\n10000117,45090959,,,,,,29999\n"))
KNOWN = Acquisition("10000032", "40689238", "2180-07-23 08:44:00", "6848296", "0.005", "150", "60")


def study(study_id="40689238", subject_id="10000032", ecg_time=""):
    return Study(study_id, subject_id, "r", "r", ecg_time, "")


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "machine_measurements.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def looked_up(metadata: Metadata, of: Study | None = None) -> Acquisition:
    known, error = metadata.lookup(of or study())
    assert error == ""
    return known


def saved(frame: pd.DataFrame, file: Path) -> Path:
    if file.suffix == ".parquet":
        frame.to_parquet(file)
    elif ".csv" in file.name:
        frame.to_csv(file, index=frame.index.name is not None, quoting=csv.QUOTE_ALL)
    else:
        frame.to_pickle(file)
    return file


NAMES = ["m.csv", "m.csv.gz", "m.parquet", "m.pkl", "m.pickle", "m.pkl.gz", "m.pkl.bz2", "m.pkl.xz"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("index", [False, True])
def test_every_kind_of_file_says_the_same(tmp_path, name, index):
    metadata = read_metadata(saved(FRAME.set_index("study_id") if index else FRAME, tmp_path / name), "study_id")
    assert looked_up(metadata) == KNOWN
    assert looked_up(metadata, study("45090959", "10000117")) == Acquisition("10000117", "45090959")
    assert metadata.warnings == ()


@pytest.mark.parametrize("name", NAMES[:4])
def test_measurements_and_reports_only_on_request(tmp_path, name):
    found = looked_up(read_metadata(saved(FRAME, tmp_path / name), "study_id", annotations=True))
    assert (found.measurements, found.reports) == ((("rr_interval", 659),), ("Sinus, rhythm",))


@pytest.mark.parametrize("name", NAMES[2:4])
def test_the_original_tools_preprocessed_frame(tmp_path, name):
    frame = pd.DataFrame(
        {"study_id": [40689238.0], "cart_id": [6848296.0], "lowpassfilter": [0.005], "highpassfilter": [150.0]}
    ).assign(ecg_time=pd.Timestamp("2180-07-23 08:44"), filtering="50 Hz notch Baseline filter")
    found = looked_up(read_metadata(saved(frame, tmp_path / name), "study_id"))
    assert found == Acquisition("10000032", "40689238", "2180-07-23 08:44:00", "6848296", "0.005", "150", "50")


def test_ids_that_follow_each_other_are_no_column_in_parquet(tmp_path):
    frame = pd.DataFrame({"cart_id": [5, 6, 7]}, index=pd.RangeIndex(1, 4, name="study_id"))
    assert pyarrow.parquet.read_schema(saved(frame, tmp_path / "m.parquet")).names == ["cart_id"]
    assert looked_up(read_metadata(tmp_path / "m.parquet", "study_id"), study("3", "")).cart_id == "7"


def test_no_metadata():
    known, error = read_metadata(None, "study_id").lookup(study(ecg_time="2180-01-01 00:00:00"))
    assert known == Acquisition(study_id="40689238", subject_id="10000032", ecg_time="2180-01-01 00:00:00")
    assert error == ""


def test_a_study_without_a_row(tmp_path):
    known, error = read_metadata(write(tmp_path, ROW), "study_id").lookup(study("1"))
    assert error == MISSING == "Missing df_info row for study_id"
    assert known == Acquisition(study_id="1", subject_id="10000032")


@pytest.mark.parametrize("form", ["40689238", "40689238.0", "s40689238", " 40689238", "040689238"])
def test_forms_of_ids(tmp_path, form):
    assert looked_up(read_metadata(write(tmp_path, ROW.replace("40689238", form)), "study_id")) == KNOWN


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path, name):
    text = f"\ufeff{HEADER}\n{ROW}\n".replace("\n", "\r\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    metadata = read_metadata(tmp_path / name, "study_id")
    assert looked_up(metadata) == KNOWN
    first = read_metadata(tmp_path / name, "subject_id")  # the column behind the mark
    assert looked_up(first, study("10000032")).cart_id == "6848296"


def test_cells_over_several_lines_wherever_the_file_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("wfdb2dicom.inputs.measurements_file._BLOCK", 300)
    rows = [ROW.replace("40689238", str(n)).replace("Sinus,", "Sinus,\n" * (n % 9)) for n in range(1, 50)]
    metadata = read_metadata(write(tmp_path, *rows), "study_id")
    assert all(looked_up(metadata, study(str(n))).cart_id == "6848296" for n in range(1, 50))


def test_the_study_csv_goes_first_for_the_time(tmp_path):
    metadata = read_metadata(write(tmp_path, ROW), "study_id")
    assert looked_up(metadata, study(ecg_time="2180-07-24 00:00:00")).ecg_time == "2180-07-24 00:00:00"


ECGS = [f"{n},2180-07-{n:02d} 08:44:00" for n in range(1, 9)]  # study and time of one patient


def of_rows(folder: Path, rows: list[str]) -> Metadata:
    lines = [f"10000032,{row},Rhythm {n},{600 + n},684629{n}" for n, row in enumerate(rows)]
    header = "subject_id,study_id,ecg_time,report_0,rr_interval,cart_id"
    return read_metadata(write(folder, *lines, header=header), "study_id", annotations=True)


def test_metadata_shifted_by_a_row_are_not_put_into_the_studies(tmp_path):
    """The rows of the same patient: only their times say that they are another study's."""
    ids, times = zip(*(row.split(",") for row in ECGS), strict=True)
    shifted = of_rows(tmp_path, [f"{i},{t}" for i, t in zip(ids, times[1:] + times[:1], strict=True)])
    for i, t in zip(ids, times, strict=True):
        assert looked_up(shifted, study(i, ecg_time=t)) == Acquisition("10000032", i, t)
    words = (
        "metadata: 8 rows are not used because ecg_time there differs from that in input_csv, by 1 day, 0:00:00 to "
        "7 days, 0:00:00 (median 1 day, 0:00:00); docs/conversion.md, Times of the metadata, says what can be done"
    )
    assert shifted.warnings[-1] == words


def test_without_times_in_the_metadata_their_rows_are_joined_by_ids_alone(tmp_path):
    """What docs/conversion.md names as the way to use the rows whose times differ."""
    file = write(tmp_path, "10000032,40689238,6848296,0.005-150 Hz", header="subject_id,study_id,cart_id,bandwidth")
    metadata = read_metadata(file, "study_id")
    found = looked_up(metadata, study(ecg_time="2180-07-24 00:00:00"))
    assert (found.cart_id, found.filter_low, found.ecg_time) == ("6848296", "0.005", "2180-07-24 00:00:00")


@pytest.mark.parametrize(
    ("stated", "used"),
    [
        ("2180-07-23 08:44:00", True),
        ("2180-07-23T08:44", True),
        ("2180-07-23 08:44:59", True),  # headers and some tables have no seconds
        ("2180-07-23 08:43:01", True),
        ("2180-07-23 08:45:00", False),
        ("2180-07-23", True),  # it cannot be compared
        ("", True),
    ],
)
def test_a_row_of_metadata_is_used_unless_its_time_contradicts_that_of_the_study(tmp_path, stated, used):
    metadata = of_rows(tmp_path, [f"40689238,{stated}"])
    found = looked_up(metadata, study(ecg_time="2180-07-23 08:44:00"))
    assert [bool(value) for value in (found.cart_id, found.measurements, found.reports)] == 3 * [used]
    assert found.ecg_time == "2180-07-23 08:44:00"
    assert len([words for words in metadata.warnings if "not used" in words]) == (not used)


def test_the_subject_of_the_metadata_where_the_study_csv_has_none(tmp_path):
    assert looked_up(read_metadata(write(tmp_path, ROW), "study_id"), study(subject_id="")).subject_id == "10000032"


def test_metadata_of_another_patient_are_an_error_of_that_study(tmp_path):
    known, error = read_metadata(write(tmp_path, ROW), "study_id").lookup(study(subject_id="10000033"))
    assert error.startswith("SubjectMismatch: ") and "10000032" in error and "10000033" in error
    assert known.cart_id == ""


def test_a_column_of_another_name(tmp_path):
    metadata = read_metadata(write(tmp_path, ROW, header=HEADER.replace("study_id", "ecg_id")), "ecg_id")
    assert looked_up(metadata) == KNOWN
    assert looked_up(read_metadata(write(tmp_path, ROW), "ecg_id")) == KNOWN


def test_rows_that_stand_twice(tmp_path):
    other = ROW.replace("6848296", "1").replace("0.005", "0.05").replace("40689238", "2")
    metadata = read_metadata(write(tmp_path, ROW, other, ROW, other.replace("0.05", "1")), "study_id")
    assert looked_up(metadata) == KNOWN
    assert (
        metadata.lookup(study("2"))[1] == "MetadataError: the metadata have rows for study 2 that differ in bandwidth"
    )


def test_columns_that_are_not_used_may_differ(tmp_path):
    assert looked_up(read_metadata(write(tmp_path, ROW, ROW.replace("659", "660")), "study_id")) == KNOWN


def test_what_is_left_out_is_said(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text(f"study_id,cart_id\n1,{'x' * 17}\n,5\n")
    said = "\n".join(read_metadata(file, "study_id").warnings)
    for words in ("1 rows without a study id", "no column ecg_time", "bandwidth", "filtering", "1 values of cart_id"):
        assert words in said


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.csv", b"", "cannot be read"),
        ("m.csv", b"study_id,cart_id\n", "no rows"),
        ("m.csv", b"study_id,cart_id\n,2\n", "no rows"),
        ("m.csv", b"Study-ID,cart_id\n1,2\n", "metadata: .* has no column 'study_id' .*is it 'Study-ID'"),
        ("m.csv", b"study_id;cart_id\n1;2\n", "metadata: .*'study_id;cart_id'"),
        ("m.csv", b"study_id,cart_id\n1,2,3\n", "Expected 2 columns, got 3"),
        ("m.csv", b"study_id,cart_id,cart_id\n1,2,3\n", "column 'cart_id' twice"),
        ("m.csv", b"study_id,cart_id\n1,\xff\n", "UTF8"),
        ("m.csv", "study_id,cart_id\n1,2\n".encode("utf-16"), "metadata: "),
        ("m.csv.gz", b"study_id\n1\n", "cannot be read"),
        ("m.parquet", b"study_id\n1\n", "cannot be read"),
        ("m.pkl", b"study_id\n1\n", "not a pickled data frame"),
        ("m.pkl", b"", "not a pickled data frame"),
        ("m.pkl.gz", b"study_id\n1\n", "cannot be read"),
        ("m.pkl.xz", b"study_id\n1\n", "not a pickled data frame"),
        ("m.pkl.gz", gzip.compress(pickle.dumps(FRAME))[:-40], "not a pickled data frame"),
        ("m.pkl", pickle.dumps({"study_id": [1]}), "holds a dict"),
        ("m.pkl", pickle.dumps(FRAME[["cart_id"]]), "metadata: .* has no column 'study_id'"),
        ("m.xlsx", b"PK", "not of a supported kind"),
        ("m", b"", "not of a supported kind"),
        ("m.gz", b"", "not of a supported kind"),
    ],
)
def test_a_file_that_is_no_table_of_studies_stops_the_run(tmp_path, name, content, words):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read_metadata(file, "study_id")
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file(tmp_path, name):
    with pytest.raises(ConfigError, match=f"metadata: .*{name} does not exist"):
        read_metadata(tmp_path / name, "study_id")


def test_a_folder(tmp_path):
    (tmp_path / "m.csv").mkdir()
    with pytest.raises(ConfigError, match="metadata: "):
        read_metadata(tmp_path / "m.csv", "study_id")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
CELLS = st.sampled_from(["0.005-150 Hz", "60 Hz notch", "6848296.0", "", "2180-07-23 08:44"]) | TEXT


@given(
    st.lists(st.fixed_dictionaries({c: CELLS for c in ("cart_id", "ecg_time", "bandwidth", "filtering")}), min_size=1)
)
@pytest.mark.parametrize("name", NAMES[:4])
def test_looking_up_is_reading_the_row(tmp_path_factory, name, rows):
    frame = pd.DataFrame(rows, dtype=object).assign(study_id=[str(i) for i in range(len(rows))])
    metadata = read_metadata(saved(frame, tmp_path_factory.mktemp("m") / name), "study_id")
    for row in frame.to_dict("records"):
        assert looked_up(metadata, study(row["study_id"], "")) == from_row(row)


DTYPES = {
    "int8": pd.Series([1, 2], dtype="int8"),
    "float": pd.Series([1.5, np.nan]),
    "object": pd.Series(["x", 1], dtype=object),
    "str": pd.Series(["a", None]),
    "python": pd.Series(["a", None], dtype="string[python]"),
    "pyarrow": pd.Series(["a", None], dtype="string[pyarrow]"),
    "arrow": pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64())),
    "time": pd.Series(pd.to_datetime(["2180-07-23", None])),
    "zone": pd.Series(pd.to_datetime(["2180-07-23", None])).dt.tz_localize("UTC"),
    "delta": pd.to_timedelta([1, 2]),
    "bool": [True, False],
    "category": pd.Categorical(["a", None]),
    "Int64": pd.array([1, None], dtype="Int64"),
    "Float64": pd.array([1, None], dtype="Float64"),
    "boolean": pd.array([True, None], dtype="boolean"),
    "times": pd.Series([pd.Timestamp("2180-07-23"), pd.NaT], dtype=object),
    "dates": pd.Series([datetime.date(2180, 1, 1), pd.NA], dtype=object),
    "numbers": pd.Series([decimal.Decimal("1.5"), np.float64(1)], dtype=object),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_of_every_type_come_through_the_restricted_unpickler(dtype, protocol):
    frame = pd.DataFrame({"study_id": [1, 2], "x": DTYPES[dtype]})
    for form in (frame, frame.set_index("study_id"), frame[frame.study_id > 1], frame.set_index(["study_id", "x"])):
        pd.testing.assert_frame_equal(read_frame(io.BytesIO(pickle.dumps(form, protocol))), form)


def test_pickles_of_older_versions_name_their_classes_elsewhere():
    content = pickle.dumps(FRAME[["study_id", "rr_interval"]].set_index("study_id"), 2)
    for new, old in [
        (b"cpandas\nDataFrame\n", b"cpandas.core.frame\nDataFrame\n"),
        (b"cpandas\nIndex\n", b"cpandas.core.indexes.numeric\nInt64Index\n"),
        (b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"),
        (b"cpandas._libs.internals\n_unpickle_block\n", b"cpandas.core.internals.blocks\nnew_block\n"),
    ]:
        assert new in content
        content = content.replace(new, old)
    assert read_frame(io.BytesIO(content)).index.tolist() == FRAME.study_id.tolist()


class Calls:
    """Something whose pickle calls a function when it is loaded."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def named(module: str, name: str, *args: str) -> bytes:
    """A pickle that calls ``module.name(*args)``; protocol 4 resolves dots within the name."""
    texts = "".join(f"V{arg}\n" for arg in args)
    return b"\x80\x04" + f"V{module}\nV{name}\n".encode() + b"\x93(" + texts.encode() + b"tR."


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Calls(os.system, "touch owned")),
        pickle.dumps(Calls(os.system, "touch owned"), 0),
        pickle.dumps(FRAME.assign(cart_id=[Calls(os.system, "touch owned"), 1])),
        pickle.dumps(Calls(builtins.eval, "open('owned', 'w')")),
        pickle.dumps(Calls(builtins.exec, "open('owned', 'w')")),
        pickle.dumps(Calls(builtins.getattr, FRAME, "to_csv")),
        pickle.dumps(Calls(subprocess.Popen, "touch owned")),
        pickle.dumps(Calls(pd.eval, "1")),
        pickle.dumps(Calls(pd.read_pickle, "owned")),
        named("pandas", "DataFrame.to_csv", "owned"),
        named("pandas", "DataFrame.eval", "owned"),
        named("pandas", "io.common.os.system", "touch owned"),
        named("pandas.io.common", "os.system", "touch owned"),
        named("pandas.compat.pickle_compat", "loads", "x"),
        named("numpy", "ndarray.tofile", "owned"),
        named("numpy", "load", "owned"),
        named("numpy", "fromfile", "owned"),
        named("numpy.testing._private.utils", "runstring", "open('owned', 'w')"),
        named("pyarrow.lib", "_pac", "x"),
        named("pyarrow", "OSFile", "owned", "w"),
        named("builtins", "open", "owned", "w"),
        named("builtins", "__import__", "os"),
        named("wfdb2dicom.inputs.unpickle", "_restore_array", "x"),
        named("copyreg", "add_extension", "a", "b"),
        named("_codecs", "encode", "x", "zlib"),
        named("_codecs", "decode", "x", "zlib"),
    ],
)
def test_a_pickle_that_calls_anything_else_is_refused_before_it_does(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused):
        read_frame(io.BytesIO(content))
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(ConfigError, match=r"is refused.*CSV or Parquet"):
        read_metadata(tmp_path / "m.pkl", "study_id")
    assert os.listdir(tmp_path) == ["m.pkl"]


def test_arrow_arrays_that_point_beyond_their_buffers_are_refused():
    offsets = pa.py_buffer(np.array([0, 2**30, 1], "int32").tobytes())
    wrong = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"x")])
    with pytest.raises(pickle.UnpicklingError, match=r"(?i)offset|bounds"):
        read_frame(io.BytesIO(pickle.dumps(wrong)))


@given(st.integers(0, 10**6))
def test_pickles_cut_short_are_errors(end):
    content = pickle.dumps(FRAME)
    with pytest.raises(pickle.UnpicklingError):
        read_frame(io.BytesIO(content[: end % len(content)]))


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.parquet"])
def test_pyarrow_is_given_no_python_file_which_its_threads_could_hold_when_the_program_exits(
    tmp_path, monkeypatch, name
):
    files = []
    for module, function in ((pyarrow.csv, "read_csv"), (pyarrow.csv, "open_csv"), (pyarrow.parquet, "ParquetFile")):
        real = getattr(module, function)
        monkeypatch.setattr(module, function, lambda file, *rest, real=real: files.append(file) or real(file, *rest))
    path = tmp_path / name
    table = b"study_id,cart_id\n1,7\n"
    if name == "m.parquet":
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(pa.BufferReader(table)), path)
    else:
        path.write_bytes(gzip.compress(table) if name.endswith(".gz") else table)
    files.clear()
    read_metadata(path, "study_id")
    assert files and all(isinstance(file, pa.NativeFile) for file in files)
