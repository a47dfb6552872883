"""Finds stored orders and customers by what names a person, for `vs-st forget` (orders.md 10).

A phone leads to all whose orders or profiles have it, and these to their e-mails. An e-mail or an id that was given
leads to the phones of those records once. Nobody's later orders are kept out: a paid order is a contract, so only the
ids of erased records are remembered, and `find_suppressed` adds nothing to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vs_st_pipeline.connectors.commerce7.streams import CUSTOMERS, ORDERS, STORED, STORED_CUSTOMER
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import Identifiers, email_name, phone_name


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom one record names. customer: id at the shop."""

    kind: str
    id: str
    customer: str | None
    emails: frozenset[str]
    phones: frozenset[str]


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the e-mails and phones of records with the e-mails and ids that were given."""
    for one in _people(db) if given.emails or given.records else ():
        if _is_named(one, given):
            found.of(one.kind).add(one.id)
            found.emails.update(one.emails)
            found.phones.update(one.phones)


def find_person(db: Db, names: Identifiers) -> None:
    """Add the records that have one of these phones, e-mails or customers, and their e-mails and customers."""
    for one in _people(db) if names.phones or names.emails or names.records else ():
        if _is_named(one, names) or not names.phones.isdisjoint(one.phones):
            names.of(one.kind).add(one.id)
            names.emails.update(one.emails)
            if one.customer is not None:
                names.of(STORED_CUSTOMER).add(one.customer)


def _is_named(one: _Person, names: Identifiers) -> bool:
    return (
        one.id in names.records.get(one.kind, ())
        or one.customer in names.records.get(STORED_CUSTOMER, ())
        or not names.emails.isdisjoint(one.emails)
    )


def _people(db: Db) -> Iterator[_Person]:
    for id_, text in db.rows(f"select id, body from {ORDERS.table} where body is not null"):
        body = try_object(text) or {}
        who = _part(body, "customer")
        phones = {*_phones(who), *(body_phone for key in ("shipTo", "billTo") for body_phone in _own(body, key))}
        customer = body.get("customerId") or who.get("id")
        yield _Person(
            STORED, id_, customer if isinstance(customer, str) else None, frozenset(_emails(who)), frozenset(phones)
        )
    for id_, text in db.rows(f"select id, body from {CUSTOMERS.table} where body is not null"):
        body = try_object(text) or {}
        yield _Person(STORED_CUSTOMER, id_, id_, frozenset(_emails(body)), frozenset(_phones(body)))
    for id_, text in db.rows("select id, body from raw.commerce7_people"):
        body = try_object(text) or {}
        yield _Person(STORED_CUSTOMER, id_, id_, frozenset(_emails(body)), frozenset(_phones(body)))


def _part(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}


def _own(body: Mapping[str, Any], key: str) -> Iterator[str]:
    phone = _part(body, key).get("phone")
    if isinstance(phone, str) and (name := phone_name(phone)) is not None:
        yield name


def _emails(who: Mapping[str, Any]) -> Iterator[str]:
    for one in _list(who.get("emails")):
        if (name := email_name(one if isinstance(one, Mapping) else {"email": one})) is not None:
            yield name


def _phones(who: Mapping[str, Any]) -> Iterator[str]:
    for one in _list(who.get("phones")):
        phone = one.get("phone") if isinstance(one, Mapping) else one
        if isinstance(phone, str) and (name := phone_name(phone)) is not None:
            yield name


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
