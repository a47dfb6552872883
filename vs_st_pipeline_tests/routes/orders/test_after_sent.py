"""What happens at the shop after the send is noted, told and, if so set, voided; nothing is resent (orders.md 6.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7 import reading
from vs_st_pipeline.domain.order_desk import RefusedWrite
from vs_st_pipeline.routes.orders import after_sent
from vs_st_pipeline_tests.routes.orders.returning import Returns

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


@pytest.fixture
def back(tmp_path: Path) -> Returns:
    found = Returns(tmp_path)
    found.sent()
    found.back()
    return found


def refund(back: Returns, quantity: int, **changed: Any) -> None:
    items = [{**back.shop.orders["a1"]["items"][0], "quantity": -quantity}] if quantity else []
    given = {"total": -4000 * quantity, "purchaseType": "Refund", "previousOrderId": "a1", "items": items, **changed}
    back.add(order_id="r1", number="1900", **given)


@pytest.mark.parametrize(
    ("how", "note"),
    [("whole", "Wholly refunded"), ("part", "Partly refunded"), ("cancelled", "Cancelled"), ("shipping", None)],
)
def test_o6_5_taken_back_after_the_send(back: Returns, how: str, note: str | None) -> None:
    match how:
        case "cancelled":
            back.shop.orders["a1"]["paymentStatus"] = "Cancelled"
        case "shipping":
            refund(back, 0, total=-1500)
        case _:
            refund(back, 2 if how == "whole" else 1)
    session = back.back()
    assert back.notes() == ({"refunded_after_sent"} if note else set())
    if note:
        assert back.rows("select says from synced.order_notes") == [(note,)]
        assert [one.key for one in session.report.troubles] == ["orders"]
        assert "refunded_after_sent (1001)" in session.report.troubles[-1].says
        assert back.shop.lines()[-1] == "!Sent to Vinoshipper"
    assert back.shipper.writes() == [("create", "HILLSIDE-1001")]


@pytest.mark.parametrize("how", ["whole", "part", "cancelled"])
def test_o6_5_on_refund_void(tmp_path: Path, how: str) -> None:
    back = Returns(tmp_path, settings={"on_refund": "void"})
    back.sent()
    if how == "cancelled":
        back.shop.orders["a1"]["paymentStatus"] = "Cancelled"
    else:
        refund(back, 2 if how == "whole" else 1)
    back.back()
    back.back()
    if how == "part":
        assert (back.stands(), back.notes()) == (("sent", None), {"refunded_after_sent"})
    else:
        assert (back.stands(), back.notes()) == (("voided", None), set())
        assert back.shipper.cancels == {"HILLSIDE-1001": 1}


def test_o6_5_a_void_that_is_refused_is_tried_with_growing_gaps(tmp_path: Path) -> None:
    back = Returns(tmp_path, settings={"on_refund": "void"})
    back.sent()
    refund(back, 2)
    back.shipper.restore_key = "400"
    back.shipper.change(back.there(), order_status="OPEN")
    back.shipper.next = [RefusedWrite("VALIDATION", http_status=400)] * 10
    for _ in range(5):
        back.back()
    assert back.shipper.writes().count(("cancel", "HILLSIDE-1001")) == 1
    back.later(minutes=15)
    back.back()
    assert back.shipper.writes().count(("cancel", "HILLSIDE-1001")) == 2
    assert back.stands() == ("sent", None)


def test_o6_5_refunded_after_it_was_shipped_is_noted_only(back: Returns) -> None:
    refund(back, 2)
    back.back()
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    session = back.back()
    assert back.notes() == {"refunded_after_shipped"}
    assert "refunded_after_shipped" not in str([one.says for one in session.report.troubles])


def test_o6_5_changed_is_noted_by_field_and_gone_when_it_is_as_sent(back: Returns) -> None:
    first = back.shop.orders["a1"]
    back.shop.orders["a1"] = {**first, "shipTo": {**first["shipTo"], "address": "9 Other Road"}, "giftMessage": "Hi"}
    back.back()
    assert back.rows("select note, says from synced.order_notes") == [("changed_after_sent", "giftMessage, shipTo")]
    back.shop.orders["a1"] = {**first, "billTo": {**first["billTo"], "address": "8 Bill Road"}, "tags": [{"id": 1}]}
    back.back()
    assert back.notes() == set()
    assert back.shipper.writes() == [("create", "HILLSIDE-1001")]


def test_o4_2_gone_at_the_shop_is_noted_and_gone_when_it_is_there_again(back: Returns) -> None:
    gone = back.shop.orders["a1"]
    del back.shop.orders["a1"]
    session = back.session()
    assert reading.read_one(session.run, session.shop, "a1", "hint") is None
    back.back()
    assert back.notes() == {"gone_at_commerce7"}
    assert back.shop.lines() == ["Sent to Vinoshipper"], "there is nothing to tell it of"
    back.shop.orders["a1"] = gone
    back.back()
    assert back.notes() == set()


def test_o6_5_an_idle_look_loads_nothing(back: Returns, monkeypatch: pytest.MonkeyPatch) -> None:
    refund(back, 0, total=-1500)
    back.back()
    back.back()
    monkeypatch.setattr(after_sent, "refund_of", lambda *_: pytest.fail("loaded"))
    back.back()
