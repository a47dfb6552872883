"""Works out what must change at SimpleTexting, which contacts are held back and why, and whether that is safe.

Data flow: staged.*, raw.simpletexting_contacts, synced.* -> Person -> planned.*

Here stands what is about contacts: who stands for whom, who is held back, what is wanted. Comparing and storing is the
same for all routes that keep state (`pipeline.planning`). Whatever is read here is an input of the plan, and so is
declared in `plan_inputs`.

It is long because all that one contact's plan is made from is read and judged in one place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.custom_fields import CustomField, ResolvedMap, resolve_fields
from vs_st_pipeline.connectors.simpletexting.emails import email_owners, is_email
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import (
    read_contacts,
    read_custom_fields,
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
from vs_st_pipeline.domain.matching import ContactIdentity, carried_id
from vs_st_pipeline.domain.order import Order
from vs_st_pipeline.domain.order_history import newest
from vs_st_pipeline.domain.plan import NOT_CONFIRMED, NOT_READ_YET, RECEIPT_UNREADABLE, Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline import planning
from vs_st_pipeline.pipeline.incremental import InputsQuery
from vs_st_pipeline.pipeline.plan_store import Reasons
from vs_st_pipeline.pipeline.staged_records import staged_customers, staged_orders
from vs_st_pipeline.pipeline.targets import Plan, Unmatched
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts.identity import Linked, chosen_customer, link_all, link_contacts, link_some
from vs_st_pipeline.routes.contacts.plan_inputs import contact_inputs, plan_inputs
from vs_st_pipeline.routes.contacts.plan_rows import Person
from vs_st_pipeline.routes.contacts.safety import loses_by
from vs_st_pipeline.routes.contacts.settings import ContactsSettings

NO_ID = -1  # what a contact carries where it should carry a customer's id
CUSTOMERS = "customers"  # what a contact stands for at Vinoshipper
RECEIPT_SOURCE = "newest_order.receipt_url"


@dataclass(frozen=True, slots=True)
class _Known:
    """What holds for all contacts of a plan.

    Attributes:
        custom_fields: the account's.
        history_complete: the merchant's whole order history was searched.
        unseen_until: the newest day with orders that cannot be seen.
        doubted: contacts that we may have made.
        latest: the latest time that an order can have.
    """

    custom_fields: Sequence[CustomField]
    history_complete: bool
    unseen_until: date | None
    doubted: set[Ref]
    latest: datetime


def make_plan(run: Run, field_map: FieldMap, linked: Linked | None = None) -> Plan:
    """Compare what linked contacts should say with what they say, and store the difference in `planned`.

    Looked at are those for whom that may have changed since their last plan; the plan that is stored is of all.

    Args:
        linked: which customer each contact stands for, if that was worked out of all in this sync already.
    """
    with run.open() as db:
        # First: what a plan is known by must not be of a later moment than the plan itself.
        inputs, of_each = plan_inputs(run, db, field_map), contact_inputs(run)
        known = _known(run, db)
        resolved = resolve_fields(field_map, known.custom_fields)
        planner = _planner(run, db, field_map, linked, known, resolved, of_each)
        plan = planning.make_plan(run, db, planner, inputs)
    plan.missing_fields = [row.to for row in resolved.missing]
    return plan


def make_plan_of(run: Run, field_map: FieldMap, contact_ids: Sequence[str]) -> Plan:
    """Do the same for these contacts alone: the plan that is stored stands, but for their rows."""
    with run.open() as db:
        known = _known(run, db)
        resolved = resolve_fields(field_map, known.custom_fields)
        refs = [contact_ref(one) for one in contact_ids]
        planner = _planner(run, db, field_map, None, known, resolved, contact_inputs(run), alone=refs)
        return planning.plan_some(run, db, planner, refs)


def _planner(
    run: Run,
    db: Db,
    field_map: FieldMap,
    linked: Linked | None,
    known: _Known,
    resolved: ResolvedMap,
    inputs: InputsQuery,
    alone: Sequence[Ref] | None = None,
) -> planning.Planner[Person]:
    """Make what this route plans by.

    Args:
        alone: these alone are planned; None: all whose plan may come out otherwise.
    """
    wants = _Wants(resolved, run.merchant)
    emails = _Emails(db, alone)

    def make(refs: Sequence[Ref]) -> tuple[list[Person], list[Unmatched]]:
        if not refs:
            return [], []
        some = link_some(db, [ref.id for ref in refs]) if linked is None else linked.only([ref.id for ref in refs])
        people = _people(run, db, some, known)
        for person in people:
            wants.say(person)
        phones = _odd_phones(db, some)
        for person in people:
            person.phone = person.phone or phones.get(person.ref.id)
        return people, [
            Unmatched(contact_ref(one.contact_id), one.phone or phones.get(one.contact_id), *_names(one, some))
            for one in some.contacts
            if one.contact_id not in some.links
        ]

    return planning.Planner(
        inputs=inputs,
        basis=(
            [(one.label, one.merge_tag) for one in known.custom_fields],
            known.history_complete,
            known.unseen_until,
        ),
        make=make,
        share=emails.share_out,
        # Keys are part of it: an account that renames a merge tag must be compared again.
        meaning=_md5(json.dumps([field_map.fingerprint, [key for _, key in resolved.available]])),
        map_fingerprint=field_map.fingerprint,
        reads=dict(db.rows("select what, rows from raw.reads where what in ('customers', 'contacts') order by what")),
        loses=loses_by(field_map),
        reasons=_reasons(field_map),
    )


def everybody(run: Run, db: Db, field_map: FieldMap) -> list[Person]:
    """Return all linked contacts as a plan made now would see them, with what they should say; store nothing."""
    known = _known(run, db)
    people = _people(run, db, link_all(db), known)
    wants = _Wants(resolve_fields(field_map, known.custom_fields), run.merchant)
    for person in people:
        wants.say(person)
    _Emails(db).share_out(people)
    return people


def person_of(run: Run, db: Db, contact: ContactIdentity) -> Person | None:
    """Return one contact as the plan sees it, None where it stands for no customer."""
    people = _people(run, db, link_contacts(db, [contact]), _known(run, db))
    return people[0] if people else None


def _known(run: Run, db: Db) -> _Known:
    # Sums over orders that were never searched would be 0 for customers who have ordered.
    history_complete = bool(db.value("select count(*) from raw.reads where what = 'orders'"))
    return _Known(
        read_custom_fields(db), history_complete, newest_unseen(db), ledger.read_doubted(db), latest_date(run)
    )  # fmt: skip


def _names(contact: ContactIdentity, linked: Linked) -> tuple[str | None, str | None]:
    """Return the customers that a contact names: what it carries, and what we wrote there, if that is another."""
    written = linked.written.get(contact.contact_id)
    named = str(carried_id(contact.vs_customer_id) or NO_ID) if contact.vs_customer_id else None
    return named, None if written is None or str(written) == named else str(written)


def _people(run: Run, db: Db, linked: Linked, known: _Known) -> list[Person]:
    ids = {
        customer_id
        for contact in linked.contacts
        if contact.contact_id in linked.links
        for customer_id in linked.links[contact.contact_id].candidates
    }
    customers, orders = staged_customers(db, ids), staged_orders(db, ids, known.latest)
    unread, unreadable = _unread(db, ids), _unreadable(run, db)
    people = []
    for contact in linked.contacts:
        found = linked.links.get(contact.contact_id)
        if found is None:
            continue
        customer_id = chosen_customer(found, customers, orders)
        named, written = _names(contact, linked)
        person = Person(
            ref=contact_ref(contact.contact_id),
            subject=Ref(VINOSHIPPER, CUSTOMERS, str(customer_id)),
            linked_by=found.by,
            phone=contact.phone,
            candidates=tuple(map(str, found.candidates)),
            named=named,
            written=written,
            contact=contact,
            link=found,
            customer_id=customer_id,
        )
        people.append(person)
        customer = customers.get(customer_id) if unread.isdisjoint(found.candidates) else None
        _pass_gates(run, person, customer, orders.get(customer_id, []), known.history_complete)
        if person.facts and known.unseen_until:
            person.facts = replace(person.facts, unseen_until=known.unseen_until)
        if ("contact", contact.contact_id) in unreadable or any(
            ("customer", str(one)) in unreadable for one in found.candidates
        ):
            person.unreadable = True
    live = read_contacts(db, known.custom_fields, [person.contact.contact_id for person in people if not person.held])
    for person in people:
        person.live = live.get(person.contact.contact_id)
        if person.live and person.live.may_be_ours and person.ref in known.doubted:
            person.held, person.facts, person.evidence, person.notes = NOT_CONFIRMED, None, {}, set()
    return people


def _unread(db: Db, customer_ids: Collection[int]) -> set[int]:
    """Return those of these customers whose detail or one of whose orders was never read, or whose orders are open."""
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""select customer_id from {batch} anti join
                    (select customer_id from raw.vinoshipper_customers where detail_at is not null) using (customer_id)
                union
                select customer_id from raw.vinoshipper_orders semi join {batch} using (customer_id)
                where detail_at is null or owner_unknown is true"""
        )
    return {row[0] for row in rows}


