"""Orders are judged by what is held of them, when something of them is new, and what is decided stays (4.1, 4.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadAnswer, TryLater
from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.routes.orders import judging
from vs_st_pipeline_tests.routes.orders.desk_office import Office, open_office
from vs_st_pipeline_tests.routes.orders.dispatch import shop_order

PICKUP: dict[str, Any] = {"orderDeliveryMethod": "Pickup"}
FULFILLED: dict[str, Any] = {"fulfillmentStatus": "Fulfilled"}
AUTHORIZED: dict[str, Any] = {"paymentStatus": "Authorized"}
ELSEWHERE: dict[str, Any] = {"shipTo": {**shop_order()["shipTo"], "zipCode": "10001"}}
NEVADA: dict[str, Any] = {"shipTo": {**shop_order()["shipTo"], "stateCode": "NV", "zipCode": "89501"}}


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    return open_office(monkeypatch, tmp_path)


def activity(office: Office, order_id: str = "a1") -> list[str]:
    found = office.rows(f"select kind from synced.order_activity where order_id = '{order_id}' order by seq")
    return [row[0] for row in found]


def held_there(office: Office, order_id: str = "a1", **changed: Any) -> HeldOrder:
    """Let the shipper hold an order of ours."""
    number = f"HILLSIDE-{office.shop.orders[order_id]['orderNumber']}"
    given = {"status": "SUCCESS", "order_status": "OPEN", "shop_order_id": order_id, **changed}
    office.shipper.held[number] = HeldOrder(number, **given)
    return office.shipper.held[number]


def test_o4_2_a_new_order_is_seen_judged_and_sent(office: Office) -> None:
    office.add()
    office.whole()
    assert office.stands() == ("sent", None)
    assert activity(office)[:2] == ["seen", "judged"]
    told = office.told()
    assert (told["planned"]["send"], told["planned"]["held"], told["synced"]["sent"]) == (1, {}, 1)
    assert office.rows("select order_id from planned.orders_due") == []


def test_o4_2_what_is_unchanged_is_not_judged_again_and_makes_no_activity(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.add(**AUTHORIZED)
    office.add(order_id="a2", number="1002", **ELSEWHERE)
    office.whole()
    before = activity(office), activity(office, "a2")
    monkeypatch.setattr(judging.rules, "judge", lambda *_: pytest.fail("judged again"))
    office.whole()
    assert (activity(office), activity(office, "a2")) == before
    told = office.told()
    assert told["planned"]["held"] == {"not_paid": 1, "zip_state": 1}
    assert told["planned"]["noted"] == {"failed_before": 1}
    assert (told["synced"]["failed"], told["open"], told["status"]) == (0, 1, "ok")


def test_o4_2_a_changed_setting_counts_for_what_is_not_decided(office: Office) -> None:
    office.add(**ELSEWHERE)
    office.add(order_id="a2", number="1002", **NEVADA)
    office.whole()
    assert (office.stands(), office.stands("a2")) == (("failed", "zip_state"), ("not_required", "state_not_chosen"))
    office.settings |= {"zip_state": "note", "states": frozenset({"CA", "NV"})}
    office.whole()
    assert office.stands() == ("sent", None)
    assert office.stands("a2") == ("not_required", "state_not_chosen")  # never reopened by a setting alone
    assert "zip_state" in office.notes()


def test_o4_2_changed_content_reopens_what_is_not_required(office: Office) -> None:
    office.add(**PICKUP)
    office.whole()
    assert office.stands() == ("not_required", "pickup")
    office.add(updatedAt="2026-12-01T19:30:00.000Z")
    office.whole()
    assert office.stands() == ("sent", None)


def test_o4_2_failed_by_a_rule_becomes_late_and_of_age_by_time(office: Office) -> None:
    office.add(**ELSEWHERE)
    office.whole()
    office.later(days=14)
    office.whole()
    assert office.stands() == ("failed", "late")
    assert office.told()["synced"]["failed"] == 0  # it was failed before


def test_o4_2_failed_there_is_judged_again_by_content_not_by_time_or_setting(office: Office) -> None:
    office.add()
    office.whole()
    with office.db() as db, db.transaction():
        db.execute("update synced.orders set state = 'failed', code = 'compliance', sent_at = null")
    office.shipper.held.clear()
    office.settings |= {"zip_state": "note"}
    office.later(days=2)
    office.whole()
    assert office.stands() == ("failed", "compliance")
    assert office.told()["planned"]["held"] == {}


def test_o4_2_a_number_that_is_taken_is_not_written_but_what_a_rule_says_of_its_order_counts(office: Office) -> None:
    office.add()
    held_there(office, shop_order_id="b9")
    office.whole()
    assert office.stands() == ("failed", "number_taken")
    office.add(giftMessage="Cheers", updatedAt="2026-12-01T19:30:00.000Z")
    office.whole()
    del office.shipper.held["HILLSIDE-1001"]
    office.add(giftMessage="Cheers!", updatedAt="2026-12-01T19:31:00.000Z")
    office.whole()
    assert (office.stands(), office.shipper.writes()) == (("failed", "number_taken"), []), "ruling 8"
    office.add(paymentStatus="Cancelled", updatedAt="2026-12-01T19:32:00.000Z")
    office.whole()
    assert office.stands() == ("not_required", "cancelled"), "nobody ships it by hand any more"


# --- `+`: the shipper is looked at first -----------------------------------------------------------------------------


def later_syncs(office: Office) -> None:
    """Leave the first sync of the ledger behind."""
    office.whole()
    office.later(hours=1)
    office.reads()


def test_ruling_4_in_a_first_sync_all_but_four_codes_are_looked_for(office: Office) -> None:
    office.add(**PICKUP)
    office.add(order_id="a2", number="1002", purchaseType="Refund", total=-9500)
    office.add(order_id="a3", number="1003", **ELSEWHERE)
    held_there(office, "a3")
    office.whole()
    assert office.reads() == ["HILLSIDE-1001", "HILLSIDE-1003"]
    assert office.stands() == ("not_required", "pickup")
    assert office.stands("a3") == ("sent", None)
    assert office.told()["synced"]["adopted"] == 1


def test_o4_1_later_only_the_codes_with_a_plus_are_looked_for_and_once(office: Office) -> None:
    later_syncs(office)
    office.add(**PICKUP)
    office.add(order_id="a2", number="1002", **FULFILLED)
    office.whole()
    assert office.reads() == ["HILLSIDE-1002"]
    assert office.stands("a2") == ("not_required", "fulfilled_already")
    office.add(order_id="a2", number="1002", giftMessage="Cheers", **FULFILLED)
    office.whole()
    assert office.reads() == []


def test_o4_1_a_verdict_waits_until_the_shipper_was_read(office: Office) -> None:
    later_syncs(office)
    office.add(**FULFILLED)
    office.shipper.next_reads = [TryLater("down", system="vinoshipper", call="order", http_status=503)]
    with pytest.raises(TryLater):
        office.whole()
    assert office.stands() == ("waiting", "try_later")
    held_there(office)
    office.whole()
    assert office.stands() == ("sent", None)


def test_ruling_4_at_most_300_looks_a_sync(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_READS", 2)
    later_syncs(office)
    for n in range(5):
        office.add(order_id=f"a{n}", number=f"100{n}", **FULFILLED)
    for left in (3, 1, 0):
        office.whole()
        waiting = office.rows("select count(*) from synced.orders where state = 'waiting'")
        assert waiting == [(left,)]


def test_o6_2_what_is_adopted_failed_stands_as_it_is_there(office: Office) -> None:
    """A compliance failure is never retried by time."""
    later_syncs(office)
    office.add(**FULFILLED)
    held_there(office, status="PROBLEM", order_status="PROBLEM")
    office.whole()
    assert office.stands() == ("failed", "problem")
    office.shop.orders["a1"]["fulfillmentStatus"] = "Not Fulfilled"
    office.shop.lists = set()
    office.whole()
    assert office.shipper.writes() == []


# --- what is read for a verdict --------------------------------------------------------------------------------------


def test_ruling_2_a_row_that_lacks_what_is_read_is_no_read(office: Office) -> None:
    office.shop.lacking = ("shipTo", "customer")
    office.add(**NEVADA)
    office.whole()
    assert office.shop.reads == ["a1"]
    assert office.stands() == ("not_required", "state_not_chosen")


def test_r40_a_row_that_lacks_something_decides_nothing_while_its_order_cannot_be_read(office: Office) -> None:
    office.shop.lacking = ("customer",)
    office.add(customerId=None)
    office.shop.failing = [BadAnswer("hollow", system="commerce7", call="order", http_status=200)]
    office.whole()
    assert office.stands() == ("waiting", "try_later")
    assert office.told()["planned"]["noted"] == {"unreadable": 1}
    office.whole()
    assert office.stands() == ("sent", None)


def test_r40_what_was_decided_before_stands_while_an_order_cannot_be_read(office: Office) -> None:
    office.shop.lacking = ("customer",)
    office.add(customerId=None, customer=None)
    office.whole()
    assert office.stands() == ("failed", "no_email")
    office.add(customerId=None, updatedAt="2026-12-01T19:30:00.000Z", giftMessage="Cheers")
    office.shop.failing = [BadAnswer("hollow", system="commerce7", call="order", http_status=200)]
    office.whole()
    assert office.stands() == ("failed", "no_email")
    office.whole()
    assert office.stands() == ("sent", None)


def test_o3_an_order_whose_customer_cannot_be_read_waits_and_is_sent_when_it_can(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = office.shop.customer

    def down(customer_id: str) -> Any:
        raise TryLater("down", system="commerce7", call="customer", http_status=500)

    monkeypatch.setattr(office.shop, "customer", down)
    office.add(customer=None)
    office.whole()
    assert office.stands() == ("waiting", "try_later")
    told = office.told()
    assert (told["synced"]["failed"], told["planned"]["noted"]) == (0, {"unreadable": 1})
    monkeypatch.setattr(office.shop, "customer", customer)
    office.whole()
    assert office.stands() == ("sent", None)


@pytest.mark.parametrize("given", [{}, {"customer": None}])
def test_ruling_4_what_the_reads_of_a_sync_do_not_reach_is_not_judged_by_what_is_lacking(
    office: Office, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    monkeypatch.setattr(judging, "MOST_READS", 2)
    office.shop.lacking = ("customer",)
    for n in range(5):
        office.add(order_id=f"a{n}", number=f"100{n}", **given)
    for _ in range(8):
        office.whole()
        assert office.rows("select code from synced.orders where state = 'failed'") == []
    assert office.rows("select distinct state from synced.orders") == [("sent",)]


@pytest.mark.parametrize("system", ["commerce7", "vinoshipper"])
def test_r40_an_order_that_cannot_be_read_before_its_send_is_told(office: Office, system: str) -> None:
    for order_id, number in (("a1", "1001"), ("a2", "1002")):
        office.add(order_id=order_id, number=number)
    lie = BadAnswer("hollow", system=system, call="order", http_status=200)
    if system == "commerce7":
        office.shop.failing = [lie]
    else:
        office.shipper.next_reads = [lie]
    office.whole()
    assert (office.stands(), office.stands("a2")) == (("waiting", "try_later"), ("sent", None))
    assert office.told()["planned"]["noted"] == {"unreadable": 1}
    office.whole()
    assert office.stands() == ("sent", None)


def test_o4_1_a_verdict_that_needs_none_of_what_is_lacking_costs_no_read(office: Office) -> None:
    office.shop.lacking = ("customer", "selectedShippingOptions")
    office.add(**PICKUP)
    office.whole()
    assert office.shop.reads == []
    assert office.stands() == ("not_required", "pickup")


def test_o4_1_linked_orders_are_read_singly_if_not_held(office: Office) -> None:
    refund = shop_order(
        "r1", "1002", purchaseType="Refund", total=-9500, previousOrderId="a1",
        items=[{**shop_order()["items"][0], "quantity": -2}],
    )  # fmt: skip
    office.shop.orders["r1"] = refund
    office.add(linkedOrders=[{"orderId": "r1", "orderNumber": 1002, "purchaseType": "Refund"}])
    office.shop.lists = {"a1"}
    office.whole()
    assert office.shop.reads == ["r1"]
    assert office.stands() == ("not_required", "refunded")
    assert office.stands("r1") == ("not_required", "refund")


def test_o4_2_a_refund_that_comes_in_has_its_order_judged_again(office: Office) -> None:
    office.add(**ELSEWHERE)
    office.whole()
    office.add(
        order_id="r1", number="1002", purchaseType="Refund", total=-9500, previousOrderId="a1",
        items=[{**shop_order()["items"][0], "quantity": -2}],
    )  # fmt: skip
    office.whole()
    assert office.stands() == ("not_required", "refunded")


def test_o3_the_catalogue_is_read_again_for_an_unknown_sku_and_hourly_while_one_stands(office: Office) -> None:
    office.add()
    office.whole()
    assert office.shipper.catalogues == 1
    new = [{**shop_order()["items"][0], "sku": "NEW-1"}]
    office.add(order_id="a2", number="1002", items=new)
    office.whole()
    assert (office.stands("a2"), office.shipper.catalogues) == (("failed", "unknown_sku"), 2)
    office.whole()
    assert office.shipper.catalogues == 2
    office.later(hours=1)
    office.shipper.skus = ("CAB-2020", "NEW-1")
    office.whole()
    assert (office.stands("a2"), office.shipper.catalogues) == (("sent", None), 3)


def test_o3_a_catalogue_that_shrank_is_not_believed(office: Office) -> None:
    office.shipper.skus = ("CAB-2020", *(f"S-{n}" for n in range(9)))
    office.whole()
    office.shipper.skus = ("OTHER",)
    office.later(minutes=5)
    office.add()
    office.add(order_id="a2", number="1002", items=[{**shop_order()["items"][0], "sku": "NEW-1"}])
    office.whole()
    assert office.stands() == ("sent", None)
    assert office.stands("a2") == ("sent", None)  # the last one is older than the order: it says nothing of it
    assert office.rows("select count(*) from raw.vinoshipper_products") == [(10,)]


def test_r68_a_catalogue_that_is_not_told_stops_nothing(office: Office) -> None:
    office.shipper.skus = BadAnswer("hollow", system="vinoshipper", call="products")
    office.add()
    session = office.whole()
    assert office.stands() == ("sent", None)
    assert list(session.told.parts) == ["products of the shipper"]


# --- "Don't Send" is read back ---------------------------------------------------------------------------------------


def test_o4_1_dont_send_is_read_back_once_for_what_was_first_seen_late(office: Office) -> None:
    office.add(orderPaidDate="2026-12-01T12:00:00.000Z")
    office.add(order_id="a2", number="1002", orderPaidDate="2026-12-01T19:50:00.000Z")
    office.shop.said = {"a1": "Don't Send"}
    office.whole()
    assert office.shop.asked == ["a1"]
    assert (office.stands(), office.stands("a2")) == (("not_required", "dont_send"), ("sent", None))
    assert office.told()["planned"]["send"] == 1
    assert office.told()["planned"]["held"] == {"dont_send": 1}
    office.whole()
    assert office.shop.asked == ["a1"]


@pytest.mark.parametrize("how", ["forbidden", "off"])
def test_o7_4_without_messages_nothing_is_read_back_and_all_else_goes_on(office: Office, how: str) -> None:
    if how == "off":
        office.settings["messages"] = "off"
    else:
        office.shop.said = None
    office.add(orderPaidDate="2026-12-01T12:00:00.000Z")
    office.whole()
    assert office.stands() == ("sent", None)
    assert office.shop.asked == ([] if how == "off" else ["a1"])


def test_o4_1_whoever_moves_up_because_another_is_kept_back_is_read_back_too(office: Office) -> None:
    office.settings["send_at_most"] = 1
    for n in (1, 2, 3):
        office.add(order_id=f"a{n}", number=f"100{n}", orderPaidDate=f"2026-12-01T1{n}:00:00.000Z")
    office.shop.said = {"a1": "Don't Send", "a2": "Don't Send"}
    office.whole()
    assert [office.stands(f"a{n}") for n in (1, 2, 3)] == [
        *[("not_required", "dont_send")] * 2, ("sent", None),
    ]  # fmt: skip
    assert office.shop.asked == ["a1", "a2", "a3"]


def test_o12_of_a_club_run_all_but_the_first_are_read_back_when_their_turn_comes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MOST_READS", 1)
    for n in (1, 2, 3, 4):
        office.add(order_id=f"a{n}", number=f"100{n}", orderPaidDate=f"2026-12-01T1{n}:00:00.000Z")
    office.shop.said = {"a3": "Don't Send"}
    office.whole()
    assert [office.stands(f"a{n}") for n in (1, 2, 3, 4)] == [
        *[("sent", None)] * 2, ("not_required", "dont_send"), ("sent", None),
    ]  # fmt: skip
    assert office.shop.asked == ["a1", "a2", "a3", "a4"]
    office.whole()
    assert office.shop.asked == ["a1", "a2", "a3", "a4"]
    assert office.told()["planned"]["held"] == {}


def test_o7_4_what_may_not_be_read_back_in_its_turn_is_sent(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_READS", 0)
    for n in (1, 2):
        office.add(order_id=f"a{n}", number=f"100{n}", orderPaidDate=f"2026-12-01T1{n}:00:00.000Z")
    office.shop.said = None
    office.whole()
    assert [office.stands(f"a{n}") for n in (1, 2)] == [("sent", None)] * 2
    assert office.shop.asked == ["a1"]


def test_o6_dont_send_is_read_back_where_the_ledger_stood_still_and_may_be_an_older_one(office: Office) -> None:
    office.add(orderPaidDate="2026-12-01T19:50:00.000Z", shipTo={**shop_order()["shipTo"], "zipCode": "1"})
    office.whole()
    office.shop.said = {"a1": "Don't Send"}
    office.later(minutes=16)
    office.add(orderPaidDate="2026-12-01T19:50:00.000Z", updatedAt="2026-12-01T20:10:00.000Z")
    office.whole()
    assert (office.stands(), office.shop.asked) == (("not_required", "dont_send"), ["a1"])


def test_o4_1_nothing_is_read_back_where_syncs_went_on(office: Office) -> None:
    office.add(orderPaidDate="2026-12-01T19:50:00.000Z", shipTo={**shop_order()["shipTo"], "zipCode": "1"})
    office.whole()
    office.later(minutes=14)
    office.add(orderPaidDate="2026-12-01T19:50:00.000Z", updatedAt="2026-12-01T20:10:00.000Z")
    office.whole()
    assert (office.stands(), office.shop.asked) == (("sent", None), [])


def test_o4_1_an_order_without_messages_does_not_keep_others_from_being_read_back(office: Office) -> None:
    for n in (1, 2):
        office.add(order_id=f"a{n}", number=f"100{n}", orderPaidDate=f"2026-12-01T1{n}:00:00.000Z")
    office.shop.said = {"a2": "Don't Send"}
    office.shop.unsaid = {"a1"}
    office.whole()
    assert (office.stands("a1"), office.stands("a2")) == (("sent", None), ("not_required", "dont_send"))


# --- who waits, and why ----------------------------------------------------------------------------------------------


def test_o2_send_at_most_sends_the_oldest_paid_first_and_queues_the_rest(office: Office) -> None:
    office.settings["send_at_most"] = 2
    for n, minute in enumerate((30, 10, 50, 20)):
        office.add(order_id=f"a{n}", number=f"100{n}", orderPaidDate=f"2026-12-01T19:{minute}:00.000Z")
    office.whole()
    assert [office.stands(f"a{n}") for n in range(4)] == [
        ("waiting", "queued"), ("sent", None), ("waiting", "queued"), ("sent", None),
    ]  # fmt: skip
    assert office.told()["planned"]["send"] == 4
    office.whole()
    assert {office.stands(f"a{n}") for n in range(4)} == {("sent", None)}


def test_o2_shadow_reads_judges_and_writes_nothing(office: Office) -> None:
    office.settings["mode"] = "shadow"
    office.add()
    office.whole()
    assert (office.stands(), office.shipper.writes()) == (("waiting", "shadow"), [])
    assert office.told()["planned"]["send"] == 1
    office.whole()
    assert office.told()["planned"]["send"] == 1
    office.settings["mode"] = "live"
    office.whole()
    assert office.stands() == ("sent", None)


def test_o8_vinoshipper_down_keeps_what_commerce7_said(office: Office) -> None:
    office.shipper.skus = TryLater("down", system="vinoshipper", call="products", http_status=503)
    office.add()
    office.add(order_id="a2", number="1002", **AUTHORIZED)
    with pytest.raises(TryLater):
        office.whole()
    assert (office.stands(), office.stands("a2")) == (("waiting", "try_later"), ("waiting", "not_paid"))
    assert office.reads() == []


# --- before start ----------------------------------------------------------------------------------------------------


def test_o4_1_of_an_order_before_start_only_the_id_is_kept(office: Office) -> None:
    office.add(orderPaidDate="2026-10-30T12:00:00.000Z")
    office.whole()
    assert office.rows("select body from raw.commerce7_orders") == [(None,)]
    assert office.rows("select order_id from synced.orders") == []
    assert office.rows("select order_id from synced.order_activity") == []
    assert office.told()["planned"]["held"] == {}


def test_ruling_8_authorised_before_start_and_paid_after_it_is_sent(office: Office) -> None:
    before = {"orderPaidDate": None, "orderSubmittedDate": "2026-10-30T12:00:00.000Z", **AUTHORIZED}
    office.add(**before)
    office.whole()
    assert office.rows("select order_id from synced.orders") == []
    office.add(orderSubmittedDate="2026-10-30T12:00:00.000Z", updatedAt="2026-12-01T19:30:00.000Z")
    office.whole()
    assert office.stands() == ("sent", None)


def test_o2_a_start_that_is_moved_reopens_nothing(office: Office) -> None:
    from datetime import UTC, datetime

    office.add(orderPaidDate="2026-10-30T12:00:00.000Z")
    office.whole()
    office.settings["start"] = datetime(2026, 10, 1, tzinfo=UTC)
    office.add(orderPaidDate="2026-10-30T12:00:00.000Z", giftMessage="Cheers", updatedAt="2026-12-01T19:30:00.000Z")
    office.whole()
    assert office.shipper.writes() == []
