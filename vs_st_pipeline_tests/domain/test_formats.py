"""Moments, dates, money and words: read out of loose JSON, written as text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vs_st_pipeline.domain.formats import (
    FORMATS,
    as_code,
    as_decimal,
    as_id,
    as_mapping,
    as_rows,
    as_text,
    counted,
    instant,
    iso_date,
    local_date,
    money,
    parse_moment,
    title_case,
    us_date,
)

PACIFIC = ZoneInfo("America/Los_Angeles")
EASTERN = ZoneInfo("America/New_York")
AUCKLAND = ZoneInfo("Pacific/Auckland")


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-28T19:31:00-07:00", utc(2026, 5, 29, 2, 31)),
        ("2026-05-28T19:31:00-0700", utc(2026, 5, 29, 2, 31)),
        ("2026-05-28T19:31:00-07", utc(2026, 5, 29, 2, 31)),
        ("2026-05-28 19:31:00 -07:00", utc(2026, 5, 29, 2, 31)),
        ("2026-05-28T19:31-07:00", utc(2026, 5, 29, 2, 31)),
        (" 2026-05-29T02:31:00Z ", utc(2026, 5, 29, 2, 31)),
        ("2026-05-29t02:31:00z", utc(2026, 5, 29, 2, 31)),
        ("2026-05-29T02:31:00.5Z", utc(2026, 5, 29, 2, 31, 0, 500_000)),
        ("2026-05-29T02:31:00.489Z", utc(2026, 5, 29, 2, 31, 0, 489_000)),
        ("2026-05-29T02:31:00.123456789Z", utc(2026, 5, 29, 2, 31, 0, 123_456)),
        ("2026-05-29T02:31:00,25+00:00", utc(2026, 5, 29, 2, 31, 0, 250_000)),
        ("2026-05-28T19:31:00", utc(2026, 5, 29, 2, 31)),  # no offset: Pacific summer
        ("2026-01-28T19:31:00", utc(2026, 1, 29, 3, 31)),  # no offset: Pacific winter
        ("2026-11-01T01:30:00", utc(2026, 11, 1, 8, 30)),  # occurs twice: the first
        ("2026-11-01T01:30:00-08:00", utc(2026, 11, 1, 9, 30)),  # the second, said so
        ("2026-03-08T03:00:00-07:00", utc(2026, 3, 8, 10, 0)),
    ],
)
def test_date_times_become_instants(text: str, moment: datetime) -> None:
    parsed = parse_moment(text)
    assert isinstance(parsed, datetime)
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


def test_a_plain_date_stays_a_date() -> None:
    parsed = parse_moment("2025-02-11")
    assert type(parsed) is date
    assert parsed == date(2025, 2, 11)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "",
        "soon",
        "2025-02-30",
        "2025-13-01",
        "2025-2-11",
        "20250211",
        "02/11/2025",
        "2025-W07-2",
        "2025-02-11T",
        "2025-02-11T25:00:00Z",
        "2025-02-11T10Z",
        "2025-02-11T10:00:00+25:00",
        "2025-02-11T10:00.5Z",
        "2025-02-11Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-08:00",
        "1899-12-31",
        "\uff12\uff10\uff12\uff15-02-11",
        1739232000,
        [2025, 2, 11],
        {"date": "2025-02-11"},
        True,
    ],
)
def test_nonsense_is_no_moment(nonsense: object) -> None:
    assert parse_moment(nonsense) is None


@given(
    moment=st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2998, 12, 31)),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_the_offset_is_always_honoured(moment: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    assert parse_moment(moment.isoformat() + offset) == moment.replace(tzinfo=UTC) - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2026-05-28T19:31:00-07:00", PACIFIC, "05/28/2026"),  # an evening order is already tomorrow in UTC
        ("2026-05-28T19:31:00-07:00", EASTERN, "05/28/2026"),
        ("2026-05-28T21:31:00-07:00", EASTERN, "05/29/2026"),
        ("2026-05-28T19:31:00-07:00", AUCKLAND, "05/29/2026"),
        ("2026-05-29T06:59:59Z", PACIFIC, "05/28/2026"),
        ("2026-05-29T07:00:00Z", PACIFIC, "05/29/2026"),
        ("2026-01-29T07:59:59Z", PACIFIC, "01/28/2026"),
        ("2026-01-29T08:00:00Z", PACIFIC, "01/29/2026"),
        ("2026-03-08T07:59:59Z", PACIFIC, "03/07/2026"),  # the day that starts in winter and ends in summer time
        ("2026-03-09T06:59:59Z", PACIFIC, "03/08/2026"),
        ("2026-03-09T07:00:00Z", PACIFIC, "03/09/2026"),
        ("2026-11-01T06:59:59Z", PACIFIC, "10/31/2026"),  # the day of 25 hours
        ("2026-11-02T07:59:59Z", PACIFIC, "11/01/2026"),
        ("2026-11-02T08:00:00Z", PACIFIC, "11/02/2026"),
        ("2025-12-31T23:59:59-08:00", PACIFIC, "12/31/2025"),
        ("2025-02-11", AUCKLAND, "02/11/2025"),  # a plain date has no zone
        ("2025-02-11", PACIFIC, "02/11/2025"),
    ],
)
def test_the_date_is_the_merchants_own(text: str, zone: ZoneInfo, day: str) -> None:
    moment = parse_moment(text)
    assert moment is not None
    assert us_date(local_date(moment, zone)) == day


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-02-11", utc(2025, 2, 11, 8)),
        ("2025-07-11", utc(2025, 7, 11, 7)),
        ("2026-11-01", utc(2026, 11, 1, 7)),
        ("2025-02-11T10:00:00Z", utc(2025, 2, 11, 10)),
    ],
)
def test_instants_for_comparing(text: str, at: datetime) -> None:
    moment = parse_moment(text)
    assert moment is not None
    assert instant(moment) == at


def test_dates_are_padded() -> None:
    assert us_date(date(2026, 1, 2)) == "01/02/2026"
    assert iso_date(date(2026, 1, 2)) == "2026-01-02"
    assert iso_date(utc(2026, 1, 2, 23)) == "2026-01-02"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("128.71"), "128.71"),
        (Decimal("1234.5"), "1234.50"),
        (Decimal("1234567.005"), "1234567.01"),
        (Decimal("0.005"), "0.01"),
        (Decimal("0.004999"), "0.00"),
        (Decimal("2.675"), "2.68"),
        (Decimal("-2.675"), "-2.68"),
        (Decimal("-0.001"), "0.00"),
        (Decimal("1E+3"), "1000.00"),
        (Decimal("1E-7"), "0.00"),
        (Decimal("99999999999999999999.995"), "100000000000000000000.00"),
        (7, "7.00"),
        (0, "0.00"),
        (None, None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("Infinity"), None),
        (Decimal("1E+1000000"), None),
    ],
)
def test_money(amount: Decimal | int | None, text: str | None) -> None:
    assert money(amount) == text


def test_money_is_never_a_float() -> None:
    with pytest.raises(TypeError, match="never float"):
        money(1.1)  # type: ignore[arg-type]


@given(cents=st.integers(-(10**15), 10**15), tail=st.integers(0, 999))
def test_money_is_half_up_and_reads_back(cents: int, tail: int) -> None:
    exact = (Decimal(abs(cents)) + Decimal(tail) / 1000) / 100 * (-1 if cents < 0 else 1)
    text = money(exact)
    assert text is not None
    whole, _, places = text.removeprefix("-").partition(".")
    assert whole.isdigit()
    assert len(places) == 2
    assert abs(Decimal(text)) * 100 == abs(cents) + (1 if tail >= 500 else 0)
    assert text.startswith("-") == (Decimal(text) < 0)


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_money_never_shows_an_exponent(amount: Decimal) -> None:
    text = money(amount)
    assert text is None or set(text) <= set("-.0123456789")
    assert (text is None) == (not amount.is_finite() or abs(amount) >= Decimal(10) ** 20)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LABELS_GENERATED", "Labels Generated"),
        ("SHIPPED", "Shipped"),
        ("PICKED_UP", "Picked Up"),
        ("AGE_VERIFICATION_FAILED", "Age Verification Failed"),
        ("NEVER_SEEN_BEFORE", "Never Seen Before"),
        ("partially shipped", "Partially Shipped"),
        ("__ODD__CASE_", "Odd Case"),
        ("", ""),
    ],
)
def test_words(code: str, text: str) -> None:
    assert title_case(code) == text


@given(st.lists(st.from_regex(r"[A-Z]{1,9}", fullmatch=True), min_size=1, max_size=5))
def test_words_keep_every_letter(parts: list[str]) -> None:
    text = title_case("_".join(parts))
    assert text.upper().split(" ") == parts
    assert all(word[0].isupper() and not word[1:].isupper() for word in text.split(" "))
    assert title_case(text) == text


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("text", "WEB", "WEB"),
        ("text", 700101, "700101"),
        ("text", Decimal("128.7"), "128.70"),
        ("text", utc(2026, 5, 29, 2, 31), "2026-05-28"),
        ("text", ["a", "b"], "a, b"),
        ("text", [], ""),
        ("list", ["a", "b"], "a, b"),
        ("date", utc(2026, 5, 29, 2, 31), "05/28/2026"),
        ("date", date(2026, 5, 29), "05/29/2026"),
        ("iso_date", utc(2026, 5, 29, 2, 31), "2026-05-28"),
        ("money", 7, "7.00"),
        ("money", Decimal("0"), "0.00"),
        ("money", Decimal("NaN"), ""),
        ("integer", 0, "0"),
        ("integer", Decimal("1234.50"), "1235"),
        ("integer", Decimal("-0.2"), "0"),
        ("integer", Decimal("1E+3"), "1000"),
        ("words", "LABELS_GENERATED", "Labels Generated"),
    ],
)
def test_forms(form: str, value: object, text: str) -> None:
    assert FORMATS[form].write(value, PACIFIC) == text


def test_readers_take_what_has_the_right_type_and_nothing_else() -> None:
    row = {"a": 1}
    assert as_mapping(row) is row
    assert [as_mapping(value) for value in (None, "x", [row], 3)] == [{}] * 4
    assert as_rows([row, None, "x", row]) == [row, row]
    assert [as_rows(value) for value in (None, "xy", row, 3)] == [[]] * 4
    assert [as_text(value) for value in (" a ", "", "  ", None, 5, row)] == [" a ", None, None, None, None, None]
    assert [as_code(value) for value in ("1Z", 17, True, " ", None, Decimal(3))] == ["1Z", "17", None, None, None, None]


@pytest.mark.parametrize(
    ("value", "number"),
    [(700101, 700101), ("700101", 700101), (" 700101 ", 700101), ("007", 7), (0, None), (-1, None), ("x7", None)]
    + [("7.0", None), (None, None), (True, None), ("\u0667", None), ("9" * 5000, None), ({}, None), (7.0, None)],
)
def test_ids(value: object, number: int | None) -> None:
    assert as_id(value) == number


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (Decimal("128.710"), "128.71"),
        (128, "128"),
        ("128.71", "128.71"),
        (" -3 ", "-3"),
        (128.71, "128.71"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_amounts(value: object, amount: str) -> None:
    assert as_decimal(value) == Decimal(amount)


@pytest.mark.parametrize("value", [None, "", "x", "1e5", "NaN", "1,5", True, {}, Decimal("NaN"), float("inf"), 10**20])
def test_what_is_no_amount(value: object) -> None:
    assert as_decimal(value) is None


@pytest.mark.parametrize(
    ("count", "what", "said"),
    [
        (0, "orders", "0 orders"),
        (1, "orders", "1 order"),
        (2, "orders of Commerce7", "2 orders of Commerce7"),
        (1, "orders of Commerce7", "1 order of Commerce7"),
        (1, "entries", "1 entry"),
        (1, "people", "1 person"),
        (1, "unmatched", "1 unmatched"),
    ],
)
def test_what_is_counted_is_said_as_people_say_it(count: int, what: str, said: str) -> None:
    assert counted(count, what) == said
