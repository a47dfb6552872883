"""Vinoshipper's stand-in takes orders of other shops as its fact sheet says, and as each switch says.

It is long because each value of each switch is tried, and each thing that no client may do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.clients import ControlError
from vs_st_pipeline.sandbox.core.switches import ORDER_DESK
from vs_st_pipeline.sandbox.vinoshipper.server import Vinoshipper
from vs_st_pipeline_tests.sandbox.served import Api, Record, Reply, Served, not_tried, served

HILLSIDE, BLUE_OAK = "hillside", "blue-oak"
NUMBER, C7_ID = "HILLSIDE-9001", "71000000-0000-4000-7000-000000009001"
ORDERS = "/api/v3/p/orders"


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Vinoshipper, "orders") as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


class Shop:
    """A client that reads before it writes, as it should."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def read(self, number: str = NUMBER) -> Reply:
        return self.api("GET", f"{ORDERS}/{number}")

    def create(self, **changed: Any) -> Reply:
        body = order(**changed)
        self.read(str(body.get("orderNumber")))
        return self.api("POST", ORDERS, body)

    def update(self, number: str = NUMBER, **changed: Any) -> Reply:
        self.read(number)
        return self.api("PUT", f"{ORDERS}/{number}", order(**{"orderNumber": number, **changed}))

    def cancel(self, number: str = NUMBER, **form: Any) -> Reply:
        self.read(number)
        return self.api("POST", f"{ORDERS}/{number}/cancel", {"reason": "refunded", **form})


def shop_of(box: Served, merchant: str = HILLSIDE) -> Shop:
    found = box.app.merchants[merchant]
    pair = base64.b64encode(f"{found.vs_key}:{found.vs_secret}".encode()).decode()
    return Shop(box.api(Authorization=f"Basic {pair}"))


@pytest.fixture
def shop(box: Served) -> Shop:
    return shop_of(box)


def order(lines: Any = (("PINOT22", 2, 42),), to: Record | None = None, **changed: Any) -> Record:
    """An order as the route sends it; None leaves a key out."""
    body: Record = {
        "orderNumber": NUMBER,
        "sourceUrl": f"https://hillside.admin.platform.commerce7.com/store/order/{C7_ID}",
        "metaFields": {"c7_order_id": C7_ID, "c7_tenant": "hillside"},
        "customer": {
            "email": "Marisol@example.com",
            "firstName": "Marisol",
            "lastName": "Vantongeren",
            "dateOfBirth": {"day": 17, "month": 5, "year": 1980},
            "address": {"street1": "1 Sample Street", "city": "Sebastopol", "stateCode": "CA", "postalCode": "95472"},
        },
        "shipToAddress": {
            "firstName": "Bram",
            "lastName": "Ostrowski",
            "businessName": "Ostrowski & Co",
            "street1": "1 Sample Street",
            "city": "Sebastopol",
            "stateCode": "CA",
            "postalCode": "95472",
            "country": "US",
            "phone": {"number": "7075550142", "country": 1},
            **(to or {}),
        },
        "productIdType": "SKU",
        "products": [{"productId": sku, "quantity": quantity, "price": price} for sku, quantity, price in lines],
        "shippingRate": {"carrier": "UPS", "rateCode": "03", "price": 15.5},
        "taxes": 7.91,
        "fees": 0.2,
        "discount": {"productDiscount": {"type": "DOLLAR", "value": 4}},
        "specialInstructions": {"shipDate": "2030-12-24", "giftNote": "Cheers"},
        "disableCustomerNotifications": True,
        "paid": True,
        "isPaid": True,
        **changed,
    }
    return {key: value for key, value in body.items() if value is not None}


def error(reply: Reply) -> tuple[int, str, Any]:
    """The status, the type and the first field of a refusal."""
    told = reply.json["error"]
    assert told["status"] == reply.status
    return reply.status, told["type"], told["errors"][0]["field"]


def ours(box: Served) -> list[str]:
    """The numbers under which the order of these tests was accepted."""
    return list(box.control.accepted(HILLSIDE).get(C7_ID, []))


def found(box: Served) -> list[str]:
    return [one["what"] for one in box.control.findings()]


# Creating.


def test_an_order_is_taken_and_shown_as_it_was_sent(box: Served, shop: Shop) -> None:
    assert shop.read().status == 404
    made = shop.create()
    assert made.status == 200
    assert made.headers["vs-trace-id"]
    assert shop.read().json == made.json
    told = made.json
    assert (told["status"], told["orderStatus"], told["isCompliant"]) == ("SUCCESS", "OPEN", True)
    assert (told["total"], told["taxesTotal"], told["productDiscount"]) == (103.61, 7.91, 4)
    assert told["extraFees"] == [{"label": "Fees", "amount": 0.2, "description": None}]
    assert told["shipToAddress"]["businessName"] == "Ostrowski & Co"
    assert told["shipToAddress"]["phone"]["number"] == "7075550142"
    assert told["specialInstructions"]["shipDate"] == "2030-12-24"
    assert (told["metaFields"]["c7_order_id"], told["orderProblems"]) == (C7_ID, [])
    assert told["purchasedAt"]
    assert told["shipping"]["rateDescription"] == "UPS Ground"
    (row,) = [row for row in shop.api("GET", ORDERS).json["results"] if row["orderNumber"] == NUMBER]
    assert row["saleAmount"] == 103.61
    assert ours(box) == [NUMBER]
    assert [entry["what"] for entry in box.control.books()] == ["created", "accepted"]
    assert box.control.books()[1]["items"] == {"PINOT22": 2}
    assert box.control.mails() == found(box) == []


