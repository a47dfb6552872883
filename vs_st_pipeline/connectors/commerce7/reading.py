"""Reads single orders and customers, and stores what is believed of them (orders.md 3; routes.md R22, R23, R40).

Data flow: an id -> `GET /order/{id}` -> raw.commerce7_orders -> `ShopOrder`.

An answer that says nothing changes nothing: what was stored stands, the order is kept as unreadable, and asked for
again with growing gaps. Whether several such reads are the system's trouble is for their reader to say (`SingleReads`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vs_st_pipeline.connectors.commerce7 import stored
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.order_record import (
    CUSTOMER,
    ORDER,
    as_text,
    customer_of,
    read_order,
    stripped_customer,
)
from vs_st_pipeline.connectors.commerce7.streams import CUSTOMERS, STORED, STORED_CUSTOMER
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.records import believed, carry, prove
from vs_st_pipeline.domain.shop_order import ShopCustomer, ShopOrder
from vs_st_pipeline.domain.single_reads import is_of_one_record
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import record_unreadable


def read_one(
    run: Run, client: Commerce7Client, order_id: str, by: str, *, start: datetime | None = None
) -> ShopOrder | None:
    """Read one order, store it, and return it as it is believed; None: it is not there (404), which is noted.

    Args:
        by: which read this is, as `first_seen_by` names it: `hint`, `linked`, `gap`, `person`.
        start: of an order that was paid before it (UTC without zone) and is not known, only id and number are kept.

    Raises:
        Unreadable: the answer is no order, or one that cannot be used; BadRecord: it is another one.
        PipelineError: as the client does. In either case what is stored of the order stands.
    """
    try:
        body = client.order(order_id)
        prove(ORDER, body, order_id)
        order = read_order(body)
    except PipelineError as error:
        if is_not_there(error):
            with run.open() as db, db.transaction():
                stored.note_gone(db, order_id, run.now())
            return None
        if is_of_one_record(error):
            with run.open() as db, db.transaction():
                record_unreadable(db, STORED, {order_id: error}, run.now(), dry_run=run.dry_run)
        raise
    keep = start is None or order.paid_at >= start
    with run.open() as db, db.transaction():
        seen = stored.Seen(body, order, by, True, keep, datetime.now(UTC))
        return stored.store(db, run, [seen])[order.id].order


def read_customer(run: Run, client: Commerce7Client, customer_id: str) -> ShopCustomer | None:
    """Read one customer, store it, and return it as it is believed; None: it is not there (404).

    Raises:
        BadRecord: the answer is no customer, or another one. PipelineError: as the client does.
    """
    try:
        answer = client.customer(customer_id)
        prove(CUSTOMER, answer, customer_id)
    except PipelineError as error:
        if is_not_there(error):
            return None
        raise
    with run.open() as db, db.transaction():
        body, now = stripped_customer(answer), run.now()
        if read_suppressed(db).knows(STORED_CUSTOMER, customer_id):
            return customer_of(body)
        before = db.row(f"select body, kept from {CUSTOMERS.table} where id = ?", [customer_id])
        kept = {}
        if before is not None and (held := try_object(before[0])) is not None:
            kept = carry(CUSTOMER, body, held, try_object(before[1]) or {}, now)
            body = believed(CUSTOMER, body, kept)
        db.execute(
            f"insert or replace into {CUSTOMERS.table} (id, body, kept, read_at) values (?, ?, ?, ?)",
            [customer_id, as_text(body), as_text(kept) if kept else None, now],
        )
    return customer_of(body)


def app_syncs(client: Commerce7Client, order_id: str) -> list[dict[str, Any]]:
    """Return what apps said of an order, as Commerce7 has it: one object per app, with its `attempts`.

    Raises:
        BadAnswer: the answer holds no such list. Forbidden, Refused (404): this app may not read it. PipelineError.
    """
    found = client.app_syncs(order_id).get("appSyncs")
    if not isinstance(found, list) or any(not isinstance(one, dict) for one in found):
        raise bad_answer("the answer holds no list of messages", "app_syncs")
    return found


def is_not_there(error: PipelineError) -> bool:
    """Say whether an answer says that a record is not there: 404 or 410 in JSON, no page of something in front."""
    return isinstance(error, Refused) and error.http_status in NOT_THERE and isinstance(error.said, Mapping)
