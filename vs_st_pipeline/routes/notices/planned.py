"""Keeps a plan, and shows it row by row: each message as it would read, every other one with its reason (notices.md 9).

Data flow: verdicts -> planned.notices; planned.notices, planned.actions -> rows for `vs-st plan`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.kept_records import as_json
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.gathering import Candidate
from vs_st_pipeline.routes.notices.rendering import Rendered
from vs_st_pipeline.routes.notices.rules import UNSAFE_RULE, Verdict, is_held
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import Wait

DUE, WAITING, DROPPED = "due", "waiting", "dropped"
FIRST: Final = "failed_delivery"
"""The status that goes first: the courier comes again the next day (5, end)."""
SHOWN_FROM: Final = 13  # the rules before it find fault with the message itself


_KINDS: Final = {"rule": "int", "occurrence": "int", "until": "time", "occurred_at": "time"}
_COLUMNS: Final = (
    "notice_id", "verdict", "reason", "rule", "until", "detail", "unit_key", "status", "occurrence", "merchant_order",
    "order_number", "account", "template_id", "phone", "params", "text", "buttons", "consent", "occurred_at",
)  # fmt: skip


class Plan:
    """What a run has judged so far: of a hundred thousand, nothing but the values of `_COLUMNS` is held."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    def add(self, one: Candidate, verdict: Verdict | None) -> None:
        """Add a notice and why it does not go; None: it is due."""
        self._rows.append(_row(one, verdict))

    def hold(self, notice_ids: Collection[str]) -> None:
        """Let those wait that the brake holds, unless an earlier rule applies."""
        if not notice_ids:
            return
        for place, (notice_id, _verdict, reason, rule, _until, *rest) in enumerate(self._rows):
            if notice_id in notice_ids and is_held(reason, rule):
                self._rows[place] = (notice_id, WAITING, str(Wait.UNSAFE), UNSAFE_RULE, None, *rest)

    @property
    def due(self) -> int:
        """Return how many are due."""
        return sum(row[1] == DUE for row in self._rows)

    def orders_with(self, reason: str) -> set[str]:
        """Return the orders of notices that wait, or are dropped, for a reason."""
        order = _COLUMNS.index("merchant_order")
        return {row[order] for row in self._rows if row[2] == reason}

    def write(self, db: Db) -> None:
        """Replace planned.notices by this, in the order of sending: failed deliveries, then the oldest (5, end)."""
        db.execute("delete from planned.notices")
        if not self._rows:
            return
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        columns = dict(zip(_COLUMNS, zip(*self._rows, strict=True), strict=True))
        with db.batch(columns, _KINDS) as batch:
            db.execute(
                f"""insert into planned.notices ({names}, seq)
                    select {names}, row_number() over (
                        order by verdict <> '{DUE}', status <> '{FIRST}', occurred_at, notice_id)
                    from {batch}"""
            )


def _row(one: Candidate, verdict: Verdict | None) -> tuple[Any, ...]:
    """Return the values of `_COLUMNS`; how the message reads only where nothing is wrong with it (5.13-5.16)."""
    it, account = one.facts, one.facts.account.account
    template_id = params = text = buttons = proof = None
    if verdict is None or (not verdict.drops and verdict.rule >= SHOWN_FROM):
        template_id = it.wanted.id if it.wanted is not None else None
        if isinstance(it.rendered, Rendered):
            params = as_json([param.value for param in it.rendered.params])
            text = it.rendered.text
            buttons = as_json([{"action": one.action, "title": one.title} for one in it.rendered.buttons])
        if it.proof is not None and account is not None:
            proof = as_json(it.proof.as_json(it.recipient.phone or "", account.id))
    why: tuple[Any, ...] = (DUE, None, None, None, None)
    if verdict is not None:
        kind = DROPPED if verdict.drops else WAITING
        why = (kind, verdict.reason, verdict.rule, verdict.until, verdict.detail or None)
    return (
        one.notice_id, *why, it.event.unit_key, it.status, it.event.occurrence, one.merchant_order,
        one.order_number or "", account.id if account is not None else None, template_id, it.recipient.phone, params,
        text, buttons, proof, it.event.occurred_at,
    )  # fmt: skip


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
            "order": row[3],
            "action": row[4],
            "code": row[5],
            "state": row[6],
            "reason": row[7],
        }
        for row in db.rows(
            """select a.account, a.message_id, a.notice_id, n.order_number, a.action, a.code, a.state, a.reason
               from planned.actions as a left join synced.notices as n using (notice_id)
               order by a.account, a.message_id"""
        )
    ]


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat() + "Z"
