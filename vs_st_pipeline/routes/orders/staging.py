"""Brings staged orders in step with what the shop said, and says which orders are to be judged because of it.

Data flow: raw.commerce7_orders -> staged.shop_orders, planned.orders_due.

Only what changed is made again (`changed` of raw), and whoever it is linked to: a refund that comes in changes what its
order is worth (orders.md 4.2, "Content"). Of an order that was paid before `start` only the id is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import stored
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED
from vs_st_pipeline.routes.orders import content, ledger, outbox
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.states import State

AT_ONCE: Final = 500  # orders in one transaction
BEFORE_START: Final = "before_start"
FOUND_LATE: Final = "reconcile"  # the pass that found it, and no other one (3)
STAGED_THROUGH: Final = "staged_through"  # fact: `changed` of what was staged last


@dataclass(frozen=True, slots=True)
class Staged:
    """An order as it is staged; columns as in `sql/0001_tables.sql`."""

    order_id: str
    order_number: str
    paid_at: datetime
    first_seen_at: datetime
    before_start: bool
    content_hash: str
    sent_hash: str
    linked: tuple[str, ...]
    previous_id: str | None
    erased: bool


_NAMES: Final = (
    *("order_id", "order_number", "paid_at", "first_seen_at", "before_start", "content_hash", "sent_hash", "linked"),
    *("previous_id", "erased"),
)


def find(db: Db, order_ids: Iterable[str]) -> dict[str, Staged]:
    """Return these orders as they are staged, by id."""
    with db.batch({"order_id": sorted(set(order_ids))}) as batch:
        rows = db.rows(f"select {', '.join(_NAMES)} from staged.shop_orders semi join {batch} using (order_id)")
    found: dict[str, Staged] = {}
    for row in rows:
        values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
        found[row[0]] = Staged(**{**values, "linked": tuple(json.loads(values["linked"]))})
    return found


def stage(session: OrdersSession) -> None:
    """Stage all that changed since, some hundreds in one transaction: a run that dies goes on where it was."""
    run = session.run
    while True:
        with run.open() as db:
            through = int(ledger.fact(db, STAGED_THROUGH) or 0)
            rows = db.rows(
                "select id, changed from raw.commerce7_orders where changed > ? order by changed, id", [through]
            )
            ids = [row[0] for row in rows[:AT_ONCE]]
            # What was stored together has one number: it is never cut in two.
            last = rows[len(ids) - 1][1] if ids else through
            ids += [row[0] for row in rows[AT_ONCE:] if row[1] == last]
            if not ids:
                return
            with db.transaction():
                stage_some(run, db, ids)
                ledger.keep_fact(db, run, STAGED_THROUGH, last)


def stage_some(run: Run, db: Db, order_ids: Sequence[str]) -> None:
    """Stage these orders, and those that they are linked to, inside the caller's transaction."""
    ids = _with_linked(db, order_ids)
    orders, before = stored.load(db, ids), find(db, ids)
    start = run.merchant.section(OrdersSettings).start_at(run.merchant.time_zone)
    rows: list[dict[str, Any]] = []
    due: set[str] = set()
    only_ids: list[str] = []
    for one in _raw(db, ids):
        known, order = before.get(one.id), orders.get(one.id)
        if known is not None and (known.erased or (order is None and one.sha256 == REDUCED)):
            continue  # nobody's data is left, and what was decided stands
        is_before = _is_before_start(one, known, start)
        if is_before and order is not None and known is None:
            only_ids.append(one.id)
        row = _row(db, one, None if is_before else order, known, is_before)
        if known is None or _differs(row, known):
            rows.append(row)
        if known is None and one.first_seen_by == FOUND_LATE:
            ledger.note(db, run, one.id, "found_late")
        if known is None or known.content_hash != row["content_hash"] or known.sent_hash != row["sent_hash"]:
            due.add(one.id)
    _store(db, rows)
    _reduce(db, only_ids)
    _make_due(db, due)
    _take_up_writes(run, db, due)


@dataclass(frozen=True, slots=True)
class _Raw:
    id: str
    number: str
    sha256: str | None
    paid_at: datetime
    created_at: datetime | None
    updated_at: datetime | None
    first_seen_at: datetime
    first_seen_by: str


def _raw(db: Db, ids: Iterable[str]) -> list[_Raw]:
    with db.batch({"id": sorted(set(ids))}) as batch:
        rows = db.rows(
            f"""select id, order_number, body_sha256, paid_at, created_at, updated_at, first_seen_at,
                       first_seen_by
                from raw.commerce7_orders semi join {batch} using (id) order by id"""
        )
    return [_Raw(*row) for row in rows]


