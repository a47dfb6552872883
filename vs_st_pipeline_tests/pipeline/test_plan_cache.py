"""A sync that finds everything as it was does not work it all out again; one that does not, does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.domain.birth import LEGAL_AGE
from vs_st_pipeline.pipeline.plan_cache import PlanInputs
from vs_st_pipeline.routes.contacts.identity import links_key
from vs_st_pipeline.routes.contacts.systems import SYSTEMS
from vs_st_pipeline_tests.support.story import MARISOL, NOW_AND_ALWAYS, ODALYS, TEST, Record, Story

pytestmark = pytest.mark.unproved


def planned_by(story: Story) -> str:
    with story.as_run().open() as db:
        return str(db.value("select run_id from planned.plan"))


@pytest.fixture
def quiet(story: Story) -> Story:
    """Synced, and then found twice as it was."""
    story.settings(vinoshipper={"refresh": {**NOW_AND_ALWAYS, "reconcile": "7d"}})
    story.begin_synced()
    for _ in range(3):
        story.synced()
    return story


def test_the_plan_of_former_syncs_stands_and_is_told_as_it_is(quiet: Story) -> None:
    plan, before = planned_by(quiet), quiet.synced()
    again = quiet.synced()
    assert planned_by(quiet) == plan
    assert again["planned"] == before["planned"]
    assert again["planned"]["held"]
    assert again["synced"] == {"accepted": 0, "rejected": 0, "unknown": 0}
    assert again["raw"] == before["raw"], "both systems are asked all the same"


CHANGES: dict[str, Callable[[Story], object]] = {
    "a name": lambda s: s.shop.patch_customer(700101, firstName="Marisol Ana"),
    "an address that only the detail shows": lambda s: s.shop.patch_customer(700101, shippingAddress={"city": "Napa"}),
    "a new order": lambda s: s.shop.add_order(700101),
    "an opt-out": lambda s: s.texting.opt_out(ODALYS),
    "an edit there": lambda s: s.texting.patch_contact(MARISOL, lastName="Edited"),
    "a field that is gone": lambda s: s.texting.delete_custom_field("City"),
    "a setting": lambda s: s.settings(require_age_evidence=True, vinoshipper={"refresh": NOW_AND_ALWAYS}),
    "a rehearsal in between": lambda s: s.run("plan", "--merchant", TEST),
}
AT_ONCE = ("a name", "an opt-out", "a setting")  # the others take long for what they add


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name, marks=[] if name in AT_ONCE else pytest.mark.slow)
        for name, change in CHANGES.items()
    ],
)
def test_whatever_changes_is_planned_at_once(quiet: Story, change: Callable[[Story], object]) -> None:
    plan = planned_by(quiet)
    change(quiet)
    quiet.synced()
    assert planned_by(quiet) != plan


@pytest.mark.parametrize(
    "of",
    [
        pytest.param("vs_st_pipeline.pipeline.plan_cache.PLAN_VERSION", id="the domain"),
        pytest.param("vs_st_pipeline.routes.contacts.plan_inputs.PLAN_VERSION", id="the route"),
    ],
)
def test_another_version_of_what_makes_plans_plans_anew(quiet: Story, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    plan = planned_by(quiet)
    monkeypatch.setattr(of, 1_000)
    quiet.synced()
    assert planned_by(quiet) != plan


def test_each_connectors_version_counts() -> None:
    shop, texting = SYSTEMS
    newer = [(replace(shop, plan_version=9), texting), (shop, replace(texting, plan_version=9))]
    assert len({PlanInputs(systems, 7, ()).versions for systems in (SYSTEMS, *newer)}) == 3


@pytest.mark.slow
def test_a_map_whose_rows_change_places_is_planned_at_once(story: Story) -> None:
    """Where two rows mean one field of the account the first has it, so a map is not the same in another order."""
    rows = (
        "{to: VScustomerID, from: customer.id, policy: mirror}",
        "{to: Club Name, from: customer.city, policy: mirror}",
        "{to: club_name, from: customer.state, policy: mirror}",
    )
    own_map = story.folder / "map.yaml"
    own_map.write_text("version: 1\nfields:\n" + "".join(f"  - {row}\n" for row in rows))
    story.settings(field_map="map.yaml", vinoshipper={"refresh": NOW_AND_ALWAYS})
    story.begin_synced()
    for _ in range(3):
        story.synced()
    city = story.contact(MARISOL)["Club Name"]
    own_map.write_text("version: 1\nfields:\n" + "".join(f"  - {row}\n" for row in reversed(rows)))
    story.synced()
    assert story.contact(MARISOL)["Club Name"] not in ("", city)


def test_custom_fields_in_another_order_are_a_change(story: Story) -> None:
    """Of two that share a label the first is taken."""
    keys = set()
    with story.as_run().open() as db:
        for tags in (["one", "two"], ["two", "one"], ["two"], []):
            db.execute("delete from raw.simpletexting_custom_fields")
            for tag in tags:
                db.execute("insert into raw.simpletexting_custom_fields values ('City', ?)", [tag])
            keys.add(links_key(db))
    assert len(keys) == 4


def test_everybody_is_planned_anew_in_a_full_sync_and_then_the_plan_stands_however_long(quiet: Story) -> None:
    plan = planned_by(quiet)
    quiet.synced("--full")
    in_full = planned_by(quiet)
    assert in_full != plan
    quiet.synced()  # a full sync keeps nothing for the next
    kept = planned_by(quiet)
    quiet.synced(now=datetime.now(UTC) + timedelta(days=1.5))
    assert planned_by(quiet) == kept


@pytest.mark.parametrize("days_too_young", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_midnight_alone_plans_nothing_anew_but_whoever_comes_of_age_then(story: Story, days_too_young: int) -> None:
    evening = datetime.now(ZoneInfo("America/Los_Angeles")).replace(hour=21) + timedelta(days=1)
    of_age = evening.date() + timedelta(days=days_too_young)
    story.settings(vinoshipper={"refresh": NOW_AND_ALWAYS})
    story.shop.patch_customer(
        700106, dateOfBirth={"day": of_age.day, "month": of_age.month, "year": of_age.year - LEGAL_AGE}
    )
    for _ in range(4):
        before = story.synced(now=evening)
    plan = planned_by(story)
    story.synced(now=evening + timedelta(hours=2))
    assert planned_by(story) == plan
    report = story.synced(now=evening + timedelta(hours=4))
    if days_too_young == 1:
        assert planned_by(story) != plan
        assert before["planned"]["held"]["under_age"] - 1 == report["planned"]["held"].get("under_age", 0)
    else:
        assert planned_by(story) == plan


def test_one_stop_alone_is_made_whatever_is_known(quiet: Story) -> None:
    from vs_st_pipeline.routes.contacts import sync as pipeline

    plan = planned_by(quiet)
    assert pipeline.run_stages(quiet.as_run(), ["planned"]).status == "ok"
    assert planned_by(quiet) != plan


@pytest.mark.slow
def test_a_write_that_was_taken_and_lost_is_found_when_everything_is_read_again(quiet: Story) -> None:
    """The contact is then as it was before the write, to the last byte: that alone says nothing."""
    path = f"records/contacts/{quiet.id_of(MARISOL)}"
    old: Record = quiet.texting.contact(MARISOL) | {"updated": "2024-02-03T04:05:06.007Z"}
    quiet.texting.call("PUT", path, old, merchant=TEST, touch="false")
    quiet.synced()
    seldom = {"vinoshipper": {"refresh": NOW_AND_ALWAYS}, "simpletexting": {"full_read": "24h"}}
    quiet.settings(**seldom)
    quiet.shop.patch_customer(700101, shippingAddress={"city": "Napa"})
    assert quiet.synced()["synced"]["accepted"] == 1
    quiet.texting.call("PUT", path, old, merchant=TEST, touch="false")
    for _ in range(3):
        assert quiet.synced()["planned"]["contacts"] == 0, "no listing shows it"
    quiet.settings()
    assert quiet.synced()["synced"]["accepted"] == 1
    assert quiet.contact(MARISOL)["City"] == "Napa"
