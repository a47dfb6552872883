"""A run that hints started reads, judges and sends the hinted orders alone (orders.md 3; rulings, orders 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import PipelineError, TryLater, Unsafe
from vs_st_pipeline.domain.hints import ORDER, Hint, HintState, Outcome
from vs_st_pipeline.routes.orders import after_sent, hinting, stages, standing, targeted, watching
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline_tests.routes.orders.desk_office import Office, open_office

SHOP, SHIPPER = "commerce7", "vinoshipper"


@dataclass
class Desk:
    """Says what became of hints. may: systems that hints may ask."""

    may: frozenset[str] = frozenset({SHOP, SHIPPER})
    flooded: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    left: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    noted: list[tuple[str, bool, bool]] = field(default_factory=list)

    def settle(self, hints: Sequence[Hint], outcome: Outcome) -> None:
        self.outcomes |= {str(hint.id): outcome for hint in hints}

    def leave(self, hints: Sequence[Hint], seconds: float = 0.0) -> None:
        self.left |= {str(hint.id): seconds for hint in hints}

    def fail(self, hints: Sequence[Hint], kind: str) -> None:
        self.failed |= {str(hint.id): kind for hint in hints}

    def may_ask(self, system: str) -> bool:
        return system in self.may

    def is_flooded(self) -> bool:
        return self.flooded

    def note_read(self, hint: Hint, *, news: bool, gone: bool = False) -> None:
        self.noted.append((str(hint.id), news, gone))


def hint(id: str | None, system: str = SHOP, kind: str = ORDER, event: str | None = "Update") -> Hint:
    return Hint(1, 1, "hillside", "orders", system, kind, id, None, event, None, 0.0, "", 0, HintState.WORKING)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    """An office whose windows are not looked at, but what is named is read."""
    found = open_office(monkeypatch, tmp_path)

    def watch(session: OrdersSession, only: Any = None) -> None:
        for order_id in sorted(only or ()):
            with session.run.open() as db:
                row = standing.ledger.find(db, [order_id])[order_id]
            held = session.desk.read(str(row.vs_number))
            with session.run.open() as db, db.transaction():
                standing.apply(session, db, row, held, by="watch")

    monkeypatch.setattr(watching, "watch", watch)
    monkeypatch.setattr(after_sent, "look", lambda session, only=None: looked.append(only))
    looked.clear()
    return found


looked: list[Any] = []


def sync(office: Office, *hints: Hint, desk: Desk | None = None, fails: type[PipelineError] | None = None) -> Desk:
    desk = desk or Desk()
    session = office.session(trigger="hint")
    office.last = session
    work: Any = targeted._Targeted(session, desk)  # type: ignore[arg-type]
    if fails is None:
        work.sync(list(hints))
    else:
        with pytest.raises(fails):
            work.sync(list(hints))
    return desk


def test_ruling_6_only_hinted_orders_are_read_judged_and_sent(office: Office) -> None:
    office.whole()
    office.add()
    office.add(order_id="a2", number="1002")
    desk = sync(office, hint("a1"), hint("a1", event="Create"))
    assert office.shop.reads[:1] == ["a1"]
    assert "a2" not in office.shop.reads
    assert (office.stands(), desk.outcomes) == (("sent", None), {"a1": Outcome.WRITTEN})
    assert office.rows("select count(*) from synced.orders") == [(1,)]
    assert office.told()["raw"]["orders"] == 1


def test_o3_the_read_of_a_hinted_order_serves_its_send(office: Office) -> None:
    office.whole()
    office.add()
    sync(office, hint("a1"))
    assert office.shop.reads == ["a1"]


def test_h25_what_is_held_unchanged_or_gone_is_said(office: Office) -> None:
    office.add(paymentStatus="Authorized")
    office.add(order_id="a2", number="1002", orderDeliveryMethod="Pickup")
    office.whole()
    desk = sync(office, hint("a1"), hint("a2"), hint("a3"))
    assert desk.outcomes == {"a1": Outcome.HELD, "a2": Outcome.UNCHANGED, "a3": Outcome.GONE}
    assert desk.noted == [("a1", False, False), ("a2", False, False), ("a3", False, True)]


def test_o3_a_number_that_is_none_of_ours_is_nothing(office: Office) -> None:
    office.whole()
    office.reads()
    desk = sync(office, hint("HILLSIDE-9", SHIPPER))
    assert (desk.outcomes, office.reads()) == ({"HILLSIDE-9": Outcome.NOT_LINKED}, [])


def test_o3_a_hint_of_the_shipper_reads_that_order(office: Office) -> None:
    office.add()
    office.whole()
    office.shipper.change("HILLSIDE-1001", order_status="SHIPPED")
    office.later(hours=1)
    office.reads()
    desk = sync(office, hint("HILLSIDE-1001", SHIPPER))
    assert office.reads() == ["HILLSIDE-1001"]
    assert office.row().stage == "Shipped"
    assert desk.outcomes == {"HILLSIDE-1001": Outcome.UNCHANGED}


def test_r49_a_hint_on_what_was_just_written_waits_but_for_what_matters(office: Office) -> None:
    office.add()
    office.whole()
    office.later(minutes=4)
    office.reads()
    desk = sync(office, hint("HILLSIDE-1001", SHIPPER))
    assert (desk.left, office.reads()) == ({"HILLSIDE-1001": 360.0}, [])
    sync(office, hint("HILLSIDE-1001", SHIPPER, event="CANCELLED"))
    assert office.reads() == ["HILLSIDE-1001"]


def test_r49_whoever_mends_an_order_right_after_our_message_is_not_kept_waiting(office: Office) -> None:
    office.add()
    run = office.session().run
    office.whole()
    with office.db() as db, db.transaction():
        db.execute("update synced.order_writes set system = ?, call = 'message'", [SHOP])
        assert run.now() >= db.value('select max("at") from synced.order_writes')
    office.reads()
    assert sync(office, hint("a1")).left == {}


def test_ruling_3_an_id_that_is_approved_has_the_order_judged_and_sent_again(office: Office) -> None:
    office.add()
    office.shipper.trouble["HILLSIDE-1001"] = ("AGE_VERIFICATION_FAILED", ())
    office.whole()
    assert office.stands() == ("failed", "age_verification")
    office.shipper.trouble.clear()
    sync(office, hint("HILLSIDE-1001", SHIPPER, event="APPROVED"))
    assert office.stands() == ("sent", None)
    assert [call for call, _ in office.shipper.writes()] == ["create", "update"]


def test_ruling_5_a_product_makes_the_catalogue_due(office: Office) -> None:
    desk = sync(office, hint("p1", kind=hinting.PRODUCT))
    assert desk.outcomes == {"p1": Outcome.HANDED_OVER}
    hinting.hand_over(office.session().run, [hint("p1", kind=hinting.PRODUCT)])
    with office.db() as db:
        assert hinting.is_catalogue_hinted(db)
        assert hinting.orders(office.session().run, db) == []


def test_h27_too_many_hints_are_handed_over_and_a_flood_is_dropped(office: Office) -> None:
    desk = sync(office, hint("a1"), desk=Desk(may=frozenset()))
    assert desk.outcomes == {"a1": Outcome.HANDED_OVER}
    desk = sync(office, hint("a1"), desk=Desk(flooded=True))
    assert desk.outcomes == {"a1": Outcome.OVER_LIMIT}
    assert office.shop.reads == []


def test_r40_an_order_that_cannot_be_read_stops_no_other(office: Office) -> None:
    office.whole()
    office.add()
    office.add(order_id="a2", number="1002")
    office.shop.failing = [TryLater("busy", system=SHOP, call="order", http_status=500)]
    desk = sync(office, hint("a1"), hint("a2"))
    assert desk.failed == {"a1": "try_later"}
    assert desk.outcomes == {"a2": Outcome.WRITTEN}


def test_o9_hints_do_not_pass_the_brake(office: Office) -> None:
    office.whole()
    with office.db() as db, db.transaction():
        db.execute("insert into synced.verdicts values ('vinoshipper', 'gone', 12, 'gone', 'r', now()::timestamp)")
    office.add()
    desk = sync(office, hint("a1"), fails=Unsafe)
    assert (desk.failed, office.shipper.writes()) == ({"a1": "unsafe"}, [])


def test_o6_5_a_refund_that_is_hinted_at_has_its_order_looked_at_at_once(office: Office) -> None:
    office.add()
    office.whole()
    office.add(order_id="r1", number="1002", purchaseType="Refund", total=-9500, previousOrderId="a1")
    looked.clear()
    sync(office, hint("r1"))
    assert looked == [frozenset({"a1", "r1"})]


def test_h26_a_whole_sync_reads_what_is_hinted_at_first_and_keeps_what_it_could_not_read(office: Office) -> None:
    office.add()
    office.add(order_id="a2", number="1002")
    office.shop.lists = set()
    hints = [hint("a1"), hint("a2"), hint("HILLSIDE-9", SHIPPER)]
    hinting.hand_over(office.session().run, hints)
    office.shop.failing = [TryLater("busy", system=SHOP, call="order", http_status=500)]
    office.whole()
    assert office.rows("select id from raw.commerce7_hints") == [("a1",)]
    assert office.stands("a2") == ("sent", None)
    assert hinting.QUEUE.unread(office.session().run, hints) == [1]
    office.whole()
    assert office.rows("select id from raw.commerce7_hints") == []
    assert office.stands() == ("sent", None)


def test_h26_hints_of_the_shipper_are_read_once_and_strangers_are_dropped(office: Office) -> None:
    office.add()
    office.whole()
    office.later(hours=1)
    hinting.hand_over(office.session().run, [hint("HILLSIDE-1001", SHIPPER), hint("OTHER-1", SHIPPER)])
    office.reads()
    office.whole()
    assert office.reads() == ["HILLSIDE-1001"]
    assert office.rows("select vs_number from raw.vinoshipper_order_hints") == []


def test_r49_a_message_makes_no_echo_in_a_whole_sync_either(office: Office) -> None:
    office.add()
    office.whole()
    with office.db() as db, db.transaction():
        db.execute("update synced.order_writes set system = ?, call = 'message'", [SHOP])
    run = office.session().run
    hinting.hand_over(run, [hint("a1")])
    with office.db() as db:
        assert hinting.orders(run, db) == ["a1"]


def test_r49_a_whole_sync_says_how_long_an_echo_waits(office: Office) -> None:
    office.add()
    office.whole()
    office.later(minutes=4)
    assert hinting.QUEUE.rests is not None
    run = office.session().run
    assert hinting.QUEUE.rests(run, [hint("HILLSIDE-1001", SHIPPER)]) == {1: 360.0}
    assert hinting.QUEUE.rests(run, [hint("HILLSIDE-1001", SHIPPER, event="APPROVED")]) == {}
    assert hinting.QUEUE.rests(run, [hint("a2")]) == {1: 0.0}


def test_r49_echoes_wait_in_a_whole_sync_too(office: Office) -> None:
    office.add()
    office.whole()
    run = office.session().run
    hinting.hand_over(run, [hint("HILLSIDE-1001", SHIPPER)])
    with office.db() as db:
        assert hinting.there(run, db) == []
    hinting.hand_over(run, [hint("HILLSIDE-1001", SHIPPER, event="APPROVED")])
    with office.db() as db:
        assert [one.event for one in hinting.there(run, db)] == ["APPROVED"]
    assert stages.read_hinted_there(office.session(), []) == set()
