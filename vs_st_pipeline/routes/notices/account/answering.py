"""Says which message a reply answers, and so whose it is (notices.md 8.1); STOP and START words come first.

Data flow: a reply of the account's callbacks -> replies, with its message and merchant; consents; claims.

By its postback, else the message that it quotes (Gupshup's id, WhatsApp's), else the one order of its phone that waits
for an answer. All of it runs in the caller's transaction.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.callbacks import MEDIA, Reply
from vs_st_pipeline.connectors.gupshup.settings import CLIENT
from vs_st_pipeline.routes.notices.account import claim_rows, consents, receipts
from vs_st_pipeline.routes.notices.account.claim import COUNTS_NOT, Claim, Claimed, may_move
from vs_st_pipeline.routes.notices.account.claim_rows import MESSAGE_IDS, WA_IDS
from vs_st_pipeline.routes.notices.account.consents import Consent
from vs_st_pipeline.routes.notices.account.store import SALT, AccountStore, about, hash_of, next_seq
from vs_st_pipeline.routes.notices.words import ConsentSource, ReplyOutcome

POSTBACK, PHONE = "postback", "phone"
ANSWERED_WITHIN: Final = timedelta(hours=72)
FAILED_DELIVERY: Final = "failed_delivery"
_CLOCKS: Final = timedelta(minutes=5)  # how far apart the vendor's clock and ours may be
_MAY_BE_ANSWERED: Final = "('accepted', 'enqueued', 'sent', 'delivered', 'read', 'unknown')"

_DOUBTED: Final = frozenset({Claimed.UNKNOWN, Claimed.FAILED, *COUNTS_NOT})
"""States of which a reply proves that the message has come through."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, and the merchant whose message it answers."""

    merchant: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Match:
    """Which message a reply answers.

    Attributes:
        claim: None: none, or several may be meant (`outcome` says which).
        outcome: words.ReplyOutcome, where that is decided here.
    """

    claim: Claim | None = None
    by: str | None = None
    outcome: str | None = None


