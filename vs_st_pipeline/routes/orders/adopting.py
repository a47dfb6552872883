"""Tells whether an order that the shipper holds is the one that we mean (orders.md 6.2), and what was sent of it.

Data flow: `HeldOrder`, what was sent or would be -> ours, or somebody else's; the lines and money that it differs in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vs_st_pipeline.connectors.commerce7 import stored
from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import compare
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Write

Expected = Mapping[str, Any] | ShopOrder | None
"""What tells an order by its contents: what was sent of it, else how the shop has it; None: not known."""


def expected(db: Db, row: OrderRow, write: Write | None) -> Expected:
    """Return what an order at the shipper has to be like to be ours, where it does not say so itself."""
    for text in (write.sent if write else None, row.sent):
        if text:
            found: Mapping[str, Any] = json.loads(text)
            return found
    return stored.load(db, [row.order_id]).get(row.order_id)


def is_ours(held: HeldOrder, order_id: str, like: Expected) -> bool:
    """Say whether it is our order: by the id that we wrote; without one by ZIP and quantities (6.2)."""
    return held.shop_order_id == order_id if like is None else compare.is_ours(like, held, order_id)


def looks_like(held: HeldOrder, order_id: str, like: Expected) -> bool:
    """Say whether an order under the shop's bare number is ours: by the same ZIP, or the same quantities (6.2)."""
    return held.shop_order_id == order_id if like is None else compare.looks_like(like, held, order_id)


def as_sent(held: HeldOrder) -> dict[str, Any]:
    """Return what is kept as sent of an order that was adopted: what was read then (rulings, orders 11)."""
    return {
        "adopted": True,
        "lines": [{"sku": sku, "quantity": n} for sku, n in sorted((held.quantities or {}).items())],
        "money": {} if held.total is None else {"total": f"{held.total:.2f}"},
        "ship_date": None if held.ship_date is None else held.ship_date.isoformat(),
        "state": held.state,
        "zip": held.zip5,
    }


def differences(sent: str, held: HeldOrder) -> list[dict[str, Any]]:
    """Return in what an accepted order differs from what was sent (6.6): names, and both values."""
    known: Mapping[str, Any] = json.loads(sent)
    found = compare.differences(known, held)
    return [{"name": one.name, "ours": one.ours, "theirs": one.theirs} for one in found]


def staged_hash(db: Db, order_id: str) -> str | None:
    """Return the hash of what is sent (6.5) of an order as it is held."""
    found = db.value("select sent_hash from staged.shop_orders where order_id = ?", [order_id])
    return None if found is None else str(found)
