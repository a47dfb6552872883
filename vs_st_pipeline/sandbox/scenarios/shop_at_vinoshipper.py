"""Makes the records that Vinoshipper has of a made-up shop: customers, orders, and the products of its feed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import NO_TAXES, Builder
from vs_st_pipeline.sandbox.scenarios.shop_model import Good, Home, Line, MadeShop, Person, Sale, price_of, worth

FIRST_CUSTOMER, FIRST_PRODUCT, FIRST_ORDER = 700000, 31000, 90000000000
STAGES = {  # status and orderStatus
    "open": ("SUCCESS", "OPEN"),
    "shipped": ("SUCCESS", "DELIVERED"),
    "picked_up": ("SUCCESS", "PICKED_UP"),
    "cancelled": ("SUCCESS", "CANCELLED"),
    "refunded": ("SUCCESS", "RETURNED"),
    "pending": ("PENDING", "OPEN"),
    "returned": ("SUCCESS", "CANCELLED"),
}
FOREIGN = {"FR": "33"}


def customer_id(number: int) -> int:
    """Return the id of a person."""
    return FIRST_CUSTOMER + number


def product_id(number: int) -> int:
    """Return the id of a good."""
    return FIRST_PRODUCT + number


def order_number(number: int) -> str:
    """Return the number of a sale."""
    return str(FIRST_ORDER + number)


def at_vinoshipper(b: Builder, shop: MadeShop) -> None:
    """Add what the shop has at Vinoshipper, where that stand-in is the one that is built."""
    if "orders" in b.without:
        return
    goods = {good.number: good for good in shop.goods}
    b.merchant.parts["vinoshipper"] = {"products": [_product(good) for good in shop.goods], "closed_states": []}
    people: dict[int, Record] = {}
    for person in shop.people:
        people[person.number] = _customer(b, person)
    for sale in shop.sales:
        _order(b, sale, goods, people)


def _customer(b: Builder, person: Person) -> Record:
    made = b.customer(
        customer_id(person.number),
        person.first,
        person.last,
        None,
        person.email,
        _born(person.born),
        address=False,
    )
    if person.phone:
        country = FOREIGN.get(person.homes[0].country, "1") if person.homes else "1"
        made["primaryPhone"] = {"number": person.phone, "country": country, "extension": None}
    if person.homes:
        made["shippingAddress"] = _address(made["id"], person, person.homes[0])
    made["optedIntoMarketingEmails"] = bool(person.opted_in)
    if person.club:
        b.membership(made, person.club, "2025-02-11")
    return made


def _born(born: date | str | None) -> tuple[int, int, int] | None:
    if born is None:
        return None
    year, month, day = (int(part) for part in str(born).split("-"))
    return year, month, day


def _address(id: int, person: Person, home: Home) -> Record:
    return {
        "id": 500000 + id % 100000,
        "firstName": person.first,
        "lastName": person.last,
        "street1": home.street,
        "street2": home.second or "",
        "city": home.city,
        "postalCode": home.postal,
        "stateCode": home.state,
        "country": home.country,
        "accessPoint": None,
        "description": None,
        "phoneNumber": person.phone,
        "suspectedPOBox": False,
        "poBox": False,
        "linkedAddress": None,
    }


def _product(good: Good) -> Record:
    """Return a good as one product: Vinoshipper has no options, so the stock is that of all together."""
    counts = [choice.stock for choice in good.choices]
    stock = good.stock if not counts else None if None in counts else sum(count or 0 for count in counts)
    cents = good.sale_cents or good.cents
    slug = "".join(c if c.isalnum() else "-" for c in good.name.lower())
    return {
        "id": product_id(good.number),
        "sku": good.sku,
        "name": good.name,
        "price": None if cents is None else Decimal(cents) / 100,
        "approved": good.kind != "Retired",
        "inventory": None if stock is None else int(stock),
        "desc": good.text,
        "img": f"https://images.example.com/{good.number}.png" if good.image else None,
        "slug": slug,
        "category": {"Wine": "Wine"}.get(good.kind, "Merchandise"),
        "member_only": not good.shown,
    }


def _order(b: Builder, sale: Sale, goods: dict[int, Good], people: dict[int, Record]) -> Record:
    status, stage = STAGES[sale.stage]
    # A customer who is gone is still named by the order.
    who: Record | None = None
    if sale.buyer is not None:
        gone = {"id": customer_id(sale.buyer), "firstName": "Gone", "lastName": "Away", "email": "gone@example.com"}
        who = people.get(sale.buyer, gone)
    at = b.days_ago(sale.days)
    total = Decimal(worth(goods, sale)) / 100
    made = b.order(
        order_number(sale.number),
        who,
        at,
        str(total),
        status=status,
        stage=stage,
        rate=("PCKP", "Pickup") if sale.stage == "picked_up" else ("03", "UPS Ground"),
        shipped=at if sale.stage in ("shipped", "refunded") else None,
        delivered=at if sale.stage == "shipped" else None,
    )
    made["products"] = list(_lines(sale.lines, goods))
    if sale.guest is not None:
        _guest(made, sale.guest)
    return made


def _guest(order: Record, guest: Person) -> None:
    born = _born(guest.born)
    order["customer"] = {
        **order["customer"],
        "email": guest.email,
        "firstName": guest.first,
        "lastName": guest.last,
        "fullName": f"{guest.first} {guest.last}",
        "dateOfBirth": None if born is None else {"day": born[2], "month": born[1], "year": born[0]},
    }
    address = _address(0, guest, guest.homes[0])
    phone = {"number": guest.phone, "country": 1, "extension": None}
    order["shipToAddress"] = {**address, "id": None, "salutation": None, "businessName": None, "phone": phone}


def _lines(lines: Any, goods: dict[int, Good]) -> Iterator[Record]:
    for line in lines:
        yield _line(line, goods.get(line.good))


def _line(line: Line, good: Good | None) -> Record:
    price = Decimal(price_of(good) if good else 1000) / 100
    return {
        "productId": product_id(line.good),
        "productName": good.name if good else "Something Unknown",
        "productVintage": None,
        "sku": good.sku if good else f"GONE{line.good}",
        "upc": "",
        "category": "Wine",
        "productTaxonomy": None,
        "quantity": int(line.quantity),
        "price": price,
        "discount": 0,
        "alcoholPercentage": None,
        "packProductId": None,
        "taxes": NO_TAXES,
    }
