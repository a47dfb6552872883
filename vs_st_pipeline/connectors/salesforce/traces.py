"""Finds a person among the contacts, for erasing them: by the address that they were looked for by."""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.connectors.salesforce.streams import CONTACTS
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, Suppressed


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the contacts with these addresses, and the addresses of contacts with these ids."""
    for contact, email in _contacts(db):
        if email in given.emails or contact in given.of(CONTACTS.kind):
            found.of(CONTACTS.kind).add(contact)
            found.emails.add(email)


def find_person(db: Db, names: Identifiers) -> None:
    """Add the contacts with these people's addresses."""
    for contact, email in _contacts(db):
        if email in names.emails:
            names.of(CONTACTS.kind).add(contact)


def find_suppressed(db: Db, suppressed: Suppressed) -> list[tuple[str, str]]:
    """Return the contacts that have a forgotten address."""
    return [(CONTACTS.kind, contact) for contact, email in _contacts(db) if suppressed.knows(EMAIL, email)]


def prune(db: Db, before: datetime) -> None:
    """Reduce bodies that were read before a moment: contacts are looked for anew before each write."""
    db.execute("update raw.salesforce_contacts set body = '{}' where read_at < ? and body <> '{}'", [before])


def _contacts(db: Db) -> list[tuple[str, str]]:
    """Return id and address of every contact; addresses of people are named in small letters."""
    return [(id, email.casefold()) for id, email in db.rows("select id, email_key from raw.salesforce_contacts")]
