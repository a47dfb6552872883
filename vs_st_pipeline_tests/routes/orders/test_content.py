"""What counts as a change (orders.md 4.2 "Content", 6.5): all that is read of an order, and no more, in one form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.routes.orders.content import changed_fields, content_hash, sent_hash
from vs_st_pipeline.sandbox.scenarios.orders_shop import exchanged, rate, taken_back
from vs_st_pipeline_tests.routes.orders.orders_made import ACCOUNT, NOW, body, line, made, read

READ: tuple[tuple[str, dict[str, Any]], ...] = (
    ("purchaseType", {"purchaseType": "Corporate Order"}),
    ("orderDeliveryMethod", {"orderDeliveryMethod": "Pickup"}),
    ("paymentStatus", {"paymentStatus": "Authorized"}),
    ("fulfillmentStatus", {"fulfillmentStatus": "Fulfilled"}),
    ("complianceStatus", {"complianceStatus": "Void"}),
    ("carrierPickupLocation", {"carrierPickupLocation": {"id": 1}}),
    ("orderPaidDate", {"orderPaidDate": "2026-11-28T00:00:00Z"}),
    ("orderNumber", {"orderNumber": 99}),
    ("total", {"total": 1}),
    ("customer.emails", {"customer": {"emails": [{"email": "new@example.com"}]}}),
    ("customer.lastName", {"customer": {"lastName": "New"}}),
    ("customer.birthDate", {"customer": {"birthDate": "1970-01-01"}}),
    ("customer.phones", {"customer": {"phones": [{"phone": "7075550000"}]}}),
    ("billTo.address", {"billTo": {"address": "New"}}),
    ("billTo.birthDate", {"billTo": {"birthDate": "1970-01-01"}}),
    ("shipTo.countryCode", {"shipTo": {"countryCode": "CA"}}),
)
SENT: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("shipTo.firstName", "shipTo", {"shipTo": {"firstName": "New"}}),
    ("shipTo.lastName", "shipTo", {"shipTo": {"lastName": "New"}}),
    ("shipTo.company", "shipTo", {"shipTo": {"company": "New"}}),
    ("shipTo.phone", "shipTo", {"shipTo": {"phone": "7075550000"}}),
    ("shipTo.address", "shipTo", {"shipTo": {"address": "New"}}),
    ("shipTo.address2", "shipTo", {"shipTo": {"address2": "New"}}),
    ("shipTo.city", "shipTo", {"shipTo": {"city": "New"}}),
    ("shipTo.stateCode", "shipTo", {"shipTo": {"stateCode": "NY"}}),
    ("shipTo.zipCode", "shipTo", {"shipTo": {"zipCode": "95473"}}),
    ("shipTo.birthDate", "shipTo", {"shipTo": {"birthDate": "1970-01-01"}}),
    ("items", "items", {"items": [line("PINOT22", 3)]}),
    ("items", "items", {"items": [line("PINOT22", 2, 4199)]}),
    ("items", "items", {"items": [line("PINOT22", 2, tax=1)]}),
    ("items", "items", {"items": [line("PINOT22", 2, bottleDeposit=1)]}),
    ("items", "items", {"items": [line("PINOT22", 2, hasShipping=False)]}),
    ("items", "items", {"items": [line("PINOT22", 2, type="Bundle")]}),
    ("items", "items", {"items": [line("PINOT22", 2, bundleItems=[{"sku": "A", "quantity": 1, "price": 1}])]}),
    ("shipping", "shipping", {"shipping": [rate("UPS", "01")]}),
    ("subTotal", "subTotal", {"subTotal": 1}),
    ("shipTotal", "shipTotal", {"shipTotal": 1}),
    ("taxTotal", "taxTotal", {"taxTotal": 1}),
    ("requestedShipDate", "requestedShipDate", {"selectedShippingOptions": {"requestedShipDate": "2026-12-09"}}),
    ("giftMessage", "giftMessage", {"giftMessage": "New"}),
    ("shippingInstructions", "shippingInstructions", {"shippingInstructions": "New"}),
)
NOT_READ: tuple[dict[str, Any], ...] = (
    {"updatedAt": "2026-11-29T19:00:00Z"},
    {"tags": [{"id": "1"}]},
    {"shippingStatus": "Delivered"},
    {"appData": [{"a": 1}]},
    {"channel": "Club"},
    {"tipTotal": 900},
    {"fulfillments": [{"id": "1"}]},
    {"customer": {"emails": [{"email": "marisol.vantongeren.hillside@example.com"}, {"email": "second@example.com"}]}},
    {"customer": {"tags": [{"id": 1}]}},
    {"shipping": [rate("UPS", "03", "Another title", 9900) | {"tax": 120}]},
    {"items": [line("PINOT22", 2, quantityFulfilled=2, productTitle="New")]},
)
THE_SAME: tuple[dict[str, Any], ...] = (
    {"subTotal": Decimal("8400.0"), "items": [line("PINOT22", Decimal("2.0"), Decimal("4.2E+3"), tax=672)]},
    {"purchaseType": None},
    {"purchaseType": " REGULAR "},
    {"paymentStatus": "paid", "orderDeliveryMethod": "SHIP"},
    {"shipTo": {"stateCode": "ca", "countryCode": "us", "zipCode": " 95472", "phone": "(707) 555-1001"}},
    {"shipping": [rate("ups", "3")]},
    {"giftMessage": "  "},
    {"items": [line("PINOT22", 2, bottleDeposit=None)]},
)


@pytest.mark.parametrize(("name", "changed"), [*READ, *((name, changed) for name, _, changed in SENT)])
def test_o4_2_whatever_is_read_is_content(name: str, changed: dict[str, Any]) -> None:
    before, after = made(), made(**changed)
    assert content_hash(before) != content_hash(after)
    assert changed_fields(before, after) == [name]


@pytest.mark.parametrize("changed", [*NOT_READ, *THE_SAME])
def test_o4_2_nothing_else_is_and_one_value_has_one_form(changed: dict[str, Any]) -> None:
    before, after = made(), made(**changed)
    assert content_hash(before) == content_hash(after)
    assert sent_hash(before) == sent_hash(after)
    assert changed_fields(before, after) == []


@pytest.mark.parametrize(("name", "part", "changed"), SENT)
def test_o6_5_what_was_sent_and_differs_is_named(name: str, part: str, changed: dict[str, Any]) -> None:
    before, after = sent_hash(made()), made(**changed)
    assert before != sent_hash(after)
    assert changed_fields(before, after) == changed_fields(before, sent_hash(after)) == [part]
    assert changed_fields(made(), sent_hash(after)) == [part]


@pytest.mark.parametrize(("name", "changed"), [one for one in READ if one[0] not in ("orderNumber",)])
def test_o6_5_profile_bill_to_and_statuses_are_no_part_of_it(name: str, changed: dict[str, Any]) -> None:
    assert sent_hash(made(**changed)) == sent_hash(made())


def test_o6_5_fulfilling_an_order_is_no_change_of_what_was_sent() -> None:
    after = made(
        fulfillmentStatus="Fulfilled", items=[line("PINOT22", 2, quantityFulfilled=2)], shippingStatus="Pending"
    )
    assert sent_hash(after) == sent_hash(made())


def test_o6_5_the_order_of_lines_is_no_change() -> None:
    lines = [line("PINOT22", 1), line("ZIN21", 1)]
    one, other = made(items=lines, subTotal=8000), made(items=lines[::-1], subTotal=8000)
    assert (content_hash(one), sent_hash(one)) == (content_hash(other), sent_hash(other))


def test_o6_5_a_hash_of_another_version_is_a_change_without_names() -> None:
    assert changed_fields("0f" * 32, made()) != []
    assert changed_fields(sent_hash(made()), sent_hash(made())) == []


def test_o6_5_the_hash_tells_nobodys_data() -> None:
    text = sent_hash(made())
    assert text.count("shipTo=") == 1  # one hash for all of it: that of a birth date alone could be guessed
    for name in ("Marisol", "Sample", "95472", "707", "1980"):
        assert name not in text.replace("=", " ").split()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("2026-12-09", "2026-12-09T00:00:00.000Z", True),
        ("2026-12-09T08:00:00Z", "2026-12-09T00:00:00-08:00", True),
        ("2026-12-09", "2026-12-09T08:00:00Z", False),
        ("soon", " soon ", True),
        (None, "", True),
    ],
)
def test_o4_2_a_wanted_day_has_one_form(one: str | None, other: str, alike: bool) -> None:
    hashes = [content_hash(made(selectedShippingOptions={"requestedShipDate": day})) for day in (one, other)]
    assert (hashes[0] == hashes[1]) == alike


def test_o4_2_refunds_and_exchanges_are_content_and_other_linked_orders_are_not() -> None:
    record = body()
    order = read(record)
    refund, part = taken_back(ACCOUNT, 2, body(), NOW), taken_back(ACCOUNT, 2, body(), NOW, {"PINOT22": 1})
    exchange = exchanged(ACCOUNT, 3, body(), NOW, "PINOT22", "ZIN21")
    plain = content_hash(order)
    hashes = {content_hash(order, [read(one)]) for one in (refund, part, exchange, {**refund, "total": -1})}
    assert len(hashes | {plain}) == 5
    assert content_hash(order, [made(number=4), order]) == plain
    assert content_hash(order, [read(refund), read(exchange)]) == content_hash(order, [read(exchange), read(refund)])
    assert content_hash(order, [read({**refund, "updatedAt": "2026-11-29T19:59:59Z", "tags": [1]})]) in hashes


@pytest.mark.parametrize("value", ["4200", None, [1], {"a": 1}, True, Decimal("0.5"), 10**30])
def test_o4_2_values_that_are_no_amounts_are_told_apart(value: Any) -> None:
    other = made(items=[line("PINOT22", 2, price=value)])
    assert (content_hash(other) == content_hash(made())) is False
    assert sent_hash(other)
