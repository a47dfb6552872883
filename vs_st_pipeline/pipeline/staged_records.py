"""Reads staged customers and orders back as records.

Data flow: staged.customers, staged.orders -> Customer, Order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from vs_st_pipeline.domain.customer import Customer, Membership
from vs_st_pipeline.domain.formats import parse_moment
from vs_st_pipeline.domain.order import Order, Package, without_what_is_to_come
from vs_st_pipeline.platform.warehouse.connection import Db


def staged_customers(db: Db, customer_ids: Iterable[int]) -> dict[int, Customer]:
    """Return these customers by id, as far as they are staged."""
    with db.batch({"customer_id": sorted(set(customer_ids))}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""select customer_id, first_name, last_name, email, phone, birth_date, has_detail, city, state,
                       memberships, birth_year, unread
                from staged.customers semi join {batch} using (customer_id)"""
        )
    found: dict[int, Customer] = {}
    for row in rows:
        values: list[Any] = [*row[:9], _memberships(row[9]), row[10], _names_of(row[11])]
        found[row[0]] = Customer(*values)
    return found


def staged_orders(db: Db, customer_ids: Iterable[int], latest: datetime) -> dict[int, list[Order]]:
    """Return all staged orders of these customers, by customer; dates after `latest` (UTC) count as not understood."""
    found: dict[int, list[Order]] = {}
    with db.batch({"customer_id": sorted(set(customer_ids))}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""select order_number, customer_id, status, order_status, purchased_at, shipped_at, delivered_at,
                       customer_since, cart_type, rate_code, rate_description, carrier, packages, total, receipt_url,
                       receipt_known, birth_date, birth_year, unread
                from staged.orders semi join {batch} using (customer_id)"""
        )
    for row in rows:
        moments = [parse_moment(value) for value in row[4:8]]
        packages = tuple(Package(item["carrier"], item["tracking_number"]) for item in json.loads(row[12]))
        total = Decimal(row[13]) if row[13] is not None else None
        values: list[Any] = [*row[:4], *moments, *row[8:12], packages, total, *row[14:18], _names_of(row[18])]
        found.setdefault(row[1], []).append(without_what_is_to_come(Order(*values), latest))
    return found


def _memberships(text: str) -> tuple[Membership, ...]:
    return tuple(
        Membership(row["id"], row["club_name"], parse_moment(row["joined"]), row["on_hold"]) for row in json.loads(text)
    )


def _names_of(text: str | None) -> frozenset[str]:
    return frozenset(json.loads(text)) if text else frozenset()
