"""Counts what stands at the end of a run, and says when the route is due next by time alone (routes.md R16, R68).

Data flow: the ledger, outbox, notes -> the report; their times -> `merchants/ID/orders.due`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.commerce7 import gaps
from vs_st_pipeline.domain.errors import GiveUp
from vs_st_pipeline.pipeline.schedule import SOON
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import hinting, ledger, notes, outbox
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.states import State

EVERY: Final = timedelta(minutes=5)
"""How often the passes look for orders of which no hint came: two requests to the shop where nothing is new."""
SLOWLY: Final = timedelta(minutes=5)  # for what needs a person first
_IN_DOUBT: Final = (*outbox.MAKING, outbox.CANCEL, outbox.FULFIL)


def count(session: OrdersSession, db: Db) -> None:
    """Count what became of orders in this run, what is not settled, and what stands open."""
    told, tally = session.told, session.counts
    for word, state in (("failed", State.FAILED), ("not_required", State.NOT_REQUIRED)):
        found = ledger.find(db, {str(one) for one in tally.of(word)})
        tally.keep(word, {row.order_id for row in found.values() if row.state is state})
    unsettled = {one.order_id for one in outbox.open_writes(db, _IN_DOUBT)}
    tally.keep("unknown", unsettled)
    told.standing = int(db.value("select count(*) from synced.orders where state = ?", [State.FAILED]))
    told.waiting = (told.standing, len(unsettled))
    unreadable = told.noted["unreadable"]
    failed_now = {str(one) for one in tally.of("failed")}
    told.noted.update(notes.counts(db, failed_now))
    if not session.run.dry_run:
        notes.keep_failed_now(db, session.run, failed_now)
    if told.noted["gap"]:
        told.noted["gap"] = len(gaps.standing(db))
    told.noted["unreadable"] = max(unreadable, told.noted["unreadable"] - unreadable)


def next_due_at(session: OrdersSession, db: Db) -> datetime:
    """Return when the route is due by time alone (UTC without zone): something waits, or the passes are due."""
    run = session.run
    now, error = run.now(), session.refused or session.there or session.trouble
    if isinstance(error, GiveUp):
        return now + SLOWLY
    times: list[datetime | None] = [
        db.value("select min(next_read_at) from synced.orders where next_read_at is not null"),
        db.value("select min(next_at) from synced.fulfilments where outcome = 'refused'"),
        db.value("select min(next_at) from synced.order_messages where next_at is not null"),
        *([now] if _is_busy(db) else []),
    ]
    return min([now + EVERY, *(max(at, now + SOON) for at in times if at is not None)])


def _is_busy(db: Db) -> bool:
    """Say whether something is looked at in every sync until it is done."""
    if outbox.open_writes(db, _IN_DOUBT) or hinting.waits(db):
        return True
    return (
        db.value(
            """select 1 from synced.orders where state = 'sending'
               or (state = 'waiting' and not list_contains(['not_paid', 'shadow'], code)) limit 1"""
        )
        is not None
    )
