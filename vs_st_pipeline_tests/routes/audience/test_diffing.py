"""What differs from the base, row by row of 6.2 and of 6.4 (audience.md 6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from vs_st_pipeline_tests.routes.audience.diff_world import NEW, NOW, OLD, World

SAMPLE = 10  # cases of each test in `make test`; the others count as pytest.mark.slow

Act = Callable[[World], Any]


def shop(**settings: Any) -> World:
    """Return a shop that has told one customer with a cart, one product, one with options, a wish, an order."""
    world = _told().copy()
    world.settings = settings
    return world


@cache
def _told() -> World:
    world = World()
    world.customer("c1", first_name="Ada", email="a@example.com", parts=[{"city": "Napa"}])
    world.customer("c2", first_name="Bo")
    world.address("a@example.com", customer_id="c1")
    world.product("p1", name="Cabernet", stock=5.0, price=Decimal("42.50"), categories=["Red", "Dry"])
    world.product("p2", name="Shirt", parts=[{"option_id": "S", "stock": 3.0}, {"option_id": "M", "stock": 2.0}])
    world.product("p3", name="Glass", in_stock=True)
    world.wish("c1", "p1")
    world.cart("c1", ("p1", 2))
    world.order("o1")
    world.told()
    world.at += timedelta(minutes=1)
    return world


OPTION_S = {"option_id": "S", "stock": 3.0}
OPTION_M = {"option_id": "M", "stock": 2.0}


def _wish_and_customer_gone(world: World) -> None:
    world.wish("c1", "p1", gone_at=NOW)
    world.customer("c1", gone_at=NOW)


def _customer_with_old_cart(world: World) -> None:
    world.customer("c3")
    world.cart("c3", ("p1", 1), id="k3", own_at=OLD)


ROWS: dict[str, tuple[Act, list[tuple[Any, ...]]]] = {
    "CustomerAdd": (lambda w: w.customer("c3"), [("CustomerAdd", "c3")]),
    "CustomerUpdate name": (lambda w: w.customer("c1", first_name="Eve"), [("CustomerUpdate", "c1")]),
    "CustomerUpdate birth": (lambda w: w.customer("c1", birth_date=date(1980, 5, 1)), [("CustomerUpdate", "c1")]),
    "CustomerUpdate extra": (lambda w: w.customer("c1", extra='{"tier":"gold"}'), [("CustomerUpdate", "c1")]),
    "CustomerUpdate addresses": (lambda w: w.customer("c1", parts=[{"city": "Sonoma"}]), [("CustomerUpdate", "c1")]),
    "customer's opt-in alone": (lambda w: w.customer("c1", opted_in=True, updated_at=NOW), []),
    "customer gone": (lambda w: w.customer("c1", gone_at=NOW), []),
    "Newsletter true": (lambda w: w.address("b@example.com"), [("Newsletter", "b@example.com")]),
    "Newsletter false": (lambda w: w.address("a@example.com", False), [("Newsletter", "a@example.com")]),
    "Newsletter false, held": (lambda w: w.hold("subscriber", "a@example.com"), [("Newsletter", "a@example.com")]),
    "Newsletter false, customer held": (lambda w: w.hold("customer", "c1"), [("Newsletter", "a@example.com")]),
    "Newsletter false, address gone": (
        lambda w: w.cursor.execute("delete from planned.audience_addresses"), [("Newsletter", "a@example.com")],
    ),
    "ProductAdd": (lambda w: w.product("p4", stock=1.0), [("ProductAdd", "p4")]),
    "ProductAdd without stock": (
        lambda w: w.product("p4", stock=0.0), [("ProductAdd", "p4"), ("ProductOutOfStock", "p4")],
    ),
    "ProductUpdate": (lambda w: w.product("p1", price=Decimal(40)), [("ProductUpdate", "p1")]),
    "ProductUpdate discount": (lambda w: w.product("p1", discount_price=Decimal(40)), [("ProductUpdate", "p1")]),
    "ProductUpdate slug": (lambda w: w.product("p1", slug="cab"), [("ProductUpdate", "p1")]),
    "ProductUpdate, not of a sku": (lambda w: w.product("p1", sku="S-1", created_at=NOW, updated_at=NOW), []),
    "categories are a set": (lambda w: w.product("p1", categories=["Dry", "Red", "Red"]), []),
    "categories": (lambda w: w.product("p1", categories=["Dry"]), [("ProductUpdate", "p1")]),
    "option came": (
        lambda w: w.product("p2", parts=[OPTION_S, OPTION_M, {"option_id": "L", "stock": 1.0}]),
        [("ProductUpdate", "p2")],
    ),
    "option went": (lambda w: w.product("p2", parts=[OPTION_S]), [("ProductUpdate", "p2")]),
    "option's attributes": (
        lambda w: w.product("p2", parts=[OPTION_S, OPTION_M | {"attributes": '{"size":"m"}'}]),
        [("ProductUpdate", "p2")],
    ),
    "options in another order": (lambda w: w.product("p2", parts=[OPTION_M, OPTION_S]), []),
    "stock": (lambda w: w.product("p1", stock=4.0), [("ProductStockUpdate", "p1")]),
    "stock of two options": (
        lambda w: w.product("p2", parts=[OPTION_S | {"stock": 9.0}, OPTION_M | {"stock": 8.0}]),
        [("ProductStockUpdate", "p2"), ("ProductStockUpdate", "p2")],
    ),
    "own stock counts only where no option has a number": (lambda w: w.product("p2", stock=7.0), []),
    "in stock without number": (lambda w: w.product("p3", in_stock=None), [("ProductStockUpdate", "p3")]),
    "in_stock where the number is known": (lambda w: w.product("p1", in_stock=False), []),
    "out of stock": (
        lambda w: w.product("p1", stock=0.0), [("ProductStockUpdate", "p1"), ("ProductOutOfStock", "p1")],
    ),
    "out of stock without number": (
        lambda w: w.product("p3", in_stock=False), [("ProductStockUpdate", "p3"), ("ProductOutOfStock", "p3")],
    ),
    "product gone": (lambda w: w.product("p1", gone_at=NOW), [("ProductOutOfStock", "p1")]),
    "WishlistAdd": (lambda w: w.wish("c1", "p2"), [("WishlistAdd", '["c1","p2"]')]),
    "WishlistDelete": (lambda w: w.wish("c1", "p1", gone_at=NOW), [("WishlistDelete", '["c1","p1"]')]),
    "wish went with its customer": (_wish_and_customer_gone, []),
    "CartUpdate": (lambda w: w.cart("c1", ("p1", 3)), [("CartUpdate", "c1")]),
    "cart's lines in another order": (lambda w: w.cart("c1", ("p1", 2), id="k0", updated_at=NOW), []),
    "cart emptied": (lambda w: w.cart("c1"), [("CartUpdate", "c1")]),
    "cart gone": (lambda w: w.stage("carts", "k1", gone_at=NOW), [("CartUpdate", "c1")]),
    "first cart that is empty": (lambda w: w.cart("c2", id="k2"), []),
    "first cart": (lambda w: w.cart("c2", ("p1", 1), id="k2"), [("CartUpdate", "c2")]),
    "a guest's cart": (lambda w: w.cart(None, ("p1", 1), id="k2"), []),
    "new customer with a cart": (
        _customer_with_old_cart,
        [("CustomerAdd", "c3"), ("CartUpdate", "c3")],
    ),
    "OrderAdd": (lambda w: w.order("o2"), [("OrderAdd", "o2")]),
    "OrderAdd, paid": (lambda w: w.order("o2", paid=True), [("OrderAdd", "o2"), ("OrderPaymentConfirmed", "o2")]),
    "OrderPaymentConfirmed": (lambda w: w.order("o1", paid=True), [("OrderPaymentConfirmed", "o1")]),
    "OrderStatusUpdate": (lambda w: w.order("o1", status="SENT"), [("OrderStatusUpdate", "o1")]),
    "paid and sent": (
        lambda w: w.order("o1", status="SENT", paid=True),
        [("OrderPaymentConfirmed", "o1"), ("OrderStatusUpdate", "o1")],
    ),
    "order's total": (lambda w: w.order("o1", total=11), []),
    "order's lines": (lambda w: w.order("o1", parts=[{"product_id": "p1", "quantity": 1}]), []),
    "order gone": (lambda w: w.order("o1", gone_at=NOW), []),
    "Search": (
        lambda w: w.post("Search", "search", "s1", {"customer_id": "c1", "search_string": "red"}), [("Search", "s1")],
    ),
    "Search for nothing": (
        lambda w: w.post("Search", "search", "s1", {"customer_id": None, "search_string": " "}), [],
    ),
    "stock post without number": (
        lambda w: w.post("ProductStockUpdate", "product", "p1", {"option_id": None}), [("ProductStockUpdate", "p1")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_each_row_of_6_2(name: str) -> None:
    """Each event comes of its change and of no other (6.2; rulings, audience 3, 4); taken once, it comes no more."""
    change, expected = ROWS[name]
    world = shop()
    change(world)
    assert world.diff() == expected
    assert world.take() == expected
    world.deliver()
    assert world.diff() == []
    world.changed()
    assert world.diff() == []


def test_paid_is_told_once_and_never_taken_back() -> None:
    """6.2: not on true to false."""
    world = shop()
    world.order("o1", paid=True)
    world.told()
    world.order("o1", paid=False)
    assert world.diff() == []


def test_statuses_of_posts_are_told_in_turn() -> None:
    """6.2: from posts each status in turn is one event; the state that they end in is none besides."""
    world = shop()
    for status in ("PACKED", "PACKED", "SENT"):
        world.post("OrderStatusUpdate", "order", "o1", {"status": status, "before": "NEW"})
    world.order("o1", status="SENT")
    world.take()
    assert [row["data"]["order_status"] for row in world.deliver()] == ["PACKED", "SENT"]
    world.post("OrderStatusUpdate", "order", "o1", {"status": "LOST"})
    world.post("OrderStatusUpdate", "order", "o1", {"status": "SENT"})
    world.take()
    assert [row["data"]["order_status"] for row in world.deliver()] == ["LOST", "SENT"]
    assert world.db.value("select count(*) from staged.shop_passed_on") == 0


def test_a_new_order_is_added_with_its_first_status() -> None:
    """6.2: each status in turn, also of an order that was new since the last sync."""
    world = shop()
    world.order("o2", status="SENT")
    world.post("OrderStatusUpdate", "order", "o2", {"status": "PAID", "before": "NEW"})
    world.post("OrderStatusUpdate", "order", "o2", {"status": "SENT", "before": "PAID"})
    world.take()
    added, *changed = world.deliver()
    assert (added["event"], added["data"]["order_details"]["order_status"]) == ("OrderAdd", "NEW")
    assert [(row["event"], row["data"]["order_status"]) for row in changed] == [
        ("OrderStatusUpdate", "PAID"),
        ("OrderStatusUpdate", "SENT"),
    ]


def test_gone_and_back() -> None:
    """6.2; rulings, audience 4: a product that is back is an update; a customer or order that is back is known."""
    world = shop()
    world.product("p1", gone_at=NOW)
    world.customer("c1", gone_at=NOW)
    world.order("o1", gone_at=NOW)
    world.told()
    assert {("product_gone", "p1"), ("gone", "c1"), ("gone", "o1")} <= world.notes()
    world.product("p1", gone_at=None)
    world.customer("c1", gone_at=None)
    world.order("o1", gone_at=None)
    assert world.diff() == [("ProductUpdate", "p1")]
    assert not {("product_gone", "p1"), ("gone", "c1"), ("gone", "o1")} & world.notes()


def test_other_changes_of_an_order_are_noted() -> None:
    """6.2: lines, total, address, customer of an order have no event in the guide."""
    world = shop()
    world.order("o1", total=11)
    world.take()
    assert ("order_changed", "o1") in world.notes()
    world.diff()
    assert ("order_changed", "o1") not in world.notes()


def test_guests_carts() -> None:
    """6.2: guests' carts go only with `guest_carts`, as customer 0."""
    world = shop()
    world.cart(None, ("p1", 1), id="k9")
    assert world.diff() == []
    assert ("guest_cart", "k9") in world.notes()
    world.settings["guest_carts"] = True
    world.take()
    (row,) = world.deliver()
    assert (row["event"], row["data"]["customer_id"]) == ("CartUpdate", 0)


