"""A whole sync of contacts takes the hints that wait, and gives way to one that comes while it reads (H26, R63)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, ORDER, WHOLE, Call
from vs_st_pipeline.operations.fleet.schedule import wanted_by_hints
from vs_st_pipeline.platform.inbox import yielding
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.routes import contacts
from vs_st_pipeline.routes.contacts import stages
from vs_st_pipeline.routes.contacts import sync as pipeline
from vs_st_pipeline_tests.support.story import MARISOL, TEST, Story

RARELY = {
    "customer_list": "1h", "customer_details": "30d", "open_orders": "30d", "settled_orders": "30d", "reconcile": "30d"
}  # fmt: skip


@pytest.fixture
def synced(story: Story) -> Story:
    """After two good syncs; nothing is read in turn for long, so that what is read is read for a hint."""
    story.begin_synced()
    story.settings(vinoshipper={"refresh": RARELY}, simpletexting={"full_read": "24h"})
    story.synced()
    story.synced()
    story.clear_journals()
    return story


def put(story: Story, *calls: Call, clock: Callable[[], float] = time.time) -> Inbox:
    inbox = Inbox(story.data, clock)
    system = {CONTACT: "simpletexting"}
    inbox.put(
        [
            Arrival(TEST, system.get(call.kind, "vinoshipper"), call, ("contacts",), datetime.now(UTC).isoformat())
            for call in calls
        ]
    )
    return inbox


def states(inbox: Inbox) -> list[tuple[Any, ...]]:
    return inbox.ask("select state, outcome, error from hints order by hint")


def asked(story: Story, part: str) -> int:
    return sum(part in entry["path"] for entry in [*story.shop.journal(TEST), *story.texting.journal(TEST)])


def order_of(story: Story) -> str:
    with story.as_run().open() as db:
        return str(
            db.value(
                """select o.order_number from raw.vinoshipper_orders as o join raw.vinoshipper_customers as c
                   using (customer_id) where c.linked_run is not null order by 1 limit 1"""
            )
        )


def test_a_plain_sync_makes_no_inbox(synced: Story) -> None:
    assert not (synced.data / "inbox.sqlite").exists()


def test_h26_a_whole_sync_reads_what_is_hinted_at_and_a_dry_run_takes_nothing(synced: Story) -> None:
    number = order_of(synced)
    with synced.as_run().open() as db:
        customer = str(db.value("select min(customer_id) from raw.vinoshipper_customers where linked_run is not null"))
    contact = Call(CONTACT, synced.id_of(MARISOL))
    inbox = put(synced, Call(ORDER, number), Call(CUSTOMER, customer), Call(ORDER, "NOBODYS"), contact, Call(WHOLE))
    synced.run("plan", "--merchant", TEST, "--json")
    assert {row[0] for row in states(inbox)} == {"waiting"}
    synced.clear_journals()
    report = synced.synced()
    assert report["trigger"] == "command"
    assert report["hints"] == {"taken": 5, "records": 5, "handed_over": 0, "dropped": 0}
    assert states(inbox) == [("done", "handed_over", None)] * 5
    assert asked(synced, f"/orders/{number}") == 1
    assert asked(synced, f"/customers/{customer}") == 1
    assert asked(synced, "NOBODYS") == 0, "lists show what exists (H25)"
    synced.clear_journals()
    synced.synced()
    assert asked(synced, f"/orders/{number}") == 0, "once"


def _busy(_session: object) -> None:
    raise TryLater("busy", system="vinoshipper", call="list_customers")


def test_h26_a_sync_that_fails_gives_back_what_it_took(synced: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    number = order_of(synced)
    inbox = put(synced, Call(ORDER, number))
    inbox.want_whole(TEST, "contacts")
    with monkeypatch.context() as patch:
        patch.setattr(stages, "read_customers", _busy)
        assert synced.sync().of()["status"] == "failed"
    assert states(inbox) == [("waiting", None, None)]
    synced.clear_journals()
    synced.synced()
    assert asked(synced, f"/orders/{number}") == 1
    assert states(inbox) == [("done", "handed_over", None)]


def test_h26_what_a_killed_sync_had_taken_is_taken_by_the_next_one_without_a_worker(synced: Story) -> None:
    contact = synced.id_of(MARISOL)
    inbox = put(synced, Call(CONTACT, contact, MARISOL, event="UNSUBSCRIBE_REPORT", event_id="r1", opts_out=True))
    inbox.claim(inbox.waiting([TEST]), "sync that was killed", lease=-1.0)
    synced.synced()
    assert asked(synced, f"/contacts/{contact}") == 1
    assert states(inbox) == [("done", "handed_over", None)]


def test_h26_a_record_that_cannot_be_read_keeps_no_hint_for_ever(synced: Story) -> None:
    number = order_of(synced)
    synced.shop.set_switch("fault", [{"kind": "400", "path_regex": f"/orders/{number}$"}], TEST)
    inbox = put(synced, Call(ORDER, number))
    synced.sync()
    assert asked(synced, f"/orders/{number}") == 1
    assert states(inbox) == [("done", "handed_over", None)]
    assert inbox.queued(TEST, "contacts") == []


def test_h26_whoever_is_said_to_have_opted_out_is_read_singly_as_far_as_hints_may_ask(synced: Story) -> None:
    contact = synced.id_of(MARISOL)
    report = Call(CONTACT, contact, MARISOL, event="UNSUBSCRIBE_REPORT", event_id="r1", opts_out=True)
    inbox = put(synced, report)
    synced.synced()
    assert asked(synced, f"/contacts/{contact}") == 1
    assert states(inbox) == [("done", "handed_over", None)]
    inbox.ask("update buckets set requests = 0, at = at + 1000")  # nothing is filled in for a while
    put(synced, Call(CONTACT, contact, MARISOL, event="UNSUBSCRIBE_REPORT", event_id="r2", opts_out=True))
    synced.clear_journals()
    synced.synced()
    assert (asked(synced, f"/contacts/{contact}"), states(inbox)[-1][0]) == (0, "waiting")


def test_h30_a_good_whole_sync_ends_a_rest_and_satisfies_who_wanted_one(synced: Story) -> None:
    inbox = put(synced, Call(WHOLE))
    inbox.rest(TEST, "contacts", "auth")
    assert inbox.want_whole(TEST, "contacts")
    assert wanted_by_hints(contacts.ROUTE, synced.data) == {TEST}
    synced.synced()
    assert inbox.resting() == {}
    assert wanted_by_hints(contacts.ROUTE, synced.data) == set()


def test_r63_a_whole_sync_ends_its_reading_in_turn_for_a_due_hint_once_in_five_minutes(
    synced: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, number = [0.0], order_of(synced)

    def clock() -> float:
        return time.time() + ahead[0]

    inbox = put(synced, Call(WHOLE), clock=clock)
    monkeypatch.setattr(yielding, "LOOK_SECONDS", 0.0)
    read: list[int] = []
    usual = VinoshipperClient.customer

    def customer(client: VinoshipperClient, customer_id: int) -> Any:
        read.append(customer_id)
        if len(read) == 1:
            put(synced, Call(ORDER, number), clock=clock)
            ahead[0] += 3
        return usual(client, customer_id)

    monkeypatch.setattr(VinoshipperClient, "customer", customer)

    def sync() -> int:
        read.clear()
        run = synced.as_run()
        report = pipeline.sync(replace(run, inbox=inbox, full=True))
        assert report.error is None
        return len(read)

    assert sync() == 1, "the request under way was the last one"
    assert states(inbox)[-1][0] == "waiting", "it waits for whoever takes the lock next"
    everybody = sync()
    assert everybody > 1, "within five minutes it gets on"
    ahead[0] += 300
    assert sync() == 1


def test_r63_what_hints_have_handed_over_is_read_although_more_hints_come(
    synced: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = [0.0]

    def clock() -> float:
        return time.time() + ahead[0]

    with synced.as_run().open() as db:
        numbers = [
            row[0]
            for row in db.rows(
                """select o.order_number from raw.vinoshipper_orders as o join raw.vinoshipper_customers as c
                   using (customer_id) where c.linked_run is not null order by 1 limit 3"""
            )
        ]
    inbox = put(synced, *(Call(ORDER, number) for number in numbers), clock=clock)
    monkeypatch.setattr(yielding, "LOOK_SECONDS", 0.0)
    usual = VinoshipperClient.order

    def order(client: VinoshipperClient, number: str) -> Any:
        if ahead[0] == 0.0:
            put(synced, Call(ORDER, "ANOTHER"), clock=clock)
            ahead[0] += 3
        return usual(client, number)

    monkeypatch.setattr(VinoshipperClient, "order", order)
    report = pipeline.sync(replace(synced.as_run(), inbox=inbox))
    assert report.error is None
    assert [row[0] for row in states(inbox)] == ["done", "done", "done", "waiting"]


def test_h19_an_inbox_that_is_busy_fails_no_whole_sync(synced: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    contact = synced.id_of(MARISOL)
    inbox = put(synced, Call(CONTACT, contact, MARISOL, event="UNSUBSCRIBE_REPORT", event_id="r1", opts_out=True))

    def busy(*_: object) -> bool:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Inbox, "spend", busy)
    synced.synced()
    assert states(inbox) == [("waiting", None, None)]
