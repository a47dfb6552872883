"""Reads what a Vinoshipper order says of its journey, and whose phone it is (notices.md 3.5, 5.7, 5.8, 6; R37). Pure.

Data flow: an order's detail, its customer as list and detail say -> `OtherOrder`.

`orderStatus` is the word; `OPEN` is one only where `status` is SUCCESS. Times of their own: `purchasedAt` of OPEN,
`shippedAt` of SHIPPED, `deliveredAt` of DELIVERED, `canceledAt` of CANCELLED.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.vinoshipper.parse import birth_in, order_from, shop_moment
from vs_st_pipeline.domain.birth import is_under, read_birth
from vs_st_pipeline.domain.formats import Moment, as_mapping, as_rows, dated
from vs_st_pipeline.domain.order import COUNTED_STATUS, NEVER_NEWEST_STATUSES, Order
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.records import id_text, is_given
from vs_st_pipeline.routes.notices.other_orders import OtherOrder, Person
from vs_st_pipeline.routes.notices.other_words import Word, at_of
from vs_st_pipeline.routes.notices.status_map import squeezed
from vs_st_pipeline.routes.notices.systems import VINOSHIPPER

_FORWARD: Final = ("open", "labelsgenerated", "shipped", "delivered")
_ENDS: Final = frozenset({"cancelled", "returned", "pickedup"})
_LINK: Final = "c7_order_id"


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer's record as it is believed. `list_leads`: the list is newer than the detail, so its phone counts."""

    listed: Mapping[str, Any] | None = field(default=None, repr=False)
    detail: Mapping[str, Any] | None = field(default=None, repr=False)
    list_leads: bool = True

    @property
    def phone(self) -> str | None:
        """Return `primaryPhone` as it is written, with its country's digits in front where it tells them."""
        first, second = (self.listed, self.detail) if self.list_leads else (self.detail, self.listed)
        found = first if first is not None and "primaryPhone" in first else second
        return phone_of(as_mapping(found).get("primaryPhone"))


def phone_of(value: object) -> str | None:
    """Return a phone of Vinoshipper's, `{number, country, extension}`; None where none is given.

    With an extension it is somebody's desk: what is returned then is no phone that could be read.
    """
    told = as_mapping(value)
    number = id_text(told.get("number"))
    if number is None:
        return None
    if is_given(told.get("extension")):
        return f"{number} ext"
    country = (id_text(told.get("country")) or "").lstrip("+")
    if number.startswith("+") or not country:
        return number
    if country == "1" and (digits := parse_nanp(number, 1)) is not None:
        return f"+1{digits}"
    return f"+{country}{number}"


def order_of(
    number: str,
    body: Mapping[str, Any],
    customer: Customer | None,
    today: date,
    zone: ZoneInfo,
    prefix: str | None,
    *,
    gone: bool = False,
) -> OtherOrder | None:
    """Return what an order says; None where it is no order that can be read.

    Args:
        customer: None: nothing is known of its customer's record.
        today: by which people come of age. zone: the merchant's, for a day without a time.
        prefix: of the numbers of Commerce7's orders here; None: the merchant has no Commerce7.
        gone: it answers 404: nothing of it is so any more.
    """
    told = order_from({**body, "orderNumber": number}, today=today)
    if told is None:
        return None
    is_unit = not gone and told.status not in NEVER_NEWEST_STATUSES and not (told.total is not None and told.total < 0)
    words, denied = _words(body, told, zone) if is_unit else ([], None)
    placed_at = next((at for at in at_of(told.purchased_at, zone) if at is not None), None)
    parcel = _parcel(told)
    return OtherOrder(
        number,
        number,
        placed_at,
        is_unit,
        words,
        denied,
        _columns(body, number, placed_at, parcel),
        _person(body, customer, today),
        linked_id=id_text(as_mapping(body.get("metaFields")).get(_LINK)),
        linked_number=_linked_number(number, prefix),
        buyer=None if told.customer_id is None else str(told.customer_id),
        parcel=parcel,
        lacks=customer is None and told.customer_id is not None,
    )


