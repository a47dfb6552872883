"""What orders of Commerce7 and Vinoshipper say: words, times, whose phone, which order it is (3.5-3.7, 5.7; R37)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.domain.birth import LEGAL_AGE
from vs_st_pipeline.routes.notices import commerce7_rows, status_map, vinoshipper_rows
from vs_st_pipeline.routes.notices.other_orders import OtherOrder
from vs_st_pipeline.routes.notices.other_words import Word, keep
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.status_map import squeezed
from vs_st_pipeline.routes.notices.vinoshipper_rows import Customer, phone_of

ZONE = ZoneInfo("America/Los_Angeles")
TODAY = date(2026, 6, 15)
NOON = datetime(2026, 6, 10, 12)
BUYER = {"id": "c-1", "firstName": "Ada", "lastName": "Buyer", "emails": [], "phones": [
    {"phone": "+17075551001"}, {"phone": "+17075551002"}]}  # fmt: skip
GIFT = "+17075559999"


def at_commerce7(**changed: Any) -> dict[str, Any]:
    return {
        "id": "o-1",
        "orderNumber": 1001,
        "orderSubmittedDate": "2026-06-10T11:00:00Z",
        "orderPaidDate": "2026-06-10T12:00:00Z",
        "createdAt": "2026-06-10T11:00:00Z",
        "orderDeliveryMethod": "Ship",
        "purchaseType": "Regular",
        "paymentStatus": "Paid",
        "fulfillmentStatus": "Not Fulfilled",
        "shippingStatus": "Not Tracked",
        "customerId": "c-1",
        "customer": BUYER,
        "shipTo": {"firstName": "Gift", "phone": GIFT, "countryCode": "US", "stateCode": "NY", "address": "5 Elm St",
                   "city": "Albany", "zipCode": "12207"},
        "billTo": {"countryCode": "US", "stateCode": "CA"},
        "items": [{"sku": "PINOT22", "productTitle": "Pinot", "quantity": 2}],
        "fulfillments": [],
        "total": 8400,
        **changed,
    }  # fmt: skip


def at_vinoshipper(**changed: Any) -> dict[str, Any]:
    return {
        "orderNumber": "9001",
        "status": "SUCCESS",
        "orderStatus": "OPEN",
        "customer": {"id": 7, "firstName": "Ada", "lastName": "Buyer", "address": {"stateCode": "CA"}},
        "shipToAddress": {"firstName": "Gift", "phone": {"number": "7075559999", "country": 1}, "country": "US",
                          "stateCode": "NY", "street1": "5 Elm St", "city": "Albany", "postalCode": "12207"},
        "products": [{"productId": 1, "productName": "Pinot", "sku": "PINOT22", "quantity": 2}],
        "packs": [],
        "shipping": {"carrier": "UPS", "packages": []},
        "purchasedAt": "2026-06-10T12:00:00+00:00",
        "total": 84,
        **changed,
    }  # fmt: skip


def of_commerce7(record: dict[str, Any] | None = None, **changed: Any) -> OtherOrder:
    return commerce7_rows.order_of(at_commerce7(**changed), record, ZONE)


def of_vinoshipper(record: Customer | None = None, *, prefix: str | None = None, gone: bool = False,
                   number: str = "9001", **changed: Any) -> OtherOrder:  # fmt: skip
    found = vinoshipper_rows.order_of(number, at_vinoshipper(**changed), record, TODAY, ZONE, prefix, gone=gone)
    assert found is not None
    return found


def statuses(system: str, found: OtherOrder) -> dict[str, datetime | None]:
    """Which statuses of ours an order shows, and the source's own time of each."""
    known = status_map.read(NoticesSettings(countries=("US",)).statuses)
    told: dict[str, datetime | None] = {}
    for word in found.words:
        meaning = known.of(f"{system}.{word.text}")
        if meaning is not None:
            told[meaning.key] = word.at
    return told


