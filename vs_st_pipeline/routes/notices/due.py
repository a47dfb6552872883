"""Counts what stands at the end of a run, and says when the route is due next by time alone (routes.md R16, R68).

Data flow: planned.notices, synced.notices, synced.actions, notes -> the report; times -> `merchants/ID/notices.due`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.streams import STORED
from vs_st_pipeline.pipeline.schedule import SOON
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import answers_due
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import ActionState, Noted, State

EVERY: Final = timedelta(minutes=5)
"""How often the sources are asked what is new, of which no hint came, where no setting says otherwise."""
BETWEEN: Final = timedelta(seconds=10)
"""Between two runs at least, where a wait of known length ends: what ends soon after it is judged together."""
NO_RECEIPT: Final = timedelta(hours=1)
ACTIONS_STAND: Final = timedelta(days=7)
"""How long an action that was refused, or of which nobody knows, counts as open: a person takes it by hand."""


def count(session: NoticesSession, db: Db) -> None:
    """Count what stands open over all runs, and what is noted while it lasts."""
    told, now = session.told, session.run.now()
    stands = "select count(*) from synced.notices where state = ?"
    acts = 'select count(*) from synced.actions where state = ? and "at" > ?'
    told.waiting = (
        int(db.value(stands, [State.REJECTED])) + int(db.value(acts, [ActionState.REFUSED, now - ACTIONS_STAND])),
        int(db.value(stands, [State.UNKNOWN])) + int(db.value(acts, [ActionState.UNKNOWN, now - ACTIONS_STAND])),
    )
    old = int(
        db.value(
            "select count(*) from synced.notices where state = ? and run_id is distinct from ?",
            [State.UNKNOWN, session.run.run_id],
        )
    )
    told.noted[Noted.UNKNOWN] = old
    told.noted[Noted.NO_RECEIPT] = int(
        db.value(
            "select count(*) from synced.notices where state = ? and accepted_at < ?",
            [State.ACCEPTED, now - NO_RECEIPT],
        )
    )
    for word, found in db.rows("select word, count(*) from synced.notice_notes group by 1"):
        told.noted[word] = found
    for word, found in db.rows("select reason, count(*) from staged.unusable where kind = ? group by 1", [STORED]):
        told.noted[word] = found
    ahead = int(db.value("select count(*) from staged.journey_events where noted = ?", [Noted.CLOCK_AHEAD]))
    told.noted[Noted.CLOCK_AHEAD] = ahead


def next_due_at(session: NoticesSession, db: Db) -> datetime:
    """Return when the route is due by time alone (UTC without zone): a wait that ends, a refresh, a retry.

    What has ended while the run was under way counts: the run has not looked at it any more.
    """
    run, begun = session.run, session.begun
    now = run.now()
    every = run.merchant.section(EshopboxSettings).refresh.orders if run.merchant.has(EshopboxSettings) else EVERY
    waits = db.value("select min(until) from planned.notices where verdict = 'waiting' and until > ?", [begun])
    again = db.value("select min(retry_at) from synced.notices where retry_at > ?", [begun])
    acts = db.value("select 1 from synced.actions where state = ? limit 1", [ActionState.WAITING])
    answers = answers_due.next_due(db, now, pushes=session.settings.activity.push_url is not None)
    ends: list[datetime] = [max(one, now + BETWEEN) for one in (waits, again) if one is not None]
    looked_at = [max(one, now + SOON) for one in (answers, now if acts else None) if one is not None]
    return min([now + every, *ends, *looked_at])
