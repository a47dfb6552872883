"""Makes the records of the generic shop of a made-up shop: the tables of a drop, with the columns that it has there.

A row has the keys of its table's columns; what the shop does not know is None. Lists and objects are such.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder
from vs_st_pipeline.sandbox.scenarios.shop_model import Basket, Good, Line, MadeShop, Person, Sale, worth

TABLES = (
    "customers",
    "addresses",
    "subscribers",
    "products",
    "options",
    "wishlists",
    "orders",
    "order_lines",
    "carts",
    "cart_lines",
)
STATUSES = {"picked_up": "Picked up", "returned": "Partly refunded"}
WAYS = {"picked_up": "Pickup"}


def as_tables(b: Builder, shop: MadeShop) -> None:
    """Add what the generic shop has, where that stand-in is the one that is built: a list of rows per table."""
    if "shop" not in b.without:
        b.merchant.parts["shop"] = {"tables": tables_of(shop, b.now)}


def tables_of(shop: MadeShop, now: datetime) -> dict[str, list[Record]]:
    """Return all rows of all tables."""
    clerk = _Clerk(shop, now)
    people, baskets, sales = list(shop.people), list(shop.baskets), list(shop.sales)
    clerk.people = {person.number: person for person in people}
    return {
        "customers": [clerk.customer(person) for person in people],
        "addresses": [row for person in people for row in clerk.addresses(person)],
        "subscribers": [
            {
                "subscriber_id": f"s{one.number}",
                "email": one.email,
                "customer_id": None if one.buyer is None else str(one.buyer),
                "subscribed": one.subscribed,
                "since": clerk.ago(one.days),
            }
            for one in shop.readers
        ],
        "products": [clerk.product(good) for good in shop.goods if good.shown],
        "options": [row for good in shop.goods if good.shown for row in clerk.options(good)],
        "wishlists": [
            {"customer_id": str(one.person), "product_id": product_id(one.good), "added_at": clerk.ago(one.days)}
            for one in shop.wishes
        ],
        "orders": [clerk.order(sale) for sale in sales],
        "order_lines": [
            row for sale in sales for row in clerk.lines(sale.lines, {"order_id": order_id(sale.number)}, True)
        ],
        "carts": [clerk.cart(one) for one in baskets],
        "cart_lines": [row for one in baskets for row in clerk.lines(one.lines, {"cart_id": f"b{one.number}"}, False)],
    }


def product_id(number: int) -> str:
    """Return the id of a good."""
    return f"p{number}"


def order_id(number: int) -> str:
    """Return the id of a sale."""
    return f"o{number}"


class _Clerk:
    def __init__(self, shop: MadeShop, now: datetime) -> None:
        self.now = now
        self.goods = {good.number: good for good in shop.goods}
        self.people: dict[int, Person] = {}

    def ago(self, days: float | None) -> str | None:
        if days is None:
            return None
        return (self.now - timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")

    def customer(self, person: Person) -> Record:
        at = self.ago(person.days)
        return {
            "customer_id": str(person.number),
            "first_name": person.first,
            "last_name": person.last,
            "birth_date": None if person.born is None else str(person.born),
            "email": person.email,
            "phone": _phone(person),
            "opted_in": person.opted_in,
            "opted_at": at if person.opted_in else None,
            "created_at": at,
            "updated_at": at,
        }

    def addresses(self, person: Person) -> Iterator[Record]:
        for position, home in enumerate(person.homes):
            yield {
                "customer_id": str(person.number),
                "position": position,
                "country": home.country,
                "city": home.city,
                "address1": home.street,
                "address2": home.second,
                "postcode": home.postal,
                "company": home.company,
            }

    def product(self, good: Good) -> Record:
        at = self.ago(good.days)
        sale = good.sale_cents is not None
        counted = good.stock is not None
        return {
            "product_id": product_id(good.number),
            "sku": good.sku,
            "slug": "".join(c if c.isalnum() else "-" for c in good.name.lower()),
            "name": good.name,
            "description": good.text,
            "short_description": good.blurb,
            "categories": list(good.shelves),
            "stock": good.stock,
            "in_stock": (good.stock or 0) > 0 if counted else None if good.choices else True,
            "price": _money(good.cents),
            "discount_price": _money(good.sale_cents),
            "discount_start": (self.ago(30) or "")[:10] if sale else None,
            "discount_end": (self.ago(-30) or "")[:10] if sale else None,
            "discount_quantity": None,
            "image_link": f"https://images.example.com/{good.number}.png" if good.image else None,
            "product_link": f"https://shop.example.com/p/{good.number}",
            "created_at": at,
            "updated_at": at,
        }

    def options(self, good: Good) -> Iterator[Record]:
        for position, one in enumerate(good.choices):
            named = {"size": one.size, "color": one.color}
            yield {
                "product_id": product_id(good.number),
                "option_id": f"v{one.number}",
                "position": position,
                "stock": one.stock,
                "in_stock": True if one.stock is None else one.stock > 0,
                "price": _money(one.cents),
                "discount_price": None,
                "discount_start": None,
                "discount_end": None,
                "discount_quantity": None,
                "attributes": {name: value for name, value in named.items() if value is not None},
            }

    def order(self, sale: Sale) -> Record:
        who = sale.guest or self.people.get(sale.buyer or 0)
        home = who.homes[0] if who and who.homes else None
        return {
            "order_id": order_id(sale.number),
            "customer_id": None if sale.buyer is None else str(sale.buyer),
            "status": STATUSES.get(sale.stage, sale.stage.capitalize()),
            "paid": sale.stage not in ("pending", "cancelled"),
            "shipping_method": WAYS.get(sale.stage, "Parcel"),
            "payment_method": "Card",
            "total": _money(abs(worth(self.goods, sale))),
            "created_at": self.ago(sale.days),
            "updated_at": self.ago(sale.days),
            "email": who.email if who else None,
            "first_name": who.first if who else None,
            "last_name": who.last if who else None,
            "birth_date": None if who is None or who.born is None else str(who.born),
            "company": home.company if home else None,
            "website": None,
            "address1": home.street if home else None,
            "address2": home.second if home else None,
            "postcode": home.postal if home else None,
            "phone": _phone(who) if who else None,
            "phone_mobile": None,
            "city": home.city if home else None,
            "country": home.country if home else None,
        }

    def lines(self, lines: Any, key: Record, numbered: bool) -> Iterator[Record]:
        for position, one in enumerate(lines):
            place: Record = {"position": position} if numbered else {}
            yield {**key, **place, **self._line(one)}

    def _line(self, one: Line) -> Record:
        return {
            "product_id": product_id(one.good),
            "option_id": None if one.choice is None else f"v{one.choice}",
            "quantity": one.quantity,
        }

    def cart(self, one: Basket) -> Record:
        return {
            "cart_id": f"b{one.number}",
            "customer_id": None if one.buyer is None else str(one.buyer),
            "cart_url": f"https://shop.example.com/cart/{one.number}",
            "updated_at": self.ago(one.days),
        }


def _money(cents: int | None) -> str | None:
    return None if cents is None else f"{cents // 100}.{cents % 100:02d}"


def _phone(person: Person) -> str | None:
    if person.phone is None:
        return None
    abroad = bool(person.homes) and person.homes[0].country != "US"
    return f"+{33 if abroad else 1}{person.phone}"
