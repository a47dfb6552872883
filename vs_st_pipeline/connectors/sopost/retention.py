"""Takes from stored orders what nothing needs any more (consumers.md 10.6); which orders these are, the route says."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vs_st_pipeline.connectors.sopost.streams import ORDERS
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order


def reduce_orders(db: Db, ids: Collection[str]) -> None:
    """Take the bodies of these orders away, inside the caller's transaction; ids, statuses and times stay.

    They are not read again for that. A body that counts anew, because a status means something else now, is.
    """
    if ids:
        with db.batch({"id": sorted(ids)}) as batch:
            db.execute(
                f"""update {ORDERS.table} as o
                    set body = null, kept = null,
                        next_try_at = case when last_try = 'read' then null else next_try_at end
                    from {in_row_order(ORDERS.table, batch, "id")} as b where o.rowid = b.rowid_"""
            )


def of_other_activities(db: Db, wanted: Sequence[str]) -> list[str]:
    """Return the ids of orders that have a body, of activities that are not wanted any more.

    Args:
        wanted: as `loosely` writes them; empty: all are.
    """
    if not wanted:
        return []
    rows = db.rows(
        f"""select id from {ORDERS.table} where body is not null
            and not list_contains($wanted::varchar[], lower(trim(coalesce(activity_id, ''))))""",
        {"wanted": list(wanted)},
    )
    return [row[0] for row in rows]
