"""What is stored, when what it was stored for changes: a CRM that goes and comes back, a file that is started over.

consumers.md 5.7, 9, 10.6; routes.md R19, R35. Against the stand-ins, in this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.sopost import events
from vs_st_pipeline.domain.report import Trouble
from vs_st_pipeline.operations.rebuild import rebuild
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import explain
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.routes.consumers.world import GLOW, Record, World
from vs_st_pipeline_tests.support.consumers import consent, key_of

BOTH, HUBSPOT_ALONE = ("hubspot", "klaviyo"), ("hubspot",)
ADA, BEA = "ada.lovage@example.com", "bea.bay@example.com"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox("consumers") as running:
        yield running


@pytest.fixture
def world(box: Sandbox, tmp_path: Path) -> Iterator[World]:
    box.reset()
    found = World(box, tmp_path, BOTH)
    yield found
    found.inbox.close()


def order(world: World, email: str, word: str | None = "APPROVED", **more: Any) -> Record:
    """Somebody orders with a consent to news, and a webhook tells of it (None: none does)."""
    given = {"full_name": "Ada Lovage", "email": email, "consents": [consent()], **more}
    made: Record = world.box.sopost.control.create(GLOW, **given)
    if word:
        world.event(made, word)
    return made


def members(world: World, crm: str) -> set[str]:
    rows = world.rows(
        "select distinct email from synced.consent_evidence where crm = ? and outcome = 'accepted'", [crm]
    )
    return {row[0] for row in rows}


def test_c5_7_who_ordered_while_a_crm_was_away_is_planned_there_when_it_is_back(world: World) -> None:
    order(world, ADA)
    assert world.sync().error is None
    world.crms = HUBSPOT_ALONE
    order(world, BEA)
    assert world.sync().error is None
    world.crms = BOTH
    assert world.sync().error is None
    assert members(world, "klaviyo") == {ADA, BEA}


@pytest.mark.slow
def test_c8_what_waits_at_a_crm_that_is_away_waits_no_more_and_does_not_keep_the_route_busy(world: World) -> None:
    order(world, ADA)
    world.box.klaviyo.control.set_switch("revision_retired", 410)
    assert world.sync().parts.keys() == {"klaviyo"}
    with world.warehouse.open(GLOW, "consumers") as db:
        at = world.now.replace(tzinfo=None)
        row = ["klaviyo", key_of(ADA), "X7aBcD", "a", "C", 400, 1, at, at, at]
        db.execute("insert into synced.subscription_rejects values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    world.crms = HUBSPOT_ALONE
    report = world.sync()
    assert (report.status, report.left) == ("ok", {"events": 0, "orders": 0, "consumers": 0})
    assert world.rows("from planned.consumers_due") == []
    due = read_next_due(world.data, GLOW, "consumers")
    assert due is not None
    assert due - world.now > timedelta(minutes=5)
    world.box.klaviyo.control.set_switch("revision_retired", "no")
    world.crms = BOTH
    assert world.sync().error is None
    assert members(world, "klaviyo") == {ADA}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["added", "put back"])
def test_c9c_a_crm_that_comes_later_subscribes_nobody_of_older_orders_unasked(world: World, how: str) -> None:
    if how == "put back":
        assert world.sync().error is None
    world.crms = HUBSPOT_ALONE
    for number in range(11):
        order(world, f"person{number}@example.com")
    assert world.sync().error is None
    world.crms = BOTH
    error = world.sync().parts["klaviyo"]
    assert error.kind == "unsafe"
    assert members(world, "klaviyo") == set()
    assert world.sync(allow_unsafe=True).error is None
    assert len(members(world, "klaviyo")) == 11


@pytest.mark.slow
def test_r8_who_was_due_when_the_file_was_started_over_is_planned_all_the_same(world: World) -> None:
    order(world, ADA)
    world.box.klaviyo.control.set_switch("revision_retired", 410)
    world.sync()
    world.box.klaviyo.control.set_switch("revision_retired", "no")
    assert rebuild(world.run(), ROUTE).unreadable is None
    world.inbox.close()
    report = world.sync()
    assert report.error is None
    assert members(world, "klaviyo") == {ADA}
    rows = world.rows("select crm from synced.consent_evidence where action = 'subscribe' order by seq")
    assert [row[0] for row in rows] == ["hubspot", "klaviyo"]


def test_r8_starting_a_file_over_takes_no_statement_a_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.events([{"id": f"made-up-{number}", "status": "PENDING"} for number in range(500)])
    events.take(world.run(), events.waiting(world.run()))
    asked: list[str] = []
    execute = Db.execute

    def noted(db: Db, sql: str, *given: Any) -> Any:
        asked.append(sql)
        return execute(db, sql, *given)

    monkeypatch.setattr(Db, "execute", noted)
    rebuild(world.run(), ROUTE)
    assert len(asked) < 300
    assert world.rows("select count(*) from raw.sopost_events") == [(500,)]


def forget_the_file(world: World) -> None:
    """Lose the database alone: inbox and evidence stay."""
    world.warehouse.release(GLOW, "consumers")
    for path in (world.data / "merchants" / GLOW).glob("consumers.duckdb*"):
        path.unlink()


def test_c3_5_events_that_were_taken_into_a_file_that_is_lost_are_taken_again(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    order(world, ADA, None)
    held = order(world, BEA)
    assert world.sync().error is None
    before = world.rows("select order_id, event, received_at from raw.sopost_events")
    seen = world.rows("select id, first_seen_at, first_class from raw.sopost_orders")
    forget_the_file(world)
    world.event(held, "DELIVERED")
    report = world.sync()
    assert (report.error, report.planned["subscriptions"]) == (None, 0)
    assert world.rows("select order_id, event, received_at from raw.sopost_events where event <> 'DELIVERED'") == before
    assert world.rows("select id, first_seen_at, first_class from raw.sopost_orders") == seen
    assert world.sync().seen["orders"] == 0


def test_r35_a_withdrawal_that_is_read_after_the_file_was_lost_is_followed(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    one = order(world, ADA)
    assert world.sync().error is None
    forget_the_file(world)
    world.box.sopost.control.set_consents(one["id"], [consent(status="WITHDRAWN")], GLOW)
    world.event(one, "REJECTED")
    assert world.sync().error is None
    done = world.rows("select action, outcome from synced.consent_evidence order by seq")
    assert done == [("subscribe", "accepted"), ("unsubscribe", "accepted")]


def test_c8_why_shows_what_was_done_for_a_consent_that_is_written_otherwise_now_or_not_at_all(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    order(world, ADA)
    world.sync()
    listed = {"consent_id": consent()["consent_id"].upper(), "data_handler": "glow  skin"}
    for entry, state in ({**listed, "hubspot": {"subscription": 123456}}, "subscribed"), ({}, "unmapped"):
        world.changed = {GLOW: {"consumers": {"consents": [entry] if entry else []}}}
        world.sync()
        (row,) = explain.why(world.run(), ADA)["consents"]
        assert (row["state"], [one["action"] for one in row["evidence"]]) == (state, ["subscribe"])
    assert [row[0] for row in world.rows("select action from synced.consent_evidence")] == ["subscribe"]


def never(world: World) -> list[str]:
    """Return what must never be and seems to."""
    return [one.key for one in world.sync().troubles or () if one.key != "withdrawn"]


def test_c8_settings_that_change_make_no_subscription_one_without_consent(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    order(world, ADA)
    assert never(world) == []
    consents = [{"consent_id": "another", "data_handler": "Glow Skin", "ignore": True}]
    world.changed = {GLOW: {"consumers": {"consents": consents}}}
    assert never(world) == []
    world.changed = {GLOW: {"sopost": {"consent_given": ["GIVEN"]}}}
    assert never(world) == []


def told(world: World) -> dict[str, Trouble]:
    """Return what a sync has people told besides how it ended, by its key."""
    return {one.key: one for one in world.sync().troubles or ()}


def test_c8_a_withdrawal_is_told_once_by_its_time_and_names_nobody(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    one = order(world, ADA)
    assert told(world) == {}
    world.box.sopost.control.set_consents(one["id"], [consent(status="WITHDRAWN")], GLOW)
    world.event(one, "REJECTED")
    first = told(world)
    assert list(first) == ["withdrawn"]
    assert "1 consents were withdrawn" in first["withdrawn"].says
    assert "ada" not in first["withdrawn"].says.lower()
    assert told(world) == first  # the same occurrence, which alerts tell of once
    world.ahead += timedelta(days=1, minutes=1)
    assert told(world) == {}


def test_c8_who_opted_out_between_look_and_subscribing_is_told_by_system_and_run(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    order(world, ADA)
    assert told(world) == {}
    run_id = world.rows("select run_id from synced.consent_evidence")[0][0]
    with world.run().open() as db, db.transaction():
        db.execute("update synced.consent_evidence set outcome = 'undone', outcome_at = ?", [world.run().now()])
    (trouble,) = [one for one in world.sync().troubles or () if one.key == "undone"]
    assert (trouble.occurrence, "1 opted out at HubSpot" in trouble.says) == (f"hubspot {run_id}", True)


def test_c8_what_must_never_be_is_told_for_as_long_as_it_is(world: World) -> None:
    world.crms = HUBSPOT_ALONE
    order(world, ADA)
    assert told(world) == {}
    for given, found in ((False, ["nobody_subscribed_without_consent at hubspot"]), (True, [])):
        with world.run().open() as db, db.transaction():
            db.execute("update staged.consents set once_given = ?", [given])
        for _ in range(2):
            troubles = told(world)
            assert list(troubles) == found
            assert all(one.occurrence == "" and "ada" not in one.says.lower() for one in troubles.values())
