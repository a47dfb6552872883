"""Reads what a customer's orders say together: which is the newest, which count, and what is unknown of them.

Data flow: the orders of one customer -> newest order, counts, sums, sign-up date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from vs_st_pipeline.domain.customer import Membership, earliest_membership
from vs_st_pipeline.domain.formats import Moment, instant
from vs_st_pipeline.domain.order import COUNTED_STATUS, NEVER_NEWEST_STATUSES, UNCOUNTED_ORDER_STATUSES, Order


def is_counted(order: Order) -> bool:
    """Say whether the order certainly counts for order count, lifetime value and last order date."""
    return may_count(order) is True


def is_correction(order: Order) -> bool:
    """Say whether this is not an order but a correction that takes money back: its total is below 0 (routes.md R37)."""
    return order.total is not None and order.total < 0


def may_count(order: Order) -> bool | None:
    """Say whether the order counts; None where the status that decides it is given and cannot be understood."""
    if is_correction(order):
        return False
    if order.order_status in UNCOUNTED_ORDER_STATUSES:
        return False
    if "status" in order.unread:
        return None
    if order.status != COUNTED_STATUS:
        return False
    return None if "order_status" in order.unread else True


def newest(orders: Iterable[Order]) -> Order | None:
    """Return the order bought last, without pending and deleted ones; one without a purchase date is never the newest.

    It is the newest of the known orders; `newest_is_known` says whether it may be called the newest at all.
    """
    return _latest(order for order in orders if _may_be_newest(order))


def _may_be_newest(order: Order) -> bool:
    return order.status not in NEVER_NEWEST_STATUSES and not is_correction(order)


def newest_is_known(orders: Sequence[Order]) -> bool:
    """Say whether one order is certainly the newest: no candidate has an unreadable date, nor the newest a status."""
    candidates = [order for order in orders if _may_be_newest(order)]
    if any("purchased_at" in order.unread for order in candidates):
        return False
    last = _latest(candidates)
    return last is None or "status" not in last.unread


def newest_counted(orders: Iterable[Order]) -> Order | None:
    """Return the counted order bought last, of those that certainly count."""
    return _latest(order for order in orders if is_counted(order))


def newest_counted_is_known(orders: Sequence[Order]) -> bool:
    """Say whether one order is certainly the newest counted one; where the newest is unknown, this is unknown too."""
    if not newest_is_known(orders):
        return False
    last = _latest(order for order in orders if may_count(order) is not False)
    return last is None or is_counted(last)


def count_is_known(orders: Iterable[Order]) -> bool:
    """Say whether it is known of every order if it counts."""
    return all(may_count(order) is not None for order in orders)


def lifetime_value(orders: Iterable[Order]) -> Decimal | None:
    """Return the exact dollars of all counted orders; None where an order's total, or whether it counts, is unknown."""
    amount = Decimal(0)
    for order in orders:
        counts = may_count(order)
        if counts is None or (counts and (order.total is None or "total" in order.unread)):
            return None
        amount += (order.total or Decimal(0)) if counts else Decimal(0)
    return amount


def signup_order(orders: Iterable[Order]) -> Order | None:
    """Return the order with the earliest `customerSince`; the smaller number where several have the same."""
    best: tuple[datetime, str] | None = None
    found = None
    for order in orders:
        if order.customer_since is not None:
            rank = (instant(order.customer_since), order.number)
            if best is None or rank < best:
                best, found = rank, order
    return found


def signup_date(orders: Iterable[Order], memberships: Iterable[Membership]) -> Moment | None:
    """Return the earliest `customerSince` in the customer's orders, else when the customer first joined a club.

    Only orders carry `customerSince`; neither the customer list nor the customer detail has it.
    """
    order = signup_order(orders)
    return order.customer_since if order else earliest_membership(memberships)


def _latest(orders: Iterable[Order]) -> Order | None:
    """Return the latest order; in a tie the one with the greatest number, as numbers if all are digits, else as text.

    Deciding for the whole tie at once keeps the answer independent of the order of the rows: compared in pairs,
    9 < 10 < 1a < 9 would go around in a circle.
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
