"""Forgets a person in an account's file, and removes what is kept no longer (notices.md 9.4, R67).

Data flow: phones -> consents, receipts, replies, claims without them; account.evidence.jsonl with their hashes.

An *out* stays as a salted hash, claims have no phone, and the salt stays: who was forgotten is not written again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.routes.notices.account import consents, evidence
from vs_st_pipeline.routes.notices.account.store import SALT, AccountStore, about, hash_of

TEXTS: Final = timedelta(days=90)
CLAIMS: Final = timedelta(days=2 * 365)
EVIDENCE: Final = timedelta(days=7 * 365)


def forget(store: AccountStore, knows: Callable[[str], bool]) -> int:
    """Forget people by their phones, for the store's merchant; returns how many phones there were.

    What says whether anybody may write them loses the phone for all merchants, and keeps its hash.

    Args:
        knows: says of a phone (E.164) whether it is one of theirs.
    """
    if not store.exists:
        return 0
    with store.write() as db:
        phones = {row["phone"] for row in db.execute("select phone from consents where phone is not null")}
        phones |= {row["phone"] for row in db.execute("select phone from replies where phone is not null")}
        phones |= {
            row["destination"] for row in db.execute("select destination from receipts where destination is not null")
        }
        phones |= {line["phone"] for line in store.evidence.read() if isinstance(line.get("phone"), str)}
        salt = about(db, SALT)
        theirs = {phone: hash_of(salt, phone) for phone in phones if knows(phone)}
        evidence.forget(store.evidence, theirs, store.merchant)
        for phone_hash in theirs.values():
            db.execute("delete from consents where phone_hash = ? and state = ?", [phone_hash, consents.IN])
            db.execute("update consents set phone = null, evidence = '{}' where phone_hash = ?", [phone_hash])
            mine = "phone_hash = ? and (merchant is null or merchant = ?)"
            for sql in (
                f"update receipts set destination = null where {mine}",
                f"update replies set phone = null, text = null, button_text = null where {mine}",
                f"update claims set merchant_order = null, order_number = null where {mine}",
            ):
                db.execute(sql, [phone_hash, store.merchant])
    if theirs:
        store.checkpoint()
    return len(theirs)


def leave(store: AccountStore) -> None:
    """Remove what is the store's merchant's, because it leaves: its claims stay, with hashes in them alone (R57)."""
    if not store.exists:
        return
    with store.write() as db:
        salt = about(db, SALT)
        phones = {
            line["phone"]: hash_of(salt, line["phone"])
            for line in store.evidence.read()
            if isinstance(line.get("phone"), str) and line.get("merchant") == store.merchant
        }
        evidence.leave(store.evidence, phones, store.merchant)
        for sql in (
            "delete from replies where merchant = ?",
            "delete from receipts where merchant = ?",
            "update claims set merchant_order = null, order_number = null, buttons = null where merchant = ?",
            "delete from pauses where merchant = ?",
        ):
            db.execute(sql, [store.merchant])
        db.execute("delete from facts where name = ?", [f"words:{store.merchant}"])
    store.checkpoint()


def retention(store: AccountStore, now: datetime) -> None:
    """Remove texts of replies after 90 days, claims 2 years after the last message, bills after 7 years."""
    if not store.exists:
        return
    with store.write() as db:
        before = {name: (now - age).isoformat() for name, age in
                  (("texts", TEXTS), ("claims", CLAIMS), ("evidence", EVIDENCE))}  # fmt: skip
        db.execute(
            "update replies set text = null, button_text = null where at < ? and text is not null", [before["texts"]]
        )
        db.execute("update replies set button_text = null where at < ? and button_text is not null", [before["texts"]])
        # The last message to a phone keeps all of its claims.
        db.execute(
            """delete from claims where phone_hash in (
                   select phone_hash from claims group by 1 having max(claimed_at) < ?)""",
            [before["claims"]],
        )
        db.execute(
            "insert or replace into facts values (?, ?, ?)", [evidence.CLAIMS_SINCE, before["claims"], now.isoformat()]
        )
        for table in ("message_ids", "wa_ids"):
            db.execute(f"delete from {table} where notice_id not in (select notice_id from claims)")
        db.execute("delete from receipts where at < ?", [before["evidence"]])
        db.execute("delete from billing where at < ?", [before["evidence"]])
        db.execute("delete from billed where month < ?", [before["evidence"][:7]])
        evidence.prune(store.evidence, before["evidence"])
