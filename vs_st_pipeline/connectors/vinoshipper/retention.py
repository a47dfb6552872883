"""Reduces customers and orders that are gone, settled or linked to nobody to what is still read of them.

Data flow: raw.vinoshipper_customers, raw.vinoshipper_orders -> the same, with less in them.

Of settled orders that still count, what staging reads of them stays. A customer's list item stays while the shop lists
it: it is what the shop says now, not what it once said.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper.parse import ORDER_FIELDS, ORDER_PARTS
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED

SLACK = timedelta(days=7)  # beyond the 90 days of orders that are compared with the shop's again and again
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def prune(db: Db, before: datetime) -> None:
    """Reduce what was read before this moment, in the caller's transaction."""
    _deleted_customers(db, before)
    _customers_of_nobody(db, before)
    _orders_of_nobody(db, before - SLACK)
    _settled_orders(db, before - SLACK)


_UNREAD = (
    "detail_body = null, detail_hash = null, detail_kept = null, detail_at = null, detail_status = null, "
    "detail_wanted = true"
)


def _deleted_customers(db: Db, before: datetime) -> None:
    rows = []
    for place, listed, detail in db.rows(
        """select rowid, list_body, detail_body from raw.vinoshipper_customers
           where deleted_at < ? and list_hash is distinct from ? order by rowid""",
        [before, REDUCED],
    ):
        known: dict[str, Any] = {**(try_object(detail) or {}), **(try_object(listed) or {})}
        kept = {name: known[name] for name in ("id", "email", "primaryPhone") if name in known}
        rows.append((place, json.dumps(kept, default=str)))
    columns = {"place": [row[0] for row in rows], "body": [row[1] for row in rows]}
    with db.batch(columns, {"place": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_customers as c set list_body = b.body, list_hash = ?, list_kept = null, {_UNREAD}
                from {batch} as b where c.rowid = b.place""",
            [REDUCED],
        )


def _customers_of_nobody(db: Db, before: datetime) -> None:
    db.execute(
        f"""update raw.vinoshipper_customers set {_UNREAD}, detail_leads = false
            where linked_run is null and deleted_at is null and list_body is not null and detail_at < ?""",
        [before],
    )


def _orders_of_nobody(db: Db, before: datetime) -> None:
    """Prune orders without a linked customer.

    An order that is gone (404) stays so; one whose owner is not known yet waits to be read, and is not pruned."""
    db.execute(
        f"""update raw.vinoshipper_orders
            set search_body = null, search_hash = null, receipt_url = null, receipt_state = null, receipt_at = null,
                {_UNREAD}
            where coalesce(purchased_on, searched_at) < ? and coalesce(detail_at, searched_at) < ?
              and (search_body is not null or detail_body is not null)
              and detail_status is distinct from 404 and not owner_unknown
              and (customer_id is null or customer_id not in
                   (select customer_id from raw.vinoshipper_customers where linked_run is not null))""",
        [before, before],
    )
    db.execute(
        """update raw.vinoshipper_orders
           set search_body = null, search_hash = null, detail_body = null, detail_hash = null, detail_kept = null
           where detail_status = 404 and detail_at < ? and (search_body is not null or detail_body is not null)""",
        [before],
    )


def _settled_orders(db: Db, before: datetime) -> None:
    """Reduce settled orders of linked customers: they count for ever, but only by what staging reads of them."""
    rows = db.rows(
        """select rowid, detail_body from raw.vinoshipper_orders
           where settled_at < $before and coalesce(purchased_on, searched_at) < $before
             and search_body is not null and detail_body is not null order by rowid""",
        {"before": before},
    )
    columns = {"place": [row[0] for row in rows], "body": [minimal_order(row[1]) for row in rows]}
    with db.batch(columns, {"place": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_orders as o
                set search_body = null, search_hash = null, detail_body = b.body, detail_hash = md5(b.body)
                from {batch} as b where o.rowid = b.place"""
        )


def minimal_order(text: str) -> str:
    """Return an order's JSON without what nothing reads; every value that `order_from` reads stays byte for byte."""
    try:
        body = _OBJECT.decode(text)
        kept: dict[str, Any] = {name: body[name] for name in ORDER_FIELDS if name in body}
        for name, parts in ORDER_PARTS.items():
            if bytes(kept.get(name, b"")).lstrip().startswith(b"{"):
                inner = _OBJECT.decode(kept[name])
                kept[name] = {part: inner[part] for part in parts if part in inner}
    except msgspec.ValidationError:  # JSON, but no object
        return text
    return msgspec.json.encode(kept).decode()
