"""Answers replies that lead to no action, by the account's rule (notices.md 8.5), and confirms actions (8.4).

Data flow: staged.replies, synced.actions of the last 24 h -> `answering` -> a message, claimed and sent as any other.

An answer that may not go for good is given up once, with a row of activity that says why; one that waits is looked at
again in each sync while its 24 h last. Who is no customer of the order for certain is told nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE, GupshupAccount, Said, TemplateSettings
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import (
    accounts_seen,
    activity,
    answering,
    consent,
    ledger,
    listing,
    rendering,
    sending,
    template_fit,
    terms,
)
from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline.routes.notices.answering import OF_SENDER_ALONE, WITHIN, Hold, Standing
from vs_st_pipeline.routes.notices.messages import Message, answer_id
from vs_st_pipeline.routes.notices.quiet_hours import quiet_until
from vs_st_pipeline.routes.notices.rendering import Missing
from vs_st_pipeline.routes.notices.replies import UNEXPECTED
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import Drop, MessageKind, ReplyOutcome, State, Wait, What

CONFIRMATION: Final = "confirmation:"  # of an action, in the id of what confirms it
_UNSENT: Final = frozenset({None, State.WAITING, State.SENDING})


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said about one reply.

    Attributes:
        why: kind of an unexpected reply, or key of the action that is confirmed.
        is_theirs: the sender is the order's customer for certain.
    """

    notice_id: str
    kind: MessageKind
    why: str
    account: GupshupAccount
    said: Said
    message_id: str
    phone: str
    replied_at: datetime
    merchant_order: str | None
    order_number: str | None
    unit_key: str | None
    is_theirs: bool


def answer(session: NoticesSession) -> None:
    """Send the answers and confirmations that are due."""
    if not session.writes:
        return
    with session.run.open() as db:
        found = [*_unexpected(session, db), *_done(session, db)]
    for one in sorted(found, key=lambda one: (one.replied_at, one.message_id)):
        if session.run.stop():
            return
        _say(session, one)
    _give_up_old(session)


def _unexpected(session: NoticesSession, db: Db) -> Iterator[Answer]:
    rows = db.rows(
        """select r.account, r.message_id, r.phone, r.outcome, r."at", n.merchant_order, n.order_number, n.unit_key
           from staged.replies as r left join synced.notices as n using (notice_id)
           where r."at" >= ? and r.phone is not null and r.outcome in (select unnest(?::varchar[]))""",
        [_since(session, db), sorted(str(one) for one in UNEXPECTED)],
    )
    for account_id, message_id, phone, outcome, at, order, number, unit_key in rows:
        kind, account = ReplyOutcome(outcome), _account(session, account_id)
        said = None if account is None else answering.wanted(session.settings, account, kind)
        if account is None or said is None:
            continue
        theirs = kind not in OF_SENDER_ALONE
        yield Answer(
            answer_id(account.id, message_id, str(kind)), MessageKind.EXCEPTION, str(kind), account, said, message_id,
            phone, at, order if theirs else None, number if theirs else None, unit_key if theirs else None, theirs,
        )  # fmt: skip


def _done(session: NoticesSession, db: Db) -> Iterator[Answer]:
    wanted = session.settings.confirmations
    if not wanted:
        return
    rows = db.rows(
        """select a.account, a.reply_id, a.action, r.phone, r."at", a.merchant_order, n.order_number, n.unit_key
           from synced.actions as a
           join staged.replies as r on r.account = a.account and r.message_id = a.reply_id
           left join synced.notices as n on n.notice_id = a.notice_id
           where a.state = 'done' and r."at" >= ? and r.phone is not null""",
        [_since(session, db)],
    )
    for account_id, message_id, action, phone, at, order, number, unit_key in rows:
        account, said = _account(session, account_id), wanted.get(action)
        if account is None or said is None:
            continue
        yield Answer(
            answer_id(account.id, message_id, CONFIRMATION + action), MessageKind.CONFIRMATION, action, account, said,
            message_id, phone, at, order, number, unit_key, True,
        )  # fmt: skip


def _since(session: NoticesSession, db: Db) -> datetime:
    """Return since when a reply must have come; one of before the begin may have been answered since a backup."""
    within, begun_at = session.run.now() - WITHIN, terms.begun_at(db)
    return within if begun_at is None else max(within, begun_at + timedelta.resolution)


def _account(session: NoticesSession, account_id: str) -> GupshupAccount | None:
    return next((one for one in session.gupshup.accounts if one.id == account_id), None)


def _say(session: NoticesSession, one: Answer) -> None:
    run = session.run
    given_up = activity.id_of(run, f"unanswered {one.notice_id}")
    with run.open() as db:
        state = db.value("select state from synced.notices where notice_id = ?", [one.notice_id])
        if state not in _UNSENT or activity.is_there(db, given_up):
            return
        standing = _standing(session, db, one)
    hold = answering.held(standing)
    if hold is not None:
        if hold.for_good:
            _give_up(session, one, hold)
        return
    message = _message(session, one)
    if isinstance(message, Message):
        sending.send_one(session, message)


