"""What an order's detail says, in any likely form; what cannot be read says nothing."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.held_order import held_order, read_held
from vs_st_pipeline.domain.order_desk import Compliance, HeldOrder, Package, Problem


def held(**said: Any) -> HeldOrder:
    found = held_order({"orderNumber": "H-1", **said})
    assert found is not None
    return found


VIOLATION = {"code": "X", "description": "no", "type": "COMPLIANCE_VIOLATION"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"isCompliant": True, "status": "PENDING"}, Compliance.COMPLIANT),
        ({"isCompliant": "true"}, Compliance.COMPLIANT),
        ({"status": "SUCCESS"}, Compliance.COMPLIANT),
        ({"status": "success", "isCompliant": None}, Compliance.COMPLIANT),
        ({"status": "SUCCESS", "isCompliant": False}, Compliance.NOT_COMPLIANT),
        ({"isCompliant": True, "orderProblems": [VIOLATION]}, Compliance.NOT_COMPLIANT),
        ({"orderProblems": [{**VIOLATION, "type": "compliance_violation"}]}, Compliance.NOT_COMPLIANT),
        ({"status": "PENDING"}, Compliance.NOT_CHECKED),
        ({"status": "PENDING", "isCompliant": 1}, Compliance.NOT_CHECKED),
        ({"orderProblems": [{**VIOLATION, "type": "PRODUCT"}]}, Compliance.NOT_CHECKED),
        ({}, Compliance.NOT_CHECKED),
    ],
)
def test_o4_3_compliance(said: dict[str, Any], expected: Compliance) -> None:
    assert held(**said).compliance is expected


def test_an_answer_without_a_number_is_no_order() -> None:
    for body in ({}, {"orderNumber": None}, {"orderNumber": " "}, {"orderNumber": True}, {"orderNumber": ["H-1"]}):
        assert held_order(body) is None
    assert held_order({"orderNumber": 1248}) == HeldOrder("1248", None, None)
    assert read_held("[1]") is None
    assert read_held('{"orderNumber": "H-1", "total": 128.70}') == HeldOrder("H-1", None, None, total=Decimal("128.70"))


@pytest.mark.parametrize("said", [None, 7, "text", [], {}, [None], True, Decimal("1.5")])
def test_parts_in_a_form_that_nobody_knows_say_nothing(said: Any) -> None:
    keys = ("status", "orderStatus", "shipToAddress", "shipping", "metaFields", "ageVerification", "isCompliant")
    more = ("specialInstructions", "purchasedAt", "cancelReason", "customer", "packs")
    found = held(**dict.fromkeys((*keys, *more), said))
    assert (found.zip5, found.state, found.packages, found.shop_order_id) == (None, None, (), None)
    assert (found.ship_date, found.purchased_at, found.age_verified) == (None, None, None)
    assert found.quantities is None


def test_words_are_in_capital_letters_whatever_they_are() -> None:
    found = held(status=" Awaiting review ", orderStatus="labels-generated")
    assert (found.status, found.order_status) == ("AWAITING_REVIEW", "LABELS_GENERATED")


@pytest.mark.parametrize(
    ("said", "zip5"),
    [
        ("95472", "95472"),
        (" 95472-1234 ", "95472"),
        ("954721234", "95472"),
        (95472, "95472"),
        (2134, "02134"),
        ("9547", None),
        ("CA", None),
        (None, None),
    ],
)
def test_zip(said: Any, zip5: str | None) -> None:
    assert held(shipToAddress={"postalCode": said, "stateCode": " ca "}).zip5 == zip5
    assert held(shipToAddress={"postalCode": said, "stateCode": " ca "}).state == "CA"


def line(sku: Any, quantity: Any, price: Any = 10, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, "price": price, **more}


@pytest.mark.parametrize(
    ("products", "packs", "quantities"),
    [
        ([line("A", 1), line("A", 2, Decimal("7.50")), line("B", Decimal("3.0"))], None, {"A": 3, "B": 3}),
        ([], [], {}),
        # A pack stands for its members, wherever it is listed.
        ([line("A", 2, 5, packProductId=9), line("B", 1)], [line("SIX", 1, 50, productId=9)], {"B": 1, "SIX": 1}),
        (
            [line("A", 2, 5, packProductId=9), line("SIX", 1, 50, productId=9)],
            [line("SIX", 1, 50, productId=9)],
            {"SIX": 1},
        ),
        ([line("A", 2, 5, packProductId=9)], [], {"A": 2}),
        ([line(None, 1), line("A", 1)], [], None),
        ([line("A", None)], [], None),
        ([line("A", Decimal("1.5"))], [], None),
        ([line("A", 1, None)], [], {"A": 1}),
        ([line("A", 1), "odd"], [], None),
        (None, [], None),
        ([line("A", -2)], [], {"A": -2}),
    ],
)
def test_quantities_of_the_lines(products: Any, packs: Any, quantities: Any) -> None:
    assert held(products=products, packs=packs).quantities == quantities


def test_problems_come_as_they_are() -> None:
    found = held(orderProblems=[{"code": 7, "message": "m"}, "text", None, 5])
    assert found.problems == (Problem("7", "m", None), Problem(None, "text", None))


def test_how_it_is_known_whose_it_is() -> None:
    assert held(metaFields={"c7_order_id": "x-1", "c7_tenant": "h"}).shop_order_id == "x-1"
    assert held(metaFields=[{"key": "c7_order_id", "value": "x-1"}]).shop_order_id == "x-1"
    for blank in ({}, {"c7_tenant": "h"}, {"c7_order_id": ""}, {"other": "x"}, None):
        assert held(metaFields=blank).shop_order_id is None


def test_moments_are_utc_without_zone() -> None:
    found = held(
        purchasedAt="2026-05-28T19:31:00-07:00",
        shippedAt="2026-12-03T17:12:00.000Z",
        deliveredAt="2026-12-05",
        canceledAt="0001-01-01T00:00:00Z",
        specialInstructions={"shipDate": "2026-12-24T00:00:00.000Z"},
    )
    assert found.purchased_at == datetime(2026, 5, 29, 2, 31)
    assert found.shipped_at == datetime(2026, 12, 3, 17, 12)
    assert found.delivered_at == datetime(2026, 12, 5, 8)
    assert (found.canceled_at, found.ship_date) == (None, date(2026, 12, 24))


def test_packages_in_their_order() -> None:
    rows = [{"carrier": "UPS", "trackingNumber": " 1Z1 "}, {"carrier": None, "trackingNumber": 42}, {}, None]
    assert held(shipping={"packages": rows}).packages == (
        Package("UPS", "1Z1"),
        Package(None, "42"),
        Package(None, None),
    )
    assert held(shipping={"packages": None}).packages == ()
    of_all = {"carrier": "FEDEX", "packages": [{"carrier": None, "trackingNumber": "9"}, {"carrier": "UPS"}]}
    assert held(shipping=of_all).packages == (Package("FEDEX", "9"), Package("UPS", None)), "orders.md 7.2"