def test_an_address_that_differs_in_case_only_is_the_same() -> None:
    """6.2, Newsletter: the address is trimmed and in lower case; its writing makes no event."""
    world = shop()
    world.address("a@example.com", email="A@Example.com")
    assert world.diff() == []


def test_a_customer_with_another_address() -> None:
    """6.2; rulings, audience 1: false for the old one, true for the new one by the time of the change."""
    world = shop()
    world.customer("c1", email="new@example.com")
    world.address("a@example.com", False)
    world.address("new@example.com", customer_id="c1", own_at=OLD)
    world.take()
    told = [(row["event"], row["data"].get("email"), row["data"].get("subscription")) for row in world.waiting()]
    assert told == [
        ("Newsletter", "a@example.com", False),
        ("CustomerUpdate", None, None),
        ("Newsletter", "new@example.com", True),
    ]


def test_an_address_that_a_post_names_beside_that_of_the_customer() -> None:
    """6.4: it has the time of the post; the customer's record, which did not change, is older than its block."""
    world = shop()
    world.customer("c1", seen_at=OLD)
    world.address("b@example.com", customer_id="c1", own_at=NEW)
    assert world.diff() == [("Newsletter", "b@example.com")]


# --- 6.3 ----------------------------------------------------------------------------------------------------------


