"""An order in our words, made from Vinoshipper's order detail, and what several orders of one customer say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

from vs_st_pipeline.customer import Membership, earliest_membership
from vs_st_pipeline.text_forms import (
    Moment,
    as_code,
    as_decimal,
    as_id,
    as_mapping,
    as_rows,
    as_text,
    instant,
    parse_moment,
)

# `status` and `orderStatus` are open sets: Vinoshipper documents no full list, so only these words mean something here.
COUNTED_STATUS = "SUCCESS"
UNCOUNTED_ORDER_STATUSES = frozenset({"CANCELLED", "RETURNED"})
NEVER_NEWEST_STATUSES = frozenset({"PENDING", "DELETED"})

_DELIVERY_BY_RATE_CODE = {"PCKP": "Pickup", "LOCAL": "Local Delivery"}

# Public pages of the carriers, as shops commonly link to them; none is an interface with a promise. GLS stands for
# GLS US (formerly GSO), the one that ships wine for Vinoshipper's producers.
_TRACKING_PAGES = {
    "UPS": "https://www.ups.com/track?tracknum=",
    "FEDEX": "https://www.fedex.com/fedextrack/?trknbr=",
    "GLS": "https://www.gls-us.com/track-and-trace?TrackingNumbers=",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One box of a shipment; `carrier` is None where only the shipping as a whole names one."""

    carrier: str | None = None
    tracking_number: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the pipeline knows of one order.

    Attributes:
        number: Vinoshipper's `orderNumber`, an opaque text.
        customer_id: None on some pending orders; such an order belongs to nobody.
        status: whether it was accepted and paid. order_status: how far fulfilment is. Both open sets, raw.
        purchased_at, shipped_at, delivered_at, customer_since: a date, or an instant in UTC.
        cart_type, rate_code, rate_description, carrier: raw, None where blank.
        packages: in the shop's order.
        total: dollars, exact.
        receipt_url: page of the receipt. receipt_known: whether the receipt could be asked; if not, the URL is unknown.
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


ORDER_FIELDS = (
    "orderNumber", "customer", "shipping", "status", "orderStatus", "purchasedAt", "shippedAt", "deliveredAt",
    "cartType", "total",
)  # fmt: skip
"""The fields of an order detail that `order_from` looks at."""

ORDER_PARTS = {
    "customer": ("id", "customerSince"),
    "shipping": ("rateCode", "rateDescription", "carrier", "packages"),
}
"""And what it looks at inside those of them that are objects."""


def order_from(
    detail: Mapping[str, object], *, receipt_url: str | None = None, receipt_known: bool = False
) -> Order | None:
    """An order from the answer of `GET /orders/{orderNumber}`, or None where it has no number.

    Wrong types never raise, they count as missing. Money should have been decoded to Decimal.
    """
    raw = as_mapping(detail)
    number = as_code(raw.get("orderNumber"))
    if number is None:
        return None
    customer, shipping = as_mapping(raw.get("customer")), as_mapping(raw.get("shipping"))
    return Order(
        number=number,
        customer_id=as_id(customer.get("id")),
        status=as_text(raw.get("status")),
        order_status=as_text(raw.get("orderStatus")),
        purchased_at=parse_moment(raw.get("purchasedAt")),
        shipped_at=parse_moment(raw.get("shippedAt")),
        delivered_at=parse_moment(raw.get("deliveredAt")),
        customer_since=parse_moment(customer.get("customerSince")),
        cart_type=as_text(raw.get("cartType")),
        rate_code=as_text(shipping.get("rateCode")),
        rate_description=as_text(shipping.get("rateDescription")),
        carrier=as_text(shipping.get("carrier")),
        packages=tuple(
            Package(as_text(row.get("carrier")), as_code(row.get("trackingNumber")))
            for row in as_rows(shipping.get("packages"))
        ),
        total=as_decimal(raw.get("total")),
        receipt_url=receipt_url,
        receipt_known=receipt_known,
    )


