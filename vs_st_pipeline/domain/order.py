"""Describes an order in our words, and reads delivery and tracking from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from vs_st_pipeline.domain.birth import Birth
from vs_st_pipeline.domain.formats import (
    Moment,
    instant,
)

# The two statuses are open sets, so only these words have a meaning here.
COUNTED_STATUS = "SUCCESS"
UNCOUNTED_ORDER_STATUSES = frozenset({"CANCELLED", "RETURNED"})
NEVER_NEWEST_STATUSES = frozenset({"PENDING", "DELETED"})
AGE_FAILED_STATUSES = frozenset({"AGE_VERIFICATION_FAILED", "AGE_VERIFICATION_LOCKED"})


_DELIVERY_BY_RATE_CODE = {"PCKP": "Pickup", "LOCAL": "Local Delivery"}

# Public pages of the carriers, as shops commonly link to them; the carriers do not promise to keep them. GLS means
# GLS US (formerly GSO), the one that ships wine for producers in the United States.
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
        number: the shop's number, an opaque text.
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


def without_what_is_to_come(order: Order, latest: datetime) -> Order:
    """Return the order with dates after `latest` as not understood: a wrong clock would make the order the newest."""
    ahead = [name for name in _DATES if (at := getattr(order, name)) is not None and instant(at) > latest]
    if not ahead:
        return order
    unknown: dict[str, Any] = dict.fromkeys(ahead)
    return replace(order, unread=order.unread.union(ahead), **unknown)


_DATES = ("purchased_at", "shipped_at", "delivered_at", "customer_since")


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
