"""How long to wait for the next try, and until when that is believed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from vs_st_pipeline.domain.single_reads import gap_after, waits

NOON = datetime(2026, 3, 1, 12)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def test_the_gaps_double_from_a_quarter_of_an_hour_to_a_day() -> None:
    minutes = [gap_after(attempts) / timedelta(minutes=1) for attempts in range(10)]
    assert minutes == [0, 0, 15, 30, 60, 120, 240, 480, 960, 1440]
    assert gap_after(10_000) == DAY


@pytest.mark.parametrize(
    ("next_at", "still"),
    [
        (None, False),
        (NOON - SECOND, False),
        (NOON, False),
        (NOON + SECOND, True),
        (NOON + DAY, True),
        (NOON + DAY + SECOND, False),  # no gap is so long: the clock was ahead when this was said
    ],
)
def test_a_time_that_is_to_come_is_waited_for_but_for_one_of_a_wrong_clock(
    next_at: datetime | None, still: bool
) -> None:
    assert waits(next_at, NOON) is still
