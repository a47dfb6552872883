"""A shop lives on after its history: each row of audience.md 6.2, by the real command against the stand-ins."""

from __future__ import annotations

import pytest

from vs_st_pipeline_tests.support.audience import Scene, once

ANN = "ann@example.com"

GROUPS = ("Customer", "Newsletter", "Product", "Wishlist", "Cart", "Order")
"""In whose order events of one sync go (6.3), but for a Newsletter false, which is first."""


def _group(event: str) -> str:
    return next(group for group in GROUPS if event.startswith(group))


def opened(scene: Scene) -> None:
    """A shop with a customer, a product, one with options, a wish and an order, all of it told."""
    old = {"created_at": "2026-01-05T10:00:00Z"}
    scene.put("customers", customer_id="1", first_name="Ann", last_name="Grower", email=ANN, opted_in=True, **old)
    scene.put("products", product_id="p1", name="Pinot", price="38.50", stock=3, in_stock=True, **old)
    scene.put("products", product_id="p2", name="Shirt", **old)
    scene.put("options", product_id="p2", option_id="v1", position=0, stock=5, price="20.00", attributes={"size": "S"})
    scene.put("options", product_id="p2", option_id="v2", position=1, stock=5, price="20.00", attributes={"size": "M"})
    scene.put("wishlists", customer_id="1", product_id="p1", added_at="2026-01-05T10:00:00Z")
    scene.put("orders", order_id="o1", customer_id="1", status="new", paid=False, total="38.50", **old)
    scene.put("order_lines", order_id="o1", position=0, product_id="p1", quantity=1)
    scene.told()
    assert scene.parts() == [("customers", 1), ("subscribers", 1), ("products", 2), ("wishlist", 1), ("orders", 1)]
    assert scene.events() == []


def test_a_day_at_the_shop_is_told_once_and_in_order(alone: Scene) -> None:
    """6.2, 6.3: new people, products and orders, and what changed, in the groups' order; a quiet sync tells nothing."""
    scene = alone
    opened(scene)
    scene.put(
        "customers", customer_id="2", first_name="Bo", last_name="Newcomer", email="bo@example.com", opted_in=True
    )
    scene.put("carts", cart_id="b2", customer_id="2")
    scene.put("cart_lines", cart_id="b2", product_id="p1", quantity=1)
    scene.put("products", product_id="p3", name="Rosé", price="12.00", stock=0)
    scene.change("customers", "1", phone="+17075550199")
    scene.change("products", "p1", price="40.00", stock=2)
    scene.change("options", "p2", "v1", stock=4)
    scene.put("orders", order_id="o2", customer_id="2", status="new", paid=True, total="38.50")
    scene.put("order_lines", order_id="o2", position=0, product_id="p1", quantity=1)
    scene.change("orders", "o1", status="sent", paid=True)
    scene.put("wishlists", customer_id="1", product_id="p2")
    scene.remove("wishlists", "1", "p1")
    told = scene.changed()
    assert once(told) == {
        "CustomerUpdate": 1, "CustomerAdd": 1, "Newsletter": 1, "ProductUpdate": 1, "ProductStockUpdate": 2,
        "ProductAdd": 1, "ProductOutOfStock": 1, "WishlistDelete": 1, "WishlistAdd": 1, "CartUpdate": 1,
        "OrderPaymentConfirmed": 2, "OrderStatusUpdate": 1, "OrderAdd": 1,
    }  # fmt: skip
    groups = [list(GROUPS).index(_group(event)) for event, _ in told]
    assert groups == sorted(groups)
    assert ("Newsletter", {"customer_id": "2", "email": "bo@example.com", "subscription": True}) in told
    assert scene.changed() == []
    assert {one["what"] for one in scene.waymore.messages(scene.merchant)} == {"welcome", "thanks"}
    assert scene.wrong() == []


