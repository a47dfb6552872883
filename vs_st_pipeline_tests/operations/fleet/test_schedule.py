"""Who is due, from what the syncs themselves have left behind."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.poll_intervals import History
from vs_st_pipeline.operations.fleet.schedule import due_merchants, due_times, intervals
from vs_st_pipeline.pipeline.schedule import NEVER
from vs_st_pipeline.pipeline.status_file import PollStats, read_poll_stats, write_status
from vs_st_pipeline.routes.contacts import ROUTE
from vs_st_pipeline_tests.support.story import TEST, Story

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
BOUNDS = timedelta(minutes=5), timedelta(hours=1)


def report(contacts: int = 0, calls: int = 5) -> dict[str, Any]:
    return {"planned": {"contacts": contacts}, "calls": {"vinoshipper": calls}}


def synced_before(folder: Path, merchant: str, ago: timedelta, **told: int) -> None:
    (folder / "merchants" / merchant).mkdir(parents=True, exist_ok=True)
    write_status(folder, merchant, NOW - ago, report(**told), good=True)


def test_without_a_fleet_rate_everybody_is_due_as_often_as_may_be(tmp_path: Path) -> None:
    synced_before(tmp_path, "long-ago", timedelta(minutes=9))
    synced_before(tmp_path, "just-so", timedelta(minutes=5))
    synced_before(tmp_path, "just-now", timedelta(minutes=4))
    found = due_merchants(ROUTE, tmp_path, ["just-now", "just-so", "long-ago", "never"], NOW, bounds=BOUNDS)
    assert found == ["never", "long-ago", "just-so"]


def test_with_one_those_who_change_more_are_looked_at_more_often_within_the_bounds() -> None:
    day = 86_400.0
    pulses = {
        "busy": PollStats(0, History(changes=400, seconds=day)),
        "calm": PollStats(0, History(changes=4, seconds=day)),
        "asleep": PollStats(0, History(changes=0, seconds=day)),
    }
    every = intervals(pulses, bounds=(BOUNDS[0], timedelta(hours=6)), requests_per_second=3 * 6 / 1200 / 0.8)
    assert 300 <= every["busy"] < 1200 < every["calm"] < every["asleep"] <= 21_600
    assert sum(6 / seconds for seconds in every.values()) == pytest.approx(3 * 6 / 1200)


def test_a_merchant_whose_looks_cost_more_is_looked_at_less() -> None:
    pulses = {"cheap": PollStats(0, quiet_calls=4), "dear": PollStats(0, quiet_calls=40)}
    every = intervals(pulses, bounds=BOUNDS, requests_per_second=0.05)
    assert every["cheap"] < every["dear"]


def test_what_a_first_sync_takes_and_changes_is_no_sign_of_what_comes(tmp_path: Path) -> None:
    synced_before(tmp_path, "new", timedelta(hours=2), contacts=800, calls=9000)
    assert read_poll_stats(tmp_path, "new").history == History()
    quiet = read_poll_stats(tmp_path, "new").quiet_calls
    synced_before(tmp_path, "new", timedelta(hours=1), contacts=6, calls=16)
    learnt = read_poll_stats(tmp_path, "new")
    assert learnt.history.changes == pytest.approx(6, rel=0.05)
    assert quiet < learnt.quiet_calls < 16


def test_a_failed_run_waits_for_its_turn_and_teaches_nothing(tmp_path: Path) -> None:
    synced_before(tmp_path, "one", timedelta(hours=2))
    before = read_poll_stats(tmp_path, "one")
    write_status(tmp_path, "one", NOW - timedelta(minutes=1), report(), good=False)
    assert read_poll_stats(tmp_path, "one").history == before.history
    assert due_merchants(ROUTE, tmp_path, ["one"], NOW, bounds=BOUNDS) == []


@pytest.mark.parametrize("text", ["", "[]", '{"pulse": 7}', '{"pulse": {"history": {}, "quiet_calls": null}}'])
def test_a_standing_that_cannot_be_read_is_that_of_a_stranger(tmp_path: Path, text: str) -> None:
    (tmp_path / "merchants" / "odd").mkdir(parents=True)
    (tmp_path / "merchants" / "odd" / "standing.json").write_text(text)
    assert read_poll_stats(tmp_path, "odd") == PollStats()


def test_a_real_sync_leaves_what_is_needed(story: Story) -> None:
    story.begin_synced()
    story.shop.add_order(700101, total="20.00", purchasedAt=datetime.now(UTC).isoformat(timespec="seconds"))
    story.synced()
    pulse = read_poll_stats(story.data, TEST)
    assert pulse.history.changes == pytest.approx(1, rel=0.01)
    assert pulse.last_run_at is not None
    assert due_merchants(ROUTE, story.data, [TEST], datetime.now(UTC), bounds=BOUNDS) == []


@pytest.mark.parametrize(
    ("stands", "due"),
    [
        (None, True),
        (NOW, True),
        (NOW + timedelta(minutes=5), False),
        (NOW + timedelta(days=400), True),  # as a clock said that was ahead; it has been set right since
        (NEVER, False),
    ],
)
def test_r16_a_route_that_says_when_it_is_due_is_believed_but_for_a_wrong_clock(
    tmp_path: Path, stands: datetime | None, due: bool
) -> None:
    route = dataclasses.replace(ROUTE, next_due_at=lambda data_dir, merchant_id: stands)
    assert due_merchants(route, tmp_path, ["one"], NOW, bounds=BOUNDS) == (["one"] if due else [])
    assert due_times(route, tmp_path, ["one"], NOW, bounds=BOUNDS) == {"one": None if due else stands}
