"""Every change is seen when section 5 promises it, and by a full run at once; and what that costs in requests."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline_tests.support.story import MARISOL, RENSKE, STRANGER, TEST, Story, kill, wait_until

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

Change = Callable[[Story], None]
LINNEA = "7075550152"
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NEXT = timedelta(0)


@pytest.fixture
def quiet(story: Story) -> Story:
    """A winery in sync with the default intervals, and empty journals."""
    story.begin_synced()
    patient(story)
    story.clear_journals()
    return story


def patient(story: Story, **vinoshipper: Any) -> None:
    """Settings as a winery has them, but for the pace."""
    story.box.write_settings(
        story.folder,
        give_up_after="2s",
        vinoshipper={"requests_per_second": 500, **vinoshipper},
        simpletexting={"requests_per_second": 500},
    )


def later(after: timedelta) -> str:
    return (datetime.now(UTC) + after + timedelta(seconds=5)).isoformat()


def recent(story: Story, **fields: Any) -> str:
    """A new order of Marisol, bought just now; its number."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return str(story.shop.add_order(700101, purchasedAt=at, total="20.00", **fields)["orderNumber"])


def shop_adds_and_texting_too(story: Story) -> None:
    """Somebody buys for the first time and joins at once: no list held so far has him."""
    phone = {"number": "7075550177", "country": "1", "extension": None}
    person = story.shop.add_customer(firstName="Just", lastName="Joined", primaryPhone=phone)
    story.shop.add_order(person["id"], purchasedAt=datetime.now(UTC).isoformat(timespec="seconds"), total="33.00")
    story.texting.add_contact("7075550177")


def membership(story: Story) -> int:
    return int(story.shop.customer(700101)["memberships"][0]["id"])


@dataclass(frozen=True)
class Seen:
    """A change, where it must show, what must stand there, and how long that may take."""

    change: Change
    phone: str
    field: str
    value: str
    within: timedelta
    before: Change = lambda _: None


