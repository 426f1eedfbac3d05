"""How a program of this project starts and ends: without what takes Python longer than it takes the work."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import NoReturn

from wfdb2dicom.errors import complaint


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program and exit with its status, without searching for cyclic garbage.

    What the system refuses ends it with status 1 and a line that says so.

    Tables and tuples hold no cycles, and searching a million rows for them takes a quarter of the time.
    """
    gc.disable()
    try:
        status = main()
    except OSError as error:  # no result of a study: the disk is full, a file is gone or forbidden
        print(f"error: {complaint(error)}", file=sys.stderr)
        status = 1
    gc.freeze()  # or all that is left, modules too, would be searched once more before the process ends
    sys.exit(status)


class _WithoutPandas(MetaPathFinder):
    """An import of pandas fails, as it does where it is not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(f"{fullname} is kept out of this program", name=fullname)


def without_pandas() -> None:
    """Keep pyarrow from importing pandas (0.2 s), which it does to ask whether a list is one of its data frames.

    For a program that does not use pandas, before it makes its first array.
    """
    sys.meta_path.insert(0, _WithoutPandas())
