"""Keeps a plan, and shows it row by row: each message as it would read, every other one with its reason (notices.md 9).

Data flow: verdicts -> planned.notices; planned.notices, planned.actions -> rows for `vs-st plan`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.gathering import Candidate
from vs_st_pipeline.routes.notices.rendering import Rendered
from vs_st_pipeline.routes.notices.rules import Verdict
from vs_st_pipeline.routes.notices.session import NoticesSession

DUE, WAITING, DROPPED = "due", "waiting", "dropped"
FIRST: Final = "failed_delivery"
"""The status that goes first: the courier comes again the next day (5, end)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A notice, and why it does not go; None: it is due."""

    one: Candidate
    verdict: Verdict | None


def write(db: Db, judged: Sequence[Judged]) -> None:
    """Replace planned.notices by what was judged."""
    rows = [_row(one) for one in judged]
    rows.sort(key=_order_of_sending)
    db.execute("delete from planned.notices")
    if not rows:
        return
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["seq"] = list(range(1, len(rows) + 1))
    kinds = {"rule": "int", "occurrence": "int", "seq": "int"}
    casts = {"until": "cast(until as timestamp)", "occurred_at": "cast(occurred_at as timestamp)"}
    names = ", ".join(f'"{name}"' for name in columns)
    with db.batch(columns, kinds) as batch:
        read = ", ".join(casts.get(name, f'"{name}"') for name in columns)
        db.execute(f"insert into planned.notices ({names}) select {read} from {batch}")


def _order_of_sending(row: Mapping[str, Any]) -> tuple[bool, bool, str, str]:
    return row["verdict"] != DUE, row["status"] != FIRST, row["occurred_at"] or "", row["notice_id"]


def _row(judged: Judged) -> dict[str, Any]:
    one, verdict = judged.one, judged.verdict
    it, account = one.facts, one.facts.account.account
    shown = verdict is None or (not verdict.drops and verdict.rule > 12)  # the message as it would read
    rendered = it.rendered if shown else None
    proof = it.proof if shown else None
    return {
        "notice_id": one.notice_id,
        "verdict": DUE if verdict is None else DROPPED if verdict.drops else WAITING,
        "reason": None if verdict is None else verdict.reason,
        "rule": None if verdict is None else verdict.rule,
        "until": None if verdict is None or verdict.until is None else verdict.until.isoformat(),
        "detail": None if verdict is None else verdict.detail or None,
        "unit_key": it.event.unit_key,
        "status": it.status,
        "occurrence": it.event.occurrence,
        "merchant_order": one.merchant_order,
        "order_number": one.order_number or "",
        "account": account.id if account is not None else None,
        "template_id": it.wanted.id if shown and it.wanted is not None else None,
        "phone": it.recipient.phone,
        "params": _json([param.value for param in rendered.params]) if isinstance(rendered, Rendered) else None,
        "text": rendered.text if isinstance(rendered, Rendered) else None,
        "buttons": _json([{"action": one.action, "title": one.title} for one in rendered.buttons])
        if isinstance(rendered, Rendered)
        else None,
        "consent": _json(proof.as_json(it.recipient.phone or "", account.id if account else "")) if proof else None,
        "occurred_at": None if it.event.occurred_at is None else it.event.occurred_at.isoformat(),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


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
