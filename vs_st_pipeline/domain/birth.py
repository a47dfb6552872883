"""Reads a birth date in every form that has exactly one meaning; age is a gate, so a guess is not allowed.

Three states are kept apart: known (a day, or a year alone), not given, and given but not understood (interface 7.5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from vs_st_pipeline.domain.records import is_hollow

LEGAL_AGE: Final = 21
"""Years; the age from which wine may be advertised to a person in the United States."""

OLDEST: Final = 115
"""Years; a date that would make a person older is a placeholder, and so is 1 January 1900."""

_PLACEHOLDER: Final = date(1900, 1, 1)
_ISO: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[T ].*)?", re.ASCII | re.IGNORECASE)
_IN_WORDS: Final = re.compile(
    r"(?:([a-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})"
    r"|([0-9]{1,2})(?:st|nd|rd|th)? ([a-z]{3,9})\.?,? ([0-9]{4}))",
    re.ASCII | re.IGNORECASE,
)
_YEAR: Final = re.compile(r"[0-9]{4}", re.ASCII)
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


@dataclass(frozen=True, slots=True)
class Birth:
    """What is known of a birth date.

    Attributes:
        day: the date; it may be in the future, which is under age.
        year: the year where only the year was given.
        unread: a date is given, but it has no single meaning.
    """

    day: date | None = None
    year: int | None = None
    unread: bool = False

    @property
    def known(self) -> bool:
        """Say whether a day or a year is known."""
        return self.day is not None or self.year is not None


NOT_GIVEN: Final = Birth()
UNREAD: Final = Birth(unread=True)


def read_birth(value: object, today: date) -> Birth:
    """Read a birth date as a system may write it.

    Args:
        value: `{day, month, year}` in numbers or digits, `[year, month, day]`, or a text: `2010-04-17` with or without
            a time (the date part is taken literally: a calendar date has no zone), `2010/04/17`, `April 17, 2010`,
            `2010`.
        today: a date more than 115 years before it is a placeholder.

    Returns:
        `NOT_GIVEN` for null, blank, empty and placeholders; `UNREAD` for a value that is there and is not one date.
    """
    if is_hollow(value):
        return NOT_GIVEN
    if isinstance(value, str):
        return _from_text(value.strip(), today)
    if isinstance(value, list):
        return _from_parts(value[0], value[1], value[2], today) if len(value) == 3 else UNREAD
    if isinstance(value, Mapping):
        year, month, day = (value.get(name) for name in ("year", "month", "day"))
        # An object that has only other keys may hold a date that is not readable here, so it is not NOT_GIVEN.
        if all(is_hollow(part) or _whole(part) == 0 for part in (year, month, day)) and not is_hollow(_others(value)):
            return UNREAD
        return _from_parts(year, month, day, today)
    return UNREAD


def _others(value: Mapping[str, object]) -> dict[str, object]:
    return {key: part for key, part in value.items() if key not in ("year", "month", "day")}


def says_a_birth(value: object, today: date) -> bool:
    """Say whether the value names a day or a year, and so may replace what is known (routes.md R23)."""
    return read_birth(value, today).known


def is_under(birth: Birth, today: date, years: int = LEGAL_AGE) -> bool:
    """Say whether the person is certainly younger than `years` today, by the day or by a year that leaves no doubt."""
    if birth.day is not None:
        return age_on(birth.day, today) < years
    return birth.year is not None and today.year - birth.year < years


def is_doubtful(birth: Birth, today: date, years: int = LEGAL_AGE) -> bool:
    """Say whether a year alone leaves open if the person is younger than `years` today."""
    return birth.day is None and birth.year is not None and today.year - birth.year == years


def age_on(birth_date: date, today: date) -> int:
    """Return the age in full years; a person born on 29 February comes of age on 1 March of a common year."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def last_birth_date(today: date, years: int = LEGAL_AGE) -> date:
    """Return the latest birth date of a person who is `years` old today; a person born after it `is_under`."""
    try:
        return today.replace(year=today.year - years)
    except ValueError:  # today is 29 February, and that year was a common year
        return date(today.year - years, 2, 28)


def _from_text(text: str, today: date) -> Birth:
    if found := _ISO.fullmatch(text):
        return _from_parts(found[1], found[2], found[3], today)
    if _YEAR.fullmatch(text):
        return _from_parts(text, None, None, today)
    if found := _IN_WORDS.fullmatch(" ".join(text.split())):
        month, day, year = found.groups()[:3] if found[1] else (found[5], found[4], found[6])
        number = _month(month)
        return UNREAD if number is None else _from_parts(year, number, day, today)
    return UNREAD


def _month(name: str) -> int | None:
    fitting = [number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower())]
    return fitting[0] if len(fitting) == 1 else None


def _from_parts(year: object, month: object, day: object, today: date) -> Birth:
    numbers = [_whole(part) for part in (year, month, day)]
    if any(number is None and not is_hollow(part) for number, part in zip(numbers, (year, month, day), strict=True)):
        return UNREAD  # one of them is there and is not a number
    born, in_month, on_day = (number or None for number in numbers)  # a zero means that the part is not given
    if born is None:
        return UNREAD if in_month or on_day else NOT_GIVEN
    if 1 < born < 1000 or born < 0:
        return UNREAD  # a day where a year is expected, or a number that cannot be a year
    if born < today.year - OLDEST:
        return NOT_GIVEN
    if in_month is None or on_day is None:
        return Birth(year=born)
    try:
        found = date(born, in_month, on_day)
    except (ValueError, OverflowError):
        # There is no such day, so it is unknown (interface 6), unless the year alone leaves no room for 21 years.
        return Birth(year=born) if today.year - born <= LEGAL_AGE else NOT_GIVEN
    too_old = (found.year + OLDEST, found.month, found.day) < (today.year, today.month, today.day)
    return NOT_GIVEN if found == _PLACEHOLDER or too_old else Birth(day=found)


def _whole(part: object) -> int | None:
    if isinstance(part, bool):
        return None
    if isinstance(part, int):
        return part if abs(part) < 10**6 else None
    if isinstance(part, float):
        part = Decimal(repr(part))
    if isinstance(part, Decimal):
        return int(part) if part.is_finite() and abs(part) < 10**6 and part == part.to_integral_value() else None
    text = part.strip() if isinstance(part, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None
