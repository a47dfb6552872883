"""What an order of Commerce7 says, in each form that a part may have (orders.md 4.1, 5, 10; rulings, orders 2, 9)."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.order_record import (
    NO_TEXT,
    Unreadable,
    as_text,
    lacks,
    moment,
    read_order,
    stripped,
)
from vs_st_pipeline.domain.codec import read_json
from vs_st_pipeline.sandbox.scenarios.orders_accounts import account_of
from vs_st_pipeline.sandbox.scenarios.orders_shop import customer_record, line, order_record

AT = datetime(2026, 12, 1, 18, 30)


def body(**changed: Any) -> dict[str, Any]:
    account = account_of("hillside")
    buyer = customer_record(account, 1, "Marisol", "Vantongeren", AT)
    return {**order_record(account, 1, buyer, AT, [line("TRIO", 2), line("TICKET")]), **changed}


def test_o4_an_order_is_read_as_it_is_written() -> None:
    order = read_order(body(orderNumber="1248", shippingInstructions="  Ring twice ", giftMessage=" "))
    assert (order.number, order.paid_at, order.delivery_method) == ("1248", AT, "Ship")
    assert (order.shipping_instructions, order.gift_message) == ("Ring twice", None)
    trio, ticket = order.lines
    assert (trio.sku, trio.quantity, trio.price, trio.has_shipping, ticket.has_shipping) == (
        *("TRIO", 2, 11000, True, False),
    )
    assert [(part.sku, part.quantity, part.price) for part in trio.bundle] == [("PINOT22", 1, 4200), ("ZIN21", 2, 3400)]
    assert order.ship_to is not None
    assert (order.ship_to.street1, order.ship_to.zip_code) == ("1 Sample Street", "95472")
    assert order.customer is not None
    assert order.customer.emails == ("marisol.vantongeren.hillside@example.com",)
    assert lacks(body()) == frozenset()


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({}, AT),
        ({"orderPaidDate": None, "orderSubmittedDate": "2026-11-30T10:00:00-08:00"}, datetime(2026, 11, 30, 18)),
        ({"orderPaidDate": " ", "orderSubmittedDate": None, "createdAt": "2026-11-29"}, datetime(2026, 11, 29)),
        ({"orderPaidDate": "soon", "orderSubmittedDate": "2026-11-30T10:00:00Z"}, datetime(2026, 11, 30, 10)),
    ],
)
def test_o4_1_the_paid_date_is_the_first_that_can_be_read(changed: dict[str, Any], at: datetime) -> None:
    assert read_order(body(**changed)).paid_at == at


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None}, {"id": " "}, {"orderNumber": None}, {"orderNumber": "12 48"}, {"orderNumber": 12.5},
        {"orderNumber": True}, {"orderPaidDate": None, "orderSubmittedDate": "x", "createdAt": 7},
        {"orderPaidDate": "0001-01-01", "orderSubmittedDate": None, "createdAt": "9999-12-31T23:59:59-12:00"},
        {"items": "none"}, {"items": [7]}, {"shipTo": "here"}, {"customer": []}, {"shipping": {}},
        {"linkedOrders": "x"}, {"fulfillments": [None]}, {"selectedShippingOptions": "x"}, {"error": "busy"},
    ],
    ids=str,
)  # fmt: skip
def test_o10_what_cannot_be_used_is_unreadable(changed: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read_order(body(**changed))
    nothing: list[Any] = [None, [], "order", 7]
    for whole in nothing:
        with pytest.raises(Unreadable):
            read_order(whole)


def test_o4_1_what_is_given_and_no_text_is_no_word_of_the_vendor() -> None:
    order = read_order(body(purchaseType={"is": "Refund"}, paymentStatus=["Paid"], complianceStatus=7))
    assert (order.purchase_type, order.payment_status, order.compliance_status) == (NO_TEXT, NO_TEXT, "7")
    assert read_order(body(purchaseType="  ")).purchase_type is None


def test_ruling_2_each_key_that_is_read_is_missed() -> None:
    whole = body()
    for key in ("customer", "selectedShippingOptions", "purchaseType", "linkedOrders", "items", "total", "shipTo"):
        assert lacks({name: value for name, value in whole.items() if name != key}) == {key}
    for part, key in (("shipTo", "zipCode"), ("billTo", "birthDate"), ("customer", "emails")):
        cut = {name: value for name, value in whole[part].items() if name != key}
        assert lacks({**whole, part: cut}) == {f"{part}.{key}"}
    assert lacks({**whole, "shipping": [{"code": "03"}]}) == {"shipping[].carrier"}
    assert lacks({**whole, "items": None}) == {"items"}
    nobody = {"shipTo": None, "billTo": None, "customer": None, "shipping": None, "selectedShippingOptions": None}
    assert lacks({**whole, **nobody}) == frozenset(), "null is said"
    unpaid = {name: value for name, value in whole.items() if name != "orderSubmittedDate"}
    assert lacks(unpaid) == frozenset()
    assert lacks({**unpaid, "orderPaidDate": None}) == {"orderSubmittedDate"}


def test_o10_what_is_never_stored_is_stripped_and_the_rest_is_exact() -> None:
    text = json.dumps(body(idScanUrl="https://scan", appData=[{"idScanUrl": "https://scan"}])).replace(
        '"total": ', '"total": 1e99999999999999, "tipTotal": 1900.10, "was": '
    )
    kept = as_text(stripped(read_json(text)))
    assert not any(word in kept for word in ("idScanUrl", "connectionInformation", '"tip":'))
    told = read_json(kept)
    assert told["tipTotal"] == Decimal("1900.10")
    assert isinstance(told["total"], str), "a number that nothing can hold is no amount, and no null either"
    assert told["customer"].keys() == {"id", "firstName", "lastName", "birthDate", "emails", "phones"}
    assert told["appData"] == [{}]


def test_o4_times_of_each_form() -> None:
    assert moment("2026-12-01T10:00:00.123Z") == datetime(2026, 12, 1, 10, 0, 0, 123000)
    assert moment("2026-12-01T10:00:00+02:00") == datetime(2026, 12, 1, 8)
    for none in (None, "", "tomorrow", 7, "1899-01-01", "2300-01-01", {"at": 1}):
        assert moment(none) is None
