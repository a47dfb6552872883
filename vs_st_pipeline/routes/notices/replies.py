"""Says what a customer's reply means: whose it is, which action, and whether it may be taken (notices.md 8.1-8.3).

Data flow: staged.replies without an outcome -> the message they answer -> `meaning` -> `gates`, the order read now
-> planned.actions, or an outcome that is no action, with the activity that tells of it.

The account has said before whose reply it is, and heard STOP and START. Replies go by the vendor's time, then by id.
One that stands behind another of the same message waits until that one's action is settled: what it may still do
depends on it. Nothing here calls what changes something.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadAnswer, GiveUp, PipelineError
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import action_evidence, activity, gates, meaning, order_now, reply_rules, terms
from vs_st_pipeline.routes.notices import replies_known as known
from vs_st_pipeline.routes.notices.gates import Situation
from vs_st_pipeline.routes.notices.meaning import Reply, Said
from vs_st_pipeline.routes.notices.order_now import OrderNow
from vs_st_pipeline.routes.notices.reply_rules import Asked, ReplyRules
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import ReplyOutcome, What

DUE, WAITING = "due", "waiting"
UNEXPECTED: Final = frozenset(
    {
        *(ReplyOutcome.NOT_UNDERSTOOD, ReplyOutcome.MEDIA, ReplyOutcome.UNSOLICITED, ReplyOutcome.NOT_FAILED_NOW),
        *(ReplyOutcome.ALREADY_ANSWERED, ReplyOutcome.NOT_OFFERED, ReplyOutcome.TOO_LATE, ReplyOutcome.AMBIGUOUS),
        ReplyOutcome.OTHER_PHONE,
    }
)
"""Outcomes of 8.5: no action is taken, and what is answered is by the account's rule."""
_OF_ACCOUNT: Final = (ReplyOutcome.UNSOLICITED, ReplyOutcome.AMBIGUOUS, ReplyOutcome.OTHER_PHONE)
LOOKED_BACK: Final = timedelta(days=8)  # a reply comes at the latest when its callback is given up
_NO_MESSAGE: Final = timedelta(hours=1)  # how long a reply waits for the ledger to know its message


@dataclass(frozen=True, slots=True)
class Due:
    """A reply whose action may be taken.

    Attributes:
        said: the message that it counts for: the unit's newest of a failed delivery (8.1).
        now: how the order stood when that was judged.
    """

    reply: Reply
    said: Said
    asked: Asked
    now: OrderNow


@dataclass(frozen=True, slots=True)
class Waits:
    """A reply that is judged again in the next sync. `reason`: `read_failed`, or `behind` another one."""

    reason: str
    said: Said | None = None
    asked: Asked | None = None


Judged = Due | Waits | ReplyOutcome
READ_FAILED, BEHIND, NO_MESSAGE = "read_failed", "behind", "no_message"


def judge(session: NoticesSession) -> None:
    """Judge the replies that are not judged yet: into planned.actions, or with an outcome that is no action."""
    action_evidence.recover(session.run)
    session.told.actions += len(judge_all(session))


def judge_all(session: NoticesSession, but: Collection[str] = ()) -> list[Due]:
    """Judge them, and return what is due, in the order in which it is to be done.

    Args:
        but: message ids of replies that wait whatever comes, because they were tried in this run.
    """
    run = session.run
    rules = reply_rules.load(run.merchant)
    with run.open() as db:
        with db.transaction():
            _tell_of_account(session, db)
            db.execute("delete from planned.actions")
            known.find_acted(db)
        replies = known.pending(db)
    reader = Reader(session)
    due: list[Due] = []
    ahead: set[str] = set()  # messages on which an earlier reply may still act
    for reply in replies:
        if reply.message_id in but:
            judged: Judged = Waits(BEHIND)
        else:
            judged = judge_one(session, reply, rules, reader, ahead)
        with run.open() as db, db.transaction():
            _keep(session, db, reply, judged)
        if isinstance(judged, Due):
            due.append(judged)
        if isinstance(judged, Due | Waits) and judged.said is not None:
            ahead.add(judged.said.notice_id)
    return due


