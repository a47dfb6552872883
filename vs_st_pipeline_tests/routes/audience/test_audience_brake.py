"""What the brake refuses, each line of section 9 at its boundary (audience.md 9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import Unsafe
from vs_st_pipeline_tests.routes.audience.diff_world import World

SAMPLE = 3  # cases of each test in `make test`; the others count as pytest.mark.slow


@cache
def _told(count: int) -> World:
    world = World()
    for i in range(count):
        world.customer(f"c{i}", first_name="Ada", last_name="Vine", email=f"a{i}@example.com", phone=f"+1707555{i:04}")
        world.address(f"a{i}@example.com", customer_id=f"c{i}")
        world.stage("subscribers", f"a{i}@example.com")
        world.product(f"p{i}", name="Cabernet", price=10, stock=5.0)
        world.order(f"o{i}", customer_id=f"c{i}")
        world.wish(f"c{i}", f"p{i}")
    for kind in ("customers", "subscribers", "products", "orders", "wishlists"):
        read(world, kind, count)
    world.told()
    world.at += timedelta(hours=1)
    return world


def shop(count: int = 10) -> World:
    """Return a shop that has told so many of each kind."""
    return _told(count).copy()


def read(world: World, kind: str, rows: int) -> None:
    """Note a complete read."""
    world.store(
        "staged.shop_reads", kind=kind, ended_at=world.at, written_at=world.at, rows=rows, run_id="r", passed=False
    )
    world.changed()


def times(count: int, act: Callable[[World, int], Any]) -> Callable[[World], None]:
    def do(world: World) -> None:
        for i in range(count):
            act(world, i)

    return do


def other_shop(kind: str, same: int) -> Callable[[World], None]:
    def do(world: World) -> None:
        for i in range(10 - same):
            if kind == "customers":
                world.customer(f"c{i}", gone_at=world.at)
            else:
                world.order(f"o{i}", gone_at=world.at)
        read(world, kind, 10)

    return do


def price(value: Any) -> Callable[[World, int], None]:
    return lambda w, i: w.product(f"p{i}", price=value)


RULES: dict[str, tuple[Callable[[World], None], Callable[[World], None], tuple[str, str]]] = {
    "customers shrank": (
        lambda w: read(w, "customers", 8), lambda w: read(w, "customers", 7), ("customers", "shrank"),
    ),
    "subscribers shrank": (
        lambda w: read(w, "subscribers", 8), lambda w: read(w, "subscribers", 7), ("subscribers", "shrank"),
    ),
    "products shrank": (lambda w: read(w, "products", 8), lambda w: read(w, "products", 7), ("products", "shrank")),
    "orders shrank": (lambda w: read(w, "orders", 8), lambda w: read(w, "orders", 7), ("orders", "shrank")),
    "wishlists shrank": (
        lambda w: read(w, "wishlists", 8), lambda w: read(w, "wishlists", 7), ("wishlists", "shrank"),
    ),
    "prices to 0": (times(3, price(0)), times(4, price(0)), ("products", "prices")),
    "prices lost": (times(3, price(None)), times(4, price(None)), ("products", "prices")),
    "out of stock": (
        times(3, lambda w, i: w.product(f"p{i}", stock=0.0)), times(4, lambda w, i: w.product(f"p{i}", stock=0.0)),
        ("products", "stock"),
    ),
    "products gone": (
        times(3, lambda w, i: w.product(f"p{i}", gone_at=w.at)),
        times(4, lambda w, i: w.product(f"p{i}", gone_at=w.at)),
        ("products", "stock"),
    ),
    "e-mail lost": (
        times(3, lambda w, i: w.customer(f"c{i}", email=None)), times(4, lambda w, i: w.customer(f"c{i}", email=" ")),
        ("customers", "losing"),
    ),
    "phone lost": (
        times(3, lambda w, i: w.customer(f"c{i}", phone=None)), times(4, lambda w, i: w.customer(f"c{i}", phone="")),
        ("customers", "losing"),
    ),
    "name lost": (
        times(3, lambda w, i: w.customer(f"c{i}", last_name=None)),
        times(4, lambda w, i: w.customer(f"c{i}", first_name=None)),
        ("customers", "losing"),
    ),
    "unsubscribed": (
        times(3, lambda w, i: w.address(f"a{i}@example.com", False)),
        times(4, lambda w, i: w.address(f"a{i}@example.com", False)),
        ("subscribers", "unsubscribed"),
    ),
    "another shop's customers": (other_shop("customers", 2), other_shop("customers", 1), ("customers", "other_shop")),
    "another shop's orders": (other_shop("orders", 2), other_shop("orders", 1), ("orders", "other_shop")),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_each_rule_at_its_boundary(name: str) -> None:
    """Section 9: what is just allowed passes; one more is refused, and neither the outbox nor the base moves."""
    allowed, refused, verdict = RULES[name]
    world = shop()
    allowed(world)
    world.take()

    world = shop()
    before = world.rows("select * from synced.base_customers order by all")
    refused(world)
    with pytest.raises(Unsafe, match="allow-unsafe"):
        world.take()
    assert world.outbox() == []
    assert before == world.rows("select * from synced.base_customers order by all")
    assert world.db.rows("select part, rule from synced.verdicts") == [verdict]
    with pytest.raises(Unsafe):
        world.take()
    world.runs = {"allow_unsafe": True}
    world.take()
    world.runs = {}
    world.take()  # what a person let pass is not asked again


@pytest.mark.parametrize("name", RULES)
def test_below_ten_a_percentage_means_nothing(name: str) -> None:
    """Section 9: with 10 or more in the base of the kind."""
    _, refused, _ = RULES[name]
    world = shop(9)
    refused(world)
    world.take()


def test_a_list_of_subscribers_need_not_have_customers() -> None:
    """Section 9: of addresses only those count that a read of subscribers had once; customers carry consents, too."""
    world = shop()
    for i in range(10):
        world.stage("subscribers", f"a{i}@example.com", gone_at=world.at if i else None)
    read(world, "subscribers", 10)
    with pytest.raises(Unsafe, match="another shop"):
        world.take()
    world.cursor.execute("delete from staged.shop_subscribers where gone_at is not null")
    world.take()


def test_what_is_no_loss_is_never_held() -> None:
    """Section 9: any number of new orders, price changes, status changes."""
    world = shop()
    for i in range(10):
        world.order(f"n{i}")
        world.order(f"o{i}", status="SENT", paid=True)
        world.product(f"p{i}", price=99)
        world.customer(f"c{i}", first_name="Eve", email=f"b{i}@example.com")
    assert len(world.take()) == 10 + 20 + 10 + 10


def test_unsubscribes_of_a_taken_over_base_do_not_count() -> None:
    """5.1.7: the brake does not count the no of each address whose source says no."""
    world = World()
    for i in range(20):
        world.store("synced.base_subscribers", address=f"a{i}", subscribed=True, maybe=True, told="silent")
        world.address(f"a{i}", False)
    assert len(world.take()) == 20


def test_subscribers_who_were_taken_over_count_like_others() -> None:
    """Section 9, 5.1.7: with `history: skip` all are taken over; what the brake does not count is the sources' no."""
    world = World()
    for i in range(20):
        world.store("synced.base_subscribers", address=f"a{i}", subscribed=True, maybe=False, told="silent")
        world.address(f"a{i}", False)
    with pytest.raises(Unsafe, match="20 of 20 subscribers"):
        world.take()


