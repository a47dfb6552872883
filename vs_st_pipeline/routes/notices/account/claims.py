"""Claims a message before it leaves, for good, whichever process or merchant asks (notices.md 7.1).

Data flow: a message about to leave -> `claim`, on the disk -> the request -> `settle` with what the answer means.

A claim outlives every merchant's database: no rebuild, no database put back, no second worker sends one again. Only a
refused one (7.3), a retryable one (7.4), or one that a person releases may be claimed anew.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.routes.notices.account import claim_rows, effects, pauses, receipts
from vs_st_pipeline.routes.notices.account.claim import FREE, Claim, Claimed, Held, may_move
from vs_st_pipeline.routes.notices.account.claim_rows import MESSAGE_IDS, read_all
from vs_st_pipeline.routes.notices.account.evidence import claim_line
from vs_st_pipeline.routes.notices.account.refusing import MOST_OPEN, Asked, why_not
from vs_st_pipeline.routes.notices.account.store import SALT, AccountStore, about, hash_of, next_seq
from vs_st_pipeline.routes.notices.messages import Message, buttons_as_json
from vs_st_pipeline.routes.notices.settings import Cap

__all__ = [
    "MOST_OPEN", "Claim", "Held", "claim", "find", "read_all", "release", "resolve", "settle", "sweep",
]  # fmt: skip

OPEN_SECONDS = 90.0
ANSWER = "answer"
_SENT: Final = (Claimed.ACCEPTED, Claimed.ENQUEUED, Claimed.SENT, Claimed.DELIVERED, Claimed.READ)


def claim(
    store: AccountStore,
    message: Message,
    *,
    now: datetime,
    cap: Cap,
    is_stop: Callable[[str], bool],
    inbox: Inbox | None,
) -> Claim | Held:
    """Claim a message in one transaction, with the cap, the tier, what is open, and a STOP that waits in the inbox.

    The consent that it uses is a line in the evidence file, on the disk, before the claim is (R35).

    Returns:
        The claim, `is_mine` where it was made now; the one that stands where another call was first; or why not now.
    """
    with store.write() as db:
        sweep(db)
        before = claim_rows.read(db, message.notice_id)
        if before is not None and not may_be_claimed(before, now):
            return before
        phone_hash = hash_of(about(db, SALT), message.phone)
        held = why_not(Asked(db, store, message, phone_hash, now, cap, is_stop, inbox))
        if held is not None:
            return held
        made = _make(db, store, message, phone_hash, before, now)
        store.evidence.append([claim_line(claim_rows.as_row(made), message.phone, message.consent)])
    return replace(made, is_mine=True)


def may_be_claimed(standing: Claim, now: datetime) -> bool:
    """Say whether a claim that stands may be made anew: it was refused or released, or is due to be tried again."""
    if standing.state in FREE:
        return True
    return (
        standing.state == Claimed.FAILED
        and standing.retry_at is not None
        and standing.retry_at <= now
        and standing.retries < len(effects.RETRY_GAPS)
    )


def sweep(db: sqlite3.Connection) -> list[str]:
    """Make open claims unknown that are over 90 s old, or whose process is dead, whoever made them; returns their ids.

    An answer that still comes settles it: who has it says so itself.
    """
    ids = []
    for row in db.execute("select notice_id, real, pid from claims where state = 'open'").fetchall():
        if time.time() - row["real"] > OPEN_SECONDS or not _lives(row["pid"]):
            ids.append(row["notice_id"])
            db.execute("update claims set state = 'unknown', changed = ? where notice_id = ?",
                       [next_seq(db), row["notice_id"]])  # fmt: skip
    return ids


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid > 0


# --- making and settling ----------------------------------------------------------------------------------------------


def _make(
    db: sqlite3.Connection, store: AccountStore, message: Message, phone_hash: str, before: Claim | None, now: datetime
) -> Claim:
    is_retry = before is not None and before.state == Claimed.FAILED
    made = Claim(
        message.notice_id,
        str(message.kind),
        store.merchant,
        Claimed.OPEN,
        1 if before is None else before.tries + 1,
        now,
        phone_hash=phone_hash,
        exempt=message.exempt,
        unit_key=message.unit_key,
        status=message.status,
        occurrence=message.occurrence,
        occurred_at=message.occurred_at,
        occurred_to=message.occurred_to,
        merchant_order=message.merchant_order,
        order_number=message.order_number,
        reply_id=message.reply_id,
        template_id=message.template_id,
        category=message.category,
        form=message.form,
        buttons=buttons_as_json(message.buttons),
        retries=(0 if before is None else before.retries) + is_retry,
        real=time.time(),
        pid=os.getpid(),
        changed=next_seq(db),
    )
    claim_rows.put(db, made)
    return made


def settle(
    store: AccountStore,
    notice_id: str,
    state: str,
    *,
    now: datetime,
    message_id: str | None = None,
    code: str | None = None,
    reason: str | None = None,
    evidence: str = ANSWER,
    retry_at: datetime | None = None,
    phone: str | None = None,
    tries: int | None = None,
) -> Claim:
    """Note what the answer to a claim's request means; a state never falls, and what cannot follow changes nothing.

    With the answer come its effects (7.4): what a code says of phone, account and template; the third rejection in a
    row; receipts that came before it.

    Args:
        state: claim.Claimed. retry_at: of a failed one; None: by its code.
        phone: the message's, for what a code says of it; None: its hash alone is known.
        tries: of which try it is the answer; where another one has been made since, it says nothing of that.

    Returns:
        The claim as it stands then: `unknown` where its message id is in another claim (7.3).

    Raises:
        KeyError: there is no such claim.
    """
    with store.write() as db:
        found = claim_rows.read(db, notice_id)
        if found is None:
            raise KeyError(notice_id)
        to = Claimed(state)
        if tries is not None and tries != found.tries:
            if message_id is not None:
                claim_rows.take_id(db, MESSAGE_IDS, message_id, notice_id)
            return found
        if message_id is not None and not claim_rows.take_id(db, MESSAGE_IDS, message_id, notice_id):
            to, message_id = Claimed.UNKNOWN, None
        if found.state == to or not may_move(found.state, to):
            return found
        changes: dict[str, Any] = {"state": to, "evidence": evidence, "code": code, "reason": reason, "retry_at": None}
        if to is Claimed.UNKNOWN:
            changes |= {"evidence": None, "code": None, "reason": None}
        elif to is Claimed.FAILED:
            changes["retry_at"] = retry_at or effects.retry_at(code, found.retries, now)
        elif to in _SENT:
            changes["accepted_at"] = found.accepted_at or now
        if message_id is not None:
            changes["message_id"] = message_id
        found = claim_rows.change(db, found, **changes)
        if to is Claimed.ACCEPTED:
            pauses.accepted_in(db, found.merchant)
        elif to is Claimed.REJECTED:
            pauses.rejected_in(db, now, found.merchant)
        if code is not None and to is not Claimed.UNKNOWN:
            effects.of_code(db, store, found, code, now, now, phone)
        return found if message_id is None else receipts.match_waiting(db, store, found, now)


def release(store: AccountStore, notice_id: str) -> Claim | None:
    """Let a rejected or refused one be claimed anew, because a person says so (`vs-st retry`); None: it cannot be."""
    with store.write() as db:
        found = claim_rows.read(db, notice_id)
        if found is None or not (found.state in FREE or found.state == Claimed.REJECTED):
            return None
        return claim_rows.change(db, found, state=Claimed.RELEASED, evidence="person", code=None, reason=None)


def resolve(store: AccountStore, notice_id: str, *, sent: bool) -> Claim | None:
    """Take a person's word on an unknown one: it was sent, or not, so that it may be claimed anew (7.6).

    Returns:
        None: there is no such claim, or it is not unknown.
    """
    with store.write() as db:
        sweep(db)
        found = claim_rows.read(db, notice_id)
        if found is None or found.state != Claimed.UNKNOWN:
            return None
        if not sent:
            return claim_rows.change(db, found, state=Claimed.RELEASED, evidence="person")
        at = found.accepted_at or found.claimed_at
        return claim_rows.change(db, found, state=Claimed.ACCEPTED, evidence="person", accepted_at=at)


def find(store: AccountStore, notice_id: str) -> Claim | None:
    """Return a claim; None: there is none."""
    if not store.exists:
        return None
    with store.read() as db:
        return claim_rows.read(db, notice_id)
