"""Counts what messages cost, per merchant and account and month (notices.md 7.7).

Data flow: claims of the account's file -> a line each -> sums; of a final month, from `billed` alone.

A month is final from the 8th of the next one on. Then its lines are stored with the account, and stay as they are: what is
learnt later of one of its messages is a line of the month that is open then, an adjustment. So a bill that was sent stands.
Money is Decimal.
"""

from __future__ import annotations

import csv as csv_form
import io
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE, GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account import claim_rows
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed
from vs_st_pipeline.routes.notices.account.store import AccountStore

FINAL_FROM: Final = 8  # day of the next month
CHARGED, FREE, FAILED, REJECTED, UNKNOWN = "charged", "free", "failed", "rejected", "unknown"
NONE: Final = "none"  # it was a message once, and is none: a person has said that it never left
_OUT: Final = (Claimed.ACCEPTED, Claimed.ENQUEUED, Claimed.SENT, Claimed.DELIVERED, Claimed.READ)
_DEDUCTION: Final = ("type", "conversationType", "model", "source", "billable", "category")
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
    following = _next(month)
    return today >= date(int(following[:4]), int(following[5:]), FINAL_FROM)


def _next(month: str) -> str:
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
        last = _closed(db, store.merchant)
    if last is not None and not is_final(_next(last), today):
        return
    with store.write() as db:
        last, first = _closed(db, store.merchant), _first(db, store.merchant, zone)
        month = _next(last) if last is not None else first
        if month is None or not is_final(month, today):
            return
        found = claim_rows.read_all(db, store.merchant)
        while is_final(month, today):
            known = _known(db, store.merchant)
            for line in lines_of(found, store.account, zone, month, known, adjusts=True):
                _put(db, line)
            db.execute(
                "insert or replace into facts values (?, ?, ?)", [_fact(store.merchant), month, today.isoformat()]
            )
            month = _next(month)


def _first(db: sqlite3.Connection, merchant: str, zone: tzinfo) -> str | None:
    """Return the month of a merchant's first message; None: it has none."""
    at = db.execute(
        "select min(coalesce(accepted_at, claimed_at)) from claims where merchant = ?", [merchant]
    ).fetchone()
    return None if at[0] is None else _month(datetime.fromisoformat(at[0]), zone)


def close_all(run: Run) -> None:
    """Store what has become final of a merchant, in all accounts that it has installed."""
    for account in run.merchant.section(GupshupSettings).accounts:
        close(AccountStore.of(run, account), run.merchant.time_zone, run.today())


def _fact(merchant: str) -> str:
    return f"billing_closed {merchant}"


def _closed(db: sqlite3.Connection, merchant: str) -> str | None:
    row = db.execute("select value from facts where name = ?", [_fact(merchant)]).fetchone()
    return None if row is None else str(row[0])


def _put(db: sqlite3.Connection, line: Line) -> None:
    db.execute(
        "insert or ignore into billed values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            line.month, line.notice_id, line.merchant, line.of_month, line.bucket, line.was, str(line.amount),
            line.currency, json.dumps(line.detail, ensure_ascii=False),
        ],
    )  # fmt: skip


def _stored(db: sqlite3.Connection, merchant: str, month: str | None = None) -> list[Line]:
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


def _known(db: sqlite3.Connection, merchant: str) -> dict[str, Line]:
    known: dict[str, Line] = {}
    for line in _stored(db, merchant):
        before = known.get(line.notice_id)
        known[line.notice_id] = line if before is None else replace(line, amount=before.amount + line.amount)
    return known


# --- the bill ---------------------------------------------------------------------------------------------------------


def bill(runs: Sequence[Run], month: str, account_id: str | None = None, *, rows: bool = False) -> dict[str, Any]:
    """Return a month's bill, per merchant and account; calls no system.

    Args:
        month: `YYYY-MM`. account_id: of this account alone. rows: with each message.
    """
    known = {one.id: one for run in runs for one in run.merchant.section(GupshupSettings).accounts}
    told = []
    for run in runs:
        for account in _accounts(run, known):
            if account_id in (None, account.id):
                told += _bill_of(run, account, month, rows=rows)
    return {"month": month, "bills": told}


def _accounts(run: Run, known: Mapping[str, GupshupAccount]) -> list[GupshupAccount]:
    """Return the accounts by which a merchant may have sent: what it has installed, and what it had."""
    installed = run.merchant.section(GupshupSettings).accounts
    folder = run.warehouse.data_dir / "accounts"
    others = (
        sorted(one.name for one in folder.iterdir() if (one / "account.sqlite").exists()) if folder.exists() else []
    )
    ids = {one.id for one in installed}
    return [*installed, *(known[name] for name in others if name not in ids and name in known)]