def test_the_buyer_becomes_a_customer_once(box: Served, shop: Shop) -> None:
    first = shop.create().json["customer"]["id"]
    second = shop.create(orderNumber="HILLSIDE-9002", metaFields={"c7_order_id": "x"}).json["customer"]["id"]
    assert first == second
    assert [one["email"] for one in box.control.customers(HILLSIDE)] == ["Marisol@example.com"]


def test_buyers_are_mailed_unless_that_is_switched_off(box: Served, shop: Shop) -> None:
    shop.create(disableCustomerNotifications=None)
    box.control.advance(NUMBER, to="SHIPPED")
    assert [(mail["about"], mail["c7_order_id"]) for mail in box.control.mails()] == [
        ("confirmation", C7_ID), ("shipped", C7_ID)
    ]  # fmt: skip


def test_stock_goes_with_what_is_sold(box: Served, shop: Shop) -> None:
    before = box.control.stock(HILLSIDE)["PINOT22"]
    shop.create()
    assert box.control.stock(HILLSIDE)["PINOT22"] == before - 2


def test_a_number_is_made_up_where_none_is_sent(box: Served, shop: Shop) -> None:
    made = shop.create(orderNumber=None)
    assert made.json["orderNumber"].isdigit()
    assert ours(box) == [made.json["orderNumber"]]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"customer": {"lastName": "X"}}, "customer.email"),
        ({"customer": {"email": "none", "lastName": "X"}}, "customer.email"),
        ({"customer": {"email": "a@b.example", "lastName": " "}}, "customer.lastName"),
        ({"to": {"street1": ""}}, "shipToAddress.street1"),
        ({"to": {"postalCode": "9547"}}, "shipToAddress.postalCode"),
        ({"to": {"stateCode": "ca"}}, "shipToAddress.stateCode"),
        ({"to": {"country": "USA"}}, "shipToAddress.country"),
        ({"shippingRate": {"carrier": "USPS", "rateCode": "03"}}, "shippingRate.carrier"),
        ({"shippingRate": {"carrier": "UPS", "rateCode": "99"}}, "shippingRate.rateCode"),
        ({"taxes": -1}, "taxes"),
        ({"taxes": 1.005}, "taxes"),
        ({"fees": "some"}, "fees"),
        ({"discount": {"productDiscount": {"type": "GIFT", "value": 1}}}, "discount"),
        ({"productIdType": "UPC"}, "productIdType"),
        ({"lines": ()}, "products"),
        ({"lines": (("NOWHERE", 1, 10),)}, "products[0].productId"),
        ({"lines": (("PINOT22", 1, 42), ("ZIN21", 0, 10))}, "products[1].quantity"),
        ({"lines": (("PINOT22", 1.5, 42),)}, "products[0].quantity"),
        ({"lines": (("PINOT22", 1, None),)}, "products[0].price"),
        ({"specialInstructions": {"shipDate": "12/24/2030"}}, "specialInstructions.shipDate"),
        ({"metaFields": ["x"]}, "metaFields"),
    ],
)
def test_what_is_no_order_is_refused(box: Served, shop: Shop, changed: Record, field: str) -> None:
    assert error(shop.create(**changed)) == (400, "VALIDATION", field)
    assert shop.read().status == 404
    assert box.control.books() == []


def test_a_body_that_is_none(shop: Shop) -> None:
    assert error(shop.api("POST", ORDERS, "no JSON")) == (400, "VALIDATION", None)


YOUNG = {"email": "a@b.example", "lastName": "X", "dateOfBirth": {"day": 1, "month": 1, "year": 2020}}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"to": {"stateCode": "UT"}}, "STATE_CLOSED"),
        ({"to": {"street1": "P.O. Box 12"}}, "PO_BOX"),
        ({"customer": YOUNG}, "UNDER_AGE"),
        ({"lines": (("ZIN21", 37, 38),)}, "STATE_VOLUME"),
        ({"lines": (("NEWRED", 1, 30),)}, "PRODUCT_NOT_APPROVED"),
    ],
)
def test_what_may_not_be_shipped_is_a_problem(box: Served, shop: Shop, changed: Record, code: str) -> None:
    asked = shop.api("POST", f"{ORDERS}/check-compliance", order(**changed)).json
    assert (asked["isCompliant"], [one["code"] for one in asked["orderProblems"]]) == (False, [code])
    told = shop.create(**changed)
    assert told.status == 200
    assert (told.json["status"], told.json["isCompliant"], told.json["purchasedAt"]) == ("PENDING", False, None)
    (problem,) = told.json["orderProblems"]
    assert (problem["code"], problem["type"]) == (code, "COMPLIANCE_VIOLATION")
    assert problem["description"]
    assert shop.read().json["orderStatus"] == "PROBLEM"
    assert ours(box) == []
    assert box.control.books()[0]["codes"] == [code]


