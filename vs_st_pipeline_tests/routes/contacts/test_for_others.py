"""R34: where route `audience` wants a winery too, `contacts` reads it for both: everybody's details, and all orders."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.contacts import everybody
from vs_st_pipeline.routes.contacts.sync import dry_run, sync
from vs_st_pipeline_tests.support.story import TEST, Story

NOW = datetime.now(UTC)


def ran(story: Story, source: str | None = None, at: datetime = NOW, on: bool = True, **changed: Any) -> Report:
    run = story.as_run(at)
    waymore = WaymoreSettings.model_construct(domain="https://www.winery.example", source=source)
    routes = (*run.merchant.routes, *(["audience"] if on else []))
    merchant = replace(run.merchant, routes=routes, sections={**run.merchant.sections, "waymore": waymore})
    run = replace(run, merchant=merchant, **changed)
    story.shop.clear_journal()
    report = dry_run(run)[0] if run.dry_run else sync(run)
    assert report.error is None, report.error
    return report


def details(story: Story) -> Counter[str]:
    """Count the reads of single customers and orders in the last sync."""
    calls = [entry["path"].split("/")[4:] for entry in story.shop.journal(TEST) if entry["method"] == "GET"]
    singles = [path for path in calls if path[0] in ("customers", "orders") and len(path) == 2]
    return Counter("/".join(path) for path in singles if path[1] != "search")


def unread(story: Story) -> list[Any]:
    with story.as_run().open() as db:
        return db.rows(
            """select 'customer', customer_id::varchar from raw.vinoshipper_customers
               where deleted_at is null and detail_body is null
               union all select 'order', order_number from raw.vinoshipper_orders where detail_body is null"""
        )


def test_r34_details_of_everybody_are_read_once(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {}})
    customers, orders = story.shop.customers(TEST), story.shop.orders(TEST)
    ran(story, on=False)
    alone = details(story)
    assert len(alone) < len(customers) + len(orders)
    assert unread(story)

    report = ran(story)

    assert unread(story) == []
    rest = details(story)
    assert set(alone.values()) == set(rest.values()) == {1}, "nothing is asked for twice"
    assert not set(alone) & set(rest), "what contacts have read stands for both"
    known = {*alone, *rest}
    assert {f"customers/{one['id']}" for one in customers} <= known
    assert report.status == "ok"


def test_r34_a_first_sync_writes_contacts_before_it_reads_the_others(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {}})
    story.texting.clear_journal()
    report = ran(story)
    assert report.accepted == 7
    writes = [entry["time"] for entry in story.texting.journal(TEST) if entry["method"] in ("POST", "PUT")]
    linked = 7
    late = [entry for entry in story.shop.journal(TEST) if writes and entry["time"] > max(writes)]
    assert len(late) >= linked, "the others are read after the last write"
    assert unread(story) == []


@pytest.mark.parametrize("source", ["commerce7", "shop"])
def test_r34_another_source_wants_nothing_of_vinoshipper(story: Story, source: str) -> None:
    story.settings(vinoshipper={"refresh": {}})
    ran(story, source)
    assert unread(story)
    run = story.as_run()
    assert everybody.are_wanted(run.merchant) is False


@pytest.mark.slow
def test_r34_a_budget_leaves_the_others_to_the_next_sync(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {}})
    ran(story, on=False)
    before = len(unread(story))
    ran(story, at=NOW + timedelta(minutes=5), budget=1)
    assert len(unread(story)) >= before - 1
    for step in range(2, 9):
        ran(story, at=NOW + timedelta(minutes=5 * step))
    assert unread(story) == []


def test_r34_what_nobody_links_stays_and_is_read_in_turn(story: Story) -> None:
    """R58: a body is needed while any route that is on reads it; the quiet path comes once everybody was read."""
    story.settings(vinoshipper={"refresh": {}})
    ran(story)
    ran(story, at=NOW + timedelta(minutes=5))
    assert details(story).total() < 5, "read in turn, not all over again"
    later = NOW + timedelta(days=400)
    ran(story, at=later)
    assert unread(story) == []


def test_r27_a_plan_reads_nothing_for_others(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {}})
    ran(story, on=False)
    ran(story, dry_run=True)
    assert details(story).total() < 3
    assert unread(story)
