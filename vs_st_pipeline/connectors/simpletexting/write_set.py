"""Selects the contacts to write now: planned contacts as they were last read, compared and checked once more.

Data flow: planned.targets, planned.changes + stored contacts -> WriteItem.

A plan is already old when it is pushed. So each contact is checked once more in the form in which it is about to be
written: a contact that is gone, has opted out or may be of our own making is left out, and so are values that it
already has.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.emails import email_owners, is_address, is_email
from vs_st_pipeline.connectors.simpletexting.opt_outs import OptOuts
from vs_st_pipeline.connectors.simpletexting.refs import contact_columns, contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact, read_contacts, read_custom_fields
from vs_st_pipeline.domain.diff import compare
from vs_st_pipeline.domain.plan import GONE, NOT_CONFIRMED, OPTED_OUT, Change, Wanted
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts

READ_AGAIN_AFTER = timedelta(seconds=60)  # a listing older than this is not a basis for a write


class WriteItem(msgspec.Struct, frozen=True):
    """One contact to write: as it was last read, and what is to change."""

    contact: LiveContact
    changes: list[Change]


@dataclass(slots=True)
class WriteSet:
    """What is to be written of some contacts, by what was stored when it was made; it holds until anything is read.

    Attributes:
        asked: ids of all these contacts that were not taken yet.
        items: those that have something to write, by id.
        gone: ids of those that are not there any more.
        held: why the others may not be written, by id.
        shared: ids of those that a batch, which knows contacts by phone, cannot name.
    """

    asked: set[str] = field(default_factory=set)
    items: dict[str, WriteItem] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)

    def take(self, contact_ids: Iterable[str], pushed: PushCounts) -> list[WriteItem]:
        """Take these contacts out of the set; returns what is to be written of them, and counts who is left out."""
        items = []
        for contact_id in contact_ids:
            self.asked.discard(contact_id)
            if contact_id in self.gone:
                pushed.noted[GONE] += 1
            elif contact_id in self.held:
                pushed.held[self.held[contact_id]] += 1
            elif item := self.items.pop(contact_id, None):
                items.append(item)
        return items


def make_write_set(
    run: Run, db: Db, contact_ids: Sequence[str], moved: Container[str], opt_outs: OptOuts, *, by_phone: bool = False
) -> WriteSet:
    """Return these contacts as they were last read, with what is still to change; each is decoded once.

    What this run has already compared is not compared again while the contact still says what it said then.

    Args:
        moved: contacts for which something was recorded since the plan was made.
        opt_outs: who may not be written because an opt-out came by webhook.
        by_phone: find out which of them share their phone, for batches.
    """
    made = WriteSet(set(contact_ids))
    live = read_contacts(db, read_custom_fields(db), contact_ids)
    doubted = {ref.id for ref in ledger.read_doubted(db)}
    with db.batch(contact_columns(contact_ids)) as batch:
        as_compared = {
            row[0]
            for row in db.rows(
                f"""select id from planned.targets semi join {batch} using ({KEY})
                    join raw.simpletexting_contacts on contact_id = id, planned.plan
                    where compared = body_hash and run_id = ?""",
                [run.run_id],
            )
        }
        planned: dict[str, list[Change]] = {}
        for contact_id, *change in db.rows(
            f"""select id, field, key, kind, policy, old, new, coalesce(rule, ''), coalesce(sources, '')
                from planned.changes semi join {batch} using ({KEY}) order by id, position"""
        ):
            planned.setdefault(contact_id, []).append(Change(*change))
    found: dict[str, list[Change]] = {}
    for contact_id in contact_ids:
        contact = live.get(contact_id)
        if contact is None:
            made.gone.add(contact_id)
            continue
        doubt = contact_id in doubted and contact.may_be_ours
        reason = consent_reason(contact.status) or (NOT_CONFIRMED if doubt else None)
        if reason is None and opt_outs.holds(contact_id, contact.phone):
            reason = OPTED_OUT
        if reason:
            made.held[contact_id] = reason
            continue
        found[contact_id] = planned.get(contact_id, [])
    _compare_again(db, live, found, [one for one in found if one in moved or one not in as_compared])
    _leave_out_emails(db, found)
    made.items = {one: WriteItem(live[one], changes) for one, changes in found.items() if changes}
    if by_phone:
        named = uniquely_by_phone(db, made.items)
        made.shared = {
            one for one, item in made.items.items() if one not in named or item.contact.read_run != run.run_id
        }
    return made


def _compare_again(
    db: Db, live: Mapping[str, LiveContact], found: dict[str, list[Change]], contact_ids: Sequence[str]
) -> None:
    """Compare these contacts with what the plan wants of them, as they are now; its reasons stand."""
    if not contact_ids:
        return
    accepted = ledger.read_accepted(db, map(contact_ref, contact_ids))
    with db.batch(contact_columns(contact_ids)) as batch:
        wanted = db.rows(f"select id, wanted from planned.targets semi join {batch} using ({KEY})")
    for contact_id, text in wanted:
        rows = [Wanted(*row) for row in msgspec.json.decode(text)]
        why = {change.field: change for change in found[contact_id]}
        found[contact_id] = [
            _with_reason(change, why.get(change.field))
            for change in compare(rows, live[contact_id].value, accepted.get(contact_ref(contact_id), {})).changes
        ]


def _with_reason(change: Change, planned: Change | None) -> Change:
    return replace(change, rule=planned.rule, sources=planned.sources) if planned else change


def _leave_out_emails(db: Db, found: dict[str, list[Change]]) -> None:
    """Leave out an e-mail that another contact has by now, as a plan would: an account may hold it only once."""
    emails = {one: change for one, changes in found.items() for change in changes if is_email(change)}
    owners = email_owners(db, (change.new.strip().casefold() for change in emails.values() if is_address(change.new)))
    for contact_id, change in emails.items():
        if not is_address(change.new) or owners.get(change.new.strip().casefold(), {contact_id}) - {contact_id}:
            found[contact_id] = [one for one in found[contact_id] if one is not change]


def uniquely_by_phone(db: Db, contact_ids: Iterable[str]) -> set[str]:
    """Return the ids of contacts whose phone no other contact of the account has: only they can go by batch."""
    with db.batch({"contact_id": list(contact_ids)}) as batch:
        rows = db.rows(
            f"""select any_value(contact_id) from raw.simpletexting_contacts
                where not gone and phone in
                      (select phone from raw.simpletexting_contacts semi join {batch} using (contact_id))
                group by phone having count(*) = 1"""
        )
    return {row[0] for row in rows}


def fresh_until(run: Run, db: Db, contact_ids: Sequence[str]) -> dict[str, datetime]:
    """Return until when what this run has read of these contacts is a basis for a write (UTC without zone).

    One that was not read recently enough is left out; one that is gone need not be read again.
    """
    with db.batch({"contact_id": list(contact_ids)}) as batch:
        rows = db.rows(
            f"""select contact_id, gone, read_at from raw.simpletexting_contacts semi join {batch} using (contact_id)
                where gone or (read_run = ? and read_at >= ?)""",
            [run.run_id, utc_now_naive() - READ_AGAIN_AFTER],
        )
    return {contact_id: datetime.max if gone else read_at + READ_AGAIN_AFTER for contact_id, gone, read_at in rows}
