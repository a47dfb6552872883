"""Holds a linked contact while the plan is made, and reads a stored plan back row by row.

Data flow: planned.targets, planned.changes, planned.notes -> rows for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact
from vs_st_pipeline.domain.attributes import CustomerProfile
from vs_st_pipeline.domain.matching import ContactIdentity, Link
from vs_st_pipeline.pipeline.targets import Target
from vs_st_pipeline.platform.run import Run


@dataclass(slots=True, kw_only=True)
class Person(Target):
    """A contact that stands for a customer.

    Attributes:
        contact: the phone and ids that the contact was linked by.
        live: as in `Target`.
        facts: what is known of its customer; None where the contact is held back or not all was read yet.
    """

    contact: ContactIdentity
    link: Link
    customer_id: int
    live: LiveContact | None = None
    facts: CustomerProfile | None = None


def planned_rows(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Return the plan row by row, with phones and values in full: for a person who asked for it, never for a log."""
    with run.open() as db:
        people = db.rows("select id, phone, cast(subject_id as bigint), held from planned.targets order by id")
        changes = db.rows("select id, field, old, new, policy from planned.changes order by id, position")
        notes = db.rows("select id, note from planned.notes order by id, note")
    phones = {row[0]: row[1] for row in people}
    by_contact: dict[str, list[dict[str, str]]] = {}
    for contact_id, name, old, new, policy in changes:
        by_contact.setdefault(contact_id, []).append({"field": name, "old": old, "new": new, "policy": policy})
    return {
        "contacts": [
            {"contact_id": row[0], "phone": row[1], "customer_id": row[2], "changes": by_contact[row[0]]}
            for row in people
            if row[0] in by_contact
        ],
        "held": [{"contact_id": row[0], "phone": row[1], "reason": row[3]} for row in people if row[3]],
        "noted": [{"contact_id": row[0], "phone": phones.get(row[0]), "reason": row[1]} for row in notes],
    }
