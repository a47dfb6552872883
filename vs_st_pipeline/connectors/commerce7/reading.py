"""Reads single orders and customers, and stores what is believed of them (orders.md 3; routes.md R22, R23, R40).

Data flow: an id -> `GET /order/{id}` -> raw.commerce7_orders -> `ShopOrder`.

An answer that says nothing changes nothing: what was stored stands, the order is kept as unreadable, and asked for
again with growing gaps. Whether several such reads are the system's trouble is for their reader to say (`SingleReads`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import landing, stored
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.order_record import (
    CUSTOMER,
    ORDER,
    Unreadable,
    as_text,
    customer_of,
    number_of,
    read_order,
    stripped_customer,
)
from vs_st_pipeline.connectors.commerce7.passes import Believed, PassesRead, walk_all, walked_since
from vs_st_pipeline.connectors.commerce7.streams import CUSTOMERS, STORED, STORED_CUSTOMER
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.records import believed, carry, prove
from vs_st_pipeline.domain.shop_order import ShopCustomer, ShopOrder
from vs_st_pipeline.domain.single_reads import SingleReads, is_of_one_record
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import record_unreadable

MOST_AGAIN: Final = 20  # orders a sync that are read again because their last read said too little


def read_passes(
    run: Run,
    client: Commerce7Client,
    *,
    start: datetime,
    reconcile: timedelta,
    believed: Believed = lambda *_: True,
) -> PassesRead:
    """Make the passes that are due, then read again whatever said too little when it was read last.

    Args:
        start: paid before it (UTC without zone): kept only if it is known already.
        reconcile: how often what may have been overlooked is looked for; by the machine's clock.
        believed: as in `passes.walk_all`.

    Raises:
        PipelineError: as `passes.walk_all` does, or because single reads fail for all alike (R40).
    """
    found = walk_all(run, client, start=start, reconcile=reconcile, believed=believed)
    found.unreadable += read_again(run, client, start=start, found=found)
    return found


def read_again(
    run: Run, client: Commerce7Client, *, start: datetime | None = None, found: PassesRead | None = None
) -> int:
    """Read again whatever said too little when it was read last; returns how many orders' last read says nothing.

    Args:
        start: as in `read_passes`. found: what was read is added to it.

    Raises:
        PipelineError: single reads fail for all alike (R40).
    """
    with run.open() as db:
        again = [*stored.looked_at_again(db, run.now()), *stored.tried_again(db, run.now())]
    reads = SingleReads()
    for order_id in list(dict.fromkeys(again))[:MOST_AGAIN]:
        if run.over_budget(client.http.calls.total()):
            break
        asked_at = time.monotonic()
        try:
            order = read_one(run, client, order_id, "updated", start=start)
        except PipelineError as error:
            reads.went_wrong(order_id, error, known=True)
            continue
        reads.went_well()
        if order is not None and found is not None:
            found.found.add(order_id)
            found.read_at[order_id] = asked_at
    with run.open() as db:
        return len(stored.unreadable(db))


def find_number(
    run: Run, client: Commerce7Client, number: str, by: str = "person", *, start: datetime | None = None
) -> ShopOrder | None:
    """Look for an order by its number, in one request, and store it; None: Commerce7 does not find it.

    What is found may lack what a single read shows.

    Raises:
        BadAnswer: the answer holds no list. PipelineError: as the client does.
    """
    rows = client.orders({"q": number}).get("orders")
    if not isinstance(rows, list):
        raise bad_answer("the answer holds no list of records", "list_orders")
    for row in rows:
        if not isinstance(row, Mapping) or number_of(row) != number:
            continue
        try:
            order = read_order(row)
        except Unreadable:
            continue
        with run.open() as db, db.transaction():
            since = start or walked_since(db)
            seen = landing.Seen(row, order, by, False, since is None or order.paid_at >= since, datetime.now(UTC))
            return landing.store(db, run, [seen])[order.id].order
    return None


def find_id(
    run: Run, client: Commerce7Client, ids: Sequence[str], by: str = "person", *, start: datetime | None = None
) -> ShopOrder | None:
    """Look for an order by what may be its id, and store it; None: Commerce7 has none of these.

    A word that a person typed may be no id at all: that it is refused says nothing of any order, so nothing is noted.

    Args:
        ids: what is asked for, until one is there. start: as in `read_one`.

    Raises:
        Unreadable, BadRecord: the answer is no order, or another one. PipelineError: as the client does.
    """
    for order_id in ids:
        try:
            body = client.order(order_id)
        except Refused:
            continue
        prove(ORDER, body, order_id)
        return _store_one(run, body, read_order(body), by, start)
    return None


def read_one(
    run: Run, client: Commerce7Client, order_id: str, by: str, *, start: datetime | None = None
) -> ShopOrder | None:
    """Read one order, store it, and return it as it is believed; None: it is not there (404), which is noted.

    Args:
        by: which read this is, as `first_seen_by` names it: `hint`, `linked`, `gap`, `person`.
        start: of an order that was paid before it (UTC without zone) and is not known, only id and number are kept;
            None: that of the last pass.

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
                landing.note_gone(db, order_id, run.now())
            return None
        if is_of_one_record(error):
            with run.open() as db, db.transaction():
                record_unreadable(db, STORED, {order_id: error}, run.now(), dry_run=run.dry_run)
        raise
    return _store_one(run, body, order, by, start)


def _store_one(run: Run, body: Any, order: ShopOrder, by: str, start: datetime | None) -> ShopOrder:
    with run.open() as db, db.transaction():
        since = start or walked_since(db)
        seen = landing.Seen(body, order, by, True, since is None or order.paid_at >= since, datetime.now(UTC))
        return landing.store(db, run, [seen])[order.id].order


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
