"""Sex and age from columns of the study CSV: only what is stated exactly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from wfdb2dicom.acquisition import age_in_years, sex_code

_NUMBER = re.compile(r"(-?[0-9]{1,9})(?:\.0*)?").fullmatch
_NUMBERED = {0: "M", 1: "F"}  # PTB-XL's ptbxl_database.csv
_SHOWN = 3  # values named in a warning


def read_sexes(cells: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Patient's Sex (CS ``M``, ``F``, ``O``, or "") for each distinct cell of a column, and warnings.

    Parameters
    ----------
    cells : iterable of str
        The whole column, because a number means something only among the others: 0 and 1 are PTB-XL's male and
        female, but a column that holds a 2 too has another coding (ISO 5218: 1 male, 2 female), one of nothing but 1
        may have either, and one that holds M or F too has none.
    """
    counts = Counter(filter(None, cells))
    numbers = {cell: int(match[1]) for cell in counts if (match := _NUMBER(cell))}
    sexes = {cell: sex_code(cell) for cell in counts}
    warnings = []
    if set(numbers.values()) == set(_NUMBERED) and not any(sexes.values()):
        sexes |= {cell: _NUMBERED[number] for cell, number in numbers.items()}
        warnings.append("sex_col: the numbers are read as PTB-XL has them, 0 for male and 1 for female")
    if left_out := {cell: count for cell, count in counts.items() if not sexes[cell]}:
        warnings.append(f"sex_col: {_left_out(left_out)}; only M, F, O, male, female, other, or 0 beside 1 are taken")
    return {"": "", **sexes}, warnings


def read_ages(cells: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Age in whole years, or "", for each distinct cell of a column, and warnings."""
    counts = Counter(filter(None, cells))
    ages = {cell: age_in_years(cell) for cell in counts}
    left_out = {cell: count for cell, count in counts.items() if not ages[cell]}
    warnings = [f"age_col: {_left_out(left_out)}; only whole years from 0 to 89 are taken"] if left_out else []
    return {"": "", **ages}, warnings


def _left_out(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    values = ", ".join(repr(cell[:20]) for cell in list(counts)[:_SHOWN])
    return f"{total} {'value is' if total == 1 else 'values are'} left out, such as {values}"
