"""Unique identifiers derived from content: the same study gives the same object, another header a new instance.

An archive keeps the first object that it receives under a SOP Instance UID, so a changed object needs a new one;
an unchanged study must keep its own, or every run would fill the archive anew.
"""

from __future__ import annotations

from hashlib import blake2b

from wfdb2dicom.errors import ConfigError

ENCODING_VERSION = 2
"""Raised whenever the same input gives other bytes; part of every SOP Instance UID."""

IMPLEMENTATION_CLASS_UID = "2.25.138469238650186953893129432177401528714"
IMPLEMENTATION_VERSION_NAME = f"WFDB2DICOM_{ENCODING_VERSION}"

_MAX_UID = 64  # PS3.5 section 9.1
_MIN_DIGITS = 20


def check_root(uid_root: str) -> str:
    """Return `uid_root` when identifiers can be made under it.

    Raises
    ------
    ConfigError
        When it is not a UID (PS3.5 section 9.1) or leaves fewer than 20 digits for the identifier.
    """
    parts = uid_root.split(".")
    valid = len(parts) > 1 and all(p.isascii() and p.isdigit() and (p == "0" or p[0] != "0") for p in parts)
    if not valid or parts[0] not in "012" or len(uid_root) > _MAX_UID - 1 - _MIN_DIGITS:
        raise ConfigError(
            f"uid_root {uid_root!r} is not a UID root: digits and dots, no leading zeros, at most"
            f" {_MAX_UID - 1 - _MIN_DIGITS} characters, such as 2.25 or the root your organisation was given"
        )
    return uid_root


def derive_uid(uid_root: str, kind: str, *parts: bytes) -> str:
    """A UID that is a function of its arguments.

    Under ``2.25`` it is a UUID as an integer (PS3.5 annex B.2; UUID version 8 of RFC 9562); under another root the
    integer is cut to what 64 characters leave.

    Parameters
    ----------
    uid_root : str
        Checked by `check_root`.
    kind : str
        The kind of object: ``study``, ``series``, ``instance``.
    parts : bytes
        Everything that identifies it; each part is delimited.
    """
    digest = blake2b(digest_size=16, person=kind.encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    number = int.from_bytes(digest.digest(), "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    digits = _MAX_UID - 1 - len(uid_root)
    return f"{uid_root}.{number if uid_root == '2.25' else number % 10**digits}"
