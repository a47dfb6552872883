"""Stores what Vinoshipper said, exactly as it said it, with the few pointers that reading needs.

Data flow: JSON texts of pages and records -> raw.vinoshipper_customers, raw.vinoshipper_orders.

A list or search row that changed flags its record for a detail read (`detail_wanted`); reading the detail clears the
flag. Flags decide that, not times: clocks jump, and `VS_ST_NOW` sets them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import md5
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper.client import decode, whole_number
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, LISTED_CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow
from vs_st_pipeline.domain.customer import customer_from, listed_phone
from vs_st_pipeline.domain.errors import VINOSHIPPER
from vs_st_pipeline.domain.formats import PACIFIC, as_mapping, instant, local_date, parse_moment
from vs_st_pipeline.domain.records import (
    NAMED,
    Kept,
    RecordKind,
    believed,
    carry,
    id_text,
    is_given,
    may_lack,
    wants_another_read,
)
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import suppression
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names
from vs_st_pipeline.platform.warehouse.state import record_drift
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, PHONE, email_name, filter_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable

SHRUNK = 0.8
SETTLED = frozenset({"DELIVERED", "PICKED_UP", "RETURNED", "CANCELLED"})


_Names = tuple[object, list[tuple[str, object]], str | None]


@dataclass(frozen=True, slots=True)
class CustomerItem:
    """One item of the customer list: its exact JSON text, and the pointers taken from it."""

    customer_id: int
    phone: str | None
    text: str
    in_doubt: bool = False  # it omits something documented, or has a value that cannot be understood
    drift: tuple[str, ...] = ()  # names in it that are not documented


@dataclass(frozen=True, slots=True)
class Detail:
    """One record read alone: its exact JSON text, None where it answered 404."""

    id: str
    text: str | None

    @property
    def status(self) -> int:
        """Return the HTTP status of the answer, 200 or 404."""
        return 404 if self.text is None else 200


def customer_item(text: bytes) -> CustomerItem | None:
    """Decode a list item with its id and ten-digit phone; None where it has no usable id."""
    body = decode(text)
    customer_id = whole_number(body.get("id")) if isinstance(body, dict) else None
    if customer_id is None:
        return None
    phone = listed_phone(body)
    in_doubt = (phone is None and body.get("primaryPhone") is not None) or may_lack(LISTED_CUSTOMER, body, _NO_DAY)
    return CustomerItem(customer_id, phone, text.decode(), in_doubt, tuple(unexpected_names("customer", body)))


def land_customers(run: Run, items: Sequence[CustomerItem]) -> None:
    """Store list items; those that are new or changed are flagged for a detail read."""
    with run.open() as db, db.transaction():
        items = filter_suppressed(
            db, items, suppression.CUSTOMER, lambda item: _names(item.customer_id, item.phone, item.text), run.now()
        )
        if items:
            _store_items(run, db, items)


def _store_items(run: Run, db: Db, items: Sequence[CustomerItem]) -> None:
    kept, phones = _carried_in_list(run, db, items)
    columns: dict[str, list[object]] = {
        "customer_id": [item.customer_id for item in items],
        "phone": [phones.get(item.customer_id, item.phone) for item in items],
        "body": [item.text for item in items],
        "hash": [md5(item.text.encode(), usedforsecurity=False).hexdigest() for item in items],
        "kept": [kept.get(item.customer_id) for item in items],
    }
    with db.batch(columns, {"customer_id": "int"}) as batch:
        if any(item.drift for item in items):
            new = {
                row[0]
                for row in db.rows(
                    f"""select customer_id from {batch} as b left join raw.vinoshipper_customers as c
                        using (customer_id) where c.list_hash is distinct from b.hash"""
                )
            }
            found = Counter(name for item in items if item.customer_id in new for name in item.drift)
            record_drift(db, VINOSHIPPER, found, run.now())
        db.execute(
            f"""update raw.vinoshipper_customers as c
                set phone = b.phone, list_body = b.body, list_hash = b.hash, list_kept = b.kept, listed_at = ?,
                    detail_wanted = true
                from {batch} as b
                where c.customer_id = b.customer_id
                  and (c.list_hash is distinct from b.hash or c.list_kept is distinct from b.kept)""",
            [run.now()],
        )
        db.execute(
            f"""insert into raw.vinoshipper_customers (customer_id, phone, list_body, list_hash, list_kept, listed_at)
                select b.customer_id, b.phone, b.body, b.hash, b.kept, ? from {batch} as b
                anti join raw.vinoshipper_customers as c using (customer_id)""",
            [run.now()],
        )


def _carried_in_list(run: Run, db: Db, items: Sequence[CustomerItem]) -> tuple[dict[int, str], dict[int, str | None]]:
    """Return what list items omit, by customer, and the phones of those whose item has no phone that can be read."""
    with db.batch({"customer_id": [item.customer_id for item in items]}, _INT) as batch:
        stored = dict(
            db.rows(
                f"""select customer_id, list_kept from raw.vinoshipper_customers semi join {batch} using (customer_id)
                    where list_kept is not null"""
            )
        )
    doubtful = [item for item in items if item.in_doubt or item.customer_id in stored]
    if not doubtful:
        return {}, {}
    with db.batch({"customer_id": [item.customer_id for item in doubtful]}, _INT) as batch:
        known = {
            row[0]: row[1:]
            for row in db.rows(
                f"""select customer_id, list_body, list_kept, phone from raw.vinoshipper_customers
                    semi join {batch} using (customer_id) where list_body is not null"""
            )
        }
    kept: dict[int, str] = {}
    phones: dict[int, str | None] = {}
    for item in doubtful:
        if item.customer_id not in known:
            continue
        list_body, list_kept, phone = known[item.customer_id]
        new = _body(item.text)
        carried = _carry(LISTED_CUSTOMER, new, list_body, list_kept, run)
        if carried:
            kept[item.customer_id] = _dumped(carried)
        customer = customer_from(believed(LISTED_CUSTOMER, new, carried), None, _NO_DAY)
        if customer is not None:
            phones[item.customer_id] = phone if "phone" in customer.unread else customer.phone
    return kept, phones


def _carry(kind: RecordKind, new: object, stored: str | None, stored_kept: str | None, run: Run) -> Kept:
    kept: Kept = decode(stored_kept) or {} if stored_kept else {}
    return carry(kind, new, believed(kind, _body(stored), kept), kept, run.now())


_KEPT = msgspec.json.Encoder(decimal_format="number")
_INT = {"customer_id": "int"}
_NO_DAY = date(2000, 1, 1)  # for reads where no day matters


def _dumped(kept: Kept) -> str:
    try:
        return _KEPT.encode(kept).decode()
    except TypeError:  # a number beyond the limits: there is nothing to carry over
        return "{}"


def land_complete_walk(run: Run, db: Db, ids: set[int], *, unusable: int = 0) -> None:
    """Record which customers a complete list lacks; a dry run records none, because it must not advance a deletion.

    Args:
        unusable: rows that name nobody. A missing customer may be behind one of them, so then none counts as missing.
    """
    db.execute("delete from raw.reads where what = 'customers'")
    db.execute("insert into raw.reads values ('customers', ?, ?, ?)", [run.run_id, len(ids), run.now()])
    db.execute("update raw.vinoshipper_customers set detail_leads = false where detail_leads")
    db.execute("delete from raw.lookups")
    if run.dry_run:
        return
    known = db.value("select rows from synced.baseline where what = 'customers'")
    shrunk = known is not None and len(ids) < SHRUNK * known and not run.allow_unsafe
    with db.batch({"customer_id": sorted(ids)}, {"customer_id": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_customers set missing = 0, deleted_at = null
                where (missing > 0 or deleted_at is not null) and customer_id in (select customer_id from {batch})"""
        )
        if not shrunk and not unusable:  # a list that lost a fifth is for the brake, and proves no deletion
            db.execute(
                f"""update raw.vinoshipper_customers
                    set missing = missing + 1, detail_wanted = true,
                        deleted_at = case when missing >= 1 then coalesce(deleted_at, ?) end
                    where customer_id not in (select customer_id from {batch})""",
                [run.now()],
            )


