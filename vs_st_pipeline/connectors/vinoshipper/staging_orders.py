"""Turns raw orders into one staged row each, in our words.

Data flow: raw.vinoshipper_orders -> staged.orders, staged.unusable.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper import typed_bodies
from vs_st_pipeline.connectors.vinoshipper.kinds import ORDER
from vs_st_pipeline.connectors.vinoshipper.known_fields import KNOWN_ORDER
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.parse import ORDER_FIELDS, names_lacking, order_from
from vs_st_pipeline.connectors.vinoshipper.typed_bodies import birth_day, calendar_day, plain_text, utc
from vs_st_pipeline.domain.codec import read_json
from vs_st_pipeline.domain.order import (
    COUNTED_STATUS,
    NEVER_NEWEST_STATUSES,
    UNCOUNTED_ORDER_STATUSES,
    Order,
    without_what_is_to_come,
)
from vs_st_pipeline.domain.order_history import is_counted
from vs_st_pipeline.domain.records import believed, id_text
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names
from vs_st_pipeline.platform.warehouse.staged_batches import (
    delete_staged,
    insert_staged,
    kept_of,
    moment_as_text,
    not_understood,
    replace_unusable,
    stale_rows,
    unread_as_json,
)
from vs_st_pipeline.platform.warehouse.state import record_drift

CLOCKS_DIFFER = timedelta(days=2)


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


# The fields that are read of an order; the rest of its body (most of it: products, addresses) need not become objects.
_ORDER_FIELDS = frozenset(ORDER_FIELDS).union(KNOWN_ORDER.inspected)


_ORDER_HASH = """md5(concat_ws('|', coalesce(r.detail_hash, ''), coalesce(cast(r.customer_id as varchar), ''),
                              coalesce(r.detail_kept, ''), r.detail_wanted))"""


# Only a submitted order has a receipt; for another one "none" is known without asking.
_RECEIPT_KNOWN = f"(r.receipt_state in ('read', 'none') or s.status is distinct from '{COUNTED_STATUS}')"


_OTHER_RECEIPT = f"""s.receipt_url is distinct from r.receipt_url
               or s.receipt_known is distinct from coalesce({_RECEIPT_KNOWN}, false)"""
# In most syncs nothing is out of step: one look tells that, in place of one for each way to be so.
_OUT_OF_STEP = f"""
select count(*) filter (is_staged and not there), count(*) filter (there and stale), count(*) filter (otherwise)
from (select coalesce(r.detail_status = 200, false) as there, s.order_number is not null as is_staged,
             s.source_hash is distinct from {_ORDER_HASH} as stale,
             r.order_number is not null and s.order_number is not null and ({_OTHER_RECEIPT}) as otherwise
      from raw.vinoshipper_orders as r full join staged.orders as s using (order_number))"""


def latest_date(run: Run) -> datetime:
    """Return the latest time (UTC) that an order can have, whatever `VS_ST_NOW` says and whichever clock is ahead."""
    return max(run.now(), utc_now_naive()).replace(tzinfo=UTC) + CLOCKS_DIFFER


def stage_orders(run: Run, db: Db) -> int:
    """Bring staged orders in step with raw; returns how many rows were made again."""
    # An order that answers 404 no longer counts; one without a detail is a pointer, not yet an order.
    gone, stale, receipts = db.rows(_OUT_OF_STEP)[0]
    if gone:
        db.execute(
            """delete from staged.orders where order_number not in
               (select order_number from raw.vinoshipper_orders where detail_status = 200)"""
        )
    count, drift = 0, Counter[str]()
    today, latest = run.today(), latest_date(run)
    before = typed_bodies.day_after(latest)
    for rows in stale_rows(
        db,
        f"""select r.order_number as key, {_ORDER_HASH} as source_hash, s.source_hash as staged_hash
            from raw.vinoshipper_orders as r left join staged.orders as s using (order_number)
            where r.detail_status = 200""",
        """select r.order_number, r.customer_id, r.detail_body, r.detail_kept, r.detail_wanted, stale.source_hash,
                  r.receipt_url, coalesce(r.receipt_state in ('read', 'none'), false), stale.is_staged
           from raw.vinoshipper_orders as r join temp.stale on stale.key = r.order_number
           where r.order_number between $first and $last and stale.key between $first and $last""",
        stale,
    ):
        staged: list[tuple[Any, ...]] = []
        unusable: list[tuple[str, str]] = []
        for number, customer_id, body, kept, wanted, source_hash, *receipt, _ in rows:
            # An answer into which something is carried over is not what it says alone.
            row = None
            if kept is None:
                row = _typed_row(number, customer_id, body, source_hash, receipt, today, before)
            if row is None:
                detail = _order_fields(body)
                drift.update(unexpected_names(KNOWN_ORDER, detail))
                order, lacking = _order(number, detail or {}, kept, today, read_again=wanted)
                known = without_what_is_to_come(order, latest)
                order = replace(order, unread=order.unread | lacking)
                unusable += [(number, not_understood(name)) for name in sorted(known.unread)]
                row = _order_row(order, customer_id, source_hash, *receipt)
                is_unread = "purchased_at" in order.unread
            else:
                is_unread = False
            if row[_PURCHASED_AT] is None and not is_unread and row[_STATUS] not in NEVER_NEWEST_STATUSES:
                unusable.append((number, "the order has no purchase date, so it is never the newest"))
            staged.append(row)
        with db.transaction():
            delete_staged(db, "staged.orders", "order_number", [row[0] for row in rows if row[-1]])
            insert_staged(db, "staged.orders", _ORDER_COLUMNS, _ORDER_TYPES, staged)
            replace_unusable(db, "order", [row[0] for row in rows], unusable)
        count += len(rows)
    record_drift(db, VINOSHIPPER, drift, run.now())
    if stale or receipts:
        copy_receipts(db)
    return count


def copy_receipts(db: Db) -> None:
    """Bring staged orders in step with the receipts that were read.

    Staged orders say which receipts are read, so most come later; nothing else of the order changes with them."""
    changed = db.rows(
        f"""select s.order_number from staged.orders as s join raw.vinoshipper_orders as r using (order_number)
            where {_OTHER_RECEIPT}"""
    )
    if changed:
        with db.transaction(), db.batch({"order_number": [row[0] for row in changed]}) as batch:
            db.execute(
                f"""update staged.orders as o
                    set receipt_url = b.receipt_url, receipt_known = b.receipt_known
                    from (select s.rowid as place, r.receipt_url, coalesce({_RECEIPT_KNOWN}, false) as receipt_known
                          from staged.orders as s join raw.vinoshipper_orders as r using (order_number)
                          semi join {batch} using (order_number) order by place) as b
                    where o.rowid = b.place"""
            )


_ORDER_COLUMNS = (
    "order_number", "customer_id", "status", "order_status", "counted", "purchased_at", "shipped_at", "delivered_at",
    "customer_since", "cart_type", "rate_code", "rate_description", "carrier", "packages", "total", "receipt_url",
    "receipt_known", "birth_date", "birth_year", "unread", "source_hash",
)  # fmt: skip


_PURCHASED_AT, _STATUS = _ORDER_COLUMNS.index("purchased_at"), _ORDER_COLUMNS.index("status")
_ORDER_TYPES = {"customer_id": "int", "counted": "bool", "receipt_known": "bool", "birth_year": "int"}

# Amounts whose text says the same as a Decimal made of it; a correction below 0 takes the long way.
_PLAIN_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?", re.ASCII).fullmatch


def _typed_row(
    number: str,
    pointer: int | None,
    body: str | None,
    source_hash: str,
    receipt: Sequence[Any],
    today: date,
    before: str,
) -> tuple[Any, ...] | None:
    """Return what `_order_row` makes of the order that a body says; None where the long way may make anything else.

    Args:
        receipt: the receipt's URL, and whether it was read.
        before: a day after which dates may be later than any order can have (`typed_bodies.day_after`).
    """
    found = typed_bodies.order_detail(body) if body is not None else None
    if found is None or found.order.orderNumber != number:
        return None
    order, buyer, shipping = found.order, found.buyer, found.order.shipping
    total = bytes(order.total).decode()
    if _PLAIN_AMOUNT(total) is None:
        return None
    try:
        purchased_at, shipped_at, delivered_at = (
            moment.isoformat() if (moment := utc(text, before)) is not None else None
            for text in (order.purchasedAt, order.shippedAt, order.deliveredAt)
        )
        customer_since, birth_date = calendar_day(buyer.customerSince, before), birth_day(buyer.dateOfBirth, today)
    except ValueError:
        return None
    packages = "[]"
    if shipping.packages:
        packages = json.dumps(
            [
                {"carrier": plain_text(row.carrier), "tracking_number": plain_text(row.trackingNumber)}
                for row in shipping.packages
            ]
        )
    url, is_read = receipt
    return (
        number,
        buyer.id if buyer.id is not None else pointer,
        order.status,
        order.orderStatus,
        order.status == COUNTED_STATUS and order.orderStatus not in UNCOUNTED_ORDER_STATUSES,
        purchased_at,
        shipped_at,
        delivered_at,
        customer_since,
        plain_text(order.cartType),
        plain_text(shipping.rateCode),
        plain_text(shipping.rateDescription),
        plain_text(shipping.carrier),
        packages,
        total,
        url,
        is_read or order.status != COUNTED_STATUS,
        birth_date,
        None,
        None,
        source_hash,
    )


def _order_row(
    order: Order, pointer: int | None, source_hash: str, receipt_url: str | None, receipt_read: bool
) -> tuple[Any, ...]:
    packages = [{"carrier": row.carrier, "tracking_number": row.tracking_number} for row in order.packages]
    return (
        order.number,
        order.customer_id if order.customer_id is not None else pointer,
        order.status,
        order.order_status,
        is_counted(order),
        moment_as_text(order.purchased_at),
        moment_as_text(order.shipped_at),
        moment_as_text(order.delivered_at),
        moment_as_text(order.customer_since),
        order.cart_type,
        order.rate_code,
        order.rate_description,
        order.carrier,
        json.dumps(packages),
        str(order.total) if order.total is not None else None,
        receipt_url,
        receipt_read or order.status != COUNTED_STATUS,
        order.birth_date.isoformat() if order.birth_date else None,
        order.birth_year,
        unread_as_json(order.unread),
        source_hash,
    )


def _order(
    number: str, detail: dict[str, Any], kept: str | None, today: date, *, read_again: bool
) -> tuple[Order, frozenset[str]]:
    """Return the order, and the names of what is not known because a part of its answer is missing."""
    carried = kept_of(kept)
    body = believed(ORDER, detail, carried)
    if id_text(detail.get("orderNumber")) == number.strip():  # the same number in another form is no other order
        body = {**body, "orderNumber": number}
    known_birth = carried.get("customer.dateOfBirth", {}).get("value")
    order = order_from(body, today=today, known_birth=known_birth)
    if order is None or order.number != number:
        return Order(number=number), frozenset()
    # While such an answer waits to be read again nothing of it is known; later `records.carry` says what was known.
    return order, frozenset(names_lacking(body) if read_again else ())


def _order_fields(text: str | None) -> dict[str, Any] | None:
    """Return an order detail: fields that are read as objects, all others as JSON text (`msgspec.Raw`)."""
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
