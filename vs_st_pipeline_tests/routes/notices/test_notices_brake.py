"""The brake: what a broken source would send waits until a person lets it pass (notices.md 9.3, routes.md R38)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from vs_st_pipeline.routes.notices import brake
from vs_st_pipeline.routes.notices.brake import (
    FLOOD,
    ONE_PHONE,
    RANKS,
    Passing,
    Usual,
    held_by_numbers,
    is_flood,
    is_turned_back,
    moved_lower,
)
from vs_st_pipeline.routes.notices.journey import Event
from vs_st_pipeline.routes.notices.words import Basis, Wait
from vs_st_pipeline_tests.routes.notices.plan_rows import DAY, HOUR, MINUTE, NOW, World, world

__all__ = ["world"]

AT = datetime(2026, 5, 20, 12)
SECOND = timedelta(seconds=1)


def some(count: int, at: datetime = AT, prefix: str = "n", phone: str | None = None) -> list[Passing]:
    return [Passing(f"{prefix}{i}", phone or f"+9198{prefix}{i:05}", at) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "usual", "tripped"),
    [
        (500, Usual(), False),
        (501, Usual(), True),
        (101, Usual(99, 20), False),  # too few went out to say what is usual
        (101, Usual(100, 20), True),
        (101, Usual(100, 21), False),
        (100, Usual(100, 1), False),
        (105, Usual(100, 21), False),
        (106, Usual(100, 21), True),
    ],
)
def test_how_many_are_a_flood(count: int, usual: Usual, tripped: bool) -> None:
    assert is_flood(count, 500, usual) == tripped


def test_an_hour_holds_both_of_its_ends() -> None:
    both = [*some(3), *some(3, AT + HOUR, "m")]
    assert len(held_by_numbers(both, [], 5, Usual())) == 6
    assert held_by_numbers([*some(3), *some(3, AT + HOUR + SECOND, "m")], [], 5, Usual()) == {}


def test_only_those_within_the_hour_wait() -> None:
    calm = some(2, AT - 3 * HOUR, "calm")
    assert set(held_by_numbers([*calm, *some(6)], [], 5, Usual())) == {f"n{i}" for i in range(6)}


def test_what_went_out_within_the_hour_counts_and_is_not_held() -> None:
    found = held_by_numbers(some(3), some(3, AT - MINUTE, "sent"), 5, Usual())
    assert found == {f"n{i}": FLOOD for i in range(3)}
    assert held_by_numbers(some(3), some(2, AT - MINUTE, "sent"), 5, Usual()) == {}


@pytest.mark.parametrize(("count", "held"), [(10, 0), (11, 11)])
def test_ten_for_one_phone_and_no_more(count: int, held: int) -> None:
    found = held_by_numbers(some(count, phone="+911"), [], 500, Usual())
    assert len(found) == held
    assert set(found.values()) <= {ONE_PHONE}


def event(rank: int, attempt: datetime | None = None) -> Event:
    return Event("u", "s", 1, rank, False, False, "w", AT, AT, Basis.READ, confirmed=True, attempt_at=attempt)


def test_units_that_stand_lower_are_counted() -> None:
    before = {"a": 40, "b": 40, "c": 20, "gone": 50}
    now = {"a": event(30), "b": event(30, AT), "c": event(20), "new": event(10)}
    assert moved_lower(before, now) == (1, 3)  # b: a courier is out again


@pytest.mark.parametrize(
    ("lower", "known", "tripped"), [(6, 20, True), (5, 20, False), (6, 19, False), (30, 100, True), (29, 100, False)]
)
def test_how_many_are_too_many(lower: int, known: int, tripped: bool) -> None:
    assert is_turned_back(lower, known) == tripped


# --- over a merchant's file -----------------------------------------------------------------------------------------


def flood(world: World, count: int, start: int = 1) -> None:
    world.parcels(count, start)


def reasons(world: World) -> list[str]:
    return sorted(set(world.verdicts().values()))


def test_a_flood_waits_until_a_person_lets_it_pass(world: World) -> None:
    world.more = {"flood_limit": 5}
    flood(world, 6)
    session = world.plan()
    assert reasons(world) == [Wait.UNSAFE]
    assert session.refused is not None
    assert session.trouble is session.refused
    assert session.refused.kind == "unsafe"
    assert session.told.messages == 0

    world.runs = {"allow_unsafe": True}
    session = world.plan()
    assert (session.refused, session.told.messages) == (None, 6)
    world.runs = {}  # what was let pass and has not gone yet still may
    session = world.plan()
    assert (session.refused, session.told.messages) == (None, 6)


def test_what_is_not_too_many_goes(world: World) -> None:
    world.more = {"flood_limit": 5}
    flood(world, 5)
    assert world.plan().told.messages == 5


def test_what_was_held_stays_held(world: World) -> None:
    world.more = {"flood_limit": 5}
    flood(world, 6)
    world.plan()
    world.cursor.execute("delete from staged.journey_events where merchant_order = 'eshopbox:6'")
    session = world.plan()
    assert session.refused is not None
    assert session.told.waits == {Wait.UNSAFE: 5}


def test_a_first_allow_lets_nothing_pass_that_no_sync_has_told(world: World) -> None:
    world.more = {"flood_limit": 5}
    world.runs = {"allow_unsafe": True}
    flood(world, 6)
    assert world.plan().refused is not None


def test_more_than_a_tenth_more_is_asked_again(world: World) -> None:
    world.more = {"flood_limit": 5}
    flood(world, 20)
    world.plan()
    flood(world, 3, 30)
    world.runs = {"allow_unsafe": True}
    assert world.plan().refused is not None


def test_what_would_wait_anyway_does_not_count(world: World) -> None:
    world.more = {"flood_limit": 5}
    flood(world, 5)
    world.parcel(6, whatsapp_flag=None, phone="+919810000777")
    assert world.plan().refused is None


def test_quiet_hours_do_not_hide_a_flood(world: World) -> None:
    world.at = NOW + 8 * HOUR
    world.more = {"flood_limit": 5}
    flood(world, 6)
    assert world.plan().refused is not None
    assert reasons(world) == [Wait.QUIET_HOURS]  # the first rule that applies


def test_those_that_went_out_are_what_is_usual(world: World) -> None:
    flood(world, 120)
    world.plan()
    world.cursor.execute(
        "update synced.notices set state = 'delivered', claimed_at = ? - to_hours(cast(24 + rowid % 12 as integer))",
        [world.at],
    )
    world.at += DAY
    flood(world, 101, 1000)
    assert world.plan().refused is not None  # ten an hour were usual


def test_a_read_that_turns_shipments_back_lets_all_wait(world: World) -> None:
    flood(world, 20)
    world.cursor.execute(
        """insert into staged.journey_events select * replace ('on_the_way' as status, 30 as rank,
               last_at + interval 58 minute as last_at, occurred_at + interval 58 minute as occurred_at)
           from staged.journey_events"""
    )
    world.plan()
    assert reasons(world) == ["due", "superseded"]
    for i in range(1, 7):  # six of twenty: a hub's clock is wrong
        world.cursor.execute("delete from staged.journey_events where status = 'on_the_way' and merchant_order = ?",
                             [f"eshopbox:{i}"])  # fmt: skip
    world.cursor.execute("update staged.notice_orders set read_real = read_real + 1")
    session = world.plan()
    assert reasons(world) == [Wait.UNSAFE]
    assert session.refused is not None
    assert "back" in session.refused.message
    session = world.plan()
    assert session.refused is not None  # the ranks of before are kept
    world.runs = {"allow_unsafe": True}
    assert world.plan().refused is None
    world.runs = {}
    assert world.plan().refused is None


def test_a_targeted_run_ends_no_verdict(world: World) -> None:
    world.more = {"flood_limit": 5}
    flood(world, 6)
    world.plan()
    world.only = frozenset({"eshopbox:99"})
    world.parcel(99, phone="+919810000999")
    session = world.plan()
    assert session.refused is not None
    assert world.verdicts() == {"KK99 packed": Wait.UNSAFE}  # one more of the same hour
    world.only = None
    world.runs = {"allow_unsafe": True}
    assert world.plan().refused is None


def test_the_rules_have_names() -> None:
    assert (FLOOD, ONE_PHONE, RANKS, brake.PART) == ("flood", "one_phone", "ranks", "messages")