# --- 3.5, row by row --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, {"created": NOON}),
        ({"orderPaidDate": None, "paymentStatus": "Authorized"}, {}),
        ({"fulfillmentStatus": "Fulfilled"}, {"created": NOON, "packed": None}),
        ({"fulfillmentStatus": "Partially Fulfilled"}, {"created": NOON}),
        ({"shippingStatus": "In Transit"}, {"created": NOON, "on_the_way": None}),
        ({"shippingStatus": "Pending"}, {"created": NOON}),
        ({"shippingStatus": "Delivered"}, {"created": NOON, "delivered": None}),
        ({"paymentStatus": "Cancelled"}, {"created": NOON, "forward_ended": None}),
    ],
)
def test_what_commerce7_says(changed: dict[str, Any], told: dict[str, datetime | None]) -> None:
    assert statuses("commerce7", of_commerce7(**changed)) == told


@pytest.mark.parametrize(
    "changed",
    [
        {"orderDeliveryMethod": "Pickup"},
        {"orderDeliveryMethod": "Carry Out"},
        {"purchaseType": "Refund"},
        {"purchaseType": "Exchange"},
        {"total": -100},
    ],
)
def test_what_does_not_ship_or_takes_back_has_no_journey(changed: dict[str, Any]) -> None:
    found = of_commerce7(**changed)
    assert (found.is_unit, list(found.words)) == (False, [])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, {"created": NOON}),
        ({"status": "PENDING"}, {}),
        ({"status": "PAYMENT_AUTHORIZED"}, {}),
        ({"orderStatus": "LABELS_GENERATED"}, {"packed": None}),
        ({"orderStatus": "SHIPPED", "shippedAt": "2026-06-11T12:00:00Z"}, {"on_the_way": datetime(2026, 6, 11, 12)}),
        ({"orderStatus": "SHIPPED", "shippedAt": None}, {"on_the_way": None}),
        ({"orderStatus": "DELIVERED", "shippedAt": "2026-06-11T12:00:00Z", "deliveredAt": "2026-06-12T12:00:00Z"},
         {"delivered": datetime(2026, 6, 12, 12)}),
        ({"orderStatus": "CANCELLED"}, {"forward_ended": None}),
        ({"orderStatus": "RETURNED"}, {"forward_ended": None}),
        ({"orderStatus": "PICKED_UP"}, {"forward_ended": None}),
        ({"orderStatus": "PROBLEM"}, {}),
        ({"total": "-1.00"}, {}),
        ({"status": "DELETED"}, {}),
    ],
)  # fmt: skip
def test_what_vinoshipper_says(changed: dict[str, Any], told: dict[str, datetime | None]) -> None:
    assert statuses("vinoshipper", of_vinoshipper(**changed)) == told


def test_a_day_without_a_time_is_no_time_but_nothing_is_earlier_than_its_begin() -> None:
    (word,) = of_vinoshipper(purchasedAt="2026-06-10").words
    assert (word.at, word.not_before) == (None, datetime(2026, 6, 10, 7))  # midnight in Los Angeles
    paid = of_commerce7(orderPaidDate="2026-06-10T00:00:00Z").words[0]
    assert (paid.at, paid.not_before) == (None, datetime(2026, 6, 10, 7))


@pytest.mark.parametrize(
    ("dates", "at"),
    [
        (["2026-06-11T09:00:00Z"], datetime(2026, 6, 11, 9)),
        (["2026-06-11T09:00:00Z", "2026-06-11T15:30:00Z"], datetime(2026, 6, 11, 15, 30)),
        (["2026-06-11T09:00:00Z", None], None),
        (["2026-06-11"], None),
        ([], None),
    ],
)
def test_packed_has_the_time_of_the_last_fulfillment(dates: list[str | None], at: datetime | None) -> None:
    found = of_commerce7(
        fulfillmentStatus="Fulfilled", fulfillments=[{"id": "f", "fulfillmentDate": one} for one in dates]
    )
    assert statuses("commerce7", found)["packed"] == at


