"""Data frames from pickles, without running other code that a pickle may contain.

Loading a pickle calls whatever functions it names. Here it may name only the classes and functions that pandas 1 to 3,
numpy and pyarrow write for a frame of numbers, texts and times: no module as a whole, no attribute of a listed class,
no ``getattr``.
"""

from __future__ import annotations

import _codecs
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {
    "builtins": "object slice",
    "copyreg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "numpy": "dtype ndarray",
    "numpy._core.multiarray": "scalar",
    "numpy._core.numeric": "_frombuffer",
    "pandas": "ArrowDtype BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DatetimeIndex "
    "DatetimeTZDtype Float32Dtype Float64Dtype Index Int8Dtype Int16Dtype Int32Dtype Int64Dtype MultiIndex NA "
    "RangeIndex Series StringDtype TimedeltaIndex Timestamp UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals": "_unpickle_block",
    "pandas._libs.missing": "NA",
    "pandas._libs.tslibs.nattype": "_nat_unpickle",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp Timestamp",
    "pandas.arrays": "ArrowExtensionArray ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray "
    "StringArray TimedeltaArray",
    "pandas.core.arrays.arrow.array": "ArrowExtensionArray",
    "pandas.core.arrays.boolean": "BooleanArray BooleanDtype",
    "pandas.core.arrays.categorical": "Categorical",
    "pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.core.arrays.floating": "FloatingArray Float32Dtype Float64Dtype",
    "pandas.core.arrays.integer": "IntegerArray Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype "
    "UInt32Dtype UInt64Dtype",
    "pandas.core.arrays.string_": "StringArray StringDtype",
    "pandas.core.arrays.string_arrow": "ArrowStringArray ArrowStringArrayNumpySemantics",
    "pandas.core.dtypes.dtypes": "ArrowDtype CategoricalDtype DatetimeTZDtype",
    "pandas.core.frame": "DataFrame",
    "pandas.core.indexes.base": "Index _new_Index",
    "pandas.core.indexes.category": "CategoricalIndex",
    "pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
    "pandas.core.indexes.multi": "MultiIndex",
    "pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.timedeltas": "TimedeltaIndex _new_TimedeltaIndex",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas.core.series": "Series",
    "pyarrow.lib": "py_buffer string large_string timestamp type_for_alias",
}
_ALLOWED = frozenset((module, name) for module, names in _NAMES.items() for name in names.split())

# Names that older versions wrote, and their names today (from pandas.compat.pickle_compat).
_MOVED = {
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"): ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"): ("numpy._core.numeric", "_frombuffer"),
    ("pandas._libs.tslibs.nattype", "__nat_unpickle"): ("pandas._libs.tslibs.nattype", "_nat_unpickle"),
    ("pandas.core.indexes.numeric", "Float64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.numeric", "Int64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.numeric", "UInt64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.internals.blocks", "new_block"): ("pandas._libs.internals", "_unpickle_block"),
}
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # protocols 0 to 2 keep the old names of modules


class Refused(pickle.UnpicklingError):
    """A pickle that names something that no table of measurements needs."""


def _encode(text: str, encoding: str) -> bytes:
    """Bytes as protocols 0 to 2 write them, as Latin-1 text; no other codec is allowed."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"the codec {encoding!r}")
    return _codecs.encode(text, "latin-1")


def _restore_array(data: Any) -> pa.Array:
    """An arrow array of texts, numbers or times whose offsets lie within its buffers.

    Arrow's own function does not check its arguments: it reads from anywhere in memory, and crashes.
    """
    kind, length, nulls, offset, buffers, children, dictionary = data
    if children or dictionary is not None or not isinstance(kind, pa.DataType) or pa.types.is_nested(kind):
        raise Refused(f"an arrow array of the type {kind}")
    if not all(isinstance(n, int) and 0 <= n < 2**40 for n in (length, offset)):
        raise Refused(f"an arrow array of {length!r} values from {offset!r}")
    if not all(buffer is None or isinstance(buffer, pa.Buffer) for buffer in buffers):
        raise Refused("an arrow array without buffers")
    array = pa.Array.from_buffers(kind, length, buffers, nulls, offset)
    array.validate(full=True)
    return array


def _bytearray(*arguments: Any) -> bytearray:
    """Bytes that the pickle contains; a bare length would allocate memory for nothing."""
    if arguments and isinstance(arguments[0], int):
        raise Refused(f"a bytearray of {arguments[0]} bytes")
    return bytearray(*arguments)


def _reconstruct(kind: Any, shape: Any, dtype: Any) -> Any:
    """The empty array that numpy fills later; any other shape would allocate memory for nothing."""
    if shape != (0,):
        raise Refused(f"an array of the shape {shape!r}")
    return np._core.multiarray._reconstruct(kind, shape, dtype)  # type: ignore[attr-defined]


_GUARDED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "bytearray"): _bytearray,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("pyarrow.lib", "_restore_array"): _restore_array,
}


class _FrameUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = _PYTHON_2.get(module, module)
        module, name = _MOVED.get((module, name), (module, name))
        if guarded := _GUARDED.get((module, name)):
            return guarded
        if (module, name) not in _ALLOWED:
            raise Refused(f"{module}.{name}")
        return super().find_class(module, name)


def read_frame(stream: BinaryIO) -> pd.DataFrame:
    """The data frame that a pickle holds.

    Raises
    ------
    Refused
        When the pickle names a class or function that is not on the list; nothing it names has been called then.
    pickle.UnpicklingError
        When it is damaged, holds something else, or was made by a pandas that this one does not understand.
    """
    import pandas as pd

    try:
        frame = _FrameUnpickler(stream).load()
    except (pickle.UnpicklingError, OSError, MemoryError):  # OSError: of the file, such as damaged compression
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
    if type(frame) is not pd.DataFrame:
        raise pickle.UnpicklingError(f"it holds a {type(frame).__name__}, not a pandas DataFrame")
    return frame
