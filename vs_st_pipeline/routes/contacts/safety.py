"""Says what a plan would take away, and asks the brake whether that is safe.

Data flow: people, changes, synced.ledger, synced.links -> the brake's sentence, or None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.matching import carried_id
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts.identity import Linked
from vs_st_pipeline.routes.contacts.plan_rows import Differences, Person

NEWEST_NUMBER_SOURCE = "newest_order.number"


def check_safety(
    db: Db,
    people: Sequence[Person],
    linked: Linked,
    field_map: FieldMap,
    rows: Differences,
) -> str | None:
    """Return why the plan is not safe to push, as the brake's sentence; None where it is safe."""
    synced = {row[0] for row in db.rows("select distinct id from synced.ledger")}
    links = {row[0]: (int(row[1]), row[2]) for row in db.rows("select id, subject_id, subject_at from synced.links")}
    if not synced:  # the ledger is lost (or this is the first sync): what contacts carry is all there is to go by
        for contact in linked.contacts:
            if contact.vs_customer_id:
                synced.add(contact.contact_id)
                links[contact.contact_id] = (carried_id(contact.vs_customer_id) or -1, None)
    sources = {row.to: row.source for row in field_map.fields}
    by_id = {person.contact.contact_id: person for person in people}
    there = {contact.contact_id for contact in linked.contacts}
    losing = sum(
        1
        for contact_id in synced
        if contact_id in there and _loses(by_id.get(contact_id), links.get(contact_id), contact_id, sources, rows)
    )
    last = {row[0]: row[1] for row in db.rows("select what, rows from synced.baseline")}
    these = {row[0]: row[1] for row in db.rows("select what, rows from raw.reads")}
    return brake.check_plan(len(synced), losing, len(synced & there), last, these)


def _loses(
    person: Person | None,
    linked_before: tuple[int, str | None] | None,
    contact_id: str,
    sources: Mapping[str, str | None],
    rows: Differences,
) -> bool:
    if linked_before:
        if person is None:
            return True
        # The details of held contacts are not read, so of several candidates none is chosen: any may be the old one.
        same = linked_before[0] in person.link.candidates if person.held else linked_before[0] == person.customer_id
        if not same:
            return True
    changes = rows.would_change.get(contact_id)
    if person is None or not changes:
        return False
    accepted = {name: entry.sent for name, entry in rows.accepted.get(contact_id, {}).items()}
    return brake.any_loss(
        changes, sources, accepted, has_newer_order=_has_newer_order(person, linked_before, changes, sources)
    )


def _has_newer_order(
    person: Person,
    linked_before: tuple[int, str | None] | None,
    changes: Sequence[Change],
    sources: Mapping[str, str | None],
) -> bool:
    if person.newest_order_at is None:
        return False
    if linked_before and linked_before[1]:
        return person.newest_order_at > linked_before[1]
    return any(sources.get(change.field) == NEWEST_NUMBER_SOURCE and change.new for change in changes)
