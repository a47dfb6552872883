"""Reads what a Commerce7 order says of its journey, and whose phone it is (notices.md 3.5, 5.7, 6). Pure.

Data flow: an order's body, its customer's record -> `OtherOrder`.

| word | where it stands |
| --- | --- |
| `Paid` | `orderPaidDate`, of an order that ships and is neither refund nor exchange |
| fulfillmentStatus, such as `Fulfilled` | its own time: the last fulfillment's, if that has a time of day |
| shippingStatus, such as `In Transit`, `Delivered` | no time of its own |
| paymentStatus but `Paid`, such as `Cancelled` | no time of its own |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.commerce7.order_record import customer_of, moment, read_order
from vs_st_pipeline.domain.formats import as_decimal, as_mapping, as_rows
from vs_st_pipeline.domain.records import id_text, is_hollow
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.routes.notices.other_orders import OtherOrder, Person
from vs_st_pipeline.routes.notices.other_words import Word, at_of
from vs_st_pipeline.routes.notices.status_map import squeezed
from vs_st_pipeline.routes.notices.systems import COMMERCE7
from vs_st_pipeline.routes.notices.zones import country_code

PAID: Final = "Paid"
_FULFILMENT: Final = frozenset({"fulfilled", "partiallyfulfilled", "notfulfilled", "nofulfillmentrequired"})
_SHIPPING: Final = ("nottracked", "pending", "intransit", "delivered")
_SHIP: Final = "ship"
_BACK: Final = frozenset({"refund", "exchange"})
_CANCELLED: Final = frozenset({"cancelled", "canceled"})


def order_of(
    body: Mapping[str, Any], record: Mapping[str, Any] | None, zone: ZoneInfo, *, gone: bool = False
) -> OtherOrder:
    """Return what an order says.

    Args:
        record: its customer's own record, as it was read last; None: none is known.
        zone: the merchant's, for a day without a time.
        gone: it answers 404: nothing of it is so any more.

    Raises:
        Unreadable: it is no order.
    """
    order = read_order(body)
    is_unit = not gone and is_told_of(order)
    words, denied = _words(body, order, zone) if is_unit else ([], None)
    unit_key = f"order:{COMMERCE7}:{order.id}"
    placed_at = next(
        (at for key in ("orderSubmittedDate", "createdAt") if (at := moment(body.get(key))) is not None), order.paid_at
    )
    parcel = _parcel(order)
    return OtherOrder(
        order.id,
        order.number,
        placed_at,
        is_unit,
        words,
        denied,
        _columns(body, order, unit_key, placed_at),
        _person(order, record),
        buyer=order.customer_id,
        parcel=parcel,
        lacks=record is None and order.customer is None,
    )


def is_told_of(order: ShopOrder) -> bool:
    """Say whether anybody is told of an order: it ships, takes nothing back, and is no correction (3.5; R37)."""
    total = as_decimal(order.total)
    return (
        squeezed(order.delivery_method or "") == _SHIP
        and squeezed(order.purchase_type or "") not in _BACK
        and not (total is not None and total < 0)
    )


def _words(body: Mapping[str, Any], order: ShopOrder, zone: ZoneInfo) -> tuple[list[Word], frozenset[str]]:
    words: list[Word] = []
    denied: set[str] = set()
    if (paid := _moment(body.get("orderPaidDate"))) is not None:
        words.append(Word(PAID, *at_of(paid, zone)))
    elif "orderPaidDate" in body and is_hollow(body["orderPaidDate"]):
        denied.add(squeezed(PAID))
    if (state := order.fulfillment_status) is not None:
        own = at_of(_fulfilled_at(order), zone) if squeezed(state) == "fulfilled" else (None, None)
        words.append(Word(state, *own))
        if squeezed(state) in _FULFILMENT:
            denied |= _FULFILMENT - {squeezed(state)}
    shipping = id_text(body.get("shippingStatus"))
    if shipping is not None:
        words.append(Word(shipping))
        if squeezed(shipping) in _SHIPPING:
            denied |= set(_SHIPPING[_SHIPPING.index(squeezed(shipping)) + 1 :])
    if (payment := order.payment_status) is not None:
        if squeezed(payment) != squeezed(PAID):
            words.append(Word(payment))
        denied |= _CANCELLED - {squeezed(payment)}
    return words, frozenset(denied)


def _moment(value: object) -> datetime | date | None:
    """Return when something was; of what stands at midnight exactly the day: it tells no time (rulings, orders 9)."""
    at = moment(value)
    return at.date() if at is not None and at.time() == time() else at


def _fulfilled_at(order: ShopOrder) -> datetime | date | None:
    """Return when the last of its fulfillments was made; None where one of them does not tell."""
    times = [_moment(one.at) for one in order.fulfilments]
    exact = [at for at in times if isinstance(at, datetime)]
    if not times or any(at is None for at in times):
        return None
    if len(exact) == len(times):
        return max(exact)
    return max(at.date() if isinstance(at, datetime) else at for at in times if at is not None)


def _person(order: ShopOrder, record: Mapping[str, Any] | None) -> Person:
    """Return the customer: by its own record, which is read more often, else as the order has it."""
    own, copied = customer_of(record), order.customer
    phones = _phones(order, record)
    names = [(one.first_name, one.last_name) for one in (own, copied) if one is not None]
    first, last = next((pair for pair in names if any(pair)), (None, None))
    there = order.ship_to
    home = order.bill_to or there
    places = [(one.country_code, one.state_code) for one in (there, home) if one is not None]
    return Person(
        phones[0] if phones else None,
        " ".join(part for part in (first, last) if part) or None,
        _country([one for one, _ in places]),
        places,
    )


def _country(found: list[str | None]) -> str | None:
    """Return the country of the addresses; None where they differ: then only a number with `+` is certain."""
    named = [one for one in found if one]
    return named[0] if named and len({country_code(one) or one for one in named}) == 1 else None


def _phones(order: ShopOrder, record: Mapping[str, Any] | None) -> tuple[str, ...]:
    own = customer_of(record)
    if own is not None and record is not None and "phones" in record:
        return own.phones
    return order.customer.phones if order.customer is not None else ()


def _parcel(order: ShopOrder) -> dict[str, Any]:
    shipped = next((one for one in order.fulfilments if one.tracking_numbers), None)
    return {} if shipped is None else {"tracking_id": shipped.tracking_numbers[0], "courier": shipped.carrier}


def _columns(body: Mapping[str, Any], order: ShopOrder, unit_key: str, placed_at: datetime | None) -> dict[str, Any]:
    to = as_mapping(body.get("shipTo"))
    items = [
        {
            "unit_key": unit_key,
            "line": str(place),
            "sku": id_text(one.get("sku")),
            "title": id_text(one.get("productTitle")),
            "quantity": id_text(one.get("quantity")),
        }
        for place, one in enumerate(as_rows(body.get("items")))
    ]
    parcel = _parcel(order)
    return {
        "order_number": order.number,
        "placed_at": placed_at,
        "country": id_text(to.get("countryCode")),
        "state": id_text(to.get("stateCode")),
        "postal": id_text(to.get("zipCode")),
        "items": json.dumps(items, ensure_ascii=False),
        "payment": "Paid",
        "tracking_id": parcel.get("tracking_id"),
        "courier": parcel.get("courier"),
        "more": {
            "address": [text for key in ("address", "address2") if (text := id_text(to.get(key)))],
            "city": id_text(to.get("city")),
            "state": id_text(to.get("stateCode")),
            "pincode": id_text(to.get("zipCode")),
            "units": {unit_key: parcel},
        },
    }
