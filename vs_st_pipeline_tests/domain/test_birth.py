"""Birth dates in every form that can be read in one way only, and ages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vs_st_pipeline.domain.birth import NOT_GIVEN, UNREAD, Birth, age_on, is_under, last_birth_date, read_birth

TODAY = date(2026, 6, 1)
MINOR = Birth(day=date(2010, 4, 17))


@pytest.mark.parametrize(
    ("value", "born"),
    [
        # C5: forms that can be read in one way only.
        ({"day": 17, "month": 4, "year": 2010}, MINOR),
        ({"day": "17", "month": "04", "year": "2010"}, MINOR),
        ({"day": Decimal("17.0"), "month": Decimal("4.0"), "year": Decimal("2010.0")}, MINOR),
        ({"day": 17.0, "month": 4.0, "year": 2010.0}, MINOR),
        ([2010, 4, 17], MINOR),
        ("2010-04-17", MINOR),
        ("2010/04/17", MINOR),
        ("2010.4.17", MINOR),
        ("April 17, 2010", MINOR),
        ("Apr. 17th 2010", MINOR),
        ("17 april 2010", MINOR),
        ("2010-04-17T23:00:00-08:00", MINOR),
        ({"day": 29, "month": 2, "year": 2000}, Birth(day=date(2000, 2, 29))),
        ({"day": 1, "month": 6, "year": 2026}, Birth(day=TODAY)),
        # C6: a day of the calendar has no zone.
        ("1985-05-17T00:00:00.000Z", Birth(day=date(1985, 5, 17))),
        ("1985-05-17 00:00:00", Birth(day=date(1985, 5, 17))),
        # After today: under age by the gate.
        ({"day": 2, "month": 6, "year": 2026}, Birth(day=date(2026, 6, 2))),
        ("2221-01-01", Birth(day=date(2221, 1, 1))),
        # A year alone.
        ({"day": None, "month": None, "year": 2010}, Birth(year=2010)),
        ({"year": "1980"}, Birth(year=1980)),
        ({"day": 0, "month": 0, "year": 1980}, Birth(year=1980)),
        ("2010", Birth(year=2010)),
        # Impossible days are unknown (interface 6), unless the year leaves no room for 21 years.
        ({"day": 31, "month": 2, "year": 1984}, NOT_GIVEN),
        ({"day": 31, "month": 2, "year": 2010}, Birth(year=2010)),
        ({"day": 4, "month": 13, "year": 2005}, Birth(year=2005)),
        # C7: placeholders.
        ({"day": 1, "month": 1, "year": 1900}, NOT_GIVEN),
        ("1900-01-01", NOT_GIVEN),
        ("1911-05-31", NOT_GIVEN),
        ("1911-06-01", Birth(day=date(1911, 6, 1))),
        ("0001-01-01", NOT_GIVEN),
        ({"year": 1900}, NOT_GIVEN),
        # Nothing at all.
        (None, NOT_GIVEN),
        ("", NOT_GIVEN),
        ("  ", NOT_GIVEN),
        ({}, NOT_GIVEN),
        ([], NOT_GIVEN),
        ({"day": None, "month": None, "year": None}, NOT_GIVEN),
        ({"day": 0, "month": 0, "year": 0}, NOT_GIVEN),
        # Given, and nobody can say what: never the same as not given.
        ({"day": 5, "month": 6, "year": None}, UNREAD),
        ({"day": 5, "month": 6}, UNREAD),
        ({"day": "x", "month": 6, "year": 1985}, UNREAD),
        ({"day": True, "month": 6, "year": 1985}, UNREAD),
        ({"day": 1.5, "month": 6, "year": 1985}, UNREAD),
        ({"year": 10**30}, UNREAD),
        ([17, 4, 2010], UNREAD),
        ([2010, 4], UNREAD),
        ("n/a", UNREAD),
        ("04/05/2010", UNREAD),
        ("17-04-10", UNREAD),
        ("Ju 4, 2010", UNREAD),
        (True, UNREAD),
        (Decimal("7.5"), UNREAD),
        (1271462400000, UNREAD),
    ],
)
def test_birth_dates(value: object, born: Birth) -> None:
    assert read_birth(value, TODAY) == born


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        (date(2005, 6, 1), date(2026, 5, 31), 20),
        (date(2005, 6, 1), date(2026, 6, 1), 21),
        (date(2004, 2, 29), date(2025, 2, 28), 20),
        (date(2004, 2, 29), date(2025, 3, 1), 21),
        (date(2004, 2, 29), date(2024, 2, 29), 20),
        (date(2005, 12, 31), date(2026, 12, 30), 20),
        (date(2026, 6, 1), date(2026, 6, 1), 0),
    ],
)
def test_ages(born: date, today: date, age: int) -> None:
    assert age_on(born, today) == age
    assert is_under(Birth(day=born), today, 21) == (age < 21)


@given(born=st.dates(date(1900, 1, 1), date(2040, 1, 1)), today=st.dates(date(1960, 1, 1), date(2060, 1, 1)))
@example(born=date(2004, 2, 29), today=date(2025, 2, 28))
@example(born=date(2007, 2, 28), today=date(2028, 2, 29))
@example(born=date(2007, 3, 1), today=date(2028, 2, 29))
def test_whoever_was_born_after_the_last_birth_date_is_under_age(born: date, today: date) -> None:
    assert is_under(Birth(day=born), today) == (born > last_birth_date(today))


@given(born=st.dates(date(1900, 1, 1), date(2020, 1, 1)), years=st.integers(0, 120))
def test_nobody_is_older_before_his_birthday(born: date, years: int) -> None:
    day = date(born.year + years, born.month, min(born.day, 28))
    assert years - 1 <= age_on(born, day) <= years
    assert age_on(born, day.replace(day=1)) <= age_on(born, day)


@pytest.mark.parametrize(
    ("value", "born"),
    [
        ({"text": "17 April 1984"}, UNREAD),
        ({"year": 0, "month": None, "day": "", "text": "17 April 1984"}, UNREAD),
        ({"year": 0, "month": 0, "day": 0, "text": None}, NOT_GIVEN),
        ({"year": 1984, "month": 4, "day": 17, "text": "17 April 1984"}, Birth(day=date(1984, 4, 17))),
        (1984, UNREAD),
    ],
)
def test_what_stands_under_other_keys_may_be_a_date(value: object, born: Birth) -> None:
    found = read_birth(value, date(2026, 5, 20))
    assert (found.day, found.unread) == (born.day, born.unread)
