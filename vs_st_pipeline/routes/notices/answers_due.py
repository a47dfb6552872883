"""Says when replies, actions and the telling of activity are due next by time alone (routes.md R16).

Data flow: staged.replies, synced.actions, activity_push -> a time, for `due.next_due_at`.
"""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.action_settling import READ_EVERY, SETTLED_FOR
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome


def next_due(db: Db, now: datetime, *, pushes: bool) -> datetime | None:
    """Return when something of them is due (UTC without zone); `now` where something waits; None: nothing is.

    Args:
        pushes: a `push_url` is set.
    """
    times = []
    if db.row("select 1 from staged.replies where outcome is null or outcome = ? limit 1", [ReplyOutcome.WAITING]):
        times.append(now)
    unknown = db.value(
        "select count(*) from synced.actions where state = ? and sent_at > ?", [ActionState.UNKNOWN, now - SETTLED_FOR]
    )
    if unknown:
        times.append(now + READ_EVERY)
    if pushes and (again := db.value("select min(retry_at) from synced.activity_push")) is not None:
        times.append(max(again, now))
    return min(times, default=None)
