"""Turns raw rows into one row per customer and one per order, in our words: the narrow waist of the house.

Data flow: raw.vinoshipper_* -> staged.customers, staged.orders.

The rows are made by the pure words (`customer_from`, `order_from`), not by SQL: DuckDB's JSON functions read
every number through a double, and money may never be a float on the way. Only rows whose raw bodies changed
since they were staged are made again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, LISTED_CUSTOMER, ORDER
from vs_st_pipeline.domain.codec import read_json
from vs_st_pipeline.domain.customer import Customer, club_names, club_status, customer_from
from vs_st_pipeline.domain.errors import VINOSHIPPER
from vs_st_pipeline.domain.formats import Moment, as_mapping
from vs_st_pipeline.domain.order import (
    COUNTED_STATUS,
    NEVER_NEWEST_STATUSES,
    ORDER_FIELDS,
    Order,
    order_from,
    without_what_is_to_come,
)
from vs_st_pipeline.domain.order_history import is_counted
from vs_st_pipeline.domain.records import Kept, believed, id_text
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.migrations import utc_now_naive
from vs_st_pipeline.platform.warehouse.schema_drift import INSPECTED, unexpected_names
from vs_st_pipeline.platform.warehouse.state import record_drift

BATCH = 5_000
CLOCKS_DIFFER = timedelta(days=2)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# What is looked at in an order; the rest of its body (most of it: products, addresses) need not become objects.
_ORDER_FIELDS = frozenset(ORDER_FIELDS).union(INSPECTED["order"])

# The stored hashes stand for the bodies: to hash every body anew cost more than all the rest of a stage without news.
_CUSTOMER_HASH = (
    "md5(concat_ws('|', coalesce(r.list_hash, ''), coalesce(r.detail_hash, ''), r.detail_leads, "
    "coalesce(r.list_kept, ''), coalesce(r.detail_kept, '')))"
)
_ORDER_HASH = """md5(concat_ws('|', coalesce(r.detail_hash, ''), coalesce(cast(r.customer_id as varchar), ''),
                              coalesce(r.detail_kept, ''), r.detail_wanted))"""
# Only a submitted order has a receipt; for another one "none" is known without asking.
_RECEIPT_KNOWN = f"(r.receipt_state in ('read', 'none') or s.status is distinct from '{COUNTED_STATUS}')"


def stage(run: Run) -> dict[str, int]:
    """Bring the staged tables in step with raw.

    Returns:
        How many customers and orders were made anew, and how many raw records could not be used.
    """
    with run.open() as db:
        made = {"customers": _stage_customers(run, db), "orders": _stage_orders(run, db)}
        made["unusable"] = int(db.value("select count(*) from staged.unusable"))
    return made


def _stage_customers(run: Run, db: Db) -> int:
    db.execute(
        """delete from staged.customers where customer_id not in
           (select customer_id from raw.vinoshipper_customers where deleted_at is null)"""
    )
    count, drift = _stage_unread_customers(db), Counter[str]()
    for rows in _stale(
        db,
        f"""select r.customer_id as key, {_CUSTOMER_HASH} as source_hash, s.source_hash as staged_hash
            from raw.vinoshipper_customers as r left join staged.customers as s using (customer_id)
            where r.deleted_at is null and not ({_UNREAD})""",
        """select r.customer_id, r.list_body, r.detail_body, r.detail_leads, r.list_kept, r.detail_kept,
                  stale.source_hash
           from raw.vinoshipper_customers as r join temp.stale on stale.key = r.customer_id
           where r.customer_id between $first and $last and stale.key between $first and $last""",
    ):
        columns: dict[str, list[Any]] = {name: [] for name in _CUSTOMER_COLUMNS}
        unusable: list[tuple[str, str]] = []
        for customer_id, list_body, detail_body, detail_leads, list_kept, detail_kept, source_hash in rows:
            listed, detail = as_object(list_body), as_object(detail_body)
            drift.update(unexpected_names("customer", detail))
            customer = raw_customer(listed, detail, detail_leads, list_kept, detail_kept, run.today())
            customer = customer or Customer(customer_id=customer_id)
            unusable += [(str(customer_id), not_understood(name)) for name in sorted(customer.unread)]
            if (
                customer.phone is None
                and "phone" not in customer.unread
                and as_mapping(as_mapping(listed).get("primaryPhone")).get("number")
            ):
                unusable.append(
                    (str(customer_id), "the phone is not a North American number, so nobody can be matched by it")
                )
            for name, value in zip(_CUSTOMER_COLUMNS, _customer_row(customer, customer_id, source_hash), strict=True):
                columns[name].append(value)
        with db.transaction(), db.batch(columns, _CUSTOMER_TYPES) as batch:
            db.execute(f"delete from staged.customers where customer_id in (select customer_id from {batch})")
            db.execute(
                f"""insert into staged.customers by name
                    select * replace (cast(birth_date as date) as birth_date) from {batch}"""
            )
            _name_unusable(db, "customer", [str(value) for value in columns["customer_id"]], unusable)
        count += len(rows)
    record_drift(db, VINOSHIPPER, drift, run.now())
    return count


# Nobody asked for the details of a customer whom no contact may stand for, and nothing is made of them.
_UNREAD = "r.detail_at is null and r.phone is not null"


def _stage_unread_customers(db: Db) -> int:
    """Customers of whom the list alone speaks, most of a shop's: their id and phone, which stand in `raw` already."""
    stale = f"""from raw.vinoshipper_customers as r left join staged.customers as s using (customer_id)
                where r.deleted_at is null and {_UNREAD} and s.source_hash is distinct from {_CUSTOMER_HASH}"""
    count = int(db.value(f"select count(*) {stale}"))
    if count:
        with db.transaction():
            db.execute(f"create or replace temp table unread as select r.customer_id {stale}")
            db.execute("delete from staged.customers where customer_id in (select customer_id from temp.unread)")
            db.execute(
                f"""insert into staged.customers by name
                    select r.customer_id, r.phone, false as has_detail, '[]' as memberships, '' as club_names,
                           '' as club_status, {_CUSTOMER_HASH} as source_hash
                    from raw.vinoshipper_customers as r semi join temp.unread using (customer_id)"""
            )
            db.execute(
                """delete from staged.unusable where kind = 'customer'
                   and id in (select cast(customer_id as varchar) from temp.unread)"""
            )
            db.execute("drop table temp.unread")
    return count