def _bill_of(run: Run, account: GupshupAccount, month: str, *, rows: bool) -> list[dict[str, Any]]:
    store, zone = AccountStore.of(run, account), run.merchant.time_zone
    if not store.exists:
        return []
    if not run.dry_run:
        close(store, zone, run.today())
    with store.read() as db:
        last = _closed(db, store.merchant)
        final = last is not None and month <= last
        found = claim_rows.read_all(db, store.merchant)
        if final:
            made = _stored(db, store.merchant, month)
        else:
            is_first = last is not None and month == _next(last)
            made = lines_of(found, account, zone, month, _known(db, store.merchant), adjusts=is_first)
        deductions = _deductions(db) if rows else {}
    if not made:
        return []
    told: dict[str, Any] = {
        "merchant": run.merchant.id, "account": account.id, "account_kind": account.kind, "number": account.number,
        **_sums([one for one in made if not one.is_adjustment], account), "final": final,
        "adjustment": _sums([one for one in made if one.is_adjustment], account),
    }  # fmt: skip
    if rows:
        orders = {one.notice_id: one.order_number for one in found}
        told["rows"] = [_row(one, account, orders.get(one.notice_id), deductions) for one in made]
    return [told]


def _sums(lines: Sequence[Line], account: GupshupAccount) -> dict[str, Any]:
    def count(*buckets: str) -> int:
        return sum(one.bucket in buckets for one in lines) - sum(one.was in buckets for one in lines)

    return {
        "messages": count(CHARGED, FREE, FAILED, REJECTED, UNKNOWN),
        "charged": count(CHARGED),
        "failed": count(FAILED, REJECTED),
        "unknown": count(UNKNOWN),
        "amount": _money(sum((one.amount for one in lines), ZERO), account, lines),
        "currency": next(
            (one.currency for one in lines if one.currency), account.price.currency if account.price else None
        ),
    }


def _money(amount: Decimal, account: GupshupAccount, lines: Sequence[Line]) -> str | None:
    """Return an amount as it is written; None: the account has no price, and had none."""
    return str(amount) if account.price is not None or any(one.currency for one in lines) else None


def _row(
    line: Line, account: GupshupAccount, order_number: str | None, deductions: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "notice_id": line.notice_id, "merchant": line.merchant, "account": account.id, "account_kind": account.kind,
        "number": account.number, "month": line.month, "of_month": line.of_month, "order": order_number, **line.detail,
        "counts_as": line.bucket, "counted_as": line.was, "amount": str(line.amount), "currency": line.currency,
        "deduction": deductions.get(line.detail.get("message_id") or ""),
    }  # fmt: skip


def _deductions(db: sqlite3.Connection) -> dict[str, Any]:
    """Return what Gupshup itself has deducted, by message id; of the event, what holds no phone."""
    found: dict[str, Any] = {}
    for gs_id, detail in db.execute("select gs_id, detail from billing where gs_id is not null order by seq"):
        said = try_object(detail) or {}
        inner = said.get("deductions")
        deducted: dict[str, Any] = inner if isinstance(inner, dict) else said
        found[gs_id] = {name: deducted[name] for name in _DEDUCTION if name in deducted}
    return found


def lines(told: Mapping[str, Any]) -> list[str]:
    """Return a bill in lines for people."""
    said = []
    for one in told["bills"]:
        word = "final" if one["final"] else "not final yet"
        said.append(f"{one['merchant']}, account {one['account']}, {told['month']}, {word}: {_summed(one)}")
        if any(one["adjustment"][name] for name in ("messages", "charged", "failed", "unknown")):
            said.append(f"  adjustment of earlier months: {_summed(one['adjustment'])}")
        said += [
            f"  {row['accepted_at'] or '-'}  {row['order'] or '-'}  {row['kind']} {row['status'] or ''}  "
            f"{row['counts_as']}  {row['message_id'] or '-'}"
            for row in one.get("rows", ())
        ]
    return said or [f"no message in {told['month']}"]


def _summed(sums: Mapping[str, Any]) -> str:
    amount = "" if sums["amount"] is None else f", {sums['amount']} {sums['currency'] or ''}".rstrip()
    return f"{sums['messages']} messages, {sums['charged']} charged, {sums['failed']} failed, {sums['unknown']} unknown{amount}"


def csv(told: Mapping[str, Any]) -> list[str]:
    """Return a bill as lines of CSV: each message where the bill has them, else each merchant and account."""
    flat = [row for one in told["bills"] for row in one["rows"]] if any("rows" in one for one in told["bills"]) else [
        {name: value for name, value in one.items() if name != "adjustment"}
        | {f"adjustment_{name}": value for name, value in one["adjustment"].items() if name != "currency"}
        for one in told["bills"]
    ]  # fmt: skip
    if not flat:
        return []
    out = io.StringIO()
    writer = csv_form.DictWriter(out, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue().splitlines()


def _told(at: datetime | None) -> str | None:
    return None if at is None else f"{at.isoformat(timespec='seconds')}Z"
