"""Reports of workers to their supervisor: lists of results that arrive whole or not at all.

`multiprocessing` would wait, perhaps forever, for the rest of a message whose sender was stopped halfway. Here the
reader takes what has arrived, so reports may have any length, and few long ones cost a tenth of many short ones.
"""

from __future__ import annotations

import os
import pickle
import struct
from multiprocessing.connection import Connection
from typing import Any

_LENGTH = struct.Struct("<I")
_READ = 1 << 18  # bytes that are taken at once: what a socket holds


def send(connection: Connection, report: Any) -> None:
    """Send one report: the worker's side."""
    content = pickle.dumps(report, pickle.HIGHEST_PROTOCOL)
    rest = memoryview(_LENGTH.pack(len(content)) + content)
    while rest:
        rest = rest[os.write(connection.fileno(), rest) :]


class ReportReader:
    """The supervisor's side of a worker's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begun = bytearray()  # a report of which a part has come

    def take(self) -> list[Any]:
        """The reports that are complete by now; waits if nothing has come at all.

        Raises
        ------
        EOFError
            When the worker is gone, and all that it sent was taken.
        """
        try:
            content = os.read(self._connection.fileno(), _READ)
        except ConnectionError:
            content = b""
        if not content:
            raise EOFError
        self._begun += content
        found = []
        while len(self._begun) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._begun)[0]
            if len(self._begun) < end:
                break
            found.append(pickle.loads(self._begun[_LENGTH.size : end]))
            del self._begun[:end]
        return found
