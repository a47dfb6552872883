"""Keeps what a month's bill has counted, message by message, once the month is final (notices.md 7.7).

Data flow: claims of the account's file -> a line each -> `billed` of the account's file, and its evidence.

A month is final from the 8th of the next one on. Then its lines are stored with the account, and stay as they are: what
is learnt later of one of its messages is a line of the month that is open then, an adjustment. So a bill that was sent
stands. Money is Decimal.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE, GupshupAccount
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account import claim_rows, evidence, left
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed
from vs_st_pipeline.routes.notices.account.store import AccountStore

FINAL_FROM: Final = 8  # day of the next month
CHARGED, FREE, FAILED, REJECTED, UNKNOWN = "charged", "free", "failed", "rejected", "unknown"
NONE: Final = "none"  # it was a message once, and is none: a person has said that it never left
_OUT: Final = (Claimed.ACCEPTED, Claimed.ENQUEUED, Claimed.SENT, Claimed.DELIVERED, Claimed.READ)
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One message in one month's bill.

    Attributes:
        month: whose bill it is in, `YYYY-MM`. of_month: the message's own; an earlier one: it is an adjustment.
        bucket: what it counts as. was: of an adjustment, what it counted as before.
        amount: what it adds to the bill; of an adjustment the difference. currency: None: nothing is charged.
        detail: what `--rows` shows besides.
    """

    notice_id: str
    merchant: str
    month: str
    of_month: str
    bucket: str
    was: str | None = None
    amount: Decimal = ZERO
    currency: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_adjustment(self) -> bool:
        """Say whether it is about a message of a month that was final before."""
        return self.of_month != self.month


def bucket_of(claim: Claim, kind: str) -> str | None:
    """Return what a message counts as, sent by an account of this kind; None: it is none, nothing has left."""
    if claim.state in _OUT:
        return CHARGED if kind == HOUSE else FREE
    named = {Claimed.FAILED: FAILED, Claimed.REJECTED: REJECTED, Claimed.UNKNOWN: UNKNOWN, Claimed.OPEN: UNKNOWN}
    return named.get(Claimed(claim.state))


def month_of(claim: Claim, zone: tzinfo) -> str:
    """Return the month of a message, in its merchant's zone: of `accepted_at`, else of its claim."""
    return _month(claim.accepted_at or claim.claimed_at, zone)


def _month(at: datetime, zone: tzinfo) -> str:
    return f"{at.replace(tzinfo=UTC).astimezone(zone):%Y-%m}"


def is_final(month: str, today: date) -> bool:
    """Say whether a month is final on a day in the merchant's zone."""
    following = next_month(month)
    return today >= date(int(following[:4]), int(following[5:]), FINAL_FROM)


