"""Links contacts to customers from what raw holds, and chooses between several customers on one phone.

Data flow: raw.simpletexting_contacts, raw.vinoshipper_customers -> Link per contact.

Both the readers (whose details to ask for) and the planner (which contacts to write) need the same answer, so it is
made here once, below them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vs_st_pipeline.connectors.simpletexting.consent import OPT_IN, consent_reason
from vs_st_pipeline.connectors.simpletexting.custom_fields import CUSTOMER_ID_LABEL
from vs_st_pipeline.connectors.simpletexting.stored_contacts import read_identities
from vs_st_pipeline.domain.customer import Customer, earliest_membership
from vs_st_pipeline.domain.formats import instant
from vs_st_pipeline.domain.matching import Candidate, ContactIdentity, Link, carried_id, choose, link
from vs_st_pipeline.domain.order import Order
from vs_st_pipeline.domain.order_history import newest_counted
from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True)
class Linked:
    """All contacts that are not gone, or some, by ascending id, and the links of those that stand for a customer.

    Attributes:
        written: the customer ids that the ledger says they carry, by contact id.
    """

    contacts: Sequence[ContactIdentity]
    links: Mapping[str, Link]
    written: Mapping[str, int]

    def only(self, contact_ids: Iterable[str]) -> Linked:
        """Return the same of these contacts alone, in the order in which they are given."""
        return Linked([self._by_id[one] for one in contact_ids if one in self._by_id], self.links, self.written)

    @cached_property
    def _by_id(self) -> dict[str, ContactIdentity]:
        return {row.contact_id: row for row in self.contacts}


def link_all(db: Db) -> Linked:
    """Link all contacts that are there."""
    contacts = read_identities(db)
    return link_contacts(db, contacts, _written_ids(db))


def link_some(db: Db, contact_ids: Sequence[str]) -> Linked:
    """Link these contacts, as far as they are there."""
    return link_contacts(db, read_identities(db, contact_ids))


def link_opted_in(db: Db, customer_ids: Collection[int]) -> Linked:
    """Link the contacts that may stand for one of these customers and are stored as opted in."""
    return _link_to(db, customer_ids, "status = ?", [OPT_IN])


def link_to(db: Db, customer_ids: Collection[int]) -> Linked:
    """Link the contacts that may stand for one of these customers."""
    return _link_to(db, customer_ids, "true", [])


def _link_to(db: Db, customer_ids: Collection[int], which: str, values: Sequence[object]) -> Linked:
    asked = {"id": sorted(customer_ids)}
    with db.batch(asked, {"id": "int"}) as batch:
        # An id that a contact carries may be written as a float (`carried_id`); linking looks at it closely.
        rows = db.rows(
            f"""select contact_id from raw.simpletexting_contacts
                where not gone and {which}
                  and (phone in (select phone from raw.vinoshipper_customers
                                 where phone is not null and customer_id in (select id from {batch}))
                       or try_cast(customer_id as double) in (select cast(id as double) from {batch})
                       or contact_id in (select id from synced.ledger where field = ?
                                         and try_cast(sent as double) in (select cast(id as double) from {batch})))""",
            [*values, CUSTOMER_ID_LABEL],
        )
    found = link_some(db, [row[0] for row in rows])
    meant = set(customer_ids)
    links = {one: link for one, link in found.links.items() if not meant.isdisjoint(link.candidates)}
    return Linked([one for one in found.contacts if one.contact_id in links], links, found.written)


def link_contacts(db: Db, contacts: Sequence[ContactIdentity], written_ids: Mapping[str, int] | None = None) -> Linked:
    """Link contacts to customers that exist (deleted ones do not).

    Where the ledger says that we wrote another id than a contact carries now, somebody has edited the field. As long as
    that customer exists and has the contact's phone, the contact stays linked to them, and the plan puts the id back. A
    field that the account does not show at all cannot have been edited: then the customer need not have the phone.

    Args:
        written_ids: the customer ids that the ledger says contacts carry; by default of these they are read.
    """
    if written_ids is None:
        written_ids = _written_ids(db, [row.contact_id for row in contacts])
    phone_of: dict[int, str | None] = {}
    by_phone: dict[str, list[int]] = {}
    carried = {row.contact_id: carried_id(row.vs_customer_id) for row in contacts}
    edited = {
        contact_id: written
        for contact_id, written in written_ids.items()
        if contact_id in carried and carried[contact_id] != written
    }
    phones = sorted({row.phone for row in contacts if row.phone})
    ids = sorted({*(one for one in carried.values() if one is not None), *edited.values()})
    with db.batch({"phone": phones}) as by_number, db.batch({"id": ids}, {"id": "int"}) as named:
        # Most customers have no contact.
        rows = db.rows(
            f"""select customer_id, phone from raw.vinoshipper_customers
                where deleted_at is null
                  and (phone in (select phone from {by_number})
                       or customer_id in (select id from {named}))"""
        )
    for customer_id, phone in rows:
        phone_of[customer_id] = phone
        if phone:
            by_phone.setdefault(phone, []).append(customer_id)

    def kept(row: ContactIdentity) -> int | None:
        written = edited.get(row.contact_id)
        if row.vs_customer_id is None:
            return written if written in phone_of else None
        phone = phone_of.get(written) if written is not None else None
        return written if phone and phone == row.phone else None

    ledger_ids = {row.contact_id: customer_id for row in contacts if (customer_id := kept(row)) is not None}
    links = link(contacts, phone_of, by_phone, ledger_ids, id_field=CUSTOMER_ID_LABEL)
    return Linked(contacts, links, written_ids)


def _written_ids(db: Db, contact_ids: Sequence[str] | None = None) -> dict[str, int]:
    """Return the customer ids that the ledger says contacts carry, by contact id: all of them, or these."""
    sql = "select id, sent from synced.ledger where field = ?"
    if contact_ids is None:
        rows = db.rows(sql, [CUSTOMER_ID_LABEL])
    else:
        with db.batch({"id": contact_ids}) as batch:
            rows = db.rows(f"{sql} and id in (select id from {batch})", [CUSTOMER_ID_LABEL])
    return {contact_id: written for contact_id, sent in rows if (written := carried_id(sent)) is not None}


def links_key(db: Db) -> str:
    """Return a fingerprint of all that links are made of: while it and the versions stand, so do the links."""
    rows = db.rows(
        """select 1 as part, count(*), sum(hash(contact_id, phone, customer_id, status, gone))
           from raw.simpletexting_contacts
           union all
           select 2, count(*), hash(list((label, merge_tag) order by rowid)) from raw.simpletexting_custom_fields
           union all
           select 3, count(*), sum(hash(customer_id, phone)) from raw.vinoshipper_customers where deleted_at is null
           union all
           select 4, count(*), sum(hash(id, sent)) from synced.ledger where field = ?""",
        [CUSTOMER_ID_LABEL],
    )
    return str(sorted(rows))


def customers_to_read(contacts: Iterable[ContactIdentity], links: Mapping[str, Link]) -> list[int]:
    """Return the customers whose details are worth asking for: all candidates of every contact that has opted in."""
    wanted = {
        customer_id
        for contact in contacts
        if contact.contact_id in links and consent_reason(contact.status) is None
        for customer_id in links[contact.contact_id].candidates
    }
    return sorted(wanted)


def chosen_customer(found: Link, customers: Mapping[int, Customer], orders: Mapping[int, Sequence[Order]]) -> int:
    """Return the one customer that the contact stands for (interface 7.4)."""
    if len(found.candidates) == 1:
        return found.candidates[0]
    return choose([_candidate(customer_id, customers, orders) for customer_id in found.candidates])


def _candidate(customer_id: int, customers: Mapping[int, Customer], orders: Mapping[int, Sequence[Order]]) -> Candidate:
    counted = newest_counted(orders.get(customer_id, ()))
    customer = customers.get(customer_id)
    joined = earliest_membership(customer.memberships) if customer else None
    return Candidate(
        customer_id,
        instant(counted.purchased_at) if counted and counted.purchased_at else None,
        instant(joined) if joined else None,
    )
