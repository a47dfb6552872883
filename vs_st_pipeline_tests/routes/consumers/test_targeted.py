"""What a targeted sync does of a few hints, and what becomes of each: rulings 2, webhooks-onboarding.md H20-H27."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS
from vs_st_pipeline_tests.routes.consumers.world import GLOW, World


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox("consumers:5") as box:
        yield box


@pytest.fixture(scope="module")
def synced(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that was synced once."""
    world = World(box, tmp_path_factory.mktemp("targeted"), ["hubspot"])
    world.tell_all()
    world.sync()
    return world


def order(world: World, email: str, status: str = "APPROVED") -> dict[str, Any]:
    id, name, handler = ACCOUNTS[GLOW].consents["news"]
    given = {"consent_id": id, "consent_name": name, "data_handler": handler, "status": "APPROVED"}
    found: dict[str, Any] = world.box.sopost.control.create(
        GLOW, email=email, full_name="Ada Lovage", status=status, consents=[given]
    )
    return found


def hinted(world: World) -> tuple[Report, dict[str, str]]:
    """Run a targeted sync of all that waits; returns its report, and the outcome of each hint by order."""
    records = world.inbox.waiting([GLOW], route="consumers")
    desk = HintDesk(world.inbox, GLOW, "consumers", records, "worker")
    assert ROUTE.hinted is not None
    report = ROUTE.hinted.run(world.run(), desk)
    return report, {str(desk.hints[number].id): str(outcome) for number, (outcome, _) in desk.settled.items()}


def test_c3_a_hinted_order_is_read_and_only_its_consumer_is_written(synced: World) -> None:
    before = synced.rows("select count(*) from synced.writes")[0][0]
    with synced.warehouse.open(GLOW, "consumers") as db, db.transaction():
        db.execute(
            "insert or replace into planned.consumers_due values "
            "('hubspot', 'person0@example.com', 'order', '2026-01-01')"
        )
    made = order(synced, "hinted@example.com")
    synced.event(made)
    report, outcomes = hinted(synced)
    assert (report.error, report.accepted, report.trigger) == (None, 1, "hint")
    assert outcomes == {made["id"].lower(): "written"}
    assert report.calls["sopost"].total() == 1
    emails = synced.rows("select distinct email from synced.consent_evidence where run_id = ?", [report.run_id])
    assert emails == [("hinted@example.com",)]
    assert synced.rows("select count(*) from synced.writes")[0][0] == before + 3
    assert synced.rows("select email_key from planned.consumers_due") == [("person0@example.com",)]
    synced.event(made, "DISPATCHED")
    report, outcomes = hinted(synced)
    assert list(outcomes.values()) == ["unchanged"]  # later statuses are not followed
    assert report.calls["sopost"].total() == 0


def test_c3_7_a_pending_order_is_not_read_before_its_time_and_the_route_says_when(synced: World) -> None:
    made = order(synced, "pending@example.com", "PENDING")
    synced.event(made, "PENDING")
    report, outcomes = hinted(synced)
    assert list(outcomes.values()) == ["unchanged"]
    assert report.calls["sopost"].total() == 0
    assert ROUTE.next_due_at is not None
    due = ROUTE.next_due_at(synced.data, GLOW)
    assert due is not None
    assert due <= synced.now + timedelta(seconds=15), "a worker reads it within seconds of its time (3.5)"


def test_h27_an_order_that_is_not_there_is_gone(synced: World) -> None:
    synced.event({"id": "11111111-0000-4000-8000-000000000000"})
    report, outcomes = hinted(synced)
    assert report.error is None
    assert list(outcomes.values()) == ["gone"]


def test_r12_c3_7c_an_event_of_an_order_that_was_not_there_is_never_dropped(synced: World) -> None:
    missing = {"id": "22222222-0000-4000-8000-000000000000"}
    for _ in range(3):
        synced.event(missing)
        hinted(synced)
    assert synced.inbox.to_ask_again() == []  # it is tried again by its gaps (3.8), and not by H27's
    synced.event(missing, "APPROVED")
    [waiting] = synced.inbox.waiting([GLOW], route="consumers")
    assert not waiting.is_barred(synced.inbox.clock())
    report, outcomes = hinted(synced)
    assert report.calls["sopost"].total() == 1
    assert list(outcomes.values()) == ["gone"]
    assert synced.rows("select count(*) from raw.sopost_events where order_id = ?", [missing["id"]]) == [(4,)]


def test_h28_an_event_that_needed_no_read_puts_the_next_one_off_by_nothing(synced: World) -> None:
    made = order(synced, "staged@example.com", "PENDING")
    synced.event(made, "PENDING")
    report, _ = hinted(synced)
    assert report.calls["sopost"].total() == 0
    synced.event(made, "APPROVED")
    [waiting] = synced.inbox.waiting([GLOW], route="consumers")
    assert (waiting.read_at, waiting.fruitless) == (None, 0)
    report, _ = hinted(synced)
    assert report.calls["sopost"].total() == 1
    synced.event(made, "DISPATCHED")
    [waiting] = synced.inbox.waiting([GLOW], route="consumers")
    assert waiting.read_at is not None
    hinted(synced)


def test_c9_a_crm_that_is_refused_is_not_written_for_a_hint(synced: World) -> None:
    with synced.warehouse.open(GLOW, "consumers") as db, db.transaction():
        db.execute("insert into synced.verdicts values ('hubspot', 'losing', 3, 'many would lose', 'r', '2026-01-01')")
    made = order(synced, "refused@example.com")
    synced.event(made)
    report, outcomes = hinted(synced)
    assert report.error is not None
    assert report.error.kind == "unsafe"
    assert outcomes == {made["id"].lower(): "handed_over"}
    assert synced.rows("select 1 from synced.consent_evidence where email = 'refused@example.com'") == []
    assert synced.rows("select rule from synced.verdicts") == [("losing",)]
    assert synced.sync().error is None  # nothing trips it any more, so a whole sync goes on
    assert synced.rows("select outcome from synced.consent_evidence where email = 'refused@example.com'") == [
        ("accepted",)
    ]


def test_h21_before_the_first_good_sync_nothing_is_claimed(box: Sandbox, tmp_path: Path) -> None:
    world = World(box, tmp_path, ["hubspot"])
    world.tell_all()
    report, outcomes = hinted(world)
    assert (report.error, outcomes) == (None, {})
    assert world.inbox.waiting([GLOW], route="consumers")
