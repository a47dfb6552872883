"""Stores what Vinoshipper said of orders, as it said it, with the few pointers that reading needs.

Data flow: JSON texts of search rows, details and receipts -> raw.vinoshipper_orders.

It is long because search row, detail and receipt of one order share a row, and each changes who owns it or what is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper import typed_bodies
from vs_st_pipeline.connectors.vinoshipper.carried import (
    OWNER,
    Detail,
    body_hash,
    carried_in_details,
    stored_details,
    wants_reading_again,
)
from vs_st_pipeline.connectors.vinoshipper.client import whole_number
from vs_st_pipeline.connectors.vinoshipper.kinds import ORDER
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow
from vs_st_pipeline.connectors.vinoshipper.parse import (
    DEPENDS_ON,
    ORDER_PARTS,
    ZONE,
    lacks_part,
    names_lacking,
    shop_moment,
    usual_moment,
)
from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED, hint, is_hinted
from vs_st_pipeline.connectors.vinoshipper.streams import ORDERS
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.formats import as_mapping, instant, local_date
from vs_st_pipeline.domain.records import is_given
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import suppression
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.staged_batches import as_columns
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, email_name, filter_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable

SETTLED = frozenset({"DELIVERED", "PICKED_UP", "RETURNED", "CANCELLED"})


def land_order_rows(db: Db, rows: Sequence[OrderRow], now: datetime) -> int:
    """Store search rows in the caller's transaction; return how many are new or changed and so need a detail read."""
    rows = filter_suppressed(db, rows, ORDERS, lambda row: (row.number, _buyer(_order_fields(row.text)), None), now)
    if not rows:
        return 0
    unique = {row.number: row for row in rows}
    stored = _stored_rows(db, list(unique))
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    for number, row in unique.items():
        known, hashed = stored.get(number), body_hash(row.text)
        if known is None or known[1] != hashed:
            place = known[0] if known is not None else None
            told = (number, row.customer_id, row.text, hashed, _day(row.purchased_at), not row.owner_told, place)
            (new if known is None else changed).append(told)
    names = ("order_number", "customer_id", "body", "hash", "purchased_on", "owner_unknown", "place")
    types = {"customer_id": "int", "owner_unknown": "bool", "place": "int"}
    if changed:
        changed.sort(key=itemgetter(-1))
        with db.batch(as_columns(names, changed), types) as batch:
            db.execute(
                f"""update raw.vinoshipper_orders as o
                    set customer_id = coalesce(b.customer_id, o.customer_id), search_body = b.body,
                        search_hash = b.hash, searched_at = ?,
                        purchased_on = cast(b.purchased_on as date), detail_wanted = true,
                        owner_unknown = (b.owner_unknown and o.customer_id is null)
                            or (o.owner_unknown and o.detail_at is not null)
                    from {batch} as b where o.rowid = b.place""",
                [now],
            )
    if new:
        with db.batch(as_columns(names, new), types) as batch:
            db.execute(
                f"""insert into raw.vinoshipper_orders
                        (order_number, customer_id, search_body, search_hash, searched_at, purchased_on, owner_unknown)
                    select order_number, customer_id, body, hash, ?, cast(purchased_on as date), owner_unknown
                    from {batch}""",
                [now],
            )
    return len(new) + len(changed)


def _stored_rows(db: Db, numbers: Sequence[str]) -> dict[str, tuple[int, str | None]]:
    """Return row id (`StoredDetail.place`) and hash of the search rows that are stored, by number."""
    with db.batch({"order_number": numbers}) as batch:
        rows = db.rows(
            f"""select order_number, rowid, search_hash
                from raw.vinoshipper_orders semi join {batch} using (order_number)"""
        )
    return {row[0]: row[1:] for row in rows}


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


@dataclass(frozen=True, slots=True)
class HintedOrder:
    """What was stored of an order that a hint named.

    Attributes:
        news: it says anything that was not stored, or whose consequences were not drawn yet.
        owner: whose it is; None where that is nobody who is known, or somebody who was forgotten.
        cut: it lacks a part that every order has, and is read once more.
    """

    news: bool = False
    owner: int | None = None
    cut: bool = False


def land_hinted_order(run: Run, number: str, text: str, began: datetime) -> HintedOrder:
    """Store the detail of an order that a hint named, also where no search has shown it yet.

    What is new is kept in `raw.hints` until all that the hint asks for is done.

    Args:
        began: as in `land_order_details`.
    """
    with run.open() as db, db.transaction():
        detail = Detail(number, text)
        if not filter_suppressed(
            db, [detail], ORDERS, lambda row: (row.id, _buyer(_order_fields(text)), None), run.now()
        ):
            return HintedOrder()
        row = db.row("select detail_hash from raw.vinoshipper_orders where order_number = ?", [number])
        if row is None:
            db.execute("insert into raw.vinoshipper_orders (order_number) values (?)", [number])
        news = row is None or row[0] != body_hash(text) or is_hinted(db, ORDER.name, number)
        cut = _store_order_details(run, db, [detail], began)
        if news:
            hint(db, ORDER.name, [number], HINTED, run.now())
        owner = db.value(
            "select customer_id from raw.vinoshipper_orders where order_number = ? and not owner_unknown", [number]
        )
    return HintedOrder(news, owner, bool(cut))