_CUSTOMER_COLUMNS = (
    "customer_id", "first_name", "last_name", "email", "phone", "birth_date", "has_detail", "city", "state",
    "memberships", "club_names", "club_status", "birth_year", "unread", "source_hash",
)  # fmt: skip
_CUSTOMER_TYPES = {"customer_id": "int", "has_detail": "bool", "birth_year": "int"}
_NOT_UNDERSTOOD = {
    "birth_date": "so nothing is written to the contact",
    "phone": "so the customer is matched by the phone that was read before",
    "total": "so the lifetime value is not known",
    "status": "so it is not known whether the order counts",
    "order_status": "so it is not known whether the order counts",
    "purchased_at": "so it is not known which order is the newest",
    "customer_since": "so the signup date is not known",
}


def not_understood(name: str) -> str:
    """What a person is told of a value that is given and that nobody can read."""
    then = _NOT_UNDERSTOOD.get(name, "so what is made of it stays as it is")
    return f"{name.replace('_', ' ')}: something is given that cannot be understood, {then}"


def raw_customer(
    listed: Mapping[str, Any] | None,
    detail: Mapping[str, Any] | None,
    detail_leads: bool,
    list_kept: str | None,
    detail_kept: str | None,
    today: date,
) -> Customer | None:
    """The customer that the raw answers say, with what is carried over where they do not speak (routes.md R23).

    Args:
        detail_leads: the detail was read since the list was walked, so its memberships are newer.
        list_kept, detail_kept: `raw.vinoshipper_customers`' columns of these names.
    """
    kept = kept_of(detail_kept)
    whole = believed(CUSTOMER, detail, kept) if detail is not None else None
    item = believed(LISTED_CUSTOMER, listed, kept_of(list_kept)) if listed is not None else None
    told_only_by_detail = "memberships" in as_mapping(detail) and "memberships" not in as_mapping(listed)
    if item is not None and (detail_leads or told_only_by_detail):
        item = {key: value for key, value in item.items() if key != "memberships"}
    return customer_from(item, whole, today, kept.get("dateOfBirth", {}).get("value"))


def kept_of(text: str | None) -> Kept:
    """What is carried over, from a column of `raw`."""
    return dict(read_json(text)) if text else {}


