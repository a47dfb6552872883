"""Tells whether an order that the shipper holds is the one that we mean (orders.md 6.2), and what was sent of it.

Data flow: `HeldOrder`, what was sent or would be -> ours, or somebody else's; the lines and money that it differs in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from vs_st_pipeline.connectors.commerce7 import stored
from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import compare
from vs_st_pipeline.routes.orders.ledger import OrderRow

Expected = Mapping[str, Any] | ShopOrder
"""What tells an order by its contents: what was sent of it, or how the shop has it."""


def expected(db: Db, row: OrderRow) -> list[Expected]:
    """Return what an order at the shipper may be like to be ours, where it does not say so itself: any of these.

    An order is edited between two tries, and the earlier one may be what stands there.
    """
    texts = db.rows("select sent from synced.order_writes where order_id = ? and sent is not null", [row.order_id])
    found: list[Expected] = [json.loads(text) for (text,) in texts]
    if row.sent:
        found.append(json.loads(row.sent))
    return [*found, *stored.load(db, [row.order_id]).values()]


def is_ours(held: HeldOrder, order_id: str, likes: Iterable[Expected]) -> bool:
    """Say whether it is our order: by the id that we wrote; without one by ZIP and quantities (6.2)."""
    if held.shop_order_id is not None:
        return held.shop_order_id == order_id
    return any(compare.is_ours(like, held, order_id) for like in likes)


def is_anothers(held: HeldOrder, order_id: str, like: Expected) -> bool:
    """Say whether the answer to a write shows that it is another order; one that shows little does not.

    It was not there a moment before, so one that goes to the same ZIP is ours, even if lines of it were lost: that is
    told as a difference (6.6).
    """
    if held.shop_order_id is not None:
        return held.shop_order_id != order_id
    if held.zip5 is not None:
        return not compare.goes_to_same_zip(like, held)
    return bool(held.quantities) and not compare.is_ours(like, held, order_id)


def looks_like(held: HeldOrder, order_id: str, like: Expected) -> bool:
    """Say whether an order under the shop's bare number is ours: by the same ZIP, or the same quantities (6.2)."""
    return compare.looks_like(like, held, order_id)


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