def take(
    db: sqlite3.Connection,
    store: AccountStore,
    reply: Reply,
    is_stop: Callable[[str], bool],
    is_start: Callable[[str, str | None], bool],
    now: datetime,
) -> Answered | None:
    """Store a reply with the message that it answers; returns whose it is, known or not; None where it is nobody's.

    Args:
        is_start: of a text, and the merchant whose reply it is: its own words are of its own customers alone.
    """
    known = db.execute("select merchant from replies where message_id = ?", [reply.message_id]).fetchone()
    if known is not None:  # its merchant is told again: the power may have gone before it was
        return None if known["merchant"] is None else Answered(known["merchant"], reply.message_id)
    phone_hash = hash_of(about(db, SALT), reply.phone)
    match = _match(db, reply, phone_hash)
    outcome, claim = match.outcome, match.claim
    merchant = claim.merchant if claim is not None else _owner(db, store, phone_hash)
    if is_stop(reply.said):  # its consent row stands already: opt-outs are taken before anything else
        outcome = ReplyOutcome.OPTED_OUT
    elif reply.kind != MEDIA and is_start(reply.said, merchant):
        consents.add(store, db, [word(reply, ConsentSource.START_WORD, consents.IN)])
        outcome = ReplyOutcome.OPTED_IN
    if claim is not None and match.by != PHONE and match.outcome is None:
        claim = _prove(db, store, claim, reply, now)
    db.execute(
        """insert into replies (seq, message_id, phone, phone_hash, kind, text, button_text, postback, context_gs_id,
               context_id, at, taken_at, notice_id, merchant, matched_by, outcome)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            next_seq(db), reply.message_id, reply.phone, phone_hash, reply.kind, reply.text, reply.button_text,
            reply.postback, reply.context_gs_id, reply.context_id, reply.at.isoformat(), now.isoformat(),
            None if claim is None else claim.notice_id, merchant, match.by, outcome,
        ],
    )  # fmt: skip
    return None if merchant is None else Answered(merchant, reply.message_id)


def word(reply: Reply, source: ConsentSource, state: str) -> Consent:
    """Return the consent that a STOP or a START is; its evidence is the message's id, and a hash of what it says."""
    said = hashlib.sha256(reply.said.encode()).hexdigest()
    return Consent(reply.phone, source, state, reply.at, evidence={"message_id": reply.message_id, "text_sha256": said})


def _match(db: sqlite3.Connection, reply: Reply, phone_hash: str) -> Match:
    for by, notice_id in (
        (POSTBACK, _of_postback(reply.postback)),
        (receipts.GS_ID, claim_rows.owner(db, MESSAGE_IDS, reply.context_gs_id)),
        (receipts.ID, claim_rows.owner(db, WA_IDS, reply.context_id)),
        (receipts.ID, claim_rows.owner(db, MESSAGE_IDS, reply.context_id)),
    ):
        claim = None if notice_id is None else claim_rows.read(db, notice_id)
        if claim is not None:
            return Match(claim, by, None if claim.phone_hash == phone_hash else ReplyOutcome.OTHER_PHONE)
    return _of_phone(db, reply, phone_hash)


def _of_postback(postback: str | None) -> str | None:
    """Return the notice of `vs:<notice_id>:<i>`."""
    parts = (postback or "").split(":")
    return parts[1] if len(parts) == 3 and parts[0] == "vs" else None


def _of_phone(db: sqlite3.Connection, reply: Reply, phone_hash: str) -> Match:
    """Return the one shipment of this phone whose failed delivery waits for an answer (rulings, notices 20).

    A reply that quotes a message which is known not to be that one does not answer it.
    """
    rows = db.execute(
        f"""select * from claims where phone_hash = ? and kind = 'notice' and status = ? and claimed_at <= ?
            and coalesce(accepted_at, claimed_at) > ? and state in {_MAY_BE_ANSWERED} order by claimed_at""",
        [
            phone_hash, FAILED_DELIVERY, (reply.at + _CLOCKS).isoformat(), (reply.at - ANSWERED_WITHIN).isoformat(),
        ],
    ).fetchall()  # fmt: skip
    claims = [claim for claim in map(claim_rows.of_row, rows) if _may_be_quoted(db, claim, reply)]
    waiting = {(one.merchant, one.unit_key): one for one in claims if not _is_answered(db, one)}  # the newest of each
    if len(waiting) > 1:
        return Match(None, None, ReplyOutcome.AMBIGUOUS)
    if not waiting:
        return Match(None, None, ReplyOutcome.UNSOLICITED)
    return Match(next(iter(waiting.values())), PHONE)


def _may_be_quoted(db: sqlite3.Connection, claim: Claim, reply: Reply) -> bool:
    if reply.context_gs_id is not None and claim.message_id is not None:
        return False
    known = db.execute("select 1 from wa_ids where notice_id = ? limit 1", [claim.notice_id]).fetchone()
    return reply.context_id is None or known is None


def _is_answered(db: sqlite3.Connection, claim: Claim) -> bool:
    found = db.execute(
        """select 1 from replies as r join claims as c on c.notice_id = r.notice_id
           where c.merchant = ? and c.unit_key is ? and c.occurrence is ? and r.outcome = ? limit 1""",
        [claim.merchant, claim.unit_key, claim.occurrence, ReplyOutcome.ACTION],
    )
    return found.fetchone() is not None


def _prove(db: sqlite3.Connection, store: AccountStore, claim: Claim, reply: Reply, now: datetime) -> Claim:
    """Learn the ids that a reply quotes with its message, and settle an unknown one: its customer has it (7.6).

    One that was not taken, or failed, has come through all the same: it is not tried again (7.4).
    """
    if reply.context_id is not None and reply.context_id != reply.context_gs_id:
        claim_rows.take_id(db, WA_IDS, reply.context_id, claim.notice_id)
    if claim.state not in _DOUBTED or (
        claim.state == Claimed.UNKNOWN and now - claim.claimed_at > receipts.SETTLED_FOR
    ):
        return claim
    if may_move(claim.state, Claimed.DELIVERED):
        claim = claim_rows.change(
            db, claim, state=Claimed.DELIVERED, evidence="reply", accepted_at=claim.accepted_at or claim.claimed_at,
            code=None, reason=None, retry_at=None,
        )  # fmt: skip
    gs_id = reply.context_gs_id
    if gs_id is not None and claim.message_id is None and claim_rows.take_id(db, MESSAGE_IDS, gs_id, claim.notice_id):
        claim = claim_rows.change(db, claim, message_id=gs_id)
        claim = receipts.match_waiting(db, store, claim, now)
    return claim


def _owner(db: sqlite3.Connection, store: AccountStore, phone_hash: str) -> str | None:
    """Return whose a reply is that answers no message: of its own account, else who wrote this phone last."""
    if store.account.kind == CLIENT:
        return store.account.id.removeprefix("client:")
    row = db.execute(
        "select merchant from claims where phone_hash = ? order by claimed_at desc limit 1", [phone_hash]
    ).fetchone()
    return None if row is None else str(row["merchant"])
