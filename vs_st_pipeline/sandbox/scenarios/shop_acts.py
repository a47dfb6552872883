"""Makes what happens at a shop between the acts of the demo of route `audience`, and in `make ui`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from vs_st_pipeline.sandbox.core.process import Sandbox
from vs_st_pipeline.sandbox.scenarios.shop_model import address_of
from vs_st_pipeline.sandbox.scenarios.shop_worlds import CORNER_SHOP, RIVER_BEND, STONE_MILL

SHOP: Final = CORNER_SHOP
BUYER, READER, PRODUCT, SOLD_OUT, CART, ORDER = "15", "20", "p2", "p1", "b3", "o101"
NEWCOMER: Final = {"customer_id": "101", "first_name": "Paz", "last_name": "Firstbuy", "email": "paz@example.com"}
HOUR: Final = 3_600.0
WORDS: Final = {"welcome": "welcomed", "thanks": "thanked for an order", "reminder": "reminded of a cart"}


def opened(box: Sandbox) -> list[str]:
    """Let the shop drop all that it has."""
    box.shop.control.drop(SHOP)
    count = len(box.shop.control.all("customers", SHOP))
    return [f"The Corner Shop drops its tables, as each night: {count} customers among them."]


def day(box: Sandbox) -> list[str]:
    """Let an hour pass in which people come, buy, and leave the newsletter; then the shop drops again."""
    shop = box.shop.control
    _later(box, HOUR)
    shop.add("customers", {**NEWCOMER, "opted_in": True}, SHOP)
    box.waymore.control.tell(SHOP, consent=[NEWCOMER["email"]])
    shop.add("wishlists", {"customer_id": NEWCOMER["customer_id"], "product_id": PRODUCT}, SHOP)
    buyer = shop.one("customers", BUYER, SHOP)
    _empty(box, CART)
    bought = {"customer_id": BUYER, "status": "Open", "paid": True, "total": "85.50", "email": buyer["email"]}
    shop.add("orders", {"order_id": ORDER, **bought}, SHOP)
    shop.add("order_lines", {"order_id": ORDER, "position": 0, "product_id": PRODUCT, "quantity": 3}, SHOP)
    shop.patch("products", SOLD_OUT, {"stock": 0, "in_stock": False}, SHOP)
    leaver = shop.one("customers", READER, SHOP)
    shop.patch("customers", READER, {"opted_in": False}, SHOP)
    box.waymore.control.tell(SHOP, withdrawn=[address_of(leaver["email"])])
    shop.drop(SHOP)
    return [
        f"{NEWCOMER['first_name']} signs up for the newsletter.",
        f"{buyer['first_name']} buys what lay in the cart.",
        f"{leaver['first_name']} opts out.",
    ]


def shipped(box: Sandbox) -> list[str]:
    """Let the order leave."""
    _later(box, HOUR)
    box.shop.control.patch("orders", ORDER, {"status": "Shipped"}, SHOP)
    box.shop.control.drop(SHOP, complete=False)
    return ["The parcel leaves, and the shop drops only what changed."]


def told(box: Sandbox) -> list[str]:
    """Say what WayMore knows, and what its automations would have sent."""
    control = box.waymore.control
    known = {kind: len(control.all(kind, SHOP)) for kind in ("customers", "products", "orders")}
    said = [f"WayMore knows {known['customers']} customers, {known['products']} products, {known['orders']} orders."]
    sent = control.messages(SHOP)
    if not sent:
        return [*said, "Its automations have written to nobody: history is no news."]
    return said + [f"It has {WORDS.get(one['what'], one['what'])}: {one['to']}." for one in sent]


ACTS: Final[Mapping[str, Callable[[Sandbox], list[str]]]] = {
    "shop_open": opened,
    "shop_day": day,
    "shop_shipped": shipped,
    "shop_told": told,
}
"""By the word that the demo says."""


def _empty(box: Sandbox, cart: str) -> None:
    for line in box.shop.control.all("cart_lines", SHOP):
        if line["cart_id"] == cart:
            parts = (line["cart_id"], line["product_id"], line.get("option_id") or "")
            box.shop.control.delete("cart_lines", "/".join(parts), SHOP)
    box.shop.control.patch("carts", cart, {}, SHOP)


def _later(box: Sandbox, seconds: float) -> None:
    for handle in box.running.values():
        if hasattr(handle.control, "move_clock"):
            handle.control.move_clock(seconds)


# --- `make ui` --------------------------------------------------------------------------------------------------------


def awkward(box: Sandbox) -> None:
    """Let the shop drop, and have a product that has no price any more."""
    box.shop.control.patch("products", "p12", {"price": None}, SHOP)
    box.shop.control.drop(SHOP)


def life(box: Sandbox, chance: random.Random) -> None:
    """Let somebody come or buy at each of the three shops, and the one that drops drop what changed."""
    number, wines = chance.randint(10**6, 10**7), ("p1", "p2", "p4")
    name = f"guest{number}"
    person = {"customer_id": name, "first_name": "Pat", "last_name": name.title(), "email": f"{name}@example.com"}
    box.shop.control.add("customers", {**person, "opted_in": False}, SHOP)
    bought = {"customer_id": name, "status": "Open", "paid": True, "total": "42.00", "email": person["email"]}
    box.shop.control.add("orders", {"order_id": name, **bought}, SHOP)
    line = {"order_id": name, "position": 0, "product_id": chance.choice(wines), "quantity": chance.randint(1, 6)}
    box.shop.control.add("order_lines", line, SHOP)
    box.shop.control.drop(SHOP, complete=False)
    owner = chance.choice(box.commerce7.control.all("customers", STONE_MILL))
    box.commerce7.control.place(STONE_MILL, customerId=owner["id"])
    buyer = chance.choice(box.vinoshipper.control.customers(RIVER_BEND))
    box.vinoshipper.control.add_order(buyer["id"], RIVER_BEND, total="64.50")
