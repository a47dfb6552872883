"""What a plan brings into the outbox, and what of it melts (audience.md 6.3, 7.1)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.routes.audience import difference, diffing, taking
from vs_st_pipeline_tests.routes.audience.diff_world import NEW, World
from vs_st_pipeline_tests.routes.audience.test_diffing import shop

SAMPLE = 2  # cases of each test in `make test`; the others count as pytest.mark.slow


def state(world: World, event: str, state: str, **columns: Any) -> None:
    """Have rows of an event be in a state."""
    more = "".join(f", {name} = {value}" for name, value in columns.items())
    world.cursor.execute(f"update synced.audience_outbox set state = ?{more} where event = ?", [state, event])


def test_a_newer_update_takes_the_place_of_one_that_waits() -> None:
    """6.3: CustomerUpdate, ProductUpdate, ProductStockUpdate of the same option, CartUpdate; in their old place."""
    world = shop()
    for name, lines, stock in (("Eve", 3, 9.0), ("Eva", 4, 8.0)):
        world.customer("c1", first_name=name)
        world.product("p1", name=name)
        world.product("p2", parts=[{"option_id": "S", "stock": stock}, {"option_id": "M", "stock": 2.0}])
        world.cart("c1", ("p1", lines))
        world.take()
    world.product("p2", parts=[{"option_id": "S", "stock": 8.0}, {"option_id": "M", "stock": 1.0}])
    world.take()
    told = world.waiting()
    assert [(row["event"], row["part"]) for row in told] == [
        ("CustomerUpdate", ""), ("ProductUpdate", ""), ("ProductStockUpdate", "S"), ("CartUpdate", ""),
        ("ProductStockUpdate", "M"),
    ]  # fmt: skip
    assert told[0]["data"]["customer"]["firstname"] == "Eva"
    assert told[1]["data"]["name"] == "Eva"
    assert told[2]["data"]["stock_quantity"] == 8
    assert told[3]["data"]["cart_products"][0]["quantity"] == "4"


def test_any_change_melts_into_an_add_that_waits() -> None:
    """6.3: of a customer or product that was never sent the Add is made anew."""
    world = World()
    world.customer("c1", first_name="Ada")
    world.product("p1", name="Cabernet", stock=5.0)
    world.take()
    keys = [row["key"] for row in world.waiting()]
    world.customer("c1", first_name="Eve", parts=[{"city": "Napa"}])
    world.product("p1", name="Merlot", stock=4.0)
    world.take()
    told = world.waiting()
    assert [row["event"] for row in told] == ["CustomerAdd", "ProductAdd"]
    assert [row["key"] for row in told] == keys
    assert told[0]["data"]["customer"]["firstname"] == "Eve"
    assert told[0]["data"]["addresses"][0]["city"] == "Napa"
    assert (told[1]["data"]["name"], told[1]["data"]["stock_quantity"]) == ("Merlot", 4)


@pytest.mark.parametrize("add", [True, False])
def test_a_row_that_may_have_been_sent_keeps_its_bytes(add: bool) -> None:
    """6.3: what is new goes after it."""
    world = World() if add else shop()
    world.customer("c1", first_name="Eve")
    world.take()
    (before,) = world.waiting()
    state(world, before["event"], "unknown", tries=1)
    world.customer("c1", first_name="Eva")
    world.take()
    first, second = world.waiting()
    assert (first["key"], first["data"]) == (before["key"], before["data"])
    assert (second["event"], second["data"]["customer"]["firstname"]) == ("CustomerUpdate", "Eva")
    assert second["number"] > first["number"]
    world.customer("c1", first_name="Ewa")  # melts into the one that waits
    world.take()
    assert [row["data"]["customer"]["firstname"] for row in world.waiting()] == ["Eve", "Ewa"]


@pytest.mark.parametrize("refused", ["rejected", "dead"])
def test_a_refused_row_is_replaced_with_a_new_key(refused: str) -> None:
    """7.6; rulings, audience 2: a newer state melts into it and is tried at once, with new bytes and a new key."""
    world = shop()
    world.customer("c1", first_name="Eve")
    world.take()
    (before,) = world.waiting()
    state(world, "CustomerUpdate", refused, tries=3, next_at="timestamp '2026-06-01'", refusals=3)
    world.customer("c1", first_name="Eva")
    world.take()
    (after,) = world.waiting()
    assert after["key"] != before["key"]
    assert (after["state"], after["tries"], after["next_at"], after["refusals"]) == ("waiting", 0, None, 0)
    assert after["number"] == before["number"]


def test_a_wish_and_its_end_vanish_together() -> None:
    """6.3: WishlistAdd and the Delete after it; but not where the Add may have been sent."""
    world = shop()
    world.wish("c1", "p2")
    world.take()
    world.wish("c1", "p2", gone_at=world.at)
    assert world.take() == []
    assert world.db.value("select state from synced.audience_told") == "melted"
    world.wish("c1", "p2", gone_at=None)
    world.take()
    state(world, "WishlistAdd", "unknown", tries=1)
    world.wish("c1", "p2", gone_at=world.at)
    assert [event for event, _ in world.take()] == ["WishlistAdd", "WishlistDelete"]


def test_out_of_stock_vanishes_where_it_is_over_before_it_was_told() -> None:
    """6.3: what was never sent and is not so any more is not said."""
    world = World()
    world.product("p1", stock=0.0)
    assert [event for event, _ in world.take()] == ["ProductAdd", "ProductOutOfStock"]
    world.product("p1", stock=2.0)
    world.take()
    (row,) = world.waiting()
    assert (row["event"], row["data"]["stock_quantity"]) == ("ProductAdd", 2)
    world.deliver()
    world.product("p1", stock=0.0)
    world.take()
    world.cursor.execute("delete from synced.audience_outbox where event = 'ProductStockUpdate'")  # delivered
    state(world, "ProductOutOfStock", "unknown", tries=1)
    world.product("p1", stock=1.0)
    assert [event for event, _ in world.take()] == ["ProductOutOfStock", "ProductStockUpdate"]


def test_a_yes_before_a_no_vanishes() -> None:
    """6.3: even one without outcome; the no still goes where the address was told or maybe told."""
    world = World()
    world.address("a@example.com")
    world.take()
    world.address("a@example.com", False)
    assert world.take() == []  # it never left: nobody needs to be told

    world.address("a@example.com")
    world.take()
    state(world, "Newsletter", "unknown", tries=1)
    world.address("a@example.com", False)
    world.take()
    (row,) = world.deliver()
    assert row["data"]["subscription"] is False

    world.address("a@example.com")
    world.told()
    world.address("a@example.com", False)
    world.told()
    world.address("a@example.com")
    world.take()
    world.address("a@example.com", False)
    world.take()
    (row,) = world.waiting()
    assert row["data"]["subscription"] is False  # told once: the no goes


def test_statuses_do_not_melt() -> None:
    """6.3: OrderStatusUpdate does not melt, nor does what happens to an order into its OrderAdd."""
    world = World()
    world.order("o1")
    world.take()
    for status in ("PACKED", "SENT"):
        world.order("o1", status=status)
        world.take()
    told = world.waiting()
    assert [row["event"] for row in told] == ["OrderAdd", "OrderStatusUpdate", "OrderStatusUpdate"]
    assert told[0]["data"]["order_details"]["order_status"] == "NEW"


def test_what_waits_goes_before_what_is_new() -> None:
    """6.3: numbers rise from sync to sync, also where the clock was turned back, and no key comes twice (6.1)."""
    world = World()
    world.order("o1")
    world.take()
    world.db.execute("update synced.audience_facts set value = '9000000000000000' where name = 'number'")
    world.customer("c1")
    world.take()
    world.order("o2")
    world.take()
    assert world.outbox() == [("OrderAdd", "o1"), ("CustomerAdd", "c1"), ("OrderAdd", "o2")]
    keys = {row["key"] for row in world.waiting()}
    assert all(len(key) == 32 for key in keys)
    assert len(keys) == 3


def test_evidence_goes_with_a_yes() -> None:
    """8.2: it is stored in the same transaction as the row of the outbox."""
    world = World()
    world.address("a@example.com", evidence='{"system":"shop"}')
    world.take()
    (row,) = world.waiting()
    assert row["evidence"] == '{"system":"shop"}'
    assert world.db.value("select evidence from synced.base_subscribers") == '{"system":"shop"}'


def test_an_order_says_whether_its_address_is_subscribed() -> None:
    """6.2, OrderAdd: names and address unknown in the order are the customer's; `newsletter` by 8.2."""
    world = World()
    world.customer("c1", first_name="Ada", email=" A@example.com ")
    world.address("a@example.com")
    world.order("o1", parts=[{"product_id": "p1", "option_id": None, "quantity": 2}])
    world.order("o2", customer_id=None, email="b@example.com")
    world.take()
    told = {row["id"]: row["data"] for row in world.waiting() if row["event"] == "OrderAdd"}
    assert told["o1"]["order_details"]["newsletter"] is True
    assert told["o1"]["order_details"]["firstname"] == "Ada"
    assert told["o1"]["order_products"] == [{"product_id": "p1", "quantity": "2", "option_id": None}]
    assert told["o2"]["order_details"]["newsletter"] is False
    assert told["o2"]["customer_id"] == 0


