"""Stores what Vinoshipper said, exactly as it said it, with the few pointers that reading needs.

Data flow: JSON texts of pages and records -> raw.vinoshipper_customers, raw.vinoshipper_orders.

A list or search row that changed flags its record for a detail read (`detail_wanted`); reading the detail clears the
flag. Flags decide that, not times: clocks jump, and `VS_ST_NOW` sets them.

It is long because what the list says and what a detail says of one customer share a row, its flags and its phone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import md5
from operator import itemgetter
from typing import Any

from vs_st_pipeline.connectors.vinoshipper import typed_bodies
from vs_st_pipeline.connectors.vinoshipper.carried import (
    Detail,
    body_hash,
    carried_in_details,
    carry_over,
    kept_as_json,
    stored_details,
    wants_reading_again,
)
from vs_st_pipeline.connectors.vinoshipper.client import whole_number
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, LISTED_CUSTOMER
from vs_st_pipeline.connectors.vinoshipper.known_fields import KNOWN_CUSTOMER
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.parse import customer_from, listed_phone, memberships_of
from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED, hint, is_hinted
from vs_st_pipeline.connectors.vinoshipper.streams import CUSTOMERS
from vs_st_pipeline.domain.brake import FEWEST, SHRUNK_BELOW
from vs_st_pipeline.domain.codec import try_json, try_object
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.records import believed, may_lack
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names
from vs_st_pipeline.platform.warehouse.staged_batches import as_columns
from vs_st_pipeline.platform.warehouse.state import record_drift, set_state
from vs_st_pipeline.platform.warehouse.suppression import PHONE, email_name, filter_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable

LIST_WANTED = "customer_list_wanted"  # a customer of the list answered 404: the next sync walks the list


_Names = tuple[object, list[tuple[str, object]], str | None]


@dataclass(frozen=True, slots=True)
class CustomerItem:
    """One item of the customer list: its exact JSON text, and the pointers taken from it."""

    customer_id: int
    phone: str | None
    text: str
    in_doubt: bool = False  # it omits something documented, or has a value that cannot be understood
    drift: tuple[str, ...] = ()  # names in it that are not documented


def customer_item(text: bytes) -> CustomerItem | None:
    """Decode a list item with its id and ten-digit phone; None where it has no usable id."""
    item = typed_bodies.list_item(text)
    if item is not None:
        phone = item.primaryPhone
        digits = parse_nanp(phone.number, phone.country) if phone is not None else None
        return CustomerItem(item.id, digits, text.decode(), digits is None and phone is not None)
    body = try_json(text)
    customer_id = whole_number(body.get("id")) if isinstance(body, dict) else None
    if customer_id is None:
        return None
    digits = listed_phone(body)
    in_doubt = (digits is None and body.get("primaryPhone") is not None) or may_lack(LISTED_CUSTOMER, body, _NO_DAY)
    return CustomerItem(customer_id, digits, text.decode(), in_doubt, tuple(unexpected_names(KNOWN_CUSTOMER, body)))


def land_customers(run: Run, items: Sequence[CustomerItem]) -> None:
    """Store list items; those that are new or changed are flagged for a detail read."""
    with run.open() as db, db.transaction():
        land_customers_in(run, db, items)


def land_customers_in(run: Run, db: Db, items: Sequence[CustomerItem]) -> None:
    """Store list items in the caller's transaction."""
    items = filter_suppressed(
        db, items, CUSTOMERS, lambda item: _names(item.customer_id, item.phone, item.text), run.now()
    )
    if items:
        _store_items(run, db, items)


@dataclass(frozen=True, slots=True)
class _StoredItem:
    """What is stored of a list item, its body aside; `place` is its row id (`StoredDetail.place`)."""

    place: int
    hash: str | None
    kept: str | None


def _store_items(run: Run, db: Db, items: Sequence[CustomerItem]) -> None:
    stored = _stored_items(db, items)
    kept, phones = _carried_in_list(run, db, items, stored)
    new: list[tuple[CustomerItem, str]] = []
    changed: list[tuple[int, CustomerItem, str]] = []
    drift = Counter[str]()
    for item in items:
        known, hashed = stored.get(item.customer_id), md5(item.text.encode(), usedforsecurity=False).hexdigest()
        if known is None:
            new.append((item, hashed))
        elif known.hash != hashed or known.kept != kept.get(item.customer_id):
            changed.append((known.place, item, hashed))
        if item.drift and (known is None or known.hash != hashed):
            drift.update(item.drift)
    if drift:
        record_drift(db, VINOSHIPPER, drift, run.now())

    def columns(rows: Sequence[tuple[CustomerItem, str]]) -> dict[str, list[Any]]:
        return {
            "customer_id": [item.customer_id for item, _ in rows],
            "phone": [phones.get(item.customer_id, item.phone) for item, _ in rows],
            "body": [item.text for item, _ in rows],
            "hash": [hashed for _, hashed in rows],
            "kept": [kept.get(item.customer_id) for item, _ in rows],
        }

    if changed:
        changed.sort(key=itemgetter(0))
        in_place = {**columns([row[1:] for row in changed]), "place": [row[0] for row in changed]}
        with db.batch(in_place, {"customer_id": "int", "place": "int"}) as batch:
            db.execute(
                f"""update raw.vinoshipper_customers as c
                    set phone = b.phone, list_body = b.body, list_hash = b.hash, list_kept = b.kept, listed_at = ?,
                        detail_wanted = true
                    from {batch} as b where c.rowid = b.place""",
                [run.now()],
            )
    if new:
        with db.batch(columns(new), _INT) as batch:
            db.execute(
                f"""insert into raw.vinoshipper_customers
                        (customer_id, phone, list_body, list_hash, list_kept, listed_at)
                    select customer_id, phone, body, hash, kept, ? from {batch}""",
                [run.now()],
            )


