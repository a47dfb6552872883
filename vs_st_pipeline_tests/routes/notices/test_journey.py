"""What reads and hooks make of a unit: its events, their times, and which one stands (notices.md 3.5-3.8, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.routes.notices import status_map
from vs_st_pipeline.routes.notices.journey import AnnouncedOf, Event, Fact, events_of, newest
from vs_st_pipeline.routes.notices.occurrences import Announced
from vs_st_pipeline.routes.notices.words import Basis

MAP = status_map.read(OwnFile())
NOON = datetime(2026, 11, 29, 12)
UNIT = "shipment:eshopbox:S1"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def fact(seq: int, word: str, own: float | None = None, *, seen: float = 100, **more: object) -> Fact:
    """A fact; times in hours from noon."""
    values = {"in_timeline": own is not None, **more}
    if "bound" in values and values["bound"] is not None:
        values["bound"] = NOON + HOUR * float(str(values["bound"]))
    name = word if "." in word else f"eshopbox.shipment.{word}"
    return Fact(seq, UNIT, name, NOON + HOUR * seen, None if own is None else NOON + HOUR * own, **values)  # type: ignore[arg-type]


def told(facts: Sequence[Fact], **more: object) -> dict[str, Event]:
    found = events_of(facts, MAP, **more)  # type: ignore[arg-type]
    return {f"{one.status} {one.occurrence}".removesuffix(" 1"): one for one in found}


# --- times ----------------------------------------------------------------------------------------------------------


def test_first_and_newest_of_the_names_of_a_status() -> None:
    event = told([fact(1, "dispatched", 1), fact(2, "picked_up", 2), fact(3, "out_for_delivery", 5)])["on_the_way"]
    assert (event.occurred_at, event.last_at, event.basis) == (NOON + HOUR, NOON + 5 * HOUR, Basis.READ)
    assert (event.word, event.attempt_at) == ("out_for_delivery", NOON + 5 * HOUR)


@pytest.mark.parametrize(
    ("facts", "occurred_at", "basis"),
    [
        ([fact(1, "packed", 3)], 3, Basis.READ),
        ([fact(1, "packed", bound=2)], 2, Basis.BETWEEN),
        ([fact(1, "packed", bound=2), fact(2, "packed", 3)], 3, Basis.READ),  # the source's own time is the best
        ([fact(1, "packed", bound=2), fact(2, "ready_to_ship", 3)], 2, Basis.BETWEEN),  # the first of the names
        ([fact(1, "packed")], None, None),
        ([fact(1, "packed"), fact(2, "ready_to_ship", 3)], None, None),  # it may be older than all that is known
        ([fact(1, "packed", seen=1, by_hook=True)], None, None),
    ],
)
def test_a_status_occurred_when_its_first_name_did(
    facts: list[Fact], occurred_at: float | None, basis: Basis | None
) -> None:
    event = told(facts)["packed"]
    assert event.occurred_at == (None if occurred_at is None else NOON + HOUR * occurred_at)
    assert event.basis == basis


def test_where_hooks_count_their_receipt_is_the_time() -> None:
    facts = [fact(1, "packed", seen=1, by_hook=True), fact(2, "packed", seen=2, by_hook=True)]
    event = told(facts, hooks_count=frozenset({"shipment"}))["packed"]
    assert (event.occurred_at, event.basis, event.confirmed) == (NOON + HOUR, Basis.HOOK, True)
    assert not told(facts, hooks_count=frozenset({"return"}))["packed"].confirmed


@pytest.mark.parametrize(("ahead", "known"), [(5 * MINUTE, True), (5 * MINUTE + timedelta(seconds=1), False)])
def test_a_time_more_than_five_minutes_ahead_is_none(ahead: timedelta, known: bool) -> None:
    one = replace(fact(1, "packed", seen=0, bound=-9), own_at=NOON + ahead)
    event = told([one])["packed"]
    assert event.occurred_at == (NOON + ahead if known else None)
    assert event.noted == (None if known else "clock_ahead")


def test_a_word_that_no_status_names_is_silent() -> None:
    assert told([fact(1, "shipment_held", 1), fact(2, "packed", 0.5)]).keys() == {"packed"}


# --- which one stands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ([("packed", 1), ("dispatched", 2)], "on_the_way"),
        ([("dispatched", 1), ("packed", 2)], "packed"),  # the later one, where both times are the source's own
        ([("dispatched", 1), ("packed", 1.4)], "on_the_way"),  # less than half an hour apart: the greater rank
        ([("dispatched", 1), ("packed", 1.5)], "packed"),
        ([("delivered", 1), ("dispatched", 9)], "delivered"),  # what ends beats the others
        ([("delivered", 1), ("rto", 2)], "forward_ended"),
        ([("rto", 1), ("delivered", 2)], "delivered"),
        ([("failed_delivery", 1), ("intransit", 9)], "failed_delivery"),  # a hub's scan says nothing
        ([("failed_delivery", 1), ("packed", 9)], "failed_delivery"),
        ([("failed_delivery", 1), ("out_for_delivery", 9)], "on_the_way"),
        ([("failed_delivery", 1), ("out_for_delivery", 1.4)], "failed_delivery"),
        ([("failed_delivery", 1), ("out_for_delivery", 0.5), ("intransit", 9)], "failed_delivery"),
        ([("failed_delivery", 1), ("out_for_delivery", 9), ("failed_delivery", 12)], "failed_delivery"),
        ([("failed_delivery", 1), ("rto_created", 9)], "forward_ended"),
        ([("failed_delivery", 1), ("delivered", 9)], "delivered"),
        ([("dispatched", None), ("packed", 9)], "on_the_way"),  # a time is missing: the greater rank
        ([("failed_delivery", None), ("out_for_delivery", 9)], "failed_delivery"),
        ([("dispatched", 1), ("shipment_delayed", 9)], "on_the_way"),
    ],
)
def test_newest_status(facts: list[tuple[str, float | None]], wanted: str) -> None:
    events = events_of([fact(place, word, own) for place, (word, own) in enumerate(facts)], MAP)
    for order in permutations(events):
        found = newest(order)
        assert found is not None
        assert found.status == wanted


def test_newest_of_several_failures_is_the_last() -> None:
    events = events_of([fact(1, "failed_delivery", 0), fact(2, "failed_delivery", 24)], MAP)
    assert [newest(order) for order in permutations(events)] == [events[1], events[1]]
    assert newest([]) is None


# --- hooks that no read confirms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "hook", "waits"),
    [
        ([], "packed", True),
        ([("packed", 1)], "packed", False),
        ([("packed", 1)], "dispatched", True),
        ([("dispatched", 1)], "packed", False),  # a newer one is shown
        ([("dispatched", 1)], "failed_delivery", True),
        ([("failed_delivery", 1)], "failed_delivery", False),
        ([("failed_delivery", 1), ("out_for_delivery", 9)], "failed_delivery", True),  # the next attempt's
        ([("failed_delivery", 1)], "intransit", False),
        ([("delivered", 1)], "failed_delivery", False),
        ([("failed_delivery", 1)], "delivered", True),
    ],
)
def test_a_hook_waits_until_a_read_shows_its_status_or_a_newer_one(
    read: list[tuple[str, float]], hook: str, waits: bool
) -> None:
    facts = [fact(place, word, own) for place, (word, own) in enumerate(read)]
    facts.append(fact(99, hook, seen=20, by_hook=True))
    found = [one for one in events_of(facts, MAP) if not one.confirmed]
    assert [one.hook_at for one in found] == ([NOON + 20 * HOUR] if waits else [])
    if waits:
        latest = newest(events_of(facts, MAP), unconfirmed=True)
        assert latest is not None
        assert (latest.confirmed, latest.occurred_at) == (False, None)


# --- occurrences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "count"),
    [([0], 1), ([0, 3.99], 1), ([0, 4], 2), ([0, 3, 6], 1), ([0, 3, 7], 2), ([10, 2], 1), ([10, 7], 1)],
)
def test_entries_less_than_four_hours_apart_are_one_occurrence(times: list[float], count: int) -> None:
    facts = [fact(place, "failed_delivery", at) for place, at in enumerate(times)]
    assert len(events_of(facts, MAP)) == count


def test_without_a_history_another_status_must_stand_between() -> None:
    first = fact(1, "failed_delivery", bound=0, seen=1)
    again = fact(9, "failed_delivery", bound=8, seen=9)
    assert told([first, again]).keys() == {"failed_delivery"}
    between = fact(5, "out_for_delivery", bound=4, seen=5)
    events = told([first, between, again])
    assert events["failed_delivery 2"].occurred_at == NOON + 8 * HOUR
    assert told([first, replace(between, seq=2), replace(again, seq=3, seen_at=NOON + 4.9 * HOUR)]).keys() == {
        "failed_delivery",
        "on_the_way",
    }


def announced(**numbers: float | tuple[float, float]) -> AnnouncedOf:
    """What messages have told of: when, in hours from noon, by number (`n1=10`)."""
    stretches = {int(name[1:]): at if isinstance(at, tuple) else (at, at) for name, at in numbers.items()}
    found = [Announced(number, NOON + HOUR * first, NOON + HOUR * last) for number, (first, last) in stretches.items()]
    return {(UNIT, "failed_delivery"): found}


BETWEEN = fact(5, "out_for_delivery", bound=40, seen=41)


@pytest.mark.parametrize(
    ("facts", "told_of", "numbers"),
    [
        # The history is longer than the one that the message was sent by: what came before it says nothing.
        ([fact(1, "failed_delivery", 1), fact(2, "failed_delivery", 10)], announced(n1=10), {1: 10}),
        ([fact(1, "failed_delivery", 1), fact(2, "failed_delivery", 10)], announced(n2=10), {1: 1, 2: 10}),
        # It is shorter: a new one gets a new number.
        ([fact(1, "failed_delivery", 10), fact(2, "failed_delivery", 30)], announced(n1=1, n2=10), {2: 10, 3: 30}),
        ([fact(1, "failed_delivery", 1), fact(2, "failed_delivery", 30)], announced(n1=1, n2=10), {1: 1, 3: 30}),
        ([fact(1, "failed_delivery", 30)], announced(n1=1), {2: 30}),
        ([fact(1, "failed_delivery", 12)], announced(n1=10), {1: 12}),  # less than four hours apart
        # Of no time of its own: one that may be the one that was announced is that one.
        ([fact(1, "failed_delivery", seen=31)], announced(n1=1, n2=10), {2: None}),
        ([fact(1, "failed_delivery", bound=9, seen=31)], announced(n1=1, n2=10), {2: 9}),
        ([fact(1, "failed_delivery", bound=11, seen=31)], announced(n1=1, n2=10), {3: 11}),
        ([fact(1, "failed_delivery", 10)], announced(n1=(8, 11)), {1: 10}),
        (
            [fact(1, "failed_delivery", bound=9, seen=31), BETWEEN, fact(9, "failed_delivery", bound=50, seen=51)],
            announced(n1=1, n2=10),
            {2: 9, 3: 50},
        ),
    ],
)
def test_what_was_announced_keeps_its_number_in_a_database_that_saw_other_reads(
    facts: list[Fact], told_of: AnnouncedOf, numbers: dict[int, float | None]
) -> None:
    found = [one for one in events_of(facts, MAP, announced=told_of) if one.status == "failed_delivery"]
    assert {one.occurrence: one.occurred_at for one in found} == {
        number: None if at is None else NOON + HOUR * at for number, at in numbers.items()
    }


@pytest.mark.parametrize(
    ("answer", "answered"), [(0.5, (True, False)), (-1, (False, False)), (9, (True, False)), (11, (False, True))]
)
def test_an_answer_belongs_to_the_failure_before_it(answer: float, answered: tuple[bool, bool]) -> None:
    facts = [
        fact(1, "failed_delivery", 0),
        fact(2, "failed_delivery", 10),
        fact(3, "ndr_resolution_submitted", answer),
    ]
    events = told(facts)
    found = tuple(events[key].answered_at is not None for key in ("failed_delivery", "failed_delivery 2"))
    assert found == answered


# --- any order, repetition and loss ---------------------------------------------------------------------------------

WORDS = ["packed", "dispatched", "out_for_delivery", "failed_delivery", "intransit", "delivered", "rto", "held"]
HISTORIES = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(WORDS)), min_size=1, max_size=9, unique_by=lambda one: one[0]
).map(sorted)


def reads_of(history: list[tuple[int, str]], shown: list[int]) -> list[Fact]:
    """The facts of reads, each of which shows a history up to a place; a fact is stored once, as landing does."""
    facts: list[Fact] = []
    known: set[tuple[str, int]] = set()
    for length in shown:
        for at, word in history[:length]:
            if (word, at) not in known:
                known.add((word, at))
                facts.append(fact(len(facts), word, at))
    return facts


def essence(events: Sequence[Event]) -> set[tuple[object, ...]]:
    return {
        (one.status, one.occurrence, one.occurred_at, one.last_at, one.basis, one.attempt_at, one.answered_at)
        for one in events
    }


@settings(max_examples=150, deadline=None)
@given(history=HISTORIES, data=st.data())
def test_reads_in_any_order_however_many_are_lost_give_the_same_events(
    history: list[tuple[int, str]], data: st.DataObject
) -> None:
    whole = events_of(reads_of(history, [len(history)]), MAP)
    some = data.draw(st.lists(st.integers(0, len(history)), max_size=6))
    places = [*some, len(history)]
    in_order = events_of(reads_of(history, sorted(places)), MAP)
    assert essence(in_order) == essence(whole)
    assert newest(in_order) is None or essence([newest(in_order)]) == essence([newest(whole)])  # type: ignore[list-item]
    # A replica that lags behind shows less, after more was seen: that takes nothing back.
    lagging = events_of(reads_of(history, [len(history), *places]), MAP)
    assert essence(lagging) == essence(whole)


@settings(max_examples=150, deadline=None)
@given(history=HISTORIES, hooks=st.lists(st.sampled_from(WORDS), max_size=5), data=st.data())
def test_what_was_given_a_number_keeps_it(
    history: list[tuple[int, str]], hooks: list[str], data: st.DataObject
) -> None:
    facts = reads_of(history, sorted(data.draw(st.lists(st.integers(0, len(history)), max_size=5))))
    facts += [fact(0, word, seen=at * 7, by_hook=True) for at, word in enumerate(hooks)]
    facts = [replace(one, seq=place) for place, one in enumerate(data.draw(st.permutations(facts)))]
    given_before: dict[tuple[str, int], datetime | None] = {}
    for length in range(len(facts) + 1):
        events = events_of(facts[:length], MAP, hooks_count=frozenset({"shipment"}))
        numbers = {(one.status, one.occurrence) for one in events}
        assert given_before.keys() <= numbers
        for status in {one.status for one in events}:
            own = sorted(one.occurrence for one in events if one.status == status)
            assert own == list(range(1, len(own) + 1))
        given_before = {(one.status, one.occurrence): one.occurred_at for one in events}
        told_of = {
            (UNIT, status): [
                Announced(one.occurrence, one.occurred_at, one.last_at)
                for one in events
                if one.status == status and one.occurred_at is not None and one.last_at is not None
            ]
            for status in ("failed_delivery",)
        }
        again = events_of(facts[:length], MAP, hooks_count=frozenset({"shipment"}), announced=told_of)
        assert again == events, "that it was announced changes nothing where it was"


@settings(max_examples=100, deadline=None)
@given(history=HISTORIES, hooks=st.lists(st.sampled_from(WORDS), max_size=5), data=st.data())
def test_hooks_change_nothing_that_reads_show(
    history: list[tuple[int, str]], hooks: list[str], data: st.DataObject
) -> None:
    reads = reads_of(history, [len(history)])
    came = [fact(0, word, seen=at, by_hook=True) for at, word in enumerate(hooks)]
    mixed = [replace(one, seq=place) for place, one in enumerate(data.draw(st.permutations([*reads, *came])))]
    confirmed = [one for one in events_of(mixed, MAP) if one.confirmed]
    ordered = [one for one in mixed if not one.by_hook]
    assert essence(confirmed) == essence(events_of(ordered, MAP))
