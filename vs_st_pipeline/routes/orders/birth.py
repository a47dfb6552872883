"""Reads the birth dates of an order's people, and says who is certainly too young (orders.md 4.1 `under_age`, 5.1)."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from vs_st_pipeline.domain.birth import Birth, is_under, read_birth

FIRST_YEAR: Final = 1900
_UNKNOWN: Final = Birth()
_IN_DIGITS: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[T ].*)?", re.ASCII | re.IGNORECASE)


def read(text: str | None, today: date) -> Birth:
    """Read a birth date as a shop writes it: the date part as it stands, whatever zone its time names.

    One before 1900, in the future, or of a day that does not exist is not known. One in words (`April 17, 2010`) or a
    year alone is read where it has one meaning.
    """
    if text is None:
        return _UNKNOWN
    found = _IN_DIGITS.fullmatch(text.strip())
    if found is None:
        birth = read_birth(text, today)
        if birth.day is not None:
            return birth if _is_possible(birth.day, today) else _UNKNOWN
        return birth if birth.year is not None and FIRST_YEAR <= birth.year <= today.year else _UNKNOWN
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return _UNKNOWN
    return Birth(day=day) if _is_possible(day, today) else _UNKNOWN


def is_too_young(text: str | None, today: date) -> bool:
    """Say whether somebody is known to be under 21 on this day."""
    return is_under(read(text, today), today)


def _is_possible(day: date, today: date) -> bool:
    return day.year >= FIRST_YEAR and day <= today