def test_order_of_one_sync() -> None:
    """6.3: the groups in turn; within each by own time, unknown last, then id; one order's events together."""
    world = shop()
    world.post("Search", "search", "s1", {"customer_id": "c1", "search_string": "red"})
    for id, own in (("o3", NEW), ("o2", NEW + timedelta(seconds=1)), ("o10", NEW)):
        world.order(id, paid=True, own_at=own)
    world.order("o4", own_at=None, lacked_at=NEW)
    world.cart("c1")
    world.wish("c1", "p2")
    world.product("p4", stock=0.0)
    world.product("p1", stock=0.0, name="Other")
    world.address("b@example.com")
    world.customer("c9")
    world.customer("c1", first_name="Eve")
    world.address("a@example.com", False)
    assert world.diff() == [
        ("Newsletter", "a@example.com"), ("CustomerUpdate", "c1"), ("CustomerAdd", "c9"),
        ("Newsletter", "b@example.com"),
        ("ProductUpdate", "p1"), ("ProductStockUpdate", "p1"), ("ProductOutOfStock", "p1"),
        ("ProductAdd", "p4"), ("ProductOutOfStock", "p4"), ("WishlistAdd", '["c1","p2"]'), ("CartUpdate", "c1"),
        ("OrderAdd", "o10"), ("OrderPaymentConfirmed", "o10"), ("OrderAdd", "o3"), ("OrderPaymentConfirmed", "o3"),
        ("OrderAdd", "o2"), ("OrderPaymentConfirmed", "o2"), ("OrderAdd", "o4"), ("Search", "s1"),
    ]  # fmt: skip


