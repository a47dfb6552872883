"""What is read first when not everything can be read, and what is said of that which cannot be seen at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.connectors.vinoshipper.read_queue import (
    CATCH_UP_SECONDS,
    HINTED,
    NEVER_READ,
    OVERDUE,
    ROTATION,
    ReadTask,
    within_budget,
)
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline import metrics as measuring
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts import metrics
from vs_st_pipeline_tests.support.story import BRAM, MARISOL, SYNCED, TEST, Story

LISTS_AND_SEARCHES = 6
IGNORED = "the order search ignores its dates"


def measured(story: Story, find: Callable[[Run, Db], Metric]) -> Metric:
    merchant = next(one for one in read_merchants(story.folder / "merchants.yaml", {}).merchants if one.id == TEST)
    run = Run(merchant, warehouse_at(story.data), lambda: datetime.now(UTC))
    with run.open() as db:
        return find(run, db)


def unhurried(story: Story) -> None:
    """The default intervals: what is not needed is read in its turn."""
    fast = {"requests_per_second": 500}
    story.box.write_settings(story.folder, vinoshipper=fast, simpletexting=fast)


# --- a small budget -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_syncs_with_a_small_budget_come_to_the_same_as_one_and_write_nothing_half_known(story: Story) -> None:
    story.synced()
    wanted = {phone: story.contact(phone) for phone in SYNCED}
    story.box.reset()
    story.forget()
    unhurried(story)
    syncs = 0
    while (report := story.synced("--budget", "9"))["planned"]["noted"].get("not_read_yet") or report["synced"][
        "accepted"
    ]:
        syncs += 1
        assert report["calls"]["vinoshipper"] <= 9 + LISTS_AND_SEARCHES
        for phone in SYNCED:
            says = story.contact(phone)
            for label in ("Order Count", "Lifetime Value", "Last Order Date", "VS Last Order Number", "Order Total"):
                assert says.get(label, wanted[phone].get(label)) == wanted[phone].get(label), label
        assert syncs < 40
    assert syncs > 3
    assert {phone: story.contact(phone) for phone in SYNCED} == wanted
    story.clean()


def test_who_is_linked_again_is_read_though_the_budget_was_used_up_when_he_came(story: Story) -> None:
    story.begin_synced()
    unhurried(story)
    people = {phone: int(story.contact(phone)["VScustomerID"]) for phone in (MARISOL, BRAM)}
    for phone in people:
        story.texting.patch_contact(phone, subscriptionStatus="OPT_OUT")
    story.synced()
    for phone, customer_id in people.items():
        story.shop.patch_customer(customer_id, shippingAddress={"city": "Occidental"})
        story.texting.patch_contact(phone, subscriptionStatus="OPT_IN")
    story.synced("--budget", "1")
    assert sorted(story.contact(phone)["City"] == "Occidental" for phone in people) == [False, True]
    story.synced()
    assert {story.contact(phone)["City"] for phone in people} == {"Occidental"}


def run_with(rate: float = 1.0, budget: int | None = None) -> Any:
    settings = SimpleNamespace(requests_per_second=rate)
    return SimpleNamespace(budget=budget, merchant=SimpleNamespace(section=lambda _: settings))


def turns(**counts: int) -> list[ReadTask]:
    return [ReadTask(f"{why} {i}", why.replace("_", " ")) for why, count in counts.items() for i in range(count)]


def whys(taken: list[ReadTask]) -> list[str]:
    return [turn.why for turn in taken]


def test_without_a_budget_all_is_read_but_for_what_an_outage_left_overdue() -> None:
    waiting = turns(hinted=2, never_read=900, overdue=5000, rotation=4)
    taken = within_budget(run_with(rate=2), waiting, sent=7)
    assert whys(taken) == [HINTED] * 2 + [NEVER_READ] * 900 + [OVERDUE] * 2 * CATCH_UP_SECONDS + [ROTATION] * 4


def test_what_the_settings_want_in_every_run_is_no_outage() -> None:
    waiting = [ReadTask(str(i), OVERDUE, in_every_run=True) for i in range(5000)]
    assert within_budget(run_with(rate=0.1), waiting, sent=0) == waiting


@pytest.mark.parametrize(
    ("budget", "sent", "reserved", "taken"),
    [
        (100, 0, 0, [HINTED] * 3 + [OVERDUE] * 4 + [ROTATION] * 2),
        (3, 0, 0, [HINTED] * 3),
        (3, 1, 0, [HINTED] * 2),
        (3, 9, 0, [HINTED]),
        (13, 2, 4, [HINTED] * 3 + [OVERDUE] * 2),  # four are kept for others, half of the rest for news to come
    ],
)
def test_a_budget_goes_to_the_most_needed_first(budget: int, sent: int, reserved: int, taken: list[str]) -> None:
    waiting = turns(hinted=3, overdue=4, rotation=2)
    assert whys(within_budget(run_with(budget=budget), waiting, sent, reserved=reserved)) == taken


# --- what cannot be seen ------------------------------------------------------------------------------------------


def test_an_ignored_filter_is_told_by_sync_by_check_and_by_a_dagster_check_until_it_works(story: Story) -> None:
    story.shop.set_switch("date_filter", "ignored")
    assert IGNORED in story.run("sync", "--merchant", TEST).out
    doubts = story.run("check", "--merchant", TEST, "--json").of()["doubts"]
    assert any(IGNORED in doubt for doubt in doubts)
    found = measured(story, metrics.unseen("order"))
    assert found.count == 1
    assert IGNORED in found.detail
    story.shop.set_switch("date_filter", "works")
    assert "unseen" not in story.run("sync", "--merchant", TEST, "--full").out
    assert measured(story, metrics.unseen("order")).count == 0


@pytest.mark.parametrize("answer", ["ignored", 404])
def test_a_search_that_does_not_find_by_phone_is_told_and_not_asked_for_every_newcomer(
    story: Story, answer: str | int
) -> None:
    story.begin_synced()
    unhurried(story)
    story.shop.set_switch("customer_search", answer)
    story.texting.add_contact("7075550178")
    story.texting.add_contact("7075550179")
    story.clear_journals()
    assert "does not find them by phone" in story.run("sync", "--merchant", TEST).out
    assert sum("q" in (entry["query"] or {}) for entry in story.shop.journal(TEST)) == 1
    assert measured(story, metrics.unseen("customer")).count == 1


def test_a_word_that_nobody_told_us_of_is_named_for_a_week(story: Story) -> None:
    story.shop.set_switch("unknown_status", True)
    story.synced()
    drift = measuring.new_drift("order", "raw.vinoshipper_orders")
    found = measured(story, drift)
    assert found.count > found.of == 0, "it is a share of nothing"
    assert "order.orderStatus" in found.detail
    assert re.search(r", in \d+ orders$", found.detail), "it says what was looked at"
    of_contacts = measured(story, measuring.new_drift("contact", "raw.simpletexting_contacts"))
    assert (of_contacts.count, of_contacts.detail.startswith("nothing new, in ")) == (0, True)
    later = (datetime.now(UTC) + timedelta(days=8)).isoformat()
    assert cli_sync.clock  # the command's clock obeys VS_ST_NOW; the measure is asked with a later one here
    merchant = next(one for one in read_merchants(story.folder / "merchants.yaml", {}).merchants if one.id == TEST)
    run = Run(merchant, warehouse_at(story.data), lambda: datetime.fromisoformat(later))
    with run.open() as db:
        later_found = drift(run, db)
    assert (later_found.count, later_found.detail.startswith("nothing new, in ")) == (0, True)
    assert later_found.detail.endswith(f"; {found.count} known for more than a week")
