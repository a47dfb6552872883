"""Explains why a contact holds what it holds, from what is stored; calls no system.

`why` shows the present, field by field: value, rule, source records, run and call, or the reason why a value is
missing.
`history` shows the past: every value that changed, every refusal, and the ledger as it was at a time.
Both show phones and values in full, because the person who asks has the customer on the line.

It is long because each reason why a value is missing is a sentence of its own, and they are tried in one order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.custom_fields import resolve_fields
from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import (
    LiveContact,
    read_contacts,
    read_custom_fields,
    read_identities,
)
from vs_st_pipeline.connectors.vinoshipper.read_queue import SETTLED_FOR
from vs_st_pipeline.connectors.vinoshipper.rereads import OPEN_ORDERS, SETTLED_ORDERS
from vs_st_pipeline.domain.diff import LedgerEntry, decide
from vs_st_pipeline.domain.field_map import FieldMap, MapField, explain, rule_of, wanted_values
from vs_st_pipeline.domain.matching import ContactIdentity
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.plan import EDITED_THERE, NOT_READ_YET
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.retries import Rejected
from vs_st_pipeline.platform.warehouse.suppression import PHONE, phone_name, read_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import read_unreadable
from vs_st_pipeline.routes.contacts import map_file, planning
from vs_st_pipeline.routes.contacts.plan_rows import Person
from vs_st_pipeline.routes.contacts.planning import RECEIPT_SOURCE
from vs_st_pipeline.routes.contacts.words import MEANINGS

Record = dict[str, Any]

_TAKEN_EMAIL = "left out: another contact of the account has this e-mail, or gets it"


# --- why ----------------------------------------------------------------------------------------------------------


def why(run: Run, phone: str, field_name: str | None = None) -> Record:
    """Return where the values of one contact come from, or why they are missing, as far as the last sync knows.

    Args:
        phone: in any form that reduces to ten NANP digits.
        field_name: one field of the map (any case), None for all.

    Returns:
        The object of `vs-st why --json`; `contact_id` is None where no contact has this phone. Besides the fields it
        holds `because` (a sentence, where nothing can be written), `rejected`, `notes`, `evidence` (status and birth
        date now, and those of the last write), `map`, `more_contacts` (others with this phone) and `about` (by field,
        a sentence about its value, and when and how it was last written, from the history) and `reads` (when the orders
        were read, and by which setting they are read again).

    Raises:
        BadSettings: the field map or the merchant's file cannot be used.
    """
    field_map = map_file.load_field_map(run.merchant)
    digits = parse_nanp(phone)
    with run.open() as db:
        custom_fields = read_custom_fields(db)
        found = [contact_id for contact_id, gone in _with_phone(db, digits) if not gone]
        answer: Record = {
            "merchant": run.merchant.id,
            "phone": digits or phone,
            "contact_id": found[0] if found else None,
            "customer_id": None,
            "linked_by": None,
            "held": None,
            "fields": [],
            "because": None,
            "rejected": None,
            "notes": [],
            "evidence": None,
            "map": {
                "name": field_map.name,
                "version": field_map.version,
                "fingerprint": field_map.fingerprint,
                "last_planned_with": db.value("select map_fingerprint from planned.plan"),
            },
            "more_contacts": found[1:],
            "about": {},
            "reads": [],
            "unreadable": [],
            "not_understood": [],
        }
        if not found:
            answer["because"] = _no_contact(db, phone, digits)
            return answer
        [contact] = read_identities(db, found[:1])
        live = read_contacts(db, custom_fields, found[:1])[contact.contact_id]
        person = planning.person_of(run, db, contact)
        answer["rejected"] = _refusal(retries.read_rejected(db).get(contact_ref(contact.contact_id)))
        answer["notes"] = _notes(db, contact.contact_id, person)
        answer["evidence"] = _evidence(db, contact, person)
        if person is None:
            answer["because"] = _no_customer(db, contact)
            return answer
        answer.update(customer_id=person.customer_id, linked_by=person.link.by, held=person.held)
        answer["because"] = _not_written(db, person)
        answer.update(_not_readable(db, person))
        known = _Known.read(db, contact.contact_id)
    resolved = resolve_fields(field_map, custom_fields)
    keys = {row.to: key for row, key in resolved.available}
    for row in field_map.fields:
        if field_name is None or row.to.casefold() == field_name.casefold():
            field, says = _field(run, row, field_map, keys.get(row.to), person, live, known, bool(answer["rejected"]))
            answer["fields"].append(field)
            answer["about"][row.to] = {"says": says, "written": known.written.get(row.to)}
    answer["reads"] = _reads(run, answer["fields"])
    return answer


def _reads(run: Run, fields: list[Record]) -> list[Record]:
    """Return when the orders were read from which a field comes, and how often they are: what is known may be old.

    `every` is a setting of `vinoshipper.refresh`; None: the order was settled long ago and is read again only for a
    reason.
    """
    orders = [{one["id"] for one in row["sources"] if one["kind"] == "order"} for row in fields]
    named = sorted({id_ for ids in orders if len(ids) == 1 for id_ in ids})
    with run.open() as db:
        rows = db.rows(
            """select o.order_number, o.detail_at, o.settled_at, s.unread is not null
               from raw.vinoshipper_orders as o left join staged.orders as s using (order_number)
               where o.detail_at is not null and o.order_number in (select unnest($named)) order by 1""",
            {"named": named},
        )
    young = run.now() - SETTLED_FOR
    return [
        {
            "kind": "order",
            "id": number,
            "read_at": told(read_at),
            "every": OPEN_ORDERS if settled is None else SETTLED_ORDERS if settled >= young or unread else None,
        }
        for number, read_at, settled, unread in rows
    ]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored about one contact's values.

    Attributes:
        accepted: its ledger. when: time and run of each entry.
        written: how each field's entry was made, from its history.
        shared_out: fields that the last plan wants; None where it wanted none.
    """

    accepted: Mapping[str, LedgerEntry]
    when: Mapping[str, tuple[datetime, str]]
    written: Mapping[str, Record]
    shared_out: set[str] | None

    @classmethod
    def read(cls, db: Db, contact_id: str) -> _Known:
        when = {
            row[0]: (row[1], row[2])
            for row in db.rows("select field, accepted_at, run_id from synced.ledger where id = ?", [contact_id])
        }
        written = {
            row[0]: dict(
                zip(("at", "event", "call", "run_id", "rule", "sources"), (told(row[1]), *row[2:]), strict=True)
            )
            for row in db.rows(
                """select field, written_at, event, call, run_id, rule, sources from synced.history
                   where id = ? and event <> 'stored' order by seq""",
                [contact_id],
            )
        }
        planned = db.value("select wanted from planned.targets where id = ?", [contact_id])
        ref = contact_ref(contact_id)
        shared_out = {entry[0] for entry in json.loads(planned)} if planned else None
        return cls(ledger.read_accepted(db, [ref]).get(ref, {}), when, written, shared_out)