# --- 6.4 ----------------------------------------------------------------------------------------------------------

_BEFORE, _AFTER = NOW - timedelta(hours=24, seconds=1), NOW - timedelta(hours=24)


@pytest.mark.parametrize(
    ("columns", "is_late"),
    [
        ({"own_at": _AFTER}, False),
        ({"own_at": _BEFORE}, True),
        ({"own_at": None, "lacked_at": _AFTER}, False),
        ({"own_at": None, "lacked_at": _BEFORE}, True),
        ({"own_at": None, "lacked_at": None}, True),
    ],
)
@pytest.mark.parametrize(
    ("stage", "event", "id"),
    [
        (lambda w, **c: w.customer("n", **c), "CustomerAdd", "n"),
        (lambda w, **c: w.product("n", stock=1.0, **c), "ProductAdd", "n"),
        (lambda w, **c: w.order("n", **c), "OrderAdd", "n"),
        (lambda w, **c: w.address("n", **c), "Newsletter", "n"),
        (lambda w, **c: w.wish("n", "p1", **c), "WishlistAdd", '["n","p1"]'),
    ],
)
def test_what_is_old_is_history(stage: Any, event: str, id: str, columns: dict[str, Any], is_late: bool) -> None:
    """6.4: by its own time, else by the last complete read that lacked it; at the boundary of `late_after`."""
    world = World()
    stage(world, **columns)
    wish_list = "n" if event == "WishlistAdd" else id  # rulings, audience 2: the customer's whole list
    assert world.diff() == [(event, wish_list, "late") if is_late else (event, id)]


def test_what_a_post_brought_counts_from_its_time() -> None:
    """6.4: none of the times of its own, but brought by a post: its `at`."""
    world = World()
    world.customer("c1", own_at=None, posted_at=NEW)
    world.customer("c2", own_at=None, posted_at=OLD, lacked_at=NEW)
    assert world.diff() == [("CustomerAdd", "c2", "late"), ("CustomerAdd", "c1")]


def test_what_is_older_than_its_block_is_history() -> None:
    """6.4: own time before the begin of its block."""
    world = World()
    world.cursor.execute("update synced.audience_blocks set begun_at = ?", [NEW])
    world.order("o1", own_at=NEW)
    world.order("o2", own_at=NEW - timedelta(seconds=1))
    assert world.diff() == [("OrderAdd", "o2", "late"), ("OrderAdd", "o1")]


def test_late_ones_wait_for_their_part_once() -> None:
    """5.1.8: a record that is late already is not made late again, nor an event, while it waits or is under way."""
    world = World()
    world.customer("c1", own_at=OLD)
    world.cart("c1", ("p1", 1))
    world.order("o1", own_at=OLD, paid=True)
    assert world.take() == []
    assert world.late() == [("customers", "c1"), ("orders", "o1")]
    world.customer("c1", first_name="Eve")
    world.order("o1", status="SENT")
    assert world.take() == []
    assert world.late() == [("customers", "c1"), ("orders", "o1")]
    world.cursor.execute("delete from synced.audience_late")
    world.store("synced.audience_parts", number=1, key="k", block="customers", late=True, ids='["c1"]')
    world.store("synced.audience_parts", number=2, key="l", block="orders", late=True, ids='["o1"]')
    assert world.diff() == []