def receipt_url_from(receipt: object) -> str | None:
    """The web address in a receipt's answer, whose shape is not documented: `receiptUrl`, `url` or `receipt.url`."""
    raw = as_mapping(receipt)
    for value in (raw.get("receiptUrl"), raw.get("url"), as_mapping(raw.get("receipt")).get("url")):
        url = (as_text(value) or "").strip()
        if url.lower().startswith(("https://", "http://")):
            return url
    return None


def is_counted(order: Order) -> bool:
    """Whether the order counts for order count, lifetime value and last order date."""
    return order.status == COUNTED_STATUS and order.order_status not in UNCOUNTED_ORDER_STATUSES


def newest(orders: Iterable[Order]) -> Order | None:
    """The order bought last, pending and deleted ones aside; one without a purchase date is never the newest."""
    return _latest(order for order in orders if order.status not in NEVER_NEWEST_STATUSES)


def newest_counted(orders: Iterable[Order]) -> Order | None:
    """The counted order bought last."""
    return _latest(order for order in orders if is_counted(order))


def lifetime_value(orders: Iterable[Order]) -> Decimal:
    """Dollars of all counted orders, exact; an order without a total adds nothing."""
    return sum((order.total for order in orders if order.total is not None and is_counted(order)), Decimal(0))


def signup_order(orders: Iterable[Order]) -> Order | None:
    """The order that says the earliest `customerSince`; the smaller number where several say the same."""
    best: tuple[datetime, str] | None = None
    found = None
    for order in orders:
        if order.customer_since is not None:
            rank = (instant(order.customer_since), order.number)
            if best is None or rank < best:
                best, found = rank, order
    return found


def signup_date(orders: Iterable[Order], memberships: Iterable[Membership]) -> Moment | None:
    """The earliest `customerSince` in the customer's orders, else when he first joined a club.

    Only orders carry `customerSince`; neither the customer list nor the customer detail has it.
    """
    order = signup_order(orders)
    return order.customer_since if order else earliest_membership(memberships)


def delivery_method(order: Order) -> str:
    """`Pickup`, `Local Delivery`, or the shop's own description of the rate, such as `UPS Ground`."""
    code = (order.rate_code or "").strip().upper()
    return _DELIVERY_BY_RATE_CODE.get(code) or order.rate_description or ""


def tracking_numbers(order: Order) -> list[str]:
    """Numbers of the packages in their order, blanks skipped."""
    return [number for package in order.packages if (number := (package.tracking_number or "").strip())]


def tracking_url(order: Order) -> str:
    """The carrier's public page for the first tracking number; empty where there is none or for another carrier."""
    for package in order.packages:
        number = (package.tracking_number or "").strip()
        if number:
            carrier = (package.carrier or order.carrier or "").strip().upper()
            page = _TRACKING_PAGES.get(carrier)
            return f"{page}{quote(number, safe='')}" if page else ""
    return ""


def _latest(orders: Iterable[Order]) -> Order | None:
    """The greatest instant; among several the greatest number, as numbers if all are digits, else as text.

    Deciding for the whole tie at once keeps the answer independent of the order of the rows: pair by pair,
    9 < 10 < 1a < 9 would go round in a circle.
    """
    tied: list[Order] = []
    latest: datetime | None = None
    for order in orders:
        if order.purchased_at is None:
            continue
        at = instant(order.purchased_at)
        if latest is None or at > latest:
            latest, tied = at, [order]
        elif at == latest:
            tied.append(order)
    if len(tied) < 2:
        return tied[0] if tied else None
    return max(tied, key=_as_number if _all_digits(tied) else _as_text)


def _all_digits(orders: Sequence[Order]) -> bool:
    return all(order.number.isascii() and order.number.isdigit() for order in orders)


def _as_number(order: Order) -> tuple[int, str, str]:
    significant = order.number.lstrip("0")
    return (len(significant), significant, order.number)  # compares like the number, however long it is


def _as_text(order: Order) -> tuple[int, str, str]:
    return (0, "", order.number)
