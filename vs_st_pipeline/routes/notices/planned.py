"""Shows a plan row by row: each message as it would read, every other one with its reason (notices.md 9).

Data flow: planned.notices, planned.actions -> rows; nothing moves.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.session import NoticesSession


def rows(session: NoticesSession) -> dict[str, Any]:
    """Return `messages`, `actions`, `waiting`, `dropped` of the plan that this run has made.

    The data stands in full, as it would be sent, for a person who asked for it.
    """
    with session.run.open() as db:
        return {
            "messages": _messages(db),
            "actions": _actions(db),
            "waiting": _others(db, "waiting"),
            "dropped": _others(db, "dropped"),
        }


def _messages(db: Db) -> list[dict[str, Any]]:
    return [
        {
            "notice_id": row[0],
            "order": row[1],
            "status": row[2],
            "occurrence": row[3],
            "phone": row[4],
            "account": row[5],
            "template_id": row[6],
            "params": json.loads(row[7] or "[]"),
            "text": row[8],
            "consent": json.loads(row[9]) if row[9] else None,
            "occurred_at": _time(row[10]),
        }
        for row in db.rows(
            """select notice_id, order_number, status, occurrence, phone, account, template_id, params, text, consent,
                   occurred_at
               from planned.notices where verdict = 'due' order by seq"""
        )
    ]


def _others(db: Db, verdict: str) -> list[dict[str, Any]]:
    """Return what waits or was dropped; a status that is disabled is not counted (5.2)."""
    return [
        {
            "notice_id": row[0],
            "order": row[1],
            "status": row[2],
            "occurrence": row[3],
            "reason": row[4],
            "rule": row[5],
            "until": _time(row[6]),
            "detail": row[7],
        }
        for row in db.rows(
            """select notice_id, order_number, status, occurrence, reason, rule, until, detail from planned.notices
               where verdict = ? and reason <> 'not_enabled' order by seq""",
            [verdict],
        )
    ]


def _actions(db: Db) -> list[dict[str, Any]]:
    return [
        {
            "account": row[0],
            "message_id": row[1],
            "notice_id": row[2],
            "action": row[3],
            "code": row[4],
            "state": row[5],
            "reason": row[6],
        }
        for row in db.rows(
            """select account, message_id, notice_id, action, code, state, reason from planned.actions
               order by account, message_id"""
        )
    ]


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat() + "Z"
