"""Stores what Vinoshipper said of orders, as it said it, with the few pointers that reading needs.

Data flow: JSON texts of search rows, details and receipts -> raw.vinoshipper_orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from vs_st_pipeline.connectors.vinoshipper.carried import (
    OWNER,
    Detail,
    Owners,
    body_hash,
    carried_in_details,
    wants_reading_again,
)
from vs_st_pipeline.connectors.vinoshipper.client import whole_number
from vs_st_pipeline.connectors.vinoshipper.kinds import ORDER
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow
from vs_st_pipeline.connectors.vinoshipper.parse import DEPENDS_ON, ZONE, shop_moment
from vs_st_pipeline.connectors.vinoshipper.streams import ORDERS
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.formats import as_mapping, instant, local_date
from vs_st_pipeline.domain.records import is_given
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import suppression
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, email_name, filter_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable

SETTLED = frozenset({"DELIVERED", "PICKED_UP", "RETURNED", "CANCELLED"})


def _known_owners(db: Db, numbers: Sequence[object]) -> Owners:
    """Return whose these orders are by the last search row or detail, and as they were staged."""
    with db.batch({"order_number": numbers}) as batch:
        rows = db.rows(
            f"""select order_number, o.customer_id, s.customer_id from raw.vinoshipper_orders as o
                semi join {batch} using (order_number) left join staged.orders as s using (order_number)"""
        )
    return {row[0]: row[1:] for row in rows}


def land_order_rows(db: Db, rows: Sequence[OrderRow], now: datetime) -> int:
    """Store search rows in the caller's transaction; return how many are new or changed and so need a detail read."""
    rows = filter_suppressed(db, rows, ORDERS, lambda row: (row.number, _buyer(_order_fields(row.text)), None), now)
    if not rows:
        return 0
    unique = {row.number: row for row in rows}
    columns: dict[str, list[object]] = {
        "order_number": list(unique),
        "customer_id": [row.customer_id for row in unique.values()],
        "body": [row.text for row in unique.values()],
        "hash": [body_hash(row.text) for row in unique.values()],
        "purchased_on": [_day(row.purchased_at) for row in unique.values()],
        "owner_unknown": [not row.owner_told for row in unique.values()],
    }
    with db.batch(columns, {"customer_id": "int", "owner_unknown": "bool"}) as batch:
        differing = db.rows(
            f"""select b.order_number, o.order_number is null
                from {batch} as b left join raw.vinoshipper_orders as o using (order_number)
                where o.search_hash is distinct from b.hash"""
        )
        _update_order_rows(db, batch, [number for number, unknown in differing if not unknown], now)
        if any(unknown for _, unknown in differing):
            db.execute(
                f"""insert into raw.vinoshipper_orders
                        (order_number, customer_id, search_body, search_hash, searched_at, purchased_on, owner_unknown)
                    select b.order_number, b.customer_id, b.body, b.hash, ?, cast(b.purchased_on as date),
                        b.owner_unknown
                    from {batch} as b
                    anti join raw.vinoshipper_orders as o using (order_number)""",
                [now],
            )
    return len(differing)


def _update_order_rows(db: Db, batch: str, changed: Sequence[str], now: datetime) -> None:
    if changed:
        with db.batch({"order_number": changed}) as numbers:
            db.execute(
                f"""update raw.vinoshipper_orders as o
                    set customer_id = coalesce(b.customer_id, o.customer_id), search_body = b.body,
                        search_hash = b.hash, searched_at = ?,
                        purchased_on = cast(b.purchased_on as date), detail_wanted = true,
                        owner_unknown = (b.owner_unknown and o.customer_id is null)
                            or (o.owner_unknown and o.detail_at is not null)
                    from {batch} as b semi join {numbers} using (order_number)
                    where o.order_number = b.order_number""",
                [now],
            )


def land_order_details(run: Run, details: Sequence[Detail], began: datetime) -> list[str]:
    """Store order details and when each was settled; an order that answers 404 counts no more.

    Args:
        began: when this run began to read details (UTC without zone): what it has read since then is not a second
            answer.

    Returns:
        The numbers of orders whose first answer lacked a part that every order has: no earlier answer shows what is
        missing, so they are read once more.
    """
    with run.open() as db, db.transaction():
        details = filter_suppressed(
            db, details, ORDERS, lambda row: (row.id, _buyer(_order_fields(row.text)), None), run.now()
        )
        return _store_order_details(run, db, details, began)