# --- whose phone ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "customer", "phone"),
    [
        (None, BUYER, "+17075551001"),
        ({"id": "c-1", "phones": [{"phone": "+17075551009"}]}, BUYER, "+17075551009"),  # read more often
        ({"id": "c-1", "phones": []}, BUYER, None),  # the customer took it away
        ({"id": "c-1", "firstName": "Ada"}, BUYER, "+17075551001"),  # a record that does not say
        (None, {**BUYER, "phones": []}, None),
        (None, None, None),  # never the ship-to's
    ],
)
def test_the_phone_at_commerce7_is_the_customers_first(record: Any, customer: Any, phone: str | None) -> None:
    assert of_commerce7(record, customer=customer).person.phone == phone


def test_a_number_without_plus_is_read_by_no_country_where_two_could_be_meant() -> None:
    assert of_commerce7().person.country == "US"
    assert of_commerce7(billTo={"countryCode": "GB"}).person.country is None


LISTED = {"id": 7, "primaryPhone": {"number": "7075551001", "country": "1", "extension": None}}
DETAIL = {"id": 7, "firstName": "Ada", "lastName": "Read", "primaryPhone": {"number": "7075551002", "country": "1"}}


@pytest.mark.parametrize(
    ("customer", "phone"),
    [
        (None, None),  # never the ship-to's
        (Customer(LISTED, DETAIL), "+17075551001"),
        (Customer(LISTED, DETAIL, list_leads=False), "+17075551002"),
        (Customer(None, DETAIL), "+17075551002"),
        (Customer({"id": 7, "primaryPhone": None}, DETAIL), None),
        (Customer({"id": 7}, DETAIL), "+17075551002"),
    ],
)
def test_the_phone_at_vinoshipper_is_the_customers(customer: Customer | None, phone: str | None) -> None:
    assert of_vinoshipper(customer).person.phone == phone


@pytest.mark.parametrize(
    ("value", "phone"),
    [
        ({"number": "(707) 555-1001", "country": "1"}, "+17075551001"),
        ({"number": "7075551001", "country": 1}, "+17075551001"),
        ({"number": "7700900123", "country": "44"}, "+447700900123"),
        ({"number": "+447700900123", "country": "1"}, "+447700900123"),
        ({"number": "7075551001", "country": None}, "7075551001"),
        ({"number": "7075551001", "country": "1", "extension": "12"}, "7075551001 ext"),  # a desk: no mobile
        ({"number": None, "country": "1"}, None),
        (None, None),
    ],
)
def test_a_phone_of_vinoshipper(value: Any, phone: str | None) -> None:
    assert phone_of(value) == phone


@pytest.mark.parametrize(
    ("born", "under"),
    [
        ({"day": 16, "month": 6, "year": TODAY.year - LEGAL_AGE}, True),  # tomorrow
        ({"day": 15, "month": 6, "year": TODAY.year - LEGAL_AGE}, False),
        (None, False),
    ],
)
@pytest.mark.parametrize("of_order", [False, True])
def test_who_is_known_to_be_under_age(born: Any, under: bool, of_order: bool) -> None:
    buyer = {**at_vinoshipper()["customer"], "dateOfBirth": born if of_order else None}
    found = of_vinoshipper(Customer(LISTED, {**DETAIL, "dateOfBirth": None if of_order else born}), customer=buyer)
    assert found.person.under_age is under


def test_neither_columns_nor_person_hold_the_ship_tos_phone() -> None:
    for found in (of_commerce7(), of_vinoshipper(Customer(LISTED, DETAIL))):
        assert "5559999" not in repr((found.columns, found.person.phone, found.person.name, found.parcel))
        assert found.person.name in ("Ada Buyer", "Ada Read")


# --- which order it is (R37) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "meta", "prefix", "linked"),
    [
        ("9001", {}, "HILLSIDE", (None, None)),
        ("HILLSIDE-1001", {}, "HILLSIDE", (None, "1001")),
        ("hillside-1001", {}, "HILLSIDE", (None, "1001")),
        ("HILLSIDE1001", {}, "HILLSIDE", (None, None)),
        ("HILLSIDE-1001", {}, None, (None, None)),
        ("9001", {"c7_order_id": "o-1"}, "HILLSIDE", ("o-1", None)),
        ("9001", {"c7_order_id": "o-1"}, None, ("o-1", None)),
        ("9001", None, "HILLSIDE", (None, None)),
    ],
)
def test_which_order_of_commerce7_it_is(number: str, meta: Any, prefix: str | None, linked: tuple[Any, Any]) -> None:
    found = of_vinoshipper(number=number, prefix=prefix, metaFields=meta)
    assert (found.linked_id, found.linked_number) == linked


