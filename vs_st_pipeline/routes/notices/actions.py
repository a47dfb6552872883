"""Takes the action that a reply asks for, at most once per message (notices.md 8.4).

planned.actions                                  then killed: judged again
row `sending`, the reply's outcome, activity     then killed: no line of evidence, so it has not left: judged again
a line of evidence, with fsync                   then killed: `unknown`
the call, its answer judged by `eshopbox.acting` then killed: `unknown`
the row, activity, the reply, in one go

What is unknown is never called again by itself: for 24 h it is settled by what a read of the order shows, then it is a
person's. What certainly was not taken (a 429, no connection) waits with its reply, whose gates are judged again.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox import acting
from vs_st_pipeline.connectors.eshopbox.acting import Outcome, Resolution, Taken
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import BadAnswer, GiveUp, PipelineError
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import (
    action_evidence,
    activity,
    order_now,
    replies,
    reply_rules,
    resolved_elsewhere,
)
from vs_st_pipeline.routes.notices.action_evidence import Action
from vs_st_pipeline.routes.notices.order_now import JUST_NOW, OrderNow
from vs_st_pipeline.routes.notices.replies import Due, Reader
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome, What

SETTLED_FOR: Final = timedelta(hours=24)  # how long reads settle an unknown one; then a person does
READ_EVERY: Final = timedelta(minutes=5)  # at most, while one is unknown
MOST_ROUNDS: Final = 20  # replies of one message, one behind the other, in one run

STATES: Final[Mapping[Outcome, ActionState]] = {
    Outcome.DONE: ActionState.DONE,
    Outcome.REFUSED: ActionState.REFUSED,
    Outcome.NOT_TAKEN: ActionState.WAITING,
    Outcome.UNKNOWN: ActionState.UNKNOWN,
}
COUNTED: Final[Mapping[ActionState, str]] = {
    ActionState.DONE: "actions_done",
    ActionState.REFUSED: "actions_refused",
    ActionState.UNKNOWN: "actions_unknown",
}
NO_TRACKING, NO_PHONE, DATE_PASSED = "no_tracking_id", "no_phone", "date_passed"


def perform(session: NoticesSession) -> None:
    """Take the actions that are due, oldest reply first; settle unknown ones by what was read."""
    if not session.writes:
        return
    action_evidence.recover(session.run)
    with session.urgent(Urgency.WRITE):
        settle(session)
        _act(session)
    resolved_elsewhere.look(session)


def _act(session: NoticesSession) -> None:
    tried: set[str] = set()
    stops = False
    for number in range(MOST_ROUNDS):
        due = replies.judge_all(session, tried) if number else _planned(session)
        if number:
            session.told.actions += len(due)
        for one in due:
            tried.add(one.reply.message_id)
            if not stops and not session.run.stop():
                stops = _take(session, one)
        if not due or stops or session.run.stop():
            break


def _planned(session: NoticesSession) -> list[Due]:
    """Judge the planned ones as of now; their orders were read for that a moment ago."""
    with session.run.open() as db:
        ids = {str(row[0]) for row in db.rows("select message_id from planned.actions where state = 'due'")}
        pending = [one for one in replies.pending(db) if one.message_id in ids]
    rules, reader = reply_rules.load(session.run.merchant), Reader(session, within=JUST_NOW)
    found = []
    for reply in pending:
        judged = replies.judge_one(session, reply, rules, reader)
        if isinstance(judged, Due):
            found.append(judged)
        elif isinstance(judged, ReplyOutcome):
            with session.run.open() as db, db.transaction():
                replies.settle(session, db, reply, judged)
    return found


def _take(session: NoticesSession, due: Due) -> bool:
    """Take one action; say whether no other one should be tried in this run."""
    client = session.eshopbox  # what it may raise, it raises before anything is stored
    with session.run.open() as db, db.transaction():
        action = _begin(session, db, due)
    if (refusal := _refusal(session, due)) is not None:
        _end(session, action, ActionState.REFUSED, message=refusal)
        return False
    action_evidence.append(session.run, action)
    taken = acting.resolve(client, _resolution(due))
    state = STATES[taken.outcome]
    action_evidence.append_end(session.run, action.action_id, state)
    _end(session, action, state, taken=taken)
    if isinstance(taken.error, GiveUp) and not isinstance(taken.error, BadAnswer):
        session.trouble = session.trouble or taken.error
    return state is ActionState.WAITING  # the next one would not be taken either


def _begin(session: NoticesSession, db: Db, due: Due) -> Action:
    """Store that a call is about to leave, and what it is about."""
    run, said, asked = session.run, due.said, due.asked
    known = db.row(
        "select action_id, attempt from synced.actions where action_id = ? and state = 'waiting'", [due.reply.action_id]
    )
    attempt = (
        known[1]
        if known is not None
        else 1 + int(db.value("select coalesce(max(attempt), 0) from synced.actions where notice_id = ?",
                              [said.notice_id]))
    )  # fmt: skip
    action = Action(
        action_id_of(run.merchant.id, said.notice_id, attempt), said.notice_id, attempt, due.reply.account,
        due.reply.message_id, str(said.merchant_order), asked.action.key, asked.action.code, asked.deferred, run.now(),
    )  # fmt: skip
    if known is None:
        db.execute(
            """insert into synced.actions (action_id, notice_id, attempt, account, reply_id, merchant_order, action,
                   code, deferred_date, state, "at", sent_at, run_id, before)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'sending', ?, ?, ?, ?)""",
            [
                *(action.action_id, action.notice_id, attempt, action.account, action.reply_id, action.merchant_order),
                *(action.action, action.code, action.deferred_date, run.now(), run.now(), run.run_id),
                json.dumps(due.now.before()),
            ],
        )
    else:
        db.execute(
            """update synced.actions set state = 'sending', action = ?, code = ?, deferred_date = ?, sent_at = ?,
                   run_id = ?, before = ? where action_id = ?""",
            [
                *(action.action, action.code, action.deferred_date, run.now(), run.run_id),
                *(json.dumps(due.now.before()), action.action_id),
            ],
        )
    db.execute(
        "update staged.replies set outcome = 'action', action_id = ? where account = ? and message_id = ?",
        [action.action_id, action.account, action.reply_id],
    )
    _tell(session, db, What.ACTION, action, key=f"action {action.action_id}")
    return action


def action_id_of(merchant: str, notice_id: str, attempt: int) -> str:
    """Return the id of an action: of its message, and which attempt it is."""
    told = hashlib.sha256(f"v1|{merchant}|{notice_id}|{attempt}".encode()).digest()
    return "c_" + base64.b32encode(told).decode("ascii").lower()[:26]


def _refusal(session: NoticesSession, due: Due) -> str | None:
    """Return why a call cannot be made at all."""
    if not order_now.is_readable(due.now.source) or not due.now.tracking_id:
        return NO_TRACKING
    if not due.now.phone:
        return NO_PHONE
    if due.asked.deferred is not None and due.asked.deferred < replies.day_of(session, session.run.now()):
        return DATE_PASSED  # it has waited longer than the customer's day
    return None


def _resolution(due: Due) -> Resolution:
    return Resolution(
        due.now.number,
        due.asked.action.code,
        str(due.now.tracking_id),
        str(due.now.phone),
        f"WhatsApp {due.said.notice_id}",
        due.asked.deferred,
    )


def _end(
    session: NoticesSession,
    action: Action,
    state: ActionState,
    *,
    taken: Taken | None = None,
    message: str | None = None,
) -> None:
    run = session.run
    is_over = state in (ActionState.DONE, ActionState.REFUSED)
    told = message if message is not None else _why(taken)
    with run.open() as db, db.transaction():
        db.execute(
            """update synced.actions set state = ?, http_status = ?, message = ?, settled_at = ?, settled_by = ?,
                   run_id = ? where action_id = ?""",
            [
                *(str(state), None if taken is None else taken.http_status, told, run.now() if is_over else None),
                *(("answer" if taken is not None else "us") if is_over else None, run.run_id, action.action_id),
            ],
        )
        if state is ActionState.WAITING:
            db.execute(
                "update staged.replies set outcome = 'waiting' where account = ? and message_id = ?",
                [action.account, action.reply_id],
            )
        else:
            key = f"action {action.action_id} {state}"
            _tell(session, db, What.ACTION_RESULT, action, key=key, state=state, reason=told)
    _count(session, state)


def _why(taken: Taken | None) -> str | None:
    """Return a safe word of why it stands so: Eshopbox's code, else the kind of error. Its text may hold a phone."""
    if taken is None:
        return None
    return taken.code or (taken.error.kind if taken.error is not None else None)


def _count(session: NoticesSession, state: ActionState) -> None:
    if (name := COUNTED.get(state)) is not None:
        session.told.counts[name] += 1


def _tell(
    session: NoticesSession,
    db: Db,
    what: What,
    action: Action,
    *,
    key: str,
    state: ActionState | None = None,
    reason: str | None = None,
) -> None:
    account = next((one for one in session.gupshup.accounts if one.id == action.account), None)
    kind = db.value(
        "select kind from staged.replies where account = ? and message_id = ?", [action.account, action.reply_id]
    )
    activity.add(
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


# --- settling ---------------------------------------------------------------------------------------------------------


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
            _tell(session, db, What.ACTION_RESULT, one.action, key=key, state=ActionState.DONE, reason=how)
        _count(session, ActionState.DONE)


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
