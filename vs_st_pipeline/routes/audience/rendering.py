"""Renders news as the `data` that the outbox keeps: loads records in batches, and hands them to `events` (6.1, 6.2).

Data flow: planned.audience_news, staged.shop_* -> records -> `events.data_of` -> JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases, events, items
from vs_st_pipeline.routes.audience.items import Style
from vs_st_pipeline.routes.audience.words import Event

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class One:
    """What one event is made of: which, of which entity, and what the news says besides."""

    event: Event
    kind: str
    id: str
    about: Mapping[str, Any]


def render(db: Db, batch: Iterable[One], style: Style) -> list[str]:
    """Return the JSON of each event's data, as staged now; memory grows with the batch."""
    wanted = list(batch)
    records = {
        kind: load(db, sorted({one.id for one in wanted if one.kind == kind})) for kind, load in _LOADERS.items()
    }
    return [items.encoded(_data(one, records.get(one.kind, {}), style)).decode() for one in wanted]


def _data(one: One, records: Mapping[str, Record], style: Style) -> dict[str, Any]:
    record = records.get(one.id, {})
    if one.event is Event.ORDER_ADD and "status" in one.about:  # its first status; those after it are events (6.2)
        record = record | {"status": one.about["status"]}
    return events.data_of(one.event, record, one.about, style)


def about_of(text: str | None) -> Mapping[str, Any]:
    """Return what a row says besides, from its JSON."""
    return json.loads(text) if text else {}


def _rows(db: Db, sql: str) -> list[Record]:
    names, rows = db.columns(sql)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _customers(db: Db, ids: list[str]) -> dict[str, Record]:
    if not ids:
        return {}
    with db.batch({"id": ids}) as batch:
        found = _rows(
            db,
            f"""select c.*, a.addresses from staged.shop_customers as c semi join {batch} as i on i.id = c.customer_id
                left join ({bases.addresses(batch)}) as a using (customer_id)""",
        )
    return {row["customer_id"]: row for row in found}


def _products(db: Db, ids: list[str]) -> dict[str, Record]:
    if not ids:
        return {}
    with db.batch({"id": ids}) as batch:
        return {row["product_id"]: row for row in _rows(db, bases.products(batch))}


def _carts(db: Db, ids: list[str]) -> dict[str, Record]:
    if not ids:
        return {}
    found: dict[str, Record] = {id: {"customer_id": id, "lines": [], "cart_url": None} for id in ids}
    with db.batch({"id": ids}) as batch:
        urls = db.rows(
            f"""select n.customer_id, n.cart.cart_url from ({bases.NEWEST_CARTS}) as n
                semi join {batch} as i on i.id = n.customer_id"""
        )
        full = _rows(db, bases.carts(batch))
    for customer_id, url in urls:
        found[customer_id]["cart_url"] = url
    for row in full:
        found[row["customer_id"]]["lines"] = row["lines"]
    return found


def _orders(db: Db, ids: list[str]) -> dict[str, Record]:
    """Load orders, each with its customer and whether its address is subscribed now (8.2)."""
    if not ids:
        return {}
    with db.batch({"id": ids}) as batch:
        found = _rows(
            db,
            f"""with wanted as (select s.* from staged.shop_orders as s semi join {batch} as i on i.id = s.order_id)
                select o.*, l.lines, coalesce(a.subscribed, false) and h.id is null and g.id is null as newsletter
                from (select w.*, lower(trim(coalesce(w.email, c.email))) as address_
                      from wanted as w left join staged.shop_customers as c using (customer_id)) as o
                left join ({bases.lines(batch)}) as l using (order_id)
                left join planned.audience_addresses as a on a.address = o.address_
                left join (select distinct id from planned.audience_held where kind = 'subscriber') as h
                    on h.id = o.address_
                left join (select distinct id from planned.audience_held where kind = 'customer') as g
                    on g.id = a.customer_id""",
        )
    people = _customers(db, sorted({row["customer_id"] for row in found if row["customer_id"] is not None}))
    return {row["order_id"]: row | {"customer": people.get(row["customer_id"])} for row in found}


_LOADERS: Final[dict[str, Callable[[Db, list[str]], dict[str, Record]]]] = {
    "customer": _customers,
    "product": _products,
    "cart": _carts,
    "order": _orders,
}
