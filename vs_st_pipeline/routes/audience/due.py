"""Counts what stands at the end of a run, and says when the route is due next by time alone (routes.md R16, R68).

Data flow: the registration, outbox, parts, late history -> the report; their times -> `merchants/ID/audience.due`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.domain.errors import GiveUp
from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.pipeline.once.schedule import SOON
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import blocks
from vs_st_pipeline.routes.audience.registration import State
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import Noted

EVERY: Final = timedelta(minutes=5)
"""How often a source is asked what is new, of which no hint came."""
REFUSED: Final = """select kind, id from synced.audience_outbox where state in ('rejected', 'dead')
    union select block, id from synced.audience_late where why = 'rejected'"""
UNKNOWN: Final = """select kind, id from synced.audience_outbox where state = 'unknown'
    union select block, unnest(ids) from synced.audience_parts where state = 'unknown'"""


def count(session: AudienceSession, db: Db) -> None:
    """Count what stands open over all runs, and what is noted of what is staged."""
    told = session.told
    blocks.fill_report(db, told)
    told.registration = str(session.registration.state)
    refused, unknown = (int(db.value(f"select count(*) from ({sql})")) for sql in (REFUSED, UNKNOWN))
    told.waiting = (refused, unknown)
    if refused:
        told.noted[Noted.WAITING_RETRY] = refused
    for word, found in db.rows("select word, count(distinct (kind, id)) from staged.shop_notes group by 1"):
        told.noted[word] = found


def next_due_at(session: AudienceSession, db: Db) -> datetime:
    """Return when the route is due by time alone (UTC without zone): the history goes on, a gap ends, or a look."""
    run, known = session.run, session.registration
    now = run.now()
    if known.state is State.DISCONNECTED:  # nothing is called until `vs-st connect`
        return now + LARGEST_GAP
    if known.state is not State.REGISTERED:
        return max(known.next_try_at or now, now + EVERY)
    error = session.refused or session.trouble
    if isinstance(error, GiveUp):
        return now + EVERY
    times: list[datetime | None] = [
        db.value("select min(next_at) from synced.audience_outbox where state in ('rejected', 'unknown', 'waiting')"),
        db.value("select min(next_at) from synced.audience_late where not dead"),
        now if _goes_on(session, db) else None,
    ]
    return min([now + EVERY, *(max(at, now + SOON) for at in times if at is not None)])


def _goes_on(session: AudienceSession, db: Db) -> bool:
    """Say whether something waits for the next slice alone: a part of the history, or events behind it."""
    if db.value("select 1 from synced.audience_parts limit 1") is not None:
        return True
    if session.told.history_state == "sending":
        return True
    waits = "select 1 from synced.audience_outbox where state = 'waiting' and next_at is null limit 1"
    late = "select 1 from synced.audience_late where why = 'late' and next_at is null and not dead limit 1"
    return blocks.is_done(db) and any(db.value(sql) is not None for sql in (waits, late))
