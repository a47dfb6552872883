"""Who is written now: planned contacts as they were last read, compared anew, under the same gates again.

A plan is a moment old when it is pushed. So each contact is looked at once more in the form in which it is about to be
written: whoever is gone, has opted out or may be of our own making is left out, and so is what stands there by now.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from vs_st_pipeline import ledger
from vs_st_pipeline.change import GONE, NOT_CONFIRMED, Change, Wanted
from vs_st_pipeline.database import Db
from vs_st_pipeline.destinations.simpletexting import contacts as reading
from vs_st_pipeline.destinations.simpletexting.contacts import LiveContact
from vs_st_pipeline.destinations.simpletexting.outcomes import Pushed
from vs_st_pipeline.diff import compare
from vs_st_pipeline.gates import status_reason
from vs_st_pipeline.phone import nanp
from vs_st_pipeline.run import Run
from vs_st_pipeline.schema import utc_now_naive

READ_AGAIN_AFTER = timedelta(seconds=60)  # a listing older than this is no ground to write on


@dataclass(frozen=True, slots=True)
class Item:
    """One contact to write: as it was last read, and what is to change."""

    contact: LiveContact
    changes: list[Change]


def items_to_write(run: Run, contact_ids: Sequence[str], pushed: Pushed) -> list[Item]:
    """These contacts as they were last read, with what is still to change; who may not be written is counted."""
    with run.open() as db:
        live = reading.read_contacts(db, reading.read_custom_fields(db), contact_ids)
        accepted = ledger.read_accepted(db, contact_ids)
        doubted = ledger.read_doubted(db)
        with db.batch({"contact_id": list(contact_ids)}) as batch:
            wanted = dict(
                db.rows(f"select contact_id, wanted from planned.contacts semi join {batch} using (contact_id)")
            )
            why = {
                (row[0], row[1]): (row[2] or "", row[3] or "")
                for row in db.rows(
                    f"""select contact_id, field, rule, sources from planned.changes
                        semi join {batch} using (contact_id)"""
                )
            }
    items = []
    for contact_id in contact_ids:
        contact = live.get(contact_id)
        if contact is None:
            pushed.noted[GONE] += 1
            continue
        doubt = contact_id in doubted and contact.may_be_ours
        reason = status_reason(contact.status) or (NOT_CONFIRMED if doubt else None)
        if reason:
            pushed.held[reason] += 1
            continue
        rows = [Wanted(*row) for row in json.loads(wanted[contact_id])]
        changes = compare(rows, contact.value, accepted.get(contact_id, {})).changes
        if changes:
            items.append(
                Item(contact, [_with_reason(change, why.get((contact_id, change.field))) for change in changes])
            )
    return _without_taken_emails(run, items)


def _with_reason(change: Change, why: tuple[str, str] | None) -> Change:
    return replace(change, rule=why[0], sources=why[1]) if why else change


def _without_taken_emails(run: Run, items: Sequence[Item]) -> list[Item]:
    """An e-mail that somebody else has by now is left out, as it would be in a plan: accounts may hold it only once."""
    items = [
        Item(item.contact, changes)
        for item in items
        if (changes := [change for change in item.changes if not _is_email(change) or is_address(change.new)])
    ]
    if not any(_is_email(change) for item in items for change in item.changes):
        return items
    with run.open() as db:
        emails = db.rows(
            """select contact_id, email
               from (select contact_id, json_extract_string(body, '$.email') as email
                     from raw.simpletexting_contacts where not gone) where email <> ''"""
        )
        owners = reading.email_owners(db, emails)
    kept = []
    for item in items:
        own = {item.contact.contact_id}
        changes = [
            change
            for change in item.changes
            if not _is_email(change) or not owners.get(change.new.strip().casefold(), own) - own
        ]
        if changes:
            kept.append(Item(item.contact, changes))
    return kept


def is_address(text: str) -> bool:
    """Whether a text can be an e-mail address at all; `n/a`, `none` and the like have the whole contact refused."""
    name, at, host = text.strip().rpartition("@")
    return bool(name and at and host.strip(".")) and not any(char.isspace() for char in text.strip())


def _is_email(change: Change) -> bool:
    return (change.kind, change.key) == ("builtin", "email") and bool(change.new.strip())


def named_by_phone(db: Db, contacts: Sequence[LiveContact]) -> set[str]:
    """Ids of those whose phone names them and nobody else in the account: only they can be written by batch."""
    phones = {contact.contact_id: nanp(contact.phone) for contact in contacts}
    bearers: Counter[str] = Counter()
    with db.batch({"phone": sorted({phone for phone in phones.values() if phone})}) as batch:
        # Written plainly they are compared there; any other form is looked at here.
        for phone, count in db.rows(
            f"""select phone, count(*)
                from (select json_extract_string(body, '$.contactPhone') as phone
                      from raw.simpletexting_contacts where not gone)
                where phone in (select phone from {batch}) or not regexp_full_match(phone, '[0-9]{{10}}')
                group by phone"""
        ):
            if digits := nanp(phone):
                bearers[digits] += count
    return {contact_id for contact_id, phone in phones.items() if phone and bearers[phone] == 1}


def is_fresh(run: Run, contact_id: str) -> bool:
    """Whether this run has read the contact not too long ago to write on it; who is gone need not be read again."""
    with run.open() as db:
        row = db.row(
            "select gone or (read_run = ? and read_at >= ?) from raw.simpletexting_contacts where contact_id = ?",
            [run.run_id, utc_now_naive() - READ_AGAIN_AFTER, contact_id],
        )
    return row is not None and bool(row[0])