def test_an_old_cart_goes_with_its_customer() -> None:
    """6.4, 5.3: what is old is history, never an event; a cart's history is its customer's."""
    world = shop()
    world.cart("c2", ("p1", 1), id="k2", own_at=OLD)
    assert world.take() == []
    assert world.late() == [("customers", "c2")]


# --- 6.5 ----------------------------------------------------------------------------------------------------------


def test_nothing_but_unsubscribes_before_the_history_is_done() -> None:
    """6.5, 8.3: before all five blocks are done only a no for an address told or maybe told goes."""
    world = World(done=False)
    world.customer("c1")
    world.order("o1")
    world.store(
        "synced.base_subscribers", address="a@example.com", subscribed=True, maybe=False, told="told", told_key="k"
    )
    world.address("a@example.com", False)
    world.address("b@example.com", False)
    world.post("Search", "search", "s1", {"customer_id": "c1", "search_string": "red"})
    assert world.take() == [("Newsletter", "a@example.com")]
    assert world.db.value("select count(*) from staged.shop_passed_on") == 1


def test_an_event_that_is_off_moves_the_base_silently() -> None:
    """6.5: switched on later, it tells what changes then."""
    off = dict.fromkeys(
        ("CustomerUpdate", "OrderAdd", "CartUpdate", "WishlistAdd", "ProductStockUpdate", "ProductOutOfStock"), False
    )
    world = shop(events=off)
    world.customer("c1", first_name="Eve")
    world.order("o2", paid=True)
    world.cart("c1", ("p1", 9))
    world.wish("c1", "p2")
    world.product("p1", stock=0.0)
    assert world.take() == []
    world.settings = {}
    world.changed()
    assert world.diff() == []
    world.order("o2", status="SENT")
    assert world.take() == [("OrderStatusUpdate", "o2")]


def test_held_people_and_all_of_theirs() -> None:
    """8.4: of who is held nothing goes but a no; released, what is new of him is late history (rulings, audience 3)."""
    world = shop()
    world.hold("customer", "c1")
    world.hold("subscriber", "a@example.com")
    world.hold("customer", "c5")
    world.hold("order", "o7")
    world.customer("c5")
    world.customer("c1", first_name="Eve")
    world.cart("c1", ("p1", 9))
    world.wish("c1", "p3")
    world.order("o2", customer_id="c1")
    world.order("o1", status="SENT")
    world.order("o7", customer_id=None)
    world.post("Search", "search", "s1", {"customer_id": "c1", "search_string": "red"})
    assert world.take() == [("Newsletter", "a@example.com")]
    assert {one for one in world.notes() if one[0] == "told_before"} == {("told_before", "c1")}  # one person
    world.deliver()
    world.release()
    news = world.diff()
    assert [one for one in news if one[2:] == ("late",)] == [
        ("CustomerAdd", "c5", "late"), ("Newsletter", "a@example.com", "late"), ("WishlistAdd", "c1", "late"),
        ("OrderAdd", "o2", "late"), ("OrderAdd", "o7", "late"),
    ]  # fmt: skip
    assert [one for one in news if one[2:] != ("late",)] == [
        ("CustomerUpdate", "c1"), ("CartUpdate", "c1"), ("OrderStatusUpdate", "o1"),
    ]  # fmt: skip
    world.take()
    assert world.db.value("select count(*) from synced.audience_was_held") == 0


def test_a_rehearsal_unsubscribes_nobody() -> None:
    """R66: nothing is told of whom `waymore.only` leaves out, also where the history was told before."""
    world = shop()
    world.hold("customer", "c1", "rehearsal")
    world.hold("subscriber", "a@example.com", "rehearsal")
    world.customer("c1", first_name="Eve")
    assert world.take() == []
    world.release()
    world.hold("subscriber", "a@example.com", "forgotten")
    assert ("Newsletter", "a@example.com") in world.take()


def test_nothing_changed_costs_no_comparison() -> None:
    """12b: the same generation, people and day: nothing is compared, so a base that is wrong is not looked at."""
    world = shop()
    world.take()
    world.cursor.execute("update synced.base_customers set first_name = 'other', digest = 0")
    assert world.diff() == []
    world.changed()
    assert world.diff() == [("CustomerUpdate", "c1"), ("CustomerUpdate", "c2")]