def _store_order_details(run: Run, db: Db, details: Sequence[Detail], began: datetime) -> list[str]:
    fields = [_order_fields(row.text) for row in details]
    kept = carried_in_details(run, db, ORDER, details, _known_owners(db, [row.id for row in details]))
    columns: dict[str, list[object]] = {
        "order_number": [row.id for row in details],
        "body": [row.text for row in details],
        "hash": [body_hash(row.text) for row in details],
        "status": [row.status for row in details],
        "settled_at": [_settled_since(body) for body in fields],
        "customer_id": [_owner(body) for body in fields],
        "kept": kept,
        "again": wants_reading_again(ORDER, kept),
        # A first answer has no earlier one to be compared with, and a long settled order is not read in rotation.
        "cut": [row.text is not None and not body.has_parts for row, body in zip(details, fields, strict=True)],
        "doubted": [],
    }
    for place, text in enumerate(kept):
        entry = try_json(str(text)).get(OWNER) if text is not None else None
        if entry is not None:  # not believed yet: the owner stays as it was, or is not known
            columns["customer_id"][place] = _owner(_OrderFields(customer=entry["value"]))
        columns["doubted"].append(entry is not None and not entry["value"])
    types = {"status": "int", "customer_id": "int", "again": "bool", "cut": "bool", "doubted": "bool"}
    with db.batch(columns, types) as batch:
        cut = db.rows(
            f"""select order_number from {batch} as b join raw.vinoshipper_orders as o using (order_number)
                where b.cut and o.detail_at is null"""
        )
        db.execute(
            f"""update raw.vinoshipper_orders as o
                set detail_status = b.status, detail_at = $now,
                    detail_wanted = b.again or (b.cut and coalesce(o.detail_at >= $began, true)),
                    settled_at = cast(b.settled_at as timestamp),
                    detail_kept = case when b.body is null then o.detail_kept else b.kept end,
                    customer_id = coalesce(b.customer_id, o.customer_id), owner_unknown = b.doubted
                from {batch} as b where o.order_number = b.order_number""",
            {"now": run.now(), "began": began},
        )
        db.execute(  # in its own statement, as with customers
            f"""update raw.vinoshipper_orders as o set detail_body = b.body, detail_hash = b.hash
                from {batch} as b where o.order_number = b.order_number and o.detail_hash is distinct from b.hash
                and b.body is not null"""
        )
        db.execute(f"delete from raw.hints where kind = 'order' and id in (select order_number from {batch})")
        forget_unreadable(db, ORDER.name, [row.id for row in details])
    return [row[0] for row in cut]


def land_receipts(run: Run, receipts: Sequence[tuple[str, str | None, str]]) -> None:
    """Store receipts as (order number, url, state); one that could not be read keeps its known url."""
    if not receipts:
        return
    columns: dict[str, list[object]] = {
        "order_number": [row[0] for row in receipts],
        "url": [row[1] for row in receipts],
        "state": [row[2] for row in receipts],
    }
    with run.open() as db, db.transaction(), db.batch(columns) as batch:
        db.execute(
            f"""update raw.vinoshipper_orders as o
                set receipt_url = case when b.state = 'unreadable' then o.receipt_url else b.url end,
                    receipt_state = b.state, receipt_at = ?
                from {batch} as b where o.order_number = b.order_number""",
            [run.now()],
        )


@dataclass(frozen=True, slots=True)
class _OrderFields:
    """The fields of an order that landing reads; the rest is stored unread."""

    number: object = None
    status: object = None
    stage: object = None
    customer: object = None
    moments: tuple[object, ...] = ()
    has_parts: bool = False  # it has the parts that every order has and that much depends on


def _owner(body: _OrderFields) -> int | None:
    return whole_number(as_mapping(body.customer).get("id"))


def _buyer(body: _OrderFields) -> list[tuple[str, object]]:
    """Return what identifies the person of an order; the e-mail in it where it has no owner."""
    owner = _owner(body)
    return [(suppression.CUSTOMER, owner)] if owner is not None else [(EMAIL, email_name(as_mapping(body.customer)))]


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


_MOMENTS = ("deliveredAt", "canceledAt", "shippedAt", "purchasedAt")


def _order_fields(text: str | None) -> _OrderFields:
    try:
        found = _FIELDS.decode(text) if text is not None else {}
    except msgspec.DecodeError:  # not an object
        found = {}

    def field(name: str) -> object:
        return try_json(bytes(found[name])) if name in found else None

    moments = tuple(field(name) for name in _MOMENTS)
    has_parts = all(name in found for name in DEPENDS_ON)
    return _OrderFields(
        field("orderNumber"), field("status"), field("orderStatus"), field("customer"), moments, has_parts
    )


def _settled_since(body: _OrderFields) -> str | None:
    """Return the last date that a settled order gives (UTC); None while it is open or gone, or has an unreadable date.

    A long settled order is not read in rotation any more, so a date that could not be read must not settle it.
    """
    settled = isinstance(body.stage, str) and body.stage in SETTLED  # a list has no hash
    if not settled and body.status != "DELETED":
        return None
    moments = [shop_moment(at) for at in body.moments]
    if any(moment is None and is_given(at) for moment, at in zip(moments, body.moments, strict=True)):
        return None
    known = [instant(moment).replace(tzinfo=None) for moment in moments if moment is not None]
    return max(known, default=datetime(1970, 1, 1)).isoformat(sep=" ")


def _day(text: str | None) -> str | None:
    moment = shop_moment(text)
    return local_date(moment, ZONE).isoformat() if moment is not None else None
