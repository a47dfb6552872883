"""Keeps which records were refused, for what, and when they are tried again: with growing gaps, and never dropped.

Data flow: refusals -> synced.rejects, synced.suspects, synced.history.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.domain.single_reads import gap_after, waits
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, record_outcome


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that the destination refused: since when, how often, and when it is tried next (UTC without zone)."""

    changes_hash: str
    code: str | None
    attempts: int
    first_at: datetime
    next_at: datetime

    def waits_at(self, now: datetime) -> bool:
        """Say whether its next try is still to come."""
        return waits(self.next_at, now)


def request_hash(changes: Iterable[Change]) -> str:
    """Return a hash of a request: equal for the same values of the same fields, whatever stands there now."""
    return hashlib.md5(
        json.dumps(sorted((change.field, change.new) for change in changes)).encode(), usedforsecurity=False
    ).hexdigest()


def read_rejected(db: Db) -> dict[Ref, Rejected]:
    """Return all records that wait for another try."""
    return {
        Ref(*row[:3]): Rejected(*row[3:])
        for row in db.rows(f"select {KEY}, changes_hash, code, attempts, first_at, next_at from synced.rejects")
    }


def record_refused(db: Db, sent: OutboxEntry, *, at: datetime) -> None:
    """Record the refusal as the outcome of a sent request; `record_rejected` says when its changes are tried again."""
    record_outcome(db, [sent], "rejected", at)


def record_rejected(db: Db, sent: OutboxEntry, *, code: str | None, http_status: int | None, at: datetime) -> None:
    """Record changes as refused: tried again at the next sync, then after growing gaps up to a day, never dropped."""
    hashed = request_hash(sent.changes)
    row = db.row(
        "select changes_hash, attempts, first_at from synced.rejects where system = ? and object = ? and id = ?",
        sent.target,
    )
    attempts, first_at = (row[1] + 1, row[2]) if row and row[0] == hashed else (1, at)
    gap = gap_after(attempts)
    db.execute(
        "insert or replace into synced.rejects values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*sent.target, hashed, code, http_status, attempts, first_at, at, at + gap],
    )


def record_suspects(db: Db, targets: Iterable[Ref], *, at: datetime) -> None:
    """Record that a write of these records failed as a whole, after all its tries: one of them may be the cause."""
    with db.batch(key_columns(sorted(set(targets)))) as batch:
        db.execute(
            f"""insert into synced.suspects select {KEY}, $at::timestamp, $at::timestamp from {batch}
                on conflict do update set last_at = $at::timestamp""",
            {"at": at},
        )


def read_suspects(db: Db) -> set[Ref]:
    """Return the records whose last write failed as a whole."""
    return {Ref(*row) for row in db.rows(f"select {KEY} from synced.suspects")}


def forget_suspects(db: Db) -> None:
    """Forget all suspects: everything planned was written, or refused one by one."""
    if db.row("select 1 from synced.suspects limit 1"):
        db.execute("delete from synced.suspects")


def forget_settled_rejects(db: Db, *, among: str | None = None) -> None:
    """Forget refused records for which nothing is wanted any more: there is nothing left to try again.

    Args:
        among: a table of records (`Db.batch`): only of them; None: of all.
    """
    if not db.row("select 1 from synced.rejects limit 1"):
        return
    these = "" if among is None else f"({KEY}) in (select ({KEY}) from {among}) and "
    db.execute(
        f"""delete from synced.rejects
            where {these}({KEY}) not in (select ({KEY}) from planned.changes)
              and ({KEY}) not in (select ({KEY}) from planned.notes where note = 'waiting_retry')"""
    )


def set_gaps_aside(db: Db, targets: Iterable[Ref], *, at: datetime) -> None:
    """Let the next sync try these refused records; how often they were refused, and since when, is kept."""
    with db.batch(key_columns(targets)) as batch:
        db.execute(
            f"""update synced.rejects set next_at = least(next_at, ?::timestamp)
                where ({KEY}) in (select ({KEY}) from {batch})""",
            [at],
        )
