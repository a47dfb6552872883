"""Events: in order, at least once, each looked at before it is sent (audience.md 6.3, 6.4, 7, 8.3)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.answers import Answer
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.routes.audience import calls
from vs_st_pipeline.routes.audience import retry as retrying
from vs_st_pipeline_tests.routes.audience.office import LOST, NO, OFF, YES, Office, open_office


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    """An office whose history is done."""
    found = open_office(monkeypatch, tmp_path, history_slice=timedelta(0))
    found.sync()
    return found


def names(office: Office) -> list[str]:
    return [f"{name} {data.get('id') or data.get('email')}" for name, data in office.waymore.events()]


def states(office: Office) -> list[Any]:
    return office.rows("select id, state from synced.audience_told where call = 'event' order by id, event")


def on(*bad: str, answer: Answer = NO) -> Any:
    return lambda said: answer if said["data"].get("id") in bad else YES


def test_6_3_newsletter_false_first_then_in_order(office: Office) -> None:
    office.event("OrderAdd", "order", "o1")
    office.event("OrderStatusUpdate", "order", "o1")
    office.newsletter("a@example.com", subscription=False)
    office.sync()
    assert names(office) == ["Newsletter a@example.com", "OrderAdd o1", "OrderStatusUpdate o1"]
    assert len(states(office)) == 3
    assert office.rows("select count(*) from synced.audience_outbox") == [0]


def test_6_5_no_event_before_the_history_is_done_save_newsletter_false(office: Office) -> None:
    office.cursor.execute("delete from synced.audience_blocks where block = 'orders'")
    office.lacks = {"orders"}
    office.event("OrderAdd", "order", "o1")
    office.newsletter("a@example.com", subscription=False)
    office.sync()
    assert names(office) == ["Newsletter a@example.com"]


def test_6_1_the_key_is_the_rows(office: Office) -> None:
    key = office.event("OrderAdd", "order", "o1")
    office.sync()
    assert office.waymore.heard[0][1] == key
    assert len(key) == 32


def test_7_4_unknown_goes_again_with_the_same_bytes_and_key(office: Office) -> None:
    """7.4: within give_up_after and in later syncs; counted in maybe_twice; its entity's later events wait."""
    office.event("OrderAdd", "order", "o1")
    office.event("OrderStatusUpdate", "order", "o1")
    office.event("OrderAdd", "order", "o2")
    office.waymore.says = on("o1", answer=LOST)
    session = office.sync()
    assert set(names(office)) == {"OrderAdd o1", "OrderAdd o2"}
    assert len(names(office)) > 2
    assert (session.told.unknown, session.told.accepted, session.told.noted["maybe_twice"]) == (1, 1, 1)
    first = office.waymore.bodies[0], office.waymore.heard[0][1]
    office.waymore.heard.clear()
    office.waymore.bodies.clear()
    office.waymore.says = lambda said: YES
    session = office.sync()
    assert (office.waymore.bodies[0], office.waymore.heard[0][1]) == first
    assert names(office) == ["OrderAdd o1", "OrderStatusUpdate o1"]
    assert session.told.noted["maybe_twice"] == 1


def test_7_4_hold(office: Office) -> None:
    """7.4: never again by itself; retry sends it, retry --drop gives it up."""
    office.settings["on_unknown"] = "hold"
    office.event("OrderAdd", "order", "o1")
    office.event("OrderStatusUpdate", "order", "o1")
    office.waymore.says = lambda said: LOST
    office.sync()
    office.sync()
    assert names(office) == ["OrderAdd o1"]
    assert retrying._release(office.db, office.run(), "order", "o2") == 0
    assert retrying._release(office.db, office.run(), "order", "o1") == 1
    office.sync()
    office.sync()
    assert names(office) == ["OrderAdd o1"] * 2
    assert retrying._drop(office.db, office.run(), None, None) == 1
    office.waymore.says = lambda said: YES
    office.sync()
    assert names(office)[2:] == ["OrderStatusUpdate o1"]
    assert ("o1", "dropped") in states(office)


def test_7_6_gaps_end_at_a_day() -> None:
    assert [calls.gap_after(count) for count in (0, 1, 2, 3, 6, 7, 100)] == [
        None, None, *(timedelta(hours=hours) for hours in (1, 2, 16, 24, 24)),
    ]  # fmt: skip


def test_7_4_no_connection_is_not_sent(office: Office) -> None:
    office.event("OrderAdd", "order", "o1")
    office.waymore.says = lambda said: OFF
    assert isinstance(office.sync(fails=True).trouble, TryLater)
    assert office.rows("select state from synced.audience_outbox") == ["waiting"]