@pytest.mark.slow
def test_an_emptied_cart_is_told_before_the_order_that_emptied_it(alone: Scene) -> None:
    """6.2, 6.3: a reminder of a cart that was ordered is what a shop's customers complain of."""
    scene = alone
    opened(scene)
    scene.put("carts", cart_id="b1", customer_id="1")
    scene.put("cart_lines", cart_id="b1", product_id="p1", quantity=2)
    ((event, data),) = scene.changed()
    assert (event, data["cart_products"]) == ("CartUpdate", [{"product_id": "p1", "option_id": None, "quantity": "2"}])
    scene.remove("cart_lines", "b1", "p1", "")
    scene.put("orders", order_id="o3", customer_id="1", status="new", paid=False, total="77.00")
    scene.put("order_lines", order_id="o3", position=0, product_id="p1", quantity=2)
    told = scene.changed()
    assert [event for event, _ in told] == ["CartUpdate", "OrderAdd"]
    assert told[0][1]["cart_products"] == []
    scene.later(hours=3)
    assert [one["what"] for one in scene.waymore.messages(scene.merchant)] == ["thanks"]
    assert scene.wrong() == []


@pytest.mark.slow
def test_who_opts_out_is_told_first_and_who_opts_in_again_is_told_again(alone: Scene) -> None:
    """6.2, 8.2, 8.3: nobody is a subscriber at WayMore who is none at the shop."""
    scene = alone
    opened(scene)
    scene.change("customers", "1", opted_in=False, phone="+17075550111")
    told = scene.changed()
    assert [event for event, _ in told] == ["Newsletter", "CustomerUpdate"]
    assert told[0][1] == {"customer_id": "1", "email": ANN, "subscription": False}
    assert scene.subscribers() == set()
    scene.change("customers", "1", opted_in=True)
    assert [data["subscription"] for _, data in scene.changed()] == [True]
    scene.change("customers", "1", email="ann.new@example.com")
    told = scene.changed()
    assert [(event, data.get("email"), data.get("subscription")) for event, data in told if event == "Newsletter"] == [
        ("Newsletter", ANN, False), ("Newsletter", "ann.new@example.com", True),
    ]  # fmt: skip
    assert scene.wrong() == []


@pytest.mark.slow
def test_what_is_gone_is_told_as_the_guide_can_and_what_is_back_is_not_new(alone: Scene) -> None:
    """6.2: a product gone is out of stock, and an update when it is back; a customer gone has no event."""
    scene = alone
    opened(scene)
    row = scene.shop.one("products", "p1", scene.merchant)
    scene.remove("products", "p1")
    assert [event for event, _ in scene.changed()] == ["ProductOutOfStock"]
    scene.shop.add("products", row, scene.merchant)
    assert "ProductUpdate" in [event for event, _ in scene.changed()]
    assert scene.wrong() == []


@pytest.mark.slow
def test_what_is_old_is_late_history_and_no_event(alone: Scene) -> None:
    """6.4: an order of last year that turns up today thanks nobody."""
    scene = alone
    opened(scene)
    scene.later(hours=1)
    scene.put("customers", customer_id="9", last_name="Oldster", created_at="2025-01-05T10:00:00Z")
    scene.put("orders", order_id="o9", customer_id="9", status="sent", paid=True, total="5.00",
              created_at="2025-02-05T10:00:00Z")  # fmt: skip
    assert scene.changed() == []
    assert "9" in scene.ids("customers")
    assert "o9" in scene.ids("orders")
    assert scene.wrong() == []


@pytest.mark.slow
def test_a_dry_run_moves_nothing_and_the_sync_after_it_tells_what_it_showed(alone: Scene) -> None:
    """R27, 6.5."""
    scene = alone
    opened(scene)
    scene.change("customers", "1", phone="+17075550199")
    scene.drop()
    before = scene.last_call()
    planned = scene.plan()
    assert [one["event"] for one in planned["events"]] == ["CustomerUpdate"]
    assert scene.last_call() == before
    scene.synced()
    assert once(scene.events(since=before)) == {"CustomerUpdate": 1}
    assert scene.wrong() == []
