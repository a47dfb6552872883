"""6 of orders.md, one order at a time: read, then write; what each answer means; what is never sent, or never twice."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, KeptBack, TryLater
from vs_st_pipeline.domain.order_desk import (
    Catalogue,
    Compliance,
    Conflict,
    Done,
    HeldOrder,
    NotReached,
    Problem,
    RefusedWrite,
    ShipperProduct,
    UnknownOutcome,
)
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.routes.orders import ledger, reads, sending
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline_tests.routes.orders.dispatch import VIOLATION, Dispatch, shop_order

SAMPLE = 4  # cases of each test in `make test`; the others count as pytest.mark.slow

N = "HILLSIDE-1001"
VIOLATED = (Problem("CLOSED", "no wine there", VIOLATION),)
READ, CREATE, UPDATE = ("read", N), ("create", N), ("update", N)


@pytest.fixture
def one(tmp_path: Path) -> Dispatch:
    dispatch = Dispatch(tmp_path)
    dispatch.take_in(dispatch.add())
    return dispatch


def bought(one: Dispatch, number: str = N, **changed: Any) -> HeldOrder:
    """Return the order of another shop that has this number."""
    body = {
        "products": [{"productId": "PN", "quantity": 1, "price": 9}], "shippingRate": {"price": 1}, "taxes": 0,
        "shipToAddress": {"postalCode": "10001", "stateCode": "NY"}, "paid": True,
    }  # fmt: skip
    return replace(one.shipper.order(number, body, "SUCCESS"), **changed)


def edit(one: Dispatch, **changed: Any) -> None:
    """Let somebody change the order at the shop, so that its content is another one."""
    one.shop.orders["a1"] |= {"giftMessage": "Cheers", "updatedAt": "2026-12-01T20:30:00.000Z", **changed}


# --- 6.1: what is stored before it leaves -----------------------------------------------------------------------------


def test_o6_1_row_and_line_are_there_before_the_request_leaves(one: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    create = one.shipper.create

    def look(body: Any) -> Any:
        seen.append((one.outcomes(), one.stands(), one.row().vs_number))
        path = one.folder / "merchants" / "hillside" / "orders.evidence.jsonl"
        seen.append(list(EvidenceFile(path).read()))
        return create(body)

    monkeypatch.setattr(one.shipper, "create", look)
    assert one.send().done
    assert seen[0] == ([("create", None)], ("sending", None), N)
    (line,) = seen[1]
    assert {key: line[key] for key in ("what", "order_id", "number", "call", "time")} == {
        "what": "number", "order_id": "a1", "number": N, "call": "create", "time": "2026-12-01T20:00:00Z",
    }  # fmt: skip
    assert "342.k" not in json.dumps(line), "no key"
    assert one.outcomes() == [("create", "done")]


def test_o6_1_nothing_leaves_without_a_line(one: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, lines: object, *, durable: bool = True) -> None:
        raise OSError("no room")

    monkeypatch.setattr(EvidenceFile, "append", full)
    with pytest.raises(OSError, match="no room"):
        one.send()
    assert one.shipper.writes() == []
    assert one.outcomes() == [("create", None)], "unknown, so it is read"


def test_o6_1_no_body_is_kept_only_what_was_sent(one: Dispatch) -> None:
    one.send()
    told = json.dumps(one.copy() | {"raw.commerce7_orders": [], "raw.vinoshipper_sent_orders": []}, default=str)
    assert not [word for word in ("Vine", "Sample Road", "example.com", "7075550123", "1980") if word in told]
    sent = json.loads(str(one.row().sent))
    assert set(sent) == {"lines", "money", "rate", "ship_date", "state", "zip"}


def test_o4_4_activity_tells_what_happened_and_who_wanted_it(one: Dispatch) -> None:
    one.send(who="cli:ada")
    rows = one.rows("select kind, text, who from synced.order_activity order by seq")
    assert rows == [
        ("person", "send", "cli:ada"),
        ("sending", f"create {N}", "cli:ada"),
        ("answered", "sent: status SUCCESS, OPEN", "cli:ada"),
    ]


# --- 6.2: read, then write --------------------------------------------------------------------------------------------


def test_o6_2_every_write_follows_a_read_and_an_order_that_is_sent_costs_two_requests(one: Dispatch) -> None:
    assert one.send().done
    assert one.shipper.log == [READ, CREATE]
    assert one.send().done
    assert one.shipper.log == [READ, CREATE], "it is sent: nothing"


def test_o6_2_a_read_of_this_sync_serves_while_it_is_young(one: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    session = one.session()
    session.desk.read(N)
    sending.send(session, "a1")
    assert one.shipper.log == [READ, CREATE]
    other = one.add(order_id="a2", number="1002", customerId="c2")
    one.take_in(other)
    number = "HILLSIDE-1002"
    session.desk.read(number)
    look = session.desk.looks[number]
    session.desk.looks[number] = replace(look, at=look.at - 25)
    sending.send(session, "a2")
    assert one.shipper.log[2:] == [("read", number), ("read", number), ("create", number)]


def test_o6_2_a_write_that_waits_too_long_is_kept_back_and_read_anew(
    one: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.give_up_after = 60
    session, guards = one.session(), []
    http, write, clock = session.client(vinoshipper.CONNECTOR).http, one.shipper.create, time.monotonic

    def create(body: Any) -> Any:
        assert http.guard is not None
        guards.append(http.guard())
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: clock() + 29.5)
            guards.append(http.guard())
        if len(guards) < 3:
            one.shipper.log.append(("kept back", N))
            return NotReached(KeptBack("too old", system="vinoshipper", call="create"))
        return write(body)

    monkeypatch.setattr(one.shipper, "create", create)
    assert sending.send(session, "a1").done
    assert one.shipper.log == [READ, ("kept back", N), READ, CREATE]
    assert guards == [True, False, True, False]
    assert http.guard is None


@pytest.mark.parametrize(
    ("status", "order_status", "stands"),
    [
        ("SUCCESS", "OPEN", ("sent", None)),
        ("SUCCESS", "SHIPPED", ("sent", None)),
        ("SUCCESS", "CANCELLED", ("voided", None)),
        ("DELETED", None, ("voided", None)),
        ("PENDING", "OPEN", ("sending", None)),
        ("PROBLEM", "PROBLEM", ("failed", "problem")),
    ],
)
@pytest.mark.parametrize("meta", ["echoed", "dropped"])
def test_o6_2_ours_is_adopted_and_not_written(
    one: Dispatch, status: str, order_status: str | None, stands: tuple[str, str | None], meta: str
) -> None:
    other = Dispatch(one.folder / "other", shipper=one.shipper, slot=1)
    other.take_in(other.add())
    one.shipper.meta_fields = meta
    other.send()
    one.shipper.change(N, status=status, order_status=order_status, compliance=Compliance.NOT_CHECKED)
    one.shipper.log.clear()
    ended = one.send()
    assert (one.shipper.writes(), one.stands(), ended.done) == ([], stands, stands[0] == "sent")
    assert "adopted" in one.notes()
    assert one.reports[-1].tally["adopted"] == (stands[0] in ("sent", "voided"))
    assert one.reports[-1].tally["sent"] == one.reports[-1].tally["voided"] == 0
    assert one.row().vs_number == N
    assert one.row().judged_content is not None


def test_ruling_11_an_adopted_order_compares_from_what_was_read_at_adoption(one: Dispatch) -> None:
    one.send()
    one.shipper.change(N, total=Decimal("90.00"))
    one.lose_file()
    one.take_in("a1")
    one.send()
    assert one.notes() == {"adopted"}
    sent = json.loads(str(one.row().sent))
    assert (sent["money"], sent["zip"], sent["lines"]) == (
        {"total": "90.00"}, "94558", [{"sku": "CAB-2020", "quantity": 2}],
    )  # fmt: skip
    assert one.row().sent_hash is not None


@pytest.mark.parametrize("shown", [{}, {"shop_order_id": "b9"}, {"zip5": None, "quantities": None}])
def test_o6_2_somebody_elses_number_is_taken_read_hourly_and_never_written(one: Dispatch, shown: Any) -> None:
    one.shipper.held[N] = bought(one, **shown)
    assert not one.send().done
    assert (one.stands(), one.shipper.writes()) == (("failed", "number_taken"), [])
    for _ in range(5):
        one.later(minutes=30)
        one.sync()
    assert (one.stands(), one.shipper.writes()) == (("failed", "number_taken"), [])
    assert one.shipper.log.count(READ) == 1 + 2
    edit(one)
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("failed", "number_taken"), [])
    edit(one, giftMessage="Cheers")
    reads = one.shipper.log.count(READ)
    one.sync()
    assert one.shipper.log.count(READ) == reads, "the content was judged, and found so"


def test_o6_2_a_taken_number_that_becomes_ours_is_adopted(one: Dispatch) -> None:
    one.shipper.held[N] = bought(one)
    one.send()
    one.shipper.held[N] = bought(one, shop_order_id="a1")
    one.later(hours=1)
    one.sync()
    assert (one.stands(), one.notes()) == (("sent", None), {"adopted"})


@pytest.mark.parametrize(
    "error",
    [
        TryLater("down", system="vinoshipper", call="order", http_status=500),
        BadAnswer("hollow", system="vinoshipper", call="order", http_status=200),
    ],
)
def test_o6_2_anything_but_a_404_in_json_sends_nothing_and_waits(one: Dispatch, error: Any) -> None:
    one.shipper.next_reads = [error]
    ended = one.send()
    assert (one.stands(), one.shipper.writes(), ended.error) == (("waiting", "try_later"), [], error)
    assert one.send().done


def test_o6_2_a_hollow_read_sends_nothing(one: Dispatch) -> None:
    one.shipper.held[N] = bought(one, shop_order_id="a1", status=None, order_status=None, compliance="not_checked")
    one.send()
    assert (one.stands(), one.shipper.writes()) == (("waiting", "try_later"), [])


def test_r40_many_orders_that_cannot_be_read_are_the_systems_trouble(one: Dispatch) -> None:
    for i in range(2, 8):
        one.take_in(one.add(order_id=f"a{i}", number=f"100{i}"))
    one.shipper.next_reads = [TryLater("down", system="vinoshipper", call="order", http_status=500)] * 7
    with pytest.raises(TryLater):
        list(sending.each(one.session(), [f"a{i}" for i in range(1, 8)]))
    assert len(one.shipper.log) == 5


def test_a_key_that_vs_does_not_accept_stops_the_merchant(one: Dispatch) -> None:
    one.shipper.next_reads = [BadKey("no", system="vinoshipper", call="order", http_status=401)]
    with pytest.raises(BadKey):
        one.send()
    assert one.stands() == ("waiting", "auth")
    one.shipper.next = ["auth"]
    with pytest.raises(BadKey):
        one.send()
    assert (one.stands(), one.outcomes()) == (("waiting", "auth"), [("create", "not_reached")])
    assert one.send().done


# --- also_look_for: plain ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "stands"),
    [
        ({"zip5": "94558"}, "sent"),
        ({"quantities": {"CAB-2020": 2}}, "sent"),
        ({}, "failed"),
        ({"zip5": "94558", "shop_order_id": "b9"}, "failed"),
    ],
)
def test_o6_2_plain_adopts_what_looks_alike_under_that_number(one: Dispatch, shown: Any, stands: str) -> None:
    one.settings = {"also_look_for": "plain"}
    one.shipper.held["1001"] = bought(one, "1001", **shown)
    one.send()
    assert (str(one.row().state), one.shipper.writes()) == (stands, [])
    assert one.row().code == (None if stands == "sent" else "number_taken")
    assert one.row().vs_number == ("1001" if stands == "sent" else N)
    assert ("adopted" in one.notes()) == (stands == "sent")


def test_o6_2_plain_is_looked_for_before_a_first_create_only(one: Dispatch) -> None:
    one.settings = {"also_look_for": "plain"}
    one.shipper.next = [RefusedWrite("VALIDATION", http_status=400)]
    one.send()
    one.send()
    assert one.shipper.log == [READ, ("read", "1001"), CREATE, READ, CREATE]


# --- 6.3: what answers mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["200_pending", "400_compliance"])
def test_o4_2_compliance_fails_the_order_and_time_alone_changes_nothing(one: Dispatch, how: str) -> None:
    one.shipper.trouble[N], one.shipper.problem_answer = ("PENDING", VIOLATED), how
    one.sync()
    assert one.stands() == ("failed", "compliance")
    assert (one.row().compliance, "no wine there" in one.row().problems) == ("not_compliant", True)
    for _ in range(4):
        one.later(hours=17)
        one.sync()
    assert one.shipper.writes() == [CREATE]


@pytest.mark.parametrize("how", ["200_pending", "400_compliance"])
def test_o4_2_changed_content_is_updated_where_it_stands_and_created_where_it_does_not(one: Dispatch, how: str) -> None:
    one.shipper.trouble[N], one.shipper.problem_answer = ("PENDING", VIOLATED), how
    one.sync()
    one.shipper.trouble.clear()
    edit(one)
    one.later(minutes=1)
    one.sync()
    assert one.stands() == ("sent", None)
    assert one.shipper.writes() == [CREATE, UPDATE if how == "200_pending" else CREATE]
    assert one.shipper.accepted == {"a1": [N]}
    assert one.shipper.findings == []
    assert one.notes() == set()


def test_o8_failed_counts_from_not_failed_to_failed(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    first = one.sync()
    edit(one)
    second = one.sync()
    assert (first.counts["failed"], second.counts["failed"]) == (1, 0)
    assert one.shipper.writes() == [CREATE, UPDATE]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (RefusedWrite("COMPLIANCE", is_compliance=True), "compliance"),
        (RefusedWrite("VALIDATION"), "validation"),
        (RefusedWrite("PAYMENT_FAILURE"), "payment"),
        (RefusedWrite("VALIDATION", (Problem("AGE_VERIFICATION_FAILED", None, None),)), "age_verification"),
        (RefusedWrite("VALIDATION", unknown_keys=("products",)), "validation"),
    ],
)
def test_o4_2_a_refusal_fails_by_the_first_code_that_fits(one: Dispatch, answer: RefusedWrite, code: str) -> None:
    one.shipper.next = [answer]
    one.send()
    assert (one.stands(), one.outcomes()) == (("failed", code), [("create", "refused")])


def test_o6_3_a_conflict_is_read_and_ours_is_adopted(one: Dispatch) -> None:
    one.shipper.next = ["lost_after"]
    one.shipper.late_commit = True
    one.send()
    assert one.stands() == ("sending", None)
    one.shipper.veils.clear()
    held = one.shipper.held.pop(N)
    one.shipper.next = [Conflict(409)]
    for _ in range(3):
        one.later(minutes=5)
        if len(one.shipper.next) == 0:
            break
        one.sync()
    assert one.stands() == ("failed", "number_taken"), "nothing shows what has the number"
    one.shipper.held[N] = held
    one.later(hours=1)
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, CREATE])


def test_o6_3_a_conflict_with_somebody_elses_order(one: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    create = one.shipper.create

    def late(body: Any) -> Any:
        one.shipper.held[N] = bought(one)
        return create(body)

    monkeypatch.setattr(one.shipper, "create", late)
    one.send()
    assert (one.stands(), one.outcomes()) == (("failed", "number_taken"), [("create", "conflict")])


def test_o6_3_an_answer_that_is_another_orders_is_not_ours(one: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    one.shipper.duplicate_number = "returns_existing"
    create = one.shipper.create

    def late(body: Any) -> Any:
        one.shipper.held[N] = bought(one, shop_order_id="b9")
        return create(body)

    monkeypatch.setattr(one.shipper, "create", late)
    one.send()
    assert (one.stands(), one.outcomes()) == (("failed", "number_taken"), [("create", "conflict")])


def test_o6_3_an_answer_under_another_number_is_never_followed_by_another_create(one: Dispatch) -> None:
    answer = Done(bought(one, "9000001", shop_order_id="a1"), 200)
    one.shipper.next = [answer]
    one.send()
    for _ in range(6):
        one.later(minutes=20)
        one.sync()
    assert (one.stands(), one.shipper.writes()) == (("failed", "number_taken"), [CREATE])


def test_o6_4_after_an_answer_under_another_number_one_read_without_it_lets_nobody_create_again(one: Dispatch) -> None:
    one.shipper.late_commit, one.shipper.duplicate_number = True, "second_order"
    create = one.shipper.create
    one.shipper.create = lambda body: (create(body), UnknownOutcome("another_record", 200))[1]  # type: ignore[method-assign]
    one.send()
    one.send(who="cli:ada")
    one.send(who="cli:ada")
    assert (one.shipper.writes(), one.shipper.accepted) == ([CREATE], {"a1": [N]})
    assert one.stands() == ("sent", None)


def test_o6_6_what_answers_a_create_ships_to_our_zip_and_lost_a_line_is_ours_and_differs(one: Dispatch) -> None:
    one.shipper.meta_fields = "dropped"
    keep = one.shipper.order
    one.shipper.order = lambda *a, **k: replace(keep(*a, **k), quantities={"CAB-2020": 1})  # type: ignore[method-assign]
    one.send()
    assert (one.stands(), one.notes()) == (("sent", None), {"differs_there"})
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE])


def test_o6_4_not_reached_is_read_and_sent_again_in_the_same_sync(
    one: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(sending, "_sleep", waits.append)
    one.give_up_after, one.shipper.next = 60, ["not_reached", "not_reached"]
    assert one.send().done
    assert one.shipper.log == [READ, CREATE] * 3
    assert one.outcomes() == [("create", "not_reached")] * 2 + [("create", "done")]
    assert waits == [1.0, 2.0]


def test_o6_4_not_reached_for_long_stays_sending_and_fails_after_a_day(one: Dispatch) -> None:
    one.shipper.next = ["not_reached"] * 100
    one.sync(fails=TryLater)
    assert one.stands() == ("sending", None)
    one.later(hours=23, minutes=59)
    one.sync(fails=TryLater)
    assert one.stands() == ("sending", None)
    one.later(minutes=1)
    session = one.sync(fails=TryLater)
    assert one.stands() == ("failed", "not_reachable")
    assert session.counts["failed"] == 1
    session = one.sync(fails=TryLater)
    assert (one.stands(), session.counts["failed"]) == (("failed", "not_reachable"), 0)
    assert one.shipper.log == [READ, CREATE] * 4, "reads and tries go on in each sync"
    one.at = one.at.replace(month=12, day=16, hour=23)
    one.sync()
    assert one.stands() == ("failed", "late"), "until it is late"
    one.shipper.next.clear()
    one.send(accept={"late"}, who="cli:ada")
    assert one.stands() == ("sent", None)


def test_o4_2_not_reachable_that_is_reached_is_sent(one: Dispatch) -> None:
    one.shipper.next = ["not_reached"] * 2
    one.sync(fails=TryLater)
    one.later(hours=24)
    one.sync(fails=TryLater)
    assert one.stands() == ("failed", "not_reachable")
    one.sync()
    assert (one.stands(), one.shipper.accepted) == (("sent", None), {"a1": [N]})


# --- keys that VS does not know ---------------------------------------------------------------------------------------


def test_o5_1_a_key_that_is_refused_is_dropped_for_good_and_the_call_repeated_after_a_read(one: Dispatch) -> None:
    one.shipper.unknown_keys = ("sourceUrl", "isPaid", "disableCustomerNotifications")
    assert one.send().done
    assert one.shipper.log == [READ, CREATE, READ, CREATE]
    assert not set(one.shipper.unknown_keys) & set(one.shipper.bodies[-1])
    assert one.shipper.bodies[-1]["paid"] is True
    assert one.notes("") == {"key_refused"}
    one.take_in(one.add(order_id="a2", number="1002"))
    one.send("a2")
    assert one.shipper.log[4:] == [("read", "HILLSIDE-1002"), ("create", "HILLSIDE-1002")]


@pytest.mark.parametrize("paid_key", ["both", "paid", "isPaid"])
def test_ruling_9_both_paid_keys_refused_fails_and_the_last_one_stays(one: Dispatch, paid_key: str) -> None:
    one.settings = {"paid_key": paid_key}
    one.shipper.unknown_keys = ("paid", "isPaid")
    one.send()
    assert one.stands() == ("failed", "validation")
    assert all(body.get("paid") or body.get("isPaid") for body in one.shipper.bodies)
    assert len(one.shipper.bodies) == (2 if paid_key == "both" else 1)
    assert one.shipper.held == {}


@pytest.mark.parametrize("keys", [("paid",), ("isPaid",)])
def test_ruling_9_one_paid_key_refused_goes_with_the_other(one: Dispatch, keys: tuple[str, ...]) -> None:
    one.shipper.unknown_keys = keys
    assert one.send().done
    assert one.notes() == set()


def test_o5_1_a_key_refused_to_an_update_is_dropped_and_the_update_repeated(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.trouble.clear()
    one.shipper.unknown_keys = ("fees", "sourceUrl", "metaFields")
    edit(one)
    one.sync()
    assert one.stands() == ("sent", None)
    assert one.shipper.writes() == [CREATE, UPDATE, UPDATE]
    assert one.shipper.findings == []


# --- the rules are asked again on the very read that is sent ----------------------------------------------------------


def test_o4_1_judged_again_on_the_read_that_is_sent(one: Dispatch) -> None:
    one.shop.orders["a1"]["paymentStatus"] = "Cancelled"
    one.shop.orders["a1"]["updatedAt"] = "2026-12-01T20:00:00.000Z"
    one.send()
    assert (one.stands(), one.shipper.log) == (("not_required", "cancelled"), [READ]), "VS is looked at first (`+`)"
    assert one.shop.reads.count("a1") == 2


@pytest.mark.parametrize(("hinted", "reads"), [(False, 2), (True, 3)])
def test_ruling_2_the_read_of_the_shop_is_young(one: Dispatch, hinted: bool, reads: int) -> None:
    session = one.session()
    session.reads["a1"] = time.monotonic() - 60
    if hinted:
        session.hinted.add("a1")
    assert sending.send(session, "a1").done
    assert one.shop.reads.count("a1") == reads - 1


def test_o3_a_read_of_the_shop_over_120_seconds_old_is_made_anew(one: Dispatch) -> None:
    session = one.session()
    session.reads["a1"] = time.monotonic() - 121
    sending.send(session, "a1")
    assert one.shop.reads.count("a1") == 2


def test_o3_the_customer_is_read_where_the_order_has_none(one: Dispatch) -> None:
    one.take_in(one.add(order_id="a2", number="1002", customer=None))
    assert one.send("a2").done
    assert one.shop.reads[-1] == "c-a2"
    assert one.shipper.bodies[-1]["customer"]["email"] == "ada@example.com"


def test_an_order_that_the_shop_does_not_show_is_not_sent(one: Dispatch) -> None:
    one.shop.orders.clear()
    one.send()
    assert (one.stands(), one.shipper.log, one.notes()) == (("waiting", "try_later"), [], {"gone_at_commerce7"})


def test_an_order_that_the_shop_cannot_tell_now_waits(one: Dispatch) -> None:
    error = TryLater("down", system="commerce7", call="order", http_status=500)
    one.shop.failing = [error]
    assert one.send().error is error
    assert (one.stands(), one.shipper.log) == (("waiting", "try_later"), [])


def test_o4_1_a_refund_that_is_linked_and_not_held_is_read_before_anything_is_sent(one: Dispatch) -> None:
    refund = shop_order(
        "r1", "1009", purchaseType="Refund", previousOrderId="a1", total=-9500,
        items=[{**shop_order()["items"][0], "quantity": -2}],
    )  # fmt: skip
    one.shop.orders |= {"r1": refund}
    one.shop.orders["a1"] |= {"linkedOrders": [{"orderId": "r1"}], "updatedAt": "2026-12-01T20:00:00.000Z"}
    one.send()
    assert (one.stands(), one.shipper.writes()) == (("not_required", "refunded"), [])


@pytest.mark.parametrize(("kind", "waits"), [("Refund", True), (None, True), ("Exchange", True), ("Regular", False)])
def test_o4_1_a_linked_order_that_answers_404_may_be_a_refund_that_does_not_show_yet(
    one: Dispatch, kind: str | None, waits: bool
) -> None:
    named = {"orderId": "r1", "purchaseType": kind}
    one.shop.orders["a1"] |= {"linkedOrders": [named], "updatedAt": "2026-12-01T20:00:00.000Z"}
    one.send()
    assert one.stands() == (("waiting", "try_later") if waits else ("sent", None))
    one.later(minutes=14)
    one.send()
    assert (one.shipper.writes() == []) == waits
    one.later(minutes=1)
    one.send()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE]), "it is not there for good"


# --- people -----------------------------------------------------------------------------------------------------------


def test_o8_send_lifts_dont_send_and_reads_nothing_back(one: Dispatch) -> None:
    with one.db() as db:
        ledger.store(db, replace(one.row(), state=State.NOT_REQUIRED, code="dont_send"))
    one.send()
    assert one.stands() == ("not_required", "dont_send")
    assert one.send(who="cli:ada").done
    assert one.row().looked_back


def test_o8_a_caution_is_passed_for_the_one_command(one: Dispatch) -> None:
    one.at = one.at.replace(day=20)
    one.send()
    assert one.stands() == ("failed", "late")
    ended = one.send(who="cli:ada")
    assert (ended.done, ended.why, ended.passable) == (False, "late", True)
    assert one.send(who="cli:ada", accept={"late"}).done


def test_o8_a_person_cannot_send_what_is_not_settled(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    one.send()
    ended = one.send(who="cli:ada")
    assert (ended.done, ended.why, one.shipper.writes()) == (False, "unsettled", [CREATE])
    one.shipper.status_after_create = "pending"
    one.later(hours=2)
    two = one.add(order_id="a2", number="1002")
    one.take_in(two)
    one.send("a2")
    assert one.send("a2", who="cli:ada").why == "unsettled"


def test_o8_a_person_sends_a_failed_one_again(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.send()
    ended = one.send(who="cli:ada")
    assert (ended.done, ended.why) == (False, "compliance")
    one.shipper.trouble.clear()
    assert one.send(who="cli:ada").done
    assert one.shipper.writes() == [CREATE, UPDATE, UPDATE]


def test_o2_shadow_sends_nothing(one: Dispatch) -> None:
    one.settings = {"mode": "shadow"}
    assert one.send(who="cli:ada").why == "shadow"
    assert (one.shipper.log, one.shop.reads) == ([], ["a1"])


def test_o5_1_a_number_once_used_is_never_another_for_this_order(one: Dispatch) -> None:
    one.shipper.trouble[N], one.shipper.problem_answer = ("PENDING", VIOLATED), "400_compliance"
    one.send()
    one.settings = {"number_prefix": "OTHER"}
    one.shipper.trouble.clear()
    assert one.send(who="cli:ada").done
    assert one.shipper.accepted == {"a1": [N]}
    one.take_in(one.add(order_id="a2", number="1002"))
    one.send("a2")
    assert one.row("a2").vs_number == "OTHER-1002"
    assert one.rows("select value from synced.order_facts where name = 'prefix'") == [('"OTHER"',)]


def test_ruling_2_a_pending_order_is_not_written_again(one: Dispatch) -> None:
    one.shipper.status_after_create = "AWAITING_REVIEW"
    for _ in range(5):
        one.sync()
        one.later(minutes=14)
    assert (one.stands(), one.notes(), one.shipper.writes()) == (("sending", None), {"pending"}, [CREATE])
    one.shipper.change(N, status="SUCCESS")
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE])


@pytest.mark.parametrize("how", ["400", "updates", "ignored"])
def test_o13_an_accepted_order_is_never_altered_by_an_update(one: Dispatch, how: str) -> None:
    one.shipper.trouble[N], one.shipper.put_accepted = ("PENDING", VIOLATED), how
    one.sync()
    one.shipper.change(N, status="SUCCESS", problems=(), order_status="OPEN", compliance=Compliance.COMPLIANT)
    edit(one)
    one.sync()
    assert (one.stands(), one.shipper.writes(), one.shipper.findings) == (("sent", None), [CREATE], [])


def test_o6_2_a_shipped_order_is_not_updated_whatever_its_status(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.change(N, order_status="SHIPPED")
    edit(one)
    one.sync()
    assert one.shipper.writes() == [CREATE]


# --- what an answer leaves out, and what comes late -------------------------------------------------------------------


def test_o6_3_an_answer_that_says_only_that_it_is_accepted_is_done(one: Dispatch, monkeypatch: Any) -> None:
    create = one.shipper.create

    def short(body: Any) -> Any:
        create(body)
        return Done(HeldOrder(N, "SUCCESS", None), 200)

    monkeypatch.setattr(one.shipper, "create", short)
    session = one.session()
    assert sending.send(session, "a1").done
    assert (one.shipper.log, session.counts["sent"], one.notes()) == ([READ, CREATE], 1, set())


def test_o6_2_an_earlier_try_that_shows_late_is_ours_though_the_order_was_edited(one: Dispatch) -> None:
    one.shipper.meta_fields, one.shipper.next = "dropped", ["lost_after"]
    one.shipper.late_commit = True
    one.sync()
    one.shipper.veils[N] = (3, None)
    to = {**one.shop.orders["a1"]["shipTo"], "zipCode": "94559"}
    edit(one, shipTo=to)
    for _ in range(5):
        one.later(minutes=6)
        one.sync()
    assert one.stands() == ("failed", "number_taken"), "VS refuses the number, and does not show what has it"
    one.later(hours=1)
    one.sync()
    assert (one.stands(), one.shipper.accepted) == (("sent", None), {"a1": [N]})


def test_o6_2_a_write_that_never_gets_its_turn_is_left_to_the_next_sync(one: Dispatch, monkeypatch: Any) -> None:
    def kept_back(body: Any) -> Any:
        return NotReached(KeptBack("too old", system="vinoshipper", call="create"))

    with monkeypatch.context() as patch:
        patch.setattr(one.shipper, "create", kept_back)
        one.sync()
    assert (one.stands(), one.outcomes()) == (("sending", None), [("create", "not_reached")] * 5)
    one.sync()
    assert one.stands() == ("sent", None)


def test_ruling_8_a_person_sends_what_an_unknown_sku_held_back_on_a_new_catalogue(one: Dispatch) -> None:
    sold: list[str] = ["PN"]
    one.shipper.catalogue = lambda: Catalogue(tuple(map(ShipperProduct, sold)), "products")  # type: ignore[method-assign]
    session = one.session()
    reads.read_catalogue_there(session)
    sending.send(session, "a1")
    assert one.stands() == ("failed", "unknown_sku")
    sold.append("CAB-2020")
    assert one.send(who="cli:ada").done