def land_customer_details(run: Run, details: Sequence[Detail], *, after_walk: bool) -> None:
    """Store details; a 404 is kept beside the last detail, and proves the deletion of a customer who is missing.

    Args:
        after_walk: they are newer than the list; where their memberships differ, the details' count.
    """
    with run.open() as db, db.transaction():
        details = filter_suppressed(
            db, details, suppression.CUSTOMER, lambda row: _names(row.id, _phone(row.text), row.text), run.now()
        )
        _store_customer_details(run, db, details, after_walk=after_walk)


def _store_customer_details(run: Run, db: Db, details: Sequence[Detail], *, after_walk: bool) -> None:
    kept = _carried_in_details(run, db, CUSTOMER, details)
    columns: dict[str, list[object]] = {
        "customer_id": [int(row.id) for row in details],
        "body": [row.text for row in details],
        "hash": [_hash(row.text) for row in details],
        "status": [row.status for row in details],
        "leads": _other_memberships(run, db, details) if after_walk else [False] * len(details),
        "kept": kept,
        "again": _again(CUSTOMER, kept),
    }
    types = {"customer_id": "int", "status": "int", "leads": "bool", "again": "bool"}
    with db.batch(columns, types) as batch:
        db.execute(
            f"""update raw.vinoshipper_customers as c
                set detail_status = b.status, detail_at = $now, detail_wanted = b.again, detail_leads = b.leads,
                    detail_kept = case when b.body is null then c.detail_kept else b.kept end
                from {batch} as b where c.customer_id = b.customer_id""",
            {"now": run.now()},
        )
        # In its own statement, and only changed bodies: comparing old bodies would read the whole column of them.
        db.execute(
            f"""update raw.vinoshipper_customers as c set detail_body = b.body, detail_hash = b.hash
                from {batch} as b where c.customer_id = b.customer_id and c.detail_hash is distinct from b.hash
                and b.body is not null"""
        )
        db.execute(
            f"""delete from raw.hints where kind = 'customer'
                and id in (select cast(customer_id as varchar) from {batch})"""
        )
        forget_unreadable(db, CUSTOMER.name, [row.id for row in details])
        if not run.dry_run:
            db.execute(
                "update raw.vinoshipper_customers set deleted_at = ? "
                "where deleted_at is null and missing >= 1 and detail_status = 404",
                [run.now()],
            )