@pytest.mark.parametrize(("free", "refused"), [(3, False), (4, True)])
def test_a_first_history_of_products_without_prices(free: int, refused: bool) -> None:
    """Section 9: before a first history of 10 or more products, over 30 % with price 0; unknown is not 0."""
    world = World(done=False)
    for i in range(10):
        world.product(f"p{i}", price=0 if i < free else None, stock=1.0)
    if refused:
        with pytest.raises(Unsafe, match="price 0"):
            world.take()
        world.product("p0", gone_at=world.at)  # nine are left
    world.take()


def test_an_allowance_is_for_what_was_said() -> None:
    """R38: another rule, or a loss more than a tenth greater, is refused again."""
    world = shop()
    times(4, price(0))(world)
    with pytest.raises(Unsafe):
        world.take()
    world.runs = {"allow_unsafe": True}
    times(6, price(0))(world)
    with pytest.raises(Unsafe):
        world.take()
    times(6, lambda w, i: w.product(f"p{i}", stock=0.0))(world)
    with pytest.raises(Unsafe):
        world.take()
    world.take()


def test_a_few_hints_are_bound_by_what_stands() -> None:
    """R38: a targeted sync tells nothing while the last verdict stands."""
    world = shop()
    times(4, price(0))(world)
    with pytest.raises(Unsafe):
        world.take()
    times(4, price(10))(world)
    world.runs = {"trigger": "hint"}
    with pytest.raises(Unsafe):
        world.take()
    world.runs = {}
    world.take()
