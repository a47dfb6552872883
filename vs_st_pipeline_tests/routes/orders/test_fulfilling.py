"""A shipped order is fulfilled once and its customer mailed once, whatever the shop answers (orders.md 7.2, 7.3).

It is long because each thing that may stand at the shop, and each answer, is tried here.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7 import writing
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, TryLater
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.routes.orders import fulfilling, watching
from vs_st_pipeline_tests.routes.orders.dispatch import PowerCut, power, shop_order
from vs_st_pipeline_tests.routes.orders.returning import Returns

SAMPLE = 2  # cases of each test in `make test`; the others count as pytest.mark.slow

UNKNOWN = ("lost_before", "lost_after", "hollow")


@pytest.fixture
def back(tmp_path: Path) -> Returns:
    found = Returns(tmp_path)
    found.sent()
    return found


def scanned(back: Returns, *numbers: str | None, **how: object) -> None:
    back.shipper.goes(back.there(), "SHIPPED", *(numbers or ("1Z1",)), **how)  # type: ignore[arg-type]


def test_o7_2_the_order_is_fulfilled_with_its_numbers_and_the_customer_mailed(back: Returns) -> None:
    scanned(back, "1Z1", "1Z2", "1Z1", shipped_at=back.at + timedelta(hours=1))
    back.later(hours=2)
    session = back.back()
    (post,) = back.shop.posts
    assert post == {
        "order_id": "a1",
        "whole": True,
        "sendTransactionEmail": True,
        "type": "Shipped",
        "fulfillmentDate": "2026-12-01T21:00:00.000Z",
        "shipped": {"trackingNumbers": ["1Z1", "1Z2"], "carrier": "UPS"},
        "packageCount": 2,
    }
    assert (back.fulfilled(), session.counts["fulfilled"], back.count_mails()) == ("done", 1, 1)
    back.back()
    assert (len(back.shop.posts), back.shop.findings) == (1, [])
    assert back.shop.asked["order"] == 0, "nothing is read that is done"


@pytest.mark.parametrize(
    ("there", "here"), [("UPS", "UPS"), ("FEDEX", "FedEx"), ("GLS", "GSO"), ("SELF", None), (None, None)]
)
def test_o7_2_carriers(back: Returns, there: str, here: str | None) -> None:
    scanned(back, "1Z1", carrier=there)
    back.back()
    assert back.shop.posts[0]["shipped"].get("carrier") == here


@pytest.mark.parametrize("numbers", [("1Z1", None), (None,), ()])
def test_o7_2_it_waits_for_all_numbers_then_goes_with_what_there_is(
    back: Returns, numbers: tuple[str | None, ...]
) -> None:
    back.shipper.goes(back.there(), "SHIPPED", *numbers)
    back.back()
    back.later(hours=5, minutes=59)
    back.back()
    assert back.shop.posts == []
    back.later(minutes=1)
    back.back()
    (post,) = back.shop.posts
    assert (post["shipped"]["trackingNumbers"], post["packageCount"]) == ([one for one in numbers if one], 1)


def test_o7_2_numbers_that_come_later_are_noted_and_told_and_nothing_is_written(back: Returns) -> None:
    scanned(back, "1Z1")
    back.back()
    back.shipper.goes(back.there(), "SHIPPED", "1Z1", "1Z9")
    back.shipper.change(back.there(), total=back.shipper.held[back.there()].total + 1)  # so that its row differs
    back.back()
    assert "tracking_changed" in back.notes()
    assert len(back.shop.posts) == 1
    assert back.shop.lines()[-1] == "!Shipped"
    assert "1Z9" in str(back.shop.said["a1"][-1])
    told = len(back.shop.lines())
    back.back()
    assert len(back.shop.lines()) == told


def test_ruling_7_picked_up_without_being_shipped_is_told_so_and_mails_nobody(back: Returns) -> None:
    back.shipper.goes(back.there(), "PICKED_UP")
    back.back()
    (post,) = back.shop.posts
    assert (post["type"], post["pickedUp"], post["sendTransactionEmail"]) == (
        "Picked Up", {"pickedUpBy": "Ada Vine"}, False,
    )  # fmt: skip


def test_ruling_7_picked_up_after_it_was_shipped_is_a_shipment(back: Returns) -> None:
    scanned(back)
    back.shipper.goes(back.there(), "PICKED_UP")
    back.back()
    assert [one["type"] for one in back.shop.posts] == ["Shipped"]


def test_ruling_7_returned_first_is_not_fulfilled_and_an_alert(back: Returns) -> None:
    back.shipper.goes(back.there(), "RETURNED", "1Z1")
    session = back.back()
    assert (back.shop.posts, back.shop.lines()) == ([], ["!Returned"])
    assert "returned (1001)" in session.report.troubles[0].says


def test_o7_2_shipped_and_then_returned_is_fulfilled(back: Returns) -> None:
    scanned(back, None)
    back.back()
    back.shipper.goes(back.there(), "RETURNED", "1Z1")
    back.back()
    assert len(back.shop.posts) == 1


@pytest.mark.parametrize(
    ("numbers", "outcome"), [(("1z1 ",), "found_there"), (("OTHER",), "fulfilled_by_other"), ((), "fulfilled_by_other")]
)
def test_o7_2_what_stands_there_is_not_written(back: Returns, numbers: tuple[str, ...], outcome: str) -> None:
    back.shop.by_hand("a1", *numbers)
    scanned(back)
    back.back()
    assert (back.shop.posts, back.fulfilled(), outcome in back.notes()) == ([], outcome, True)
    assert back.count_mails() == 0


def test_o7_2_without_numbers_our_date_is_known_again(back: Returns) -> None:
    back.shipper.goes(back.there(), "SHIPPED", shipped_at=back.at)
    back.later(hours=7)
    back.shop.by_hand("a1")
    back.shop.orders["a1"]["fulfillments"][0]["fulfillmentDate"] = "2026-12-01T20:00:00Z"
    back.back()
    back.later(hours=7)
    back.back()
    assert back.fulfilled() == "found_there"


def test_o7_2_lines_that_were_left_out_and_what_is_fulfilled_go_line_by_line(tmp_path: Path) -> None:
    back = Returns(tmp_path)
    line = {"type": "Wine", "tax": 0, "bottleDeposit": 0, "quantityFulfilled": 0, "bundleItems": [], "price": 4000}
    items = [
        {**line, "sku": "CAB-2020", "quantity": 2, "hasShipping": True},
        {**line, "sku": "TICKET", "quantity": 1, "hasShipping": False},
    ]
    back.sent(items=items, subTotal=12000, total=13500)
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    back.back()
    (post,) = back.shop.posts
    assert (post["whole"], post["items"]) == (False, [{"sku": "CAB-2020", "quantityFulfilled": 2}])
    back.shop.orders["a1"]["items"][0]["quantityFulfilled"] = 0
    assert back.fulfilled() == "done"


def test_o7_2_what_is_fulfilled_in_part_goes_with_what_remains(back: Returns) -> None:
    order = back.shop.orders["a1"]
    order["items"][0]["quantityFulfilled"] = 1
    order["fulfillmentStatus"] = "Partially Fulfilled"
    scanned(back)
    back.back()
    (post,) = back.shop.posts
    assert (post["whole"], post["items"]) == (False, [{"sku": "CAB-2020", "quantityFulfilled": 1}])


def test_o7_3_a_refund_that_is_not_held_is_read_before_anybody_is_mailed(back: Returns) -> None:
    refund = shop_order(
        "r1", "1009", purchaseType="Refund", previousOrderId="a1", total=-9500,
        items=[{**shop_order()["items"][0], "quantity": -2}],
    )  # fmt: skip
    linked = [{"orderId": "r1", "purchaseType": "Refund"}]
    back.shop.orders["a1"] |= {"linkedOrders": linked, "updatedAt": "2026-12-01T20:30:00.000Z"}
    scanned(back)
    back.back()
    assert back.shop.posts == [], "the refund does not show yet"
    back.shop.orders["r1"] = refund
    back.back()
    assert (len(back.shop.posts), back.count_mails()) == (1, 0)


def test_o6_4_a_fulfilment_in_doubt_that_told_no_numbers_is_ours_by_its_date_when_they_come(back: Returns) -> None:
    scanned(back, None)
    back.back()
    back.later(hours=7)
    back.shop.next, back.shop.late = ["lost_after"], True
    back.back()
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    for _ in range(3):
        back.later(minutes=11)
        back.back()
    assert (back.fulfilled(), len(back.shop.posts), back.count_mails()) == ("done", 1, 1)


@pytest.mark.parametrize("why", ["late", "cancelled", "refunded"])
def test_o7_3_nobody_is_mailed(back: Returns, why: str) -> None:
    if why == "cancelled":
        back.shop.orders["a1"]["paymentStatus"] = "Cancelled"
    if why == "refunded":
        items = [{**back.shop.orders["a1"]["items"][0], "quantity": -2}]
        back.add(order_id="b2", number="1002", purchaseType="Refund", previousOrderId="a1", total=-9500, items=items)
    scanned(back)
    if why == "late":
        back.later(days=5, minutes=1)
    back.back()
    (post,) = back.shop.posts
    assert (post["sendTransactionEmail"], "mail_too_late" in back.notes()) == (False, why == "late")


def test_o7_3_five_days_are_not_over_five_days(back: Returns) -> None:
    scanned(back)
    back.later(days=5)
    back.back()
    assert back.count_mails() == 1


def test_o7_2_what_was_removed_there_is_not_written_again(back: Returns) -> None:
    scanned(back)
    back.back()
    back.shop.orders["a1"] |= {"fulfillments": [], "fulfillmentStatus": "Not Fulfilled"}
    for _ in range(3):
        back.later(hours=2)
        back.back()
    assert (len(back.shop.posts), "removed_there" in back.notes()) == (1, True)


@pytest.mark.parametrize("loss", ["file", "older copy"])
def test_o7_2_what_was_removed_there_is_not_written_again_after_a_loss_either(back: Returns, loss: str) -> None:
    scanned(back)
    older = back.copy()
    back.back()
    back.shop.orders["a1"] |= {"fulfillments": [], "fulfillmentStatus": "Not Fulfilled"}
    for one in back.shop.orders["a1"]["items"]:
        one["quantityFulfilled"] = 0
    if loss == "file":
        back.lose_file()
    else:
        back.put_back(older)
    for _ in range(3):
        back.later(hours=2)
        back.sync()
        back.back()
    assert (len(back.shop.posts), back.count_mails(), back.stands()) == (1, 1, ("sent", None))


# --- answers ------------------------------------------------------------------------------------------------------


def test_o7_2_refused_is_noted_and_tried_again_with_growing_gaps(back: Returns) -> None:
    back.shop.no_carrier = True
    scanned(back, "1Z1", carrier="SELF")
    tried, began = [], back.at
    for minute in (0, 5, 15, 20, 45, 50):
        back.at = began + timedelta(minutes=minute)
        back.back()
        tried += [minute] * back.shop.asked["fulfil"]
    assert tried == [0, 5, 20, 50]
    assert "fulfil_refused" in back.notes()
    back.shop.no_carrier = False
    back.later(days=1)
    back.back()
    assert (back.fulfilled(), back.notes() & {"fulfil_refused"}) == ("done", set())


def test_o7_2_marked_fulfilled_is_read_and_judged_so(back: Returns) -> None:
    scanned(back)
    before = dict(back.shop.orders["a1"])
    back.shop.by_hand("a1", "1Z1")
    back.shop._veils["a1"] = (2, before)  # neither read shows it yet
    back.back()
    assert back.shop.asked["fulfil"] == 1
    assert back.fulfilled() == "found_there"
    assert back.shop.posts == []


@pytest.mark.parametrize("how", UNKNOWN)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_o6_4_an_unknown_fulfilment_is_settled_by_reading(back: Returns, how: str, late: bool, twice: bool) -> None:
    back.shop.late, back.shop.twice = late, twice
    scanned(back)
    back.shop.next = [how]
    back.back()
    for _ in range(2):
        assert back.shop.asked["fulfil"] <= 1
        back.back()
        assert back.shop.asked["fulfil"] == 0, "not before settle_wait, however often it was read"
    back.later(minutes=10)
    for _ in range(3):
        back.back()
    assert (len(back.shop.posts), back.count_mails(), back.fulfilled()) == (1, 1, "done")
    assert back.shop.findings == []


def test_o6_4_three_reads_without_it_and_settle_wait_let_it_go_again(back: Returns) -> None:
    scanned(back)
    back.shop.next = ["lost_before"]
    back.back()
    back.later(minutes=10)
    back.back()
    assert back.shop.posts == [], "two reads"
    back.back()
    assert len(back.shop.posts) == 1
    assert [one for one in back.outcomes() if one[0] == "fulfil"] == [("fulfil", "missing"), ("fulfil", "done")]


def test_o6_3_not_reached_goes_again_after_a_read_in_the_same_sync(back: Returns) -> None:
    back.give_up_after = 5.0
    scanned(back)
    back.shop.next = ["busy"]
    back.back()
    assert (len(back.shop.posts), back.count_mails()) == (1, 1)


def test_o6_3_a_key_that_is_refused_ends_it_and_nothing_is_unknown(back: Returns) -> None:
    scanned(back)
    back.shop.next = ["auth"]
    with pytest.raises(BadKey):
        back.back()
    assert ("fulfil", "not_reached") in back.outcomes()
    back.back()
    assert back.count_mails() == 1


# --- losses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_r21_a_lost_or_older_ledger_mails_nobody_again(back: Returns, twice: bool, older: bool, told: bool) -> None:
    """By the evidence, and where that is lost as well by what the shop shows."""
    back.shop.twice = twice
    copy = back.copy()
    scanned(back)
    back.back()
    back.put_back(copy) if older else back.lose_file()
    if not told:
        EvidenceFile.of(back.session().run).path.unlink()
    back.sync()
    for _ in range(3):
        back.back()
    found = "done" if told else "found_there"
    assert (len(back.shop.posts), back.count_mails(), back.fulfilled()) == (1, 1, found)
    assert back.stands() == ("sent", None)


def test_r35_an_older_copy_in_which_the_fulfilment_was_under_way_leaves_nothing_open(
    back: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(back)
    kept: list[Any] = []
    write = writing.fulfil
    monkeypatch.setattr(writing, "fulfil", lambda *told, **more: (kept.append(back.copy()), write(*told, **more))[1])
    back.back()
    back.put_back(kept[0])
    assert back.rows("select outcome from synced.order_writes where call = 'fulfil'") == [(None,)]
    for _ in range(3):
        back.sync()
        back.back()
    assert back.rows("select outcome from synced.order_writes where call = 'fulfil'") == [("done",)]
    assert (len(back.shop.posts), back.count_mails(), back.fulfilled()) == (1, 1, "done")


@pytest.mark.slow
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("share", range(4))
def test_o12_power_cuts_at_every_point_from_scan_to_delivered_mail_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twice: bool, late: bool, share: int
) -> None:
    cut, place = True, share - 3
    while cut:
        place += 4
        back = Returns(tmp_path / f"{place}")
        back.sent()
        back.shop.twice, back.shop.late = twice, late
        scanned(back)
        try:
            with power(f"any:{place}", monkeypatch):
                back.back()
                back.shipper.goes(back.there(), "DELIVERED", delivered_at=back.at)
                back.back()
            cut = False
        except PowerCut:
            cut = True
        for _ in range(5):
            back.later(minutes=11)
            back.back()
        assert (back.count_mails(), len(back.shop.posts), back.shop.findings) == (1, 1, []), place
        assert back.fulfilled() in ("done", "found_there"), place
        back.shipper.goes(back.there(), "DELIVERED", delivered_at=back.at)
        back.back()
        assert back.shop.lines()[-1] == "Delivered", place
    assert place > 10


def test_r40_an_order_that_cannot_be_read_before_its_fulfilment_is_told(back: Returns) -> None:
    scanned(back)
    watching.watch(back.session())
    session = back.session()
    back.shop.failing = [BadAnswer("hollow", system="commerce7", call="order", http_status=200)]
    fulfilling.fulfil(session)
    assert (session.told.noted["unreadable"], back.shop.posts) == (1, [])
    fulfilling.fulfil(back.session())
    assert len(back.shop.posts) == 1


def test_o8_a_fulfilment_that_does_not_reach_the_shop_is_no_sync_that_went_well(back: Returns) -> None:
    scanned(back)
    watching.watch(back.session())
    back.give_up_after = 60.0
    back.shop.next = ["busy"] * fulfilling.MOST_TRIES
    with pytest.raises(TryLater):
        fulfilling.fulfil(back.session())
    fulfilling.fulfil(back.session())
    assert (len(back.shop.posts), back.fulfilled()) == (1, "done")