def _customer_row(customer: Customer, customer_id: int, source_hash: str) -> tuple[Any, ...]:
    memberships = [
        {"id": row.id, "club_name": row.club_name, "joined": _text(row.joined), "on_hold": row.on_hold}
        for row in customer.memberships
    ]
    return (
        customer_id,
        customer.first_name,
        customer.last_name,
        customer.email,
        customer.phone,
        customer.birth_date.isoformat() if customer.birth_date else None,
        customer.has_detail,
        customer.city,
        customer.state,
        json.dumps(memberships),
        ", ".join(club_names(customer.memberships)),
        club_status(customer.memberships),
        customer.birth_year,
        _names(customer.unread),
        source_hash,
    )


def latest_date(run: Run) -> datetime:
    """What no date of an order can rightly be after (UTC), whatever now is rehearsed and whoever's clock is ahead."""
    return max(run.now(), utc_now_naive()).replace(tzinfo=UTC) + CLOCKS_DIFFER


def _stage_orders(run: Run, db: Db) -> int:
    # An order that answers 404 counts no more; one without a detail is a pointer, not yet an order.
    db.execute(
        """delete from staged.orders where order_number not in
           (select order_number from raw.vinoshipper_orders where detail_status = 200)"""
    )
    count, drift = 0, Counter[str]()
    for rows in _stale(
        db,
        f"""select r.order_number as key, {_ORDER_HASH} as source_hash, s.source_hash as staged_hash
            from raw.vinoshipper_orders as r left join staged.orders as s using (order_number)
            where r.detail_status = 200""",
        """select r.order_number, r.customer_id, r.detail_body, r.detail_kept, r.detail_wanted, stale.source_hash
           from raw.vinoshipper_orders as r join temp.stale on stale.key = r.order_number
           where r.order_number between $first and $last and stale.key between $first and $last""",
    ):
        columns: dict[str, list[Any]] = {name: [] for name in _ORDER_COLUMNS}
        unusable: list[tuple[str, str]] = []
        for number, customer_id, body, kept, wanted, source_hash in rows:
            detail = _order_fields(body)
            drift.update(unexpected_names("order", detail))
            order, lacking = _order(number, detail or {}, kept, run.today(), read_again=wanted)
            known = without_what_is_to_come(order, latest_date(run))
            order = replace(order, unread=order.unread | lacking)
            unusable += [(number, not_understood(name)) for name in sorted(known.unread)]
            if (
                order.purchased_at is None
                and "purchased_at" not in order.unread
                and order.status not in NEVER_NEWEST_STATUSES
            ):
                unusable.append((number, "the order has no purchase date, so it is never the newest"))
            for name, value in zip(_ORDER_COLUMNS, _order_row(order, customer_id, source_hash), strict=True):
                columns[name].append(value)
        types = {"customer_id": "int", "counted": "bool", "receipt_known": "bool", "birth_year": "int"}
        with db.transaction(), db.batch(columns, types) as batch:
            db.execute(f"delete from staged.orders where order_number in (select order_number from {batch})")
            db.execute(
                f"""insert into staged.orders by name
                    select * replace (cast(birth_date as date) as birth_date) from {batch}"""
            )
            _name_unusable(db, "order", columns["order_number"], unusable)
        count += len(rows)
    record_drift(db, VINOSHIPPER, drift, run.now())
    copy_receipts(db)
    return count


def copy_receipts(db: Db) -> None:
    """Bring staged orders in step with the receipts that were read.

    A receipt is asked for by what is staged, so it comes later; nothing else of its order changes with it."""
    changed = db.rows(
        f"""select s.order_number from staged.orders as s join raw.vinoshipper_orders as r using (order_number)
            where s.receipt_url is distinct from r.receipt_url
               or s.receipt_known is distinct from coalesce({_RECEIPT_KNOWN}, false)"""
    )
    if changed:
        with db.transaction(), db.batch({"order_number": [row[0] for row in changed]}) as batch:
            db.execute(
                f"""update staged.orders as s
                    set receipt_url = r.receipt_url, receipt_known = coalesce({_RECEIPT_KNOWN}, false)
                    from raw.vinoshipper_orders as r semi join {batch} using (order_number)
                    where r.order_number = s.order_number"""
            )


