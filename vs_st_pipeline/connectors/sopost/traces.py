"""Finds stored orders by what names a person, for `vs-st forget` and `suppression` (consumers.md 10.5).

A person is an e-mail address here; a phone leads to all that have it, and an address to no phone, which several people
of one house may share.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vs_st_pipeline.connectors.sopost.orders import Order
from vs_st_pipeline.connectors.sopost.streams import ORDERS, STORED
from vs_st_pipeline.domain.emails import spellings
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, PHONE, Identifiers, Suppressed, email_name, phone_name


def names_in(order_id: str, order: Order | None) -> tuple[str, list[tuple[str, object]], str | None]:
    """Return an order's own id, what else names its person, and its e-mail, as `filter_suppressed` takes them."""
    told = order.told if order is not None else {}
    return order_id, [*_names(told.get("email"), told.get("telephone"))], email_name(told)


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the orders that were named by their ids, and the addresses in them."""
    ids = {one.lower() for one in given.records.get(STORED, ())}
    for order_id, email, _ in _people(db) if ids else ():
        if order_id in ids:
            found.of(STORED).add(order_id)
            found.emails.update(spellings(email))


def find_person(db: Db, names: Identifiers) -> None:
    """Add the addresses of orders with one of these phones, and all orders with one of these addresses."""
    for order_id, email, telephone in _people(db) if names.phones or names.emails else ():
        if telephone in names.phones or not names.emails.isdisjoint(spellings(email)):
            names.of(STORED).add(order_id)
            names.emails.update(spellings(email))


def find_suppressed(db: Db, suppressed: Suppressed) -> list[tuple[str, str]]:
    """Return stored orders that have a forgotten address or phone."""
    return [
        (STORED, order_id)
        for order_id, email, telephone in _people(db)
        if suppressed.knows(PHONE, telephone) or any(suppressed.knows(EMAIL, one) for one in spellings(email))
    ]


def _people(db: Db) -> Iterator[tuple[str, str, str | None]]:
    """Yield id, address and phone of the orders that have a body."""
    rows: list[Any] = db.rows(
        f"""select id, json_extract_string(body, '$.email'), json_extract_string(body, '$.telephone')
            from {ORDERS.table} where body is not null"""
    )
    for order_id, email, telephone in rows:
        yield order_id, email or "", phone_name(telephone) if telephone else None


def _names(email: object, telephone: object) -> Iterator[tuple[str, object]]:
    if isinstance(email, str):
        yield from ((EMAIL, one) for one in sorted(spellings(email)))
    if isinstance(telephone, str) and (phone := phone_name(telephone)) is not None:
        yield PHONE, phone
