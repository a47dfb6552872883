"""Matches a contact with its customer: by the customer id it already carries, else by phone.

Data flow: contacts + customers -> links; several customers on one phone -> one chosen.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from vs_st_pipeline.domain.phone import parse_nanp

_CUSTOMER_ID = re.compile(r"[0-9]{1,18}")
_FLOAT_ID = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE]\+?[0-9]{1,2})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE = (False, timedelta(0))


@dataclass(frozen=True, slots=True)
class ContactIdentity:
    """What a contact is matched by.

    Attributes:
        phone: as it was read, or its ten digits.
        vs_customer_id: the customer id that it carries as text, empty if there is none; None where the account's list
            of custom fields shows no field for it.
        status: its subscription status, empty if none was given.
    """

    contact_id: str
    phone: str | None = None
    vs_customer_id: str | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A contact and the customers it may stand for, ascending; more than one is an ambiguous phone.

    `by` is `phone`, or the name of the field in which the contact carries the customer's id.
    """

    contact_id: str
    candidates: tuple[int, ...]
    by: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """The facts that decide between customers on one phone; both moments are aware instants, None where unknown."""

    customer_id: int
    newest_counted_at: datetime | None = None
    earliest_membership: datetime | None = None


def link(
    contacts: Iterable[ContactIdentity],
    customers_by_id: Container[int],
    ids_by_phone: Mapping[str, Sequence[int]],
    ledger_ids: Mapping[str, int] | None = None,
    *,
    id_field: str,
) -> dict[str, Link]:
    """Link contacts to customers, by contact id; contacts without a customer are absent.

    Two contacts may be linked to one customer.

    Args:
        contacts: of the account, in any order.
        customers_by_id: tells whether a customer exists (a mapping or a set of ids).
        ids_by_phone: customers by the ten NANP digits of their `primaryPhone`.
        ledger_ids: by contact id, the customer id that we wrote there, where that link stays although somebody has
            edited the field.
        id_field: name of the field in which a contact carries the customer's id.
    """
    links, ledger_ids = {}, ledger_ids or {}
    for contact in contacts:
        customer_id = ledger_ids.get(contact.contact_id, carried_id(contact.vs_customer_id))
        # A carried id beats the phones: people share phones and change them, the id stays.
        if customer_id is not None and customer_id in customers_by_id:
            links[contact.contact_id] = Link(contact.contact_id, (customer_id,), id_field)
            continue
        phone = parse_nanp(contact.phone)
        candidates = ids_by_phone.get(phone, ()) if phone else ()
        if candidates:
            links[contact.contact_id] = Link(contact.contact_id, tuple(sorted(set(candidates))), "phone")
    return links


def choose(candidates: Sequence[Candidate]) -> int:
    """Return the customer id with the newest counted order, then the earliest membership, then the greatest id.

    Raises:
        ValueError: there is no candidate.
    """
    return max(candidates, key=_rank).customer_id


def _rank(candidate: Candidate) -> tuple[bool, timedelta, bool, timedelta, int]:
    bought, joined = candidate.newest_counted_at, candidate.earliest_membership
    return (
        *(_NONE if bought is None else (True, bought - _EPOCH)),
        *(_NONE if joined is None else (True, _EPOCH - joined)),  # reversed: the earlier, the better
        candidate.customer_id,
    )


def carried_id(text: str | None) -> int | None:
    """Return the customer id in a text; None where it is not an id.

    A number field or a spreadsheet turns `700103` into `700103.0` or `7.00103e5`, which mean the same customer.
    """
    digits = text.strip() if isinstance(text, str) else ""
    if _CUSTOMER_ID.fullmatch(digits):
        return int(digits)
    if not _FLOAT_ID.fullmatch(digits):
        return None
    number = Decimal(digits)
    whole = number.adjusted() < 18 and number == number.to_integral_value()
    return int(number) if whole else None
