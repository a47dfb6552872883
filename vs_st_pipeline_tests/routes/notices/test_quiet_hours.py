"""Quiet hours: both ends, several zones, and the nights on which clocks change (notices.md 5.15, rulings 22)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vs_st_pipeline.routes.notices.quiet_hours import quiet_until

INDIA, NEW_YORK, DUBLIN, LORD_HOWE = "Asia/Kolkata", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe"
NIGHT = time(21), time(8)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def until(text: str, start: time, end: time, *zones: str) -> str | None:
    found = quiet_until(at(text), start, end, zones)
    return None if found is None else found.isoformat(sep=" ", timespec="minutes")


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-05-20 15:29:59", None),  # 20:59:59 in India
        ("2026-05-20 15:30:00", "2026-05-21 02:30"),  # 21:00
        ("2026-05-21 02:29:59", "2026-05-21 02:30"),
        ("2026-05-21 02:30:00", None),  # 08:00 is no longer quiet
    ],
)
def test_from_is_quiet_and_to_is_not(now: str, ends: str | None) -> None:
    assert until(now, *NIGHT, INDIA) == ends


def test_hours_of_one_day_are_quiet_too() -> None:
    assert until("2026-05-20 07:30", time(13), time(14), INDIA) == "2026-05-20 08:30"
    assert until("2026-05-20 08:30", time(13), time(14), INDIA) is None


def test_it_is_quiet_while_it_is_night_in_any_zone() -> None:
    assert until("2026-05-20 12:30", *NIGHT, "America/Los_Angeles", NEW_YORK) == "2026-05-20 15:00"  # 05:30 and 08:30
    assert until("2026-05-20 15:00", *NIGHT, "America/Los_Angeles", NEW_YORK) is None


def test_nights_that_follow_each_other_are_one() -> None:
    assert until("2026-05-20 15:30", *NIGHT, INDIA, "Pacific/Honolulu") == "2026-05-21 02:30"
    assert until("2026-05-20 15:30", time(20), time(9), INDIA, NEW_YORK) == "2026-05-21 13:00"


def test_zones_that_leave_no_hour_free_end_all_the_same() -> None:
    assert quiet_until(at("2026-05-20 12:00"), time(12), time(11, 59), [INDIA, NEW_YORK, DUBLIN]) is not None
    in_india = at("2026-05-20 06:29")  # 11:59, where another zone's night goes on
    assert quiet_until(in_india, time(12), time(11, 59), [INDIA, NEW_YORK]) == in_india + timedelta(days=3)


def test_where_from_is_to_no_moment_is_free() -> None:
    for now in ("2026-05-20 02:29", "2026-05-20 02:30", "2026-05-20 02:31"):  # around 08:00
        assert until(now, time(8), time(8), INDIA) is not None


# New York, 2026-11-01: at 06:00 UTC 02:00 becomes 01:00.
@pytest.mark.parametrize(
    ("now", "start", "end", "ends"),
    [
        ("2026-11-01 05:29", time(1, 30), time(8), None),  # 01:29, the first time
        ("2026-11-01 05:30", time(1, 30), time(8), "2026-11-01 13:00"),
        ("2026-11-01 06:10", time(1, 30), time(8), "2026-11-01 13:00"),  # 01:10 the second time: quiet has begun
        ("2026-11-01 05:30", time(21), time(1, 30), "2026-11-01 06:30"),  # 01:30 the first time: it is not over
        ("2026-11-01 05:45", time(21), time(1, 30), "2026-11-01 06:30"),
        ("2026-11-01 06:30", time(21), time(1, 30), None),
        ("2026-11-01 05:00", time(21), time(1), None),  # over before the hour that comes twice
        ("2026-11-01 06:00", time(21), time(1), None),
        ("2026-11-01 05:59", time(21), time(2), "2026-11-01 07:00"),  # both of them
        ("2026-11-01 06:59", time(2), time(8), None),
        ("2026-11-01 07:00", time(2), time(8), "2026-11-01 13:00"),
        ("2026-11-01 06:00", time(1, 15), time(1, 45), "2026-11-01 06:45"),  # within the hour: through both
    ],
)
def test_in_the_hour_that_comes_twice_quiet_lasts_through_both(
    now: str, start: time, end: time, ends: str | None
) -> None:
    assert until(now, start, end, NEW_YORK) == ends


# New York, 2026-03-08: at 07:00 UTC 02:00 becomes 03:00.
@pytest.mark.parametrize(
    ("now", "start", "end", "ends"),
    [
        ("2026-03-08 06:59", time(2, 30), time(8), None),
        ("2026-03-08 07:00", time(2, 30), time(8), "2026-03-08 12:00"),
        ("2026-03-08 06:59", time(21), time(2, 30), "2026-03-08 07:00"),
        ("2026-03-08 07:00", time(21), time(2, 30), None),
        ("2026-03-08 07:00", time(2, 15), time(2, 45), None),  # an hour that was not
        ("2026-03-08 11:59", *NIGHT, "2026-03-08 12:00"),  # 08:00 comes an hour earlier
    ],
)
def test_in_the_night_that_lacks_an_hour(now: str, start: time, end: time, ends: str | None) -> None:
    assert until(now, start, end, NEW_YORK) == ends


def test_clocks_that_move_by_half_an_hour() -> None:
    # Lord Howe, 2026-04-04 15:00 UTC: 02:00 becomes 01:30.
    assert until("2026-04-04 14:45", time(21), time(1, 45), LORD_HOWE) == "2026-04-04 15:15"  # 01:45 the first time
    assert until("2026-04-04 15:15", time(21), time(1, 45), LORD_HOWE) is None


def test_a_country_whose_winter_time_is_the_odd_one() -> None:
    # Dublin, 2026-10-25 01:00 UTC: 02:00 becomes 01:00.
    assert until("2026-10-25 00:40", time(21), time(1, 30), DUBLIN) == "2026-10-25 01:30"


@settings(max_examples=200)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.times(), st.times(), st.sampled_from([INDIA, NEW_YORK, DUBLIN, LORD_HOWE, "Pacific/Apia"]),
)  # fmt: skip
def test_what_the_clock_on_the_wall_calls_quiet_is_quiet(now: datetime, start: time, end: time, zone: str) -> None:
    if start == end:
        return
    wall = now.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).time()
    is_quiet = start <= wall < end if start < end else wall >= start or wall < end
    found = quiet_until(now, start, end, [zone])
    if is_quiet:
        assert found is not None
        assert now < found <= now + timedelta(hours=25)
        assert quiet_until(found, start, end, [zone]) is None
