"""Reads and writes claims in an account's file, in the caller's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.routes.notices.account.claim import Claim
from vs_st_pipeline.routes.notices.account.store import next_seq

MESSAGE_IDS, WA_IDS = "message_ids", "wa_ids"
_TIMES: Final = ("claimed_at", "accepted_at", "retry_at", "occurred_at", "occurred_to")
_COLUMNS: Final = tuple(one.name for one in fields(Claim) if one.name != "is_mine")


def read(db: sqlite3.Connection, notice_id: str) -> Claim | None:
    """Return a claim; None: there is none."""
    row = db.execute("select * from claims where notice_id = ?", [notice_id]).fetchone()
    return None if row is None else of_row(row)


def read_all(db: sqlite3.Connection, merchant: str | None, since: int = 0) -> list[Claim]:
    """Return the claims of a merchant, or of all, that changed after a number of the counter, in that order."""
    rows = db.execute(
        "select * from claims where changed > ?1 and (?2 is null or merchant = ?2) order by changed", [since, merchant]
    )
    return [of_row(row) for row in rows]


def of_row(row: sqlite3.Row) -> Claim:
    """Return a row of claims."""
    values = {name: row[name] for name in _COLUMNS}
    for name in _TIMES:
        values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
    values["exempt"] = bool(values["exempt"])
    return Claim(**values)


def as_row(made: Claim) -> dict[str, Any]:
    """Return a claim as its row."""
    row = {name: getattr(made, name) for name in _COLUMNS}
    for name in _TIMES:
        row[name] = None if row[name] is None else row[name].isoformat()
    return row | {"state": str(made.state), "exempt": int(made.exempt)}


def put(db: sqlite3.Connection, made: Claim) -> None:
    """Store a claim as it is, over one that stands."""
    row = as_row(made)
    db.execute(
        f"insert or replace into claims ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values())
    )


def change(db: sqlite3.Connection, found: Claim, **changes: Any) -> Claim:
    """Change a claim, with a number of its own, so that its merchant's next copy has it."""
    made = replace(found, **changes, changed=next_seq(db))
    put(db, made)
    return made


def take_id(db: sqlite3.Connection, table: str, id: str, notice_id: str) -> bool:
    """Note whose id this is (`MESSAGE_IDS`, `WA_IDS`); False where it is another claim's."""
    db.execute(f"insert or ignore into {table} values (?, ?)", [id, notice_id])
    return bool(db.execute(f"select notice_id = ? from {table} where id = ?", [notice_id, id]).fetchone()[0])


def owner(db: sqlite3.Connection, table: str, id: str | None) -> str | None:
    """Return the notice whose id this is; None: it is in no claim."""
    row = None if id is None else db.execute(f"select notice_id from {table} where id = ?", [id]).fetchone()
    return None if row is None else str(row["notice_id"])
