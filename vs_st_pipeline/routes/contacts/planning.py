"""Works out what must change at SimpleTexting, which contacts are held back and why, and whether that is safe.

Data flow: staged.*, raw.simpletexting_contacts, synced.* -> Person -> planned.*

Here stands what is about contacts: who stands for whom, who is held back, what is wanted. Comparing and storing is the
same for all routes that keep state (`pipeline.planning`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.custom_fields import CustomField, ResolvedMap, resolve_fields
from vs_st_pipeline.connectors.simpletexting.emails import email_owners, is_email
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import (
    read_contacts,
    read_custom_fields,
    read_identities,
)
from vs_st_pipeline.connectors.vinoshipper.limitations import newest_unseen
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.staging_orders import latest_date
from vs_st_pipeline.domain import eligibility
from vs_st_pipeline.domain.attributes import CustomerProfile
from vs_st_pipeline.domain.birth import NOT_GIVEN
from vs_st_pipeline.domain.customer import Customer
from vs_st_pipeline.domain.field_map import FieldMap, records, rule_of, wanted_values
from vs_st_pipeline.domain.formats import instant
from vs_st_pipeline.domain.matching import ContactIdentity
from vs_st_pipeline.domain.order import Order
from vs_st_pipeline.domain.order_history import newest
from vs_st_pipeline.domain.plan import NOT_CONFIRMED, NOT_READ_YET, RECEIPT_UNREADABLE, Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline import planning
from vs_st_pipeline.pipeline.plan_store import Reasons
from vs_st_pipeline.pipeline.staged_records import staged_customers, staged_orders
from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts.identity import Linked, chosen_customer, link_contacts
from vs_st_pipeline.routes.contacts.plan_rows import Person
from vs_st_pipeline.routes.contacts.safety import check_safety
from vs_st_pipeline.routes.contacts.settings import ContactsSettings

CUSTOMERS = "customers"  # what a contact stands for at Vinoshipper
RECEIPT_SOURCE = "newest_order.receipt_url"


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a plan needs to know about what was read and what was not.

    Attributes:
        history_complete: the merchant's whole order history was searched.
        read: ids of customers whose detail and orders were all read at least once.
        unreadable: ids of customers with a detail or an order that cannot be read now.
        unreadable_contacts: ids of contacts that cannot be read now.
    """

    history_complete: bool
    read: set[int]
    unreadable: set[int]
    unreadable_contacts: set[str]


def make_plan(run: Run, field_map: FieldMap, linked: Linked | None = None) -> Plan:
    """Compare what every linked contact should say with what it says, and store the difference in `planned`.

    Args:
        linked: which customer each contact stands for, if that was worked out in this sync already.
    """
    with run.open() as db:
        custom_fields = read_custom_fields(db)
        resolved = resolve_fields(field_map, custom_fields)
        linked = linked or link_all(db)
        people = _people(run, db, linked, custom_fields)
        _say_what_is_wanted(people, resolved, run.merchant)
        _share_out_emails(db, people)
        _show_odd_phones(db, people)
        reads = dict(db.rows("select what, rows from raw.reads where what in ('customers', 'contacts')"))
        plan = planning.make_plan(
            run,
            db,
            people,
            unmatched=_unmatched(db, linked),
            # Keys are part of it: an account that renames a merge tag must be compared again.
            meaning=_md5(json.dumps([field_map.fingerprint, [key for _, key in resolved.available]])),
            map_fingerprint=field_map.fingerprint,
            reads=reads,
            brake=lambda rows: check_safety(db, people, linked, field_map, rows, reads),
            reasons=_reasons(field_map),
        )
    plan.missing_fields = [row.to for row in resolved.missing]
    return plan


def link_all(db: Db) -> Linked:
    """Link all contacts that are there."""
    contacts = read_identities(db)
    return Linked(contacts, link_contacts(db, contacts))


def everybody(run: Run, db: Db, field_map: FieldMap) -> list[Person]:
    """Return all linked contacts as a plan made now would see them, with what they should say; store nothing."""
    custom_fields = read_custom_fields(db)
    people = _people(run, db, link_all(db), custom_fields)
    _say_what_is_wanted(people, resolve_fields(field_map, custom_fields), run.merchant)
    _share_out_emails(db, people)
    return people


def person_of(run: Run, db: Db, contact: ContactIdentity, custom_fields: Sequence[CustomField]) -> Person | None:
    """Return one contact as the plan sees it, None where it stands for no customer."""
    people = _people(run, db, Linked([contact], link_contacts(db, [contact])), custom_fields)
    return people[0] if people else None


def _people(run: Run, db: Db, linked: Linked, custom_fields: Sequence[CustomField]) -> list[Person]:
    ids = {customer_id for found in linked.links.values() for customer_id in found.candidates}
    customers, orders = staged_customers(db, ids), staged_orders(db, ids, latest_date(run))
    stored, doubted, unseen_until = _stored(run, db), ledger.read_doubted(db), newest_unseen(db)
    people = []
    for contact in linked.contacts:
        found = linked.links.get(contact.contact_id)
        if found is None:
            continue
        customer_id = chosen_customer(found, customers, orders)
        person = Person(
            ref=contact_ref(contact.contact_id),
            subject=Ref(VINOSHIPPER, CUSTOMERS, str(customer_id)),
            linked_by=found.by,
            phone=contact.phone,
            contact=contact,
            link=found,
            customer_id=customer_id,
        )
        people.append(person)
        customer = customers.get(customer_id) if stored.read.issuperset(found.candidates) else None
        _pass_gates(run, person, customer, orders.get(customer_id, []), stored.history_complete)
        if person.facts and unseen_until:
            person.facts = replace(person.facts, unseen_until=unseen_until)
        if contact.contact_id in stored.unreadable_contacts or not stored.unreadable.isdisjoint(found.candidates):
            person.unreadable = True
    live = read_contacts(db, custom_fields, [person.contact.contact_id for person in people if not person.held])
    for person in people:
        person.live = live.get(person.contact.contact_id)
        if person.live and person.live.may_be_ours and person.ref in doubted:
            person.held, person.facts, person.evidence, person.notes = NOT_CONFIRMED, None, {}, set()
    return people


