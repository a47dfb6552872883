"""What the destination has accepted, value by value: read it, and record an outcome in one transaction with its proof.

The ledger moves only after the answer. Everything here runs inside the caller's transaction, so that an outcome is
remembered whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.change import Change
from vs_st_pipeline.diff import Accepted
from vs_st_pipeline.warehouse import Db

FIRST_GAP = timedelta(minutes=15)
LARGEST_GAP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A contact that the destination refused: since when, how often, and when it is tried next (UTC without zone)."""

    changes_hash: str
    code: str | None
    attempts: int
    first_at: datetime
    next_at: datetime


def changes_hash(changes: Iterable[Change]) -> str:
    """Names a wish: equal for the same values of the same fields, whatever stands there now."""
    return hashlib.md5(
        json.dumps(sorted((change.field, change.new) for change in changes)).encode(), usedforsecurity=False
    ).hexdigest()


def read_accepted(db: Db, contact_ids: Iterable[str]) -> dict[str, dict[str, Accepted]]:
    """The ledger of these contacts: contact id -> field -> entry."""
    found: dict[str, dict[str, Accepted]] = {}
    with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
        rows = db.rows(
            f"""select contact_id, field, sent, stored, before, resent
                from synced.ledger semi join {batch} using (contact_id)"""
        )
    for contact_id, field, sent, stored, before, resent in rows:
        found.setdefault(contact_id, {})[field] = Accepted(sent, stored, before or "", resent)
    return found


def read_rejected(db: Db) -> dict[str, Rejected]:
    """All contacts that wait for another try."""
    return {
        row[0]: Rejected(*row[1:])
        for row in db.rows("select contact_id, changes_hash, code, attempts, first_at, next_at from synced.rejects")
    }


def record_accepted(
    db: Db, accepted: Sequence[tuple[str, Sequence[Change]]], *, at: datetime, run_id: str, call: str
) -> None:
    """These contacts' changes were accepted: ledger, history, and no reject or settled mark is left of them."""
    columns: dict[str, list[Any]] = {"contact_id": [], "field": [], "old": [], "new": []}
    for contact_id, changes in accepted:
        for change in changes:
            columns["contact_id"].append(contact_id)
            columns["field"].append(change.field)
            columns["old"].append(change.old or "")
            columns["new"].append(change.new)
    values = {"at": at, "run": run_id, "call": call}
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into synced.history (contact_id, field, old, new, written_at, run_id, call)
                select contact_id, field, old, new, $at, $run, $call from {batch}""",
            values,
        )
        db.execute(
            f"""insert or replace into synced.ledger by name
                select b.contact_id, b.field, b.new as sent, null as stored, b.old as before,
                       coalesce(l.sent = b.new, false) as resent,
                       $at::timestamp as accepted_at, $run as run_id, $call as call
                from {batch} as b left join synced.ledger as l using (contact_id, field)""",
            values,
        )
        db.execute(f"delete from synced.rejects where contact_id in (select contact_id from {batch})")
        db.execute(f"delete from synced.settled where contact_id in (select contact_id from {batch})")


def record_rejected(
    db: Db, contact_id: str, changes: Sequence[Change], *, code: str | None, http_status: int | None, at: datetime
) -> None:
    """This contact was refused: tried again at the next sync, then after growing gaps up to a day, never dropped."""
    wish = changes_hash(changes)
    row = db.row("select changes_hash, attempts, first_at from synced.rejects where contact_id = ?", [contact_id])
    attempts, first_at = (row[1] + 1, row[2]) if row and row[0] == wish else (1, at)
    gap = timedelta(0) if attempts == 1 else min(LARGEST_GAP, FIRST_GAP * 2 ** min(attempts - 2, 10))
    db.execute(
        "insert or replace into synced.rejects values (?, ?, ?, ?, ?, ?, ?, ?)",
        [contact_id, wish, code, http_status, attempts, first_at, at, at + gap],
    )


def record_learned(db: Db, *, at: datetime, run_id: str) -> None:
    """What planning saw proved: the stored form of a value that we sent, or a wanted value found there already."""
    values = {"at": at, "run": run_id}
    db.execute(
        """update synced.ledger as l set stored = p.stored from planned.learned as p
           where l.contact_id = p.contact_id and l.field = p.field and l.sent = p.sent"""
    )
    db.execute(
        """insert or replace into synced.ledger by name
           select p.contact_id, p.field, p.sent, p.stored, p.stored as before, false as resent,
                  $at::timestamp as accepted_at, $run as run_id, 'read' as call
           from planned.learned as p left join synced.ledger as l using (contact_id, field)
           where l.sent is distinct from p.sent""",
        values,
    )


def record_doubted(db: Db, contact_id: str, why: str, *, at: datetime) -> None:
    """A contact that we may have made is not written, until it shows a sign of its own."""
    db.execute("insert or replace into synced.doubted values (?, ?, ?)", [contact_id, why, at])


def read_doubted(db: Db) -> set[str]:
    """Contacts that we may have made."""
    return {row[0] for row in db.rows("select contact_id from synced.doubted")}


def forget_settled_rejects(db: Db) -> None:
    """A refused contact that nothing is wanted of any more has nothing to be tried again."""
    db.execute(
        """delete from synced.rejects
           where contact_id not in (select contact_id from planned.changes)
             and contact_id not in (select contact_id from planned.notes where note = 'waiting_retry')"""
    )


def record_links(db: Db, *, at: datetime) -> None:
    """Remember who is linked to whom, for the brake of the next sync; a loss that was let through is none any more."""
    db.execute(
        """delete from synced.links where contact_id in
           (select contact_id from planned.contacts where customer_id is null)"""
    )
    db.execute(
        """insert or replace into synced.links
           select contact_id, customer_id, linked_by, newest_order_at, ?::timestamp from planned.contacts
           where customer_id is not null and held is null""",
        [at],
    )


def record_passed(db: Db, *, at: datetime) -> None:
    """The brake let this sync through: its complete reads are what the next one is measured by."""
    for what in ("customers", "contacts"):
        db.execute(
            f"""insert or replace into synced.baseline
                select '{what}', {what}_rows, ?::timestamp from planned.plan where {what}_rows is not null""",
            [at],
        )


def record_settled(db: Db) -> None:
    """Contacts with nothing to write and nothing to say need no look until something about them changes."""
    db.execute(
        """insert or replace into synced.settled
           select contact_id, fingerprint from planned.contacts
           where fingerprint is not null and held is null
             and contact_id not in (select contact_id from planned.changes)
             and contact_id not in (select contact_id from planned.notes
                                    where note in ('edited_there', 'cannot_clear', 'waiting_retry'))"""
    )
