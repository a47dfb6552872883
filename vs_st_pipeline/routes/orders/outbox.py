"""Keeps everything that changes something elsewhere: its row is committed before the request leaves (orders.md 6.1).

Data flow: a write about to leave -> synced.order_writes -> (its answer, or reads in its place) -> outcome.

All inside the caller's transaction. A row without outcome is unknown: the request may never have left, or its answer
may be lost, or the answer said nothing. Only a read settles it (6.4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders.rows import add, change, put

TABLE: Final = "synced.order_writes"
CREATE, UPDATE, CANCEL, FULFIL, MESSAGE = "create", "update", "cancel", "fulfil", "message"
MAKING: Final = (CREATE, UPDATE)
"""Calls after which the shipper may hold the order."""
READS: Final = 3  # 6.4: without it, before it is written again


class Outcome(StrEnum):
    """What became of a write; a row without one is unknown.

    DONE, REFUSED: so the answer said. CONFLICT: the number was taken. NOT_REACHED: it certainly did nothing.
    ADOPTED: a read showed it. MISSING: enough reads did not.
    """

    DONE = "done"
    REFUSED = "refused"
    CONFLICT = "conflict"
    NOT_REACHED = "not_reached"
    ADOPTED = "adopted"
    MISSING = "missing"


LEFT_NOTHING: Final = frozenset({Outcome.REFUSED, Outcome.NOT_REACHED, Outcome.MISSING})
"""Outcomes after which the shipper holds nothing of the write, so that one read without the order is enough."""


@dataclass(frozen=True, slots=True)
class Write:
    """A row; columns as in `sql/0001_tables.sql`. Times are UTC without zone."""

    send_id: str
    system: str
    call: str
    order_id: str
    vs_number: str | None
    body_hash: str
    at: datetime
    run_id: str
    about: str = "{}"
    sent_hash: str | None = None
    sent: str | None = None
    outcome: str | None = None
    outcome_at: datetime | None = None
    http_status: int | None = None
    trace_id: str | None = None
    reads: int = 0
    read_run: str | None = None
    missing: bool = False
    shown: int = 0
    seq: int = 0

    @property
    def is_open(self) -> bool:
        """Say whether it is unknown what became of it."""
        return self.outcome is None


_COLUMNS: Final = tuple(one.name for one in fields(Write))
_LIST: Final = ", ".join(f'"{name}"' for name in _COLUMNS)


def begin(
    db: Db,
    run: Run,
    *,
    system: str,
    call: str,
    order_id: str,
    vs_number: str | None,
    body_hash: str,
    about: str = "{}",
    sent_hash: str | None = None,
    sent: str | None = None,
) -> Write:
    """Store a write that is about to leave; the caller commits, and only then sends it."""
    seq = int(db.value("select coalesce(max(seq), 0) + 1 from synced.order_writes"))
    write = Write(
        f"{run.run_id}-{seq}", system, call, order_id, vs_number, body_hash, run.now(), run.run_id,
        about=about, sent_hash=sent_hash, sent=sent, seq=seq,
    )  # fmt: skip
    add(db, TABLE, {name: getattr(write, name) for name in _COLUMNS})
    return write


def store(db: Db, write: Write) -> None:
    """Store a row as it is."""
    put(db, TABLE, "send_id", {name: getattr(write, name) for name in _COLUMNS})


def _change(db: Db, write: Write, **changed: Any) -> Write:
    """Change a row that is stored, and nothing else of it; returns it as it stands then."""
    if not change(db, TABLE, "send_id", {"send_id": write.send_id, **changed}):
        store(db, replace(write, **changed))
    return replace(write, **changed)


def end(
    db: Db, run: Run, write: Write, outcome: Outcome, *, http_status: int | None = None, trace_id: str | None = None
) -> Write:
    """Record what became of a write."""
    return _change(
        db, write, outcome=str(outcome), outcome_at=run.now(), http_status=http_status or write.http_status,
        trace_id=trace_id or write.trace_id,
    )  # fmt: skip


def count_missing(db: Db, run: Run, write: Write, settle_wait: timedelta) -> Write:
    """Count a read that did not show the order; several in one sync count once (6.4)."""
    if write.read_run == run.run_id:
        return write
    reads = write.reads + 1
    missing = write.missing or (reads >= READS and run.now() - write.at >= settle_wait)
    return _change(db, write, reads=reads, read_run=run.run_id, missing=missing)


def count_shown(db: Db, write: Write) -> Write:
    """Begin to count anew: the order was there."""
    if not write.reads and not write.missing:
        return write
    return _change(db, write, reads=0, read_run=None, missing=False)


def count_unaccepted(db: Db, run: Run, write: Write) -> None:
    """Count a read after an unknown update that shows the order unaccepted, as it may have been before; one a sync."""
    if write.read_run != run.run_id:
        _change(db, write, shown=write.shown + 1, read_run=run.run_id, reads=0, missing=False)


def latest(db: Db, order_id: str, calls: Collection[str] = MAKING) -> Write | None:
    """Return the newest write of an order by one of these calls."""
    return max((one for one in _of(db, order_id) if one.call in calls), key=_place, default=None)


def open_writes(db: Db, calls: Collection[str], order_id: str | None = None) -> list[Write]:
    """Return the writes whose outcome is unknown, oldest first."""
    if order_id is None:
        found = [_write(row) for row in db.rows(f"select {_LIST} from {TABLE} where outcome is null")]
    else:
        found = [one for one in _of(db, order_id) if one.is_open]
    return sorted((one for one in found if one.call in calls), key=_place)


def _of(db: Db, order_id: str) -> list[Write]:
    """Return all writes of an order. There are few: to sort and choose among them in SQL takes longer to plan."""
    return [_write(row) for row in db.rows(f"select {_LIST} from {TABLE} where order_id = ?", [order_id])]


def _place(write: Write) -> tuple[int, datetime, str]:
    """Return what tells which of two writes is the newer one."""
    return write.seq, write.at, write.send_id


def number_of(db: Db, order_id: str) -> str | None:
    """Return the number under which an order was tried first (5.1): it is never another one for this order."""
    found = db.value(
        """select vs_number from synced.order_writes
           where order_id = ? and call in ('create', 'update') and vs_number is not null order by seq, "at" limit 1""",
        [order_id],
    )
    return None if found is None else str(found)


def known(db: Db, send_ids: Collection[str]) -> set[str]:
    """Return which of these rows are there."""
    with db.batch({"send_id": sorted(send_ids)}) as batch:
        rows = db.rows(f"select send_id from synced.order_writes semi join {batch} using (send_id)")
    return {str(row[0]) for row in rows}


def _write(row: Any) -> Write:
    found: Mapping[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    return Write(**found)