def _store_order_details(run: Run, db: Db, details: Sequence[Detail], began: datetime) -> list[str]:
    stored = stored_details(db, ORDER, [row.id for row in details])
    today = run.now().date()
    told = {row.id: _told(row.text, today) for row in details}
    persons = {own: order.owner for own, order in told.items() if order.typed}
    whole = {own for own, order in told.items() if order.whole}
    kept = carried_in_details(run, db, ORDER, details, stored, persons, whole)
    cut: list[str] = []
    new: list[tuple[Any, ...]] = []
    same: list[tuple[Any, ...]] = []
    for row, carried in zip(details, kept, strict=True):
        if (known := stored.get(row.id)) is None:
            continue
        order, hashed = told[row.id], body_hash(row.text)
        owner, doubted = order.owner, False
        if carried is not None and (entry := as_mapping(try_json(carried)).get(OWNER)) is not None:
            value = as_mapping(as_mapping(entry).get("value"))
            owner, doubted = (
                whole_number(value.get("id")),
                not value,
            )  # not believed yet: it stays as it was, or unknown
        # A first answer has no earlier one to be compared with, and a long settled order is not read in rotation: one
        # without a part is read again at once and by the next sync, one that lacks less by the next sync alone, as that
        # may be how this account says null. What depends on it is unknown until then.
        is_cut = row.text is not None and not order.has_parts
        lacks = row.text is not None and not order.has_all
        if is_cut and not known.asked_before:
            cut.append(row.id)
        changed = row.text is not None and hashed != known.hash
        (new if changed else same).append(
            (
                *(
                    known.place,
                    row.status,
                    wants_reading_again(ORDER, carried),
                    lacks,
                    order.settled_at,
                    owner,
                ),
                *(doubted, carried, row.text if changed else None, hashed),
            )
        )
    db.news = db.news or bool(new)
    for rows, body in (  # in two statements, as with customers
        (new, ", detail_kept = b.kept, detail_body = b.body, detail_hash = b.hash"),
        (same, ", detail_kept = case when b.hash is null then o.detail_kept else b.kept end"),
    ):
        if rows:
            with db.batch(as_columns(_DETAIL, sorted(rows, key=itemgetter(0))), _DETAIL_TYPES) as batch:
                db.execute(
                    f"""update raw.vinoshipper_orders as o
                        set detail_status = b.status, detail_at = $now,
                            detail_wanted = b.again or (b.lacks and coalesce(o.detail_at >= $began, true)),
                            settled_at = cast(b.settled_at as timestamp),
                            customer_id = coalesce(b.customer_id, o.customer_id), owner_unknown = b.doubted
                            {body}
                        from {batch} as b where o.rowid = b.place""",
                    {"now": run.now(), "began": began},
                )
    with db.batch({"id": [row.id for row in details]}) as batch:
        db.execute(f"delete from raw.hints where kind = 'order' and id in (select id from {batch})")
    forget_unreadable(db, ORDER.name, [row.id for row in details])
    return cut


_DETAIL = ("place", "status", "again", "lacks", "settled_at", "customer_id", "doubted", "kept", "body", "hash")
_DETAIL_TYPES = {
    "place": "int",
    "status": "int",
    "again": "bool",
    "lacks": "bool",
    "customer_id": "int",
    "doubted": "bool",
}


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
                from (select r.rowid as place, found.* from {batch} as found
                      join raw.vinoshipper_orders as r using (order_number) order by place) as b
                where o.rowid = b.place""",
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
    has_all: bool = False  # and in these all on which anything depends, null or not


@dataclass(frozen=True, slots=True)
class _Told:
    """What landing takes from an order detail, beside its text.

    Attributes:
        typed: it is as documented, and was decoded into a struct.
        whole: it certainly omits nothing.
        has_parts: it has the parts that every order has and that much depends on.
        has_all: and in these all on which anything depends, null or not.
        settled_at: `_settled_since`.
    """

    owner: int | None
    settled_at: str | None
    has_parts: bool
    has_all: bool
    typed: bool = False
    whole: bool = False


def _told(text: str | None, today: date) -> _Told:
    found = typed_bodies.order_detail(text) if text is not None else None
    if found is not None:
        try:
            settled_at, born = _typed_settled_since(found.order), typed_bodies.birth_day(found.buyer.dateOfBirth, today)
        except ValueError:
            pass
        else:
            return _Told(found.buyer.id, settled_at, True, True, True, born is not None)
    fields = _order_fields(text)
    return _Told(_owner(fields), _settled_since(fields), fields.has_parts, fields.has_all)


def _typed_settled_since(order: typed_bodies.Order) -> str | None:
    """Return what `_settled_since` returns; raises ValueError where a date is not in the usual form."""
    if order.orderStatus not in SETTLED and order.status != "DELETED":
        return None
    told = (order.deliveredAt, order.canceledAt, order.shippedAt, order.purchasedAt)
    known = [usual_moment(text) for text in told if text is not None]
    return _as_settled(max(known, default=None))


def _as_settled(moment: datetime | None) -> str:
    return (moment.replace(tzinfo=None) if moment is not None else datetime(1970, 1, 1)).isoformat(sep=" ")


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
    parts = found | {name: field(name) for name in ORDER_PARTS if name in found}
    has_parts = not any(lacks_part(parts, name) for name in DEPENDS_ON)
    has_all = not names_lacking(parts)
    return _OrderFields(
        field("orderNumber"), field("status"), field("orderStatus"), field("customer"), moments, has_parts, has_all
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
    return _as_settled(max((instant(moment) for moment in moments if moment is not None), default=None))


def _day(text: str | None) -> str | None:
    moment = shop_moment(text)
    return local_date(moment, ZONE).isoformat() if moment is not None else None
