"""The file of a table of measurements: CSV, Parquet or a pickled data frame, read column by column.

A table of 800,035 rows is kept as one code per cell and one text per distinct value.
"""

from __future__ import annotations

import csv
import io
import lzma
import os
import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from wfdb2dicom.acquisition import as_text
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.compressed_file import is_compressed, open_decompressed
from wfdb2dicom.inputs.csv_text import near_columns
from wfdb2dicom.inputs.unpickle import Refused, read_frame
from wfdb2dicom.system.limits import limit_process
from wfdb2dicom.system.linux import process_context

_BLOCK = 2 << 20  # bytes of CSV that are parsed at a time; no row may be longer
# What reading a pickle may take, in a process of its own: a frame takes a few bytes of memory for each of the pickle's
# (texts that it repeats take 2 there and 8 here), and a second for tens of MB.
_PICKLE_MEMORY, _PICKLE_MEMORY_RATIO = 1 << 30, 24
_PICKLE_SECONDS, _PICKLE_SECONDS_PER_MB = 10, 1
_USUAL_RATIO = 10  # of compression
_MOST_ROWS, _MOST_ROWS_PER_BYTE = 1_000_000, 10  # of Parquet: each has an id of its own


class Column:
    """A column: one code per row, shape (rows,), int32, and one text per code; code -1 is an empty cell."""

    __slots__ = ("_texts", "codes")

    def __init__(self, codes: npt.NDArray[Any], values: Iterable[object]) -> None:
        self.codes = codes.astype(np.int32)
        self._texts = [*map(as_text, values), ""]  # code -1 finds the last

    def text(self, row: int) -> str:
        """The stripped text of a cell."""
        text: str = self._texts[self.codes[row]]
        return text

    def distinct(self) -> list[str]:
        """All distinct texts except the empty one."""
        return [text for text in self._texts if text]


def read_columns(path: Path, study_id_col: str, wanted: Sequence[str]) -> tuple[Sequence[object], dict[str, Column]]:
    """The study id of each row, and those of the wanted columns that the table has.

    Parameters
    ----------
    path, study_id_col
        As for `wfdb2dicom.inputs.measurements.read_metadata`.
    wanted
        Names of columns.

    Raises
    ------
    ConfigError
        When the file is missing, damaged, of an unsupported kind, without study ids, or a pickle that could run code.
    """
    read = _reader(path)
    try:
        return read(path, study_id_col, wanted)
    except FileNotFoundError:
        raise ConfigError(f"metadata: {path} does not exist. Set metadata to your file, or leave it empty.") from None
    except Refused as error:
        raise ConfigError(
            f"metadata: {path} is refused because it is a pickle that calls for {error}, which no table needs; loading "
            "it could run any code. If you trust its origin, save the table as CSV or Parquet with pandas."
        ) from error
    except (pickle.UnpicklingError, EOFError, lzma.LZMAError) as error:
        raise ConfigError(
            f"metadata: {path} is not a pickled data frame that can be read here: {error}. Save it as Parquet."
        ) from error
    except (pa.ArrowException, csv.Error, ValueError, TypeError, OSError) as error:
        reason = _without_cells(" ".join(str(error)[:3000].split()))[:300]
        raise ConfigError(
            f"metadata: {path} cannot be read: {reason}. Repair the file, or save it as Parquet."
        ) from error
    finally:
        pa.default_memory_pool().release_unused()


def _without_cells(words: str) -> str:
    """A message of pyarrow without the cells that it quotes, which may identify a patient."""
    return re.sub(r"'[^']*'", "'…'", re.sub(r"(columns, got \d+): .*", r"\1", words))


_Read = Callable[[Path, str, Sequence[str]], tuple[Sequence[object], dict[str, Column]]]


def _reader(path: Path) -> _Read:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    last = suffixes[-1] if suffixes else ""
    if last == ".csv" or suffixes[-2:] == [".csv", ".gz"]:
        return _read_csv
    if last in (".parquet", ".pq"):
        return _read_parquet
    if (suffixes[-2:-1] if is_compressed(path) else suffixes[-1:]) in ([".pkl"], [".pickle"]):
        return _read_pickle
    raise ConfigError(
        f"metadata: {path} is not of a supported kind. Its name must end in .csv, .csv.gz, .parquet, .pkl or .pickle."
    )


def _read_csv(path: Path, study_id_col: str, wanted: Sequence[str]) -> tuple[Sequence[object], dict[str, Column]]:
    used = _used(path, study_id_col, wanted, _header(path))
    # Newlines in quoted report lines are part of their cells. One thread is fast enough (1 s a GB) and takes a
    # third of the memory of two.
    reading = pyarrow.csv.ReadOptions(block_size=_BLOCK, use_threads=False)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    converting = pyarrow.csv.ConvertOptions(
        include_columns=used,
        column_types={name: pa.dictionary(pa.int32(), pa.string()) for name in used} | {used[0]: pa.string()},
    )
    with _native(path) as file:
        return _columns(pyarrow.csv.read_csv(file, reading, parsing, converting), used)