class Reader:
    """Reads each order once for all its replies; an order that could not be read stays so."""

    def __init__(self, session: NoticesSession, *, within: float = 0.0) -> None:
        self._session, self._within = session, within
        self._read: dict[str, bool] = {}

    def now(self, merchant_order: str, unit_key: str) -> OrderNow | None:
        """Return how a unit stands now; None: the order could not be read."""
        if merchant_order not in self._read:
            try:
                found = order_now.look(self._session, merchant_order, unit_key, within=self._within)
            except PipelineError as error:
                if self._session.run.stop():
                    raise
                if isinstance(error, GiveUp) and not isinstance(error, BadAnswer):  # no later order would be read
                    self._session.trouble = self._session.trouble or error
                found = None
            self._read[merchant_order] = found is not None
            return found
        if not self._read[merchant_order]:
            return None
        with self._session.run.open() as db:
            return order_now.of(self._session, db, merchant_order, unit_key)


def judge_one(
    session: NoticesSession, reply: Reply, rules: ReplyRules, reader: Reader, ahead: Collection[str] = ()
) -> Judged:
    """Judge one reply as of now; it reads its order where the gates need it, and stores nothing.

    Args:
        ahead: messages on which an earlier reply may still act.
    """
    run = session.run
    with run.open() as db:
        said = known.said_of(db, reply.notice_id)
        target = None if said is None else known.newest_of(db, said)
        begun_at = terms.begun_at(db)
        taken = set() if target is None else known.taken_on(db, target.notice_id, reply.message_id)
    is_new = said is not None and begun_at is not None and said.at > begun_at  # whatever clock the reply was stamped by
    if begun_at is not None and reply.at <= begun_at and not is_new:
        return ReplyOutcome.BEFORE_BASELINE  # a backup was put back: it may have been acted on since then
    if said is None or target is None:
        if run.now() - reply.at < _NO_MESSAGE:
            return Waits(NO_MESSAGE)
        return ReplyOutcome.UNSOLICITED
    if not known.is_to(session, said, reply.phone) or not known.is_to(session, target, reply.phone):
        return ReplyOutcome.OTHER_PHONE
    asked = meaning.of(reply, said, rules, known.day_of(session, reply.at))
    if isinstance(asked, ReplyOutcome):
        return asked
    if target.notice_id in ahead:
        return Waits(BEHIND, target, asked)
    situation = Situation(reply.at, target.at, asked.action.code, taken)
    if (outcome := gates.closed(situation)) is not None:
        return outcome
    # It has waited as long as it may; or a lost database hears of it anew, and its parcel may fail again by now.
    if run.now() - reply.at > gates.WINDOW or (
        reply.outcome == ReplyOutcome.WAITING and run.now() - target.at > gates.WINDOW
    ):
        return ReplyOutcome.TOO_LATE
    if target.merchant_order is None or target.unit_key is None:
        return ReplyOutcome.NOT_FAILED_NOW  # nothing that could be read, or acted on
    now = reader.now(target.merchant_order, target.unit_key)
    if now is None:
        return Waits(READ_FAILED, target, asked)
    if (outcome := gates.closed(replace(situation, now=now))) is not None:
        return outcome
    return Due(reply, target, asked, now)


# --- what is stored ---------------------------------------------------------------------------------------------------


def _keep(session: NoticesSession, db: Db, reply: Reply, judged: Judged) -> None:
    if isinstance(judged, ReplyOutcome):
        settle(session, db, reply, judged)
        return
    if isinstance(judged, Waits):
        _tell(session, db, reply, judged.asked, None)
        if reply.outcome != ReplyOutcome.WAITING:
            _set_outcome(db, reply, ReplyOutcome.WAITING, reply.action_id)
        if judged.said is not None and judged.asked is not None:
            _plan(db, reply, judged.said, judged.asked, WAITING, judged.reason)
        return
    _tell(session, db, reply, judged.asked, None)
    _plan(db, reply, judged.said, judged.asked, DUE, None)


