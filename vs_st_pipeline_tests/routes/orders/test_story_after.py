"""What people do after an order was sent: refunds, exchanges, edits, voids from both sides, fulfilments by hand."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline_tests.support.orders import SENT, VINOSHIPPER, VOIDED, Record, Scene


@pytest.fixture
def sent(scene: Scene) -> Record:
    """An order of three bottles that was sent."""
    order = scene.place("PINOT22", "PINOT22", "ZIN21")
    scene.synced()
    assert scene.stands(order) == (SENT, None)
    return order


def noted(scene: Scene, order: Record) -> set[str]:
    return set(scene.listed()[order["id"]]["noted"])


def goes_on(scene: Scene, **gap: float) -> Record:
    scene.later(**gap)
    report = scene.sync()
    assert scene.wrong() == []
    return report


@pytest.mark.parametrize("how", ["whole", "part", pytest.param("exchange", marks=pytest.mark.slow)])
def test_o6_5_a_refund_after_sending_is_an_alert_until_it_is_voided_or_shipped(
    scene: Scene, sent: Record, how: str
) -> None:
    match how:
        case "whole":
            scene.refund(sent)
        case "part":
            scene.refund(sent, {"ZIN21": 1})
        case _:
            scene.exchange(sent)
    goes_on(scene, minutes=5)
    assert "refunded_after_sent" in noted(scene, sent)
    assert scene.stands(sent) == (SENT, None)
    scene.cancel_there(sent)
    goes_on(scene, hours=1)
    assert scene.stands(sent) == (VOIDED, None)
    assert "refunded_after_sent" not in noted(scene, sent)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["shipping", "amount"])
def test_o4_1_a_refund_of_shipping_or_price_alone_is_neither(scene: Scene, sent: Record, how: str) -> None:
    scene.refund(sent, {}, **({"shipping": True} if how == "shipping" else {"amount": 500}))
    goes_on(scene, minutes=5)
    assert noted(scene, sent) == set()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["whole", "cancelled", "part"])
def test_o6_5_on_refund_void_voids_what_is_wholly_refunded_or_cancelled(scene: Scene, sent: Record, how: str) -> None:
    scene.settings(on_refund="void")
    match how:
        case "whole":
            scene.refund(sent)
        case "cancelled":
            scene.shop.cancel(sent["id"], scene.merchant)
        case _:
            scene.refund(sent, {"ZIN21": 1})
    goes_on(scene, minutes=5)
    cancelled = scene.shipper.cancellations(scene.merchant)
    if how == "part":
        assert (cancelled, noted(scene, sent)) == ([], {"refunded_after_sent"})
    else:
        assert [(one["by"], one["restored"]) for one in cancelled] == [("api", True)]
        assert scene.stands(sent) == (VOIDED, None)


@pytest.mark.slow
def test_o6_5_refunded_after_it_was_shipped_is_noted_only_and_nobody_is_mailed(scene: Scene, sent: Record) -> None:
    scene.settings(on_refund="void")
    scene.scan(sent)
    goes_on(scene, hours=1)
    assert len(scene.mails(sent)) == 1
    scene.refund(sent)
    goes_on(scene, hours=1)
    assert noted(scene, sent) == {"refunded_after_shipped"}
    assert scene.shipper.cancellations(scene.merchant) == []
    other = scene.place("PINOT22")
    goes_on(scene, hours=1)
    scene.refund(other)
    scene.settings()
    scene.scan(other)
    goes_on(scene, hours=1)
    assert scene.mails(other) == [], "wholly refunded: fulfilled without a mail (7.3)"
    assert scene.order(other)["fulfillmentStatus"] == "Fulfilled"


def test_o6_5_an_edit_after_sending_is_noted_told_once_and_gone_when_it_is_as_sent(scene: Scene, sent: Record) -> None:
    scene.change(sent, shipTo={"address": "77 New Road"})
    goes_on(scene, minutes=5)
    assert noted(scene, sent) == {"changed_after_sent"}
    told = len(scene.told(sent))
    goes_on(scene, minutes=5)
    assert len(scene.told(sent)) == told
    scene.change(sent, shipTo={"address": sent["shipTo"]["address"]})
    goes_on(scene, minutes=5)
    assert noted(scene, sent) == set()
    scene.change(sent, tags=[{"title": "VIP"}], customer={"firstName": "Adele"}, billTo={"address": "9 Other"})
    goes_on(scene, minutes=5)
    assert noted(scene, sent) == set(), "people edit their profiles (6.5)"
    assert len(scene.accepted(sent)) == 1


# --- voids ------------------------------------------------------------------------------------------------------------


def test_o8_a_person_voids_an_order_and_stock_comes_back(scene: Scene, sent: Record) -> None:
    stock = scene.shipper.stock(scene.merchant)["PINOT22"]
    exits, said = scene.void(sent)
    assert (exits, said["done"], said["state"]) == (0, True, VOIDED)
    assert scene.shipper.stock(scene.merchant)["PINOT22"] == stock + 2
    assert scene.void(sent)[0] == 0, "so already"
    assert len(scene.shipper.cancellations(scene.merchant)) == 1
    goes_on(scene, minutes=5)
    assert scene.told(sent)[-1] == "Voided in Vinoshipper"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["SHIPPED", "DELIVERED", "CANCELLED"])
def test_o8_a_void_comes_too_late_or_is_done_already(scene: Scene, sent: Record, stage: str) -> None:
    scene.go(sent, stage)
    scene.clear_journals()
    exits, said = scene.void(sent)
    assert scene.asked(VINOSHIPPER)["POST orders/{number}/cancel"] == 0
    assert (exits, said["state"]) == ((0, VOIDED) if stage == "CANCELLED" else (1, SENT))
    scene.sync()
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset", "500_empty", "truncated", "hollow"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_o6_4_a_void_whose_answer_never_came_is_settled_by_reading(
    scene: Scene, sent: Record, kind: str, when: str
) -> None:
    scene.shipper.set_fault(kind, path_regex="/cancel$", when=when, count=1)
    exits, said = scene.void(sent)
    if said["state"] == VOIDED:
        assert exits == 0
    else:
        assert exits == 1
        assert "void_unknown" in noted(scene, sent)
    for _ in range(4):
        scene.later(minutes=11)
        scene.sync()
    assert scene.wrong() == []
    assert len(scene.shipper.cancellations(scene.merchant)) <= 1
    there: Any = scene.there(sent)
    assert (scene.stands(sent)[0] == VOIDED) == (there["orderStatus"] == "CANCELLED")


@pytest.mark.slow
@pytest.mark.parametrize("value", ["restoreInventory", "ignored", 400])
@pytest.mark.parametrize("shows", ["at_once", "after_2_reads"])
def test_o8_a_void_under_what_is_not_known_of_cancelling(scene: Scene, sent: Record, value: Any, shows: str) -> None:
    scene.shipper.set_switches({"restore_key": value, "cancel_shows": shows})
    scene.void(sent)
    for _ in range(4):
        scene.later(minutes=11)
        scene.sync()
    assert scene.wrong() == []
    assert scene.stands(sent) == (VOIDED, None)
    assert len(scene.shipper.cancellations(scene.merchant)) == 1


# --- fulfilments ------------------------------------------------------------------------------------------------------


def test_o7_2_what_somebody_fulfilled_is_not_written_again(scene: Scene, sent: Record) -> None:
    scene.shop.fulfil(sent["id"], "1ZBYHAND", merchant=scene.merchant)
    scene.scan(sent)
    scene.clear_journals()
    goes_on(scene, hours=1)
    assert not [one for one in scene.writes() if "fulfillment" in one]
    assert "fulfilled_by_other" in noted(scene, sent)
    assert scene.mails(sent) == []


@pytest.mark.slow
def test_o7_2_a_fulfilment_that_somebody_removed_is_not_written_again(scene: Scene, sent: Record) -> None:
    scene.scan(sent)
    goes_on(scene, hours=1)
    assert len(scene.mails(sent)) == 1
    scene.shop.unfulfil(sent["id"], scene.merchant)
    scene.clear_journals()
    for _ in range(3):
        goes_on(scene, hours=9)
    assert not [one for one in scene.writes() if "fulfillment" in one]
    assert "removed_there" in noted(scene, sent)


@pytest.mark.slow
def test_o7_3_nobody_is_mailed_about_a_parcel_that_left_long_ago(scene: Scene, sent: Record) -> None:
    scene.scan(sent)
    goes_on(scene, days=6)
    assert scene.mails(sent) == []
    assert scene.order(sent)["fulfillmentStatus"] == "Fulfilled"
    assert "mail_too_late" in noted(scene, sent)


@pytest.mark.slow
@pytest.mark.parametrize("tracking", ["at_scan", "one_by_one", "never"])
def test_o7_2_it_waits_for_all_numbers_and_then_goes_with_what_there_is(
    scene: Scene, sent: Record, tracking: str
) -> None:
    scene.shipper.set_switch("tracking", tracking)
    scene.scan(sent, packages=2)
    goes_on(scene, minutes=30)
    for _ in range(5):
        goes_on(scene, hours=2)
    (one,) = scene.order(sent)["fulfillments"]
    assert len(one["shipped"]["trackingNumbers"]) == (0 if tracking == "never" else 2)
    assert len(scene.mails(sent)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset", "500_empty", "truncated", "hollow", "422"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_o7_2_a_fulfilment_whose_answer_never_came_is_settled_by_reading(
    scene: Scene, sent: Record, kind: str, when: str
) -> None:
    scene.scan(sent)
    scene.shop.set_fault(kind, method="POST", path_regex="/fulfillment", when=when, count=1)
    for _ in range(6):
        scene.later(hours=2)
        scene.sync()
    assert scene.wrong() == []
    assert (len(scene.order(sent)["fulfillments"]), len(scene.mails(sent))) == (1, 1)


@pytest.mark.slow
def test_o7_2_what_is_left_out_or_fulfilled_in_part_goes_line_by_line(scene: Scene) -> None:
    order = scene.place("PINOT22", "TICKET")
    scene.synced()
    scene.scan(order)
    goes_on(scene, hours=1)
    (one,) = scene.order(order)["fulfillments"]
    assert [(item["sku"], item["quantityFulfilled"]) for item in one["items"]] == [("PINOT22", 1)]
    assert len(scene.mails(order)) == 1
