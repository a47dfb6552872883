"""What linked orders took back of an order (orders.md 4.1), case by case, each at its boundary."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.domain.shop_order import ShopLine, ShopOrder
from vs_st_pipeline.routes.orders.linked import TakenBack, is_exchange, is_refund, of_kind, taken_back

NOTHING, PARTLY, WHOLLY = TakenBack(), TakenBack(partly=True), TakenBack(wholly=True)
TOTAL = 5000


def line(sku: str | None, quantity: Any, *, ships: bool = True) -> ShopLine:
    return ShopLine(sku, quantity, 1000, has_shipping=ships)


def order(*lines: ShopLine, id: str = "first", type: str | None = "Regular", total: Any = TOTAL) -> ShopOrder:
    return ShopOrder(id, f"N-{id}", datetime(2026, 11, 29), lines=lines, purchase_type=type, total=total)


def refund(*lines: ShopLine, id: str = "refund", type: str | None = "Refund", total: Any = 0) -> ShopOrder:
    return order(*lines, id=id, type=type, total=total)


TWO_WINES = order(line("PINOT", 2), line("ROSE", 1))
CASES: dict[str, tuple[ShopOrder, list[ShopOrder], TakenBack]] = {
    "no order is linked": (TWO_WINES, [], NOTHING),
    "the order itself is among them": (TWO_WINES, [order(line("PINOT", -2), line("ROSE", -1))], NOTHING),
    "all goods": (TWO_WINES, [refund(line("PINOT", -2), line("ROSE", -1))], WHOLLY),
    "all goods and more": (TWO_WINES, [refund(line("PINOT", -3), line("ROSE", -1))], WHOLLY),
    "one bottle is left": (TWO_WINES, [refund(line("PINOT", -1), line("ROSE", -1))], PARTLY),
    "one bottle of two kinds": (TWO_WINES, [refund(line("ROSE", -1))], PARTLY),
    "two refunds that are all goods together": (
        TWO_WINES,
        [refund(line("PINOT", -1), line("ROSE", -1)), refund(line("PINOT", -1), id="another")],
        WHOLLY,
    ),
    "twice a line of the same wine": (
        order(line("PINOT", 1), line("PINOT", 1)), [refund(line("PINOT", -1))], PARTLY,
    ),
    "twice a line of the same wine, both": (
        order(line("PINOT", 1), line("PINOT", 1)), [refund(line("PINOT", -2))], WHOLLY,
    ),
    "wine of another order": (TWO_WINES, [refund(line("MERLOT", -2))], NOTHING),
    "goods that do not ship are no goods to send": (
        order(line("PINOT", 1), line("TASTING", 1, ships=False)), [refund(line("TASTING", -1))], NOTHING,
    ),
    "all that ships, though a tasting stays": (
        order(line("PINOT", 1), line("TASTING", 1, ships=False)), [refund(line("PINOT", -1))], WHOLLY,
    ),
    "a line that the order takes back itself is not wanted": (
        order(line("PINOT", 1), line("ROSE", 0)), [refund(line("PINOT", -1))], WHOLLY,
    ),
    "an order without goods, of which nothing was paid back": (order(total=0), [refund()], NOTHING),
    "an order without goods, paid back": (order(), [refund(total=-TOTAL)], WHOLLY),
    # Money. What is called a refund may give its total with or without a sign.
    "the whole total": (TWO_WINES, [refund(total=-TOTAL)], WHOLLY),
    "the whole total, told without a sign": (TWO_WINES, [refund(total=TOTAL)], WHOLLY),
    "more than the total": (TWO_WINES, [refund(total=-TOTAL - 1)], WHOLLY),
    "a cent less than the total": (TWO_WINES, [refund(total=-TOTAL + 1)], NOTHING),
    "the total in two refunds": (TWO_WINES, [refund(total=-4000), refund(id="another", total=1000)], WHOLLY),
    "shipping alone": (TWO_WINES, [refund(total=-1500)], NOTHING),
    "nothing, of an order that cost nothing": (order(line("PINOT", 2), total=0), [refund()], NOTHING),
    "an order that cost one cent": (order(line("PINOT", 2), total=1), [refund(total=-1)], WHOLLY),
    "a total that is no amount": (TWO_WINES, [refund(total="5000")], NOTHING),
    "a total that is no amount, of an order that cost one cent": (
        order(line("PINOT", 2), total=1), [refund(total="x")], NOTHING,
    ),
    "a positive total without a type, of an order that cost one cent": (
        order(line("PINOT", 2), total=1), [refund(line("MERLOT", -1), type=None, total=9)], NOTHING,
    ),
    "the order's total is no amount": (order(line("PINOT", 2), total="0"), [refund(total=-9000)], NOTHING),
    # Not called a refund: what it is shows in its content, and a positive total is no money that was paid back.
    "a total below zero, without a type": (TWO_WINES, [refund(type=None, total=-TOTAL)], WHOLLY),
    "goods below zero, without a type": (TWO_WINES, [refund(line("ROSE", -1), type=None)], PARTLY),
    "goods below zero and a positive total, without a type": (
        TWO_WINES, [refund(line("ROSE", -1), type=None, total=TOTAL)], PARTLY,
    ),
    "another order of the customer": (TWO_WINES, [refund(line("PINOT", 2), type=None, total=TOTAL)], NOTHING),
    # Exchanges.
    "an exchange": (TWO_WINES, [refund(line("ROSE", -1), line("MERLOT", 1), type="Exchange")], PARTLY),
    "an exchange without a type": (TWO_WINES, [refund(line("ROSE", -1), line("MERLOT", 1), type=None)], PARTLY),
    "an exchange by its type alone": (TWO_WINES, [refund(type="Exchange")], PARTLY),
    "an exchange of all goods is no refund": (
        TWO_WINES, [refund(line("PINOT", -2), line("ROSE", -1), line("MERLOT", 3), type="Exchange")], PARTLY,
    ),
    "a refund of all goods beside an exchange": (
        TWO_WINES, [refund(line("PINOT", -2), line("ROSE", -1)), refund(id="another", type="Exchange")], WHOLLY,
    ),
    # A refund of which nobody can say how much it took back.
    "a quantity that is no number": (TWO_WINES, [refund(line("PINOT", "2"))], PARTLY),
    "a fraction": (TWO_WINES, [refund(line("PINOT", Decimal("-0.5")))], PARTLY),
    "a quantity above zero, where none is below": (TWO_WINES, [refund(line("PINOT", 2))], PARTLY),
    "one above zero, where none is below": (TWO_WINES, [refund(line("PINOT", 1))], PARTLY),
    "a quantity above zero beside one below": (TWO_WINES, [refund(line("PINOT", 1), line("MERLOT", -1))], NOTHING),
    "a quantity that is no number, of wine of another order": (TWO_WINES, [refund(line("MERLOT", None))], NOTHING),
    "a quantity of zero": (TWO_WINES, [refund(line("PINOT", 0))], NOTHING),
    "one in doubt after one that is clear": (TWO_WINES, [refund(line("PINOT", "x"), line("MERLOT", "x"))], PARTLY),
    "in doubt, and the whole total": (TWO_WINES, [refund(line("PINOT", "x"), total=-TOTAL)], WHOLLY),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_o4_1_what_linked_orders_took_back(case: str) -> None:
    about, linked, expected = CASES[case]
    assert taken_back(about, linked) == expected


@pytest.mark.parametrize(
    ("one", "exchange", "refunded"),
    [
        (order(line("A", 1)), False, False),
        (order(line("A", 1), type=" exchange "), True, False),
        (order(line("A", 1), type="REFUND"), False, True),
        (order(line("A", 1), total=-1), False, True),
        (order(line("A", 1), total=0), False, False),
        (order(line("A", -1)), False, True),
        (order(line("A", Decimal("-0.5"))), False, True),
        (order(line("A", 0)), False, False),
        (order(line("A", -1), line("B", 1)), True, False),
        (order(line("A", -1), line("B", Decimal("0.5"))), True, False),
        (order(line("A", -1), line("B", 0)), False, True),
    ],
)
def test_o4_1_a_refund_and_an_exchange_are_known_by_content_too(one: ShopOrder, exchange: bool, refunded: bool) -> None:
    assert (is_exchange(one), is_refund(one)) == (exchange, refunded)


def test_o4_1_a_type_outweighs_the_content() -> None:
    called_refund = order(line("A", -1), line("B", 1), id="1", type="Refund")
    called_exchange = order(line("A", -1), id="2", type="Exchange")
    called_regular = order(line("A", 1), id="3")
    assert of_kind([called_refund, called_exchange, called_regular]) == ([called_refund], [called_exchange])
