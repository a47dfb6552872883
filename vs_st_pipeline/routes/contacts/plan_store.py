"""Stores a plan in `planned`, and reads it back row by row.

Data flow: Person, Change -> planned.targets, planned.changes, planned.notes, planned.learned, planned.plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from vs_st_pipeline.connectors.simpletexting.custom_fields import ResolvedMap
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.field_map import FieldMap, records, rule_of
from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import key_columns
from vs_st_pipeline.routes.contacts.identity import Linked
from vs_st_pipeline.routes.contacts.plan_rows import Differences, Person, Plan, noted


def store_people(
    run: Run, db: Db, people: Sequence[Person], linked: Linked, field_map: FieldMap, resolved: ResolvedMap
) -> None:
    """Replace all of `planned` by these people, the linked and the unmatched; their changes are stored afterwards."""
    for table in ("targets", "changes", "notes", "learned", "plan"):
        db.execute(f"delete from planned.{table}")
    rows: list[tuple[Any, ...]] = [
        (
            *contact_ref(person.contact.contact_id),
            person.contact.phone,
            *(VINOSHIPPER, "customers", str(person.customer_id)),
            person.link.by,
            person.held,
            person.newest_order_at,
            dump_wanted(person.wanted) if person.facts else None,
            _evidence(person),
        )
        for person in people
    ]
    rows += [
        (*contact_ref(contact.contact_id), contact.phone, *[None] * 8)
        for contact in linked.contacts
        if contact.contact_id not in linked.links
    ]
    names = (
        *("system", "object", "id", "phone", "subject_system", "subject_object", "subject_id", "linked_by", "held"),
        *("subject_at", "wanted", "evidence"),
    )
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    # Keys are part of it: an account that renames a merge tag must be compared again.
    meaning = hashlib.md5(
        json.dumps([field_map.fingerprint, [key for _, key in resolved.available]]).encode(), usedforsecurity=False
    ).hexdigest()
    # A contact without a North American number is shown with the number that stands there; else no body is read.
    odd = any(row[3] is None for row in rows)
    phone = "coalesce(b.phone, json_extract_string(c.body, '$.contactPhone'))" if odd else "b.phone"
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into planned.targets by name
                select b.* replace ({phone} as phone),
                       case when b.wanted is not null then md5(b.wanted || c.body_hash || $meaning) end as fingerprint,
                       case when c.read_run = $run then c.body_hash end as compared
                from {batch} as b join raw.simpletexting_contacts as c on c.contact_id = b.id""",
            {"meaning": meaning, "run": run.run_id},
        )


def store_changes(
    run: Run, db: Db, plan: Plan, people: Sequence[Person], rows: Differences, field_map: FieldMap
) -> None:
    """Store the changes, the notes, what was learned, and the plan's own row; count the changes in `plan`."""
    changes = [
        (contact_id, position, change)
        for contact_id, found in sorted(rows.changes.items())
        for position, change in enumerate(found)
    ]
    plan.contacts, plan.fields = len(rows.changes), len(changes)
    columns: dict[str, list[Any]] = {
        **key_columns(contact_ref(row[0]) for row in changes),
        "position": [row[1] for row in changes],
        "field": [row[2].field for row in changes],
        "key": [row[2].key for row in changes],
        "kind": [row[2].kind for row in changes],
        "policy": [row[2].policy for row in changes],
        "old": [row[2].old or "" for row in changes],
        "new": [row[2].new for row in changes],
        **_reasons(people, changes, field_map),
    }
    with db.batch(columns, {"position": "int"}) as batch:
        db.execute(f"insert into planned.changes by name select * from {batch}")
    notes = [(person.contact.contact_id, note) for person in people for note in noted(person)]
    columns = {**key_columns(contact_ref(row[0]) for row in notes), "note": [row[1] for row in notes]}
    with db.batch(columns) as batch:
        db.execute(f"insert into planned.notes select * from {batch}")
    columns = {**key_columns(contact_ref(row[0]) for row in rows.learned)}
    columns |= {name: [row[index] for row in rows.learned] for index, name in enumerate(("field", "sent", "stored"), 1)}
    with db.batch(columns) as batch:
        db.execute(f"insert into planned.learned select * from {batch}")
    reads = dict(db.rows("select what, rows from raw.reads where what in ('customers', 'contacts')"))
    db.execute(
        "insert into planned.plan values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(run.run_id, run.now(), field_map.fingerprint, plan.contacts, plan.fields, plan.unmatched, plan.unsafe),
            json.dumps(reads),
        ],
    )


def _reasons(
    people: Sequence[Person], changes: Sequence[tuple[str, int, Change]], field_map: FieldMap
) -> dict[str, list[str]]:
    """Return by which line of the map each change is wanted, and from which records."""
    facts = {person.contact.contact_id: person.facts for person in people}
    fields = {row.to: row for row in field_map.fields}
    rules = {row.to: rule_of(row, field_map) for row in field_map.fields}
    sources: dict[str, dict[str, str]] = {}
    for contact_id, found in groupby(changes, key=itemgetter(0)):
        if known := facts[contact_id]:
            sources[contact_id] = records([fields[change.field] for _, _, change in found], known)
    return {
        "rule": [rules[change.field] for _, _, change in changes],
        "sources": [sources.get(contact_id, {}).get(change.field, "") for contact_id, _, change in changes],
    }


def _evidence(person: Person) -> str | None:
    """Return what else a write to this contact rests on, as JSON: the customer's birth date, where it is known."""
    born = person.facts.customer.birth_date if person.facts else None
    return json.dumps({"birth_date": born.isoformat()}) if born else None


def dump_wanted(wanted: Sequence[Wanted]) -> str:
    """Return wanted values as the JSON text in `planned.targets`; push compares with it again after a fresh read."""
    return json.dumps([[row.field, row.key, row.kind, row.policy, row.value] for row in wanted], ensure_ascii=False)


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