def _field(
    run: Run,
    row: MapField,
    field_map: FieldMap,
    key: str | None,
    person: Person,
    contact: LiveContact,
    known: _Known,
    rejected: bool,
) -> tuple[Record, str | None]:
    """Return one field in the form of `why`, and a sentence about it."""
    facts = person.facts
    wanted = wanted_values(FieldMap(1, (row,), "", ""), facts, run.merchant.time_zone) if facts else []
    value, rule = wanted[0].value if wanted else None, rule_of(row, field_map)
    taken = (
        (row.kind, key) == ("builtin", "email")
        and bool(value)
        and known.shared_out is not None
        and row.to not in known.shared_out
    )
    if taken:
        value, rule = None, f"{rule}; {_TAKEN_EMAIL}"
    entry = known.accepted.get(row.to)
    stands = contact.value(row.kind, key) if key else None
    accepted_at, run_id = known.when.get(row.to, (None, None))
    if entry is not None and entry.stored is None and run_id == contact.read_run:
        stands = entry.sent  # the run that wrote it had read the contact before; no run has read it since
    state = _state(row, key, value, stands, person.held, rejected, entry)
    field = {
        "field": row.to,
        "value": value,
        "live": stands,
        "rule": rule,
        "sources": [
            {"system": s.system, "kind": s.kind, "id": s.id, "path": s.path, "value": s.value}
            for s in (explain(row, facts) if facts else [])
        ],
        "accepted_at": told(accepted_at),
        "run_id": run_id,
        "state": state,
    }
    return field, _TAKEN_EMAIL if taken else _says(row, state, value, stands, person)


def _state(
    row: MapField, key: str | None, value: str | None, live: str | None, held: str | None, rejected: bool, entry: Any
) -> str:
    if key is None:
        return "missing_field"
    if held:
        return "held"
    if value is None:
        return "waiting"
    decision = decide(row.policy, value, live or "", entry)
    if not decision.write:
        return "synced"
    if rejected:
        return "rejected"
    return "edited_there" if decision.note == EDITED_THERE else "waiting"