def _standing(session: NoticesSession, db: Db, one: Answer) -> Standing:
    run, settings = session.run, session.settings
    answers, answered = _answers(session, one)
    return Standing(
        run.now(),
        one.replied_at,
        one.kind,
        one.why,
        charged_unconfirmed=one.account.kind == HOUSE and one.account.charges_confirmed is None,
        rehearsed=settings.only_to is not None and one.phone not in settings.only_to,
        is_out=_is_out(db, one),
        quiet=_is_quiet(session, db, one),
        answers=answers,
        answered=answered,
    )


def _answers(session: NoticesSession, one: Answer) -> tuple[tuple[str, ...], bool]:
    """Return the kinds of answers to this phone in 24 h, by all merchants of the number; whether this reply has one."""
    store = session.store(one.account)
    asked = answering.answers_to(store.hashed(one.phone), one.notice_id, session.run.now())
    with store.read() as file:
        rows = file.execute(*asked).fetchall()
    return tuple(str(row["status"]) for row in rows), any(row["reply_id"] == one.message_id for row in rows)


def _is_out(db: Db, one: Answer) -> bool:
    rows = db.rows(
        'select source, state, "at" from staged.consents where phone = ? and account = ?', [one.phone, one.account.id]
    )
    return consent.is_out(consent.Row(*row) for row in rows)


def _is_quiet(session: NoticesSession, db: Db, one: Answer) -> bool:
    hours = session.settings.quiet_hours
    if hours is None:
        return False
    zones = None
    if hours.zone == "recipient" and one.merchant_order is not None:
        zones = db.value("select zones from staged.recipients where merchant_order = ?", [one.merchant_order])
    own = [session.run.merchant.time_zone.key]
    return quiet_until(session.run.now(), hours.start, hours.end, zones or own) is not None


# --- the words --------------------------------------------------------------------------------------------------------


def _message(session: NoticesSession, one: Answer) -> Message | str:
    """Return what is sent; or why it cannot be, now."""
    with session.run.open() as db:
        value = _values(session, db, one)
    if one.said.template is not None:
        return _of_template(session, one, one.said.template, value)
    text = rendering.fill_text(one.said.text or "", value)
    if isinstance(text, Missing) or not text.strip():
        return Wait.MISSING_VALUE
    return _built(one, text)


def _values(session: NoticesSession, db: Db, one: Answer) -> Callable[[str], str | None]:
    merchant, settings = session.run.merchant, session.settings
    if one.is_theirs and one.merchant_order is not None:
        found = rendering.values_of(db, merchant, settings, one.merchant_order, one.unit_key)
        if found is not None:
            return found
    return {"merchant_name": merchant.name, "brand": settings.brand or merchant.name}.get


def _of_template(
    session: NoticesSession,
    one: Answer,
    wanted: TemplateSettings,
    value: Callable[[str], str | None],
) -> Message | str:
    listing.read_if_old(session, one.account)
    store = session.store(one.account)
    template = accounts_seen.template(store, wanted.id)
    if template is not None and (template.read_at is None or session.run.now() - template.read_at > listing.FRESH_FOR):
        return Wait.TRY_LATER  # the list could not be read: what it said is too old to go by (10)
    fit = template_fit.fit(template, wanted, session.settings, pauses.template_faults(store).get(wanted.id, ()))
    if template is None or fit.fault is not None:
        return fit.fault or Wait.TEMPLATE_GONE
    rendered = rendering.render(template, wanted, value)
    if isinstance(rendered, Missing):
        return Wait.MISSING_VALUE
    return _built(one, rendered.text, wanted.id, template.category, [param.value for param in rendered.params])


def _built(
    one: Answer, text: str, template_id: str | None = None, category: str | None = None, params: list[str] | None = None
) -> Message:
    return Message(
        one.notice_id,
        one.kind,
        one.account,
        one.phone,
        text,
        template_id=template_id,
        category=category,
        params=params or (),
        exempt=True,
        unit_key=one.unit_key,
        status=one.why,
        merchant_order=one.merchant_order,
        order_number=one.order_number,
        reply_id=one.message_id,
    )


# --- what does not go -------------------------------------------------------------------------------------------------


def _give_up(session: NoticesSession, one: Answer, hold: Hold) -> None:
    with session.run.open() as db, db.transaction():
        ledger.held(db, session.run, one.notice_id, hold.reason, drops=True)
        activity.add(
            db,
            session.run,
            What.HELD,
            merchant_order=one.merchant_order,
            notice_id=one.notice_id,
            message_id=one.message_id,
            account_kind=one.account.kind,
            number=one.account.number,
            key=f"unanswered {one.notice_id}",
            detail={"kind": str(one.kind), "status": one.why, "reason": hold.reason, "dropped": True},
        )


def _give_up_old(session: NoticesSession) -> None:
    """Let what waited longer than it may go for good."""
    run = session.run
    with run.open() as db, db.transaction():
        rows = db.rows(
            """select notice_id from synced.notices
               where kind <> 'notice' and state = 'waiting' and first_seen_at < ?""",
            [run.now() - WITHIN],
        )
        for (notice_id,) in rows:
            ledger.held(db, run, str(notice_id), Drop.STALE, drops=True)
