"""Whatever stands in an order, where a value of another form was expected: a clear code, and never a crash."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.order_record import Unreadable
from vs_st_pipeline.domain.codec import encode, read_json
from vs_st_pipeline.routes.orders import rules, sentences
from vs_st_pipeline.routes.orders.compare import is_ours
from vs_st_pipeline.routes.orders.content import changed_fields, content_hash, sent_hash
from vs_st_pipeline_tests.routes.orders.orders_made import (
    Body,
    body,
    known,
    line,
    made,
    read,
)
from vs_st_pipeline_tests.routes.orders.test_compare import HELD

SAMPLE = 30  # cases of each test in `make test`; the others count as pytest.mark.slow

ODD: tuple[Any, ...] = (
    None, "", "x", -1, 1.5, True, [], {"x": 1},
    "  ", "\u0000", "\u200b", "１２", "12", "NaN", 0, 7, 10**30, False, {}, [None], ["x"], "2026-02-30", "0000-00-00",
    "9999-12-31T23:59:59Z", "é" * 5000, "jane@example.com", "{skus}", "a=b,c=d",
)  # fmt: skip
Path = tuple[Any, ...]


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _paths(inner, (*path, place))


def _put(record: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    copied = copy.copy(record)
    copied[path[0]] = _put(record[path[0]], path[1:], value)
    return copied


WHOLE = body(line("TRIO", 2), line("SPARK20", 1), line("TICKET", 1), giftMessage="Hi", shippingInstructions="Porch")
AS_SKU, AS_ITEMS = (known(bundles=how, catalogue=None) for how in ("as_sku", "as_items"))
GOOD = sent_hash(made())
READ = [
    path
    for path in _paths(WHOLE)
    if path[0] not in ("tenders", "taxes", "connectionInformation", "promotions", "coupons", "tags", "appData")
]


def _check(record: Body, given: rules.Known) -> str | None:
    """Judge an order, and look at all that is made of it; returns its code, None where it may be sent."""
    try:
        order = read(record)
    except Unreadable:
        return "unreadable"
    verdict = rules.judge(order, given)
    assert content_hash(order)
    assert changed_fields(GOOD, order) is not None
    is_ours(order, HELD, order.id)
    if verdict.code is not None:
        text = sentences.sentence(verdict.code, json.loads(json.dumps(verdict.says)))
        assert "jane@example.com" not in text
        assert len(text) < 6000
        return verdict.code
    assert verdict.payload is not None
    sent = read_json(encode(verdict.payload.body) or b"")
    assert re.fullmatch(r"HILLSIDE-[A-Za-z0-9-]+", sent["orderNumber"])
    assert sent["customer"]["email"].count("@") == 1
    assert sent["customer"]["lastName"].strip()
    assert sent["shipToAddress"]["stateCode"] in given.settings.states
    assert re.fullmatch(r"[0-9]{5}(-[0-9]{4})?", sent["shipToAddress"]["postalCode"], re.ASCII)
    assert sent["shipToAddress"]["street1"].strip()
    assert sent["shippingRate"]["carrier"] == "UPS"
    amounts = [sent["taxes"], sent["shippingRate"]["price"], *(one["price"] for one in sent["products"])]
    assert all(isinstance(one, Decimal) and one >= 0 and one == round(one, 2) for one in amounts)
    assert all(type(one["quantity"]) is int and one["quantity"] > 0 for one in sent["products"])
    assert json.loads(json.dumps(verdict.payload.sent)) == verdict.payload.sent
    return None


def test_o10_any_value_anywhere_is_a_code_or_an_order_that_can_be_sent() -> None:
    assert _check(WHOLE, AS_SKU) is None
    assert _check(WHOLE, AS_ITEMS) is None
    codes = set()
    for turn, path in enumerate(READ):
        for step in range(7):
            codes.add(_check(_put(WHOLE, path, ODD[(turn + 4 * step) % len(ODD)]), AS_ITEMS))
    assert codes <= {None, "unreadable", *rules.CODES}
    assert len(codes) > 12


def test_o10_any_value_in_a_refund_is_no_crash_and_the_others_still_tell_that_goods_went_back() -> None:
    order = read(body(line("PINOT22", 2)))
    refund = body(line("PINOT22", -2), number=2, purchaseType="Refund", previousOrderId=order.id, total=-8400)
    for path in _paths({key: refund[key] for key in ("items", "total", "purchaseType")}):
        for odd in ODD:
            try:
                other = read(_put(refund, path, odd))
            except Unreadable:
                continue
            code = rules.judge(order, known(linked=[other])).code
            assert content_hash(order, [other])
            if path not in (("items",), ("items", 0)) and path[-1] != "sku" and (path[-1], odd) != ("quantity", 0):
                assert code in ("refunded", "partly_refunded"), (path, odd)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"items": [line("PINOT22", "2", "4200")], "subTotal": "8400"}, "bad_quantity"),
        ({"items": [line("PINOT22", 2), line("ZIN21", -1)]}, "exchange"),
        ({"items": [line("PINOT22", 2), line("ZIN21", 0)], "subTotal": 8400}, None),
        ({"shipTo": {"stateCode": "Ca", "countryCode": "U.S.A."}}, None),
        ({"shipTo": {"stateCode": "ＣＡ"}}, "no_destination"),
        ({"shipTo": []}, "unreadable"),
        ({"customer": [], "billTo": None}, "unreadable"),
        ({"customer": None, "billTo": None}, "no_email"),
        ({"customer": {"emails": {"email": "a@example.com"}}}, "no_email"),
        ({"customer": {"emails": ["a@example.com"]}}, None),
        ({"billTo": {"birthDate": "2008-02-29"}}, "under_age"),
        ({"selectedShippingOptions": None}, None),
        ({"orderPaidDate": "soon", "orderSubmittedDate": None, "createdAt": None}, "unreadable"),
        ({"orderNumber": "12/3"}, "unreadable"),
        ({"orderNumber": "A-12"}, None),
        ({"linkedOrders": {"orderId": "1"}}, "unreadable"),
    ],
)
def test_o10_inputs_of_real_life(changed: dict[str, Any], expected: str | None) -> None:
    record = {**body(), **{key: value for key, value in changed.items() if not isinstance(value, dict)}}
    for key, value in changed.items():
        if isinstance(value, dict):
            record[key] = {**record[key], **value} if isinstance(record[key], dict) else value
    assert _check(record, AS_SKU) == expected