def settle(session: NoticesSession, db: Db, reply: Reply, outcome: ReplyOutcome) -> None:
    """Store an outcome that is no action, with what tells of it, in the caller's transaction.

    A call that certainly was not taken, and now may not be made again, ends with it.
    """
    _set_outcome(db, reply, outcome, reply.action_id)
    if reply.action_id is not None:
        db.execute(
            """update synced.actions set state = 'dropped', message = ?, settled_at = ?, settled_by = 'gate'
               where action_id = ? and state = 'waiting'""",
            [str(outcome), session.run.now(), reply.action_id],
        )
    _tell(session, db, reply, None, outcome)
    if outcome in UNEXPECTED:
        tell_unexpected(session, db, reply, outcome)


def _set_outcome(db: Db, reply: Reply, outcome: ReplyOutcome, action_id: str | None) -> None:
    db.execute(
        "update staged.replies set outcome = ?, action_id = ? where account = ? and message_id = ?",
        [str(outcome), action_id, reply.account, reply.message_id],
    )


def _plan(db: Db, reply: Reply, said: Said, asked: Asked, state: str, reason: str | None) -> None:
    db.execute(
        "insert into planned.actions values (?, ?, ?, ?, ?, ?, ?)",
        [reply.account, reply.message_id, said.notice_id, asked.action.key, asked.action.code, state, reason],
    )


def _tell(session: NoticesSession, db: Db, reply: Reply, asked: Asked | None, outcome: ReplyOutcome | None) -> None:
    """Tell that a reply came, once, with what it asks for where that is known (8.6)."""
    said = known.said_of(db, reply.notice_id)
    activity.add(
        db,
        session.run,
        What.REPLY,
        merchant_order=None if said is None else said.merchant_order,
        notice_id=reply.notice_id,
        message_id=reply.message_id,
        mode=activity.WHATSAPP,
        key=f"reply {reply.account} {reply.message_id}",
        detail={
            "kind": reply.kind,
            "action": None if asked is None else asked.action.key,
            "code": None if asked is None else asked.action.code,
            "outcome": None if outcome is None else str(outcome),
            "replied_at": reply.at,
        },
        **_number(session, reply.account),
    )


def tell_unexpected(session: NoticesSession, db: Db, reply: Reply, outcome: ReplyOutcome) -> None:
    """Tell, and count, that a reply leads to no action, once."""
    said = known.said_of(db, reply.notice_id)
    is_new = activity.add(
        db,
        session.run,
        What.UNEXPECTED,
        merchant_order=None if said is None else said.merchant_order,
        notice_id=reply.notice_id,
        message_id=reply.message_id,
        mode=activity.WHATSAPP,
        key=f"unexpected {reply.account} {reply.message_id}",
        detail={"kind": reply.kind, "outcome": str(outcome)},
        **_number(session, reply.account),
    )
    if is_new:
        session.told.counts["unexpected"] += 1


def _tell_of_account(session: NoticesSession, db: Db) -> None:
    """Tell of the replies whose outcome the account has said: nobody's, more than one order's, another phone's."""
    rows = db.rows(
        f"""select {known.REPLY} from staged.replies as r where outcome in (select unnest(?::varchar[])) and "at" > ?
            and not exists (select 1 from staged.activity as a where a.what = ? and a.message_id = r.message_id)
            order by "at", message_id""",
        [[str(one) for one in _OF_ACCOUNT], session.run.now() - LOOKED_BACK, str(What.UNEXPECTED)],
    )
    for row in rows:
        reply = Reply(*row)
        outcome = ReplyOutcome(str(reply.outcome))
        _tell(session, db, reply, None, outcome)
        tell_unexpected(session, db, reply, outcome)


def _number(session: NoticesSession, account_id: str) -> dict[str, Any]:
    found = next((one for one in session.gupshup.accounts if one.id == account_id), None)
    return {} if found is None else {"account_kind": found.kind, "number": found.number}
