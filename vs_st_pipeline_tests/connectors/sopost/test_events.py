"""Events are stored once, with the orders that they name (consumers.md 3.4, 3.6, 3.10; rulings, consumers 1, 2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from vs_st_pipeline.connectors.sopost import events
from vs_st_pipeline.connectors.sopost.due import next_due_at
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline_tests.connectors.sopost.world import NOON, ROUTE, World
from vs_st_pipeline_tests.sandbox.served import GLOW

STORED = "select order_id, event_id, event, activity_id, received_at from raw.sopost_events order by seq"


def test_c3_4_taking_the_same_hints_again_does_no_harm(world: World) -> None:
    world.event("O-1", "PENDING", event_id="1", activity_id="a")
    world.event("o-1", "PENDING", event_id="1", activity_id="a")
    world.event("o-1", "APPROVED", event_id=None)
    world.event("o-1", "APPROVED", event_id=None)
    hints = events.waiting(world.run())
    for _ in range(2):
        assert events.take(world.run(), hints) == 3
    noon = NOON.replace(tzinfo=None)
    assert world.rows(STORED) == [
        ("o-1", "1", "PENDING", "a", noon), ("o-1", "", "APPROVED", "", noon), ("o-1", "", "APPROVED", "", noon),
    ]  # fmt: skip
    row = world.row("o-1")
    assert (row["asked_id"], row["last_seq"], row["seen_seq"]) == ("O-1", 3, 0)


def test_an_event_without_an_id_is_not_taken_for_one_that_had_its_number_in_an_inbox_of_before(world: World) -> None:
    """A backup that is put back has an inbox that is older than its databases: it gives numbers a second time."""
    world.event("o-1", event_id=None)
    [before] = events.waiting(world.run())
    later = replace(before, at=(NOON + timedelta(hours=1)).isoformat())
    for hint in (before, later, before, later):
        events.take(world.run(), [hint])
    assert len(world.rows(STORED)) == 2


def test_c3_10_first_sight_is_by_order_of_arrival_and_by_vs_st_now(world: World) -> None:
    world.event("o-1", "Dispatched")
    world.later(hours=-1)  # the clock was put back
    world.event("o-1", "PENDING")
    world.take()
    row = world.row("o-1")
    assert (row["first_seen_at"], row["first_seen_by"], row["first_class"], row["first_event_at"]) == (
        NOON.replace(tzinfo=None), "webhook", "later", NOON.replace(tzinfo=None),
    )  # fmt: skip
    assert (row["may_create"], row["consented_at"], row["changed"]) == (True, None, 0)


def test_consumers_2_a_dry_run_looks_at_events_and_takes_no_entry(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(id)
    hints = events.waiting(world.run(dry_run=True))
    assert events.peek(world.run(dry_run=True), hints) == [id]
    assert world.read(dry_run=True).read == [id]
    assert len(world.inbox.waiting([GLOW], route=ROUTE)) == 1
    world.reads()
    world.later(minutes=1)
    assert world.take() == 1  # counted where it is taken
    assert world.read().tried == 0
    assert world.reads() == []


def test_c3_6_an_approved_event_has_an_order_staged_anew_that_counts_by_it(world: World) -> None:
    id = world.order("DISPATCHED")
    world.event(id, "DISPATCHED")
    world.sync()
    known = world.row(id)["changed"]
    assert known > 0
    world.event(id, "DELIVERED")
    world.take()
    assert world.row(id)["changed"] == known
    world.event(id, "approved")
    world.take()
    assert world.row(id)["changed"] == known + 1


def test_c3_5_when_the_next_order_is_due(world: World) -> None:
    def due() -> object:
        with world.run().open() as db:
            return next_due_at(db, world.settings, world.run().now(), follow_status=False)

    noon = NOON.replace(tzinfo=None)
    assert due() is None
    id = world.order("PENDING")
    world.event(id, "PENDING")
    world.take()
    assert due() == noon + timedelta(seconds=15)
    world.event(id, "APPROVED")
    world.take()
    assert due() == noon
    world.sync()
    assert due() == noon + timedelta(seconds=15)
    world.box.control.set_status(id, "APPROVED")
    world.later(seconds=15)
    assert world.told(world.sync()) == {"read": 1}
    assert due() is None


def test_c3_5_what_nobody_has_called_for_is_no_file(world: World) -> None:
    assert not Inbox(world.folder).exists
    assert events.waiting(world.run()) == []
    assert world.sync().tried == 0
