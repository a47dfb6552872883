"""Reads a contact's values: every name that a field map may use, how it is read, and from which records.

Data flow: CustomerProfile -> a value, or UNKNOWN. Names and values are in one table, so that every name a map may use
has a value, and nothing else does.

It is long because it is one table, with the reason of each value beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from vs_st_pipeline.domain import customer as customers
from vs_st_pipeline.domain import order as purchases
from vs_st_pipeline.domain import order_history
from vs_st_pipeline.domain.customer import Customer
from vs_st_pipeline.domain.formats import ValueType, as_email, instant
from vs_st_pipeline.domain.order import Order


@dataclass(frozen=True, slots=True)
class CustomerProfile:
    """What is known of one customer.

    orders: all of the customer's orders that were read.
    history_complete: whether the merchant's whole order history was read; until then sums and counts are unknown.
    unseen_until: the newest day that may have orders the shop does not show; None where there is no such day.
    system: name of the system that these records come from.
    """

    customer: Customer
    orders: Sequence[Order]
    history_complete: bool
    unseen_until: date | None = None
    system: str = ""
    _view: list[_View] = field(default_factory=list, init=False, repr=False, compare=False)


class Evidence(NamedTuple):
    """A value in a source record, as it is: `kind` is customer, order or receipt; `id` is that record's."""

    kind: str
    id: object
    path: str
    value: object


UNKNOWN = object()
"""A value that is not known now. It is left out, never blanked, because a blank would clear a true value."""


class _View(NamedTuple):
    """The profile, with what several fields of one contact share worked out once."""

    customer: Customer
    orders: Sequence[Order]
    complete: bool
    counted: list[Order]
    newest: Order | None
    newest_counted: Order | None
    newest_known: bool
    newest_counted_known: bool
    unseen_until: date | None
    system: str

    def may_hide_newer(self, order: Order | None) -> bool:
        """Say whether an order that cannot be seen may be newer; a day is over everywhere twelve hours after UTC's."""
        if self.unseen_until is None:
            return False
        if order is None or order.purchased_at is None:
            return True
        over = datetime.combine(self.unseen_until + timedelta(days=1), time(12), UTC)
        return instant(order.purchased_at) < over


@dataclass(frozen=True, slots=True)
class AttributeName:
    """A name usable in `from`: `read` gives its value (None: known to be empty), `origin` the records it is made from.

    Its description is a template: a route fills in the title of its source.
    """

    type: ValueType
    description: str
    read: Callable[[_View], object]
    origin: Callable[[_View], list[Evidence]]


class _OrderPart(NamedTuple):
    """A part of an order.

    `evidence` gives the paths and values of its sources where they are not just `path`; `needs` names the attributes of
    the order that must be understood for it.
    """

    type: ValueType
    description: str
    path: str
    read: Callable[[Order], object]
    evidence: Callable[[Order], list[tuple[str, object]]] | None = None
    record: str = "order"
    needs: tuple[str, ...] = ()


def _of_customer(
    type_: ValueType,
    path: str,
    description: str,
    read: Callable[[Customer], object],
    in_detail: bool = False,
    needs: str = "",
) -> AttributeName:
    def known(view: _View) -> object:
        if needs in view.customer.unread or (in_detail and not view.customer.has_detail):
            return UNKNOWN
        return read(view.customer)

    return AttributeName(
        type_, description, known, lambda view: _evidence("customer", view.customer.customer_id, path, known(view))
    )


def _of_history(
    type_: ValueType,
    description: str,
    read: Callable[[_View], object],
    origin: Callable[[_View], list[Evidence]],
    *,
    of_all: bool = False,
) -> AttributeName:
    def is_known(view: _View) -> bool:
        return view.complete and not (of_all and view.unseen_until is not None)

    return AttributeName(
        type_,
        description,
        lambda view: read(view) if is_known(view) else UNKNOWN,
        lambda view: origin(view) if is_known(view) else [],
    )


