"""What is refused until a person lets it pass once: consumers.md 9, routes.md R38; against HubSpot's stand-in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.routes.consumers.world import GLOW, World


@dataclass(frozen=True)
class Begun:
    """A world that was synced once; each test goes on with a copy of its folder."""

    box: Sandbox
    folder: Path

    def again(self, folder: Path) -> World:
        shutil.copytree(self.folder / "data", folder / "data")
        return World(self.box, folder, ["hubspot"])


# Those that begin with another world come last: the stand-in then forgets the first one.


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    folder = tmp_path_factory.mktemp("begun")
    with Sandbox("consumers") as box:
        world = World(box, folder, ["hubspot"])
        world.tell_all()
        assert world.sync().error is None
        world.warehouse.release(GLOW, "consumers")
        yield Begun(box, folder)


@pytest.fixture
def world(begun: Begun, tmp_path: Path) -> World:
    return begun.again(tmp_path)


def change(world: World, *statements: str) -> None:
    with world.warehouse.open(GLOW, "consumers") as db, db.transaction():
        for sql in statements:
            db.execute(sql)


ALL_DUE = """insert or replace into planned.consumers_due
             select 'hubspot', email_key, 'order', now()::timestamp from staged.consumers"""


def refused(world: World, rule: str, **how: Any) -> None:
    """Hold that a sync is refused by a rule, writes nothing, and goes on once a person lets it pass."""
    before = world.rows("select count(*) from synced.writes")
    report = world.sync(**how)
    assert report.error is not None
    assert (report.error.kind, report.error.system, report.status) == ("unsafe", "hubspot", "failed")
    assert [row[0] for row in world.rows("select rule from synced.verdicts")] == [rule]
    assert world.rows("select count(*) from synced.writes") == before
    assert world.sync().error is not None  # it stays refused
    assert world.sync(allow_unsafe=True).error is None
    assert world.rows("from synced.verdicts") == []
    assert world.sync().error is None


@pytest.mark.slow
def test_c9a_another_account_is_refused_and_taken_over_where_a_person_says_so(world: World) -> None:
    change(world, "update synced.crm_accounts set account = 'another'", ALL_DUE)
    refused(world, "account")
    assert world.rows("select account from synced.crm_accounts") != [("another",)]


def test_c9e_many_who_lose_a_value_without_a_newer_order(world: World) -> None:
    change(world, "update staged.sopost_orders set identity = null", ALL_DUE)
    refused(world, "losing")


@pytest.mark.slow
def test_r38_a_plan_shows_what_is_refused_and_stores_nothing(world: World) -> None:
    change(world, "update staged.sopost_orders set identity = null", ALL_DUE)
    report = world.sync(dry_run=True)
    assert report.error is not None
    assert report.error.kind == "unsafe"
    assert report.planned["fields"] > 0
    assert world.rows("from synced.verdicts") == []
    assert json.dumps(report.as_json())


@pytest.mark.slow
def test_c9d_many_who_would_be_unsubscribed(world: World) -> None:
    theirs = """select order_id from synced.consent_evidence
                where action = 'subscribe' and email not ilike 'manynames%' group by 1 order by 1 limit 11"""
    gone = f"update staged.consents set withdrawn_at = now()::timestamp, given = false where order_id in ({theirs})"
    change(world, gone, ALL_DUE)
    # Below a third of those who were written, so that nothing else holds them.
    refused(world, "withdrawals")
    assert world.rows("select count(distinct key) from synced.consent_evidence where action = 'unsubscribe'") == [(11,)]


@pytest.mark.slow
def test_c9b_most_known_records_are_gone(world: World) -> None:
    people = world.rows("select email_key from synced.consumers where record_id is not null")
    for (email,) in people[: len(people) * 2 // 3]:
        world.box.hubspot.control.erase(email, GLOW)
    change(world, ALL_DUE)
    refused(world, "gone")


def test_c9c_consents_that_are_listed_later_subscribe_nobody_of_older_orders_unasked(
    begun: Begun, tmp_path: Path
) -> None:
    begun.box.reset()
    world = World(begun.box, tmp_path, ["hubspot"])
    names = {GLOW: {"consumers": {"consents": []}}}
    world.changed = names
    world.tell_all()
    report = world.sync()
    assert (report.error, report.planned["subscriptions"]) == (None, 0)
    world.changed = {}
    refused(world, "settings")
    assert world.rows("select count(*) > 30 from synced.consent_evidence where action = 'subscribe'") == [(True,)]


@pytest.mark.slow
def test_c9c_a_second_change_does_not_let_the_first_one_pass(begun: Begun, tmp_path: Path) -> None:
    begun.box.reset()
    world = World(begun.box, tmp_path, ["hubspot"])
    world.changed = {GLOW: {"consumers": {"consents": []}}}
    world.tell_all()
    world.sync()
    world.changed = {}
    assert world.sync().error is not None
    world.changed = {GLOW: {"sopost": {"consent_given": ["APPROVED", "GIVEN"]}}}
    error = world.sync().error
    assert error is not None
    assert error.kind == "unsafe"