def _stored(run: Run, db: Db) -> _Stored:
    # Sums over orders that were never searched would be 0 for customers who have ordered.
    history_complete = bool(db.value("select count(*) from raw.reads where what = 'orders'"))
    read = {row[0] for row in db.rows("select customer_id from raw.vinoshipper_customers where detail_at is not null")}
    open_orders = db.rows(
        "select customer_id from raw.vinoshipper_orders where detail_at is null or owner_unknown is true"
    )
    read -= {row[0] for row in open_orders}
    unreadable = db.rows(
        """select u.kind, coalesce(try_cast(u.id as bigint), 0), o.customer_id, u.id
           from raw.unreadable as u
           left join raw.vinoshipper_orders as o on u.kind = 'order' and o.order_number = u.id"""
    )
    read_now = db.rows("select contact_id from raw.simpletexting_contacts where read_run = ?", [run.run_id])
    return _Stored(
        history_complete,
        read,
        {row[1] if row[0] == "customer" else row[2] for row in unreadable if row[0] in ("customer", "order")},
        # One that this run has read in a listing is read, whatever became of a single read before.
        {row[3] for row in unreadable if row[0] == "contact"} - {row[0] for row in read_now},
    )


def _pass_gates(
    run: Run, person: Person, customer: Customer | None, orders: Sequence[Order], history_complete: bool
) -> None:
    wanted, ambiguous = run.merchant.section(ContactsSettings), len(person.link.candidates) > 1
    last = newest(orders)
    age = eligibility.age_of(
        customer.birth if customer else NOT_GIVEN,
        [order.birth for order in orders],
        last.status if last else None,
        run.today(),
    )
    person.held = eligibility.ineligible_reason(
        consent_reason(person.contact.status),
        ambiguous,
        wanted.on_ambiguous_phone,
        age,
        wanted.require_age_evidence,
    )
    if person.held:
        return
    # The customer's detail or one of its orders waits to be read, so age and sums are not known: left for now.
    if customer is None:
        person.notes.add(NOT_READ_YET)
        return
    person.notes.update(eligibility.notes(ambiguous, age))
    person.facts = CustomerProfile(customer, orders, history_complete, system=VINOSHIPPER)
    if customer.birth_date:
        person.evidence = {"birth_date": customer.birth_date.isoformat()}
    if last and last.purchased_at:
        person.subject_at = instant(last.purchased_at).isoformat()
    if last and not last.receipt_known:
        person.notes.add(RECEIPT_UNREADABLE)


def _say_what_is_wanted(people: Sequence[Person], resolved: ResolvedMap, merchant: Merchant) -> None:
    keys = {row.to: key for row, key in resolved.available}
    available = FieldMap(1, tuple(row for row, _ in resolved.available), "", "")
    with_receipt = any(row.source == RECEIPT_SOURCE for row in available.fields)
    for person in people:
        if person.facts:
            person.wanted = [
                Wanted(row.map_field.to, keys[row.map_field.to], row.map_field.kind, row.map_field.policy, row.value)
                for row in wanted_values(available, person.facts, merchant.time_zone)
            ]
        if not with_receipt:
            person.notes.discard(RECEIPT_UNREADABLE)


def _share_out_emails(db: Db, people: Sequence[Person]) -> None:
    """Leave out an e-mail that another contact has, or gets in this sync: accounts may hold it only once."""
    wanted = {want.value.strip().casefold() for person in people for want in person.wanted or () if is_email(want)}
    owners = email_owners(db, wanted)
    for person in people:  # in the order of contact ids: the smallest gets it
        if person.wanted is None:
            continue
        kept = []
        for want in person.wanted:
            if is_email(want) and person.live:
                email = want.value.strip().casefold()
                if owners.get(email, set()) - {person.contact.contact_id}:
                    continue
                if want.policy == "mirror" or not person.live.builtin["email"].strip():
                    owners.setdefault(email, set()).add(person.contact.contact_id)
            kept.append(want)
        person.wanted = kept


def _show_odd_phones(db: Db, people: Sequence[Person]) -> None:
    """Show a contact without a North American number with the number that stands there."""
    phones = _odd_phones(db)
    for person in people:
        person.phone = person.phone or phones.get(person.ref.id)


def _unmatched(db: Db, linked: Linked) -> list[tuple[Ref, str | None]]:
    phones = _odd_phones(db)
    return [
        (contact_ref(contact.contact_id), contact.phone or phones.get(contact.contact_id))
        for contact in linked.contacts
        if contact.contact_id not in linked.links
    ]


def _odd_phones(db: Db) -> dict[str, str]:
    rows = db.rows(
        """select contact_id, json_extract_string(body, '$.contactPhone') from raw.simpletexting_contacts
           where phone is null and not gone"""
    )
    return dict(rows)


def _reasons(field_map: FieldMap) -> Reasons[Person]:
    """Return what says by which line of the map each change is wanted, and from which records."""
    fields = {row.to: row for row in field_map.fields}
    rules = {row.to: rule_of(row, field_map) for row in field_map.fields}

    def reasons(person: Person, changes: Sequence[Change]) -> list[tuple[str, str]]:
        found = records([fields[change.field] for change in changes], person.facts) if person.facts else {}
        return [(rules[change.field], found.get(change.field, "")) for change in changes]

    return reasons


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
