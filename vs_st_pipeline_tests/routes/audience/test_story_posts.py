"""What a site posts, by the real command: what is kept of whom, and that nobody who was forgotten is told (8.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.shop.hooks import HOOKS
from vs_st_pipeline.platform.inbox.store import Arrival
from vs_st_pipeline_tests.support.audience import ROUTE, Scene

EMAIL = "lost.soul@nowhere.example"


def posted(scene: Scene, *posts: dict[str, Any], signed: bool = False) -> None:
    """Store posts as the receiver does."""
    for call in HOOKS.read(json.dumps(posts).encode()):
        if signed:
            call.kept["signed"] = True  # type: ignore[index]
        scene.inbox.put([Arrival(scene.merchant, "shop", call, (ROUTE,), scene.now.isoformat(), True)])


def kept(scene: Scene, text: str) -> list[str]:
    """Tables of the route's file, and the inbox, that hold a text."""
    tables = scene.rows(
        """select table_schema || '.' || table_name as name from information_schema.tables
           where table_schema in ('raw', 'staged', 'planned', 'synced')"""
    )
    found = {one["name"]: scene.rows(f"select * from {one['name']}") for one in tables}
    found["inbox"] = [{"kept": row[0]} for row in scene.inbox.ask("select kept from entries")]
    return [name for name, rows in found.items() if text in json.dumps(rows, default=str).casefold()]


def forget(scene: Scene, *who: str) -> None:
    done = scene.run("forget", "--merchant", scene.merchant, *who, "--yes", "--json")
    assert done.exit_code == 0, done


@pytest.mark.slow
def test_a_part_under_way_lets_go_of_who_is_forgotten(audience_scene: Scene) -> None:
    """8.5, 8.3: the bytes of a part that waits, and the pinned addresses, hold nobody who was forgotten."""
    scene = audience_scene
    scene.settings(part_records=2)
    scene.drop()
    scene.waymore.set_fault("cloudflare_503", scene.merchant, path_regex="/api/data")
    assert scene.sync()["error"]["kind"] == "try_later"
    [part] = scene.rows("select ids, body from synced.audience_parts")
    customer = next(one for one in scene.rows_of("customers") if one["customer_id"] == json.loads(part["ids"])[0])
    email = customer["email"].strip().casefold()
    assert email in part["body"].casefold()
    forget(scene, "--customer", customer["customer_id"])
    assert kept(scene, email) == []
    before = len(scene.waymore.calls(scene.merchant))
    scene.remove("customers", customer["customer_id"])
    scene.drop()
    scene.waymore.clear_faults(scene.merchant)
    scene.synced()
    assert customer["customer_id"] not in scene.ids("customers")
    assert email not in json.dumps(scene.waymore.calls(scene.merchant)[before:]).casefold()


@pytest.mark.slow
def test_pinned_addresses_go_with_who_is_forgotten(audience_scene: Scene) -> None:
    """8.5: a block's pins are addresses; the others of the block go all the same."""
    scene = audience_scene
    scene.settings(part_records=1)
    scene.drop()
    scene.waymore.set_fault(
        "cloudflare_503", scene.merchant, path_regex="/api/data", skip=len(scene.rows_of("customers"))
    )
    scene.sync()
    pins = [one["id"] for one in scene.rows("select id from synced.audience_pins order by position")]
    assert any("@" in one for one in pins), pins
    forget(scene, pins[-1])
    assert kept(scene, pins[-1]) == []
    scene.waymore.clear_faults(scene.merchant)
    report = scene.synced()
    assert report["history"]["state"] == "done"
    assert pins[-1] not in scene.subscribers()
    assert set(pins[:-1]) <= scene.subscribers()


@pytest.mark.slow
def test_posts_of_who_is_forgotten_are_erased(audience_scene: Scene) -> None:
    """8.5: posts that wait, searches that were not taken yet, notes of bad rows, and the inbox's own copies."""
    scene = audience_scene
    scene.told()
    known = scene.rows_of("customers")[0]
    scene.put("subscribers", subscriber_id="s99", email=EMAIL, subscribed="perhaps")
    scene.drop()
    posted(
        scene,
        {"event": "CustomerUpdate", "at": scene.now.isoformat(),
         "data": {"customer": {"id": "998877", "email": EMAIL, "lastname": "Soul"}}},
        {"event": "Search", "at": scene.now.isoformat(),
         "data": {"customer_id": known["customer_id"], "search_string": "a gift for my secret love"}},
    )  # fmt: skip
    scene.synced()
    assert kept(scene, EMAIL)
    posted(
        scene,
        {"event": "Search", "at": scene.now.isoformat(),
         "data": {"customer_id": known["customer_id"], "search_string": "another one for my secret love"}},
    )  # fmt: skip
    scene.shop.set_switch("drop_style", "half_file", scene.merchant)
    scene.drop()
    scene.sync()
    assert kept(scene, "another one for my secret love")
    forget(scene, EMAIL)
    forget(scene, "--customer", known["customer_id"])
    assert kept(scene, EMAIL) == []
    assert kept(scene, "secret love") == []


@pytest.mark.slow
def test_who_is_named_by_the_shops_own_id_is_unsubscribed_and_forgotten(audience_scene: Scene) -> None:
    """8.5: `--customer C` of a shop whose ids no other system knows."""
    scene = audience_scene
    scene.told()
    address = sorted(scene.subscribers())[0]
    customer = next(one for one in scene.rows_of("customers") if str(one["email"]).strip().lower() == address)
    forget(scene, "--customer", customer["customer_id"])
    assert address not in scene.subscribers()
    assert kept(scene, address) == []
    assert scene.changed() == []
    assert kept(scene, address) == []


@pytest.mark.slow
def test_settled_posts_are_pruned(audience_scene: Scene) -> None:
    """R67, 4.4: a post counts once within 30 days; after that nothing of it is kept."""
    scene = audience_scene
    scene.told()
    posted(scene, {"event": "Search", "at": scene.now.isoformat(), "data": {"customer_id": 0, "search_string": "red"}})
    scene.synced()
    assert scene.rows("select state from raw.shop_posts") == [{"state": "applied"}]
    scene.later(days=31)
    scene.sync()
    assert scene.rows("select state from raw.shop_posts") == []