def test_compliance_is_asked_of_what_is_there(shop: Shop) -> None:
    asked = shop.api("POST", f"{ORDERS}/check-compliance", {}).json
    assert asked == {"isCompliant": True, "orderProblems": []}
    unknown = shop.api("POST", f"{ORDERS}/check-compliance", order((("NOWHERE", 1, 1),))).json
    assert [one["code"] for one in unknown["orderProblems"]] == ["PRODUCT_NOT_FOUND"]


def test_volume_counts_what_a_person_bought_within_thirty_days(box: Served, shop: Shop) -> None:
    shop.create(lines=(("ZIN21", 20, 38),))
    more = {"orderNumber": "HILLSIDE-9002", "metaFields": {"c7_order_id": "x"}, "lines": (("ZIN21", 20, 38),)}
    assert shop.create(**more).json["status"] == "PENDING"
    assert shop.update("HILLSIDE-9002", **more).json["status"] == "PENDING"
    box.control.move_clock(now=(datetime.now(UTC) + timedelta(days=31)).isoformat())
    assert shop.update("HILLSIDE-9002", **more).json["status"] == "SUCCESS"


def test_problem_answer(box: Served, shop: Shop) -> None:
    for value, (status, held) in box.each("problem_answer", [(200, 200), (400, 404)]):
        told = shop.create(to={"stateCode": "UT"})
        assert (told.status, shop.read().status) == (status, held), value
        if status == 400:
            assert error(told) == (400, "COMPLIANCE", None)
            assert told.json["error"]["errors"][0]["code"] == "STATE_CLOSED"
        assert shop.update().json["status"] == "SUCCESS"
        assert ours(box) == [NUMBER]


def test_duplicate_number(box: Served, shop: Shop) -> None:
    expected = [(400, 1), (409, 1), (200, 1), (200, 2), (200, 2)]
    for value, (status, accepted) in box.each("duplicate_number", expected):
        first = shop.create()
        second = shop.create(lines=(("ZIN21", 1, 38),))
        assert (second.status, len(ours(box))) == (status, accepted), value
        assert "created_though_known" in found(box)
        if status != 200:
            assert error(second) == (status, "CONFLICT", "orderNumber")
        elif value == "returns_existing":
            assert second.json == first.json
        elif value == "second_order":
            assert second.json["orderNumber"] != NUMBER
            assert shop.read().json == first.json
        else:
            assert shop.read().json["products"][0]["sku"] == "ZIN21"
        assert ("accepted_twice" in found(box)) is (accepted == 2)


def test_a_number_of_another_winery_is_taken_and_not_shown(box: Served, shop: Shop) -> None:
    neighbor = shop_of(box, BLUE_OAK)
    shop.create()
    assert neighbor.read().status == 404
    assert error(neighbor.create()) == (400, "CONFLICT", "orderNumber")
    assert error(neighbor.update()) == (400, "CONFLICT", "orderNumber")
    assert neighbor.cancel().status == 404
    assert [(one["what"], one["merchant"]) for one in box.control.findings()] == [
        ("other_merchants_record", BLUE_OAK)
    ] * 3
    assert ours(box) == [NUMBER]


def test_status_after_create(box: Served, shop: Shop) -> None:
    expected = [("SUCCESS", "SUCCESS"), ("PENDING", "SUCCESS"), ("PENDING", "PENDING"),
                ("PAYMENT_AUTHORIZED", "PAYMENT_AUTHORIZED"), ("AWAITING_REVIEW", "AWAITING_REVIEW")]  # fmt: skip
    for value, (first, last) in box.each("status_after_create", expected):
        made = shop.create().json
        assert (made["status"], made["orderStatus"], made["orderProblems"]) == (first, "OPEN", []), value
        assert (made["purchasedAt"] is None) is (first != "SUCCESS")
        assert [shop.read().json["status"] for _ in range(2)] == [first] * 2
        assert shop.read().json["status"] == last
        assert ours(box) == [NUMBER] * (last == "SUCCESS")
        assert box.control.settle(NUMBER)["status"] == "SUCCESS"
        assert ours(box) == [NUMBER]


