"""Keeps which records go as late history, and which were refused and are tried again (audience.md 5.1.4, 5.1.8, 7.6).

Data flow: planned news that is old, events that are late, refused records -> synced.audience_late -> parts of a block.

A refused record goes again as it is staged then; put right, it is tried at once. Refused ones go apart from others: in
one part with them they would have it refused again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases, calls
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import BLOCKS, Block

LATE, REJECTED = "late", "rejected"
DEAD_AFTER: Final = timedelta(days=30)
IDS: Final = "select row_number() over (order by id) - 1 as position, id from unnest(?::varchar[]) as t(id)"
_AT_ONCE: Final = 1_000  # a part has no more records
_ALONE: Final = 25  # so many refused records, or fewer, are tried one by one: halving would cost more requests
_STAGED: Final = {
    Block.CUSTOMERS: "staged.shop_customers",
    Block.PRODUCTS: "staged.shop_products",
    Block.ORDERS: "staged.shop_orders",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of a block that may go together."""

    block: Block
    ids: tuple[str, ...]


def add(db: Db, block: Block, ids: Sequence[str], now: datetime) -> None:
    """Have records go as late history, in the caller's transaction; one that waits already is not added again."""
    with db.batch({"id": list(ids)}) as batch:
        db.execute(
            f"""insert into synced.audience_late (block, id, since, why)
                select distinct ?, id, ?::timestamp, 'late' from {batch} as b
                where not exists (select 1 from synced.audience_late as l where l.block = ? and l.id = b.id)""",
            [block, now, block],
        )


def refuse(db: Db, block: Block, record_id: str, http_status: int | None, now: datetime, run_id: str) -> None:
    """Note that a record was refused alone: it is tried at the next sync, then after growing gaps, for 30 days."""
    before = db.row(
        "select tries, first_refused_at from synced.audience_late where block = ? and id = ? and why = 'rejected'",
        [block, record_id],
    )
    tries, first_at = (before[0] + 1, before[1] or now) if before else (1, now)
    gap = calls.gap_after(tries)
    db.execute("delete from synced.audience_late where block = ? and id = ?", [block, record_id])
    db.execute(
        """insert into synced.audience_late (block, id, since, why, tries, next_at, first_refused_at, dead, http_status,
               run_id)
           values (?, ?, ?, 'rejected', ?, ?, ?, ?, ?, ?)""",
        [
            block,
            record_id,
            now,
            tries,
            now + (gap or timedelta(0)),
            first_at,
            now - first_at >= DEAD_AFTER,
            http_status,
            run_id,
        ],
    )


def settle(db: Db, block: Block, ids: Sequence[str]) -> None:
    """Take records off the list: they were told, or are told to nobody."""
    with db.batch({"id": list(ids)}) as batch:
        db.execute("delete from synced.audience_late where block = ? and id in (select id from " + batch + ")", [block])


def leave_out(db: Db, block: Block, ids: Sequence[str]) -> None:
    """Take records off the list that are held, gone or not subscribed now; what was never told leaves the base.

    An address that may have been told as subscribed stays in it, so that a Newsletter false goes.
    """
    settle(db, block, ids)
    more = "and not maybe" if block is Block.SUBSCRIBERS else ""
    with db.batch({"id": list(ids)}) as batch:
        db.execute(
            f"""delete from {bases.TABLES[block]}
                where told in ('outbox', 'rejected') {more} and {bases.IDS[block]} in (select id from {batch})"""
        )


def is_due(db: Db, session: AudienceSession) -> bool:
    """Say whether any record may go now."""
    return any(True for _ in batches(db, session))


def batches(db: Db, session: AudienceSession) -> Iterator[Batch]:
    """Return what is due, block after block (5.1.8), in order of id: first what was never refused."""
    for block in BLOCKS:
        fresh = _ids(db, block, "why = 'late'", [])
        if fresh:
            yield Batch(block, fresh)
        refused = _refused(db, block, session)
        step = 1 if len(refused) <= _ALONE else _AT_ONCE
        for at in range(0, len(refused), step):
            yield Batch(block, refused[at : at + step])


def _refused(db: Db, block: Block, session: AudienceSession) -> tuple[str, ...]:
    """Return refused records whose time has come, or that have changed since, none that this run has tried."""
    changed = "false"
    if block in _STAGED:
        column = bases.IDS[block]
        changed = f"""id in (select b.{column}
            from {bases.TABLES[block]} as b join {_STAGED[block]} as s using ({column})
            where b.told = 'rejected' and b.digest <> s.digest)"""
    now = session.run.now()
    return _ids(
        db,
        block,
        f"""why = 'rejected' and run_id is distinct from ? and
            (not dead and (next_at is null or next_at <= ? or next_at > ?) or {changed})""",
        [session.run.run_id, now, now + LARGEST_GAP],
    )


def _ids(db: Db, block: Block, where: str, params: Sequence[object]) -> tuple[str, ...]:
    rows = db.rows(
        f"select id from synced.audience_late where block = ? and {where} order by id limit {_AT_ONCE}",
        [block, *params],
    )
    return tuple(row[0] for row in rows)
