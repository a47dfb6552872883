"""A read of one order or customer is believed or changes nothing (routes.md R22, R23, R40; orders.md 3, 10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7 import reading, retention, stored
from vs_st_pipeline.connectors.commerce7.streams import ORDERS, STORED
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, Forbidden, PipelineError, Refused
from vs_st_pipeline.platform.warehouse.suppression import erase, suppress
from vs_st_pipeline.platform.warehouse.unreadable import waiting_ids
from vs_st_pipeline_tests.connectors.commerce7.world import World


def unreadable(world: World) -> list[tuple[Any, ...]]:
    return world.rows("select kind, id, attempts from raw.unreadable order by 1, 2")


def test_o3_one_order_is_read_stored_and_returned(world: World) -> None:
    plain = world.plain()
    order = world.one(plain["id"])
    assert order is not None
    assert (order.number, order.customer_id) == (str(plain["orderNumber"]), plain["customerId"])
    assert world.stored() == {plain["id"]: order}
    row = world.row(plain["id"])
    assert (row["first_seen_by"], row["whole"], row["changed"]) == ("hint", True, 1)
    assert [one["path"] for one in world.asked()] == [f"/v1/order/{plain['id']}"]
    world.one(plain["id"])
    assert world.row(plain["id"])["changed"] == 1, "nothing has changed"
    world.box.control.patch_order(plain["id"], giftMessage="Cheers")
    world.one(plain["id"])
    assert world.row(plain["id"])["changed"] == 2


def test_o10_ids_are_percent_encoded(world: World) -> None:
    assert world.one("a/b ?") is None
    assert world.one("..") is None
    assert [one["path"] for one in world.asked()] == ["/v1/order/a%2Fb%20%3F", "/v1/order/%2E%2E"]


def test_o3_404_is_noted_once_and_taken_back_when_it_is_there_again(world: World) -> None:
    plain = world.plain()["id"]
    world.one(plain)
    world.box.control.set_fault("404", count=1)
    assert world.one(plain) is None
    gone = world.row(plain)["gone_at"]
    assert gone is not None
    assert world.row(plain)["changed"] == 2
    assert world.stored()[plain].id == plain, "what is known stands"
    world.one(plain)
    assert (world.row(plain)["gone_at"], world.row(plain)["changed"]) == (None, 3)
    assert world.one("never-there") is None
    assert world.rows("select count(*) from raw.commerce7_orders") == [(1,)]


def test_r22_an_answer_that_is_not_that_order_changes_nothing_and_is_tried_again(world: World) -> None:
    plain = world.plain()["id"]
    first = world.one(plain)
    for attempts, lie in enumerate(("hollow", "error_body", "two_keys", "other_record", "wrong_shape"), 1):
        world.box.control.set_fault(lie, count=1)
        with pytest.raises(BadAnswer):
            world.one(plain)
        assert unreadable(world) == [(STORED, plain, attempts)]
    assert world.stored() == {plain: first}
    with world.run().open() as db:
        assert waiting_ids(db, STORED, world.run().now()) == {plain}
    world.one(plain)
    assert unreadable(world) == []


def test_r40_a_page_in_place_of_404_says_nothing(world: World) -> None:
    plain = world.plain()["id"]
    world.one(plain)
    world.give_up_after = timedelta(seconds=0.3)
    world.box.control.set_fault("html_other", count=1, status=404)
    with pytest.raises(PipelineError):
        world.one(plain)
    assert world.row(plain)["gone_at"] is None


def test_r40_a_bad_key_quarantines_nobody(world: World) -> None:
    world.box.control.set_fault("401", count=1)
    with pytest.raises(BadKey):
        world.one(world.plain()["id"])
    assert unreadable(world) == []


def test_r40_orders_that_could_not_be_read_are_read_again_by_the_passes(world: World) -> None:
    world.passes()
    plain = min(world.wanted(), key=lambda one: str(world.box.control.order(one)["orderPaidDate"]))
    for _ in range(2):
        world.box.control.set_fault("hollow", count=1)
        with pytest.raises(BadAnswer):
            world.one(plain)
    world.asked()
    assert world.passes().unreadable == 1
    assert len(world.asked()) == 2
    world.later(minutes=16)
    assert world.passes().unreadable == 0
    assert [one["path"] for one in world.asked()][-1] == f"/v1/order/{plain}"


def test_r23_what_an_answer_omits_stands_until_a_second_read_omits_it_too(world: World) -> None:
    plain = world.plain()
    world.passes()
    cut = {key: value for key, value in plain.items() if key != "customer"}
    world.box.control.call("PUT", f"records/orders/{plain['id']}", cut, merchant=world.merchant_id)
    order = world.one(plain["id"])
    assert order is not None
    assert order.customer is not None
    assert "customer" in world.row(plain["id"])["kept"]
    world.asked()
    world.passes()
    assert len(world.asked()) == 2, "not yet"
    world.later(minutes=16)
    world.passes()
    assert [one["path"] for one in world.asked()][-1] == f"/v1/order/{plain['id']}"
    customer = world.stored()[plain["id"]].customer
    assert customer is not None
    assert (customer.emails, customer.last_name) == ((), None)
    assert customer.birth_date == "1980-05-17", "who is under age stays so"
    world.asked()
    world.later(minutes=16)
    world.passes()
    assert len(world.asked()) == 2, "there is nothing more to wait for"


def test_r23_a_birth_date_goes_by_no_absence_and_by_two_nulls_a_day_apart(world: World) -> None:
    plain = world.plain()
    world.one(plain["id"])

    def born(value: Any) -> str | None:
        changed = {**plain["billTo"], "birthDate": value}
        world.box.control.patch_order(plain["id"], billTo=changed)
        for order in (world.one(plain["id"]), world.stored(plain["id"])[plain["id"]]):
            assert order is not None
            assert order.bill_to is not None
        return world.stored(plain["id"])[plain["id"]].bill_to.birth_date  # type: ignore[union-attr]

    assert born("") == "1980-05-17"
    assert born(None) == "1980-05-17"
    world.later(hours=12)
    assert born(None) == "1980-05-17"
    assert born("2009-01-02") == "2009-01-02"
    assert born(None) == "2009-01-02"
    world.later(hours=25)
    assert born(None) is None


def test_o3_a_read_of_an_earlier_version_changes_nothing(world: World) -> None:
    plain = world.plain()["id"]
    world.box.control.patch_order(plain, giftMessage="new")
    world.one(plain)
    old = (world.now() - timedelta(hours=2)).isoformat()
    world.box.control.patch_order(plain, giftMessage="old", updatedAt=old)
    order = world.one(plain)
    assert order is not None
    assert order.gift_message == "new"
    # One that claims a day to come is of no known version: the next answer counts.
    world.box.control.patch_order(plain, giftMessage="ahead", updatedAt="2099-01-01T00:00:00.000Z")
    world.one(plain)
    world.box.control.patch_order(plain, giftMessage="now")
    order = world.one(plain)
    assert order is not None
    assert order.gift_message == "now"


def test_o4_of_an_order_before_start_only_id_and_number_are_kept(hillside: World) -> None:
    case = next(one for one in hillside.box.control.cases() if one["code"] == "before_start")
    hillside.passes()
    order = hillside.one(case["order_id"])
    assert order is not None
    row = hillside.row(case["order_id"])
    assert (row["body"], row["body_sha256"], row["order_number"]) == (None, None, order.number)
    assert case["order_id"] not in hillside.stored()
    assert hillside.one(case["order_id"]) is not None


def test_o4_linked_orders_are_found_by_both_names(world: World) -> None:
    plain = world.plain()
    refund = world.box.control.refund(plain["id"], {"PINOT22": 1})

    def linked() -> list[str]:
        order = world.one(plain["id"])
        assert order is not None
        with world.run().open() as db:
            return [one.id for one in stored.linked_to(db, order)]

    assert linked() == [], "it was never read"
    world.one(refund["id"])
    assert linked() == [refund["id"]]
    world.box.control.patch_order(plain["id"], linkedOrders=[{"orderId": "gone"}])
    assert linked() == [refund["id"]], "it names the order, which does not name it any more"


def test_o3_a_customer_is_read_and_only_what_names_a_person_is_kept(world: World) -> None:
    plain = world.plain()
    found = reading.read_customer(world.run(), world.client(), plain["customerId"])
    assert found is not None
    assert (found.last_name, found.birth_date) == ("Vantongeren", "1980-05-17")
    [(body,)] = world.rows("select body from raw.commerce7_customers")
    assert not any(word in body for word in ("lifetimeValue", "emailMarketingStatus", "clubs", "zipCode"))
    assert reading.read_customer(world.run(), world.client(), "nobody") is None
    for lie in ("hollow", "two_keys", "other_record"):
        world.box.control.set_fault(lie, count=1)
        with pytest.raises(BadAnswer):
            reading.read_customer(world.run(), world.client(), plain["customerId"])
    world.box.control.patch("customers", plain["customerId"], {"birthDate": None})
    again = reading.read_customer(world.run(), world.client(), plain["customerId"])
    assert again is not None
    assert again.birth_date == "1980-05-17"


def test_o8_an_order_is_looked_for_by_its_number_in_one_request(world: World) -> None:
    plain = world.plain()
    world.asked()
    found = reading.find_number(world.run(), world.client(), str(plain["orderNumber"]))
    assert found is not None
    assert found.id == plain["id"]
    assert world.row(plain["id"])["first_seen_by"] == "person"
    assert reading.find_number(world.run(), world.client(), "99999999") is None
    assert len(world.asked()) == 2


def test_o10_an_erased_order_is_not_stored_again_and_a_later_one_of_that_person_is(world: World) -> None:
    plain = world.plain()
    world.passes()
    with world.run().open() as db, db.transaction():
        suppress(db, [(STORED, plain["id"]), ("email", plain["customer"]["emails"][0]["email"])], world.run().now())
        erase(db, [(STORED, plain["id"])], world.run().now())
    assert world.rows(f"select 1 from {ORDERS.table} where id = ?", plain["id"]) == []
    order = world.one(plain["id"])
    assert order is not None, "it can be acted on: its fulfilment is still to be written"
    found = world.passes(full=True)
    assert plain["id"] not in found.found
    assert found.late == set()
    assert world.rows(f"select 1 from {ORDERS.table} where id = ?", plain["id"]) == []
    later = world.order(customerId=plain["customerId"])
    assert later["id"] in world.passes().found


def test_o10_a_body_that_was_reduced_comes_back_with_a_change_alone(world: World) -> None:
    plain = world.plain()["id"]
    world.passes()
    with world.run().open() as db, db.transaction():
        assert plain in retention.with_body(db, world.run().now() + timedelta(days=1))
        retention.reduce_orders(db, [plain])
    assert plain not in world.stored()
    world.passes(full=True)
    assert plain not in world.stored()
    world.box.control.patch_order(plain, giftMessage="Cheers")
    world.passes()
    assert world.stored()[plain].gift_message == "Cheers"


def test_o7_messages_of_apps_are_read_as_they_are(hillside: World) -> None:
    case = next(one for one in hillside.box.control.cases() if one["code"] == "dont_send")
    found = reading.app_syncs(hillside.client(), case["order_id"])
    assert [(one["appId"], one["attempts"][-1]["issues"][0]["issue"]) for one in found] == [
        ("vinoshipper", "Sent to Vinoshipper"),
        ("orders-bridge", "Don't Send"),
    ]
    for status, error in ((403, Forbidden), (404, Refused)):
        hillside.box.control.set_switch("app_sync", status)
        with pytest.raises(error):
            reading.app_syncs(hillside.client(), case["order_id"])
    hillside.box.control.set_switch("app_sync", "works")
    hillside.box.control.set_fault("hollow", count=1)
    with pytest.raises(BadAnswer):
        reading.app_syncs(hillside.client(), case["order_id"])


def test_o8_a_word_that_is_no_id_is_looked_for_and_leaves_nothing_behind(world: World) -> None:
    plain = world.plain()["id"]
    run, client, start = world.run(), world.client(), world.run().now() - timedelta(days=30)
    assert reading.find_id(run, client, ["ord-1", "nosuch"], start=start) is None
    world.box.control.set_fault("422", count=1)
    assert reading.find_id(run, client, ["ord-1"], start=start) is None
    assert unreadable(world) == []
    found = reading.find_id(run, client, ["nosuch", plain], start=start)
    assert found is not None
    assert found.id == plain
    assert plain in world.stored()
