"""How a process of this project starts and ends: without the steps of Python that take longer than the work itself."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import NoReturn

from wfdb2dicom.words import shown

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


class WrongArguments(Exception):
    """Arguments that the parser accepts but that do not make sense together: reported like its own errors."""


def start() -> None:
    """Print under every locale, without search for cyclic garbage and threads of BLAS; call it before importing numpy.

    Tables and tuples contain no cycles, and searching a million rows for them takes a quarter of the time. Nothing
    here uses BLAS, and OpenBLAS starts one thread per core, each of which spins for 50 ms.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale may lack a character; that is not worth a failed run
            stream.reconfigure(errors="backslashreplace")
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class _Shown(io.TextIOWrapper):
    """A stream for a terminal or log: whatever is printed, foreign text cannot control the terminal or flood it."""

    def write(self, text: str) -> int:
        """Write all of it, in the form that may be shown."""
        super().write(shown(text))
        return len(text)


def show_foreign_text() -> None:
    """Have all that this program prints pass through `wfdb2dicom.words.shown`: names of leads, files, servers."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            setattr(
                sys,
                name,
                _Shown(
                    stream.buffer,
                    encoding=stream.encoding,
                    errors=stream.errors,
                    line_buffering=stream.line_buffering,
                    write_through=stream.write_through,
                ),
            )


def exit_without_cleaning(status: int) -> NoReturn:
    """Exit without a last search for garbage in all that is left, modules included."""
    gc.freeze()
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