_STATES = {
    "missing_field": "the account has no custom field of this name: make it in SimpleTexting's dashboard (type text)",
    "rejected": "SimpleTexting refused this contact, see above",
    "edited_there": "somebody changed it at SimpleTexting; the next sync puts it back",
    "waiting": "the next sync writes it",
}


def _says(row: MapField, state: str, value: str | None, live: str | None, person: Person) -> str | None:
    if state == "held":
        return None
    if state != "missing_field" and value is None:
        if person.facts is None:
            return "not known yet, see above"
        if row.source == RECEIPT_SOURCE:
            return MEANINGS["receipt_unreadable"]
        if not person.facts.history_complete:
            return "not known yet: the shop's order history is still being read; the field is left as it is"
        if person.facts.customer.has_detail:
            return (
                "not known: something that it is made of is given and cannot be understood, see above; the field is "
                "left as it is"
            )
        return "not known yet: the customer's details wait to be read; the field is left as it is"
    if state != "synced":
        return _STATES[state]
    if value == (live or ""):
        return None if value else "Vinoshipper says nothing here, so it is empty"
    if row.policy == "fill":
        return "filled only where it is empty: what stands there is kept"
    return "this is what SimpleTexting made of it" if value else MEANINGS["cannot_clear"]


def _refusal(rejected: Rejected | None) -> Record | None:
    if rejected is None:
        return None
    meaning = describe_code(rejected.code)
    return {
        "code": rejected.code,
        "means": meaning.means,
        "do": meaning.do,
        "then": meaning.next_step,
        "first_at": told(rejected.first_at),
        "attempts": rejected.attempts,
        "next_at": told(rejected.next_at),
    }


def _notes(db: Db, contact_id: str, person: Person | None) -> list[str]:
    planned = {row[0] for row in db.rows("select note from planned.notes where id = ?", [contact_id])}
    if person is not None:  # what is known now; the plan may be older
        planned.discard(NOT_READ_YET)
        planned |= person.notes
    return sorted(planned)


def _evidence(db: Db, contact: ContactIdentity, person: Person | None) -> Record:
    """Return the evidence that a write would rest on now, and the evidence that the last write rested on."""
    known = db.row(
        """select has_detail, coalesce(year(birth_date), birth_year) is not null from staged.customers
           where customer_id = ?""",
        [person.customer_id if person else None],
    )
    last = db.row(
        """select call, run_id, sent_at, json_extract_string(evidence, '$.status'),
                  cast(json_extract_string(evidence, '$.read_at') as timestamp),
                  json_extract_string(evidence, '$.birth_date') is not null, outcome
           from synced.writes where id = ? order by sent_at desc, send_id desc limit 1""",
        [contact.contact_id],
    )
    names = ("call", "run_id", "sent_at", "status", "read_at", "birth_date_known", "outcome")
    return {
        "status": contact.status or None,
        "read_at": told(
            db.value("select read_at from raw.simpletexting_contacts where contact_id = ?", [contact.contact_id])
        ),
        "birth_date_known": bool(known[1]) if known and known[0] else None,
        "last_write": {
            name: told(value) if isinstance(value, datetime) else value for name, value in zip(names, last, strict=True)
        }
        if last
        else None,
    }


def _no_contact(db: Db, phone: str, digits: str | None) -> str:
    """Say why no contact has this phone."""
    if read_suppressed(db).knows(PHONE, phone_name(phone)):
        return (
            "the person with this phone was forgotten here (vs-st forget): nothing is kept of them, and nothing that "
            "comes under this phone is stored or written any more"
        )
    read_at = db.value("select max(finished_at) from raw.reads where what = 'contacts'")
    if read_at is None:
        return "the contacts of this merchant were never read: run vs-st sync first"
    if gone := [row[0] for row in contacts_with_phone(db, digits) if row[1]]:
        return (
            f"contact {', '.join(gone)} had this phone, but SimpleTexting has it no more: it was deleted there; "
            "vs-st history tells what was written to it"
        )
    customers = [
        str(row[0])
        for row in db.rows(
            "select customer_id from raw.vinoshipper_customers where phone = ? and deleted_at is null order by 1",
            [digits],
        )
    ]
    if customers:
        return (
            f"customer {', '.join(customers)} has this phone at Vinoshipper, but nobody has signed up with it at "
            "SimpleTexting, and nothing here signs anybody up"
        )
    return (
        "no contact had this phone when contacts were last read, and no customer has it; one that was deleted there "
        "before it was ever read looks the same"
    )


