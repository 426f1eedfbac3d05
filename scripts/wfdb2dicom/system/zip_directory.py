"""The central directory of a ZIP: which members there are and where they lie.

`zipfile` makes an object of 500 bytes for each member, 0.8 GB for the 1.6 million of MIMIC-IV-ECG. Here a member is a
name and its place in the central directory, which is kept as it is and decoded where a member is asked for.
"""

from __future__ import annotations

import os
import stat
import struct
from array import array
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple

from wfdb2dicom.errors import ConfigError, SignalError
from wfdb2dicom.system.regular_file import read_fully
from wfdb2dicom.system.zip_member import DEFLATED, STORED, Member, read_member, refuse_bomb

_ENTRY = struct.Struct("<4s4B4H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCATOR_64 = struct.Struct("<4sIQI")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LONGEST_COMMENT = 65_535
_ENCRYPTED = 0x1
_FEW = 8
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 99: "AES"}


class _Extent(NamedTuple):
    """Where the central directory lies, its number of entries, and what is to be added to all stated offsets."""

    start: int
    size: int
    entries: int
    shift: int


class ZipDirectory:
    """The members of a ZIP.

    Where all members lie in one top folder, names may be given with or without it.

    Parameters
    ----------
    path : str
        The ZIP.

    Attributes
    ----------
    top : str
        The one top folder, "" where there is none.

    Raises
    ------
    ConfigError
        When the file is not a whole ZIP, or a name in it would leave the folder that it is unpacked to.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._extent, self._bytes = _read_directory(path)
        self.top = self._find_top()
        self._places: dict[str, int] = {}
        self._twice: set[str] = set()
        self._folders: set[str] = set()
        self._parents = array("q")
        self._read()
        if not self._places:
            raise ConfigError(f"wfdb_dir: {path!r} is a ZIP without files: fetch it again")

    def _entries(self) -> Iterator[tuple[int, bytes]]:
        """Place and name of each entry, without those that macOS adds."""
        buffer, unpack = self._bytes, struct.Struct("<4s24x3H").unpack_from
        at, end, count = 0, len(buffer), 0
        while at < end:
            if at + _ENTRY.size > end:
                raise _damaged(self.path)
            magic, name, extra, comment = unpack(buffer, at)
            if magic != b"PK\1\2":
                raise _damaged(self.path)
            start = at + _ENTRY.size
            content = buffer[start : start + name]
            if content[:9] != b"__MACOSX/" and content != b".DS_Store":
                yield at, content
            at = start + name + extra + comment
            count += 1
        if at != end or (count - self._extent.entries) % 2**16:  # macOS states the number modulo that
            raise _damaged(self.path)

    def _find_top(self) -> str:
        """The folder that all names begin with, save one called files: the paths of MIMIC-IV-ECG begin with that."""
        top, shared = b"", False
        for _, name in self._entries():
            if not top:
                top, slash, _ = name.partition(b"/")
                top, shared = top + slash, bool(slash)
            if not shared or not name.startswith(top):
                return ""
        return "" if top == b"files/" else _decode(top[:-1])

    def _read(self) -> None:
        places, skip = self._places, len(self.top) + 1 if self.top else 0
        last, key = "", hash("")
        for at, raw in self._entries():
            if b".." in raw or b"\\" in raw or raw[:1] == b"/":
                _require_safe(raw, self.path)
            name = _decode(raw)[skip:]
            parent, _, base = name.rpartition("/")
            if parent != last:
                last, key = parent, hash(parent)
                top, _, rest = parent.partition("/")
                self._folders.add(top)
                if rest:
                    self._folders.add(f"{top}/{rest.partition('/')[0]}")
            if not base:  # the entry of a folder
                continue
            if places.setdefault(name, at) != at:
                self._twice.add(name)
            self._parents.append(key)

    def __len__(self) -> int:
        """The number of files."""
        return len(self._places)

    def names(self) -> Iterator[str]:
        """The names of all files, without the top folder."""
        return iter(self._places)

    def _key(self, name: str) -> str:
        return name.removeprefix(f"{self.top}/") if self.top and name not in self._places else name

    def has(self, path: str) -> bool:
        """Whether there is such a file; or, with a slash at the end, such a folder (at most two levels are known)."""
        if not path.endswith("/"):
            return self._key(path) in self._places
        folder = "/".join(part for part in path.split("/") if part not in ("", "."))
        return not folder or folder in self._folders

    def member(self, name: str) -> Member | None:
        """A file of the ZIP; None where there is none.

        Raises
        ------
        SignalError
            When it is there twice, encrypted, or packed by a method that is not read here.
        """
        key = self._key(name)
        at = self._places.get(key)
        if at is None:
            return None
        if key in self._twice:
            raise SignalError(f"{self.path} holds {key!r} twice, and which of them is right is unknown; pack it again")
        fields = _ENTRY.unpack_from(self._bytes, at)
        flags, method, crc, compressed, size, length, extra = (fields[n] for n in (5, 6, 9, 10, 11, 12, 13))
        if flags & _ENCRYPTED:
            raise SignalError(f"{key!r} in {self.path} is encrypted; unpack the ZIP and set wfdb_dir to the folder")
        if method not in (STORED, DEFLATED):
            how = _METHODS.get(method, str(method))
            raise SignalError(
                f"{key!r} in {self.path} is packed by method {how}, and only stored and deflated members are read; "
                "unpack the ZIP and set wfdb_dir to the folder"
            )
        start = at + _ENTRY.size
        spare = self._bytes[start + length : start + length + extra]
        size, compressed, offset = _with_zip64(spare, size, compressed, fields[18], self.path)
        whole = _decode(self._bytes[start : start + length])
        offset += self._extent.shift
        if offset + compressed > self._extent.start:
            raise SignalError(f"{key!r} in {self.path} is said to lie behind its end; fetch the ZIP again")
        return Member(whole, offset, compressed, size, method, crc)

    def read(self, name: str) -> bytes | None:
        """Content of a small file; None where there is none.

        Raises
        ------
        SignalError
            As `member`, and when it is damaged.
        """
        member = self.member(name)
        if member is None:
            return None
        refuse_bomb(member, self.path)
        with _open(self.path) as stream:
            return read_member(stream.fileno(), member, self.path)

    def alike(self, name: str) -> str:
        """A file whose name differs from this one only in case, or by one folder in front; "" if there is none."""
        for at in self._by_folded_name.get(hash(name.casefold()), ()):
            start = at + _ENTRY.size
            length = _ENTRY.unpack_from(self._bytes, at)[12]
            other = _decode(self._bytes[start : start + length])
            other = other[len(self.top) + 1 :] if self.top else other
            if other.casefold() == name.casefold():
                return other
        return next((f"{top}/{name}" for top in self._few_top_folders if f"{top}/{name}" in self._places), "")

    @cached_property
    def _few_top_folders(self) -> tuple[str, ...]:
        """The folders at the top; none where there are many, as in data sets without a folder of their own."""
        tops = sorted(folder for folder in self._folders if folder and "/" not in folder)
        return tuple(tops) if len(tops) <= _FEW else ()

    @cached_property
    def _by_folded_name(self) -> dict[int, tuple[int, ...]]:
        """Places by the hash of the name without case: made for the first record that is missing, as all may be."""
        places: dict[int, tuple[int, ...]] = {}
        for name, at in self._places.items():
            key = hash(name.casefold())
            places[key] = (*places.get(key, ()), at)
        return places

    @cached_property
    def _files_per_folder(self) -> tuple[Any, Any]:
        """Hashes of all folders that hold files, sorted, and how many these are."""
        import numpy as np

        return np.unique(np.frombuffer(self._parents, "q"), return_counts=True)

    def neighbours(self, names: list[str]) -> list[int]:
        """How many files lie in the folder of each of these."""
        import numpy as np

        folders, counts = self._files_per_folder
        wanted = np.array([hash(self._key(name).rpartition("/")[0]) for name in names], "q")
        places = np.minimum(np.searchsorted(folders, wanted), len(folders) - 1)
        return [int(n) for n in np.where(folders[places] == wanted, counts[places], 0)]


def require_zip(path: str) -> None:
    """Refuse what is not a whole ZIP, without reading which members it has.

    Raises
    ------
    ConfigError
        With the remedy.
    """
    with _open(path) as stream:
        _find_extent(stream.fileno(), path)


def find_member(path: str, name: str) -> Member | None:
    """One member of a ZIP, at its top or in its one top folder, without reading all names.

    Raises
    ------
    ConfigError
        When the file is not a whole ZIP, or has several such members, or one that is not read here.
    """
    wanted = name.encode()
    extent, content = _read_directory(path)
    found = [
        member
        for at in _occurrences(content, wanted)
        if (member := _member_named_at(content, at, wanted, extent, path))
    ]
    found.sort(key=lambda member: member.name.count("/"))
    if len(found) > 1 and found[0].name.count("/") == found[1].name.count("/"):
        names = " and ".join(repr(member.name) for member in found[:2])
        raise ConfigError(
            f"wfdb_dir: which {name} is meant cannot be known, because {path} has {names}: pack each data set into a "
            "ZIP of its own, or unpack the file and name it"
        )
    return found[0] if found else None


def _occurrences(content: bytes, wanted: bytes) -> Iterator[int]:
    at = content.find(wanted)
    while at >= 0:
        yield at
        at = content.find(wanted, at + 1)


def _member_named_at(content: bytes, at: int, wanted: bytes, extent: _Extent, path: str) -> Member | None:
    """The entry whose name ends with what was found, if that is all of it or follows one folder."""
    for before in (0, *range(2, min(256, at))):
        place = at - before - _ENTRY.size
        if place < 0 or content[place : place + 4] != b"PK\1\2":
            continue
        fields = _ENTRY.unpack_from(content, place)
        folder = content[at - before : at]
        if fields[12] != before + len(wanted) or (before and folder.find(b"/") != before - 1):
            return None
        if fields[5] & _ENCRYPTED or fields[6] not in (STORED, DEFLATED):
            raise ConfigError(
                f"wfdb_dir: {_decode(wanted)!r} in {path} is encrypted or neither stored nor deflated: unpack it and "
                "name the file, or unpack the ZIP and set wfdb_dir to the folder"
            )
        spare = content[at + len(wanted) : at + len(wanted) + fields[13]]
        size, compressed, offset = _with_zip64(spare, fields[11], fields[10], fields[18], path)
        offset += extent.shift
        if offset + compressed > extent.start:
            raise _damaged(path)
        return Member(_decode(folder + wanted), offset, compressed, size, fields[6], fields[9])
    return None


def _open(path: str) -> BinaryIO:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would be waited for
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ConfigError(f"wfdb_dir: {path!r} is neither a folder nor a ZIP")
    return os.fdopen(fd, "rb")


def _read_directory(path: str) -> tuple[_Extent, bytes]:
    """The central directory, read as a whole: a ZIP that is cut short meanwhile would end a process that maps it."""
    with _open(path) as stream:
        extent = _find_extent(stream.fileno(), path)
        content = read_fully(stream.fileno(), extent.size, extent.start)
    if len(content) != extent.size:
        raise _damaged(path)
    return extent, content


def _find_extent(fd: int, path: str) -> _Extent:
    """The place of the central directory, by the record at the end of the file."""
    length = os.fstat(fd).st_size
    tail_at = max(0, length - _END.size - _LONGEST_COMMENT - _LOCATOR_64.size)
    tail = read_fully(fd, length - tail_at, tail_at)
    at = tail.rfind(b"PK\5\6")
    while at >= 0 and (
        at + _END.size > len(tail) or at + _END.size + _END.unpack_from(tail, at)[7] != len(tail)
    ):  # the letters may occur in a comment
        at = tail.rfind(b"PK\5\6", 0, at)
    if at < 0:
        begins = read_fully(fd, 4) == b"PK\3\4"
        if begins:
            raise ConfigError(
                f"wfdb_dir: {path!r} ends before its central directory: it is cut short, or still being downloaded: "
                "fetch the whole ZIP"
            )
        if path.lower().endswith(".zip"):
            raise ConfigError(f"wfdb_dir: {path!r} is not a ZIP, although it is named like one: fetch it again")
        raise ConfigError(
            f"wfdb_dir: {path!r} is neither a folder nor a ZIP: name the folder to which the paths in input_csv are "
            "relative, or its ZIP"
        )
    _, disk, _, _, entries, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_at + at
    if at >= _LOCATOR_64.size and tail[at - _LOCATOR_64.size : at - _LOCATOR_64.size + 4] == b"PK\6\7":
        end, disk, entries, size, offset = _read_end_64(fd, end - _LOCATOR_64.size, path)
    if disk:
        raise ConfigError(f"wfdb_dir: {path!r} is the last part of a split ZIP: join its parts first (zip -s 0)")
    start = end - size
    if start < 0 or start < offset:
        raise _damaged(path)
    return _Extent(start, size, entries, start - offset)


def _read_end_64(fd: int, locator_at: int, path: str) -> tuple[int, int, int, int, int]:
    """End of the central directory, disk, entries, size and offset, by the record for ZIPs of more than 4 GB."""
    _, _, stated, _ = _LOCATOR_64.unpack(read_fully(fd, _LOCATOR_64.size, locator_at))
    for place in dict.fromkeys((stated, locator_at - _END_64.size)):  # elsewhere where bytes were put in front
        data = read_fully(fd, _END_64.size, place) if 0 <= place < locator_at else b""
        if len(data) == _END_64.size and data[:4] == b"PK\6\6":
            _, _, _, _, disk, _, _, entries, size, offset = _END_64.unpack(data)
            return place, disk, entries, size, offset
    raise _damaged(path)


def _with_zip64(extra: bytes, size: int, compressed: int, offset: int, path: str) -> tuple[int, int, int]:
    """Size, compressed size and offset of an entry, those that need 64 bits from its extra field."""
    values = [size, compressed, offset]
    if 0xFFFFFFFF not in values:
        return size, compressed, offset
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = list(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            values = [wide.pop(0) if value == 0xFFFFFFFF and wide else value for value in values]
            return values[0], values[1], values[2]
        at += 4 + length
    raise _damaged(path)


def _decode(raw: bytes) -> str:
    """A name; UTF-8 also where the flag for it is not set, as many programs write it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _require_safe(raw: bytes, path: str) -> None:
    """Refuse a name that leaves the folder, or of which systems disagree whether it does."""
    if b"\\" in raw or raw[:1] == b"/" or b".." in raw.split(b"/"):
        raise ConfigError(
            f"wfdb_dir: {path!r} has a member {_decode(raw)[:200]!r}, and names with '..', a backslash or a slash in "
            "front are not read: pack it again with plain names"
        )


def _damaged(path: str) -> ConfigError:
    return ConfigError(f"wfdb_dir: {path!r} has a damaged central directory: fetch the ZIP again")