def _unreadable(run: Run, db: Db) -> set[tuple[str, str]]:
    """Return the contacts that cannot be read now, and the customers of whom something cannot be read now."""
    rows = db.rows(
        """select case u.kind when 'contact' then 'contact' else 'customer' end,
                  case u.kind when 'order' then cast(o.customer_id as varchar)
                              when 'customer' then cast(try_cast(u.id as bigint) as varchar) else u.id end
           from raw.unreadable as u
           left join raw.vinoshipper_orders as o on u.kind = 'order' and o.order_number = u.id
           left join raw.simpletexting_contacts as c on u.kind = 'contact' and c.contact_id = u.id
           -- One that this run has read in a listing is read, whatever became of a single read before.
           where u.kind in ('contact', 'customer', 'order') and c.read_run is distinct from ?""",
        [run.run_id],
    )
    return {(row[0], row[1]) for row in rows}


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


class _Wants:
    """Says what contacts should say, by a map that was found in the account."""

    def __init__(self, resolved: ResolvedMap, merchant: Merchant) -> None:
        self._fixed = {row.to: (row.to, key, row.kind, row.policy) for row, key in resolved.available}
        self._map = FieldMap(1, tuple(row for row, _ in resolved.available), "", "")
        self._with_receipt = any(row.source == RECEIPT_SOURCE for row in self._map.fields)
        self._zone = merchant.time_zone

    def say(self, person: Person) -> None:
        if person.facts:
            fixed = self._fixed
            person.wanted = [
                Wanted(*fixed[row.map_field.to], row.value)
                for row in wanted_values(self._map, person.facts, self._zone)
            ]
            person.share = next(map(_email_of, filter(is_email, person.wanted)), None)
        if not self._with_receipt:
            person.notes.discard(RECEIPT_UNREADABLE)


