"""Shows one winery's shop: its records in lists, details and search rows, and the time index of orders."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime
from typing import Any

import msgspec

from vs_st_pipeline.sandbox.core.asgi import Record, dumps
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

UNKNOWN_STAGE = "CONSOLIDATED_FREIGHT_HOLD"


def instant(text: str | None) -> float | None:
    """Return the epoch seconds of a date-time with an offset."""
    return datetime.fromisoformat(text).timestamp() if text else None


class Shop:
    """Derived views of a merchant's records, each built when first asked for and dropped when something changes."""

    def __init__(self, merchant: Merchant) -> None:
        self.merchant = merchant
        self.changed()
        self.customers_moved = False
        self.orders_moved = False
        self.lists_shown = 0
        self.veiled: dict[str, list[Any]] = {}
        """Orders that reads show as they were: in how many reads still, and how; None: not there yet."""

    def changed(self) -> None:
        """Forget everything derived."""
        self._memberships: dict[int, list[Record]] | None = None
        self._items: dict[int, msgspec.Raw] = {}
        self._rows: dict[tuple[str, bool], msgspec.Raw] = {}
        self._times: dict[str, tuple[list[float], list[str]]] = {}

    # Customers.

    def memberships_of(self, customer_id: int) -> list[Record]:
        """Return a customer's memberships that are not canceled, in the form of the list."""
        if self._memberships is None:
            self._memberships = {}
            for record in self.merchant.memberships.values():
                if not record["cancelled"]:
                    self._memberships.setdefault(record["customerId"], []).append(_membership(record))
        return self._memberships.get(customer_id, [])

    def item(self, customer_id: int) -> msgspec.Raw:
        """Return a customer as the list shows them: no address, no birth date, no times."""
        raw = self._items.get(customer_id)
        if raw is None:
            record = self.merchant.customers[customer_id]
            memberships = self.memberships_of(customer_id)
            item = {key: record[key] for key in ("id", "email", "primaryPhone", "firstName", "lastName")}
            item |= {
                "memberships": memberships,
                "clubMember": bool(memberships),
                "clubsOnHold": bool(memberships) and all(m["hold"] for m in memberships),
                "creditCard": None,
            }
            raw = self._items[customer_id] = msgspec.Raw(dumps(item))
        return raw

    def detail(self, customer_id: int) -> Record:
        """Return a customer as the detail shows them."""
        memberships = [
            {
                **membership,
                "club": {"id": membership["clubId"], "name": membership["clubName"], "description": None},
                "producer": self.merchant.producer,
            }
            for membership in self.memberships_of(customer_id)
        ]
        return {**self.merchant.customers[customer_id], "clubMember": bool(memberships), "memberships": memberships}

    def feed(self, club: int | None, modified_key: str) -> list[Record]:
        """Return membership records, canceled ones too, newest modification first."""
        records = [m for m in self.merchant.memberships.values() if club is None or m["clubId"] == club]
        records.sort(key=lambda m: (instant(m["modified"]) or 0.0, m["id"]), reverse=True)
        return [
            {
                **_membership(m),
                "customerId": m["customerId"],
                "customer": {"id": m["customerId"]},
                "status": "CANCELLED" if m["cancelled"] else "ON_HOLD" if m["hold"] else "ACTIVE",
                modified_key: m["modified"],
            }
            for m in records
        ]

    # Orders.

    def order_numbers(self, time_field: str, low: float | None, high: float | None) -> list[str]:
        """Return the numbers of orders by that time, newest first; from `low` up to, but without, `high`."""
        found = self._times.get(time_field)
        if found is None:
            timed = [(instant(o[time_field]), n) for n, o in self.merchant.orders.items() if o[time_field]]
            timed.sort(key=lambda pair: (pair[0] or 0.0, pair[1]))
            found = self._times[time_field] = ([t or 0.0 for t, _ in timed], [n for _, n in timed])
        times, numbers = found
        first = 0 if low is None else bisect_left(times, low)
        last = len(times) if high is None else bisect_left(times, high)
        return numbers[first:last][::-1]

    def visible(self, numbers: list[str]) -> list[str]:
        """Return the numbers of orders that lists show already."""
        hidden = {number for number, (_, before) in self.veiled.items() if before is None}
        return [number for number in numbers if number not in hidden] if hidden else numbers

    def stage(self, order: Record, unknown_status: bool) -> Any:
        """Return the order's stage; with the switch on, every fifth order has one that no list names."""
        if unknown_status and sum(map(ord, order["orderNumber"])) % 5 == 0:
            return UNKNOWN_STAGE
        return order["orderStatus"]

    def row(self, number: str, unknown_status: bool) -> msgspec.Raw:
        """Return an order as a search row: a pointer with its amount under another name."""
        raw = self._rows.get((number, unknown_status))
        if raw is None:
            order = self.veiled[number][1] if number in self.veiled else self.merchant.orders[number]
            who = order["customer"]
            row = {
                "orderNumber": number,
                "orderStatus": self.stage(order, unknown_status),
                "cartType": order["cartType"],
                "saleAmount": order["total"],
                "purchasedAt": order["purchasedAt"],
                "shippedAt": order["shippedAt"],
                "requestedShipDate": None,
                "customer": {key: who.get(key) for key in ("id", "email", "firstName", "lastName", "address")},
                "shipToAddress": order["shipToAddress"],
            }
            raw = self._rows[number, unknown_status] = msgspec.Raw(dumps(row))
        return raw


def _membership(record: Record) -> Record:
    return {
        "id": record["id"],
        "clubId": record["clubId"],
        "clubName": record["clubName"],
        "title": record["clubName"],
        "description": None,
        "dateJoined": record["dateJoined"],
        "pickup": record["pickup"],
        "hold": record["hold"],
        "holdStartDate": None,
        "holdEndDate": None,
        "holdReason": record["holdReason"],
        "gift": None,
        "releasesRemaining": None,
        "shippingClass": None,
        "memberEnrolledById": None,
        "memberEnrolledByName": None,
        "memberDeactivatedById": None,
    }
