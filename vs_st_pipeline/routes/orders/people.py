"""Finds who buys and who receives, where, and by which phone and birth date, in the places of an order (orders.md 5.1).

Each is looked for in the places in the order that the contract lists, and the first that has it counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.shop_order import ShopAddress, ShopOrder
from vs_st_pipeline.routes.orders import birth
from vs_st_pipeline.routes.orders.texts import clean, word
from vs_st_pipeline.routes.orders.us import state_code

_DASHES: Final = re.compile("[\u2010-\u2015\u2212]")
_ZIP: Final = re.compile(r"([0-9]{5})(?:\s*-?\s*([0-9]{4}))?", re.ASCII)


class Named(Protocol):
    """Whatever has names."""

    @property
    def first_name(self) -> str | None: ...

    @property
    def last_name(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Names:
    """A person's names as they are sent."""

    first: str | None
    last: str


def zip_code(text: str | None) -> str | None:
    """Return a ZIP as `95472` or `95472-1234`; None where it is not of five or nine digits."""
    found = _ZIP.fullmatch(_DASHES.sub("-", text or "").strip())
    if found is None:
        return None
    return f"{found[1]}-{found[2]}" if found[2] else found[1]


def zip5(text: str | None) -> str | None:
    """Return the first five digits of a ZIP, None where it is none."""
    found = zip_code(text)
    return found[:5] if found else None


def email(order: ShopOrder) -> str | None:
    """Return the first address of the buyer that has an `@`."""
    found = (clean(one) for one in (order.customer.emails if order.customer else ()))
    return next((one for one in found if one and "@" in one), None)


def buyer(order: ShopOrder) -> Names | None:
    """Return the names of the first of customer, bill-to and ship-to that has a last name."""
    return next((names for one in (order.customer, order.bill_to, order.ship_to) if (names := _names(one))), None)


def recipient(order: ShopOrder) -> Names | None:
    """Return the names of whom it is shipped to; the buyer's where the ship-to has no last name."""
    return _names(order.ship_to) or buyer(order)


def _names(one: Named | None) -> Names | None:
    last = clean(one.last_name) if one else None
    return Names(clean(one.first_name), last) if one and last else None


def billing_address(order: ShopOrder) -> ShopAddress | None:
    """Return the bill-to address, or the ship-to one where there is none; a blank one is none."""
    bill = order.bill_to
    if bill and any(map(clean, (bill.street1, bill.street2, bill.city, bill.zip_code, bill.state_code))):
        return bill
    return order.ship_to


def phone(order: ShopOrder) -> str | None:
    """Return ten digits of the first of ship-to, bill-to and customer that has a North American number."""
    ship, bill = order.ship_to, order.bill_to
    found = [ship.phone if ship else None, bill.phone if bill else None]
    found += order.customer.phones if order.customer else ()
    return next((digits for one in found if (digits := parse_nanp(one))), None)


def birth_dates(order: ShopOrder) -> Iterator[str | None]:
    """Yield all birth dates that an order has, of the buyer and of whoever receives it, as they are written."""
    yield from (one.birth_date for one in (order.bill_to, order.customer, order.ship_to) if one)


def birth_date(order: ShopOrder, today: date) -> date | None:
    """Return the buyer's birth date: bill-to's, else the customer's, else that of a ship-to of the same names."""
    found = [one.birth_date for one in (order.bill_to, order.customer) if one]
    ship, who = _names(order.ship_to), buyer(order)
    if order.ship_to and ship and who and _same(ship, who):
        found.append(order.ship_to.birth_date)
    return next((day for one in found if (day := birth.read(one, today).day)), None)


def _same(one: Names, other: Names) -> bool:
    return (word(one.first), word(one.last)) == (word(other.first), word(other.last))


def state(address: ShopAddress | None) -> str | None:
    """Return an address's state in capital letters, or as it stands where it is none of the United States."""
    written = clean(address.state_code) if address else None
    return state_code(written) or written