def test_paid_key(box: Served, shop: Shop) -> None:
    for value, stages in box.each("paid_key", [("OPEN", "UNPAID"), ("OPEN", "UNPAID"), ("UNPAID", "OPEN")]):
        assert shop.create().json["orderStatus"] == stages[0], value
        other = {"orderNumber": "HILLSIDE-9002", "metaFields": {"c7_order_id": "x"}, "paid": None, "isPaid": None}
        assert shop.create(**other, Paid=True).json["orderStatus"] == stages[1]
        after = "LABELS_GENERATED" if stages[1] == "OPEN" else "OPEN"
        assert box.control.advance("HILLSIDE-9002")["orderStatus"] == after


def test_unknown_keys(box: Served, shop: Shop) -> None:
    for value, refused in box.each("unknown_keys", [[], ["sourceUrl", "shipToAddress.businessName"]]):
        body, told = order(wild=1), []
        while (reply := shop.api("POST", ORDERS, body)).status == 400:
            status, type, field = error(reply)
            told.append(field)
            holder = body["shipToAddress"] if "." in field else body
            del holder[field.rpartition(".")[2]]
        assert reply.json["status"] == "SUCCESS", value
        assert set(refused) <= set(told)
        if told:
            assert sorted(told) == sorted(
                ["sourceUrl", "fees", "disableCustomerNotifications", "isPaid", "shipToAddress.businessName"]
            )
            assert reply.json["orderStatus"] == "OPEN"
    box.control.set_switch("unknown_keys", ["metaFields"])
    assert error(shop.update()) == (400, "VALIDATION", "metaFields")


def test_meta_fields(box: Served, shop: Shop) -> None:
    for value, echoed in box.each("meta_fields", [{"c7_order_id": C7_ID, "c7_tenant": "hillside"}, {}]):
        assert shop.create().json["metaFields"] == shop.read().json["metaFields"] == echoed, value
        assert ours(box) == [NUMBER]


def test_late_commit(box: Served, shop: Shop) -> None:
    for value, reads in box.each("late_commit", [[200, 200, 200], [404, 404, 200]]):
        assert shop.create().json["status"] == "SUCCESS"
        listed = NUMBER in {row["orderNumber"] for row in shop.api("GET", ORDERS).json["results"]}
        assert listed is (value == "no")
        assert [shop.read().status for _ in range(3)] == reads
        assert NUMBER in {row["orderNumber"] for row in shop.api("GET", ORDERS).json["results"]}
        assert error(shop.create()) == (400, "CONFLICT", "orderNumber")


def test_an_update_shows_late_too(box: Served, shop: Shop) -> None:
    shop.create(to={"stateCode": "UT"})
    box.control.set_switch("late_commit", "after_2_reads")
    assert shop.update().json["status"] == "SUCCESS"
    assert [shop.read().json["status"] for _ in range(3)] == ["PENDING", "PENDING", "SUCCESS"]


def test_sku_match(box: Served, shop: Shop) -> None:
    for value, status in box.each("sku_match", [400, 200]):
        assert shop.create(lines=(("port19", 1, 44),)).status == status, value
    assert shop.read().json["products"][0]["sku"] == "PORT19"


def test_duplicate_lines(box: Served, shop: Shop) -> None:
    expected = [[(1, 38), (2, 30)], [(3, 38)], [(2, 30)], None]
    for value, lines in box.each("duplicate_lines", expected):
        made = shop.create(lines=(("ZIN21", 1, 38), ("ZIN21", 2, 30)))
        if lines is None:
            assert error(made) == (400, "VALIDATION", "products")
            continue
        assert [(one["quantity"], one["price"]) for one in made.json["products"]] == lines, value


def test_products_by_id_and_the_other_discounts(shop: Shop) -> None:
    percent = {"productDiscount": {"type": "PERCENT", "value": 10}}
    made = shop.create(productIdType="VS_ID", lines=((31001, 1, 42),), discount=percent).json
    assert (made["products"][0]["sku"], made["productDiscount"]) == ("PINOT22", 4.2)


# Updating.


def test_an_order_that_was_refused_is_mended(box: Served, shop: Shop) -> None:
    shop.create(to={"stateCode": "UT"})
    again = shop.update(to={"stateCode": "AL"})
    assert (again.status, again.json["status"]) == (200, "PENDING")
    assert error(shop.update(taxes=None)) == (400, "VALIDATION", "taxes")
    assert error(shop.update(orderNumber="another")) == (400, "VALIDATION", "orderNumber")
    assert shop.update().json["status"] == "SUCCESS"
    assert (ours(box), found(box)) == ([NUMBER], [])


def test_an_update_may_make_the_order(box: Served, shop: Shop) -> None:
    assert shop.update().json["status"] == "SUCCESS"
    assert ours(box) == [NUMBER]


