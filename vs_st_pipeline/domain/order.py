"""Builds an order in our words from Vinoshipper's order detail, and reads delivery, tracking and receipt from it.

Data flow: order detail (+ receipt URL) -> Order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from vs_st_pipeline.domain.birth import Birth, birth_in, read_birth
from vs_st_pipeline.domain.formats import (
    Moment,
    as_code,
    as_decimal,
    as_id,
    as_mapping,
    as_text,
    calendar_date,
    dated,
    instant,
    parse_moment,
)
from vs_st_pipeline.domain.records import Reading, id_text, is_given

# `status` and `orderStatus` are open sets: Vinoshipper documents no full list, so only these words have a meaning here.
COUNTED_STATUS = "SUCCESS"
UNCOUNTED_ORDER_STATUSES = frozenset({"CANCELLED", "RETURNED"})
NEVER_NEWEST_STATUSES = frozenset({"PENDING", "DELETED"})
AGE_FAILED_STATUSES = frozenset({"AGE_VERIFICATION_FAILED", "AGE_VERIFICATION_LOCKED"})

_OUR_WORDS = (
    UNCOUNTED_ORDER_STATUSES | NEVER_NEWEST_STATUSES | AGE_FAILED_STATUSES | {COUNTED_STATUS, "DELIVERED", "PICKED_UP"}
)
_SPELLINGS = {"CANCELED": "CANCELLED"}  # Vinoshipper itself writes `canceledAt`

_DELIVERY_BY_RATE_CODE = {"PCKP": "Pickup", "LOCAL": "Local Delivery"}

# Public pages of the carriers, as shops commonly link to them; the carriers do not promise to keep them. GLS means
# GLS US (formerly GSO), the one that ships wine for Vinoshipper's producers.
_TRACKING_PAGES = {
    "UPS": "https://www.ups.com/track?tracknum=",
    "FEDEX": "https://www.fedex.com/fedextrack/?trknbr=",
    "GLS": "https://www.gls-us.com/track-and-trace?TrackingNumbers=",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One box of a shipment; `carrier` is None where only the shipment as a whole names one."""

    carrier: str | None = None
    tracking_number: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the pipeline knows of one order.

    Attributes:
        number: Vinoshipper's `orderNumber`, an opaque text.
        customer_id: None on some pending orders; such an order belongs to no customer.
        status: whether it was accepted and paid. order_status: how far fulfillment is. Both open sets, raw.
        purchased_at, shipped_at, delivered_at: a date, or an instant in UTC.
        customer_since: a day of the calendar.
        cart_type, rate_code, rate_description, carrier: raw, None where blank.
        packages: in the shop's order.
        total: dollars, exact; None where it is not known, which is not zero.
        receipt_url: page of the receipt. receipt_known: whether the receipt could be read; if not, the URL is unknown.
        birth_date, birth_year: from the copy of the customer in the order.
        unread: names of the attributes above that are given and cannot be understood, and so are unknown.
    """

    number: str
    customer_id: int | None = None
    status: str | None = None
    order_status: str | None = None
    purchased_at: Moment | None = None
    shipped_at: Moment | None = None
    delivered_at: Moment | None = None
    customer_since: Moment | None = None
    cart_type: str | None = None
    rate_code: str | None = None
    rate_description: str | None = None
    carrier: str | None = None
    packages: tuple[Package, ...] = ()
    total: Decimal | None = None
    receipt_url: str | None = None
    receipt_known: bool = False
    birth_date: date | None = None
    birth_year: int | None = None
    unread: frozenset[str] = frozenset()

    @property
    def birth(self) -> Birth:
        """Return what the order's copy of the customer says of the birth date."""
        return Birth(self.birth_date, self.birth_year, "birth_date" in self.unread)


ORDER_FIELDS = (
    "orderNumber", "customer", "shipping", "status", "orderStatus", "purchasedAt", "shippedAt", "deliveredAt",
    "cartType", "total",
)  # fmt: skip
"""The fields of an order detail that `order_from` reads."""

ORDER_PARTS = {
    "customer": ("id", "customerSince", "dateOfBirth"),
    "shipping": ("rateCode", "rateDescription", "carrier", "packages"),
}
"""The fields that it reads inside those of them that are objects."""

DEPENDS_ON = {
    "purchasedAt": ("purchased_at",),
    "shipping": ("rate_code", "rate_description", "carrier", "packages"),
    "customer": ("customer_since",),
}
"""By key of an answer, the names of an `Order` that depend on it. A first answer that lacks one is read once more."""


def status_word(value: object) -> str | None:
    """Return a status in our spelling where it has a meaning here, whatever its letter case; any other as it comes."""
    text = as_text(value)
    plain = "_".join(text.upper().replace("-", " ").replace("_", " ").split()) if text else ""
    plain = _SPELLINGS.get(plain, plain)
    return plain if plain in _OUR_WORDS else text


