"""Finds a person among the contacts that were read, for erasing them: by the address that they were looked for by."""

from __future__ import annotations

from collections.abc import Iterator

from vs_st_pipeline.connectors.hubspot.streams import CONTACTS
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, Suppressed


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the contacts with these e-mails or ids, and their e-mails."""
    for id_, email in _contacts(db):
        if email in given.emails or id_ in given.of(CONTACTS.kind):
            found.of(CONTACTS.kind).add(id_)
            found.emails.add(email)


def find_person(db: Db, names: Identifiers) -> None:
    """Add the contacts of these people, and their e-mails."""
    for id_, email in _contacts(db):
        if email in names.emails or id_ in names.of(CONTACTS.kind):
            names.of(CONTACTS.kind).add(id_)
            names.emails.add(email)


def find_suppressed(db: Db, suppressed: Suppressed) -> list[tuple[str, str]]:
    """Return the contacts that have a forgotten e-mail."""
    return [(CONTACTS.kind, id_) for id_, email in _contacts(db) if suppressed.knows(EMAIL, email)]


def _contacts(db: Db) -> Iterator[tuple[str, str]]:
    """Yield the id of each contact, and its e-mail as people are suppressed by it."""
    for id_, email_key in db.rows(f"select id, email_key from {CONTACTS.table}"):
        yield id_, email_key.strip().casefold()