def _stored_items(db: Db, items: Sequence[CustomerItem]) -> dict[int, _StoredItem]:
    with db.batch({"customer_id": [item.customer_id for item in items]}, _INT) as batch:
        rows = db.rows(
            f"""select customer_id, rowid, list_hash, list_kept
                from raw.vinoshipper_customers semi join {batch} using (customer_id)"""
        )
    return {row[0]: _StoredItem(*row[1:]) for row in rows}


def _carried_in_list(
    run: Run, db: Db, items: Sequence[CustomerItem], stored: Mapping[int, _StoredItem]
) -> tuple[dict[int, str], dict[int, str | None]]:
    """Return what list items omit, by customer, and the phones of those whose item has no phone that can be read."""
    doubtful = [
        item
        for item in items
        if (known := stored.get(item.customer_id)) is not None and (item.in_doubt or known.kept is not None)
    ]
    if not doubtful:
        return {}, {}
    with db.batch({"customer_id": [item.customer_id for item in doubtful]}, _INT) as batch:
        bodies = {
            row[0]: row[1:]
            for row in db.rows(
                f"""select customer_id, list_body, list_kept, phone from raw.vinoshipper_customers
                    semi join {batch} using (customer_id) where list_body is not null"""
            )
        }
    kept: dict[int, str] = {}
    phones: dict[int, str | None] = {}
    for item in doubtful:
        if item.customer_id not in bodies:
            continue
        list_body, list_kept, phone = bodies[item.customer_id]
        new = try_object(item.text)
        carried = carry_over(LISTED_CUSTOMER, new, list_body, list_kept, run)
        if carried:
            kept[item.customer_id] = kept_as_json(carried)
        customer = customer_from(believed(LISTED_CUSTOMER, new, carried), None, _NO_DAY)
        if customer is not None:
            phones[item.customer_id] = phone if "phone" in customer.unread else customer.phone
    return kept, phones


_INT = {"customer_id": "int"}
_NO_DAY = date(2000, 1, 1)  # for reads where no day matters


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
    shrunk = known is not None and len(ids) * 100 < known * SHRUNK_BELOW and not run.allow_unsafe
    shrunk = shrunk and not _too_few_for_the_brake(db)
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


def _too_few_for_the_brake(db: Db) -> bool:
    """Say whether the brake judges no plan of this merchant: what it would not refuse is believed (interface 7.6)."""
    synced = int(db.value(f"select count(*) from (select distinct {KEY} from synced.ledger limit {FEWEST})"))
    return 0 < synced < FEWEST


def land_customer_details(run: Run, details: Sequence[Detail], *, after_walk: bool) -> None:
    """Store details; a 404 is kept beside the last detail, and proves the deletion of a customer who is missing.

    Args:
        after_walk: they are newer than the list; where their memberships differ, the details' count.
    """
    with run.open() as db, db.transaction():
        details = filter_suppressed(
            db, details, CUSTOMERS, lambda row: _names(row.id, _phone(row.text), row.text), run.now()
        )
        _store_customer_details(run, db, details, after_walk=after_walk)


def _store_customer_details(run: Run, db: Db, details: Sequence[Detail], *, after_walk: bool) -> None:
    stored = stored_details(db, CUSTOMER, [row.id for row in details])
    kept = carried_in_details(run, db, CUSTOMER, details, stored)
    leads = other_memberships(db, details) if after_walk else [False] * len(details)
    new: list[tuple[Any, ...]] = []
    same: list[tuple[Any, ...]] = []
    for row, carried, leading in zip(details, kept, leads, strict=True):
        if (known := stored.get(row.id)) is not None:
            again, hashed = wants_reading_again(CUSTOMER, carried), body_hash(row.text)
            changed = row.text is not None and hashed != known.hash
            (new if changed else same).append(
                (known.place, row.status, again, leading, carried, row.text if changed else None, hashed)
            )
    # Bodies are written only where they changed: a statement that names the column writes it anew for every row.
    for rows, body in (
        (new, ", detail_kept = b.kept, detail_body = b.body, detail_hash = b.hash"),
        (same, ", detail_kept = case when b.hash is null then c.detail_kept else b.kept end"),
    ):
        if rows:
            names = ("place", "status", "again", "leads", "kept", "body", "hash")
            types = {"place": "int", "status": "int", "again": "bool", "leads": "bool"}
            with db.batch(as_columns(names, sorted(rows, key=itemgetter(0))), types) as batch:
                db.execute(
                    f"""update raw.vinoshipper_customers as c
                        set detail_status = b.status, detail_at = ?, detail_wanted = b.again, detail_leads = b.leads
                            {body}
                        from {batch} as b where c.rowid = b.place""",
                    [run.now()],
                )
    with db.batch({"id": [row.id for row in details]}) as batch:
        db.execute(f"delete from raw.hints where kind = 'customer' and id in (select id from {batch})")
    forget_unreadable(db, CUSTOMER.name, [row.id for row in details])
    if not run.dry_run:
        db.execute(
            "update raw.vinoshipper_customers set deleted_at = ? "
            "where deleted_at is null and missing >= 1 and detail_status = 404",
            [run.now()],
        )