CHANGES = {
    "new opt-in of a known customer": Seen(
        lambda s: s.texting.add_contact(LINNEA) and None, LINNEA, "VScustomerID", "700126", NEXT
    ),
    "new opt-in of a customer whom no list has shown": Seen(
        shop_adds_and_texting_too, "7075550177", "Lifetime Value", "33.00", NEXT
    ),
    "new order": Seen(lambda s: recent(s) and None, MARISOL, "Order Count", "4", NEXT),
    "shipped": Seen(
        lambda s: s.shop.patch_order(
            "90000000010", orderStatus="SHIPPED", shippedAt=datetime.now(UTC).isoformat(timespec="seconds")
        )
        and None,
        "7075550144", "Order Status", "Shipped", NEXT,
    ),
    "membership put on hold": Seen(
        lambda s: s.shop.patch_membership(membership(s), hold=True) and None, MARISOL, "Club Status", "On Hold", NEXT
    ),
    "membership cancelled": Seen(
        lambda s: s.shop.patch_membership(membership(s), cancelled=True) and None, MARISOL, "Club Name", "", NEXT
    ),
    "membership joined": Seen(
        lambda s: s.shop.add_membership(700101, clubName="Reserve", dateJoined="2026-06-01") and None,
        MARISOL, "Club Name", "Hillside Six, Reserve", NEXT,
    ),
    "status step of an open order": Seen(
        lambda s: s.shop.patch_order("90000000017", orderStatus="ON_THE_TRUCK") and None,
        MARISOL, "Order Status", "On The Truck", HOUR,
    ),
    "delivered": Seen(
        lambda s: s.shop.patch_order("90000000017", orderStatus="DELIVERED", deliveredAt="2026-06-02T10:00:00-07:00")
        and None,
        MARISOL, "Delivered Date", "06/02/2026", HOUR,
    ),
    "address": Seen(
        lambda s: s.shop.patch_customer(700101, shippingAddress={"city": "Occidental"}) and None,
        MARISOL, "City", "Occidental", DAY,
    ),
    "birth date": Seen(
        lambda s: s.shop.patch_customer(700108, dateOfBirth={"day": 1, "month": 2, "year": 1980}) and None,
        RENSKE, "birthday", "1980-02-01", DAY,
    ),
    "refund of a settled order": Seen(
        lambda s: s.shop.patch_order(s.remembered, orderStatus="RETURNED") and None,
        MARISOL, "Order Count", "3", WEEK,
        before=lambda s: s.remember(recent(s, orderStatus="DELIVERED")),
    ),
    "order deleted": Seen(
        lambda s: s.shop.delete_order(s.remembered), MARISOL, "Order Count", "3", DAY,
        before=lambda s: s.remember(recent(s)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen_by_the_sync_that_is_promised_to_see_it(quiet: Story, name: str) -> None:
    seen = CHANGES[name]
    prepare(quiet, seen)
    seen.change(quiet)
    quiet.synced(now=later(seen.within) if seen.within else None)
    assert quiet.contact(seen.phone).get(seen.field, "") == seen.value
    quiet.clean()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, seen in CHANGES.items() if seen.within])
def test_a_full_run_sees_it_at_once(quiet: Story, name: str) -> None:
    seen = CHANGES[name]
    prepare(quiet, seen)
    seen.change(quiet)
    quiet.synced("--full")
    assert quiet.contact(seen.phone).get(seen.field, "") == seen.value


def prepare(story: Story, seen: Seen) -> None:
    seen.before(story)
    if story.remembered:
        story.synced()


def test_a_customer_who_is_deleted_is_known_to_be_with_the_next_list(quiet: Story) -> None:
    says = quiet.contact(MARISOL)
    quiet.shop.delete_customer(700101)
    assert quiet.synced(now=later(HOUR))["planned"]["unmatched"] == 5
    assert quiet.contact(MARISOL) == says


def test_an_opt_out_that_moves_no_time_is_found_before_the_next_write(quiet: Story) -> None:
    quiet.texting.set_switch("opt_out_touches_updated", False)
    quiet.texting.patch_contact(MARISOL, touch=False, updated="2026-01-01T00:00:00.000Z")
    quiet.synced("--full")  # the contact is old news from here on
    quiet.texting.patch_contact(MARISOL, touch=False, subscriptionStatus="OPT_OUT")
    recent(quiet)
    quiet.clear_journals()
    quiet.synced()
    assert quiet.writes() == []
    assert quiet.texting.violations() == []


# --- what it costs ------------------------------------------------------------------------------------------------


def asked(story: Story) -> tuple[Counter[str], Counter[str]]:
    """Requests by first path words since the journals were cleared: at the shop, at the texting service."""

    def name(entry: dict[str, Any]) -> str:
        parts = entry["path"].split("/api/")[-1].split("/")
        return f"{entry['method']} {'/'.join(part for part in parts if part not in ('v3', 'p'))}".split("/9")[0]

    return Counter(map(name, story.shop.journal(TEST))), Counter(map(name, story.texting.journal(TEST)))


def test_a_quiet_sync_costs_a_handful(quiet: Story) -> None:
    quiet.synced()
    shop, texting = asked(quiet)
    assert shop.total() <= 6, shop
    assert texting.total() <= 2, texting
    assert not any("customers/list" in name for name in shop)


def test_the_list_is_walked_when_it_is_due_and_not_before(quiet: Story) -> None:
    quiet.synced(now=later(timedelta(minutes=30)))
    assert not any("customers/list" in name for name in asked(quiet)[0])
    quiet.synced(now=later(HOUR))
    # C10: no total ends the list, and one page is as long as the longest of it: a second one, empty, is its end.
    assert asked(quiet)[0]["POST customers/list"] == 2


def test_a_new_order_costs_its_detail_its_receipt_and_its_write(quiet: Story) -> None:
    quiet.synced()
    before = sum(counts.total() for counts in asked(quiet))
    quiet.clear_journals()
    recent(quiet)
    quiet.synced()
    assert sum(counts.total() for counts in asked(quiet)) <= before + 3


@pytest.mark.slow
def test_details_are_read_again_evenly_over_their_period_and_all_within_it(quiet: Story) -> None:
    patient(quiet, refresh={"customer_details": "2h"})
    read: Counter[str] = Counter()
    most = 0
    for quarter in range(1, 9):
        quiet.clear_journals()
        quiet.synced(now=later(timedelta(minutes=15 * quarter)))
        details = [e["path"] for e in quiet.shop.journal(TEST) if "/customers/7" in e["path"]]
        read.update(details)
        most = max(most, len(details))
    assert len(read) == 7  # everybody whom an opted-in contact stands for
    assert set(read.values()) <= {1, 2}
    assert most <= 2  # 7 details in 8 syncs: never a burst


@pytest.mark.parametrize("switch", [{"date_filter": "ignored"}, {"paging": "none"}, {"paging": "offset"}])
@pytest.mark.slow
def test_what_an_account_obeys_is_learnt_once_and_new_orders_are_still_seen(
    story: Story, switch: dict[str, Any]
) -> None:
    story.shop.set_switches({**switch, "page_cap": 5})
    patient(story)
    story.synced()
    assert story.contact(MARISOL)["Order Count"] == "3"
    recent(story)
    story.clear_journals()
    story.synced()
    assert story.contact(MARISOL)["Order Count"] == "4"
    searches = [
        entry for entry in story.shop.journal(TEST) if "/orders?" in str(entry) or entry["path"].endswith("/orders")
    ]
    assert len(searches) <= 6


def test_history_that_was_killed_goes_on_where_it_was_and_no_total_is_written_before_it_is_complete(
    story: Story,
) -> None:
    patient(story)
    story.shop.set_fault("500_empty", path_regex="/orders$", skip=6)
    story.failed("try_later")
    assert story.writes() == []
    first = [entry["query"].get("processed.start") for entry in story.shop.journal(TEST) if "/orders" in entry["path"]]
    story.shop.clear_faults()
    story.clear_journals()
    story.synced()
    second = [entry["query"].get("processed.start") for entry in story.shop.journal(TEST) if "/orders" in entry["path"]]
    done = {start for start in first[:6] if start}
    assert len(done & {start for start in second if start}) <= 1, "at most the window in which it broke is repeated"
    assert story.contact(MARISOL)["Lifetime Value"] == "1392.96"


def test_5_history_that_is_to_begin_earlier_is_walked_further_and_sums_wait_for_its_end(story: Story) -> None:
    """Interface 2 and 5: `history_from` is set back after the walk has ended; the sums left out what is older."""
    totals = ("Order Count", "Lifetime Value")
    patient(story, history_from="2026-04-20")
    story.synced()
    assert tuple(story.contact(MARISOL)[name] for name in totals) == ("1", "128.71")
    patient(story, history_from="2020-01-01")
    story.shop.set_fault("500_empty", path_regex="/orders$", skip=3)
    story.failed("try_later")
    story.shop.clear_faults()
    assert tuple(story.contact(MARISOL)[name] for name in totals) == ("1", "128.71")
    story.clear_journals()
    story.synced()
    assert tuple(story.contact(MARISOL)[name] for name in totals) == ("3", "1392.96")
    story.clear_journals()
    story.synced()
    assert len([entry for entry in story.shop.journal(TEST) if entry["path"].endswith("/orders")]) <= 3


@pytest.mark.slow
def test_a_walk_over_the_customer_list_that_breaks_off_goes_on_at_its_page(story: Story) -> None:
    patient(story)
    story.shop.set_switch("customers_page_cap", 5)
    story.shop.set_fault("500_empty", path_regex="/customers/list$", skip=2)
    story.failed("try_later")
    assert story.writes() == []
    story.shop.clear_faults()
    story.clear_journals()
    assert story.synced()["raw"]["customers"] == len(story.shop.customers())
    asked = [e["body"]["pageIndex"] for e in story.shop.journal(TEST) if e["path"].endswith("/customers/list")]
    assert asked[0] == 2, "two pages are landed, and not asked for again"
    story.clear_journals()
    story.synced("--full")
    asked = [e["body"]["pageIndex"] for e in story.shop.journal(TEST) if e["path"].endswith("/customers/list")]
    assert asked[0] == 0


@pytest.mark.slow
def test_a_walk_that_broke_off_begins_again_where_the_list_has_another_length_since(story: Story) -> None:
    patient(story)
    story.shop.set_switch("customers_page_cap", 5)
    story.shop.set_fault("500_empty", path_regex="/customers/list$", skip=2)
    story.failed("try_later")
    story.shop.clear_faults()
    story.shop.delete_customer(700126)
    assert story.synced()["raw"]["customers"] == len(story.shop.customers())


def test_what_an_account_turned_out_to_obey_is_asked_again_after_a_week(quiet: Story) -> None:
    quiet.shop.set_switch("date_filter", "ignored")
    assert "ignores its dates" in quiet.run("sync", "--merchant", TEST).out
    quiet.shop.set_switch("date_filter", "works")
    assert "ignores its dates" in quiet.run("sync", "--merchant", TEST, now=later(timedelta(days=6))).out
    assert "ignores its dates" not in quiet.run("sync", "--merchant", TEST, now=later(timedelta(days=8))).out


def windows_asked(story: Story) -> set[str]:
    """Where the windows of the order search began."""
    asked_for = (e["query"].get("processed.start") for e in story.shop.journal(TEST) if e["path"].endswith("/orders"))
    return {start for start in asked_for if start}


@pytest.mark.slow
def test_a_walk_that_is_killed_repeats_at_most_one_window(story: Story) -> None:
    patient(story, requests_per_second=4)  # slower than windows are stored, also on a busy machine
    process: subprocess.Popen[str] = story.start("sync", "--merchant", TEST)
    wait_until(lambda: sum("/orders" in e["path"] for e in story.shop.journal(TEST)) >= 5, process)
    kill(process)
    first = windows_asked(story)
    story.clear_journals()
    patient(story)
    story.synced()
    windows = first & windows_asked(story)
    assert len(windows) <= 1
    assert story.contact(MARISOL)["Order Count"] == "3"


@pytest.mark.slow
def test_two_processes_on_one_merchant_keep_the_rate_together(story: Story) -> None:
    rate = 15
    patient(story, requests_per_second=rate)
    processes = [story.start("sync", "--merchant", TEST) for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    times = sorted(entry["time"] for entry in story.shop.journal(TEST))
    assert len(times) > rate
    for index, start in enumerate(times):
        in_window = sum(1 for at in times[index:] if at < start + 1)
        assert in_window <= rate + max(1, round(rate * 0.2))


def test_a_renamed_merge_tag_is_looked_for_in_all_contacts_though_none_of_them_was_updated(story: Story) -> None:
    """By it each contact says whose it is; a list of what was updated shows nobody."""
    story.settings(simpletexting={"full_read": "1d"})
    story.begin_synced()
    story.texting.delete_custom_field("VScustomerID")
    story.texting.add_custom_field("VScustomerID", "shop_customer")
    story.texting.patch_contact(STRANGER, touch=False, customFields={"shop_customer": "700107"})
    story.synced()
    with story.as_run().open() as db:
        linked = "select cast(subject_id as bigint), linked_by from planned.targets where id = ?"
        assert db.rows(linked, [story.id_of(STRANGER)]) == [(700107, "VScustomerID")]
