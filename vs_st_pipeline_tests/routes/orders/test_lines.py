"""Lines, bundles and their money (orders.md 5.2): what the customer paid is what is sent, to the cent, and no float."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vs_st_pipeline.domain.codec import BEYOND, encode, read_json
from vs_st_pipeline.domain.shop_order import ShopLine
from vs_st_pipeline.routes.orders.lines import bad_quantity, goes, sum_mismatch
from vs_st_pipeline.routes.orders.money import cents, dollars, whole
from vs_st_pipeline.routes.orders.payload import Payload, build
from vs_st_pipeline_tests.routes.orders.orders_made import code, judged, known, line, made

AS_ITEMS = "as_items"


def bundle(quantity: Any, price: Any, *parts: tuple[str, Any, Any], **changed: Any) -> dict[str, Any]:
    """Return a bundle of these parts: SKU, quantity, price of each."""
    items = [{"sku": sku, "quantity": number, "price": each, "hasShipping": True} for sku, number, each in parts]
    return line("GIFTPACK", quantity, price, type="Bundle", bundleItems=items, **changed)


def sent(*lines: dict[str, Any], **changed: Any) -> list[tuple[str, int, str]]:
    """Return what goes, with bundles split."""
    payload = build(made(*lines, **changed), known(bundles=AS_ITEMS, catalogue=None))
    return [(one["sku"], one["quantity"], one["price"]) for one in payload.sent["lines"]]


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1900, 1900), (Decimal("1900.0"), 1900), (Decimal("1.9E+3"), 1900), (1900.0, 1900), (0, 0), (None, 0), (-5, -5),
        (Decimal("1900.5"), None), (1900.5, None), ("1900", None), (True, None), (float("nan"), None),
        (float("inf"), None), (Decimal("NaN"), None), (Decimal("Infinity"), None), (BEYOND, None), ([1], None),
        ({}, None), (10**9, None), (Decimal("1E+300"), None), (Decimal("-0.0"), 0), ("", None),
    ],
)  # fmt: skip
def test_o5_1_whole_cents_or_none(value: Any, expected: int | None) -> None:
    assert cents(value) == expected


@pytest.mark.parametrize(
    ("quantity", "ships", "expected"),
    [
        (1, True, True), (1, False, False), (0, True, False), (Decimal("0.0"), True, False), (-1, True, False),
        (Decimal("-0.5"), True, False), (-0.5, True, False), (Decimal("0.5"), True, True), (None, True, True),
        ("2", True, True), (True, True, True), (Decimal("NaN"), True, True), (None, False, False),
        (10**9, True, True), (-(10**9), True, False),
    ],
)  # fmt: skip
def test_o5_2_a_line_goes_unless_its_quantity_is_a_number_that_is_not_above_zero(
    quantity: Any, ships: bool, expected: bool
) -> None:
    assert goes(ShopLine("PINOT", quantity, 1000, has_shipping=ships)) is expected


def test_o5_1_no_quantity_is_no_number() -> None:
    assert whole(None) is None


@given(st.integers(min_value=0, max_value=10**9))
def test_o5_1_dollars_are_written_digit_by_digit(amount: int) -> None:
    text = (encode(dollars(amount)) or b"").decode()
    assert text == f"{amount // 100}.{amount % 100:02}"
    assert read_json(text) * 100 == amount


# --- the customer paid what is sent -----------------------------------------------------------------------------------

_amount = st.integers(min_value=0, max_value=99_999)
_line = st.builds(
    lambda sku, quantity, price, tax, deposit, form: line(
        sku, quantity, form(price), tax=tax, bottleDeposit=deposit, bundleItems=[]
    ),
    st.sampled_from(["PINOT22", "ZIN21", "CHARD23"]),
    st.integers(min_value=1, max_value=60),
    _amount,
    _amount,
    st.integers(min_value=0, max_value=25),
    st.sampled_from([int, lambda price: Decimal(price).scaleb(0), lambda price: Decimal(f"{price}.0")]),
)
_tickets = st.builds(lambda quantity, price: line("TICKET", quantity, price, tax=0), st.integers(1, 3), _amount)


def _no_float(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_no_float, value.values()))
    return all(map(_no_float, value)) if isinstance(value, list) else not isinstance(value, float)


def _total(payload: Payload) -> Decimal:
    """Return what the shipper makes of the body as it leaves."""
    body = read_json(encode(payload.body) or b"")
    goods = sum(Decimal(one["quantity"]) * one["price"] for one in body["products"])
    discount = body.get("discount", {}).get("productDiscount", {}).get("value", 0)
    return goods + body["shippingRate"]["price"] + body["taxes"] + Decimal(body.get("fees", 0)) - discount


@settings(max_examples=60, deadline=None)
@given(st.lists(_line, min_size=1, max_size=5), _amount, _amount, st.integers(0, 10**6))
def test_o5_2_what_is_sent_adds_up_to_what_was_paid(lines: Any, ship: int, tax: int, off: int) -> None:
    worth = sum(int(one["price"]) * one["quantity"] for one in lines)
    deposits = sum(one["bottleDeposit"] * one["quantity"] for one in lines)
    paid = max(worth - off, 0)
    payload = build(made(*lines, subTotal=paid, shipTotal=ship, taxTotal=tax), known())
    assert _total(payload) * 100 == paid + ship + tax + deposits
    assert Decimal(payload.sent["money"]["total"]) == _total(payload)
    assert _no_float(payload.body)
    assert _no_float(payload.sent)


@settings(max_examples=30, deadline=None)
@given(st.lists(_line, min_size=1, max_size=3), st.lists(_tickets, min_size=1, max_size=2), _amount)
def test_o5_2_with_lines_left_out_what_goes_is_what_was_paid_for_it(lines: Any, tickets: Any, ship: int) -> None:
    order = made(*lines, *tickets, shipTotal=ship, shipping=[{"carrier": "UPS", "code": "03", "tax": 31}])
    worth = sum(int(one["price"] + one["bottleDeposit"]) * one["quantity"] + one["tax"] for one in lines)
    assert _total(build(order, known())) * 100 == worth + ship + 31


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9_999)), min_size=1, max_size=4),
    st.integers(1, 12),
    st.booleans(),
)
def test_o5_2_a_bundle_that_is_split_costs_what_it_cost(parts: Any, quantity: int, in_total: bool) -> None:
    price = sum(number * each for number, each in parts)
    factor = quantity if in_total else 1
    one = bundle(
        quantity, price, *((f"S{i}", number * factor, each) for i, (number, each) in enumerate(parts)), bottleDeposit=0
    )
    found = sent(one)
    assert sum(number * Decimal(each) * 100 for _, number, each in found) == price * quantity
    assert sorted(number for _, number, _ in found) == sorted(number * quantity for number, _ in parts)


# --- bundles ----------------------------------------------------------------------------------------------------------


def test_o5_2_as_sku_sends_a_bundle_under_its_own() -> None:
    order = made(bundle(2, 7000, ("CHARD23", 1, 3200), ("ZIN21", 1, 3800)))
    payload = build(order, known())
    assert payload.sent["lines"] == [{"sku": "GIFTPACK", "quantity": 2, "price": "70.00"}]


@pytest.mark.parametrize(
    ("quantity", "price", "parts", "expected"),
    [
        (2, 7000, [("A", 1, 3200), ("B", 1, 3800)], [("A", 2, "32.00"), ("B", 2, "38.00")]),  # of one bundle
        (2, 7000, [("A", 2, 3200), ("B", 2, 3800)], [("A", 2, "32.00"), ("B", 2, "38.00")]),  # of all
        (1, 7000, [("A", 1, 3200), ("B", 1, 3800)], [("A", 1, "32.00"), ("B", 1, "38.00")]),  # both at once
        (3, 1000, [("A", 2, 500), ("B", 0, 999)], [("A", 6, "5.00")]),
        (2, 1000, [("A", 1, 500), ("A", 1, 500)], [("A", 4, "5.00")]),
        (1, 0, [("A", 2, 0)], [("A", 2, "0.00")]),
    ],
)
def test_o5_2_as_items_goes_by_what_the_prices_fit(quantity: int, price: int, parts: Any, expected: Any) -> None:
    assert sent(bundle(quantity, price, *parts)) == expected


@pytest.mark.parametrize(
    ("quantity", "price", "parts"),
    [
        (2, 7000, [("A", 1, 3200), ("B", 1, 3900)]),
        (2, 7000, []),
        (2, 0, [("A", 1, 0)]),  # both at once, and more than one
        (1, 0, []),
        (1, 0, [("A", 0, 0)]),
        (3, 1000, [("A", 2, 1000)]),
    ],
)
def test_o5_2_a_bundle_that_fits_neither_is_unclear(quantity: int, price: int, parts: Any) -> None:
    verdict = judged(made(bundle(quantity, price, *parts)), bundles=AS_ITEMS, catalogue=None)
    assert (verdict.code, verdict.says) == ("bundle_unclear", {"skus": ["GIFTPACK"]})
    assert code(made(bundle(quantity, price, *parts))) == "sent"  # under its own SKU nobody asks


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ((" ", 1, 7000), "no_sku"),
        (("A", 1.5, 7000), "bad_quantity"),
        (("A", -1, 7000), "bad_quantity"),
        (("A", None, 7000), "bad_quantity"),
        (("A", 1, 2333.33), "bad_money"),
        (("A", 1, "7000"), "bad_money"),
    ],
)
def test_o5_2_parts_of_a_bundle_are_lines_like_others(part: tuple[str, Any, Any], expected: str) -> None:
    order = made(bundle(1, 7000, part))
    assert code(order, bundles=AS_ITEMS, catalogue=None) == expected
    assert code(order) == "sent"


def test_o5_2_a_bundle_is_one_in_any_case_and_its_parts_need_to_be_known() -> None:
    order = made(bundle(1, 7000, ("CHARD23", 1, 3200), ("Nowhere", 1, 3800)) | {"type": "BUNDLE"})
    assert judged(order, bundles=AS_ITEMS).says == {"skus": ["Nowhere"]}


# --- sums -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said", "expected"),
    [
        ((line("PINOT22", 2),), 8400, "sent"),
        ((line("PINOT22", 2),), 8401, "sum_mismatch"),
        ((line("PINOT22", 2),), 8399, "sent"),
        ((line("PINOT22", 2), line("TICKET", 1)), 20900, "sent"),
        ((line("PINOT22", 2), line("TICKET", 1)), 20899, "sum_mismatch"),
        ((line("PINOT22", 2), line("TICKET", 1)), 20901, "sum_mismatch"),
        ((line("PINOT22", 2),), -1, "bad_money"),
        ((line("PINOT22", 2),), "8400", "bad_money"),
    ],
)
def test_o5_2_the_sum_of_all_lines_is_compared(lines: Any, said: Any, expected: str) -> None:
    assert code(made(*lines, subTotal=said)) == expected


@pytest.mark.parametrize(
    ("changed", "amounts"),
    [
        ({"shipTotal": "1500"}, ["shipTotal"]),
        ({"taxTotal": 0.5, "shipTotal": -1}, ["shipTotal", "taxTotal"]),
        ({"items": [line("PINOT22", 1, -4200)]}, ["items.price"]),
        ({"items": [line("PINOT22", 1, bottleDeposit=-1)]}, ["items.bottleDeposit"]),
        ({"items": [line("PINOT22", 1), line("TICKET", 1, -100)]}, ["items.price"]),  # money that nobody would hear of
        ({"items": [line("PINOT22", 1, tax=1.5), line("TICKET", 1)]}, ["items.tax"]),
        ({"items": [line("PINOT22", 1), line("TICKET", 1)], "shipping": [{"carrier": "UPS", "code": "03", "tax": "x"}]},
         ["shipping.tax"]),
    ],
)  # fmt: skip
def test_o4_1_bad_money_names_the_amounts(changed: dict[str, Any], amounts: list[str]) -> None:
    record = {"subTotal": sum(one["price"] * one["quantity"] for one in changed.get("items", [])) or 8400, **changed}
    record["subTotal"] = abs(record["subTotal"])
    verdict = judged(made(**record))
    assert (verdict.code, verdict.says) == ("bad_money", {"amounts": amounts})


def test_o4_1_amounts_that_are_not_sent_are_not_asked() -> None:
    assert (
        code(made(line("PINOT22", 1, tax=1.5), taxTotal=456)) == "sent"
    )  # the sum of taxes goes, where every line does
    assert code(made(line("PINOT22", 1), line("TICKET", 1, tax="x", bottleDeposit=-1), taxTotal="x")) == "sent"
    assert code(made(tipTotal="x", total="x")) == "sent"


@pytest.mark.parametrize("quantity", ["2", None, 2.5, True, [2], {"a": 1}, 10**12, "２"])
def test_o4_1_a_quantity_that_is_no_whole_number(quantity: Any) -> None:
    verdict = judged(made(items=[line("PINOT22", 2), line("ZIN21", 1, quantity=quantity)]))
    assert (verdict.code, verdict.says) == ("bad_quantity", {"skus": ["ZIN21"]})


def test_o4_1_a_line_that_stays_here_needs_a_whole_quantity_too() -> None:
    """Else nobody can add the order up."""
    verdict = judged(made(items=[line("PINOT22", 2), line("TICKET", 1, quantity=1.5)], subTotal=27150))
    assert (verdict.code, verdict.says) == ("bad_quantity", {"skus": ["TICKET"]})


def test_o5_2_what_is_wrong_is_named_by_its_sku_and_a_blank_one_has_none() -> None:
    unnamed = line("TICKET", 1, sku=None, quantity=1.5)
    assert judged(made(items=[line("PINOT22", 2), unnamed])).says == {"skus": [""]}
    unclear = bundle(2, 7000, ("A", 1, 3200), sku=None)  # what goes is its parts: its own SKU is asked of nobody
    verdict = judged(made(unclear), bundles=AS_ITEMS, catalogue=None)
    assert (verdict.code, verdict.says) == ("bundle_unclear", {"skus": [""]})
    parts = bundle(1, 7000, ("B", None, 7000), (None, -1, 7000))
    assert bad_quantity(made(parts), AS_ITEMS) == {"skus": ["", "B"]}


@pytest.mark.parametrize("part", [("A", 1.5, 7000), ("A", 1, 3200)])
def test_o5_2_a_bundle_that_stays_here_is_not_split(part: tuple[str, Any, Any]) -> None:
    order = made(line("PINOT22", 2), bundle(1, 7000, part, hasShipping=False))
    assert code(order, bundles=AS_ITEMS, catalogue=None) == "sent"


@pytest.mark.parametrize(
    ("price", "said", "says"),
    [
        (4200, 8401, {"lines": 8400, "sum": 8401}),
        (4200, None, {"lines": 8400, "sum": None}),  # a sum that is missing is no discount of everything
        (0, None, None),
    ],
)
def test_o5_2_a_sum_that_does_not_fit_is_told_beside_that_of_the_lines(price: int, said: Any, says: Any) -> None:
    verdict = judged(made(line("PINOT22", 2, price), subTotal=said))
    assert (verdict.code, verdict.says) == (("sum_mismatch", says) if says else (None, {}))
    cent = judged(made(line("PINOT22", 1, 1), subTotal=None))
    assert cent.says == {"lines": 1, "sum": None}


def test_o5_2_a_sum_that_is_no_amount_is_another_rules_matter() -> None:
    assert sum_mismatch(made(subTotal="8400"), "as_sku") is None
