"""Tells what has happened to a contact, from the history of what was written; calls no system.

Data flow: synced.history, synced.writes, synced.runs -> entries by time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.routes.contacts.explain import (
    REJECTED,
    UNANSWERED,
    WITHOUT_EFFECT,
    Record,
    contacts_with_phone,
    told,
)


def history(run: Run, phone: str, field_name: str | None = None, *, at: datetime | None = None) -> Record:
    """Return what has happened to all contacts that have this phone, or had it when they were last read; newest last.

    Args:
        phone: in any form that reduces to ten NANP digits.
        field_name: one field (any case), None for all; entries about the whole contact are always included.
        at: show what was known at this time (aware), and the ledger as it was then.

    Returns:
        The object of `vs-st history --json`: `contacts`, `entries` (each with time, event, field, old and new, what
        was stored, call, run and what started it, rule, source records, code and its meaning) and `ledger` (None
        without `at`).

    Raises:
        BadSettings: the merchant's file cannot be used.
    """
    until = at.astimezone(UTC).replace(tzinfo=None) if at else None
    with run.open() as db:
        contacts = contacts_with_phone(db, parse_nanp(phone))
        ids = [row[0] for row in contacts]
        entries = [*_values_that_moved(db, ids), *_writes_without_values(db, ids)]
        replayed = ledger.replay(db, until) if until else {}
    meant = field_name.casefold() if field_name else None
    entries = [
        entry
        for entry in entries
        if (meant is None or entry["field"] is None or entry["field"].casefold() == meant)
        and (until is None or entry["at"] <= until)
    ]
    entries.sort(key=lambda entry: entry["at"])  # stable: events with the same time keep their order
    return {
        "merchant": run.merchant.id,
        "phone": parse_nanp(phone) or phone,
        "contacts": [{"contact_id": contact_id, "gone": gone} for contact_id, gone in contacts],
        "at": told(until),
        "entries": [{**entry, "at": told(entry["at"])} for entry in entries],
        "ledger": [
            {"contact_id": ref.id, "field": field, "sent": entry.sent, "stored": entry.stored}
            for (ref, field), entry in sorted(replayed.items())
            if ref.id in ids and (meant is None or field.casefold() == meant)
        ]
        if until
        else None,
    }


def _entry(**known: Any) -> Record:
    names = ("at", "contact_id", "event", "field", "old", "new", "stored", "call", "run_id", "trigger")
    return {**dict.fromkeys((*names, "rule", "sources", "code", "means")), **known}


def _values_that_moved(db: Db, contact_ids: Sequence[str]) -> list[Record]:
    with db.batch(key_columns(map(contact_ref, contact_ids))) as batch:
        columns, rows = db.columns(
            f"""select written_at as at, id as contact_id, event, field, old, new, stored, call, run_id, trigger,
                       rule, sources
                from synced.history semi join {batch} using ({KEY}) left join synced.runs using (run_id)
                order by seq"""
        )
    return [_entry(**dict(zip(columns, row, strict=True))) for row in rows]


def _writes_without_values(db: Db, contact_ids: Sequence[str]) -> list[Record]:
    """Return refusals, writes that had no effect, and writes whose outcome is not known yet."""
    with db.batch(key_columns(map(contact_ref, contact_ids))) as batch:
        rows = db.rows(
            f"""select coalesce(w.settled_at, w.sent_at), w.id, w.outcome, w.call, w.run_id, w.changes,
                       r.code, r.last_at is not null and r.last_at = w.settled_at, trigger
                from synced.writes as w semi join {batch} using ({KEY})
                left join synced.rejects as r using ({KEY})
                left join synced.runs using (run_id)
                where w.outcome is distinct from 'accepted' order by w.sent_at, w.send_id"""
        )
    entries = []
    for at, contact_id, outcome, call, run_id, changes, code, is_last, trigger in rows:
        of_write = {"at": at, "contact_id": contact_id, "call": call, "run_id": run_id, "trigger": trigger}
        if outcome == "rejected":
            # Only the code of the last refusal is stored, while the contact waits for its next try.
            meaning = {"code": code, "means": describe_code(code).means} if is_last else {}
            entries.append(_entry(event=REJECTED, **of_write, **meaning))
        elif outcome is not None:
            entries.append(_entry(event=WITHOUT_EFFECT, **of_write, means=_OUTCOMES.get(outcome, outcome)))
        else:
            for field, _, _, _, old, new, rule, sources in json.loads(changes or "[]"):
                values = {"field": field, "old": old, "new": new, "rule": rule, "sources": sources}
                entries.append(_entry(event=UNANSWERED, **of_write, **values, means=_OUTCOMES[None]))
    return entries


_OUTCOMES = {
    "gone": "SimpleTexting did not have the contact any more",
    "another contact": "the write met another contact than the one we know, which had vanished",
    "not applied": "it was read afterwards, and the values were not there",
    None: "sent, or about to be, and no answer says what became of it; the next sync reads the contact",
}