def test_put_accepted(box: Served, shop: Shop) -> None:
    for value, (status, sku) in box.each("put_accepted", [(400, "PINOT22"), (200, "ZIN21"), (200, "PINOT22")]):
        shop.create()
        stock = box.control.stock(HILLSIDE)
        assert shop.update(lines=(("ZIN21", 1, 38),)).status == status, value
        assert shop.read().json["products"][0]["sku"] == sku
        assert (box.control.stock(HILLSIDE)["ZIN21"] < stock["ZIN21"]) is (value == "updates")
        assert ours(box) == [NUMBER]
        assert found(box) == ["updated_though_accepted"]
        box.control.advance(NUMBER, to="SHIPPED")
        assert shop.update().status == (200 if value == "ignored" else 400)


def test_age_is_approved_and_the_order_sent_again(box: Served, shop: Shop) -> None:
    box.control.fail_age(NUMBER, HILLSIDE)
    made = shop.create().json
    assert (made["status"], made["ageVerification"]["verified"]) == ("AGE_VERIFICATION_FAILED", False)
    assert made["ageVerification"]["idScanUrl"]
    assert shop.update().json["status"] == "AGE_VERIFICATION_FAILED"
    assert ours(box) == []
    box.control.approve_age(NUMBER)
    seen = shop.read().json
    assert (seen["status"], seen["ageVerification"]["verified"]) == ("AGE_VERIFICATION_FAILED", True)
    assert shop.update().json["status"] == "SUCCESS"
    assert (ours(box), found(box)) == ([NUMBER], [])


def test_problems_are_set_before_and_after(box: Served, shop: Shop) -> None:
    box.control.set_problems(NUMBER, {"code": "CARD"}, status="PAYMENT_CAPTURE_FAILED")
    assert shop.create().json["status"] == "PAYMENT_CAPTURE_FAILED"
    box.control.set_problems(NUMBER)
    assert shop.update().json["status"] == "SUCCESS"
    box.control.set_problems(NUMBER, {"code": "RECALL", "type": "COMPLIANCE_VIOLATION"})
    seen = shop.read().json
    assert (seen["status"], seen["isCompliant"], seen["orderProblems"][0]["code"]) == ("PROBLEM", False, "RECALL")
    assert box.control.settle(NUMBER)["orderProblems"] == []
    assert (ours(box), found(box)) == ([NUMBER], [])


def test_an_order_may_be_accepted_with_a_problem(box: Served, shop: Shop) -> None:
    box.control.set_problems(NUMBER, {"code": "STATE_VOLUME", "type": "COMPLIANCE_VIOLATION"}, status="SUCCESS")
    box.control.set_switch("problem_answer", "400_compliance")
    made = shop.create().json
    assert (made["status"], made["orderStatus"], made["isCompliant"]) == ("SUCCESS", "OPEN", False)
    assert ours(box) == [NUMBER]
    assert [entry["what"] for entry in box.control.books()] == ["created", "accepted"]


# Cancelling.


def test_a_cancelled_order_stays_and_a_negative_one_is_made(box: Served, shop: Shop) -> None:
    before = box.control.stock(HILLSIDE)["PINOT22"]
    shop.create()
    told = shop.cancel(restoreInventory=True).json
    assert (told["orderStatus"], told["status"], told["cancelReason"]) == ("CANCELLED", "SUCCESS", "refunded")
    assert told["canceledAt"]
    (entry,) = box.control.cancellations(HILLSIDE)
    assert (entry["by"], entry["restored"], entry["c7_order_id"]) == ("api", True, C7_ID)
    negative = shop.read(entry["negative"]).json
    assert (negative["total"], negative["products"][0]["quantity"]) == (-103.61, -2)
    assert entry["negative"].startswith("CR-")
    assert box.control.stock(HILLSIDE)["PINOT22"] == before
    assert (ours(box), found(box)) == ([NUMBER], [])


def test_what_cannot_be_cancelled(box: Served, shop: Shop) -> None:
    assert shop.cancel().status == 404
    shop.create(to={"stateCode": "UT"})
    assert error(shop.cancel()) == (400, "VALIDATION", None)
    shop.update()
    assert error(shop.cancel(reason=" ")) == (400, "VALIDATION", "reason")
    for stage in ("SHIPPED", "DELIVERED", "PICKED_UP", "RETURNED"):
        box.control.advance(NUMBER, to=stage)
        assert error(shop.cancel()) == (400, "VALIDATION", None)
    assert found(box) == ["cancelled_though_over"] * 4
    assert shop.read().json["orderStatus"] == "RETURNED"


def test_cancel_after_label(box: Served, shop: Shop) -> None:
    for value, status in box.each("cancel_after_label", [200, 400]):
        shop.create()
        box.control.advance(NUMBER)
        assert shop.cancel().status == status, value


def test_second_cancel(box: Served, shop: Shop) -> None:
    for value, (status, negatives) in box.each("second_cancel", [(400, 1), (200, 2), (200, 1)]):
        shop.create()
        shop.cancel()
        assert shop.cancel().status == status, value
        assert len([one for one in box.control.orders(HILLSIDE) if one["total"] < 0]) == negatives
        assert found(box) == ["cancelled_though_over"]


