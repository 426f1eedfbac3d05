"""Sex and age as the comments of a header state them, in the forms that WFDB collections use.

=====================================  ==========================================================
``#Age: 74``, ``#Sex: Male``           CinC challenges, Chapman-Shaoxing-Ningbo
``# age: 81``, ``# sex: female``       PTB diagnostic
``#<age>: 65 <sex>: F <diagnoses> …``  INCART
``#<age>: 51``, ``#<sex>: F``          LUDB
=====================================  ==========================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wfdb2dicom.acquisition import age_in_years, sex_code
from wfdb2dicom.records.header import Header

mention_sex_or_age = re.compile(rb"#.*(?:age|sex)", re.IGNORECASE).search
"""Whether the text of a header may state one of them: nearly all of MIMIC-IV-ECG's need no closer look."""
_PLAIN = re.compile(r"(age|sex)\s*:(.*)", re.IGNORECASE).fullmatch
_TAGGED = re.compile(r"<(age|sex)>\s*:?([^<]*)", re.IGNORECASE).finditer


def sex_and_age(header: Header) -> tuple[str, str]:
    """Patient's Sex (CS) and the age in whole years, "" for what is not stated exactly and without contradiction."""
    stated = list(_statements(header.comments))
    return (
        _agreed(sex_code(value) for name, value in stated if name == "sex"),
        _agreed(age_in_years(value) for name, value in stated if name == "age"),
    )


def _statements(comments: Iterable[str]) -> Iterator[tuple[str, str]]:
    for comment in comments:
        if plain := _PLAIN(comment):
            yield plain[1].lower(), plain[2]
        for tagged in _TAGGED(comment):
            yield tagged[1].lower(), tagged[2]


def _agreed(values: Iterable[str]) -> str:
    """The one value that is stated; "" if there is none, or more than one."""
    found = set(values)
    return found.pop() if len(found) == 1 else ""
