"""Tries refused, dead and held unknown events and records now, or gives them up (audience.md 7.4, 7.6, 9; R29).

Setting the gap aside is all that is special; what follows is a sync like any other, with its plan and its brake.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases, outbox
from vs_st_pipeline.routes.audience.session import open_session
from vs_st_pipeline.routes.audience.sync import sync
from vs_st_pipeline.routes.audience.words import Block, Event, Kind

_BLOCKS: Final = {
    Kind.CUSTOMER: Block.CUSTOMERS,
    Kind.ADDRESS: Block.SUBSCRIBERS,
    Kind.PRODUCT: Block.PRODUCTS,
    Kind.ORDER: Block.ORDERS,
    Kind.WISH: Block.WISHLIST,
}
_STUCK: Final = "state in ('rejected', 'dead', 'unknown', 'asked') and (? is null or (kind = ? and id = ?))"


def retry(run: Run, kind: str | None = None, record_id: str | None = None, *, drop: bool = False) -> Report | None:
    """Set aside what keeps events and records waiting, and sync; never raises.

    Args:
        kind, record_id: only of this entity; None: of all.
        drop: give them up instead: they are never sent, and the ledger says so.

    Returns:
        The report of the sync; None where nothing waits, and then no system was called.
    """
    found = 0
    with open_session(run, ()) as session:
        if run.file().exists():
            with run.sync_lock(), run.open() as db, db.transaction():
                found = (_drop if drop else _release)(db, run, kind, record_id)
    if session.report.status == FAILED:
        return session.report
    return sync(run) if found else None


def _release(db: Db, run: Run, kind: str | None, record_id: str | None) -> int:
    rows = db.rows(
        f"""update synced.audience_outbox set next_at = null, released = true,
                first_refused_at = case when state = 'dead' then ?::timestamp else first_refused_at end,
                state = case when state = 'dead' then 'rejected' else state end
            where {_STUCK} returning key""",
        [run.now(), kind, kind, record_id],
    )
    block = _block(kind)
    late = db.rows(
        """update synced.audience_late set next_at = null, dead = false,
               first_refused_at = case when dead then ?::timestamp else first_refused_at end
           where why = 'rejected' and (? is null or (block = ? and id = ?)) returning id""",
        [run.now(), kind, block, record_id],
    )
    return len(rows) + len(late)


def _drop(db: Db, run: Run, kind: str | None, record_id: str | None) -> int:
    rows = [row for row in outbox.read(db, unsubscribes=False) if row.state != outbox.WAITING]
    rows = [row for row in rows if kind is None or (row.kind, row.id) == (kind, record_id)]
    for row in rows:
        outbox.settle(db, row, outbox.DROPPED, run.now(), run.run_id)
        if row.event is Event.NEWSLETTER and not row.unsubscribes and row.may_have_arrived:
            db.execute("update synced.base_subscribers set maybe = true where address = ?", [row.id])
    late = db.rows(
        """delete from synced.audience_late where why = 'rejected' and (? is null or (block = ? and id = ?))
           returning block, id""",
        [kind, _block(kind), record_id],
    )
    for block, one in late:  # it counts as told from here on: what changes later goes as an event
        table, column = bases.TABLES[Block(block)], bases.IDS[Block(block)]
        db.execute(f"update {table} set told = 'silent' where {column} = ? and told = 'rejected'", [one])
    return len(rows) + len(late)


def _block(kind: str | None) -> str | None:
    return None if kind is None else _BLOCKS.get(Kind(kind), kind)
