"""Settles actions whose outcome is unknown by what the order shows, and never calls again (notices.md 8.4).

Data flow: synced.actions `unknown`, the order read again -> done, with what showed it. After 24 h a person settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.routes.notices import action_evidence, action_told, order_now
from vs_st_pipeline.routes.notices.action_evidence import Action
from vs_st_pipeline.routes.notices.order_now import OrderNow
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import ActionState, What

SETTLED_FOR: Final = timedelta(hours=24)  # how long reads settle an unknown one; then a person does
READ_EVERY: Final = timedelta(minutes=5)  # at most, while one is unknown


@dataclass(frozen=True, slots=True)
class Open:
    """An action whose outcome is unknown."""

    action: Action
    before: Mapping[str, Any]
    unit_key: str


def settle(session: NoticesSession) -> None:
    """Settle unknown actions by what the order shows, for 24 h after the call."""
    now = session.run.now()
    with session.run.open() as db:
        rows = db.rows(
            """select a.action_id, a.notice_id, a.attempt, a.account, a.reply_id, a.merchant_order, a.action, a.code,
                      a.deferred_date, a.sent_at, a.before, n.unit_key
               from synced.actions as a join synced.notices as n using (notice_id)
               where a.state = 'unknown' and a.sent_at > ? and n.unit_key is not null order by a.sent_at""",
            [now - SETTLED_FOR],
        )
    for row in rows:
        one = Open(Action(*row[:10]), try_object(row[10]) or {}, str(row[11]))
        found = _look(session, one)
        if found is None:
            continue
        how = settled_by(one, found)
        if how is None:
            continue
        action_evidence.append_end(session.run, one.action.action_id, ActionState.DONE)
        with session.run.open() as db, db.transaction():
            db.execute(
                """update synced.actions set state = 'done', settled_at = ?, settled_by = ?
                   where action_id = ? and state = 'unknown'""",
                [now, how, one.action.action_id],
            )
            key = f"action {one.action.action_id} done"
            action_told.tell(session, db, What.ACTION_RESULT, one.action, key=key, state=ActionState.DONE, reason=how)
        action_told.count(session, ActionState.DONE)


def _look(session: NoticesSession, one: Open) -> OrderNow | None:
    """Return how the order stands by a read after the call; None: there is none, or it shows nothing yet."""
    run = session.run
    with run.open() as db:
        found = order_now.of(session, db, one.action.merchant_order, one.unit_key)
    read_at = None if found is None else found.read_at
    if (
        found is not None
        and read_at is not None
        and read_at > one.action.sent_at
        and (settled_by(one, found) is not None or run.now() - read_at < READ_EVERY)
    ):
        return found
    try:
        return order_now.look(session, one.action.merchant_order, one.unit_key)
    except PipelineError:
        if run.stop():
            raise
        return None


SUBMITTED, HANDED_IN, LEFT = "resolution_shown", "ndr_resolution_submitted", "failed_delivery_left"


def settled_by(one: Open, now: OrderNow) -> str | None:
    """Return what shows that a call was taken; None: nothing does. What stood there before the call shows nothing."""
    before = one.before
    at = None if now.submitted_at is None else now.submitted_at.isoformat()
    if now.submitted == one.action.code and (before.get("submitted"), before.get("submitted_at")) != (
        now.submitted,
        at,
    ):
        return SUBMITTED
    handed_in = None if now.answered_at is None else now.answered_at.isoformat()
    if now.submitted is None and handed_in is not None and handed_in != before.get("answered_at"):
        return HANDED_IN
    return None if now.is_failing else LEFT