def _linked_number(number: str, prefix: str | None) -> str | None:
    begin = f"{prefix}-".casefold() if prefix else None
    return number[len(begin) :] if begin is not None and number.casefold().startswith(begin) else None


def _words(body: Mapping[str, Any], told: Order, zone: ZoneInfo) -> tuple[list[Word], frozenset[str]]:
    if told.order_status is None:
        return [], frozenset()
    word = squeezed(told.order_status)
    denied: set[str] = set()
    if word in _FORWARD:
        denied |= {*_FORWARD[_FORWARD.index(word) + 1 :], *_ENDS}
    if word == "open" and told.status != COUNTED_STATUS:
        if told.status is None:  # an answer that does not say it is no answer to that
            return [], frozenset(denied)
        return [], frozenset(denied | {word})
    times: dict[str, Moment | None] = {
        "open": told.purchased_at,
        "shipped": told.shipped_at,
        "delivered": told.delivered_at,
        "cancelled": dated(shop_moment(body.get("canceledAt"))),
    }
    return [Word(told.order_status, *at_of(times.get(word), zone))], frozenset(denied)


def _person(body: Mapping[str, Any], customer: Customer | None, today: date) -> Person:
    buyer = as_mapping(body.get("customer"))
    records: list[Mapping[str, object]] = [
        as_mapping(body) for body in ((customer.detail, customer.listed) if customer else ())
    ]
    names = [(id_text(one.get("firstName")), id_text(one.get("lastName"))) for one in (*records, buyer)]
    first, last = next((pair for pair in names if any(pair)), (None, None))
    there, home = as_mapping(body.get("shipToAddress")), as_mapping(buyer.get("address"))
    places = [
        (id_text(there.get("country")), id_text(there.get("stateCode"))),
        *([(id_text(home.get("country")) or "US", state)] if (state := id_text(home.get("stateCode"))) else []),
    ]
    births = [read_birth(birth_in(one), today) for one in (*records, buyer)]
    return Person(
        customer.phone if customer is not None else None,
        " ".join(part for part in (first, last) if part) or None,
        id_text(there.get("country")),
        places,
        under_age=any(is_under(one, today) for one in births),
    )


def _parcel(told: Order) -> dict[str, Any]:
    sent = next((one for one in told.packages if one.tracking_number), None)
    return {} if sent is None else {"tracking_id": sent.tracking_number, "courier": sent.carrier or told.carrier}


def _columns(body: Mapping[str, Any], number: str, placed_at: object, parcel: Mapping[str, Any]) -> dict[str, Any]:
    unit_key = f"order:{VINOSHIPPER}:{number}"
    to = as_mapping(body.get("shipToAddress"))
    packs = as_rows(body.get("packs"))
    packed = {id_text(one.get("productId")) for one in packs} - {None}
    lines = [*(one for one in as_rows(body.get("products")) if id_text(one.get("packProductId")) not in packed), *packs]
    items = [
        {
            "unit_key": unit_key,
            "line": str(place),
            "sku": id_text(one.get("sku")),
            "title": id_text(one.get("productName")),
            "quantity": id_text(one.get("quantity")),
        }
        for place, one in enumerate(lines)
    ]
    return {
        "order_number": number,
        "placed_at": placed_at,
        "country": id_text(to.get("country")),
        "state": id_text(to.get("stateCode")),
        "postal": id_text(to.get("postalCode")),
        "items": json.dumps(items, ensure_ascii=False),
        "payment": "Paid",
        "tracking_id": parcel.get("tracking_id"),
        "courier": parcel.get("courier"),
        "more": {
            "address": [text for key in ("street1", "street2") if (text := id_text(to.get(key)))],
            "city": id_text(to.get("city")),
            "state": id_text(to.get("stateCode")),
            "pincode": id_text(to.get("postalCode")),
            "units": {unit_key: dict(parcel)},
        },
    }
