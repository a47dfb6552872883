"""Selects the contacts to write now: planned contacts as they were last read, compared and checked once more.

Data flow: planned.targets, planned.changes + stored contacts -> WriteItem.

A plan is already old when it is pushed. So each contact is checked once more in the form in which it is about to be
written: a contact that is gone, has opted out or may be of our own making is left out, and so are values that it
already has.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.emails import email_owners, is_address, is_email
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact, read_contacts, read_custom_fields
from vs_st_pipeline.domain.diff import compare
from vs_st_pipeline.domain.plan import GONE, NOT_CONFIRMED, Change, Wanted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.migrations import utc_now_naive
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts

READ_AGAIN_AFTER = timedelta(seconds=60)  # a listing older than this is not a basis for a write


@dataclass(frozen=True, slots=True)
class WriteItem:
    """One contact to write: as it was last read, and what is to change."""

    contact: LiveContact
    changes: list[Change]


def build_write_set(
    run: Run, db: Db, contact_ids: Sequence[str], pushed: PushCounts, moved: Container[str]
) -> list[WriteItem]:
    """Return these contacts as they were last read, with what is still to change; contacts held back are counted.

    What this run has already compared is not compared again while the contact still says what it said then.

    Args:
        moved: contacts for which something was recorded since the plan was made.
    """
    live = read_contacts(db, read_custom_fields(db), contact_ids)
    accepted = ledger.read_accepted(db, map(contact_ref, contact_ids))
    doubted = {ref.id for ref in ledger.read_doubted(db)}
    with db.batch(key_columns(map(contact_ref, contact_ids))) as batch:
        wanted = {
            row[0]: row[1:]
            for row in db.rows(
                f"""select id, wanted, compared = body_hash and run_id = ?
                    from planned.targets semi join {batch} using ({KEY})
                    join raw.simpletexting_contacts on contact_id = id, planned.plan""",
                [run.run_id],
            )
        }
        planned: dict[str, list[Change]] = {}
        for contact_id, *change in db.rows(
            f"""select id, field, key, kind, policy, old, new, coalesce(rule, ''), coalesce(sources, '')
                from planned.changes semi join {batch} using ({KEY}) order by id, position"""
        ):
            planned.setdefault(contact_id, []).append(Change(*change))
    items = []
    for contact_id in contact_ids:
        contact = live.get(contact_id)
        if contact is None:
            pushed.noted[GONE] += 1
            continue
        doubt = contact_id in doubted and contact.may_be_ours
        reason = consent_reason(contact.status) or (NOT_CONFIRMED if doubt else None)
        if reason:
            pushed.held[reason] += 1
            continue
        text, as_compared = wanted[contact_id]
        changes = planned.get(contact_id, [])
        if not as_compared or contact_id in moved:
            rows = [Wanted(*row) for row in json.loads(text)]
            why = {change.field: change for change in changes}
            changes = [
                _with_reason(change, why.get(change.field))
                for change in compare(rows, contact.value, accepted.get(contact_ref(contact_id), {})).changes
            ]
        if changes:
            items.append(WriteItem(contact, changes))
    return _without_taken_emails(db, items)


def _with_reason(change: Change, planned: Change | None) -> Change:
    return replace(change, rule=planned.rule, sources=planned.sources) if planned else change


def _without_taken_emails(db: Db, items: Sequence[WriteItem]) -> list[WriteItem]:
    """Leave out an e-mail that another contact has by now, as a plan would: an account may hold it only once."""
    items = [
        WriteItem(item.contact, changes)
        for item in items
        if (changes := [change for change in item.changes if not is_email(change) or is_address(change.new)])
    ]
    owners = email_owners(
        db, (change.new.strip().casefold() for item in items for change in item.changes if is_email(change))
    )
    kept = []
    for item in items:
        own = {item.contact.contact_id}
        changes = [
            change
            for change in item.changes
            if not is_email(change) or not owners.get(change.new.strip().casefold(), own) - own
        ]
        if changes:
            kept.append(WriteItem(item.contact, changes))
    return kept


def uniquely_by_phone(db: Db, contacts: Sequence[LiveContact]) -> set[str]:
    """Return the ids of contacts whose phone no other contact of the account has: only they can go by batch."""
    with db.batch({"contact_id": [contact.contact_id for contact in contacts]}) as batch:
        rows = db.rows(
            f"""select any_value(contact_id) from raw.simpletexting_contacts
                where not gone and phone in
                      (select phone from raw.simpletexting_contacts semi join {batch} using (contact_id))
                group by phone having count(*) = 1"""
        )
    return {row[0] for row in rows}


def is_fresh(run: Run, db: Db, contact_id: str) -> bool:
    """Say whether this run has read the contact recently enough to write it; a gone one need not be read again."""
    row = db.row(
        "select gone or (read_run = ? and read_at >= ?) from raw.simpletexting_contacts where contact_id = ?",
        [run.run_id, utc_now_naive() - READ_AGAIN_AFTER, contact_id],
    )
    return row is not None and bool(row[0])