def _header(path: Path) -> list[str]:
    with open_decompressed(path) as packed:
        text = io.TextIOWrapper(packed, encoding="utf-8-sig", errors="surrogateescape", newline="")
        for row in csv.reader(text):
            if row:  # pyarrow skips blank lines as well
                return row
    raise ValueError("it is empty")


def _native(path: Path) -> pa.NativeFile:
    """A file that pyarrow reads without Python.

    pyarrow reads ahead in threads of its own; one that still holds a Python file while the interpreter exits aborts
    the process, or hangs, after all its work is done (apache/arrow issues 34314 and 50482).
    """
    if not is_compressed(path):
        return pa.OSFile(os.fspath(path))
    with open_decompressed(path) as file:
        return pa.BufferReader(file.read())


def _read_parquet(path: Path, study_id_col: str, wanted: Sequence[str]) -> tuple[Sequence[object], dict[str, Column]]:
    with _native(path) as stream:
        file = pyarrow.parquet.ParquetFile(stream)
        rows = file.metadata.num_rows
        if rows > _MOST_ROWS + _MOST_ROWS_PER_BYTE * path.stat().st_size:
            raise ValueError(f"it claims to have {rows} rows, which no table of its size has")
        # pandas keeps an index of consecutive ids as a range in the schema, not as a column.
        described = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
        ranges = {index["name"]: index for index in described if isinstance(index, dict) and index.get("name")}
        used = _used(path, study_id_col, wanted, [*file.schema_arrow.names, *ranges])
        table = file.read(columns=[name for name in used if name not in ranges])
    for name in ranges.keys() & set(used):
        ids = range(*(int(ranges[name][key]) for key in ("start", "stop", "step")))
        if len(ids) != rows:
            raise ValueError(f"its index {name!r} is not one of {rows} rows")
        table = table.append_column(name, pa.array(ids, pa.int64()))
    return _columns(table, used)


def _read_pickle(path: Path, study_id_col: str, wanted: Sequence[str]) -> tuple[Sequence[object], dict[str, Column]]:
    # In a process of its own: numpy and pandas trust the state of their objects, so damage can crash them. Only there
    # is pandas imported, which takes 0.2 s.
    size = path.stat().st_size * (_USUAL_RATIO if is_compressed(path) else 1)
    memory = _PICKLE_MEMORY + _PICKLE_MEMORY_RATIO * size
    seconds = _PICKLE_SECONDS + _PICKLE_SECONDS_PER_MB * size // 10**6
    with ProcessPoolExecutor(1, process_context(), initializer=limit_process, initargs=(memory, seconds)) as pool:
        try:
            return pool.submit(_load_pickle, path, study_id_col, wanted).result()
        except MemoryError:
            raise pickle.UnpicklingError(f"it asks for more than {memory // 10**6} MB of memory") from None
        except BrokenProcessPool:
            raise pickle.UnpicklingError(
                f"it is so damaged that the process reading it died, or it takes more than {seconds} s of CPU"
            ) from None


def _load_pickle(path: Path, study_id_col: str, wanted: Sequence[str]) -> tuple[Sequence[object], dict[str, Column]]:
    import pandas as pd

    with open_decompressed(path) as stream:
        frame = read_frame(stream)
    try:
        levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
        frame = frame.reset_index(level=levels) if levels else frame
        names = [name for name in frame.columns if isinstance(name, str)]
        used = _used(path, study_id_col, wanted, names)
        columns = {name: Column(*pd.factorize(frame[name])) for name in used[1:]}
        return frame[used[0]].tolist(), columns
    except (ConfigError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle may give a frame that lacks its parts
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def _used(path: Path, study_id_col: str, wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """The column of study ids, then those of the wanted columns that the table has."""
    ids = study_id_col if study_id_col in names else "study_id"
    if ids not in names:
        wanted_ids = " or ".join(dict.fromkeys([repr(study_id_col), "'study_id'"]))
        near = near_columns(study_id_col, names)
        hint = f" (is it {near[0]!r}?)" if near else ""
        shown = ", ".join(map(repr, names[:40]))[:1000]
        raise ConfigError(
            f"metadata: {path} has no column {wanted_ids} for the study ids. Rename its column of them{hint}, or set "
            f"metadata to another file. Its columns: {shown}."
        )
    used = [ids, *(name for name in wanted if name in names and name != ids)]
    for name in used:
        if list(names).count(name) > 1:
            raise ConfigError(f"metadata: {path} has the column {name!r} twice. Rename or remove one of them.")
    return used


def _columns(table: pa.Table, used: Sequence[str]) -> tuple[list[object], dict[str, Column]]:
    columns = {}
    for name in used[1:]:
        encoded = table[name].combine_chunks()
        if not pa.types.is_dictionary(encoded.type):
            encoded = encoded.dictionary_encode()
        codes = encoded.indices
        if codes.null_count:  # a CSV has none, and here pyarrow imports pandas
            codes = codes.fill_null(-1)
        columns[name] = Column(np.from_dlpack(codes), encoded.dictionary.to_pylist())
    return table[used[0]].to_pylist(), columns