_ORDER_COLUMNS = (
    "order_number", "customer_id", "status", "order_status", "counted", "purchased_at", "shipped_at", "delivered_at",
    "customer_since", "cart_type", "rate_code", "rate_description", "carrier", "packages", "total", "receipt_url",
    "receipt_known", "birth_date", "birth_year", "unread", "source_hash",
)  # fmt: skip


def _order_row(order: Order, pointer: int | None, source_hash: str) -> tuple[Any, ...]:
    packages = [{"carrier": row.carrier, "tracking_number": row.tracking_number} for row in order.packages]
    return (
        order.number,
        order.customer_id if order.customer_id is not None else pointer,
        order.status,
        order.order_status,
        is_counted(order),
        _text(order.purchased_at),
        _text(order.shipped_at),
        _text(order.delivered_at),
        _text(order.customer_since),
        order.cart_type,
        order.rate_code,
        order.rate_description,
        order.carrier,
        json.dumps(packages),
        str(order.total) if order.total is not None else None,
        order.receipt_url,
        order.receipt_known,
        order.birth_date.isoformat() if order.birth_date else None,
        order.birth_year,
        _names(order.unread),
        source_hash,
    )


def _stale(db: Db, hashes: str, bodies: str) -> Iterator[list[tuple[Any, ...]]]:
    """Raw rows that are not staged as they are now, by key, some thousands at a time.

    What to stage is kept as keys and hashes in a table, and each batch is a range of keys, so that DuckDB reads the
    bodies of that range only.

    Args:
        hashes: query for key, source_hash and staged_hash of all raw rows that count.
        bodies: query for the rows of `temp.stale` whose key is between $first and $last.
    """
    db.execute(
        f"""create or replace temp table stale as
            select key, source_hash from ({hashes}) where staged_hash is distinct from source_hash"""
    )
    ranges = db.rows(
        f"""select min(key), max(key) from (select key, row_number() over (order by key) - 1 as place from temp.stale)
            group by place // {BATCH} order by 1"""
    )
    for first, last in ranges:
        yield db.rows(bodies, {"first": first, "last": last})
    db.execute("drop table temp.stale")


def _name_unusable(db: Db, kind: str, looked_at: list[str], found: list[tuple[str, str]]) -> None:
    with db.batch({"id": looked_at}) as batch:
        db.execute(f"delete from staged.unusable where kind = ? and id in (select id from {batch})", [kind])
    if found:
        with db.batch({"id": [row[0] for row in found], "reason": [row[1] for row in found]}) as batch:
            db.execute(f"insert into staged.unusable select ?, id, reason from {batch}", [kind])


# What hangs on a part of an order's answer; while a first answer that lacks it waits to be read once more, none is
# known (afterwards `records.carry` says what was known before).
_PARTS = {
    "purchasedAt": ("purchased_at",),
    "shipping": ("rate_code", "rate_description", "carrier", "packages"),
    "customer": ("customer_since",),
}


def _order(
    number: str, detail: dict[str, Any], kept: str | None, today: date, *, read_again: bool
) -> tuple[Order, frozenset[str]]:
    """The order, and the names of what is not known because a part of its answer is missing."""
    carried = kept_of(kept)
    body = believed(ORDER, detail, carried)
    if id_text(detail.get("orderNumber")) == number.strip():  # the same number in another form is no other order
        body = {**body, "orderNumber": number}
    known_birth = carried.get("customer.dateOfBirth", {}).get("value")
    order = order_from(body, today=today, known_birth=known_birth)
    if order is None or order.number != number:
        return Order(number=number), frozenset()
    return order, frozenset(name for part, names in _PARTS.items() if read_again and part not in body for name in names)


def as_object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = read_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _order_fields(text: str | None) -> dict[str, Any] | None:
    """An order detail whose fields are objects where they are looked at, and JSON text (`msgspec.Raw`) elsewhere."""
    if text is None:
        return None
    try:
        body: dict[str, Any] = _FIELDS.decode(text)
    except msgspec.DecodeError:  # no object
        return None
    for name in _ORDER_FIELDS:
        if name in body:
            body[name] = read_json(bytes(body[name]))
    return body


def _names(unread: frozenset[str]) -> str | None:
    return json.dumps(sorted(unread)) if unread else None


def _text(moment: Moment | None) -> str | None:
    if isinstance(moment, datetime):
        return moment.isoformat()
    return moment.isoformat() if isinstance(moment, date) else None
