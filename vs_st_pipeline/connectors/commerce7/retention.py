"""Takes bodies away that nothing needs any more (orders.md 10; routes.md R58); whose these are, the route says."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from vs_st_pipeline.connectors.commerce7.streams import CUSTOMERS, ORDERS
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED


def prune(db: Db, before: datetime) -> None:
    """Delete the customers that were read before a moment (UTC without zone): they are read anew for each send."""
    db.execute(f"delete from {CUSTOMERS.table} where read_at < ?", [before])


def with_body(db: Db, read_before: datetime) -> list[str]:
    """Return the ids of orders that have a body, and were read or changed last before a moment (UTC without zone)."""
    rows = db.rows(f"select id from {ORDERS.table} where body is not null and read_at < ? order by id", [read_before])
    return [row[0] for row in rows]


def reduce_orders(db: Db, ids: Collection[str]) -> None:
    """Take the bodies of these orders away, inside the caller's transaction; ids, numbers and dates stay.

    A list that shows one unchanged does not bring its body back; a change, and a read of it alone, do.
    """
    if ids:
        with db.batch({"id": sorted(set(ids))}) as batch:
            db.execute(
                f"""update {ORDERS.table} set body = null, kept = null, next_look_at = null, body_sha256 = ?
                    where id in (select id from {batch})""",
                [REDUCED],
            )
