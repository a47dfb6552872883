"""Keeps the events that wait or have no outcome, and moves them to the ledger when they are settled (audience.md 7.1).

A row is `asked` from the commit before its request leaves to the commit that says what came of it. One that is found so
by a later run was cut off in between, so it may have been sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.words import Event, Kind, Rank

WAITING, ASKED, UNKNOWN, REJECTED, DEAD = "waiting", "asked", "unknown", "rejected", "dead"
ACCEPTED, DROPPED, LATE, MELTED = "accepted", "dropped", "late", "melted"
_BASES: Final = {
    Kind.CUSTOMER: ("synced.base_customers", "customer_id"),
    Kind.ADDRESS: ("synced.base_subscribers", "address"),
    Kind.PRODUCT: ("synced.base_products", "product_id"),
    Kind.CART: ("synced.base_carts", "customer_id"),
    Kind.ORDER: ("synced.base_orders", "order_id"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An event in the outbox, without its data."""

    key: str
    number: int
    event: Event
    kind: Kind
    id: str
    rank: str
    part: str
    about: Mapping[str, Any]
    seen_at: datetime
    state: str
    tries: int
    next_at: datetime | None
    first_refused_at: datetime | None
    refusals: int
    released: bool
    evidence: str | None

    @property
    def entity(self) -> tuple[str, str]:
        """Return what waits for itself alone."""
        return self.kind, self.id

    @property
    def unsubscribes(self) -> bool:
        """Say whether it is a Newsletter false."""
        return self.rank == Rank.UNSUBSCRIBE

    @property
    def may_be_out(self) -> bool:
        """Say whether a try of it may have arrived."""
        return self.state in (UNKNOWN, ASKED)

    @property
    def may_have_arrived(self) -> bool:
        """Say whether any try of it may have arrived, whatever was said to a later one."""
        return self.may_be_out or self.tries > self.refusals


def read(db: Db, *, unsubscribes: bool) -> list[Row]:
    """Return the rows in the order in which they go: each Newsletter false first, then by number.

    Args:
        unsubscribes: only each Newsletter false.
    """
    rows = db.rows(
        f"""select key, number, event, kind, id, rank, part, about, seen_at, state, tries, next_at, first_refused_at,
                refusals, released, evidence
            from synced.audience_outbox {"where rank = '0'" if unsubscribes else ""} order by rank <> '0', number"""
    )
    return [
        Row(key, number, Event(event), Kind(kind), id_, rank, part, json.loads(about) if about else {}, *rest)
        for key, number, event, kind, id_, rank, part, about, *rest in rows
    ]


def data(db: Db, key: str) -> str:
    """Return an event's `data` as it is sent."""
    return str(db.value("select data from synced.audience_outbox where key = ?", [key]))


def change_data(db: Db, key: str, said: str) -> None:
    """Change what an event says, which only a consent that ended may do (8.3)."""
    db.execute("update synced.audience_outbox set data = ? where key = ?", [said, key])


def take_over(db: Db) -> None:
    """Take what a run was about to send when it ended as maybe sent; at the begin of a run."""
    if db.value("select exists(select 1 from synced.audience_outbox where state = 'asked')"):
        db.execute("update synced.audience_outbox set state = 'unknown' where state = 'asked'")


def ask(db: Db, row: Row, now: datetime) -> None:
    """Note that a row is about to be sent; committed before the request leaves."""
    db.execute(
        "update synced.audience_outbox set state = 'asked', sent_at = ?, released = false where key = ?", [now, row.key]
    )


def move(
    db: Db,
    row: Row,
    state: str,
    *,
    tries: int = 0,
    http_status: int | None = None,
    next_at: datetime | None = None,
    refused_at: datetime | None = None,
) -> None:
    """Note how a row stands that is not settled; `refused_at`: it was refused now."""
    db.execute(
        """update synced.audience_outbox set state = $state, tries = tries + $tries, http_status = $http_status,
               next_at = $next_at, first_refused_at = coalesce(first_refused_at, $refused_at),
               refusals = refusals + $refused
           where key = $key""",
        {
            "state": state, "tries": tries, "http_status": http_status, "next_at": next_at, "refused_at": refused_at,
            "refused": int(refused_at is not None), "key": row.key,
        },
    )  # fmt: skip


def release(db: Db, row: Row) -> None:
    """Leave a row that has not left as free to go as a person's word has made it (7.4)."""
    if row.released:
        db.execute("update synced.audience_outbox set released = true where key = ?", [row.key])


def settle(
    db: Db, row: Row, state: str, now: datetime, run_id: str, *, tries: int = 0, http_status: int | None = None
) -> None:
    """Move a row to the ledger."""
    db.execute(
        """insert into synced.audience_told
               (key, call, event, kind, id, data, evidence, state, tries, http_status, "at", run_id)
           select key, 'event', event, kind, id, data, evidence, ?, tries + ?, ?, ?, ?
           from synced.audience_outbox where key = ?""",
        [state, tries, http_status, now, run_id, row.key],
    )
    db.execute("delete from synced.audience_outbox where key = ?", [row.key])


def note_told(db: Db, run_id: str) -> None:
    """Say in the base which records' events a run has had acknowledged: no row of theirs is left in the outbox."""
    for kind, (table, column) in _BASES.items():
        db.execute(
            f"""update {table} as b set told = 'told', told_key = t.key, told_call = 'event', told_at = t.told_at
                from (select id, max(key) as key, max("at") as told_at from synced.audience_told
                      where run_id = $run_id and kind = $kind and state = 'accepted' group by id) as t
                where b.told = 'outbox' and b.{column} = t.id
                    and b.{column} not in (select id from synced.audience_outbox where kind = $kind)
                    and b.{column} not in (select id from synced.audience_late)""",
            {"run_id": run_id, "kind": kind},
        )
