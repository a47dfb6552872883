"""Copies a merchant's own part of an account into its database: consents, receipts, replies, templates, claims.

Data flow: account.sqlite (since the last copy) -> staged.receipts, replies, consents, templates; synced.notices.

All of one moment of the account's file, in one transaction of the merchant's: what is copied is counted and told once.
A file that is not the one of the last copy is copied whole; what stands already says nothing.

It is long because one transaction copies five kinds of rows, each with what it adds to the counts and to the activity.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.callbacks import DELETED, DELIVERED, FAILED, READ
from vs_st_pipeline.connectors.gupshup.codes import meaning
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity, ledger
from vs_st_pipeline.routes.notices.account import claim_rows
from vs_st_pipeline.routes.notices.account.claim import Claim
from vs_st_pipeline.routes.notices.account.evidence import CLAIM
from vs_st_pipeline.routes.notices.account.store import NUMBER, AccountStore, about
from vs_st_pipeline.routes.notices.activity_bulk import Entry, add_all
from vs_st_pipeline.routes.notices.report import NoticesReport
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import Noted, ReplyOutcome, State, What

_PLACEHOLDER: Final = re.compile(r"\{\{[^{}]*\}\}")
_COUNTED: Final = (DELIVERED, READ, FAILED)
_WANT_OPT_IN: Final = frozenset({"1006", "1007", "1008"})
_RECEIPT: Final = (
    "id",
    "gs_id",
    "type",
    "at",
    "destination",
    "code",
    "reason",
    "wa_id",
    "notice_id",
    "matched_by",
    "key",
)
_REPLY: Final = (
    "message_id", "phone", "kind", "text", "button_text", "postback", "context_gs_id", "context_id", "at", "notice_id",
    "matched_by", "outcome", "action_id", "seq",
)  # fmt: skip
_TEMPLATE: Final = (
    "template_id", "name", "status", "category", "language", "type", "data", "header", "footer", "buttons", "read_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """What one merchant has not copied yet, of one moment of the file."""

    number: str
    seq: int
    claims: Sequence[Claim]
    receipts: Sequence[sqlite3.Row]
    replies: Sequence[sqlite3.Row]
    consents: Sequence[sqlite3.Row]
    templates: Sequence[sqlite3.Row]

    def rows(self) -> bool:
        """Say whether there is anything but templates."""
        return bool(self.claims or self.receipts or self.replies or self.consents)


def copy(session: NoticesSession, account: GupshupAccount) -> None:
    """Copy what is new, in one transaction, with the activity and the counts that follow from it (7.5, 7.8)."""
    run, store, told = session.run, session.store(account), session.told
    if not store.exists:
        return
    with run.open() as db:
        part = _read(store, last_copied(db, account))
        if not part.rows() and (part.number, part.seq) == last_copied(db, account):
            _copy_templates(db, account, part.templates, alone=True)
            return
        with db.transaction():
            counts = _copy(db, run, account, part)
            _fill_consents(db, store, counts.moves)
            _copy_templates(db, account, part.templates, alone=False)
            db.execute(
                "insert or replace into synced.account_copied values (?, ?, ?)", [account.id, part.number, part.seq]
            )
    failpoint("account")
    counts.into(told)


def last_copied(db: Db, account: GupshupAccount) -> tuple[str, int]:
    """Return the number of the file that was copied last, and of its newest change then; 0: none was."""
    row = db.row("select file, seq from synced.account_copied where account = ?", [account.id])
    return ("", 0) if row is None else (str(row[0]), int(row[1]))


def _read(store: AccountStore, known: tuple[str, int]) -> Part:
    with store.read() as db:
        number, seq = about(db, NUMBER), int(db.execute("select seq from counter").fetchone()[0])
        since = known[1] if known[0] == number else 0
        mine = [store.merchant, since]
        return Part(
            number,
            seq,
            claim_rows.read_all(db, store.merchant, since),
            db.execute("select * from receipts where merchant = ? and seq > ? order by seq", mine).fetchall(),
            db.execute("select * from replies where merchant = ? and seq > ? order by seq", mine).fetchall(),
            db.execute(
                """select * from consents where (merchant is null or merchant = ?) and seq > ? and phone is not null
                   order by seq""",
                mine,
            ).fetchall(),
            db.execute("select * from templates where not gone order by template_id").fetchall(),
        )


class _Counts:
    """What one copy adds to the report, once its transaction is done."""

    def __init__(self) -> None:
        self.moves: list[ledger.Move] = []
        self.receipts = self.replies = self.after_failed = 0
        self.words: list[str] = []
        self.noted: list[str] = []

    def into(self, told: NoticesReport) -> None:
        for move in self.moves:
            ledger.count(told, move)
        told.seen["receipts"] += self.receipts
        told.seen["replies"] += self.replies
        told.counts.update(self.words)
        told.noted.update(self.noted)
        told.noted[Noted.FAILED_THEN_DELIVERED] += self.after_failed


def _copy(db: Db, run: Run, account: GupshupAccount, part: Part) -> _Counts:
    counts = _Counts()
    if part.claims:
        failed = _had_failed(db, part.claims)
        counts.moves = ledger.from_claims(db, run, part.claims, account)
        counts.after_failed = sum(
            move.moved and move.notice_id in failed and move.after in (State.DELIVERED, State.READ)
            for move in counts.moves
        )
    if part.receipts:
        _copy_receipts(db, run, account, part.receipts, counts)
    for row in part.replies:
        _copy_reply(db, run, account, row, counts)
    if part.consents:
        _copy_consents(db, account, part.consents)
    return counts


def _fill_consents(db: Db, store: AccountStore, moves: Sequence[ledger.Move]) -> None:
    """Give rows that a lost database did not have the consent that their messages used, of the evidence (R35)."""
    made = {move.notice_id for move in moves if move.before is None}
    if not made:
        return
    found = {
        str(line["notice_id"]): json.dumps(line.get("consent") or {"forgotten": True}, ensure_ascii=False)
        for line in store.evidence.read()
        if line.get("what") == CLAIM and line.get("notice_id") in made
        and (line.get("consent") or "order_number" not in line)
    }  # fmt: skip
    with db.batch({"notice_id": list(found), "consent": list(found.values())}) as batch:
        db.execute(
            f"""update synced.notices as s set consent = b.consent from {batch} as b
                where s.notice_id = b.notice_id and s.consent is null"""
        )


def _had_failed(db: Db, claims: Sequence[Claim]) -> set[str]:
    with db.batch({"notice_id": [one.notice_id for one in claims]}) as batch:
        rows = db.rows(
            f"""select notice_id from synced.notices join {batch} using (notice_id)
                where state = 'failed' or (state = 'waiting' and reason = 'retry')"""
        )
    return {row[0] for row in rows}


def _copy_receipts(db: Db, run: Run, account: GupshupAccount, rows: Sequence[sqlite3.Row], counts: _Counts) -> None:
    with db.batch({name: [row[name] for row in rows] for name in _RECEIPT}) as batch:
        news = {
            row[0] for row in db.rows(
                f"""select key from {batch} anti join
                    (select key from staged.receipts where account = $account) using (key)""",
                {"account": account.id},
            )
        }  # fmt: skip
        told = set(
            db.rows(
                f"""select r.notice_id, r.type from staged.receipts as r
                    semi join {batch} as b on b.notice_id = r.notice_id"""
            )
        )
        orders = dict(
            db.rows(
                f"select notice_id, merchant_order from synced.notices as n semi join {batch} as b using (notice_id)"
            )
        )
        names = ", ".join(f'"{name}"' for name in _RECEIPT)
        typed = ", ".join('b."at"::timestamp' if name == "at" else f"b.{name}" for name in _RECEIPT)
        db.execute(
            f"""insert into staged.receipts (account, {names}) select $account, {typed} from {batch} as b
                anti join (select key from staged.receipts where account = $account) using (key)""",
            {"account": account.id},
        )
    entries = []
    for row in rows:
        if row["key"] not in news:
            continue
        counts.receipts += 1
        if row["type"] in _COUNTED and (row["notice_id"], row["type"]) not in told:
            told.add((row["notice_id"], row["type"]))  # a message counts once as each (rulings, notices 15)
            counts.words.append(row["type"])
        if row["type"] == DELETED:
            counts.noted.append(Noted.DELETED)
        if row["type"] == FAILED and row["code"] is not None and not meaning(row["code"]).known:
            counts.noted.append(Noted.UNKNOWN_CODE)
        if row["type"] == FAILED and row["code"] in _WANT_OPT_IN:
            note = [Noted.WANTS_OPT_IN, row["notice_id"], run.now()]
            db.execute("insert or ignore into synced.notice_notes values (?, ?, ?)", note)
        entries.append(
            Entry(
                What.RECEIPT,
                f"receipt {account.id} {row['key']}",
                merchant_order=orders.get(row["notice_id"]),
                notice_id=row["notice_id"],
                message_id=row["gs_id"],
                account_kind=account.kind,
                number=account.number,
                detail={"type": row["type"], "at": row["at"], "code": row["code"]},
            )
        )
    add_all(db, run, entries)


def _copy_reply(db: Db, run: Run, account: GupshupAccount, row: sqlite3.Row, counts: _Counts) -> None:
    known = db.row("select 1 from staged.replies where account = ? and message_id = ?", [account.id, row["message_id"]])
    if known is not None:
        return
    _insert(db, "staged.replies", {"account": account.id, **_values(row, _REPLY)})
    counts.replies += 1
    # What other replies ask for, `replies` tells when it has judged them.
    what = {ReplyOutcome.OPTED_OUT: What.OPTED_OUT, ReplyOutcome.OPTED_IN: What.REPLY}.get(row["outcome"])
    if what is not None:
        activity.add(
            db,
            run,
            what,
            merchant_order=_order_of(db, row["notice_id"]),
            notice_id=row["notice_id"],
            message_id=row["message_id"],
            account_kind=account.kind,
            number=account.number,
            mode="whatsapp",
            key=f"reply {account.id} {row['message_id']}",
            detail={"kind": row["kind"], "at": row["at"], "outcome": row["outcome"]},
        )


def _copy_consents(db: Db, account: GupshupAccount, rows: Sequence[sqlite3.Row]) -> None:
    names = ("phone", "source", "at", "state", "merchant_order", "evidence", "number")
    with db.batch({name: [row[name] or None for row in rows] for name in names}) as batch:
        db.execute(
            f"""insert into staged.consents (phone, account, source, "at", state, merchant_order, evidence, number)
                select b.phone, $account, b.source, b."at"::timestamp, b.state, b.merchant_order, b.evidence, b.number
                from {batch} as b where not exists (
                    select 1 from staged.consents as c
                    where (c.phone, c.account, c.source, c."at", c.state)
                        = (b.phone, $account, b.source, b."at"::timestamp, b.state)
                      and c.merchant_order is not distinct from b.merchant_order)""",
            {"account": account.id},
        )


def _copy_templates(db: Db, account: GupshupAccount, rows: Sequence[sqlite3.Row], *, alone: bool) -> None:
    """Replace the rows that differ, so that a verdict on one that has not changed stays."""
    names = ", ".join(_TEMPLATE)
    stood = {row[0]: row for row in db.rows(f"select {names} from staged.templates where account = ?", [account.id])}
    news = {row["template_id"]: _values(row, _TEMPLATE) for row in rows}
    changed = [values for id, values in news.items() if stood.get(id) != tuple(values.values())]
    gone = [id for id in stood if id not in news]
    if not changed and not gone:
        return

    def write() -> None:
        for id in [*gone, *(one["template_id"] for one in changed)]:
            db.execute("delete from staged.templates where account = ? and template_id = ?", [account.id, id])
        for values in changed:
            placeholders = list(dict.fromkeys(_PLACEHOLDER.findall(values["data"] or "")))
            _insert(db, "staged.templates", {"account": account.id, **values, "placeholders": placeholders})

    if not alone:
        write()
        return
    with db.transaction():
        write()


def _values(row: sqlite3.Row, names: Sequence[str]) -> dict[str, Any]:
    values = {name: row[name] for name in names}
    return {
        name: datetime.fromisoformat(value) if name in ("at", "read_at") and value is not None else value
        for name, value in values.items()
    }


def _insert(db: Db, table: str, values: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in values)
    db.execute(f"insert into {table} ({names}) values ({', '.join('?' * len(values))})", list(values.values()))


def _order_of(db: Db, notice_id: str | None) -> str | None:
    order: str | None = db.value("select merchant_order from synced.notices where notice_id = ?", [notice_id])
    return order