def test_restore_key(box: Served, shop: Shop) -> None:
    for value, (status, restored) in box.each("restore_key", [(200, True), (200, False), (400, False)]):
        shop.create()
        before = box.control.stock(HILLSIDE)["PINOT22"]
        told = shop.cancel(restoreInventory=True)
        assert (told.status, box.control.stock(HILLSIDE)["PINOT22"] > before) == (status, restored), value
        if status == 400:
            assert error(told)[2] == "restoreInventory"
            assert shop.cancel().status == 200


def test_cancel_shows(box: Served, shop: Shop) -> None:
    for value, stages in box.each("cancel_shows", [["CANCELLED"] * 3, ["OPEN", "OPEN", "CANCELLED"]]):
        shop.create()
        assert shop.cancel().json["orderStatus"] == stages[0], value
        (row,) = [row for row in shop.api("GET", ORDERS).json["results"] if row["orderNumber"] == NUMBER]
        assert row["orderStatus"] == stages[0]
        assert [shop.read().json["orderStatus"] for _ in stages] == stages
        assert box.control.order(NUMBER, HILLSIDE)["orderStatus"] == "CANCELLED"


def test_a_person_cancels_and_takes_it_back(box: Served, shop: Shop) -> None:
    shop.create(disableCustomerNotifications=None)
    box.control.cancel_order(NUMBER, reason="sold out")
    assert shop.read().json["cancelReason"] == "sold out"
    assert box.control.mails()[-1]["about"] == "cancelled"
    assert box.control.books()[-1]["by"] == "shop"
    assert box.control.advance(NUMBER)["orderStatus"] == "OPEN"
    assert shop.read().json["canceledAt"] is None


# On its way.


def numbers(reply: Reply) -> list[bool]:
    return [bool(one["trackingNumber"]) for one in reply.json["shipping"]["packages"]]


def test_tracking(box: Served, shop: Shop) -> None:
    both, none = [True, True], [False, False]
    expected = [
        (both, [both] * 3),
        (none, [both] * 3),
        (none, [[True, False], [True, False], both]),
        (none, [none] * 3),
    ]
    for value, (labelled, shipped) in box.each("tracking", expected):
        shop.create(lines=(("ZIN21", 24, 38),))
        assert box.control.advance(NUMBER)["orderStatus"] == "LABELS_GENERATED"
        assert numbers(shop.read()) == labelled, value
        assert box.control.advance(NUMBER)["orderStatus"] == "SHIPPED"
        assert [numbers(shop.read()) for _ in range(3)] == shipped, value
        told = [one["trackingNumber"] for one in shop.read().json["shipping"]["packages"]]
        assert len(set(told)) == (1 if value == "never" else 2)


def test_a_parcel_goes_its_way(box: Served, shop: Shop) -> None:
    shop.create()
    stages = [box.control.advance(NUMBER)["orderStatus"] for _ in range(4)]
    assert stages == ["LABELS_GENERATED", "SHIPPED", "DELIVERED", "DELIVERED"]
    seen = shop.read().json
    assert None not in (seen["shippedAt"], seen["deliveredAt"])
    box.control.advance(NUMBER, to="OPEN")  # the label was cancelled
    seen = shop.read().json
    assert (seen["shippedAt"], seen["shipping"]["packages"]) == (None, [])
    week_ago = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    box.control.advance(NUMBER, to="SHIPPED", at=week_ago, packages=3)
    seen = shop.read().json
    assert len({one["trackingNumber"] for one in seen["shipping"]["packages"]}) == 3
    assert datetime.fromisoformat(seen["shippedAt"]) < datetime.now(UTC) - timedelta(days=6)
    box.control.track(NUMBER, tracking="1ZCHANGED")
    assert shop.read().json["shipping"]["packages"][-1]["trackingNumber"] == "1ZCHANGED"


def test_packages_get_their_numbers_one_by_one(box: Served, shop: Shop) -> None:
    box.control.set_switch("tracking", "never")
    shop.create()
    box.control.advance(NUMBER, to="SHIPPED", packages=2)
    box.control.track(NUMBER, tracking="1ZFIRST")
    assert numbers(shop.read()) == [True, False]
    box.control.track(NUMBER)
    assert numbers(shop.read()) == [True, True]


# Products.


def test_products_call(box: Served, shop: Shop) -> None:
    window = box.api()
    for value, (list_status, feed_status) in box.each("products_call", [(200, 200), (404, 200), (404, 404)]):
        listed = shop.api("GET", "/api/v3/p/products")
        fed = window("GET", f"/api/v3/feeds/vs/{box.app.merchants[HILLSIDE].account}/products", soldOut="true")
        assert (listed.status, fed.status) == (list_status, feed_status), value
        if list_status == 200:
            rows = {row["sku"]: row for row in listed.json["items"]}
            assert listed.json["total"] == len(rows)
            assert (rows["ROSE24"]["price"], rows["NEWRED"]["status"]) == (26, "PENDING")
            one = shop.api("GET", f"/api/v3/p/products/{rows['ROSE24']['id']}").json
            assert one == rows["ROSE24"]
        if feed_status == 200:
            skus = {row["sku"] for row in fed.json["products"]}
            assert {"ROSE24", "PORT19", "OLD18"} <= skus
            assert "NEWRED" not in skus
            assert fed.json["producer"]["id"] == box.app.merchants[HILLSIDE].account


