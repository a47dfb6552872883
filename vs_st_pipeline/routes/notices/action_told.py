"""Tells of an action, and counts what became of it (notices.md 7.8, 8.6).

Data flow: a move of synced.actions, in its own transaction -> staged.activity, the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity
from vs_st_pipeline.routes.notices.action_evidence import Action
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import ActionState, What

COUNTED: Final[Mapping[ActionState, str]] = {
    ActionState.DONE: "actions_done",
    ActionState.REFUSED: "actions_refused",
    ActionState.UNKNOWN: "actions_unknown",
}


def count(session: NoticesSession, state: ActionState) -> None:
    """Count an action that is over, or whose outcome is not known."""
    if (name := COUNTED.get(state)) is not None:
        session.told.counts[name] += 1


def tell(
    session: NoticesSession,
    db: Db,
    what: What,
    action: Action,
    *,
    key: str,
    state: ActionState | None = None,
    reason: str | None = None,
) -> bool:
    """Add a row about an action, in the caller's transaction, once per key; returns whether it is new."""
    account = next((one for one in session.gupshup.accounts if one.id == action.account), None)
    kind = db.value(
        "select kind from staged.replies where account = ? and message_id = ?", [action.account, action.reply_id]
    )
    return activity.add(
        db,
        session.run,
        what,
        merchant_order=action.merchant_order,
        notice_id=action.notice_id,
        message_id=action.reply_id,
        account_kind=None if account is None else account.kind,
        number=None if account is None else account.number,
        mode=activity.WHATSAPP,
        key=key,
        detail={
            "kind": kind,
            "action": action.action,
            "code": action.code,
            "deferred_date": action.deferred_date,
            "attempt": action.attempt,
            "state": None if state is None else str(state),
            "reason": reason,
        },
    )