def next_month(month: str) -> str:
    """Return the month after a month, `YYYY-MM`."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def lines_of(
    found: Iterable[Claim],
    account: GupshupAccount,
    zone: tzinfo,
    month: str,
    known: Mapping[str, Line],
    *,
    adjusts: bool,
) -> list[Line]:
    """Return the lines of a month that is not stored.

    Args:
        known: the newest stored line of each message that has one, in which `amount` is the sum of them all.
        adjusts: it is the first month that is open: what is learnt of final ones is in it.
    """
    made = []
    for claim in found:
        before = known.get(claim.notice_id)
        of_month = month_of(claim, zone) if before is None else before.of_month
        bucket = bucket_of(claim, account.kind) or NONE
        if bucket == (NONE if before is None else before.bucket):
            continue
        is_own = before is None and of_month == month
        if not (is_own or (adjusts and of_month < month)):
            continue
        price = account.price if bucket == CHARGED else None
        amount = ZERO if price is None else price.amount
        currency = None if price is None else price.currency
        if before is not None:
            amount, currency = amount - before.amount, currency or before.currency
        was = None if before is None else before.bucket
        made.append(
            Line(claim.notice_id, claim.merchant, month, of_month, bucket, was, amount, currency, _detail(claim))
        )
    return made


def _detail(claim: Claim) -> dict[str, Any]:
    """Return what a row of the bill shows, without the order: a stored line must not outlive what `forget` drops."""
    return {
        "kind": claim.kind, "status": claim.status, "template_id": claim.template_id, "category": claim.category,
        "message_id": claim.message_id, "accepted_at": _told(claim.accepted_at), "state": str(claim.state),
        "evidence": claim.evidence,
    }  # fmt: skip


# --- storing what is final ----------------------------------------------------------------------------------------


def close(store: AccountStore, zone: tzinfo, today: date) -> None:
    """Store the lines of all months of the store's merchant that are final now and were not before, one by one."""
    if not store.exists:
        return
    with store.read() as db:
        month = _open_month(db, store.merchant, zone)
    if month is None or not is_final(month, today):
        return
    with store.write() as db:
        month = _open_month(db, store.merchant, zone)
        if month is None:
            return
        found, told = claim_rows.read_all(db, store.merchant), list[dict[str, Any]]()
        while is_final(month, today):
            known = known_lines(db, store.merchant)
            for line in lines_of(found, store.account, zone, month, known, adjusts=True):
                row = _row(line)
                evidence.put_billed(db, row)
                told.append({"what": evidence.BILLED, **row})
            closed = {"merchant": store.merchant, "month": month, "at": today.isoformat()}
            evidence.put_closed(db, closed)
            told.append({"what": evidence.CLOSED, **closed})
            month = next_month(month)
        store.evidence.append(told)


def _open_month(db: sqlite3.Connection, merchant: str, zone: tzinfo) -> str | None:
    """Return the first month of a merchant that is not stored; None: it has sent nothing yet."""
    last = closed_through(db, merchant)
    if last is not None:
        return next_month(last)
    at = db.execute(
        "select min(coalesce(accepted_at, claimed_at)) from claims where merchant = ?", [merchant]
    ).fetchone()
    return None if at[0] is None else _month(datetime.fromisoformat(at[0]), zone)


def close_all(run: Run) -> None:
    """Store what has become final of a merchant, in all accounts that it has installed, or had."""
    for account in left.accounts_of(run):
        close(AccountStore.of(run, account), run.merchant.time_zone, run.today())


def closed_through(db: sqlite3.Connection, merchant: str) -> str | None:
    """Return the newest month of a merchant that is stored; None: none is."""
    row = db.execute("select value from facts where name = ?", [evidence.closed_name(merchant)]).fetchone()
    return None if row is None else str(row[0])


def _row(line: Line) -> dict[str, Any]:
    return {
        "month": line.month, "notice_id": line.notice_id, "merchant": line.merchant, "of_month": line.of_month,
        "bucket": line.bucket, "was": line.was, "amount": str(line.amount), "currency": line.currency,
        "detail": json.dumps(line.detail, ensure_ascii=False),
    }  # fmt: skip


def stored(db: sqlite3.Connection, merchant: str, month: str | None = None) -> list[Line]:
    """Return the stored lines of a merchant, of a month or of all, as they were stored."""
    rows = db.execute(
        """select notice_id, merchant, month, of_month, bucket, was, amount, currency, detail from billed
           where merchant = ? and (? is null or month = ?) order by month, rowid""",
        [merchant, month, month],
    )
    return [
        Line(
            row["notice_id"], row["merchant"], row["month"], row["of_month"], row["bucket"], row["was"],
            Decimal(row["amount"]), row["currency"], json.loads(row["detail"]),
        )
        for row in rows
    ]  # fmt: skip


def known_lines(db: sqlite3.Connection, merchant: str) -> dict[str, Line]:
    """Return the newest stored line of each message of a merchant, in which `amount` is the sum of them all."""
    known: dict[str, Line] = {}
    for line in stored(db, merchant):
        before = known.get(line.notice_id)
        known[line.notice_id] = line if before is None else replace(line, amount=before.amount + line.amount)
    return known


def _told(at: datetime | None) -> str | None:
    return None if at is None else f"{at.isoformat(timespec='seconds')}Z"
