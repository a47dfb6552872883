"""Matches receipts to messages, and moves the messages by them (notices.md 7.4-7.6).

Data flow: receipts of the account's callbacks -> receipts -> claims; ids of answers -> receipts that came before.

All of it runs in the caller's transaction. A receipt is matched by its gsId, else its id as a message id, else its id
as a WhatsApp id that an earlier one taught; else it waits: for its answer, or to settle the one unknown message of its
phone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.callbacks import DELETED, FAILED, OURS, Receipt
from vs_st_pipeline.routes.notices.account import claim_rows, effects
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed, may_move
from vs_st_pipeline.routes.notices.account.claim_rows import MESSAGE_IDS, WA_IDS
from vs_st_pipeline.routes.notices.account.store import SALT, AccountStore, about, hash_of, next_seq

WAITS_FOR: Final = timedelta(days=7)  # a receipt, for its answer
SETTLED_FOR: Final = timedelta(hours=48)  # after that an unknown one stays so, but for a person's word (7.6)
BEFORE, AFTER = timedelta(minutes=2), timedelta(minutes=30)  # of a claim, in which a receipt may be its own
GS_ID, ID, WA_ID, PHONE_WINDOW, FOREIGN = "gs_id", "id", "wa_id", "phone_window", "foreign"
STATES: Final = frozenset({Claimed.ENQUEUED, Claimed.SENT, Claimed.DELIVERED, Claimed.READ})
"""States that a receipt's word is."""


