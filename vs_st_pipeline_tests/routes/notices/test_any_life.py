"""Whatever comes late, twice, out of order or never - hooks, reads, receipts, consents -, what is told may be told.

A life of a parcel is made by chance: each word of its journey, each receipt and each consent has a true moment and any
number of later ones at which it is heard of; syncs look at what is known by then. What is told rises in rank, is fresh
and no part of the baseline, to somebody who agreed, and by the clock on their wall at no quiet hour: also in nights in
which that clock is put forward or back (notices.md 12.2). The oracle of each of these is a line of its own here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from vs_st_pipeline.routes.notices.consent import Row
from vs_st_pipeline.routes.notices.journey import Event, Fact, events_of
from vs_st_pipeline.routes.notices.judged import Recipient, Told
from vs_st_pipeline.routes.notices.rules import judge
from vs_st_pipeline.routes.notices.settings import NotificationSettings, QuietHours
from vs_st_pipeline.routes.notices.terms import Terms
from vs_st_pipeline.routes.notices.words import State
from vs_st_pipeline_tests.routes.notices import test_rules
from vs_st_pipeline_tests.routes.notices.test_rules import (
    HOUR,
    KEYS,
    MINUTE,
    PHONE,
    REAL,
    STATUSES,
    UNIT,
    WANTED,
    account,
)

WORDS = (
    "packed", "ready_to_ship", "dispatched", "intransit", "out_for_delivery", "failed_delivery", "delivered", "rto",
    "ndr_resolution_submitted", "lost",
)  # fmt: skip
# The middle of a life, UTC, and where its customer may be: nights in which clocks change, and one in which none does.
NIGHTS = (
    (datetime(2026, 5, 20, 22), ("Asia/Kolkata",)),
    (datetime(2026, 3, 8, 7), ("America/New_York",)),
    (datetime(2026, 11, 1, 6), ("America/New_York", "America/Chicago")),
    (datetime(2026, 3, 29, 1), ("Europe/London", "Europe/Berlin")),
    (datetime(2026, 10, 25, 1), ("Europe/London",)),
    (datetime(2026, 4, 4, 15), ("Australia/Lord_Howe",)),  # put back by half an hour
)
QUIET = (
    (time(21), time(8)), (time(23, 30), time(1, 30)), (time(1, 30), time(2, 30)), (time(2), time(3)), (time(0), time(2))
)  # fmt: skip
MAX_AGES = {key: timedelta(hours=hours) for key, hours in zip(KEYS, (12, 1, 3, 6, 24), strict=True)}
"""By status: short ones, so that much of what is heard late is too old."""
MANY, PARTS = 20_000, 10
SLOW_MACHINES = [HealthCheck.too_slow]
FIRST_SYNC = -24 * 60  # minutes from the middle
CONSENTS = (("start_word", "in"), ("stop_word", "out"), ("gupshup_event", "in"), ("gupshup_event", "out"),
            ("code_1012", "out"), ("operator", "in"))  # fmt: skip
RECEIPTS = (State.ENQUEUED, State.SENT, State.DELIVERED, State.READ, State.FAILED)
SOON = st.integers(0, 40)
LATER = st.lists(SOON | st.integers(0, 30 * 60), max_size=3)  # minutes after which it is heard, each time; none: never
HEARD = st.tuples(st.sampled_from(WORDS), st.integers(0, 360), SOON, LATER, st.booleans(), st.booleans())
AGREED = st.tuples(st.sampled_from(CONSENTS), st.integers(-30 * 60, 20 * 60), LATER)
BECOMES = st.tuples(
    st.sampled_from((State.ACCEPTED, State.ACCEPTED, State.UNKNOWN, State.SENDING, State.REJECTED, State.WAITING)),
    st.lists(st.tuples(st.sampled_from(RECEIPTS), SOON | st.integers(0, 12 * 60)), max_size=4),
)


def way(said: list[tuple[str, int, int, list[int], bool, bool]], is_usual: bool) -> list[tuple[Any, ...]]:
    """Let one follow the other, in the usual order of parcels or in any."""
    words = sorted((one[0] for one in said), key=WORDS.index) if is_usual else [one[0] for one in said]
    at, found = FIRST_SYNC - 120, []
    for word, (_, gap, soon, later, by_hook, timed) in zip(words, said, strict=True):
        at += gap
        found.append((word, at, [soon, *later] if gap % 7 else later, by_hook, timed))  # some are never heard
    return found


def looks(each: int, first: int) -> list[int]:
    """When syncs are, in minutes; none for hours, or one after the other."""
    return [FIRST_SYNC + 1 + first + turn * each for turn in range(54 * 60 // each)]


LIFE = st.fixed_dictionaries(
    {
        "night": st.sampled_from(NIGHTS),
        "quiet": st.sampled_from(QUIET),
        "heard": st.builds(way, st.lists(HEARD, min_size=4, max_size=14), st.booleans()),
        "agreed": st.lists(AGREED, max_size=3),
        "flag": st.sampled_from((True, True, True, False)),
        "looks": st.builds(looks, st.sampled_from((20, 20, 60, 200)), st.integers(0, 59)),
        "becomes": st.lists(BECOMES, min_size=1, max_size=4),
        "unread": st.sets(st.integers(0, 160), max_size=9),  # syncs whose last read of the order is too old
        "by_hooks": st.booleans(),
    }
)


@dataclass
class Life:
    """A life as it was made, and what was told in it: event, when, what was known of consent then."""

    said: dict[str, Any]
    announced: list[tuple[Event, datetime, list[Row]]] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)
    receipts: list[tuple[datetime, str, State]] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    baseline: set[str] = field(default_factory=set)
    first_seen: dict[str, datetime] = field(default_factory=dict)
    events: dict[int, Sequence[Event]] = field(default_factory=dict)  # by how many facts are known

    def __post_init__(self) -> None:
        self.middle, self.zones = self.said["night"]
        self.started = self.at(FIRST_SYNC)
        start, end = self.said["quiet"]
        hours = QuietHours(start=start, end=end)
        opt_in = ("eshopbox_flag", "gupshup_event")
        told = {key: NotificationSettings(enabled=True, template=WANTED, max_age=age) for key, age in MAX_AGES.items()}
        self.settings = test_rules.settings(quiet_hours=hours, opt_in=opt_in, notifications=told)
        heard = [
            (self.at(true + later), word, self.at(true), by_hook, timed)
            for word, true, laters, by_hook, timed in self.said["heard"]
            for later in laters
        ]
        self.facts = [
            (at, Fact(number, UNIT, f"eshopbox.shipment.{word}", at, true if timed and not by_hook else None,
                      by_hook=by_hook, bound=None if by_hook else max(true - HOUR, self.started)))
            for number, (at, word, true, by_hook, timed) in enumerate(sorted(heard, key=lambda one: one[0]))
        ]  # fmt: skip
        self.consents = [
            (self.at(true + later), Row(source, state, self.at(true)))
            for (source, state), true, laters in self.said["agreed"]
            for later in laters
        ]

    def at(self, minutes: int) -> datetime:
        return self.middle + minutes * MINUTE

    def live(self) -> Life:
        """Look at it in each sync: the first announces nothing."""
        for number, minutes in enumerate([FIRST_SYNC, *sorted(self.said["looks"])]):
            self.look(number, self.at(minutes))
        return self

    def look(self, number: int, now: datetime) -> None:
        events = self.events_at(now)
        for at, key, state in self.receipts:
            if at <= now:
                self.receive(key, state)
        self.receipts = [one for one in self.receipts if one[0] > now]
        for event in sorted(events, key=lambda one: (one.occurred_at or now, one.rank)):
            key = f"n_{event.status}_{event.occurrence}"
            self.first_seen.setdefault(key, now)
            if number == 0:
                self.baseline.add(key)
            waits = self.told[key].state == State.WAITING if key in self.told else key not in self.dropped
            if not waits or not event.confirmed:
                continue
            self.judge(number, key, event, events, now)

    def events_at(self, now: datetime) -> Sequence[Event]:
        """Return what is known by then; most syncs have no news, and are spared the work."""
        known = [fact for at, fact in self.facts if at <= now]
        if len(known) not in self.events:
            counting = frozenset({"shipment"}) if self.said["by_hooks"] else frozenset[str]()
            self.events[len(known)] = events_of(known, STATUSES, hooks_count=counting)
        return self.events[len(known)]

    def judge(self, number: int, key: str, event: Event, events: Sequence[Event], now: datetime) -> None:
        rows = [row for at, row in self.consents if at <= now]
        read_at = now - (2 * HOUR if number in self.said["unread"] else MINUTE)
        verdict = judge(
            test_rules.facts(
                event, notice_id=key, now=now, unit=events, siblings=events, told=list(self.told.values()),
                own=self.told.get(key), first_seen_at=self.first_seen[key], in_baseline=key in self.baseline,
                terms=Terms(self.started, True, dict.fromkeys(KEYS, self.started)), settings=self.settings,
                recipient=Recipient(PHONE, None, "Asha Rao", self.zones), consents=rows,
                order=test_rules.order(
                    read_at=read_at, read_real=None, whatsapp_flag=self.said["flag"], placed_at=self.at(-40 * 60)
                ),
                account=account(list_read=(REAL, now)),
            )
        )  # fmt: skip
        if verdict is None:
            self.send(key, event, now, rows)
        elif verdict.drops:
            self.dropped.add(key)

    def send(self, key: str, event: Event, now: datetime, rows: list[Row]) -> None:
        becomes, receipts = self.said["becomes"][len(self.announced) % len(self.said["becomes"])]
        taken = becomes not in (State.REJECTED, State.WAITING)
        accepted = now if becomes == State.ACCEPTED else None
        self.told[key] = Told(key, UNIT, event.status, event.occurrence, becomes, now if taken else None, accepted)
        self.announced.append((event, now, rows))
        if becomes == State.WAITING:  # it certainly did not leave
            self.announced.pop()
        if taken:
            self.receipts += [(now + later * MINUTE, key, state) for state, later in receipts]

    def receive(self, key: str, state: State) -> None:
        """Let a receipt come, in whatever order: the state only rises, and `failed` is none after `delivered`."""
        was = self.told[key]
        rising = (State.SENDING, State.UNKNOWN, State.ACCEPTED, *RECEIPTS[:4])
        is_over = was.state == State.FAILED and state not in (State.DELIVERED, State.READ)
        if is_over or (state == State.FAILED and was.state in (State.DELIVERED, State.READ)):
            return
        falls = state != State.FAILED and was.state in rising and rising.index(was.state) > rising.index(state)
        if not falls:
            self.told[key] = Told(key, UNIT, was.status, was.occurrence, state, was.since, was.accepted_at or was.since)

    # What must hold of it.

    def wrong(self) -> list[str]:
        """Return what may never be."""
        found = []
        ranks = [event.rank for event, _, _ in self.announced]
        statuses = [event.status for event, _, _ in self.announced]
        if ranks != sorted(ranks):
            found.append(f"out of order: {statuses}")
        if any(statuses.count(one) > (3 if one == "failed_delivery" else 1) for one in statuses):
            found.append(f"repeated: {statuses}")
        if len({(event.status, event.occurrence) for event, _, _ in self.announced}) < len(statuses):
            found.append(f"twice: {statuses}")
        for event, now, rows in self.announced:
            found += [f"{event.status} {event.occurrence} at {now}: {why}" for why in self.wrong_of(event, now, rows)]
        return found

    def wrong_of(self, event: Event, now: datetime, rows: list[Row]) -> list[str]:
        occurred = event.occurred_at
        limits = self.settings.max_age(event.status)
        outs = [row.at for row in rows if row.state == "out"]
        back = [row.at for row in rows if row.state == "in"]
        agreed = self.said["flag"] or any(row.source in ("gupshup_event", "operator") for row in rows
                                          if row.state == "in")  # fmt: skip
        checks = {
            "of the baseline": f"n_{event.status}_{event.occurrence}" in self.baseline,
            "of before the start": occurred is None or occurred < self.started,
            "too old": occurred is None or now - occurred > limits,
            "of the future": occurred is None or occurred - now > 5 * MINUTE,
            "no consent": not agreed,
            "opted out": bool(outs) and not any(at > max(outs) for at in back),
            "quiet": any(self.is_quiet(now, zone) for zone in self.zones),
        }
        return [why for why, is_so in checks.items() if is_so]

    def is_quiet(self, now: datetime, zone: str) -> bool:
        """Say what the clock on the wall shows."""
        wall = now.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).time()
        start, end = self.said["quiet"]
        return bool(start <= wall < end if start < end else wall >= start or wall < end)


def test_a_plain_life_is_told_so_that_nothing_below_holds_for_want_of_messages() -> None:
    """A parcel goes its way in the daylight of India, and each of its statuses is told."""
    way = [("packed", 300), ("dispatched", 400), ("failed_delivery", 500), ("delivered", 1000)]
    said = {
        "night": (datetime(2026, 5, 20, 0), ("Asia/Kolkata",)), "quiet": (time(21), time(8)),
        "heard": [(word, at, [1, 3], False, True) for word, at in way], "agreed": [], "flag": True,
        "looks": [*range(302, 930, 3), *range(1600, 1700, 3)],
        "becomes": [(State.ACCEPTED, [(State.DELIVERED, 1)])], "unread": set(), "by_hooks": False,
    }  # fmt: skip
    life = Life(said).live()
    assert [event.status for event, _, _ in life.announced] == ["packed", "on_the_way", "failed_delivery", "delivered"]
    assert life.wrong() == []


def may_be_told(said: dict[str, Any]) -> None:
    assert Life(said).live().wrong() == []


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_MACHINES)
@given(LIFE)
def test_whatever_is_told_in_a_life_may_be_told(said: dict[str, Any]) -> None:
    may_be_told(said)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_told_in_very_many_lives_may_be_told(part: int) -> None:
    """Twenty thousand lives, in parts that each end in time on a slow machine and have lives of their own."""
    usual = settings(max_examples=MANY // PARTS, deadline=None, database=None, suppress_health_check=SLOW_MACHINES)
    seed(part)(usual(given(LIFE)(may_be_told)))()