def test_a_plan_is_taken_once_and_only_while_it_stands() -> None:
    """7.1: taken twice it would be sent twice; of another state than the plan's nothing is taken, nor is it lost."""
    world = World()
    world.customer("c1")
    world.take()
    taking.take(world.session())
    assert world.outbox() == [("CustomerAdd", "c1")]

    world.customer("c2")
    diffing.diff(world.session())
    taking.take(world.session())
    assert world.outbox() == [("CustomerAdd", "c1")]  # nobody has asked the brake
    world.cursor.execute("update planned.audience_made set passed = true")
    world.customer("c3")
    taking.take(world.session())
    assert world.outbox() == [("CustomerAdd", "c1")]  # made of something else
    assert world.take() == [("CustomerAdd", "c1"), ("CustomerAdd", "c2"), ("CustomerAdd", "c3")]


def test_a_power_cut_before_the_commit_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """7.1: the outbox and the base move in one transaction."""
    world = shop()
    world.customer("c1", first_name="Eve")
    world.post("OrderStatusUpdate", "order", "o1", {"status": "PACKED"})
    world.order("o1", status="PACKED")
    with monkeypatch.context() as cut:
        cut.setattr(difference, "remember_held", lambda db: 1 / 0)  # the last step but facts
        with pytest.raises(ZeroDivisionError):
            world.take()
    assert world.outbox() == []
    assert world.db.value("select count(*) from staged.shop_passed_on") == 1
    assert world.take() == [("CustomerUpdate", "c1"), ("OrderStatusUpdate", "o1")]


def test_rendering_goes_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """12b: memory stays flat, however many events a plan has."""
    monkeypatch.setattr(taking, "BATCH", 2)
    world = World()
    for number in range(5):
        world.product(f"p{number}", price=Decimal(number + 1), stock=1.0, own_at=NEW + timedelta(seconds=number))
    assert [id for _, id in world.take()] == ["p0", "p1", "p2", "p3", "p4"]
