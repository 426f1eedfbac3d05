"""Putting files on stable storage, with a few calls for a whole batch instead of one for each file."""

from __future__ import annotations

import os

from wfdb2dicom.errors import OutputError
from wfdb2dicom.system.linux import sync_file_system
from wfdb2dicom.system.output_tree import OutputTree

_PORTION = 400  # files, some 50 MB


class StableStorage:
    """A context at whose end all that was written below a folder is on stable storage.

    The folder is opened first, because the kernel reports what it could not write since then.

    Parameters
    ----------
    folder : str
        It is made when it is missing.

    Raises
    ------
    OutputError
        When the folder cannot be made, or the disk lost something.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files = 0

    def __enter__(self) -> StableStorage:
        OutputTree(self._folder)
        self._fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            if error is None:
                self._sync()
        finally:
            os.close(self._fd)

    def wrote(self, files: int) -> None:
        """Count files that were written."""
        self._files += files

    def keep_up(self) -> bool:
        """Sync once enough files were written, while other processes write the next ones; True if it did."""
        due = self._files >= _PORTION
        if due:
            self._sync()
        return due

    def _sync(self) -> None:
        self._files = 0
        try:
            sync_file_system(self._fd)
        except OSError as error:
            raise OutputError(
                f"cannot sync {self._folder!r}: {error.strerror}; the disk reports lost data: check it, mount it again"
                " (until then, memory shows data that the disk does not have) and run again"
            ) from error
