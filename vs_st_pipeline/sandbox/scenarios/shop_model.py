"""Says what a made-up shop has, whichever system keeps it: people, goods, sales, carts, wishes, subscribers.

From one such shop `shop_at_vinoshipper`, `shop_at_commerce7` and `shop_as_tables` make the records of three systems.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

VINOSHIPPER, COMMERCE7, SHOP = "vinoshipper", "commerce7", "shop"


class Home(NamedTuple):
    """An address."""

    street: str = "1 Sample Street"
    city: str | None = "Sebastopol"
    state: str | None = "CA"
    postal: str | None = "95472"
    country: str = "US"
    company: str | None = None
    second: str | None = None


class Person(NamedTuple):
    """A customer, or the guest of a sale.

    Attributes:
        number: from which each source makes its id.
        why: what the person is there for.
        opted_in: None: nobody has asked; Vinoshipper writes false.
        homes: the first is the one that counts.
        days: ago, when the account was opened; None: the shop does not know.
        held: why a route with the usual age rule holds the person; None: it does not.
    """

    number: int
    first: str | None
    last: str
    email: str | None
    why: str
    opted_in: bool | None = True
    phone: str | None = "7075551000"
    born: date | str | None = date(1980, 5, 17)
    homes: Sequence[Home] = (Home(),)
    days: float | None = 200
    held: str | None = None
    club: str | None = None


class Choice(NamedTuple):
    """An option of something that is sold."""

    number: int
    size: str | None
    color: str | None
    cents: int | None
    stock: int | None


class Good(NamedTuple):
    """Something that is sold.

    Attributes:
        cents: the usual price; None: it has none.
        sale_cents: what it costs for now, where that is less.
        stock: None: nobody counts it.
        shown: whether everybody can buy it; what is not shown is no product for the route.
    """

    number: int
    sku: str
    name: str
    why: str
    cents: int | None = 3000
    stock: float | None = 120
    text: str | None = "A wine."
    blurb: str | None = None
    shelves: Sequence[str] = ("Wine",)
    choices: Sequence[Choice] = ()
    sale_cents: int | None = None
    image: bool = True
    kind: str = "Wine"
    shown: bool = True
    days: float = 400


class Line(NamedTuple):
    """A line of a sale or a cart."""

    good: int
    quantity: float = 1
    choice: int | None = None


class Sale(NamedTuple):
    """An order.

    Attributes:
        buyer: number of a person; None: a guest, who is `guest`. A number that nobody has: a customer who is gone.
        stage: open, shipped, picked_up, cancelled, refunded, pending (not paid), returned (an order below 0).
    """

    number: int
    buyer: int | None
    days: float
    lines: Sequence[Line]
    why: str
    stage: str = "shipped"
    guest: Person | None = None
    cents: int | None = None
    held: str | None = None


class Basket(NamedTuple):
    """A cart; without a buyer it is a guest's."""

    number: int
    buyer: int | None
    lines: Sequence[Line]
    days: float
    why: str


class Wish(NamedTuple):
    """Something that a person wishes for."""

    person: int
    good: int
    days: float | None


class Reader(NamedTuple):
    """A line of the newsletter's own list, which the generic shop alone has."""

    number: int
    email: str
    buyer: int | None
    subscribed: bool | None
    days: float | None
    why: str


@dataclass
class MadeShop:
    """A made-up shop; what is many may be made as it is read."""

    people: Iterable[Person] = field(default_factory=list)
    goods: Sequence[Good] = ()
    sales: Iterable[Sale] = field(default_factory=list)
    baskets: Iterable[Basket] = field(default_factory=list)
    wishes: Iterable[Wish] = field(default_factory=list)
    readers: Iterable[Reader] = field(default_factory=list)


def price_of(good: Good, choice: int | None = None) -> int:
    """Return what one costs, in cents."""
    chosen = next((one.cents for one in good.choices if one.number == choice), None)
    return chosen or good.sale_cents or good.cents or 0


def worth(shop_goods: dict[int, Good], sale: Sale) -> int:
    """Return the total of a sale in cents, with 15.00 for shipping."""
    if sale.cents is not None:
        return sale.cents
    sums = (
        int(price_of(shop_goods[one.good], one.choice) * one.quantity) for one in sale.lines if one.good in shop_goods
    )
    return sum(sums) + (0 if sale.stage == "picked_up" else 1500)


def address_of(email: str) -> str:
    """Return an e-mail as the route compares it."""
    return email.strip().lower()


def readers_of(shop: MadeShop, source: str, of_age: bool) -> set[str]:
    """Return the addresses that may be told as subscribed: somebody says yes, nobody says no, and somebody is not held.

    Args:
        source: the system that has the shop; Vinoshipper knows no silence, and the generic shop alone has a list.
        of_age: nobody who is under age is told.
    """
    says: dict[str, bool] = {}
    held: dict[str, bool] = {}
    for person in shop.people:
        if person.email is None:
            continue
        address = address_of(person.email)
        held[address] = held.get(address, True) and of_age and person.held is not None
        said = bool(person.opted_in) if source == VINOSHIPPER else person.opted_in
        if said is not None:
            says[address] = says.get(address, True) and said
    for reader in shop.readers if source == SHOP else ():
        if reader.subscribed is not None:
            address = address_of(reader.email)
            says[address] = says.get(address, True) and reader.subscribed
    return {address for address, said in says.items() if said and not held.get(address, False)}
