"""Any sequence of changes, told in order, leaves a receiver with what is staged (audience.md 6, 7.1)."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vs_st_pipeline.routes.audience.rendering import One, render
from vs_st_pipeline.routes.audience.window import style_of
from vs_st_pipeline.routes.audience.words import Event
from vs_st_pipeline_tests.routes.audience.diff_world import World

ids = st.sampled_from(["1", "2"])
few = st.integers(0, 3)
STATUSES = ("NEW", "PACKED", "SENT")

CHANGES = st.one_of(
    st.tuples(st.just("customer"), ids, few),
    st.tuples(st.just("yes"), ids),
    st.tuples(st.just("no"), ids),
    st.tuples(st.just("product"), ids, few, few),
    st.tuples(st.just("product gone"), ids),
    st.tuples(st.just("wish"), ids, ids),
    st.tuples(st.just("no wish"), ids, ids),
    st.tuples(st.just("cart"), ids, few),
    st.tuples(st.just("order"), ids, st.sampled_from(STATUSES), st.booleans()),
    st.tuples(st.just("sync"), st.sampled_from(["all", "half", "lost", "none"])),
)


class Receiver:
    """What WayMore knows, by the events that reached it; refuses what no shop would say."""

    def __init__(self) -> None:
        self.customers: dict[str, Any] = {}
        self.products: dict[str, Any] = {}
        self.out: set[str] = set()
        self.carts: dict[str, Any] = {}
        self.wishes: set[tuple[str, str]] = set()
        self.orders: dict[str, dict[str, Any]] = {}
        self.subscribed: set[str] = set()
        self.keys: set[str] = set()

    def hear(self, row: dict[str, Any]) -> None:
        if row["key"] in self.keys:  # sent again, as its answer was lost
            return
        self.keys.add(row["key"])
        getattr(self, re.sub(r"(?<!^)([A-Z])", r"_\1", row["event"]).lower())(row["data"])

    def customer_add(self, data: dict[str, Any]) -> None:
        assert data["customer"]["id"] not in self.customers
        self.customers[data["customer"]["id"]] = data

    def customer_update(self, data: dict[str, Any]) -> None:
        assert data["customer"]["id"] in self.customers
        self.customers[data["customer"]["id"]] = data

    def newsletter(self, data: dict[str, Any]) -> None:
        (self.subscribed.add if data["subscription"] else self.subscribed.discard)(data["email"])

    def product_add(self, data: dict[str, Any]) -> None:
        assert data["product_id"] not in self.products
        self._product(data)

    def product_update(self, data: dict[str, Any]) -> None:
        assert data["product_id"] in self.products
        self._product(data)

    def _product(self, data: dict[str, Any]) -> None:
        self.products[data["product_id"]] = data
        if data["stock_quantity"] > 0:
            self.out.discard(data["product_id"])

    def product_stock_update(self, data: dict[str, Any]) -> None:
        known = self.products[data["product_id"]]
        self.products[data["product_id"]] = known | {"stock_quantity": data["stock_quantity"]}
        if data["stock_quantity"] > 0:
            self.out.discard(data["product_id"])

    def product_out_of_stock(self, data: dict[str, Any]) -> None:
        assert data["product_id"] in self.products
        self.out.add(data["product_id"])

    def wishlist_add(self, data: dict[str, Any]) -> None:
        pair = (data["customer_id"], data["product_id"])
        assert pair not in self.wishes
        self.wishes.add(pair)

    def wishlist_delete(self, data: dict[str, Any]) -> None:
        self.wishes.remove((data["customer_id"], data["product_id"]))

    def cart_update(self, data: dict[str, Any]) -> None:
        self.carts[data["customer_id"]] = data["cart_products"]

    def order_add(self, data: dict[str, Any]) -> None:
        details = data["order_details"]
        assert details["order_id"] not in self.orders
        self.orders[details["order_id"]] = {"status": details["order_status"], "paid": False}

    def order_payment_confirmed(self, data: dict[str, Any]) -> None:
        assert not self.orders[data["order_id"]]["paid"] or data["order_id"] in self.unpaid
        self.orders[data["order_id"]]["paid"] = True

    def order_status_update(self, data: dict[str, Any]) -> None:
        assert self.orders[data["order_id"]]["status"] != data["order_status"]
        self.orders[data["order_id"]]["status"] = data["order_status"]

    unpaid: set[str] = set()


def change(world: World, receiver: Receiver, said: tuple[Any, ...]) -> None:
    kind, *rest = said
    world.at += timedelta(seconds=1)
    if kind == "customer":
        world.customer(rest[0], first_name=f"Ada {rest[1]}", gone_at=None)
    elif kind in ("yes", "no"):
        world.address(f"a{rest[0]}@example.com", kind == "yes", seen_at=world.at)
    elif kind == "product":
        world.product(rest[0], name=f"Wine {rest[1]}", stock=float(rest[2]), gone_at=None)
    elif kind == "product gone":
        if world.row("staged.shop_products", {"product_id": rest[0]}):
            world.product(rest[0], gone_at=world.at)
    elif kind in ("wish", "no wish"):
        key = {"customer_id": rest[0], "product_id": rest[1]}
        if kind == "wish" or world.row("staged.shop_wishlists", key):
            world.wish(*rest, gone_at=None if kind == "wish" else world.at)
    elif kind == "cart":
        lines = [("9", rest[1])] if rest[1] else []
        world.cart(rest[0], *lines, id=rest[0])
    elif kind == "order":
        world.order(rest[0], status=rest[1], paid=rest[2])
        if not rest[2]:
            receiver.unpaid.add(rest[0])
    else:
        sync(world, receiver, rest[0])


def sync(world: World, receiver: Receiver, how: str) -> None:
    """Plan, take, and deliver: all, half of it, half with the last answer lost, or nothing."""
    world.take()
    waiting = world.waiting()
    going = {"all": len(waiting), "half": len(waiting) // 2, "lost": len(waiting) // 2, "none": 0}[how]
    for place, row in enumerate(waiting[:going]):
        receiver.hear(row)
        if how == "lost" and place == going - 1:
            world.cursor.execute(
                "update synced.audience_outbox set state = 'unknown', tries = 1 where key = ?", [row["key"]]
            )
            continue
        world.cursor.execute("delete from synced.audience_outbox where key = ?", [row["key"]])
        if row["event"] == "Newsletter":
            world.cursor.execute(
                "update synced.base_subscribers set told = 'told', told_key = ? where address = ?",
                [row["key"], row["id"]],
            )


def expected(world: World, event: Event, kind: str, ids: list[str]) -> dict[str, Any]:
    batch = [One(event, kind, id, {}) for id in ids]
    return {
        id: json.loads(data) for id, data in zip(ids, render(world.db, batch, style_of(world.session())), strict=True)
    }


def keys(world: World, sql: str) -> list[Any]:
    return [row[0] if len(row) == 1 else tuple(row) for row in world.db.rows(sql)]


@cache
def _empty() -> World:
    return World()


def tell(changes: list[tuple[Any, ...]]) -> None:
    world, receiver = _empty().copy(), Receiver()
    receiver.unpaid = set()
    for one in changes:
        change(world, receiver, one)
    sync(world, receiver, "all")
    sync(world, receiver, "all")
    assert world.outbox() == []

    customers = keys(world, "select customer_id from staged.shop_customers")
    assert receiver.customers == expected(world, Event.CUSTOMER_ADD, "customer", customers)
    assert receiver.subscribed == set(keys(world, "select email from planned.audience_addresses where subscribed"))
    products = keys(
        world, "select product_id from staged.shop_products semi join synced.base_products using (product_id)"
    )
    now = expected(world, Event.PRODUCT_ADD, "product", products)
    gone = set(keys(world, "select product_id from staged.shop_products where gone_at is not null"))
    assert {id: data for id, data in receiver.products.items() if id not in gone} == {
        id: data for id, data in now.items() if id not in gone
    }
    assert receiver.out == {id for id, data in now.items() if id in gone or data["stock_quantity"] <= 0}
    assert receiver.wishes == set(
        keys(world, "select customer_id, product_id from staged.shop_wishlists where gone_at is null")
    )
    carts = {id: data["cart_products"] for id, data in expected(world, Event.CART_UPDATE, "cart", ["1", "2"]).items()}
    assert {id: receiver.carts.get(id, []) for id in carts} == carts
    orders = dict(world.db.rows("select order_id, status from staged.shop_orders"))
    assert {id: order["status"] for id, order in receiver.orders.items()} == orders


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(CHANGES, min_size=5, max_size=25))
def test_any_changes_end_in_what_is_staged(changes: list[tuple[Any, ...]]) -> None:
    """6, 7.1: no event twice, none lost, each entity's in order, however much of each sync was delivered."""
    tell(changes)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(CHANGES, min_size=5, max_size=60))
def test_many_changes_end_in_what_is_staged(changes: list[tuple[Any, ...]]) -> None:
    """As above, many of them."""
    tell(changes)
