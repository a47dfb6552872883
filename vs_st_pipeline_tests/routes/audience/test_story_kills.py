"""Processes that are killed, and several at once, by the real command (audience.md 7.7, 12).

One registration that counts, no record lost or in two parts, each event at least once, and twice only where its answer
was lost.
"""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from vs_st_pipeline_tests.routes.audience.test_story_events import opened
from vs_st_pipeline_tests.support.audience import Scene

PLACES = (
    *(f"request:{turn}" for turn in (1, 2, 3, 5)),
    *(f"answer:{turn}" for turn in (1, 2, 4, 6)),
    *(f"committed:{turn}" for turn in (6, 10, 14, 18, 22, 26)),
    "evidence:1",
    "any:40",
    "any:60",
    "any:80",
    "any:100",
)


def a_day(scene: Scene) -> None:
    """Let a day go by at a shop that was `opened`: fifteen events."""
    scene.later(seconds=2)
    for id, name in (("2", "bo"), ("9", "al")):
        email = f"{name}@example.com"
        scene.put("customers", customer_id=id, first_name=name, last_name="Newcomer", email=email, opted_in=True)
    scene.put("carts", cart_id="b2", customer_id="2")
    scene.put("cart_lines", cart_id="b2", product_id="p1", quantity=1)
    scene.put("products", product_id="p3", name="Rosé", price="12.00", stock=0)
    scene.change("customers", "1", phone="+17075550199", opted_in=False)
    scene.change("products", "p1", price="40.00", stock=2)
    scene.put("orders", order_id="o2", customer_id="2", status="new", paid=True, total="38.50")
    scene.put("order_lines", order_id="o2", position=0, product_id="p1", quantity=1)
    scene.change("orders", "o1", status="sent", paid=True)
    scene.drop()


def of_old(scene: Scene) -> None:
    """Let a shop have one of each kind, none of it told."""
    old = {"created_at": "2026-01-05T10:00:00Z"}
    for id in ("1", "2", "3"):
        email = f"c{id}@example.com"
        scene.put("customers", customer_id=id, first_name="Ann", last_name="Grower", email=email, opted_in=True, **old)
        scene.put("products", product_id=f"p{id}", name="Pinot", price="38.50", stock=3, in_stock=True, **old)
        scene.put("orders", order_id=f"o{id}", customer_id=id, status="new", paid=False, total="38.50", **old)
        scene.put("order_lines", order_id=f"o{id}", position=0, product_id=f"p{id}", quantity=1)
    scene.settings(part_records=2)
    scene.drop()


def command(scene: Scene) -> list[str]:
    return ["sync", "--merchant", scene.merchant, "--route", "audience", "--json"]


def events(scene: Scene) -> Counter[str]:
    return Counter(json.dumps(one) for one in scene.events())


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("first", [True, False], ids=["registering", "events"])
def test_a_sync_that_is_killed_is_gone_on_with(alone: Scene, place: str, first: bool) -> None:
    scene = alone
    if first:
        of_old(scene)
    else:
        opened(scene)
        a_day(scene)
    process = scene.start(*command(scene), VS_ST_KILL_AT=place)
    process.communicate(timeout=60)
    killed = process.returncode == -signal.SIGKILL
    scene.synced()
    scene.synced()
    told = events(scene)
    assert sum(count - 1 for count in told.values()) <= int(killed), [one for one in told if told[one] > 1]
    assert first or len(told) == 15
    assert scene.rows("select key from synced.audience_outbox") == []
    assert scene.wrong(killed=killed) == []


@pytest.mark.slow
def test_syncs_at_once_tell_all_once(alone: Scene) -> None:
    """7.7: one process sends for a merchant; the others find nothing left."""
    scene = alone
    opened(scene)
    a_day(scene)
    both = [scene.start(*command(scene)) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=60)[0])["merchants"][0] for one in both]
    assert [one["error"] for one in said] == [None, None]
    assert sorted(one["synced"]["accepted"] for one in said) == [0, 15]
    assert set(events(scene).values()) == {1}
    assert scene.wrong() == []