# --- what is kept of words --------------------------------------------------------------------------------------------

T = [datetime(2026, 6, 10, hour) for hour in range(24)]


def _kept(before: Any, found: OtherOrder, seen_at: datetime, less_at: datetime | None) -> Any:
    return keep(
        before, found.words, found.denied, seen_at=seen_at, less_at=less_at, placed_at=T[1], seq=len(before) + 1
    )


def test_a_status_without_a_time_is_since_the_read_that_showed_less() -> None:
    first = _kept([], of_vinoshipper(), T[2], None)
    second = _kept(first, of_vinoshipper(orderStatus="LABELS_GENERATED"), T[5], T[4])
    assert [(one.text, one.own_at, one.bound, one.stands) for one in second] == [
        ("OPEN", NOON, None, True),
        ("LABELS_GENERATED", None, T[4], True),
    ]


def test_an_order_that_is_first_seen_packed_is_no_newer_than_its_purchase() -> None:
    (word,) = _kept([], of_vinoshipper(orderStatus="LABELS_GENERATED"), T[9], None)
    assert (word.bound, word.own_at) == (T[1], None)


def test_what_was_taken_back_comes_again_with_its_first_time() -> None:
    labeled = of_vinoshipper(orderStatus="LABELS_GENERATED")
    first = _kept([], labeled, T[2], None)
    back = _kept(first, of_vinoshipper(), T[5], T[4])
    assert [(one.text, one.stands) for one in back] == [("LABELS_GENERATED", False), ("OPEN", True)]
    again = _kept(back, labeled, T[9], T[8])
    assert [(one.text, one.bound, one.stands) for one in again if one.text != "OPEN"] == [
        ("LABELS_GENERATED", T[1], True)
    ]


@pytest.mark.parametrize(
    ("changed", "denied"),
    [
        ({"orderStatus": "OPEN"}, {"labelsgenerated", "shipped", "delivered", "cancelled", "returned", "pickedup"}),
        ({"orderStatus": "SHIPPED"}, {"delivered", "cancelled", "returned", "pickedup"}),
        ({"orderStatus": "DELIVERED"}, {"cancelled", "returned", "pickedup"}),
        ({"orderStatus": "RETURNED"}, set()),
        ({"orderStatus": "PROBLEM"}, set()),
        ({"orderStatus": None}, set()),  # it says nothing, so it changes nothing
        ({"status": None}, {"labelsgenerated", "shipped", "delivered", "cancelled", "returned", "pickedup"}),
    ],
)
def test_what_vinoshipper_denies(changed: dict[str, Any], denied: set[str]) -> None:
    assert of_vinoshipper(**changed).denied == frozenset(denied)


def test_what_commerce7_does_not_say_is_not_denied() -> None:
    whole = at_commerce7()
    for key in ("fulfillmentStatus", "shippingStatus", "paymentStatus", "orderPaidDate"):
        found = commerce7_rows.order_of({name: value for name, value in whole.items() if name != key}, None, ZONE)
        said = {squeezed(word.text) for word in found.words}
        assert not (found.denied or frozenset()) & {"paid", *said}, key
    assert "fulfilled" in (of_commerce7().denied or ())
    assert {"intransit", "delivered"} <= (of_commerce7().denied or frozenset())
    assert "paid" in (of_commerce7(orderPaidDate=None).denied or ())


def test_an_order_that_is_gone_denies_all() -> None:
    gone = of_vinoshipper(gone=True)
    assert (gone.is_unit, gone.denied, list(gone.words)) == (False, None, [])
    kept = keep([], [Word("OPEN", T[1])], frozenset(), seen_at=T[2], less_at=None, placed_at=None, seq=1)
    assert [one.stands for one in _kept(kept, gone, T[3], T[2])] == [False]