def test_products_come_go_and_sell_out(box: Served, shop: Shop) -> None:
    feed = f"/api/v3/feeds/vs/{box.app.merchants[HILLSIDE].account}/products"
    box.control.add_product("SYRAH", price=33)
    assert shop.create(lines=(("SYRAH", 1, 33),)).status == 200
    box.control.patch_product("SYRAH", inventory=0)
    assert "SYRAH" not in shop.api("GET", feed).text
    assert "SYRAH" in shop.api("GET", feed, soldOut="true").text
    box.control.patch_product("PINOT22", approved=False)
    assert [one["approved"] for one in box.control.products() if one["sku"] == "PINOT22"] == [False]
    box.control.delete_product("SYRAH")
    with pytest.raises(ControlError, match="not found"):
        box.control.delete_product("SYRAH")
    assert shop.api("GET", "/api/v3/p/products/99").status == 404
    assert shop.api("GET", "/api/v3/p/products", pageIndex=1, pageSize=2).json["items"][0]["sku"] == "ZIN21"
    assert shop.api("GET", f"{feed}/99").status == 404
    assert shop.api("GET", f"{feed}/31002").json["sku"] == "CHARD23"


def test_a_feed_of_nobody_or_of_another_key(box: Served, shop: Shop) -> None:
    assert box.api()("GET", "/api/v3/feeds/vs/1/products").status == 404
    assert box.api()("GET", "/api/v3/feeds/vs").status == 404
    other = box.app.merchants[BLUE_OAK].account
    assert shop.api("GET", f"/api/v3/feeds/vs/{other}/products").status == 404


# What no client may do, faults, the rest.


def test_writes_without_a_reading_before_are_found(box: Served, shop: Shop) -> None:
    assert shop.api("POST", ORDERS, order(to={"stateCode": "UT"})).status == 200
    shop.read()
    assert shop.api("PUT", f"{ORDERS}/{NUMBER}", order(to={"stateCode": "UT"})).status == 200
    assert shop.api("PUT", f"{ORDERS}/{NUMBER}", order()).status == 200
    assert shop.api("POST", f"{ORDERS}/{NUMBER}/cancel", {"reason": "x"}).status == 200
    assert [(one["what"], one["by"], one["merchant"]) for one in box.control.findings()] == [
        ("written_without_reading", by, HILLSIDE) for by in ("created", "updated", "cancelled")
    ]
    assert box.control.findings(BLUE_OAK) == []


def test_a_reading_is_good_for_half_a_minute(box: Served, shop: Shop) -> None:
    shop.read()
    desk = box.app.desks[HILLSIDE]  # type: ignore[attr-defined]
    desk._reads[NUMBER] = (desk._reads[NUMBER][0] - 40, None)
    shop.api("POST", ORDERS, order())
    assert found(box) == ["written_without_reading"]


@pytest.mark.parametrize("kind", ["reset", "500_empty", "truncated", "hollow"])
def test_an_order_is_made_though_the_answer_is_lost(box: Served, shop: Shop, kind: str) -> None:
    shop.read()
    box.control.set_fault(kind, method="POST", path_regex="/orders$", count=1, when="after")
    try:
        assert '"store"' not in shop.api("POST", ORDERS, order()).text  # the last key of an order
    except ConnectionError:
        shop.api.connection.close()
    assert (ours(box), shop.read().status) == ([NUMBER], 200)
    assert error(shop.api("POST", ORDERS, order())) == (400, "CONFLICT", "orderNumber")
    assert ours(box) == [NUMBER]


def test_a_write_that_never_arrived_wants_a_new_reading_too(box: Served, shop: Shop) -> None:
    box.control.set_fault("500_empty", method="POST", count=1)
    shop.create()
    assert (ours(box), found(box)) == ([], [])
    shop.api("POST", ORDERS, order())
    assert (ours(box), found(box)) == ([NUMBER], ["written_without_reading"])


def test_the_orders_of_the_world_are_in_the_books(box: Served) -> None:
    held = {one["orderNumber"]: one for one in box.control.orders(HILLSIDE)}
    accepted = box.control.accepted(HILLSIDE)
    assert {len(many) for many in accepted.values()} == {1}
    assert {number for many in accepted.values() for number in many} == {
        number for number, one in held.items() if one["status"] == "SUCCESS"
    }
    assert (box.control.books(), box.control.mails()) == ([], [])


