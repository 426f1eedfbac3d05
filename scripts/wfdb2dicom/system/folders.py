"""Folders below one root, made where they are missing and entered one by one so that no link leads out of the root."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import NamedTuple

from wfdb2dicom.errors import OutputError, PathError
from wfdb2dicom.system.paths import is_below, real_path

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STAY = 64  # entries after which all folders are entered again, so that a folder that was moved is soon left


class Folder(NamedTuple):
    """An open folder: its name, descriptor and file system, and whether it was not there before it was entered."""

    name: str
    fd: int
    device: int
    new: bool


class Folders:
    """Enters folders below a root.

    Neighbours in a tree share most of their path, so the folders entered last stay open and only the rest is entered.
    `mkdir` comes first, because most folders of a tree that is being filled are missing.

    Parameters
    ----------
    root : str
        An existing folder.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._open: list[Folder] = []  # the root first
        self._entries = 0

    def enter(self, path: str) -> Folder:
        """Enter a folder by its path below the root, "" for the root; its descriptor is valid until the next call.

        Raises
        ------
        PathError
            When the path leaves the root.
        OutputError
            When the root is gone.
        OSError
            When the folder can be neither entered nor made; `FileNotFoundError` also when one entered earlier is gone.
        """
        names = path.split("/") if path else []
        if ".." in names:
            raise PathError(f"{path!r} leaves dcm_dir")
        self._entries += 1
        if not self._open or self._entries % _STAY == 0:
            self.leave()
            self._open.append(self._enter_root())
        shared = 0
        while shared < min(len(names), len(self._open) - 1) and self._open[shared + 1].name == names[shared]:
            shared += 1
        self._close(shared + 1)
        for depth in range(shared, len(names)):
            self._open.append(self._step(self._open[-1], names[depth], "/".join(names[: depth + 1])))
        return self._open[-1]

    def leave(self) -> None:
        """Close all folders."""
        self._close(0)

    def _close(self, kept: int) -> None:
        while len(self._open) > kept:
            os.close(self._open.pop().fd)

    def _enter_root(self) -> Folder:
        try:
            fd = os.open(self._root, _FLAGS)
        except FileNotFoundError:
            raise OutputError(f"{self._root!r} vanished while it was written to") from None
        return Folder("", fd, os.fstat(fd).st_dev, False)

    def _step(self, parent: Folder, name: str, path: str) -> Folder:
        made = True
        try:
            os.mkdir(name, dir_fd=parent.fd)
        except FileExistsError:
            made = False
        try:
            fd = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=parent.fd)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            fd = self._follow(parent, name, path)
        device = parent.device if made else os.fstat(fd).st_dev  # a file system may be mounted there
        return Folder(name, fd, device, made)

    def _follow(self, parent: Folder, name: str, path: str) -> int:
        """Enter a folder through a link that stays below the root."""
        try:
            fd = os.open(name, _FLAGS, dir_fd=parent.fd)
        except FileNotFoundError:
            raise PathError(f"{path!r} in dcm_dir is a link that leads nowhere; remove the link") from None
        real = real_path(fd, os.path.join(self._root, path))
        if not is_below(real, self._real):
            with contextlib.suppress(OSError):
                os.close(fd)
            raise PathError(f"{path!r} leads out of dcm_dir to {real!r}; remove the link")
        return fd


def require_writable(folder: str | os.PathLike[str]) -> None:
    """Make a folder where it is missing, and try to write a file in it.

    Raises
    ------
    OSError
        With the reason why it cannot be written.
    """
    from tempfile import TemporaryFile  # here: a batch job starts without

    os.makedirs(folder, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass
