"""Who is written now: planned contacts as they were last read, compared anew, under the same gates again.

A plan is a moment old when it is pushed. So each contact is looked at once more in the form in which it is about to be
written: whoever is gone, has opted out or may be of our own making is left out, and so is what stands there by now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from vs_st_pipeline import ledger
from vs_st_pipeline.change import GONE, NOT_CONFIRMED, Change, Wanted
from vs_st_pipeline.destinations.simpletexting import contacts as reading
from vs_st_pipeline.destinations.simpletexting.contacts import LiveContact
from vs_st_pipeline.destinations.simpletexting.outcomes import Pushed
from vs_st_pipeline.diff import compare
from vs_st_pipeline.errors import Internal
from vs_st_pipeline.gates import status_reason
from vs_st_pipeline.run import Run
from vs_st_pipeline.warehouse import utc_now_naive

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
        reason = status_reason(contact.status) or (NOT_CONFIRMED if contact_id in doubted else None)
        if reason:
            pushed.held[reason] += 1
            continue
        rows = [Wanted(*row) for row in json.loads(wanted[contact_id])]
        changes = compare(rows, contact.value, accepted.get(contact_id, {})).changes
        if changes:
            items.append(
                Item(contact, [_with_reason(change, why.get((contact_id, change.field))) for change in changes])
            )
    return items


def _with_reason(change: Change, why: tuple[str, str] | None) -> Change:
    return replace(change, rule=why[0], sources=why[1]) if why else change


def without_taken_emails(items: Sequence[Item], live: Iterable[LiveContact]) -> list[Item]:
    """After a fresh read: an e-mail that somebody else has by now is left out, as it was in the plan."""
    owners: dict[str, set[str]] = {}
    for contact in live:
        if email := contact.builtin["email"].strip().casefold():
            owners.setdefault(email, set()).add(contact.contact_id)
    kept = []
    for item in items:
        changes = [
            change
            for change in item.changes
            if (change.kind, change.key) != ("builtin", "email")
            or not owners.get(change.new.strip().casefold(), set()) - {item.contact.contact_id}
        ]
        if changes:
            kept.append(Item(item.contact, changes))
    return kept


def is_fresh(run: Run, contact_id: str) -> bool:
    """Whether this run has read the contact, and not too long ago to write on it."""
    with run.open() as db:
        row = db.row("select read_run, read_at from raw.simpletexting_contacts where contact_id = ?", [contact_id])
    return row is not None and row[0] == run.run_id and utc_now_naive() - row[1] <= READ_AGAIN_AFTER


def assert_may_be_written(run: Run, items: Iterable[Item]) -> None:
    """The last line before a write: nobody is written whom this very run has not read as opted in."""
    for item in items:
        if item.contact.read_run != run.run_id or status_reason(item.contact.status) is not None:
            raise Internal("a contact was about to be written that this run has not read as opted in; nothing was sent")