_OWNER = f"{NAMED}customer"
_Owners = dict[str, tuple[int | None, int | None]]


def _known_owners(db: Db, numbers: Sequence[object]) -> _Owners:
    """Return whose these orders are by the last search row or detail, and as they were staged."""
    with db.batch({"order_number": numbers}) as batch:
        rows = db.rows(
            f"""select order_number, o.customer_id, s.customer_id from raw.vinoshipper_orders as o
                semi join {batch} using (order_number) left join staged.orders as s using (order_number)"""
        )
    return {row[0]: row[1:] for row in rows}


def _carried_in_details(
    run: Run, db: Db, kind: RecordKind, details: Sequence[Detail], owners: _Owners | None = None
) -> list[object]:
    """Return what is carried over for each detail, as JSON; an old body is read only if its detail omits something.

    Args:
        owners: for orders, their known owners.
    """
    table, key = _TABLES[kind.name]
    today = run.now().date()
    bodies = {row.id: _body(row.text) for row in details if row.text is not None}
    with db.batch({"id": list(bodies)}) as batch:
        stored = {
            row[0]
            for row in db.rows(
                f"""select cast({key} as varchar) from {table}
                    where detail_kept is not null and cast({key} as varchar) in (select id from {batch})"""
            )
        }
    others = {own for own, body in bodies.items() if _is_anothers(body, (owners or {}).get(own, ()))}
    doubtful = [own for own, body in bodies.items() if own in stored or own in others or may_lack(kind, body, today)]
    if not doubtful:
        return [None] * len(details)
    with db.batch({"id": doubtful}) as batch:
        known = {
            row[0]: row[1:]
            for row in db.rows(
                f"""select cast({key} as varchar), detail_body, detail_kept from {table}
                    where detail_body is not null and cast({key} as varchar) in (select id from {batch})"""
            )
        }
    kept = {own: _carry(kind, bodies[own], known[own][0], known[own][1], run) for own in doubtful if own in known}
    for own in others - set(known):  # a first detail and its search row contradict each other: neither is believed
        row = {"customer": {"id": (owners or {})[own][0]}}
        if (entry := carry(kind, bodies[own], row, {}, run.now()).get(_OWNER)) is not None:
            kept[own] = {_OWNER: {**entry, "value": {}}}
    return [_dumped(kept[row.id]) if kept.get(row.id) else None for row in details]