def order_from(
    detail: Mapping[str, object],
    *,
    today: date,
    receipt_url: str | None = None,
    receipt_known: bool = False,
    known_birth: object = None,
) -> Order | None:
    """Build an order from the answer of `GET /orders/{orderNumber}`; None where it has no number.

    Args:
        detail: decoded with money as Decimal.
        today: the merchant's local date, for recognizing placeholder birth dates.
        known_birth: a birth date that an earlier answer gave, and that this one must not take away (routes.md R23).

    Wrong types never raise: they count as not understood, which is never the same as not given.
    """
    raw = as_mapping(detail)
    number = as_code(raw.get("orderNumber")) or id_text(raw.get("orderNumber"))
    if number is None:
        return None
    reading = Reading()
    customer = reading.part(raw.get("customer"), "customer_id", "customer_since", "birth_date")
    shipping = reading.part(raw.get("shipping"), "rate_code", "rate_description", "carrier", "packages")
    birth = read_birth(birth_in(customer), today)
    unread = birth.unread
    if not birth.known and known_birth is not None:
        birth = read_birth(known_birth, today)
    if unread or birth.unread:
        reading.unread.add("birth_date")
    # The vendor documents that these are never null, so a null is no statement either.
    reading.unread.update(
        name
        for name, key in (("status", "status"), ("order_status", "orderStatus"), ("total", "total"))
        if key in raw and not is_given(raw[key])
    )
    return Order(
        number=number,
        customer_id=reading.take("customer_id", customer.get("id"), as_id),
        status=reading.take("status", raw.get("status"), status_word),
        order_status=reading.take("order_status", raw.get("orderStatus"), status_word),
        purchased_at=reading.take("purchased_at", raw.get("purchasedAt"), _moment),
        shipped_at=reading.take("shipped_at", raw.get("shippedAt"), _moment),
        delivered_at=reading.take("delivered_at", raw.get("deliveredAt"), _moment),
        customer_since=reading.take("customer_since", customer.get("customerSince"), _day),
        cart_type=reading.take("cart_type", raw.get("cartType"), as_text),
        rate_code=reading.take("rate_code", shipping.get("rateCode"), as_text),
        rate_description=reading.take("rate_description", shipping.get("rateDescription"), as_text),
        carrier=reading.take("carrier", shipping.get("carrier"), as_text),
        packages=_packages(shipping.get("packages"), reading),
        total=reading.take("total", raw.get("total"), as_decimal),
        receipt_url=receipt_url,
        receipt_known=receipt_known,
        birth_date=birth.day,
        birth_year=birth.year,
        unread=frozenset(reading.unread),
    )


def _moment(value: object) -> Moment | None:
    return dated(parse_moment(value))


def _day(value: object) -> Moment | None:
    return dated(calendar_date(value))


def without_what_is_to_come(order: Order, latest: datetime) -> Order:
    """Return the order with dates after `latest` as not understood: a wrong clock would make the order the newest."""
    ahead = [name for name in _DATES if (at := getattr(order, name)) is not None and instant(at) > latest]
    if not ahead:
        return order
    unknown: dict[str, Any] = dict.fromkeys(ahead)
    return replace(order, unread=order.unread.union(ahead), **unknown)


_DATES = ("purchased_at", "shipped_at", "delivered_at", "customer_since")


def _packages(rows: object, reading: Reading) -> tuple[Package, ...]:
    if not isinstance(rows, list):
        if rows is not None:
            reading.unread.add("packages")
        return ()
    found = []
    for row in rows:
        package = reading.part(row, "packages")
        found.append(
            Package(
                reading.take("packages", package.get("carrier"), as_text),
                reading.take("packages", package.get("trackingNumber"), as_code),
            )
        )
    return tuple(found)


def receipt_url_from(receipt: object) -> str | None:
    """Return the web address in a receipt's answer (shape not documented): `receiptUrl`, `url` or `receipt.url`."""
    raw = as_mapping(receipt)
    for value in (raw.get("receiptUrl"), raw.get("url"), as_mapping(raw.get("receipt")).get("url")):
        url = (as_text(value) or "").strip()
        if url.lower().startswith(("https://", "http://")):
            return url
    return None


def delivery_method(order: Order) -> str:
    """Return `Pickup`, `Local Delivery`, or the shop's own description of the rate, such as `UPS Ground`."""
    code = (order.rate_code or "").strip().upper()
    return _DELIVERY_BY_RATE_CODE.get(code) or order.rate_description or ""


def tracking_numbers(order: Order) -> list[str]:
    """Return the tracking numbers of the packages in their order, without blanks."""
    return [number for package in order.packages if (number := (package.tracking_number or "").strip())]


def tracking_url(order: Order) -> str:
    """Return the carrier's public page for the first tracking number; empty for no number or another carrier."""
    for package in order.packages:
        number = (package.tracking_number or "").strip()
        if number:
            carrier = (package.carrier or order.carrier or "").strip().upper()
            page = _TRACKING_PAGES.get(carrier)
            return f"{page}{quote(number, safe='')}" if page else ""
    return ""
