"""How many requests it takes (orders.md 12): an idle sync, one life, a thousand open orders."""

from __future__ import annotations

from collections import Counter

import pytest

from vs_st_pipeline_tests.support.orders import ALWAYS, COMMERCE7, VINOSHIPPER, Scene

PASSES = ("GET order", "GET product", "GET products", "POST orders/search", "GET orders")


def counted(scene: Scene, system: str) -> Counter[str]:
    """Requests of a life besides passes."""
    asked = scene.asked(system)
    return Counter({what: times for what, times in asked.items() if what not in PASSES})


@pytest.mark.slow
def test_o12_a_life_from_paid_to_delivered_takes_at_most_8_and_7_requests(scene: Scene) -> None:
    scene.settings(refresh={**ALWAYS, "settled": "7d"})  # details of settled orders are a pass
    scene.synced()
    scene.clear_journals()
    order = scene.place("PINOT22")
    scene.synced()
    for act in (scene.label, scene.scan, scene.deliver):
        scene.later(hours=9)
        act(order)
        scene.synced()
    for _ in range(4):
        scene.later(hours=9)
        scene.synced()
    shop, shipper = counted(scene, COMMERCE7), counted(scene, VINOSHIPPER)
    assert shop.total() <= 8, shop
    assert shipper.total() <= 7, shipper
    assert (len(scene.accepted(order)), len(scene.mails(order))) == (1, 1)
    assert scene.wrong() == []


def test_o12_an_idle_sync_asks_commerce7_twice_and_vinoshipper_not_at_all(scene: Scene) -> None:
    scene.settings(refresh=None)
    for _ in range(3):
        scene.place("PINOT22")
    scene.synced()
    scene.synced()
    scene.clear_journals()
    scene.synced()
    assert len(scene.journal(COMMERCE7)) <= 2, scene.asked(COMMERCE7)
    assert scene.journal(VINOSHIPPER) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)  # thousands of requests
def test_o12_a_thousand_open_orders_take_at_most_45_requests_an_hour(scene: Scene) -> None:
    """An hour: four looks for what was shipped, one at what is open."""
    never = dict.fromkeys(("shipped", "open", "settled", "products", "reconcile"), "7d")
    scene.settings(send_at_most=2000)
    for i in range(1000):
        scene.place("PINOT22", hours=i / 50)
    scene.synced()
    scene.settings(refresh={**never, "shipped": "0s"})
    scene.synced()
    scene.clear_journals()
    for _ in range(4):
        scene.synced()
    scene.settings(refresh={**never, "open": "0s"})
    scene.synced()
    print(f"1,000 open orders: {len(scene.journal(VINOSHIPPER))} requests at Vinoshipper in an hour")
    assert len(scene.journal(VINOSHIPPER)) <= 45, scene.asked(VINOSHIPPER)
    assert Counter(one["state"] for one in scene.listed().values()) == {"sent": 1000}