class _Emails:
    """Leaves out an e-mail that another contact has, or gets in this plan: accounts may hold it only once.

    Where a few are planned alone, one that another contact gets by the plan that is stored is left out as well.
    """

    def __init__(self, db: Db, alone: Sequence[Ref] | None = None) -> None:
        self._db, self._alone = db, alone
        self._given: dict[str, str] = {}

    def share_out(self, people: Sequence[Person]) -> None:
        """Leave e-mails out of what these contacts should say; the smallest contact id gets it, so they come by id."""
        owners = email_owners(self._db, {person.share for person in people if person.share})
        if self._alone is not None:
            self._given = self._given_elsewhere({person.share for person in people if person.share}, self._alone)
        for person in people:
            if person.wanted is None or person.live is None or (email := person.share) is None:
                continue
            others = {*owners.get(email, ()), *([self._given[email]] if email in self._given else [])}
            if others - {person.contact.contact_id}:
                person.wanted = [want for want in person.wanted if not is_email(want)]
                continue
            want = next(filter(is_email, person.wanted))
            if want.policy == "mirror" or not person.live.builtin["email"].strip():
                self._given[email] = person.contact.contact_id

    def _given_elsewhere(self, emails: Collection[str], alone: Sequence[Ref]) -> dict[str, str]:
        """Return which others get one of these e-mails by the plan that is stored, by e-mail."""
        ids = {ref.id for ref in alone}
        with self._db.batch({"share": sorted(emails)}) as batch:
            rows = self._db.rows(
                f"""select i.share, i.id, p.wanted, c.email is null
                    from planned.inputs as i semi join {batch} using (share)
                    join planned.targets as p using (system, object, id)
                    join raw.simpletexting_contacts as c on c.contact_id = i.id
                    where not c.gone and p.wanted is not null"""
            )
        return {
            email: contact_id
            for email, contact_id, wanted, has_none in rows
            if contact_id not in ids
            and any(
                is_email(want) and (want.policy == "mirror" or has_none)
                for want in (Wanted(*row) for row in json.loads(wanted))
            )
        }


def _email_of(want: Wanted) -> str:
    return want.value.strip().casefold()


def _odd_phones(db: Db, linked: Linked) -> dict[str, str]:
    """Return what stands in place of a phone at contacts without a North American number."""
    ids = [contact.contact_id for contact in linked.contacts if contact.phone is None]
    if not ids:
        return {}
    with db.batch({"contact_id": ids}) as batch:
        rows = db.rows(
            f"""select contact_id, json_extract_string(body, '$.contactPhone') from raw.simpletexting_contacts
                semi join {batch} using (contact_id)"""
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
