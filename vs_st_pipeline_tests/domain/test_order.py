"""Orders from loose JSON, which of several is the newest, and what they sum up to."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.parse import order_from, receipt_url_from
from vs_st_pipeline.domain.customer import Membership
from vs_st_pipeline.domain.errors import BadRecord
from vs_st_pipeline.domain.formats import parse_moment
from vs_st_pipeline.domain.order import Order, Package, delivery_method, tracking_numbers, tracking_url
from vs_st_pipeline.domain.order_history import (
    count_is_known,
    is_counted,
    lifetime_value,
    may_count,
    newest,
    newest_counted,
    newest_counted_is_known,
    newest_is_known,
    signup_date,
)

DETAIL: dict[str, object] = {
    "orderNumber": "90000000017",
    "cartType": "WEB",
    "status": "SUCCESS",
    "orderStatus": "SHIPPED",
    "customer": {"id": 700101, "customerSince": "2025-02-11"},
    "shipping": {
        "carrier": "UPS",
        "rateCode": "03",
        "rateDescription": "UPS Ground",
        "packages": [{"carrier": "UPS", "trackingNumber": "1ZEXAMPLE0000000017"}, {"trackingNumber": None}],
    },
    "total": Decimal("128.71"),
    "purchasedAt": "2026-05-28T19:31:00-07:00",
    "shippedAt": "2026-05-30T09:12:00-07:00",
    "deliveredAt": None,
}


def order_of(detail: Any, **more: Any) -> Order | None:
    return order_from(detail, today=date(2026, 6, 1), **more)


def bought(number: str, at: str | None = "2026-05-28", status: str | None = "SUCCESS", **more: object) -> Order:
    return Order(number=number, purchased_at=parse_moment(at), status=status, **more)  # type: ignore[arg-type]


def shipped(*packages: tuple[str | None, str | None], carrier: str | None = None) -> Order:
    return Order("1", carrier=carrier, packages=tuple(Package(*package) for package in packages))


def test_a_whole_order() -> None:
    assert order_of(DETAIL) == Order(
        number="90000000017",
        customer_id=700101,
        status="SUCCESS",
        order_status="SHIPPED",
        purchased_at=parse_moment("2026-05-29T02:31:00Z"),
        shipped_at=parse_moment("2026-05-30T16:12:00Z"),
        delivered_at=None,
        customer_since=parse_moment("2025-02-11"),
        cart_type="WEB",
        rate_code="03",
        rate_description="UPS Ground",
        carrier="UPS",
        packages=(Package("UPS", "1ZEXAMPLE0000000017"), Package(None, None)),
        total=Decimal("128.71"),
        receipt_url=None,
        receipt_known=False,
    )


def test_the_receipt_is_told_apart_from_one_that_was_not_read() -> None:
    order = order_of(DETAIL, receipt_url="https://example.com/r", receipt_known=True)
    assert order is not None
    assert (order.receipt_url, order.receipt_known) == ("https://example.com/r", True)


@pytest.mark.parametrize("number", [None, "", "  ", True, {}, []])
def test_without_a_number_there_is_no_order(number: object) -> None:
    assert order_of(DETAIL | {"orderNumber": number}) is None


@pytest.mark.parametrize(("raw", "number"), [(17, "17"), ("A/1 b", "A/1 b"), (" 17", " 17")])
def test_the_number_is_kept_as_it_comes(raw: object, number: str) -> None:
    order = order_of({"orderNumber": raw})
    assert order == Order(number)


@pytest.mark.parametrize(
    ("packages", "numbers", "is_known"),
    [
        ([{"carrier": "FEDEX", "trackingNumber": 794600000000}], ["794600000000"], True),
        ([{"carrier": "UPS", "trackingNumber": None}], [], True),
        ([{"trackingNumber": 7}], [], False),
        ([{"trackingNumber": True}], [], False),
        ([{"trackingNumber": "1Z"}, None], ["1Z"], False),
        ([None], [], False),
    ],
)
def test_what_is_no_box_and_no_tracking_number_says_nothing(
    packages: list[Any], numbers: list[str], is_known: bool
) -> None:
    order = order_of({**DETAIL, "shipping": {"packages": packages}})
    assert order is not None
    assert tracking_numbers(order) == numbers
    assert ("packages" not in order.unread) is is_known


@pytest.mark.parametrize("key", [key for key in DETAIL if key != "orderNumber"])
@pytest.mark.parametrize("junk", [None, "", "x", 5, -1.5, True, [], ["x"], [None], {}, {"id": []}, {"packages": "x"}])
def test_wrong_types_cost_one_value_only(key: str, junk: object) -> None:
    order, whole = order_of(DETAIL | {key: junk}), order_of(DETAIL)
    assert order is not None
    assert whole is not None
    if key != "status":
        assert order.status == whole.status
    if key != "purchasedAt":
        assert order.purchased_at == whole.purchased_at
    if key != "shipping":
        assert order.packages == whole.packages


@pytest.mark.parametrize("raw", [None, "", "x", 0, {}, True])
def test_an_order_may_belong_to_nobody(raw: object) -> None:
    order = order_of(DETAIL | {"customer": {"id": raw}})
    assert order is not None
    assert order.customer_id is None


@pytest.mark.parametrize(
    ("raw", "total"),
    [(Decimal("128.71"), "128.71"), (128, "128"), ("128.71", "128.71"), (Decimal("0"), "0")],
)
def test_totals(raw: object, total: str) -> None:
    order = order_of(DETAIL | {"total": raw})
    assert order is not None
    assert order.total == Decimal(total)


@pytest.mark.parametrize(
    ("receipt", "url"),
    [
        ({"receiptUrl": "https://example.com/a", "url": "https://example.com/b"}, "https://example.com/a"),
        ({"receiptUrl": " ", "url": " https://example.com/b "}, "https://example.com/b"),
        ({"receipt": {"url": "http://127.0.0.1:8/c"}}, "http://127.0.0.1:8/c"),
        ({"receipt": "https://example.com/d"}, None),
        ({"url": " ", "receipt": []}, None),
        ({}, None),
        (None, None),
        ("https://example.com/e", None),
    ],
)
def test_receipts(receipt: object, url: str | None) -> None:
    assert receipt_url_from(receipt) == url


@pytest.mark.parametrize("address", ["javascript:alert(1)", "see below", 5, True, [], {}])
@pytest.mark.parametrize("name", ["receiptUrl", "url", "receipt"])
def test_an_address_in_another_form_does_not_say_that_there_is_none(address: object, name: str) -> None:
    with pytest.raises(BadRecord):
        receipt_url_from({name: {"url": address} if name == "receipt" else address})


@pytest.mark.parametrize(
    ("status", "order_status", "counted"),
    [
        ("SUCCESS", "SHIPPED", True),
        ("SUCCESS", "OPEN", True),
        ("SUCCESS", "SOMETHING_NEW", True),
        ("SUCCESS", None, True),
        ("SUCCESS", "CANCELLED", False),
        ("SUCCESS", "RETURNED", False),
        ("PENDING", "OPEN", False),
        ("PAYMENT_AUTHORIZED", "OPEN", False),
        ("DELETED", "OPEN", False),
        ("SOMETHING_NEW", "SHIPPED", False),
        (None, "SHIPPED", False),
    ],
)
def test_counted_orders(status: str | None, order_status: str | None, counted: bool) -> None:
    order = bought("1", status=status, order_status=order_status, total=Decimal("10"))
    assert is_counted(order) == counted
    assert lifetime_value([order]) == (10 if counted else 0)
    assert newest_counted([order]) is (order if counted else None)


@pytest.mark.parametrize(
    ("orders", "number"),
    [
        ([], None),
        ([bought("1", None)], None),  # without a purchase date an order is never the newest
        ([bought("1", "2026-05-01"), bought("9", None)], "1"),
        ([bought("1", "2026-05-02"), bought("9", "2026-05-01")], "1"),
        ([bought("1", "2026-05-02", "PENDING"), bought("9", "2026-05-01")], "9"),
        ([bought("1", "2026-05-02", "DELETED"), bought("9", "2026-05-01")], "9"),
        ([bought("1", "2026-05-02", "AGE_VERIFICATION_FAILED"), bought("9", "2026-05-01")], "1"),
        ([bought("1", "2026-05-02", None), bought("9", "2026-05-01")], "1"),
        # as instants, not as texts: 23:00 in California is later than 05:00 UTC of the next day
        ([bought("1", "2026-05-01T23:00:00-07:00"), bought("9", "2026-05-02T05:00:00Z")], "1"),
        ([bought("1", "2026-11-01T01:30:00-08:00"), bought("9", "2026-11-01T01:45:00-07:00")], "1"),
        # ties
        ([bought("9"), bought("10")], "10"),
        ([bought("9"), bought("010")], "010"),
        ([bought("7"), bought("007")], "7"),
        ([bought("B9"), bought("B10")], "B9"),
        ([bought("10"), bought("1a"), bought("9")], "9"),
        ([bought("9" * 6000), bought("1" + "0" * 6000)], "1" + "0" * 6000),
        ([bought("1", "2026-05-01T07:00:00Z"), bought("2", "2026-05-01")], "2"),  # Pacific midnight
    ],
)
def test_the_newest_order_whatever_the_order_of_the_rows(orders: list[Order], number: str | None) -> None:
    for rows in permutations(orders):
        found = newest(rows)
        assert (found.number if found else None) == number


def test_newest_and_newest_counted_may_differ() -> None:
    orders = [bought("1", "2026-05-02", order_status="CANCELLED"), bought("2", "2026-05-01")]
    first, counted = newest(orders), newest_counted(orders)
    assert first is not None
    assert counted is not None
    assert (first.number, counted.number) == ("1", "2")


def test_lifetime_value_is_exact() -> None:
    orders = [bought(str(number), total=Decimal("0.10")) for number in range(3)]
    assert lifetime_value([*orders, bought("8", None, total=Decimal("5"))]) == Decimal("5.30")
    assert lifetime_value([*orders, bought("9", status="PENDING", total=None)]) == Decimal("0.30")
    assert lifetime_value([]) == 0


@pytest.mark.parametrize(
    ("since", "joined", "expected"),
    [
        (["2025-02-11", "2024-01-01"], ["2020-01-01"], "2024-01-01"),
        ([None, "2024-01-01"], [], "2024-01-01"),
        (["2024-01-01", "2024-01-01T05:00:00Z"], [], "2024-01-01T05:00:00Z"),
        ([None], ["2021-01-01", "2020-01-01", None], "2020-01-01"),
        ([], [], None),
    ],
)
def test_signup_date(since: list[str | None], joined: list[str | None], expected: str | None) -> None:
    orders = [bought(str(number), status="PENDING", customer_since=parse_moment(at)) for number, at in enumerate(since)]
    memberships = [Membership(joined=parse_moment(at)) for at in joined]
    assert signup_date(orders, memberships) == parse_moment(expected)


@pytest.mark.parametrize(
    ("code", "description", "method"),
    [
        ("PCKP", "Winery pickup", "Pickup"),
        ("LOCAL", None, "Local Delivery"),
        (" pckp ", None, "Pickup"),
        ("03", "UPS Ground", "UPS Ground"),
        (None, "UPS Ground", "UPS Ground"),
        ("03", None, ""),
        (None, None, ""),
    ],
)
def test_delivery_method(code: str | None, description: str | None, method: str) -> None:
    assert delivery_method(Order("1", rate_code=code, rate_description=description)) == method


UPS = "https://www.ups.com/track?tracknum="
FEDEX = "https://www.fedex.com/fedextrack/?trknbr="
GLS = "https://www.gls-us.com/track-and-trace?TrackingNumbers="


@pytest.mark.parametrize(
    ("order", "numbers", "url"),
    [
        (shipped(("UPS", "1Z7")), ["1Z7"], UPS + "1Z7"),
        (shipped(("FedEx", "77")), ["77"], FEDEX + "77"),
        (shipped(("gls", "55")), ["55"], GLS + "55"),
        (shipped((None, "1Z7"), carrier="UPS"), ["1Z7"], UPS + "1Z7"),
        (shipped(("GLS", "55"), carrier="UPS"), ["55"], GLS + "55"),
        (shipped(("SELF", "55"), carrier="UPS"), ["55"], ""),
        (shipped((None, "55")), ["55"], ""),
        (shipped(("UPS", None), ("UPS", " "), ("FEDEX", " 77 "), ("UPS", "1Z7")), ["77", "1Z7"], FEDEX + "77"),
        (shipped(("UPS", "1Z/7 &a=b")), ["1Z/7 &a=b"], UPS + "1Z%2F7%20%26a%3Db"),
        (shipped(("UPS", None)), [], ""),
        (shipped(carrier="UPS"), [], ""),
    ],
)
def test_tracking(order: Order, numbers: list[str], url: str) -> None:
    assert tracking_numbers(order) == numbers
    assert tracking_url(order) == url


@pytest.mark.parametrize("raw", [None, "n/a", "1.200,00", "128,71", {"amount": 5}, [5], True])
def test_c8_a_total_that_cannot_be_read_makes_the_sum_unknown_not_smaller(raw: object) -> None:
    odd = order_of(DETAIL | {"orderNumber": "2", "total": raw})
    whole = order_of(DETAIL)
    assert odd is not None
    assert whole is not None
    assert "total" in odd.unread
    assert lifetime_value([whole, odd]) is None
    cancelled = order_of(DETAIL | {"orderNumber": "2", "total": raw, "orderStatus": "CANCELLED"})
    assert cancelled is not None
    assert lifetime_value([whole, cancelled]) == Decimal("128.71")


@pytest.mark.parametrize(
    ("raw", "total"),
    [("1,200.00", "1200"), ("$1,200.50", "1200.50"), (" $128.71 ", "128.71"), ("12,345,678.90", "12345678.90")],
)
def test_c8_amounts_with_commas_and_a_dollar_sign_are_read(raw: str, total: str) -> None:
    order = order_of(DETAIL | {"total": raw})
    assert order is not None
    assert order.total == Decimal(total)
    assert not order.unread


@pytest.mark.parametrize("at", ["last week", 1780000000, {"date": "2026-05-28"}, "2026-13-45", "2026-05-28T25:00:00Z"])
def test_c9_newest_is_not_known_over_a_date_that_cannot_be_read(at: object) -> None:
    odd = order_of(DETAIL | {"orderNumber": "2", "purchasedAt": at})
    older = bought("1", "2026-05-01")
    assert odd is not None
    assert not newest_is_known([older, odd])
    assert not newest_counted_is_known([older, odd])
    assert count_is_known([older, odd])
    pending = order_of(DETAIL | {"orderNumber": "2", "purchasedAt": at, "status": "PENDING"})
    assert pending is not None
    assert newest_is_known([older, pending])


def test_c9_the_zone_in_brackets_is_read() -> None:
    order = order_of(DETAIL | {"purchasedAt": "2026-05-28T19:31:00-07:00[America/Los_Angeles]"})
    bare = order_of(DETAIL | {"purchasedAt": "2026-05-28T19:31:00[America/New_York]"})
    assert order is not None
    assert bare is not None
    assert order.purchased_at == parse_moment("2026-05-29T02:31:00Z")
    assert bare.purchased_at == parse_moment("2026-05-28T23:31:00Z")


@pytest.mark.parametrize("key", ["status", "orderStatus"])
@pytest.mark.parametrize("junk", [None, 5, {}, ["SUCCESS"], True])
def test_a_status_that_cannot_be_read_leaves_open_whether_the_order_counts(key: str, junk: object) -> None:
    odd = order_of(DETAIL | {key: junk})
    assert odd is not None
    assert may_count(odd) is None
    assert not count_is_known([odd])
    assert lifetime_value([odd]) is None
    assert not newest_counted_is_known([odd])


def test_c6_customer_since_is_a_day_of_the_calendar() -> None:
    order = order_of(DETAIL | {"customer": {"id": 1, "customerSince": "2019-05-17T00:00:00.000Z"}})
    assert order is not None
    assert order.customer_since == date(2019, 5, 17)


@pytest.mark.parametrize("packages", ["x", 5, {"a": 1}, ["x"], [{"trackingNumber": 1.5}], [{"trackingNumber": ["1Z"]}]])
def test_packages_that_cannot_be_read_are_not_no_packages(packages: object) -> None:
    order = order_of(DETAIL | {"shipping": {"packages": packages}})
    assert order is not None
    assert "packages" in order.unread