def sent(bought: Record, merchant: str) -> Record:
    """What the route would send of an order at Commerce7, as far as the stand-in looks at it."""
    prefix = {HILLSIDE: "HILLSIDE", BLUE_OAK: "BO"}[merchant]
    to, who = bought["shipTo"], bought["customer"]
    names = {"firstName": to["firstName"], "lastName": to["lastName"] or who["lastName"]}
    lines = [item for item in bought["items"] if item["hasShipping"]]
    if merchant == BLUE_OAK:
        lines = [part for item in lines for part in item["bundleItems"] or [item]]
    return order(
        [(item["sku"], item["quantity"], item["price"] / 100) for item in lines],
        orderNumber=f"{prefix}-{bought['orderNumber']}",
        metaFields={"c7_order_id": bought["id"]},
        sourceUrl=None,
        customer={**names, "email": who["emails"][0]["email"]},
        to={
            **names,
            "street1": to["address"],
            "city": to["city"],
            "stateCode": to["stateCode"].upper(),
            "postalCode": to["zipCode"],
        },
        shippingRate={"carrier": "UPS", "rateCode": "03", "price": bought["shipTotal"] / 100},
        taxes=bought["taxTotal"] / 100,
        discount=None,
    )


@pytest.mark.parametrize("merchant", [HILLSIDE, BLUE_OAK])
def test_what_the_world_says_of_an_order_is_what_becomes_of_it(box: Served, merchant: str) -> None:
    shop, part = shop_of(box, merchant), box.app.merchants[merchant].parts["commerce7"]
    held = {one["orderNumber"] for one in box.control.orders(merchant)}
    bodies = [(case["code"], sent(part["orders"][case["order_id"]], merchant)) for case in part["cases"]
              if case["code"] in ("sent", "compliance")]  # fmt: skip
    bodies = [(code, body) for code, body in bodies if body["orderNumber"] not in held]
    assert len(bodies) > 3
    for code, body in bodies:
        shop.read(body["orderNumber"])
        told = shop.api("POST", ORDERS, body)
        assert told.status == 200, told.text
        assert told.json["status"] == ("SUCCESS" if code == "sent" else "PENDING"), told.json["orderProblems"]
    assert found(box) == []


def test_each_step_is_told_by_webhook(box: Served, shop: Shop) -> None:
    box.control.set_switch("auto_webhooks", "on")
    hook = {"subject": "ORDER", "url": "http://127.0.0.1:9/hook", "description": "x"}
    assert shop.api("POST", "/api/v3/p/profile/webhooks", hook).status == 200

    def told() -> list[str]:
        events = [json.loads(one["body"]) if isinstance(one["body"], str) else one["body"]
                  for one in box.control.deliveries()]  # fmt: skip
        return [event["event"] for event in events if event["identifier"] == NUMBER]

    box.control.fail_age(NUMBER)
    shop.create()
    assert told() == []
    box.control.approve_age(NUMBER)
    shop.update()
    assert told() == ["APPROVED", "APPROVED"]
    box.control.advance(NUMBER)
    box.control.advance(NUMBER)
    shop.create(orderNumber="HILLSIDE-9002", metaFields={"c7_order_id": "x"})
    assert told() == ["APPROVED", "APPROVED", "TRACKING_NUMBER_ADDED", "UPDATED"]
    box.control.cancel_order(NUMBER)
    assert told()[-1] == "CANCELLED"


def test_wineries_of_other_worlds_take_orders_and_keep_their_ways(small_world: Sandbox) -> None:
    small_world.reset()
    merchant, control = small_world.merchants[0], small_world.vinoshipper.control
    pair = base64.b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
    api = Api(small_world.vinoshipper.url, Authorization=f"Basic {pair}")
    shop = Shop(api)
    assert shop.create(lines=(("RPN22", 2, 38),)).json["status"] == "SUCCESS"
    assert control.accepted() == {C7_ID: [NUMBER]}
    box = {row["sku"] for row in api("GET", "/api/v3/p/products").json["items"]}
    assert box == {"RPN22", "CRO24"}
    control.advance(NUMBER, to="SHIPPED")
    assert shop.cancel().status == 400
    delivered = shop.cancel("90000000009")  # sold by the shop itself: nobody minds its stage
    assert (delivered.status, delivered.json) == (200, {})
    assert control.order("90000000009")["orderStatus"] == "CANCELLED"
    assert [entry["what"] for entry in control.books()] == ["created", "accepted"]
    api.connection.close()
    small_world.reset()


def test_every_value_of_every_switch_of_orders_is_tried() -> None:
    assert set(not_tried(str(Path(__file__)), "vinoshipper")) & set(ORDER_DESK) == set()


def test_control_says_what_it_does_not_know(box: Served) -> None:
    with pytest.raises(ControlError, match="not found"):
        box.control.advance("nowhere")
    with pytest.raises(ControlError, match="not found"):
        box.control.call("POST", "orders/fly", {}, merchant=HILLSIDE)
