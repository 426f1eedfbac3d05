"""Studies that would share a file: whose it is cannot be known, so all of them are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import normalize

from wfdb2dicom.errors import PathError, describe

_NAMED = 3  # studies named in a message


class Files(NamedTuple):
    """A study with its record and the path of its DICOM."""

    study_id: str
    record: str
    path: str


def find_shared(studies: Sequence[Files]) -> Iterator[tuple[int, str]]:
    """Position and error of each study that shares a record or a DICOM with another one, in linear time.

    DICOM paths are compared as file systems do that ignore case and the Unicode form (SMB, macOS), on every file
    system, so that a converted tree can be copied to one of those.
    """
    keys = [(("record", study.record), ("path", _folded(study.path))) for study in studies]
    if all(len({key[n] for key in keys}) == len(keys) for n in range(2)):
        return
    sharing: dict[tuple[str, str], list[Files]] = {}
    for study, both in zip(studies, keys, strict=True):
        for key in both:
            sharing.setdefault(key, []).append(study)
    for position, (study, both) in enumerate(zip(studies, keys, strict=True)):
        groups = [sharing[key] for key in both]
        alike = dict.fromkeys(other for group in groups for other in group[: _NAMED + 1] if other is not study)
        if not alike:
            continue
        others = list(alike)[:_NAMED]
        more = max(len(alike), *(len(group) - 1 for group in groups)) - len(others)
        names = ", ".join(other.study_id for other in others) + (f" and {more} more" if more else "")
        if any(study.path == other.path or study.record == other.record for other in others):
            error = PathError(f"path {study.path!r} is also that of study {names}")
        else:
            error = PathError(
                f"path {study.path!r} differs from that of study {names} in case or Unicode form only, which SMB and "
                "macOS ignore; rename one of them"
            )
        yield position, describe(error)


def _folded(path: str) -> str:
    return path.casefold() if path.isascii() else normalize("NFC", normalize("NFD", path).casefold())
