"""Counts what messages cost, per merchant and account and month (notices.md 7.7).

Data flow: claims of the account's file, and what `billed` keeps of final months -> a bill, for people or as CSV.
"""

from __future__ import annotations

import csv as csv_form
import io
import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account import claim_rows, left
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.billed import (
    CHARGED,
    FAILED,
    FREE,
    REJECTED,
    UNKNOWN,
    ZERO,
    Line,
    close,
    closed_through,
    known_lines,
    lines_of,
    next_month,
    stored,
)

_DEDUCTION: Final = ("type", "conversationType", "model", "source", "billable", "category")


def bill(runs: Sequence[Run], month: str, account_id: str | None = None, *, rows: bool = False) -> dict[str, Any]:
    """Return a month's bill, per merchant and account; calls no system.

    Args:
        month: `YYYY-MM`. account_id: of this account alone. rows: with each message.
    """
    known = {one.id: one for run in runs for one in run.merchant.section(GupshupSettings).accounts}
    told = []
    for run in runs:
        for account in left.accounts_of(run, known):
            if account_id in (None, account.id):
                told += _bill_of(run, account, month, rows=rows)
    return {"month": month, "bills": told}


def _bill_of(run: Run, account: GupshupAccount, month: str, *, rows: bool) -> list[dict[str, Any]]:
    store, zone = AccountStore.of(run, account), run.merchant.time_zone
    if not store.exists:
        return []
    if not run.dry_run:
        close(store, zone, run.today())
    with store.read() as db:
        last = closed_through(db, store.merchant)
        final = last is not None and month <= last
        found = claim_rows.read_all(db, store.merchant)
        if final:
            made = stored(db, store.merchant, month)
        else:
            is_first = last is not None and month == next_month(last)
            made = lines_of(found, account, zone, month, known_lines(db, store.merchant), adjusts=is_first)
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
    told = [
        counted(sums["messages"], "messages"),
        *(f"{sums[name]} {name}" for name in ("charged", "failed", "unknown")),
    ]
    if sums["amount"] is not None:
        told.append(f"{sums['amount']} {sums['currency'] or ''}".rstrip())
    return ", ".join(told)


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