def take(db: sqlite3.Connection, store: AccountStore, receipt: Receipt, now: datetime) -> bool:
    """Store a receipt, and move the message that it is of; False where it is known, or nothing of ours."""
    if receipt.type not in {*STATES, FAILED, DELETED}:
        return False
    phone_hash = None if receipt.destination is None else hash_of(about(db, SALT), receipt.destination)
    made = db.execute(
        """insert or ignore into receipts (seq, key, id, gs_id, type, at, taken_at, destination, phone_hash, code,
               reason, wa_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            next_seq(db), receipt.key, receipt.id, receipt.gs_id, receipt.type, receipt.at.isoformat(),
            now.isoformat(), receipt.destination, phone_hash, receipt.code, receipt.reason, receipt.wa_id,
        ],
    )  # fmt: skip
    if not made.rowcount:
        return False
    row = db.execute("select * from receipts where key = ?", [receipt.key]).fetchone()
    notice_id, matched_by = _whose(db, row)
    if notice_id is not None:
        _match(db, store, row, notice_id, matched_by, now)
    return True


def _whose(db: sqlite3.Connection, row: sqlite3.Row) -> tuple[str | None, str]:
    for table, id, by in ((MESSAGE_IDS, row["gs_id"], GS_ID), (MESSAGE_IDS, row["id"], ID), (WA_IDS, row["id"], WA_ID)):
        notice_id = claim_rows.owner(db, table, id)
        if notice_id is not None:
            return notice_id, by
    return None, ""


def match_waiting(db: sqlite3.Connection, store: AccountStore, claim: Claim, now: datetime) -> Claim:
    """Match receipts that came before the answer that has taught their message's id; returns the claim as it stands."""
    rows = db.execute(
        """select * from receipts where notice_id is null and (gs_id = ?1 or id = ?1) order by at, seq""",
        [claim.message_id],
    ).fetchall()
    for row in rows:
        _match(db, store, row, claim.notice_id, GS_ID if row["gs_id"] == claim.message_id else ID, now)
    return claim_rows.read(db, claim.notice_id) or claim


def _match(
    db: sqlite3.Connection, store: AccountStore, row: sqlite3.Row, notice_id: str, matched_by: str, now: datetime
) -> None:
    """Note whose receipt it is, in a new place of the order, so that its merchant copies it next; move its claim."""
    claim = claim_rows.read(db, notice_id)
    if claim is None:
        return
    db.execute(
        "update receipts set notice_id = ?, merchant = ?, matched_by = ?, seq = ? where seq = ?",
        [notice_id, claim.merchant, matched_by, next_seq(db), row["seq"]],
    )
    if row["wa_id"] is not None:
        claim_rows.take_id(db, WA_IDS, row["wa_id"], notice_id)
        if claim.wa_id != row["wa_id"]:
            claim = claim_rows.change(db, claim, wa_id=row["wa_id"])
    _move(db, store, claim, row, matched_by, now)


def _move(
    db: sqlite3.Connection, store: AccountStore, claim: Claim, row: sqlite3.Row, matched_by: str, now: datetime
) -> None:
    kind = row["type"]
    if kind == DELETED or (claim.state == Claimed.UNKNOWN and now - claim.claimed_at > SETTLED_FOR):
        return
    by = PHONE_WINDOW if matched_by == PHONE_WINDOW else "receipt"
    # One whose answer is not known is of the time of its claim (7.7).
    accepted_at = claim.accepted_at or claim.claimed_at
    if kind == FAILED:
        if may_move(claim.state, Claimed.FAILED):
            _fail(db, store, claim, row, by, accepted_at, now)
        return
    if claim.retry_at is not None:  # it did come through: no other try (7.4)
        claim = claim_rows.change(db, claim, retry_at=None)
    if may_move(claim.state, kind):
        claim_rows.change(db, claim, state=Claimed(kind), evidence=by, accepted_at=accepted_at, code=None, reason=None)


def _fail(
    db: sqlite3.Connection,
    store: AccountStore,
    claim: Claim,
    row: sqlite3.Row,
    by: str,
    accepted_at: datetime,
    now: datetime,
) -> None:
    """Note that it failed; it may be tried again only if WhatsApp never had it, by gaps from the receipt's time (7.4).

    A receipt of an earlier try says nothing of the one that is under way.
    """
    at = datetime.fromisoformat(row["at"])
    mine = claim.message_id in (row["gs_id"], row["id"]) or by == PHONE_WINDOW
    if not mine and claim.tries > 1:
        return
    never_had = row["id"] == claim.message_id and not _was_seen(db, claim.notice_id)
    retry_at = effects.retry_at(row["code"], claim.retries, at) if never_had else None
    failed = claim_rows.change(
        db, claim, state=Claimed.FAILED, code=row["code"], reason=row["reason"], evidence=by, retry_at=retry_at,
        accepted_at=accepted_at,
    )  # fmt: skip
    effects.of_code(db, store, failed, row["code"], at, now, row["destination"])


def _was_seen(db: sqlite3.Connection, notice_id: str) -> bool:
    return db.execute("select 1 from wa_ids where notice_id = ? limit 1", [notice_id]).fetchone() is not None


def settle_unknown(db: sqlite3.Connection, store: AccountStore, phones: Iterable[str], now: datetime) -> None:
    """Settle the one unknown message of a phone by the one message id that no claim has (7.6).

    Receipts for its phone, of 2 min before to 30 min after the claim. Two such ids, two unknown messages, or one whose
    request is under way: then nobody knows whose they are.

    Args:
        phones: hashes of those whose receipts have come, or all that have an unknown message.
    """
    for phone in sorted(set(phones)):
        may_be = [
            claim_rows.of_row(row)
            for row in db.execute(
                "select * from claims where phone_hash = ? and state in ('open', 'unknown') and claimed_at >= ?",
                [phone, (now - SETTLED_FOR).isoformat()],
            )
        ]
        for claim in may_be:
            if claim.state != Claimed.UNKNOWN or claim.message_id is not None:
                continue
            rows = _in_window(db, claim)
            ids = {id for row in rows if (id := _id_of(row)) is not None}
            others = [one for one in may_be if one is not claim and _overlap(one, rows)]
            if len(ids) == 1 and not others:
                [id] = ids
                claim_rows.take_id(db, MESSAGE_IDS, id, claim.notice_id)
                claim_rows.change(db, claim, message_id=id)
                for row in rows:
                    _match(db, store, row, claim.notice_id, PHONE_WINDOW, now)
                break  # the next taking looks again


def _in_window(db: sqlite3.Connection, claim: Claim) -> list[sqlite3.Row]:
    rows = db.execute(
        """select * from receipts where notice_id is null and phone_hash = ? and at >= ? and at <= ?
           order by at, seq""",
        [claim.phone_hash, (claim.claimed_at - BEFORE).isoformat(), (claim.claimed_at + AFTER).isoformat()],
    ).fetchall()
    return [row for row in rows if _id_of(row) is not None]


def _id_of(row: sqlite3.Row) -> str | None:
    """Return Gupshup's id of a receipt's message; None where only WhatsApp's is known."""
    return row["gs_id"] or (row["id"] if row["type"] in OURS else None)


def _overlap(other: Claim, rows: Iterable[sqlite3.Row]) -> bool:
    return any(
        other.claimed_at - BEFORE <= datetime.fromisoformat(row["at"]) <= other.claimed_at + AFTER for row in rows
    )


def mark_foreign(db: sqlite3.Connection, now: datetime) -> int:
    """Note receipts that no message of ours waits for any more, each once (7.5); returns how many."""
    return db.execute(
        """update receipts set matched_by = 'foreign'
           where notice_id is null and matched_by is null and taken_at <= ?""",
        [(now - WAITS_FOR).isoformat()],
    ).rowcount
