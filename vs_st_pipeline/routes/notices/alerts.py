"""Says what people are told of besides how runs end (notices.md 9.2, "Alerts"): counts and what to do, nobody's data.

An account that is stopped, a template that was lost, an action that was refused or is unknown, a message unknown for
more than an hour, and what the brake holds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Trouble
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.order_now import FAILED_DELIVERY
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome, State, Wait

if TYPE_CHECKING:
    from vs_st_pipeline.routes.notices.session import NoticesSession

LONG: Final = timedelta(hours=1)
ALERTS: Final = {
    "stopped": (
        "An account sends nothing any more. Put right what the message says; after a bad key it goes on by itself, "
        "else by `vs-st notices resume --account ID`."
    ),
    "template": "Messages of a status wait for their template. `vs-st notices templates check` says what is wrong "
    "with it.",
    "action": (
        "Eshopbox refused what a customer's answer asked for, or nobody knows whether it took it: look there, and take "
        "it by hand; `vs-st notices activity` names the order."
    ),
    "unknown": (
        "For more than an hour nobody knows whether messages are with the customer. They are never sent again by "
        "themselves: look at Gupshup's log, then `vs-st notices resolve`."
    ),
    "brake": (
        "Too many messages at once are held. Look at `vs-st plan --route notices`, then sync once with --allow-unsafe."
    ),
}
"""What people are told of besides how runs end, by the word that a message begins with."""
HELD_ADVICE: Final = "`vs-st plan --route notices` says of each message what holds it, and what to do about it."
_LOST: Final = (Wait.TEMPLATE_GONE, Wait.TEMPLATE_PAUSED, Wait.TEMPLATE_REFUSED, Wait.TEMPLATE_NOT_APPROVED)


_BY_A_PERSON: Final = (
    *_LOST, Wait.NO_ACCOUNT, Wait.CHARGES_NOT_CONFIRMED, Wait.ACCOUNT_STOPPED, Wait.TEMPLATE_MISSING,
    Wait.TEMPLATE_PARAMS, Wait.TEMPLATE_CATEGORY, Wait.TEMPLATE_UNSUPPORTED, Wait.MISSING_VALUE, Wait.TOO_LONG,
    Wait.UNSAFE,
)  # fmt: skip
"""Why messages wait until a person does something; all other reasons are the customer's, or pass by themselves."""


def look(session: NoticesSession) -> None:
    """Fill in what the report has to tell people besides; a dry run, and one for a few hints, tell nobody."""
    if session.run.dry_run or session.run.trigger == "hint":
        return
    with session.run.open() as db:
        found = [*_stopped(session), *_stored(session, db)]
        session.told.held_up = _held_up(db)
    session.told.troubles = found


def _held_up(db: Db) -> str:
    rows = db.rows(
        """select reason, count(*) from planned.notices
           where verdict = 'waiting' and list_contains(?::varchar[], reason) group by 1 order by 2 desc, 1""",
        [[str(word) for word in _BY_A_PERSON]],
    )
    waits = counted(sum(count for _, count in rows), "messages")
    verb = "waits" if waits.startswith("1 ") else "wait"
    return f"{waits} {verb}: {', '.join(f'{reason} {count}' for reason, count in rows)}" if rows else ""


def _stopped(session: NoticesSession) -> list[Trouble]:
    return [
        Trouble(
            f"stopped {account}",
            f"account {account} is stopped ({error.kind}): {error.message} Nothing is sent by it. When that is put "
            f"right it goes on by itself after a bad key, else after `vs-st notices resume --account {account}`.",
        )
        for account, error in session.stopped.items()
    ]


def _stored(session: NoticesSession, db: Db) -> list[Trouble]:
    now, found = session.run.now(), list[Trouble]()
    lost = db.rows(
        """select status, count(*) from planned.notices
           where verdict = 'waiting' and list_contains(?::varchar[], reason) group by 1 order by 1""",
        [[str(word) for word in _LOST]],
    )
    found += [
        Trouble(
            f"template {status}",
            f"{counted(count, 'messages')} of {status} waiting for a template: "
            "`vs-st notices templates check` says why.",
        )
        for status, count in lost
    ]
    refused = db.rows(
        'select action_id, action, state from synced.actions where state in (?, ?) and "at" > ? order by "at"',
        [ActionState.REFUSED, ActionState.UNKNOWN, now - timedelta(days=7)],
    )
    found += [
        Trouble(
            "action",
            f"a customer's answer asked for {action}, and it is {state} at Eshopbox: take it there by hand. "
            "`vs-st notices activity` names the order.",
            occurrence=str(action_id),
        )
        for action_id, action, state in refused
    ]
    found += [
        Trouble(
            "action",
            "a customer's answer came before `vs-st notices baseline`: whether it was acted on since the backup, "
            "nobody knows. Look at the order at Eshopbox; `vs-st notices activity` names it.",
            occurrence=f"reply {message_id}",
        )
        for (message_id,) in db.rows(
            """select r.message_id from staged.replies as r join synced.notices as n using (notice_id)
               where r.outcome = ? and n.status = ? and r."at" > ? order by r."at", r.message_id""",
            [ReplyOutcome.BEFORE_BASELINE, FAILED_DELIVERY, now - timedelta(days=7)],
        )
    ]
    unknown = int(
        db.value("select count(*) from synced.notices where state = ? and claimed_at < ?", [State.UNKNOWN, now - LONG])
    )
    if unknown:
        found.append(
            Trouble(
                "unknown",
                f"{counted(unknown, 'messages')} may be with the customer, which nobody knows. Nothing of that is sent "
                "again by itself: look at Gupshup's log, then `vs-st notices resolve`.",
            )
        )
    if session.refused is not None:
        found.append(Trouble("brake", f"{session.refused.message} Look, then sync once with --allow-unsafe."))
    return found