def test_7_5_three_entities_in_a_row_stop_the_sync(office: Office) -> None:
    for one in "abcd":
        office.event("OrderAdd", "order", one)
    office.waymore.says = on("a", "b", "c", "d", answer=LOST)
    assert isinstance(office.sync(fails=True).trouble, TryLater)
    assert sorted(set(names(office))) == ["OrderAdd a", "OrderAdd b", "OrderAdd c"]
    assert office.rows("select id, state from synced.audience_outbox order by id") == [
        ("a", "unknown"), ("b", "unknown"), ("c", "unknown"), ("d", "waiting"),
    ]  # fmt: skip


def test_7_6_rejected_gaps_and_dead_letter(office: Office) -> None:
    """7.6: at the next sync, then 1 h doubling to 24 h; its entity's later events wait; dead after 30 days."""
    office.settings["late_after"] = timedelta(days=365)
    office.event("OrderAdd", "order", "o1")
    office.event("OrderStatusUpdate", "order", "o1")
    office.event("OrderAdd", "order", "o2")
    office.waymore.says = on("o1")
    assert office.sync().told.rejected == 1
    assert names(office) == ["OrderAdd o1", "OrderAdd o2"]
    office.waymore.heard.clear()
    tried = []
    for hour in range(16):
        office.sync()
        tried += [hour] * len(names(office))
        office.waymore.heard.clear()
        office.later(hours=1)
    assert tried == [0, 1, 3, 7, 15]
    office.later(days=31)
    office.sync()
    assert office.rows("select state from synced.audience_outbox where event = 'OrderAdd'") == ["dead"]
    office.waymore.heard.clear()
    office.later(days=2)
    office.sync()
    assert names(office) == []
    assert retrying._release(office.db, office.run(), None, None) == 1
    office.waymore.says = lambda said: YES
    office.sync()
    assert names(office) == ["OrderAdd o1", "OrderStatusUpdate o1"]


LATE = [
    ("CustomerAdd", "customer", "c1", "customers"), ("ProductAdd", "product", "p1", "products"),
    ("OrderAdd", "order", "o1", "orders"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "kind", "id_", "block"), LATE)
def test_6_4_late_additions_go_as_late_history(office: Office, event: str, kind: str, id_: str, block: str) -> None:
    """6.4: late history of the record as staged now; its later events wait for that."""
    office.event(event, kind, id_)
    office.event("OrderStatusUpdate", kind, id_)
    office.later(hours=25)
    getattr(office, kind)(id_)
    office.sync()
    assert names(office) == []
    assert office.rows("select block, id from synced.audience_late") == [(block, id_)]
    assert (id_, "late") in states(office)
    office.sync()
    assert [name for name, _ in office.waymore.parts()] == [block]
    assert names(office) == [f"OrderStatusUpdate {id_}"]


def test_6_4_late_subscription_and_wish(office: Office) -> None:
    office.newsletter("a@example.com", subscription=True)
    office.event("WishlistAdd", "wish", '["1","p1"]', about='{"customer_id": "1", "product_id": "p1"}')
    office.subscriber("a@example.com")
    office.wish("1", "p1")
    office.later(hours=25)
    office.sync()
    office.sync()
    assert names(office) == []
    assert office.waymore.parts() == [("subscribers", ["a@example.com"]), ("wishlist", ["1"])]


@pytest.mark.parametrize(
    "event",
    ["CustomerUpdate", "ProductUpdate", "ProductStockUpdate", "CartUpdate", "OrderStatusUpdate", "WishlistDelete"],
)
def test_6_4_of_late_changes_only_the_newest_goes(office: Office, event: str) -> None:
    for said in ("1", "2", "3"):
        office.event(event, "product", "p1", data=f'{{"id":"{said}"}}')
    office.later(hours=25)
    office.sync()
    assert [data["id"] for _, data in office.waymore.events()] == ["3"]


@pytest.mark.parametrize("event", ["OrderPaymentConfirmed", "ProductOutOfStock", "Search"])
def test_6_4_what_is_not_sent_late(office: Office, event: str) -> None:
    office.event(event, "product", "p1")
    office.later(hours=25)
    assert office.sync().told.noted["late"] == 1
    assert names(office) == []
    assert states(office) == [("p1", "late")]


def test_6_4_late_after_is_a_boundary(office: Office) -> None:
    office.event("Search", "search", "s1")
    office.later(hours=24)
    office.sync()
    assert names(office) == ["Search s1"]


def test_8_3_newsletter_true_of_whom_is_subscribed_no_more(office: Office) -> None:
    """8.3: not sent; if it may have been sent, its address stays as maybe told."""
    office.newsletter("a@example.com", subscription=True)
    office.insert("synced.base_subscribers", address="a@example.com", subscribed=True, told="outbox")
    office.subscriber("a@example.com")
    office.waymore.says = lambda said: LOST
    office.sync()
    office.subscriber("a@example.com", subscribed=False)
    office.waymore.heard.clear()
    office.sync()
    assert names(office) == []
    assert office.rows("select maybe from synced.base_subscribers") == [True]
    office.newsletter("b@example.com", subscription=True)
    office.insert("synced.base_subscribers", address="b@example.com", subscribed=True, told="outbox")
    office.sync()
    assert office.rows("select address from synced.base_subscribers") == ["a@example.com"]


