"""Says why a message cannot be claimed now, by what the account's file and the inbox hold (2.1, 5.8, 5.16, 7.1, 8.5).

Each reason is a row of `REASONS`, the first that applies counts. All of it is asked in the transaction of the claim.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup import callbacks
from vs_st_pipeline.connectors.gupshup.names import CALLBACK, CONSENT, REPLY
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.routes.notices import answering
from vs_st_pipeline.routes.notices.account import consents, pauses
from vs_st_pipeline.routes.notices.account.claim import COUNTS_NOT, Held
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.settings import Cap
from vs_st_pipeline.routes.notices.systems import GUPSHUP, NAME
from vs_st_pipeline.routes.notices.words import MessageKind, Wait

MOST_OPEN = 4  # of a number, over all processes
A_DAY: Final = timedelta(hours=24)
_UNCOUNTED: Final = ", ".join(f"'{state}'" for state in sorted(COUNTS_NOT))


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that is about to be claimed, and what it is judged by."""

    db: sqlite3.Connection
    store: AccountStore
    message: Message
    phone_hash: str
    now: datetime
    cap: Cap
    is_stop: Callable[[str], bool]
    inbox: Inbox | None


def why_not(asked: Asked) -> Held | None:
    """Return why a message cannot be claimed now; None: it can."""
    return next((held for reason in REASONS if (held := reason(asked)) is not None), None)


def _paused(asked: Asked) -> Held | None:
    """7.3, 7.4: the account is stopped or paused."""
    found = pauses.standing(asked.db, asked.store.merchant, asked.now)
    if found is None:
        return None
    return Held(found.reason, found.until, 10 if found.reason == Wait.ACCOUNT_STOPPED else None)


def _without_consent(asked: Asked) -> Held | None:
    """5.8, 5.9: an opt-out has come since the rules looked, or a code that voids the consent used."""
    rows = consents.rows_of(asked.db, asked.phone_hash)
    if consents.is_out(rows):
        return Held(Wait.OPTED_OUT, rule=8)
    at = asked.message.consent.get("at")
    with suppress(TypeError, ValueError):
        since = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
        if consents.is_void(rows, since.replace(tzinfo=None)):
            return Held(Wait.NOT_OPTED_IN, rule=9)
    return None


def _stop_waits(asked: Asked) -> Held | None:
    """7.1: the inbox has an opt-out of this phone that nobody has taken in yet."""
    inbox = asked.inbox
    if inbox is None or not inbox.exists:
        return None
    try:
        hints = inbox.open_of(asked.store.account.inbox_name, NAME, GUPSHUP, (REPLY, CONSENT))
    except UNUSABLE:  # who cannot look does not write
        return Held(Wait.TRY_LATER)
    for hint in hints:
        if callbacks.opt_out_in(hint.kept.get(CALLBACK), asked.is_stop) == asked.message.phone:
            return Held(Wait.OPTED_OUT, rule=8)
    return None


def _capped(asked: Asked) -> Held | None:
    """5.16: notices to this phone, by all merchants, in the rolling window; exempt ones count, and are not held."""
    message, cap = asked.message, asked.cap
    if message.kind != MessageKind.NOTICE or message.exempt:
        return None
    rows = asked.db.execute(
        f"""select claimed_at from claims where phone_hash = ? and kind = 'notice' and claimed_at > ?
            and state not in ({_UNCOUNTED}) and notice_id <> ? order by claimed_at desc""",
        [asked.phone_hash, (asked.now - cap.window).isoformat(), message.notice_id],
    ).fetchall()
    if len(rows) < cap.messages:
        return None
    return Held(Wait.CAP, datetime.fromisoformat(rows[cap.messages - 1]["claimed_at"]) + cap.window, 16)


def _answered_enough(asked: Asked) -> Held | None:
    """8.5: an answer to this reply, phone or kind was claimed meanwhile, by whichever merchant of the number."""
    message = asked.message
    if message.kind != MessageKind.EXCEPTION:
        return None
    rows = asked.db.execute(*answering.answers_to(asked.phone_hash, message.notice_id, asked.now)).fetchall()
    kinds = [str(row["status"]) for row in rows]
    answered = any(row["reply_id"] == message.reply_id for row in rows)
    reason = answering.enough(message.status or "", kinds, answered)
    return None if reason is None else Held(reason, rule=16)


def _over_tier(asked: Asked) -> Held | None:
    """2.1: unique people per rolling 24 h. A session message begins no conversation, and counts for none."""
    most = asked.store.account.daily_recipients
    if most is None or asked.message.template_id is None:
        return None
    since = [(asked.now - A_DAY).isoformat()]
    if asked.db.execute("select count(*) from claims where claimed_at > ?", since).fetchone()[0] < most:
        return None  # of whomever they are: to tell people apart takes longer than the claim itself
    which = f"claimed_at > ? and template_id is not null and state not in ({_UNCOUNTED})"
    known = asked.db.execute(
        f"select 1 from claims where {which} and phone_hash = ? limit 1", [*since, asked.phone_hash]
    )
    if known.fetchone():
        return None
    rows = asked.db.execute(
        f"select max(claimed_at) as newest from claims where {which} group by phone_hash order by 1 desc limit ?",
        [*since, most],
    ).fetchall()
    if len(rows) < most:
        return None
    return Held(Wait.DAILY_RECIPIENTS, datetime.fromisoformat(rows[-1]["newest"]) + A_DAY, 16)


def _too_many_open(asked: Asked) -> Held | None:
    """7.1: as many requests are under way as may be."""
    count = asked.db.execute("select count(*) as open from claims where state = 'open'").fetchone()["open"]
    return Held(Wait.TRY_LATER, crowded=True) if count >= MOST_OPEN else None


REASONS: Final = (_paused, _without_consent, _stop_waits, _capped, _answered_enough, _over_tier, _too_many_open)
