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
from collections.abc import Iterator, Mapping
from typing import Final

from vs_st_pipeline.connectors.eshopbox import acting
from vs_st_pipeline.connectors.eshopbox.acting import Outcome, Resolution, Taken
from vs_st_pipeline.domain.errors import BadAnswer, GiveUp
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import (
    action_evidence,
    action_settling,
    action_told,
    activity,
    order_now,
    replies,
    replies_known,
    reply_rules,
    resolved_elsewhere,
)
from vs_st_pipeline.routes.notices.account import taking
from vs_st_pipeline.routes.notices.action_evidence import Action
from vs_st_pipeline.routes.notices.gates import TAKEN
from vs_st_pipeline.routes.notices.order_now import JUST_NOW
from vs_st_pipeline.routes.notices.replies import Due, Reader
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome, What

MOST_ROUNDS: Final = 20  # replies of one message, one behind the other, in one run

STATES: Final[Mapping[Outcome, ActionState]] = {
    Outcome.DONE: ActionState.DONE,
    Outcome.REFUSED: ActionState.REFUSED,
    Outcome.NOT_TAKEN: ActionState.WAITING,
    Outcome.UNKNOWN: ActionState.UNKNOWN,
}
NO_TRACKING, NO_PHONE, DATE_PASSED = "no_tracking_id", "no_phone", "date_passed"


def perform(session: NoticesSession) -> None:
    """Take the actions that are due, oldest reply first; settle unknown ones by what was read."""
    if not session.writes:
        return
    action_evidence.recover(session.run)
    with session.urgent(Urgency.WRITE):
        action_settling.settle(session)
        _tell_left(session)
        _act(session)
    resolved_elsewhere.look(session)


def _tell_left(session: NoticesSession) -> None:
    """Tell, and count once, what became of calls whose runs were killed before they could say it.

    Of what was done or refused only if this database has made the call: a lost one hears of it anew.
    """
    run = session.run
    with run.open() as db, db.transaction():
        for *columns, state in db.rows(
            """select action_id, notice_id, attempt, account, reply_id, merchant_order, action, code, deferred_date,
                      sent_at, state from synced.actions
               where state = 'unknown' or (state in ('done', 'refused') and settled_by = 'evidence')
               order by sent_at, action_id"""
        ):
            action, key = Action(*columns), f"action {columns[0]}"
            if state != ActionState.UNKNOWN and not activity.is_there(db, activity.id_of(run, key)):
                continue
            became = ActionState(state)
            if action_told.tell(session, db, What.ACTION_RESULT, action, key=f"{key} {became}", state=became):
                action_told.count(session, became)


def _act(session: NoticesSession) -> None:
    tried: set[str] = set()
    for number in range(MOST_ROUNDS):
        if number:
            session.told.actions += len(replies.judge_all(session, tried))
        before = len(tried)
        for due in _planned(session):
            tried.add(due.reply.message_id)
            if _take(session, due) or session.run.stop():
                return
        if len(tried) == before:
            return


def _planned(session: NoticesSession) -> Iterator[Due]:
    """Yield the planned ones that are due as of now, each judged right before its call, by a read of this minute."""
    with session.run.open() as db:
        ids = {str(row[0]) for row in db.rows("select message_id from planned.actions where state = 'due'")}
        pending = [one for one in replies_known.pending(db) if one.message_id in ids]
    rules = reply_rules.load(session.run.merchant)
    for reply in pending:
        judged = replies.judge_one(session, reply, rules, Reader(session, within=JUST_NOW))
        if isinstance(judged, Due):
            yield judged
        elif isinstance(judged, ReplyOutcome):
            with session.run.open() as db, db.transaction():
                replies.settle(session, db, reply, judged)


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
    action_told.tell(session, db, What.ACTION, action, key=f"action {action.action_id}")
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
    if due.asked.deferred is not None and due.asked.deferred < replies_known.day_of(session, session.run.now()):
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
            action_told.tell(session, db, What.ACTION_RESULT, action, key=key, state=state, reason=told)
    if state in TAKEN:
        _note_answered(session, action)
    action_told.count(session, state)


def _note_answered(session: NoticesSession, action: Action) -> None:
    """Tell the account that a message waits for no answer any more: a text without context is another's (8.1)."""
    account = next((one for one in session.gupshup.accounts if one.id == action.account), None)
    if account is not None:
        taking.note_outcome(session.store(account), action.reply_id, ReplyOutcome.ACTION, action.action_id)


def _why(taken: Taken | None) -> str | None:
    """Return a safe word of why it stands so: Eshopbox's code, else the kind of error. Its text may hold a phone."""
    if taken is None:
        return None
    return taken.code or (taken.error.kind if taken.error is not None else None)
