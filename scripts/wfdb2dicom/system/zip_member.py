"""Read one member of a ZIP at its offset, which needs no central directory, so batch jobs load none."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from wfdb2dicom.errors import SignalError
from wfdb2dicom.system.limits import most_unpacked
from wfdb2dicom.system.regular_file import read_fully

try:
    from isal import isal_zlib  # takes half of zlib's time
except ImportError:  # not installed: one conversion of a folder's record needs none of it
    import zlib as isal_zlib  # type: ignore[no-redef]

STORED, DEFLATED = 0, 8
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_SLACK = 256  # bytes for name and extra field of the local header, so that one read usually takes all
_STATED_LATER = 0x8  # flag: CRC-32 and sizes follow the content
_ZIP64 = 0xFFFFFFFF


class Member(NamedTuple):
    """Where a member of a ZIP lies and what it holds.

    Attributes
    ----------
    name : str
        Its path in the ZIP, or the end of it.
    offset : int
        Of its local header, in bytes from the start of the file.
    compressed, size : int
        Bytes in the ZIP and bytes of content.
    method : int
        `STORED` or `DEFLATED`.
    crc : int
        CRC-32 of the content.
    """

    name: str
    offset: int
    compressed: int
    size: int
    method: int
    crc: int


def extent(member: Member) -> int:
    """Bytes from the offset of a member that hold all of it, unless its local header is uncommonly long."""
    return _LOCAL_HEADER.size + _SLACK + member.compressed


def read_member(fd: int, member: Member, path: str) -> bytes:
    """The content of a member, its CRC-32 verified.

    Parameters
    ----------
    fd : int
        Descriptor of the ZIP.
    member : Member
        By the central directory.
    path : str
        The ZIP, for messages.

    Raises
    ------
    SignalError
        When the bytes at the offset are not that member, or not the content that its CRC-32 promises.
    OSError
        When the file cannot be read.
    """
    data = read_fully(fd, extent(member), member.offset)
    start = _content_at(data, member, path)
    if len(data) < start + member.compressed:
        data += read_fully(fd, start + member.compressed - len(data), member.offset + len(data))
    packed = memoryview(data)[start : start + member.compressed]
    if len(packed) < member.compressed:
        raise _damaged(path, member, "is cut short")
    content = bytes(packed) if member.method == STORED else _inflate(packed, member, path)
    if len(content) != member.size or isal_zlib.crc32(content) != member.crc:
        raise _damaged(path, member, "does not have the size and CRC-32 that the ZIP gives for it")
    return content


def refuse_bomb(member: Member, path: str) -> None:
    """Refuse a member that is said to unpack to more than tables and signals do, before its content is asked for.

    Raises
    ------
    SignalError
        Names it and both sizes.
    """
    if member.size > most_unpacked(member.compressed):
        raise SignalError(
            f"{member.name!r} in {path} unpacks from {member.compressed} to {member.size} bytes, which no table or"
            " record does; fetch the ZIP again"
        )


def _content_at(data: bytes, member: Member, path: str) -> int:
    """Where the content begins behind the local header, which has to be that of the member."""
    try:
        magic, _, flags, method, _, _, crc, _, size, name, extra = _LOCAL_HEADER.unpack_from(data)
    except struct.error:
        raise _damaged(path, member, "is cut short") from None
    start = _LOCAL_HEADER.size
    differs = (
        magic != b"PK\3\4"
        or method != member.method
        or (name + start <= len(data) and not _ends_with(data[start : start + name], member.name))
        or (not flags & _STATED_LATER and (crc != member.crc or size not in (member.size, _ZIP64)))
    )
    if differs:
        raise _damaged(path, member, "is not where the ZIP's central directory says, or the ZIP was replaced meanwhile")
    return start + int(name) + int(extra)


def _ends_with(path: bytes, name: str) -> bool:
    """Whether the path of a member ends with a name; programs differ on the encoding."""
    return path.endswith(name.encode()) or path.endswith(name.encode("cp437", "replace"))


def _inflate(packed: memoryview, member: Member, path: str) -> bytes:
    inflater = isal_zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(packed, member.size + 1)  # never more than promised: a bomb is refused
    except (zlib.error, isal_zlib.error) as error:  # type: ignore[misc]  # its stub names an attribute
        raise _damaged(path, member, f"cannot be inflated ({error})") from error
    return content


def _damaged(path: str, member: Member, what: str) -> SignalError:
    return SignalError(f"{member.name!r} in {path} {what}; fetch the ZIP again")
