"""Finds a person among the contacts, for erasing them: by phone, and by the customer that a contact names."""

from __future__ import annotations

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import (
    CONTACT,
    CUSTOMER,
    PHONE,
    Identifiers,
    Suppressed,
    phone_name,
)


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the contacts with these e-mails, and their phones; and those that name these customers."""
    for contact_id, (phone, email, customer_id) in _contacts(db).items():
        if email.strip().casefold() in given.emails:
            found.contacts.add(contact_id)
            found.phones.update([phone] if phone else [])
        if customer_id in given.customers:
            found.contacts.add(contact_id)
            found.customers.add(customer_id)


def find_person(db: Db, names: Identifiers) -> None:
    """Add the contacts of these people, the customers that they name, and their e-mails."""
    for contact_id, (phone, email, customer_id) in _contacts(db).items():
        if phone in names.phones or customer_id in names.customers:
            names.contacts.add(contact_id)
            names.customers.update([customer_id] if customer_id else [])
            names.emails.update([email] if email else [])


def find_suppressed(db: Db, suppressed: Suppressed) -> list[tuple[str, str]]:
    """Return the contacts that have a forgotten phone or name a forgotten customer."""
    return [
        (CONTACT, contact_id)
        for contact_id, (phone, _, customer_id) in _contacts(db).items()
        if suppressed.knows(PHONE, phone) or suppressed.knows(CUSTOMER, customer_id)
    ]


def _contacts(db: Db) -> dict[str, tuple[str | None, str, str]]:
    """Return every contact's phone, e-mail and the customer that it names, by contact id."""
    rows = db.rows(
        """select contact_id, coalesce(phone, json_extract_string(body, '$.contactPhone'), ''), coalesce(email, ''),
                  coalesce(customer_id, '')
           from raw.simpletexting_contacts"""
    )
    return {
        contact_id: (phone_name(phone), email, named if named.isascii() and named.isdigit() else "")
        for contact_id, phone, email, named in rows
    }
