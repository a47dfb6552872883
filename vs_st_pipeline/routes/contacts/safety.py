"""Says what counts as a loss of a contact, for the brake: another customer, no customer, or values that go.

Data flow: Person, Differences -> the brake's sentence, or None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.matching import carried_id
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline import safety
from vs_st_pipeline.pipeline.safety import LinkedBefore
from vs_st_pipeline.pipeline.targets import Differences
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts.identity import Linked
from vs_st_pipeline.routes.contacts.plan_rows import Person

NEWEST_NUMBER_SOURCE = "newest_order.number"


def check_safety(
    db: Db,
    people: Sequence[Person],
    linked: Linked,
    field_map: FieldMap,
    rows: Differences,
    reads: Mapping[str, int],
) -> list[Verdict]:
    """Return why the plan is not safe to push; nothing where it is safe."""
    sources = {row.to: row.source for row in field_map.fields}
    by_ref = {person.ref: person for person in people}

    def carried() -> dict[Ref, LinkedBefore]:
        return {
            contact_ref(contact.contact_id): LinkedBefore(
                Ref(VINOSHIPPER, "customers", str(carried_id(contact.vs_customer_id) or -1))
            )
            for contact in linked.contacts
            if contact.vs_customer_id
        }

    return safety.check_safety(
        db,
        {contact_ref(contact.contact_id) for contact in linked.contacts},
        reads,
        lambda ref, before: _loses(by_ref.get(ref), before, sources, rows),
        carried,
    )


def _loses(
    person: Person | None, before: LinkedBefore | None, sources: Mapping[str, str | None], rows: Differences
) -> bool:
    if before:
        if person is None:
            return True
        # The details of held contacts are not read, so of several candidates none is chosen: any may be the old one.
        candidates = map(str, person.link.candidates) if person.held else [person.subject.id]
        if before.subject.id not in candidates:
            return True
    if person is None or not (changes := rows.would_change.get(person.ref)):
        return False
    accepted = {name: entry.sent for name, entry in rows.accepted.get(person.ref, {}).items()}
    return brake.any_loss(
        changes, sources, accepted, has_newer_order=_has_newer_order(person, before, changes, sources)
    )


def _has_newer_order(
    person: Person,
    before: LinkedBefore | None,
    changes: Sequence[Change],
    sources: Mapping[str, str | None],
) -> bool:
    if person.subject_at is None:
        return False
    if before and before.subject_at:
        return person.subject_at > before.subject_at
    return any(sources.get(change.field) == NEWEST_NUMBER_SOURCE and change.new for change in changes)
