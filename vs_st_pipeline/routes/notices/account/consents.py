"""Keeps who may and who may not be written, of all merchants of an account (notices.md 5.8, 5.9), append-only.

Data flow: callbacks, codes, lists, operators, the consent that a message uses -> consents, account.evidence.jsonl.

Each row is in the evidence file, with fsync, before the transaction that has it is committed (R35).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vs_st_pipeline.routes.notices.account import evidence
from vs_st_pipeline.routes.notices.account.store import SALT, AccountStore, about, hash_of, next_seq
from vs_st_pipeline.routes.notices.consent import IN, OUT, VOID, Row, is_out
from vs_st_pipeline.routes.notices.words import ConsentSource

__all__ = [
    "ABSENT", "IN", "OUT", "VOID", "Consent", "add", "from_list", "is_out", "is_void", "put", "rows_of",
]  # fmt: skip

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Consent:
    """What says that somebody may be written, or may not.

    Attributes:
        phone: E.164; None: only its hash is known. at: UTC without zone.
        merchant: whose word it is; None: of all merchants of the account.
        merchant_order: of `eshopbox_flag`, which covers that order alone.
    """

    phone: str | None = field(repr=False)
    source: str
    state: str
    at: datetime
    merchant: str | None = None
    merchant_order: str | None = None
    phone_hash: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)


def is_void(rows: Iterable[Row], at: datetime) -> bool:
    """Say whether an *in* row of this time counts no more, because a code told that Gupshup has no opt-in (7.4)."""
    return any(one.state == VOID and at <= one.at for one in rows)


def rows_of(db: sqlite3.Connection, phone_hash: str) -> list[Row]:
    """Return a phone's rows."""
    found = db.execute("select source, state, at from consents where phone_hash = ?", [phone_hash])
    return [Row(row["source"], row["state"], datetime.fromisoformat(row["at"])) for row in found]


def add(store: AccountStore, db: sqlite3.Connection, consents: Sequence[Consent]) -> int:
    """Add rows in the caller's transaction; returns how many are new. Their lines are on the disk when this returns."""
    salt, number = about(db, SALT), number_of(store)
    lines = []
    for one in consents:
        row = {
            "phone": one.phone, "source": str(one.source), "state": one.state, "at": one.at.isoformat(),
            "merchant": one.merchant, "merchant_order": one.merchant_order or "", "number": number,
            "evidence": json.dumps(dict(one.evidence), ensure_ascii=False, default=str),
        }  # fmt: skip
        phone_hash = hash_of(salt, one.phone) if one.phone is not None else one.phone_hash
        if (
            phone_hash is None
            or db.execute(
                """select 1 from consents where phone_hash = ? and source = ? and at = ? and state = ?
               and merchant_order = ?""",
                [phone_hash, row["source"], row["at"], row["state"], row["merchant_order"]],
            ).fetchone()
        ):
            continue
        db.execute(
            """insert into consents (seq, phone, phone_hash, source, state, at, merchant, merchant_order, evidence,
                   number) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                next_seq(db), row["phone"], phone_hash, row["source"], row["state"], row["at"], row["merchant"],
                row["merchant_order"], row["evidence"], row["number"],
            ],
        )  # fmt: skip
        lines.append(evidence.consent_line(row if one.phone is not None else row | {"phone_hash": phone_hash}))
    if lines:
        store.evidence.append(lines)
    return len(lines)


def number_of(store: AccountStore) -> str | None:
    """Return the account's number as it is now; None: its settings are not at hand (it has left the file)."""
    number: str | None = getattr(store.account, "number", None)
    return number


def put(store: AccountStore, consents: Sequence[Consent]) -> int:
    """Add rows; returns how many are new."""
    with store.write() as db:
        return add(store, db, consents)


def from_list(store: AccountStore, listed: Mapping[str, bool], now: datetime) -> int:
    """Take over what Gupshup's list says (5.9, rulings, notices 8); returns how many rows are new.

    What it said before of this number is no news: a list that still says OPT_OUT does not end a START that came since.

    Args:
        listed: by phone (E.164), whether it is opted in. now: when the list was read.
    """
    with store.write() as db:
        salt = about(db, SALT)
        said: dict[str, str] = {
            row["phone_hash"]: row["state"]
            for row in db.execute(
                """select phone_hash, state from consents where source = ? and coalesce(number, ?2) is ?2
                   order by at, seq""",
                [ConsentSource.GUPSHUP_LIST, number_of(store)],
            )
        }
        told = {"list_read_at": now.isoformat()}
        states = {phone: IN if is_in else OUT for phone, is_in in listed.items()}
        news = [
            Consent(phone, ConsentSource.GUPSHUP_LIST, state, now, evidence=told)
            for phone, state in states.items()
            if said.get(hash_of(salt, phone)) != state
        ]
        return add(store, db, news)