def _with_linked(db: Db, order_ids: Sequence[str]) -> list[str]:
    """Return these orders and those that are known to be linked to them: what one says is content of the other."""
    with db.batch({"order_id": sorted(set(order_ids))}) as batch:
        others = db.rows(
            f"""select previous_id from raw.commerce7_orders join {batch} on id = order_id
                      where previous_id is not null
                union select s.order_id
                      from staged.shop_orders as s, unnest(from_json(s.linked, '["varchar"]')) as l(id)
                      where s.linked <> '[]' and l.id in (select order_id from {batch})
                union select r.id from raw.commerce7_orders as r join {batch} on r.previous_id = order_id"""
        )
    return [*order_ids, *sorted({row[0] for row in others} - set(order_ids))]


def _is_before_start(one: _Raw, known: Staged | None, start: datetime) -> bool:
    """Say whether only the id of an order is kept. A changed `start` reopens nothing that is decided (2)."""
    if known is not None and known.paid_at == one.paid_at:
        return known.before_start
    return one.paid_at < start


def _row(db: Db, one: _Raw, order: ShopOrder | None, known: Staged | None, is_before: bool) -> dict[str, Any]:
    # Of an order before `start` nothing counts but when it was paid: one that is paid later is another matter.
    paid = f"{BEFORE_START} {one.paid_at.isoformat()}"
    linked = [] if order is None else stored.linked_to(db, order)
    return {
        "order_id": one.id,
        "order_number": one.number,
        "paid_at": one.paid_at.isoformat(),
        "created_at": None if one.created_at is None else one.created_at.isoformat(),
        "updated_at": None if one.updated_at is None else one.updated_at.isoformat(),
        "first_seen_at": (one.first_seen_at if known is None else known.first_seen_at).isoformat(),
        "before_start": "true" if is_before else "false",
        "customer_id": None if order is None else order.customer_id,
        "previous_id": None if order is None else order.previous_id,
        "purchase_type": None if order is None else order.purchase_type,
        "delivery_method": None if order is None else order.delivery_method,
        "payment_status": None if order is None else order.payment_status,
        "state_code": None if order is None or order.ship_to is None else order.ship_to.state_code,
        "linked": json.dumps([] if order is None else list(order.linked)),
        "body_sha256": one.sha256 or "",
        "content_hash": paid if order is None else content.content_hash(order, linked),
        "sent_hash": paid if order is None else content.sent_hash(order),
        "erased": "false",
    }


_TYPES: Final = {
    **dict.fromkeys(("paid_at", "created_at", "updated_at", "first_seen_at"), "timestamp"),
    **dict.fromkeys(("before_start", "erased"), "boolean"),
}


def _differs(row: Mapping[str, Any], known: Staged) -> bool:
    return (row["content_hash"], row["sent_hash"], row["paid_at"], row["order_number"]) != (
        known.content_hash, known.sent_hash, known.paid_at.isoformat(), known.order_number,
    )  # fmt: skip


def _store(db: Db, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    columns = ", ".join(f"{name}::{_TYPES[name]} as {name}" if name in _TYPES else name for name in rows[0])
    with db.batch({name: [row[name] for row in rows] for name in rows[0]}) as batch:
        db.execute(f"insert or replace into staged.shop_orders by name select {columns} from {batch}")


def _reduce(db: Db, ids: Sequence[str]) -> None:
    """Keep only the id of orders that were paid before `start`, whichever read brought them (4.1)."""
    if ids:
        with db.batch({"id": sorted(ids)}) as batch:
            db.execute(
                f"""update raw.commerce7_orders set body = null, body_sha256 = null, kept = null
                    where id in (select id from {batch})"""
            )


def _make_due(db: Db, ids: Iterable[str]) -> None:
    if wanted := sorted(ids):
        with db.batch({"order_id": wanted}) as batch:
            db.execute(f"insert or ignore into planned.orders_due select order_id from {batch}")


def _take_up_writes(run: Run, db: Db, ids: Iterable[str]) -> None:
    """Have an order that the ledger lacks stand as sending where a write of it is not settled: it was lost (6, 6.4)."""
    writes = {one.order_id: one for one in outbox.open_writes(db, outbox.MAKING)}
    new = sorted(set(ids) & writes.keys() - ledger.find(db, sorted(set(ids) & writes.keys())).keys())
    for one in find(db, new).values():
        write = writes[one.order_id]
        row = new_row(
            run, one, State.SENDING, vs_number=write.vs_number, sending_since=write.at, judged_content=one.content_hash
        )
        ledger.store(db, row)
        ledger.act(db, run, one.order_id, "unknown", f"found unsettled after a loss: {write.call} of {write.vs_number}")


def new_row(run: Run, staged: Staged, state: State, **known: Any) -> OrderRow:
    """Return the ledger's row of an order that is new to it."""
    usual: dict[str, Any] = dict.fromkeys(ledger.COLUMNS)
    usual |= {
        "order_id": staged.order_id, "order_number": staged.order_number, "state": state, "paid_at": staged.paid_at,
        "first_seen_at": staged.first_seen_at, "compliance": "not_checked", "problems": "[]", "looked_there": False,
        "looked_back": False, "reads": 0, "updated_at": run.now(),
    }  # fmt: skip
    return OrderRow(**(usual | known))
