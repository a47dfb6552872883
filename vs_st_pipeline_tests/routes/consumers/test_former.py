"""A withdrawal is followed also where the settings led the consent elsewhere then: consumers.md 7.11, with 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.crm import Target
from vs_st_pipeline.routes.consumers.former import targets_by_consent
from vs_st_pipeline_tests.routes.consumers.staged_world import BRAND, NEWS, NOW, OWN, World, consent
from vs_st_pipeline_tests.support.consumers import GLOW, Record, Scene
from vs_st_pipeline_tests.support.consumers import consent as said

ADA = "former@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def world() -> Iterator[World]:
    world = World(hubspot="skip")
    yield world
    world.cursor.close()


def withdrawn(world: World, **acts: Any) -> None:
    """Let somebody give a consent, which subscribed to type 99 and put on list 7 then, and take it back."""
    world.read("o1", email=ADA)
    world.stage()
    world.evidence("o1", **{"target": "99", "lists": '["7"]', **acts})
    world.at = NOW + DAY
    world.read("o1", email=ADA, consents=[consent(status="WITHDRAWN")])
    world.stage()


def test_c7_11_a_withdrawn_consent_names_where_it_led_before_too(world: World) -> None:
    withdrawn(world)
    former = Target("99", ("7",))
    [*_, offer] = [one for one in world.load()[ADA].offers if one.target == former]
    assert (offer.standing, offer.usable, offer.withdrawn) == (False, False, True)
    assert [set(some) for some in targets_by_consent(world.db, world.run.merchant, "hubspot").values()] == [{former}]
    assert targets_by_consent(world.db, world.run.merchant, "klaviyo") == {}


def test_c7_11_also_where_the_settings_do_not_list_it_any_more(world: World) -> None:
    withdrawn(world)
    world.settings = {"consents": ()}
    world.stage()
    assert [one.target for one in world.load()[ADA].offers] == [Target("99", ("7",))]


@pytest.mark.parametrize("outcome", ["rejected", "not_done"])
def test_c7_11_what_we_did_not_do_names_nothing(world: World, outcome: str) -> None:
    withdrawn(world, outcome=outcome)
    assert Target("99", ("7",)) not in {one.target for one in world.load()[ADA].offers}


def test_c7_11_what_was_undone_names_nothing(world: World) -> None:
    withdrawn(world)
    undo = {"action": "unsubscribe", "evidence_id": "undo", "seq": 2, "target": "99", "data_handler": BRAND}
    world.evidence("o1", NEWS, **undo)
    assert targets_by_consent(world.db, world.run.merchant, "hubspot") == {}


def test_c7_11_a_consent_that_stands_names_its_present_target_alone(world: World) -> None:
    world.read("o1", email=ADA)
    world.stage()
    world.evidence("o1", target="99")
    assert OWN
    assert "99" not in {one.target.id for one in world.load()[ADA].offers}


def leads_elsewhere(entry: Record) -> None:
    """Lead the consent for news to the list that another one leads to."""
    listed = entry["consumers"]["consents"]
    lists = [one["klaviyo"]["list"] for one in listed if "klaviyo" in one]
    news = next(one for one in listed if one.get("klaviyo", {}).get("list") == lists[0])
    news["klaviyo"] = {"list": next(one for one in lists if one != lists[0])}
    entry["consumers"]["consents"] = [news]


def drops_all(entry: Record) -> None:
    entry["consumers"]["consents"] = []


@pytest.mark.parametrize("edit", [leads_elsewhere, drops_all])
def test_c7_11_a_withdrawal_after_the_settings_changed_is_followed_where_we_subscribed(
    scene: Scene, edit: Callable[[Record], None]
) -> None:
    order = scene.order(ADA)
    scene.sync()
    before = scene.look()
    assert before.consent[ADA] == "SUBSCRIBED"
    on = next(list_id for list_id, people in before.on.items() if ADA in people)
    scene.settings(edit)
    scene.sync()
    scene.later(days=2)
    scene.box.sopost.control.set_consents(order, [said(status="WITHDRAWN")], GLOW)
    scene.settings(lambda entry: (edit(entry), entry["consumers"].update(follow_status=True)))
    scene.tell(order, "DELIVERED")
    scene.sync()
    after = scene.look()
    assert ADA not in after.on[on]
    assert after.consent[ADA] == "UNSUBSCRIBED"
    assert after.status[ADA] == "UNSUBSCRIBED"
    assert ADA not in after.listed
    assert ADA not in after.members
    scene.later(days=1)
    written = len(scene.rows("select 1 from synced.writes"))
    scene.sync()
    assert len(scene.rows("select 1 from synced.writes")) == written
