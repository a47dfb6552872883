"""The life of a shop by the real command over real sockets: registered, told, changed, forgotten, disconnected."""

from __future__ import annotations

import json

import pytest

from vs_st_pipeline_tests.support.audience import ROUTE, Record, Scene


def _why(scene: Scene, kind: str, record_id: str) -> Record:
    done = scene.run("why", "--merchant", scene.merchant, "--route", ROUTE, "--json", kind, record_id)
    found: Record = json.loads(done.out)
    return found


def test_a_shop_is_registered_told_its_history_and_then_one_event_per_change(audience_scene: Scene) -> None:
    """audience.md 1, 5.1, 6.2, 9: five blocks in order, nothing twice, one event per change, and why by KIND ID."""
    scene = audience_scene
    report = scene.told()
    assert (report["registration"], report["history"]["state"], report["history"]["block"]) == (
        "registered",
        "done",
        None,
    )
    assert list(report["history"]["blocks"]) == ["customers", "subscribers", "products", "wishlist", "orders"]
    blocks = [block for block, _ in scene.parts()]
    assert blocks == sorted(blocks, key=list(report["history"]["blocks"]).index)
    assert scene.events() == []

    before = scene.last_call()
    again = scene.synced()
    assert (again["planned"]["events"], again["calls"]["waymore"], scene.last_call()) == ({}, 0, before)

    customer = scene.record("customers", min(scene.ids("customers")))["customer"]["id"]
    scene.change("customers", customer, first_name="Oleander")
    planned = scene.plan()
    scene.drop()
    planned = scene.plan()
    assert [(one["event"], one["kind"], one["id"]) for one in planned["events"]] == [
        ("CustomerUpdate", "customer", customer)
    ]
    assert planned["events"][0]["changed"] == ["first_name"]
    report = scene.synced()
    assert report["planned"]["events"] == {"CustomerUpdate": 1}
    assert [what for what, _ in scene.events()] == ["CustomerUpdate"]

    said = _why(scene, "customer", customer)
    assert (said["kind"], said["id"], said["held"], said["waiting"]) == ("customer", customer, None, [])
    assert [(one["call"], one["state"]) for one in said["told"]] == [("history", "accepted"), ("event", "accepted")]
    assert said["staged"]["first_name"] == said["base"]["first_name"] == "Oleander"
    assert scene.wrong() == []


def test_a_person_is_unsubscribed_before_they_are_forgotten_and_stays_out(audience_scene: Scene) -> None:
    """audience.md 8.5: Newsletter false first; all is erased; a later drop that has them tells nothing of them."""
    scene = audience_scene
    scene.told()
    address = sorted(scene.subscribers())[0]
    before = scene.last_call()
    done = scene.run("forget", "--merchant", scene.merchant, address, "--yes", "--json")
    assert done.exit_code == 0, done
    assert [(what, data["email"], data["subscription"]) for what, data in scene.events(since=before)] == [
        ("Newsletter", address, False)
    ]
    assert "ask Routee" in done.out
    assert address not in scene.subscribers()
    assert address not in json.dumps(scene.rows("select * from staged.shop_customers"), default=str)
    assert scene.changed() == []
    assert address not in json.dumps(scene.rows("select * from staged.shop_customers"), default=str)
    assert scene.rows("select * from synced.audience_outbox") == []


@pytest.mark.slow
def test_an_unsubscribe_of_a_forgotten_person_that_is_not_taken_stays_and_goes_with_the_next_sync(
    audience_scene: Scene,
) -> None:
    """audience.md 8.5: exit 1, that one row stays, tried by syncs, at most 7 days."""
    scene = audience_scene
    scene.told()
    address, other = sorted(scene.subscribers())[:2]
    scene.waymore.set_fault("cloudflare_503", scene.merchant)
    assert scene.run("forget", "--merchant", scene.merchant, address, "--yes").exit_code == 1
    assert scene.run("forget", "--merchant", scene.merchant, other, "--yes").exit_code == 1
    assert len(scene.rows("select * from synced.audience_outbox")) == 2
    scene.waymore.clear_faults(scene.merchant)
    scene.synced()
    assert {address, other}.isdisjoint(scene.subscribers())
    scene.synced()
    assert scene.rows("select * from synced.audience_told where event = 'Newsletter'") == []


def test_a_shop_leaves_and_is_registered_anew_only_by_a_person(audience_scene: Scene) -> None:
    """audience.md 7.9, R57: offboard is refused until disconnect; syncs of a disconnected shop call nobody."""
    scene = audience_scene
    scene.told()
    scene.settings(lambda entry: entry.update(enabled=False))
    refused = scene.run("offboard", "--merchant", scene.merchant, "--yes")
    assert refused.exit_code == 1, refused
    assert "vs-st disconnect" in refused.out + refused.err
    scene.settings()
    assert scene.run("disconnect", "--merchant", scene.merchant, "--yes").exit_code == 0
    before = scene.last_call()
    assert scene.sync()["registration"] == "disconnected"
    assert scene.last_call() == before


@pytest.mark.slow
def test_check_never_calls_waymore_and_says_what_has_no_source(audience_scene: Scene) -> None:
    """audience.md 9, rulings audience 6."""
    scene = audience_scene
    scene.drop()
    done = scene.run("check", "--merchant", scene.merchant, "--route", ROUTE, "--json")
    found = json.loads(done.out)["merchants"][0]
    assert (done.exit_code, found["registration"]["state"], list(found["no_source"])) == (0, "none", ["Search"])
    assert scene.last_call() == 0


@pytest.mark.slow
def test_the_history_is_sent_once_more_only_after_asking(audience_scene: Scene) -> None:
    """audience.md 5.1.6: done once for good, by `--full` too; `--history-again BLOCK` asks first."""
    scene = audience_scene
    scene.told()
    before = scene.last_call()
    scene.synced("--full")
    assert scene.last_call() == before
    refused = scene.run("sync", "--merchant", scene.merchant, "--route", ROUTE, "--history-again", "wrong", "--yes")
    assert (refused.exit_code, scene.last_call()) == (2, before)
    assert (
        scene.run("sync", "--merchant", scene.merchant, "--route", ROUTE, "--history-again", "products").exit_code == 2
    )
    scene.synced("--history-again", "products", "--yes")
    assert {block for block, _ in scene.parts(before)} == {"products"}