def _of_order(prefix: str, part: _OrderPart) -> AttributeName:
    counted = prefix == "last_counted_order"

    def known(view: _View) -> object:
        order = view.newest_counted if counted else view.newest
        if view.may_hide_newer(order) or not (view.newest_counted_known if counted else view.newest_known):
            return UNKNOWN  # another order may be newer: it cannot be seen, or it has a date that cannot be read
        if order is None:
            # While the history is still being read, "no order found yet" is not "no order".
            return None if view.complete else UNKNOWN
        return UNKNOWN if order.unread.intersection(part.needs) else part.read(order)

    def origin(view: _View) -> list[Evidence]:
        order = view.newest_counted if counted else view.newest
        if order is None or view.may_hide_newer(order):
            return []
        evidence = part.evidence(order) if part.evidence else [(part.path, part.read(order))]
        return [source for path, value in evidence for source in _evidence(part.record, order.number, path, value)]

    which = "newest counted" if counted else "newest"
    return AttributeName(part.type, f"{which} order: {part.description}", known, origin)


def _evidence(kind: str, record_id: object, path: str, value: object) -> list[Evidence]:
    if value is None or value is UNKNOWN or value == "":
        return []
    return [Evidence(kind, record_id, path, value)]


def _membership_origin(path: str, attribute: str) -> Callable[[_View], list[Evidence]]:
    def origin(view: _View) -> list[Evidence]:
        rows = view.customer.memberships
        found = (
            _evidence("customer", view.customer.customer_id, f"memberships[].{path}", getattr(row, attribute))
            for row in rows
        )
        return [source for sources in found for source in sources]

    return origin


def _email(customer: Customer) -> object:
    # A text that is not an address is left out: the destination would refuse the whole contact for it.
    return None if customer.email is None else as_email(customer.email) or UNKNOWN


def _club_names(view: _View) -> object:
    unread, rows = view.customer.unread, view.customer.memberships
    if unread & {"memberships", "club_name"} or ("joined" in unread and len(rows) > 1):
        return UNKNOWN  # the names are sorted by the date joined
    return customers.club_names(rows)


def _signup_date(view: _View) -> object:
    if any("customer_since" in order.unread for order in view.orders):
        return UNKNOWN
    if order_history.signup_order(view.orders) is None and view.customer.unread & {"memberships", "joined"}:
        return UNKNOWN
    return order_history.signup_date(view.orders, view.customer.memberships)


def _order_count(view: _View) -> object:
    return len(view.counted) if order_history.count_is_known(view.orders) else UNKNOWN


def _lifetime_value(view: _View) -> object:
    amount = order_history.lifetime_value(view.orders)
    return UNKNOWN if amount is None else amount


def _signup_origin(view: _View) -> list[Evidence]:
    order = order_history.signup_order(view.orders)
    if order is not None:
        return _evidence("order", order.number, "customer.customerSince", order.customer_since)
    joined = customers.earliest_membership(view.customer.memberships)
    return _evidence("customer", view.customer.customer_id, "memberships[].dateJoined", joined)


def _per_counted_order(path: str, attribute: str) -> Callable[[_View], list[Evidence]]:
    return lambda view: [
        source for order in view.counted for source in _evidence("order", order.number, path, getattr(order, attribute))
    ]


def _delivery_evidence(order: Order) -> list[tuple[str, object]]:
    by_code = purchases.delivery_method(order) != (order.rate_description or "")
    return [("shipping.rateCode", order.rate_code) if by_code else ("shipping.rateDescription", order.rate_description)]


def _tracking_evidence(order: Order) -> list[tuple[str, object]]:
    return [(_TRACKING_PATH, number) for number in purchases.tracking_numbers(order)]


_TRACKING_PATH = "shipping.packages[].trackingNumber"