def test_8_3_newsletter_of_an_order_becomes_false(office: Office) -> None:
    said = (
        '{"customer_id":"1","order_details":{"email":"A@Example.com ","newsletter":true,"x":"\\"newsletter\\":true"}}'
    )
    office.event("OrderAdd", "order", "o1", data=said)
    office.event("OrderAdd", "order", "o2", data=said.replace("A@", "b@"))
    office.subscriber("b@example.com")
    office.sync()
    details = [data["order_details"] for _, data in office.waymore.events()]
    assert [one["newsletter"] for one in details] == [False, True]
    assert details[0]["x"] == '"newsletter":true'
    assert (
        json.loads(office.rows("select data from synced.audience_told where id = 'o1'")[0])["order_details"]
        == details[0]
    )


def test_8_3_rows_of_held_people_are_dropped(office: Office) -> None:
    office.held = {("customer", "1"), ("order", "o1"), ("cart", "1")}
    office.event("CustomerUpdate", "customer", "1")
    office.event("OrderAdd", "order", "o1")
    office.event("CartUpdate", "cart", "1")
    office.event("Search", "search", "s", about='{"customer_id": "1", "search_string": "x"}')
    office.event("WishlistAdd", "wish", "w", about='{"customer_id": "1", "product_id": "p"}')
    office.newsletter("a@example.com", subscription=False)
    office.sync()
    assert names(office) == ["Newsletter a@example.com"]
    assert {state for _, state in states(office)} == {"dropped", "accepted"}


def test_r35_a_newsletter_is_written_down_before_it_leaves(office: Office) -> None:
    lines: list[Any] = []

    def says(said: Any) -> Answer:
        lines[:] = EvidenceFile.of(office.run()).read()
        return YES

    office.waymore.says = says
    office.subscriber("a@example.com")
    office.newsletter("a@example.com", subscription=True)
    office.sync()
    office.newsletter("a@example.com", subscription=False)
    office.sync()
    assert [(line["what"], line["address"], line["evidence"]) for line in lines] == [
        ("subscribed", "a@example.com", {"system": "shop"}), ("unsubscribed", "a@example.com", None),
    ]  # fmt: skip


def test_6_5_events_of_a_refused_history_record_wait(office: Office) -> None:
    office.insert("synced.audience_late", block="orders", id="o1", since=office.at, why="rejected",
                  next_at=office.at + timedelta(hours=1))  # fmt: skip
    office.event("OrderStatusUpdate", "order", "o1")
    office.event("OrderStatusUpdate", "order", "o2")
    office.sync()
    assert names(office) == ["OrderStatusUpdate o2"]


def test_the_base_says_what_was_acknowledged(office: Office) -> None:
    office.insert("synced.base_orders", order_id="o1", status="NEW", total=1, others=1, digest=1, told="outbox")
    key = office.event("OrderAdd", "order", "o1")
    office.sync()
    assert office.rows("select told, told_key, told_call from synced.base_orders") == [("told", key, "event")]


@pytest.mark.parametrize("share", [pytest.param(one, marks=pytest.mark.slow) if one else 0 for one in range(5)])
def test_wherever_the_power_goes_each_event_comes_in_order(office: Office, share: int) -> None:
    """7, 12: at least once, twice only where an answer was lost, one entity's in order."""
    office.subscriber("b@example.com")
    for one in ("o1", "o2"):
        office.event("OrderAdd", "order", one)
        office.event("OrderStatusUpdate", "order", one)
    office.newsletter("b@example.com", subscription=True)
    office.newsletter("a@example.com", subscription=False)
    begin = office.copy()
    count = office.places()
    for place in range(1 + share, count + 1, 5):
        office.put_back(begin)
        office.waymore.heard.clear()
        office.waymore.bodies.clear()
        office.sync_until_cut(place)
        office.sync()
        keys = [key for _, key, _ in office.waymore.heard]
        assert len(set(keys)) == 6, place
        assert len(keys) <= 7, place
        once = list(dict.fromkeys(names(office)))
        assert once == [
            "Newsletter a@example.com", "OrderAdd o1", "OrderStatusUpdate o1", "OrderAdd o2", "OrderStatusUpdate o2",
            "Newsletter b@example.com",
        ], place  # fmt: skip
        assert office.rows("select count(*) from synced.audience_told where state = 'accepted'") == [6], place
