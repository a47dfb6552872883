"""Finds stored orders: what they say, what is linked to them, which of them are to be read again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.order_record import read_order
from vs_st_pipeline.connectors.commerce7.streams import ORDERS, STORED
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.unreadable import unreadable_ids, waiting_ids

TABLE: Final = ORDERS.table


def load(db: Db, ids: Iterable[str]) -> dict[str, ShopOrder]:
    """Return stored orders, by id; one of which only the id is kept is not among them."""
    found: dict[str, ShopOrder] = {}
    for order_id, text in rows_of(db, "id, body", ids, "body is not null"):
        body = try_object(text)
        try:
            found[order_id] = read_order(body)
        except PipelineError:  # nothing of the kind is ever stored: a file that somebody edited
            continue
    return found


def linked_to(db: Db, order: ShopOrder) -> list[ShopOrder]:
    """Return the stored orders that are linked to one: those that it names, and those that name it (4.1)."""
    rows = db.rows(
        f"""select id from {TABLE} where id <> $id and body is not null
            and (previous_id = $id or list_contains($named::varchar[], id)) order by id""",
        {"id": order.id, "named": list(order.linked)},
    )
    return list(load(db, [row[0] for row in rows]).values())


def unheld(db: Db, ids: Iterable[str]) -> list[str]:
    """Return those of these ids that are not known here, in their order."""
    wanted = list(dict.fromkeys(ids))
    known = {row[0] for row in rows_of(db, "id", wanted)}
    return [one for one in wanted if one not in known]


def not_whole(db: Db, ids: Iterable[str]) -> set[str]:
    """Return those of these orders whose last answer lacked something that is read: they need a read of their own."""
    return {row[0] for row in rows_of(db, "id", ids, "not whole")}


def gone(db: Db, ids: Iterable[str]) -> set[str]:
    """Return those of these orders that answered 404 when they were read last."""
    return {row[0] for row in rows_of(db, "id", ids, "gone_at is not null")}


def rows_of(db: Db, columns: str, ids: Iterable[str], where: str = "true") -> list[Any]:
    """Return columns of stored orders with these ids, in their order; none costs nothing, one is found by key.

    Args:
        columns: the first is `id`.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return []
    if len(wanted) == 1:
        return db.rows(f"select {columns} from {TABLE} where id = ? and {where}", wanted)
    named = "id in (select unnest(?::varchar[]))"
    return sorted(db.rows(f"select {columns} from {TABLE} where {named} and {where}", [wanted]), key=itemgetter(0))


def unreadable(db: Db) -> set[str]:
    """Return ids of the orders whose last read said nothing."""
    return unreadable_ids(db, STORED)


def tried_again(db: Db, now: datetime) -> list[str]:
    """Return ids of orders that could not be read, and are asked for again now."""
    return sorted(unreadable_ids(db, STORED) - waiting_ids(db, STORED, now))


def looked_at_again(db: Db, now: datetime) -> list[str]:
    """Return ids of orders that are to be read again, because their last answer lacked something (R23)."""
    rows = db.rows(f"select id from {TABLE} where next_look_at <= ? order by next_look_at, id", [now])
    return [row[0] for row in rows]