_ORDER_PARTS = {
    "number": _OrderPart("text", "its number", "orderNumber", lambda o: o.number),
    "status": _OrderPart("text", "whether it was accepted and paid", "status", lambda o: o.status, needs=("status",)),
    "order_status": _OrderPart(
        "text", "how far fulfilment is", "orderStatus", lambda o: o.order_status, needs=("order_status",)
    ),
    "cart_type": _OrderPart("text", "the channel it came by", "cartType", lambda o: o.cart_type, needs=("cart_type",)),
    "total": _OrderPart("number", "its total in dollars", "total", lambda o: o.total, needs=("total",)),
    "purchased_at": _OrderPart(
        "date", "when it was bought", "purchasedAt", lambda o: o.purchased_at, needs=("purchased_at",)
    ),
    "shipped_at": _OrderPart("date", "when it was shipped", "shippedAt", lambda o: o.shipped_at, needs=("shipped_at",)),
    "delivered_at": _OrderPart(
        "date", "when it was delivered", "deliveredAt", lambda o: o.delivered_at, needs=("delivered_at",)
    ),
    "delivery_method": _OrderPart(
        "text",
        "how it is delivered",
        "shipping",
        purchases.delivery_method,
        _delivery_evidence,
        needs=("rate_code", "rate_description"),
    ),
    "tracking_numbers": _OrderPart(
        "list",
        "tracking numbers of its packages",
        _TRACKING_PATH,
        purchases.tracking_numbers,
        _tracking_evidence,
        needs=("packages",),
    ),
    "tracking_url": _OrderPart(
        "text",
        "the carrier's page for its first package",
        _TRACKING_PATH,
        purchases.tracking_url,
        lambda o: _tracking_evidence(o)[:1] if purchases.tracking_url(o) else [],
        needs=("packages", "carrier"),
    ),
    "receipt_url": _OrderPart(
        "text",
        "web address of its receipt",
        "receiptUrl",
        lambda o: o.receipt_url if o.receipt_known else UNKNOWN,
        record="receipt",
    ),
}

ATTRIBUTES: dict[str, AttributeName] = {
    "customer.id": _of_customer("number", "id", "{source}'s id of the customer", lambda c: c.customer_id),
    "customer.first_name": _of_customer("text", "firstName", "first name", lambda c: c.first_name, needs="first_name"),
    "customer.last_name": _of_customer("text", "lastName", "last name", lambda c: c.last_name, needs="last_name"),
    "customer.email": _of_customer("text", "email", "e-mail address", _email, needs="email"),
    "customer.birth_date": _of_customer(
        "date", "dateOfBirth", "date of birth", lambda c: c.birth_date, in_detail=True, needs="birth_date"
    ),
    "customer.city": _of_customer(
        "text", "shippingAddress.city", "city of the shipping address", lambda c: c.city, in_detail=True, needs="city"
    ),
    "customer.state": _of_customer(
        "text",
        "shippingAddress.stateCode",
        "state of the shipping address",
        lambda c: c.state,
        in_detail=True,
        needs="state",
    ),
    "customer.club_names": AttributeName(
        "list",
        "names of the clubs the customer is in",
        _club_names,
        _membership_origin("clubName", "club_name"),
    ),
    "customer.club_status": AttributeName(
        "text",
        "Active, On Hold, or empty without a club",
        lambda view: (
            UNKNOWN
            if view.customer.unread & {"memberships", "hold"}
            else customers.club_status(view.customer.memberships)
        ),
        _membership_origin("hold", "on_hold"),
    ),
    "customer.signup_date": _of_history(
        "date",
        "the date the customer signed up",
        _signup_date,
        _signup_origin,
    ),
    "customer.order_count": _of_history(
        "number",
        "number of counted orders: paid, neither cancelled nor returned",
        _order_count,
        _per_counted_order("status", "status"),
        of_all=True,
    ),
    "customer.lifetime_value": _of_history(
        "number",
        "total of all counted orders, in dollars",
        _lifetime_value,
        _per_counted_order("total", "total"),
        of_all=True,
    ),
    **{
        f"{prefix}.{name}": _of_order(prefix, part)
        for prefix in ("last_counted_order", "newest_order")
        for name, part in _ORDER_PARTS.items()
    },
}


def view_of(facts: CustomerProfile) -> _View:
    """Return the profile with what several fields of one contact share worked out once, however often it is asked."""
    if not facts._view:
        facts._view.append(_make_view(facts))
    return facts._view[0]


def _make_view(facts: CustomerProfile) -> _View:
    orders = [order for order in facts.orders if not order_history.is_correction(order)]
    counted = [order for order in orders if order_history.is_counted(order)]
    return _View(
        facts.customer,
        orders,
        facts.history_complete,
        counted,
        order_history.newest(orders),
        order_history.newest_counted(counted),
        order_history.newest_is_known(orders),
        order_history.newest_counted_is_known(orders),
        facts.unseen_until,
        facts.system,
    )