def _no_customer(db: Db, contact: ContactIdentity) -> str:
    """Say why a contact is linked to no customer."""
    carried, digits = contact.vs_customer_id, contact.phone
    deleted = db.rows(
        """select customer_id, deleted_at from raw.vinoshipper_customers
           where deleted_at is not null and (phone = ? or customer_id::varchar = ?) order by 1""",
        [digits, carried],
    )
    if deleted:
        return (
            f"customer {deleted[0][0]} was deleted at Vinoshipper (seen {deleted[0][1]:%Y-%m-%d}): the contact keeps "
            "its last values, and nothing is written any more"
        )
    by_id = f"its VScustomerID ({carried}) names no customer that exists" if carried else "it carries no VScustomerID"
    by_phone = "no customer has its phone" if digits else "its phone is no North American number"
    asked_at = db.value("select asked_at from raw.lookups where phone = ?", [digits])
    asked = f" (Vinoshipper was asked for it on {asked_at:%Y-%m-%d})" if asked_at else ""
    return f"{by_id}, and {by_phone}{asked}; it is linked as soon as one of them is true"


def _not_readable(db: Db, person: Person) -> dict[str, list[Record]]:
    """Return this contact's records that cannot be read now, and its values that are given and not understood."""
    with db.batch({"customer_id": list(person.link.candidates)}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""select 'customer', cast(customer_id as varchar) from {batch}
                union all
                select 'order', order_number from raw.vinoshipper_orders semi join {batch} using (customer_id)"""
        )
    records = {*rows, ("contact", person.contact.contact_id)}
    return {
        "unreadable": [
            {"kind": row.kind, "id": row.id, "why": row.sentence}
            for row in read_unreadable(db)
            if (row.kind, row.id) in records
        ],
        "not_understood": [
            {"kind": row[0], "id": row[1], "why": row[2]}
            for row in db.rows("select kind, id, reason from staged.unusable order by kind, id, reason")
            if (row[0], row[1]) in records
        ],
    }


def _not_written(db: Db, person: Person) -> str | None:
    """Say why nothing is written to a linked contact; return None where something is."""
    if person.held:
        doubted = db.value("select met_at from synced.doubted where id = ?", [person.contact.contact_id])
        if doubted is not None and consent_reason(person.contact.status) is None:
            return "a write of ours may have made this contact, so its consent is not believed until it shows a sign"
        return MEANINGS[person.held]
    if NOT_READ_YET not in person.notes:
        return None
    with db.batch({"customer_id": list(person.link.candidates)}, {"customer_id": "int"}) as batch:
        customers = db.value(
            f"""select count(*) from raw.vinoshipper_customers semi join {batch} using (customer_id)
                where detail_at is null"""
        )
        orders, of = db.row(
            f"""select count(*) filter (detail_at is null), count(*) from raw.vinoshipper_orders
                semi join {batch} using (customer_id)"""
        ) or (0, 0)
    waits = [f"{customers} of {len(person.link.candidates)} customers' details"] * bool(customers)
    waits += [f"{orders} of {of} orders"] * bool(orders)
    what = " and ".join(waits) or "the customer's record"
    return (
        f"{what} wait to be read at Vinoshipper, so age and sums are not known; nothing is written before. The next "
        "syncs read them, the most needed first"
    )


# --- history ------------------------------------------------------------------------------------------------------

REJECTED, UNANSWERED, WITHOUT_EFFECT = "rejected", "unanswered", "without_effect"


def contacts_with_phone(db: Db, digits: str | None) -> list[tuple[str, bool]]:
    """Return contacts that had this phone when they were last read, or that a write may still reach under it.

    The flag says whether the contact is gone. The phone that a write was sent under is kept only while its outcome is
    open, so a contact that had the phone earlier and has another one now is not found by it.
    """
    found = dict(_with_phone(db, digits))
    for contact_id, gone in db.rows(
        """select distinct w.id, coalesce(gone, true)
           from synced.writes as w left join raw.simpletexting_contacts as c on c.contact_id = w.id
           where w.phone = ?""",
        [digits],
    ):
        found.setdefault(contact_id, bool(gone))
    return sorted(found.items())


def _with_phone(db: Db, digits: str | None) -> list[tuple[str, bool]]:
    """Return contacts that had this phone when they were last read, by id, and whether each is gone."""
    return [
        (row[0], bool(row[1]))
        for row in db.rows(
            "select contact_id, gone from raw.simpletexting_contacts where phone = ? order by contact_id", [digits]
        )
    ]


def told(moment: datetime | None) -> str | None:
    """Return a time of the tables (UTC without zone) in the form that reports use."""
    return moment.isoformat() + "Z" if moment else None
