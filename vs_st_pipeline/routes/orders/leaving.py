"""Lets a write to the shipper leave: row committed, line on the disk, and only while the read before it is young.

Data flow: a write -> synced.order_writes (committed) -> orders.evidence.jsonl (fsync) -> the request.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.connectors.vinoshipper.echoes import note_written
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.routes.orders import evidence, ledger, outbox, void_reasons
from vs_st_pipeline.routes.orders.knowing import DROPPED_KEYS, dropped_keys
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.systems import SHIPPER

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

LEAVES_WITHIN: Final = 29.0  # seconds after its read was asked for (6.2: 30); one is for the way
PREFIX: Final = "prefix"  # a fact: under which prefix orders are sent (9)


def hash_of(body: Mapping[str, Any]) -> str:
    """Return the hash of a body, which itself is kept nowhere."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def begin(
    session: OrdersSession,
    row: OrderRow,
    call: str,
    number: str,
    body: Mapping[str, Any],
    *,
    who: str | None,
    sent: Mapping[str, Any] | None = None,
    sent_hash: str | None = None,
    notes: Mapping[str, Any] | None = None,
    reason: str | None = None,
    prefix: str | None = None,
    **changed: Any,
) -> tuple[OrderRow, Write]:
    """Store that a write is about to leave, and write down that its number is in use; then it may leave.

    Args:
        sent: what is kept of the body. sent_hash: of the read that it was made from.
        notes: what is noted of the order with it. prefix: under which orders are sent now (9).
        reason: why it is to be voided, as a person typed it.
        changed: how the order's row changes.

    Raises:
        OSError: the line cannot be written: nothing may be sent.
    """
    run = session.run
    with run.open() as db, db.transaction():
        for earlier in outbox.open_writes(db, outbox.MAKING if call in outbox.MAKING else (), row.order_id):
            outbox.end(db, run, earlier, Outcome.MISSING)  # what is repeated tells what becomes of it (6.4)
        write = outbox.begin(
            db, run, system=SHIPPER, call=call, order_id=row.order_id, vs_number=number, body_hash=hash_of(body),
            sent_hash=sent_hash, sent=None if sent is None else json.dumps(sent, default=str),
        )  # fmt: skip
        row = ledger.move(db, run, row, "sending", f"{call} {number}", who=who, **changed)
        for word, says in (notes or {}).items():
            ledger.note(db, run, row.order_id, word, says)
        if reason is not None:
            void_reasons.keep(db, run, row.order_id, reason, who=who)
        if prefix is not None and ledger.fact(db, PREFIX) != prefix:
            ledger.keep_fact(db, run, PREFIX, prefix)
    evidence.append(run, write)
    note_written(run, number)
    failpoint("leaving")
    return row, write


def end(
    session: OrdersSession,
    row: OrderRow,
    write: Write,
    outcome: Outcome,
    text: str,
    *,
    http_status: int | None = None,
    trace_id: str | None = None,
    who: str | None = None,
    unnote: Collection[str] = (),
    changed: Mapping[str, Any] | None = None,
) -> OrderRow:
    """Record how a write ended, with the ledger and the activity, in one transaction."""
    run = session.run
    with run.open() as db, db.transaction():
        ledger.unnote(db, row.order_id, unnote)
        ended = outbox.end(db, run, write, outcome, http_status=http_status, trace_id=trace_id)
        row = replace(row, **{**(changed or {}), "updated_at": run.now()})
        row = ledger.move(db, run, row, "answered", text, http_status=http_status, trace_id=trace_id, who=who)
    evidence.append_end(run, ended)
    return row


def told(
    session: OrdersSession,
    row: OrderRow,
    write: Write,
    why: str,
    http_status: int | None,
    trace_id: str | None,
    *,
    kind: str = "unknown",
    who: str | None = None,
) -> None:
    """Write down what was heard of a write that is not settled by it."""
    with session.run.open() as db, db.transaction():
        ledger.act(
            db, session.run, row.order_id, kind, f"{write.call} {write.vs_number}: {why}", http_status=http_status,
            trace_id=trace_id, who=who,
        )  # fmt: skip


@contextmanager
def kept_young(session: OrdersSession, read_at: float) -> Iterator[None]:
    """Keep a write from leaving once the read before it is too old, however long it waits for its turn (6.2).

    Args:
        read_at: when that read was asked for, monotonic seconds.
    """
    http = session.client(vinoshipper.CONNECTOR).http
    before = http.guard
    http.guard = lambda: time.monotonic() - read_at <= LEAVES_WITHIN and (before is None or before())
    try:
        yield
    finally:
        http.guard = before


def drop_keys(session: OrdersSession, keys: frozenset[str]) -> None:
    """Leave out keys that the shipper calls unknown, for this merchant from now on (5.1)."""
    run = session.run
    with run.open() as db, db.transaction():
        dropped = sorted(dropped_keys(db) | keys)
        ledger.keep_fact(db, run, DROPPED_KEYS, dropped)
        ledger.note(db, run, "", "key_refused", {"keys": dropped})
