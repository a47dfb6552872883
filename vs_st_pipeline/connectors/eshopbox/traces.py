"""Finds stored orders by what names a person, for `vs-st forget` and for keeping forgotten people out (notices.md 9.4).

A phone leads to all orders that have it, and these to the e-mails that no other phone has. An order says a phone as its
customer typed it, so it is known by its digits, and, where the order's country makes a whole number of them, by that
number's too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import phonenumbers

from vs_st_pipeline.connectors.eshopbox.streams import ORDERS, STORED
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, PHONE, Identifiers, Suppressed, email_name, phone_name

_ADDRESSES = ("shippingAddress", "billingAddress")


def names_in(number: str, body: Mapping[str, Any]) -> tuple[str, list[tuple[str, object]], str | None]:
    """Return an order's own number, what else names its person, and its e-mail, as `filter_suppressed` takes them."""
    emails = sorted(_emails(body))
    others: list[tuple[str, object]] = [(PHONE, phone) for phone in sorted(_phones(body))]
    return number, [*others, *((EMAIL, email) for email in emails)], emails[0] if emails else None


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the orders with the e-mails and numbers that were given, their e-mails and their phones."""
    numbers = given.records.get(STORED, ())
    for number, body in _bodies(db) if given.emails or given.records else ():
        if number in numbers or not given.emails.isdisjoint(_emails(body)):
            found.of(STORED).add(number)
            found.emails.update(_emails(body))
            found.phones.update(_phones(body))


def find_person(db: Db, names: Identifiers) -> None:
    """Add the orders that have one of these phones, and their e-mails.

    An e-mail that orders under other phones have too names nobody: shops write one of their own where a customer gave
    none, and whoever shares one with a forgotten person must not be kept out with it.
    """
    theirs, others = set[str](), set[str]()
    for number, body in _bodies(db) if names.phones else ():
        if names.phones.isdisjoint(_phones(body)):
            others |= _emails(body)
        else:
            names.of(STORED).add(number)
            theirs |= _emails(body)
    names.emails.update(theirs - others)


def find_suppressed(db: Db, suppressed: Suppressed) -> list[tuple[str, str]]:
    """Return stored orders that have a forgotten phone or e-mail."""
    return [
        (STORED, number)
        for number, body in _bodies(db)
        if any(suppressed.knows(PHONE, one) for one in _phones(body))
        or any(suppressed.knows(EMAIL, one) for one in _emails(body))
    ]


def _bodies(db: Db) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, text in db.rows(f"select id, body from {ORDERS.table} where body is not null"):
        yield number, try_object(text) or {}


def _parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (part for key in _ADDRESSES if isinstance(part := body.get(key), Mapping))


def _emails(body: Mapping[str, Any]) -> set[str]:
    return {name for part in _parts(body) if (name := email_name(part)) is not None}


def _phones(body: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for part in _parts(body):
        typed, country = id_text(part.get("contactPhone")), id_text(part.get("countryCode"))
        if typed is not None:
            found.update(name for one in (typed, _whole(typed, country)) if (name := phone_name(one)) is not None)
    return found


def _whole(typed: str, country: str | None) -> str:
    """Return a phone with its country's code; as it was typed, where it is no number there."""
    try:
        number = phonenumbers.parse(typed, (country or "").strip().upper() or None)
    except phonenumbers.NumberParseException:
        return typed
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