def _is_anothers(body: Mapping[str, Any] | None, known: Sequence[int | None]) -> bool:
    """Return whether an order's detail names another owner than is known."""
    told = id_text(as_mapping((body or {}).get("customer")).get("id"))
    return told is not None and any(owner is not None and told != str(owner) for owner in known)


_TABLES = {
    CUSTOMER.name: ("raw.vinoshipper_customers", "customer_id"),
    ORDER.name: ("raw.vinoshipper_orders", "order_number"),
}


def _again(kind: RecordKind, kept: Sequence[object]) -> list[object]:
    """Return which details to read once more: a second absence clears what the first one kept (routes.md R23)."""
    return [text is not None and wants_another_read(kind, decode(str(text))) for text in kept]


def _other_memberships(run: Run, db: Db, details: Sequence[Detail]) -> list[object]:
    """Return for each detail whether it shows other memberships than its list item."""
    with db.batch({"customer_id": [int(row.id) for row in details]}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"select customer_id, list_body from raw.vinoshipper_customers semi join {batch} using (customer_id)"
        )
    listed: dict[int, str | None] = dict(rows)

    def differs(row: Detail) -> bool:
        item = listed.get(int(row.id))
        from_list = customer_from(_body(item), None, run.today())
        from_detail = customer_from(None, _body(row.text), run.today())
        return from_list is None or from_detail is None or from_list.memberships != from_detail.memberships

    return [row.text is not None and differs(row) for row in details]


def _hash(text: str | None) -> str | None:
    return None if text is None else md5(text.encode(), usedforsecurity=False).hexdigest()


def _body(text: str | None) -> Mapping[str, Any] | None:
    body = decode(text.encode()) if text else None
    return body if isinstance(body, dict) else None


def land_newcomer(run: Run, customer_id: int, phone: str, text: str) -> None:
    """Store a customer that no list walk has shown yet, found by phone and proved by their detail."""
    with run.open() as db, db.transaction():
        if not filter_suppressed(
            db, [customer_id], suppression.CUSTOMER, lambda own: _names(own, phone, text), run.now()
        ):
            return
        db.execute(
            """insert or replace into raw.vinoshipper_customers
                   (customer_id, phone, detail_body, detail_hash, detail_at, detail_status, detail_wanted, detail_leads)
               values (?, ?, ?, ?, ?, 200, false, true)""",
            [customer_id, phone, text, _hash(text), run.now()],
        )


def land_new_phone(run: Run, customer_id: int, phone: str, text: str) -> None:
    """Store the new phone of a customer that the list showed under another phone, as their detail proves."""
    with run.open() as db, db.transaction():
        if not filter_suppressed(
            db, [customer_id], suppression.CUSTOMER, lambda own: _names(own, phone, text), run.now()
        ):
            return
        [kept] = _carried_in_details(run, db, CUSTOMER, [Detail(str(customer_id), text)])
        db.execute(
            """update raw.vinoshipper_customers
               set phone = ?, detail_body = ?, detail_hash = ?, detail_kept = ?, detail_at = ?, detail_status = 200,
                   detail_wanted = false, detail_leads = true
               where customer_id = ?""",
            [phone, text, _hash(text), kept, run.now(), customer_id],
        )


