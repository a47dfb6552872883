"""Keeps records that are to be read before others, with the reason, until they have been read.

Data flow: inbox, feeds, what other routes want -> once.hints -> reads -> once.answered.

A hint never says what a record holds: it says that it may have changed. Whether a read settles one is told by numbers,
not by times: a clock may jump.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True, slots=True)
class Hint:
    """A record that is to be read first.

    Attributes:
        origin: the route that wants to know.
        seq: grows with every hint; a read settles what was hinted before it began.
    """

    origin: str
    system: str
    object: str
    id: str
    reason: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an inbox that is a hint; `key` tells it from all others."""

    key: str
    system: str
    object: str
    id: str
    reason: str


class Inbox(Protocol):
    """Where webhooks are stored before anybody is answered; each route takes its own copy of an entry."""

    def waiting(self, merchant_id: str, route: str) -> Sequence[Entry]:
        """Return the entries that this route has not taken."""
        ...

    def taken(self, merchant_id: str, route: str, keys: Sequence[str]) -> None:
        """Note that it has."""
        ...


def take(run: Run, inbox: Inbox) -> int:
    """Turn a route's entries of the inbox into hints; returns how many were new. A dry run takes none.

    The database's commit comes first, then the inbox's: an entry that comes a second time is known by its key.
    """
    entries = [] if run.dry_run else inbox.waiting(run.merchant.id, run.route)
    if not entries:
        return 0
    with run.open() as db, db.transaction():
        with db.batch({"key": [entry.key for entry in entries]}) as batch:
            known = {row[0] for row in db.rows(f"select event_key from once.taken where event_key in (from {batch})")}
        fresh = [entry for entry in entries if entry.key not in known]
        store(db, (Hint(run.route, e.system, e.object, e.id, e.reason) for e in fresh), run.now())
        for key in sorted({entry.key for entry in fresh}):
            db.execute("insert into once.taken values (?, ?)", [key, run.now()])
    inbox.taken(run.merchant.id, run.route, [entry.key for entry in entries])
    return len(fresh)


def store(db: Db, hints: Iterable[Hint], now: datetime) -> None:
    """Store hints inside the caller's transaction; one that is there already becomes newer, and keeps its place."""
    for hint in hints:
        seq = _next(db)
        db.execute(
            """insert into once.hints values (?, ?, ?, ?, ?, ?, ?)
               on conflict do update set seq = excluded.seq, reason = excluded.reason""",
            [hint.origin, hint.system, hint.object, hint.id, seq, hint.reason, now],
        )


def copy_from(db: Db, hints: Iterable[Hint], now: datetime) -> None:
    """Store another route's hints under its own numbers, inside the caller's transaction; answered ones stay away."""
    for hint in hints:
        db.execute(
            """insert into once.hints select $origin, $system, $object, $id, $seq, $reason, $now
               where not exists (select 1 from once.answered where origin = $origin and system = $system
                                 and object = $object and id = $id and seq >= $seq)
               on conflict do update set seq = greatest(once.hints.seq, excluded.seq)""",
            {"origin": hint.origin, "system": hint.system, "object": hint.object, "id": hint.id, "seq": hint.seq,
             "reason": hint.reason, "now": now},
        )  # fmt: skip


def waiting(db: Db, *, origin: str | None = None, system: str | None = None) -> list[Hint]:
    """Return the hints that wait, the oldest first: all, one route's, or about one system."""
    rows = db.rows(
        """select origin, system, object, id, reason, seq from once.hints
           where origin = coalesce(?, origin) and system = coalesce(?, system) order by hinted_at, seq""",
        [origin, system],
    )
    return [Hint(*row) for row in rows]


def settle(db: Db, run: Run, hints: Iterable[Hint]) -> None:
    """Settle hints in the transaction that stores what was read; one that became newer meanwhile stays."""
    for hint in hints:
        values = [hint.origin, hint.system, hint.object, hint.id, hint.seq]
        db.execute(
            "delete from once.hints where origin = ? and system = ? and object = ? and id = ? and seq <= ?", values
        )
        if hint.origin != run.route:
            db.execute("insert or replace into once.answered values (?, ?, ?, ?, ?, ?)", [*values, run.now()])


def _next(db: Db) -> int:
    # A lost file must not begin with numbers that a reader has answered: it begins with the time.
    db.execute(
        "insert into once.sequences values ('hints', ?) on conflict do update set value = value + 1",
        [time.time_ns() // 1000],
    )
    return int(db.value("select value from once.sequences where name = 'hints'"))
