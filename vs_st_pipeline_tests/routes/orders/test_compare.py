"""Is what the shipper holds ours (orders.md 6.2), and is it as it was sent (6.6)?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.routes.orders.compare import Difference, differences, is_ours, looks_like
from vs_st_pipeline.routes.orders.payload import build
from vs_st_pipeline_tests.routes.orders.orders_made import known, line, made

ORDER = made(line("PINOT22", 2), line("ZIN21", 1), selectedShippingOptions={"requestedShipDate": "2026-12-05"})
SENT: Mapping[str, Any] = json.loads(json.dumps(build(ORDER, known()).sent))
HELD = HeldOrder(
    "HILLSIDE-1",
    "SUCCESS",
    "OPEN",
    zip5="95472",
    state="CA",
    quantities={"PINOT22": 2, "ZIN21": 1},
    ship_date=date(2026, 12, 5),
    tells_ship_date=True,
    total=Decimal("147.96"),
)
OTHER_ZIP, OTHER_GOODS = replace(HELD, zip5="95473"), replace(HELD, quantities={"PINOT22": 2})
NEITHER = replace(OTHER_ZIP, quantities={"OLD18": 9})
BOTH: tuple[ShopOrder | Mapping[str, Any], ...] = (ORDER, SENT)


# --- is it ours? ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", BOTH, ids=["order", "sent"])
def test_o6_2_meta_fields_tell_whatever_else_is_the_same(order: Any) -> None:
    assert is_ours(order, replace(NEITHER, shop_order_id=ORDER.id), ORDER.id)
    assert not is_ours(order, replace(HELD, shop_order_id="another"), ORDER.id)


@pytest.mark.parametrize("order", BOTH, ids=["order", "sent"])
def test_o6_2_without_them_the_same_zip_and_the_same_quantities(order: Any) -> None:
    assert is_ours(order, HELD, ORDER.id)
    assert is_ours(order, replace(HELD, zip5="95472-1234"), ORDER.id)
    assert is_ours(order, replace(HELD, quantities={"pinot22": 2, "ZIN21": 1, "GIFT": 0}), ORDER.id)
    for other in (OTHER_ZIP, OTHER_GOODS, NEITHER):
        assert not is_ours(order, other, ORDER.id)


@pytest.mark.parametrize("order", BOTH, ids=["order", "sent"])
@pytest.mark.parametrize("silent", [{"zip5": None}, {"quantities": None}, {"quantities": {}}])
def test_o6_2_what_shows_too_little_is_nobody_of_ours(order: Any, silent: dict[str, Any]) -> None:
    assert not is_ours(order, replace(HELD, **silent), ORDER.id)


@pytest.mark.parametrize("order", BOTH, ids=["order", "sent"])
def test_o6_2_under_the_bare_number_either_of_the_two_will_do(order: Any) -> None:
    assert looks_like(order, OTHER_ZIP)
    assert looks_like(order, OTHER_GOODS)
    assert not looks_like(order, NEITHER)
    assert not looks_like(order, replace(HELD, zip5=None, quantities=None))
    assert not looks_like(order, replace(HELD, shop_order_id="another"), ORDER.id)
    assert looks_like(order, replace(NEITHER, shop_order_id=ORDER.id), ORDER.id)


def test_o6_2_an_order_that_cannot_be_sent_is_known_all_the_same() -> None:
    order = made(
        line("PINOT22", 2), line("ZIN21", 1), line("TICKET", 4), shipping=[], paymentStatus="Cancelled", subTotal=1
    )
    assert is_ours(order, HELD, order.id)
    assert not is_ours(made(shipTo=None), HELD, order.id)
    assert not is_ours(made(items=[]), replace(HELD, quantities={}), order.id)


def test_o6_2_a_bundle_is_known_under_either_setting() -> None:
    order = made(line("TRIO", 2))
    for quantities in ({"TRIO": 2}, {"PINOT22": 2, "ZIN21": 4}):
        assert is_ours(order, replace(HELD, quantities=quantities), order.id)


# --- is it as it was sent? --------------------------------------------------------------------------------------------


def test_o6_6_the_same_differs_in_nothing() -> None:
    assert differences(SENT, HELD) == []
    assert differences(build(ORDER, known()).sent, HELD) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"quantities": {"PINOT22": 1, "ZIN21": 1}}, Difference("quantity of PINOT22", "2", "1")),
        ({"quantities": {"PINOT22": 2}}, Difference("quantity of ZIN21", "1", None)),
        ({"quantities": {"PINOT22": 2, "ZIN21": 1, "OLD18": 1}}, Difference("quantity of OLD18", None, "1")),
        ({"state": "NY"}, Difference("state", "CA", "NY")),
        ({"zip5": "95473"}, Difference("ZIP", "95472", "95473")),
        ({"ship_date": date(2026, 12, 6)}, Difference("shipDate", "2026-12-05", "2026-12-06")),
        ({"ship_date": None}, Difference("shipDate", "2026-12-05", None)),
        ({"total": Decimal("147.97")}, Difference("total", "147.96", "147.97")),
        ({"total": Decimal("147.95")}, Difference("total", "147.96", "147.95")),
    ],
)
def test_o6_6_each_value_that_is_compared(changed: dict[str, Any], expected: Difference) -> None:
    assert differences(SENT, replace(HELD, **changed)) == [expected]


@pytest.mark.parametrize(
    "silent",
    [
        {"quantities": None}, {"state": None}, {"zip5": None}, {"ship_date": None, "tells_ship_date": False},
        {"total": None}, {"total": Decimal("147.9600")}, {"total": Decimal("147.9604")}, {"state": " ca "},
    ],
)  # fmt: skip
def test_o6_6_what_an_answer_does_not_tell_is_no_difference(silent: dict[str, Any]) -> None:
    assert differences(SENT, replace(HELD, **silent)) == []


def test_o6_6_a_day_that_nobody_wanted_is_a_difference() -> None:
    sent = build(made(line("PINOT22", 2), line("ZIN21", 1)), known()).sent
    (found,) = differences(sent, HELD)
    assert (found.name, found.ours, found.theirs) == ("shipDate", None, "2026-12-05")
    assert str(found) == "shipDate: none here, 2026-12-05 there"


def test_o6_6_several_at_once() -> None:
    assert [one.name for one in differences(SENT, replace(NEITHER, total=Decimal(1)))] == [
        "quantity of OLD18", "quantity of PINOT22", "quantity of ZIN21", "ZIP", "total",
    ]  # fmt: skip


def test_ruling_11_an_adopted_order_is_compared_with_what_was_read() -> None:
    adopted = {
        "adopted": True, "lines": [{"sku": "PINOT22", "quantity": 2}], "total": "147.96", "ship_date": None,
        "state": "CA", "zip": "95472",
    }  # fmt: skip
    held = replace(HELD, quantities={"PINOT22": 2}, ship_date=None)
    assert differences(adopted, held) == []
    assert [one.name for one in differences(adopted, replace(held, total=Decimal("1.00")))] == ["total"]


@pytest.mark.parametrize("sent", [{}, {"lines": None, "money": None}, {"lines": "x"}, {"lines": [None, {"sku": "A"}]}])
def test_o6_6_what_was_kept_by_another_version_is_no_crash(sent: dict[str, Any]) -> None:
    differences(sent, HELD)
    assert not is_ours(sent, HELD, ORDER.id)