def land_order_rows(db: Db, rows: Sequence[OrderRow], now: datetime) -> int:
    """Store search rows in the caller's transaction; return how many are new or changed and so need a detail read."""
    rows = filter_suppressed(
        db, rows, suppression.ORDER, lambda row: (row.number, _buyer(_order_fields(row.text)), None), now
    )
    if not rows:
        return 0
    unique = {row.number: row for row in rows}
    columns: dict[str, list[object]] = {
        "order_number": list(unique),
        "customer_id": [row.customer_id for row in unique.values()],
        "body": [row.text for row in unique.values()],
        "hash": [_hash(row.text) for row in unique.values()],
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
            db, details, suppression.ORDER, lambda row: (row.id, _buyer(_order_fields(row.text)), None), run.now()
        )
        return _store_order_details(run, db, details, began)


def _store_order_details(run: Run, db: Db, details: Sequence[Detail], began: datetime) -> list[str]:
    fields = [_order_fields(row.text) for row in details]
    kept = _carried_in_details(run, db, ORDER, details, _known_owners(db, [row.id for row in details]))
    columns: dict[str, list[object]] = {
        "order_number": [row.id for row in details],
        "body": [row.text for row in details],
        "hash": [_hash(row.text) for row in details],
        "status": [row.status for row in details],
        "settled_at": [_settled_since(body) for body in fields],
        "customer_id": [_owner(body) for body in fields],
        "kept": kept,
        "again": _again(ORDER, kept),
        # A first answer has no earlier one to be compared with, and a long settled order is not read in rotation.
        "cut": [row.text is not None and not body.has_parts for row, body in zip(details, fields, strict=True)],
        "doubted": [],
    }
    for place, text in enumerate(kept):
        entry = decode(str(text)).get(_OWNER) if text is not None else None
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


def _phone(text: str | None) -> str | None:
    customer = customer_from(None, decode(text), _NO_DAY) if text else None
    return customer.phone if customer else None


def _names(customer_id: object, phone: str | None, text: str | None) -> _Names:
    """Return what identifies a customer."""
    return customer_id, [(PHONE, phone)], email_name(decode(text)) if text else None


def _owner(body: _OrderFields) -> int | None:
    return whole_number(as_mapping(body.customer).get("id"))


def _buyer(body: _OrderFields) -> list[tuple[str, object]]:
    """Return what identifies the person of an order; the e-mail in it where it has no owner."""
    owner = _owner(body)
    return [(suppression.CUSTOMER, owner)] if owner is not None else [(EMAIL, email_name(as_mapping(body.customer)))]


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARTS = ("customer", "shipping", "purchasedAt")
_MOMENTS = ("deliveredAt", "canceledAt", "shippedAt", "purchasedAt")


def _order_fields(text: str | None) -> _OrderFields:
    try:
        found = _FIELDS.decode(text) if text is not None else {}
    except msgspec.DecodeError:  # not an object
        found = {}

    def field(name: str) -> object:
        return decode(bytes(found[name])) if name in found else None

    moments = tuple(field(name) for name in _MOMENTS)
    has_parts = all(name in found for name in _PARTS)
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
    moments = [parse_moment(at) for at in body.moments]
    if any(moment is None and is_given(at) for moment, at in zip(moments, body.moments, strict=True)):
        return None
    known = [instant(moment).replace(tzinfo=None) for moment in moments if moment is not None]
    return max(known, default=datetime(1970, 1, 1)).isoformat(sep=" ")


def _day(text: str | None) -> str | None:
    moment = parse_moment(text)
    return local_date(moment, PACIFIC).isoformat() if moment is not None else None