def other_memberships(db: Db, details: Sequence[Detail]) -> list[bool]:
    """Return for each detail whether it shows other memberships than its list item."""
    with db.batch({"customer_id": [int(row.id) for row in details]}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"select customer_id, list_body from raw.vinoshipper_customers semi join {batch} using (customer_id)"
        )
    listed: dict[int, str | None] = dict(rows)

    def differs(row: Detail) -> bool:
        from_list = memberships_of(try_object(listed.get(int(row.id))))
        from_detail = memberships_of(try_object(row.text))
        return from_list is None or from_detail is None or from_list != from_detail

    return [row.text is not None and differs(row) for row in details]


def land_newcomer(run: Run, customer_id: int, phone: str, text: str) -> None:
    """Store a customer that no list walk has shown yet, found by phone and proved by their detail."""
    with run.open() as db, db.transaction():
        if not filter_suppressed(db, [customer_id], CUSTOMERS, lambda own: _names(own, phone, text), run.now()):
            return
        db.execute(
            """insert or replace into raw.vinoshipper_customers
                   (customer_id, phone, detail_body, detail_hash, detail_at, detail_status, detail_wanted, detail_leads)
               values (?, ?, ?, ?, ?, 200, false, true)""",
            [customer_id, phone, text, body_hash(text), run.now()],
        )


def land_new_phone(run: Run, customer_id: int, phone: str, text: str) -> None:
    """Store the new phone of a customer that the list showed under another phone, as their detail proves."""
    with run.open() as db, db.transaction():
        if not filter_suppressed(db, [customer_id], CUSTOMERS, lambda own: _names(own, phone, text), run.now()):
            return
        detail = Detail(str(customer_id), text)
        [kept] = carried_in_details(run, db, CUSTOMER, [detail], stored_details(db, CUSTOMER, [detail.id]))
        db.execute(
            """update raw.vinoshipper_customers
               set phone = ?, detail_body = ?, detail_hash = ?, detail_kept = ?, detail_at = ?, detail_status = 200,
                   detail_wanted = false, detail_leads = true
               where customer_id = ?""",
            [phone, text, body_hash(text), kept, run.now(), customer_id],
        )


def land_hinted_customer(run: Run, customer_id: int, text: str | None) -> bool:
    """Store the detail of a customer that a hint named, also where no list has shown them yet.

    A phone that changed counts at once: the detail is newer than the list. A 404 proves nothing by itself, and makes
    the list due. What is new is kept in `raw.hints` until all that the hint asks for is done.

    Args:
        text: None where it answered 404.

    Returns:
        Whether it says anything that is not stored, or whose consequences were not drawn yet.
    """
    own, kind = str(customer_id), CUSTOMER.name
    with run.open() as db, db.transaction():
        detail = Detail(own, text)
        if not filter_suppressed(db, [detail], CUSTOMERS, lambda row: _names(own, _phone(text), text), run.now()):
            return False
        row = db.row(
            "select detail_hash, detail_body, phone from raw.vinoshipper_customers where customer_id = ?", [customer_id]
        )
        told = _phone(text)
        if row is None:
            if text is None:
                return False
            db.execute("insert into raw.vinoshipper_customers (customer_id, phone) values (?, ?)", [customer_id, told])
        news = text is not None and (row is None or row[0] != body_hash(text) or is_hinted(db, kind, own))
        _store_customer_details(run, db, [detail], after_walk=True)
        if row is not None and news and told not in (None, _phone(row[1]), row[2]):
            db.execute("update raw.vinoshipper_customers set phone = ? where customer_id = ?", [told, customer_id])
        if text is None:
            set_state(db, LIST_WANTED, True, run.now())
        if news:
            hint(db, kind, [own], HINTED, run.now())
    return news


def _phone(text: str | None) -> str | None:
    customer = customer_from(None, try_json(text), _NO_DAY) if text else None
    return customer.phone if customer else None


def _names(customer_id: object, phone: str | None, text: str | None) -> _Names:
    """Return what identifies a customer."""
    return customer_id, [(PHONE, phone)], email_name(try_json(text)) if text else None
