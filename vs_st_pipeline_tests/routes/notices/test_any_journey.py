"""Under any order, delay, repetition and loss of reads and hooks, what is told is fresh and rises (notices.md 12.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vs_st_pipeline.routes.notices.journey import Event, Fact, events_of
from vs_st_pipeline.routes.notices.judged import Told
from vs_st_pipeline.routes.notices.rules import judge
from vs_st_pipeline.routes.notices.words import State
from vs_st_pipeline_tests.routes.notices.test_rules import (
    HOUR,
    MINUTE,
    NOW,
    REAL,
    SETTINGS,
    STATUSES,
    UNIT,
    account,
    facts,
    of_order,
    order,
)

WORDS = (
    "packed", "ready_to_ship", "dispatched", "intransit", "out_for_delivery", "failed_delivery", "delivered", "rto",
    "ndr_resolution_submitted", "lost",
)  # fmt: skip
STATES = (State.SENDING, State.ACCEPTED, State.DELIVERED, State.UNKNOWN, State.FAILED, State.REJECTED, "refused")
EVERY = st.tuples(
    st.sampled_from(WORDS),
    st.integers(-36 * 60, 10),  # minutes from NOW at which it came to be so
    st.integers(0, 30 * 60),  # and after which it was heard
    st.booleans(),  # by a hook
    st.booleans(),  # with its own time
    st.sampled_from(STATES),  # what becomes of its message
)


def heard(number: int, word: str, at: int, later: int, by_hook: bool, timed: bool) -> Fact:
    happened = NOW + at * MINUTE
    seen = happened + later * MINUTE
    own = happened if timed and not by_hook else None
    return Fact(number, UNIT, f"eshopbox.shipment.{word}", seen, own, by_hook=by_hook, bound=happened - HOUR)


class Book:
    """What was announced of one unit, in order."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.announced: list[tuple[Event, datetime]] = []
        self.dropped: set[tuple[str, int]] = set()

    def look(self, known: list[Fact], now: datetime, hooks_count: frozenset[str], becomes: str) -> None:
        """Judge all that is known by now, and send what is due, as a sync does."""
        events = events_of(known, STATUSES, hooks_count=hooks_count)
        for one in sorted(events, key=lambda one: (one.occurred_at or now, one.rank)):
            if not one.confirmed or self._is_done(one):
                continue
            verdict = judge(self._facts(one, events, now))
            if verdict is not None:
                if verdict.drops:
                    self.dropped.add((one.status, one.occurrence))
                continue
            self._send(one, now, becomes)

    def _is_done(self, one: Event) -> bool:
        out = {(told.status, told.occurrence) for told in self.told if told.state != State.WAITING}
        return (one.status, one.occurrence) in self.dropped | out

    def _facts(self, one: Event, events: list[Event], now: datetime) -> Any:
        return facts(
            one, notice_id=f"n_{one.status}_{one.occurrence}", now=now, unit=events, siblings=events, told=self.told,
            first_seen_at=now - HOUR, order=order(read_at=now), account=account(list_read=(REAL, now)),
        )  # fmt: skip

    def _send(self, one: Event, now: datetime, becomes: str) -> None:
        out = becomes not in (State.REJECTED, "refused")
        self.told = [told for told in self.told if told.notice_id != f"n_{one.status}_{one.occurrence}"]
        self.told.append(
            Told(
                f"n_{one.status}_{one.occurrence}", UNIT, one.status, one.occurrence,
                State.WAITING if becomes == "refused" else becomes, now,
                now if out and becomes not in (State.SENDING, State.UNKNOWN) else None,
            )
        )  # fmt: skip
        if out:
            self.announced.append((one, now))


@settings(max_examples=150, deadline=None)
@given(st.lists(EVERY, min_size=1, max_size=12), st.sampled_from([frozenset[str](), frozenset({"shipment"})]))
def test_what_is_announced_rises_and_is_fresh(
    said: list[tuple[str, int, int, bool, bool, str]], hooks_count: frozenset[str]
) -> None:
    arrived = sorted(((NOW + (one[1] + one[2]) * MINUTE, one) for one in said), key=lambda one: one[0])
    book, known = Book(), []
    for number, (now, one) in enumerate(arrived):
        known.append(heard(number, *one[:5]))
        for wait in (timedelta(minutes=2), timedelta(minutes=20)):
            book.look(known, now + wait, hooks_count, one[5])
    ranks = [event.rank for event, _ in book.announced]
    assert ranks == sorted(ranks)
    assert len({(event.status, event.occurrence) for event, _ in book.announced}) == len(ranks)
    statuses = [event.status for event, _ in book.announced]
    assert all(statuses.count(status) == 1 for status in statuses if status != "failed_delivery")
    assert statuses.count("failed_delivery") <= 3
    for event, now in book.announced:
        assert event.occurred_at is not None
        assert timedelta(0) <= now - event.occurred_at + 10 * MINUTE
        assert now - event.occurred_at <= SETTINGS.max_age(event.status)
        assert not 15.5 <= now.hour + now.minute / 60 < 24  # 21:00 to 08:00 in India
        assert not 0 <= now.hour + now.minute / 60 < 2.5


def test_created_is_told_before_all_else_or_not_at_all() -> None:
    told = Told("n_packed", UNIT, "packed", 1, State.DELIVERED, NOW - HOUR, NOW - HOUR)
    assert judge(of_order()) is None
    assert judge(of_order(told=[told])) is not None
