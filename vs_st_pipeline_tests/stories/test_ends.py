"""How a list is known to be at its end (C10, C22), what is said where it is not (C11, R24), and how far a mark may go.

A number from the other side never ends anything; `test_no_silence.py` tries every pair of what lists may do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow, goes_on, meet, sort_has_effect
from vs_st_pipeline.routes.contacts import metrics
from vs_st_pipeline.sandbox import SWITCHES
from vs_st_pipeline_tests.support.between import Between, Told, between
from vs_st_pipeline_tests.support.story import FFION, MARISOL, NOW_AND_ALWAYS, RENSKE, TEST, Ran, Record, Story

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

TOTALS = SWITCHES["vinoshipper"]["order_total"][1:]
RELEASE = "2026-03-05"
NOTHING_ORDERS = {"paging": "none", "order_sort": "ignored"}
SUMS = ("Order Count", "Lifetime Value")


def later(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days, minutes=1)).isoformat()


def release(story: Story, count: int, *customers: int, day: str = RELEASE) -> None:
    """Orders of one day, each by another of these customers in turn."""
    for i in range(count):
        at = f"{day}T{9 + i // 60:02d}:{i % 60:02d}:00-08:00"
        owner = customers[i % len(customers)]
        story.shop.add_order(owner, orderNumber=f"REL{day}-{i:03d}", purchasedAt=at, total="30.00", status="SUCCESS")


def patient(story: Story) -> None:
    """The default intervals."""
    fast = {"requests_per_second": 500}
    story.box.write_settings(story.folder, give_up_after="2s", vinoshipper=fast, simpletexting=fast)


def partial(done: Ran) -> Record:
    report = done.of()
    assert (done.exit_code, report["status"], report["error"]) == (1, "partial", None), done
    return report


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with story.as_run().open() as db:
        return db.rows(sql)


@contextmanager
def refusing(story: Story, which: Callable[[Told], bool], status: int) -> Iterator[Between]:
    """Put a server before the shop that refuses these requests."""
    with between(story.box.vinoshipper.url) as wire:
        quick = {"refresh": NOW_AND_ALWAYS, "base_url": wire.url}
        story.settings({TEST: {"vinoshipper": quick}}, give_up_after="1s")

        def refuse(told: Told) -> None:
            if which(told):
                told.status, told.json = status, {"error": {"status": status, "errors": []}}

        wire.before.append(refuse)
        yield wire


def one_less(told: Told) -> None:
    if told.ends("/customers/list") and told.status == 200:
        told.json = {**told.json, "items": told.json["items"][:-1]}


# --- C10: totals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", TOTALS)
def test_c10_a_total_of_customers_ends_nothing(story: Story, told: str) -> None:
    """Smaller than what is there, of the page only, zero, negative, null, text, beyond int64: read to the end."""
    story.shop.set_switches({"customers_total": told, "customers_page_cap": 5})
    done = story.sync()
    if told in ("more", "huge"):
        assert done.of()["error"]["kind"] == "bad_answer"
        return
    assert done.of()["status"] == "ok", done
    assert done.of()["raw"]["customers"] == len(story.shop.customers(TEST)) == 13
    assert rows(story, "select count(*) from raw.vinoshipper_customers where missing > 0") == [(0,)]


@pytest.mark.parametrize("told", TOTALS)
@pytest.mark.parametrize("paging", ["pageIndex", pytest.param("none", marks=pytest.mark.slow)])
def test_c10_a_total_of_orders_ends_nothing(story: Story, told: str, paging: str) -> None:
    release(story, 28, 700101, 700108)
    story.shop.set_switches({"total_key": "total", "order_total": told, "page_cap": 25, "paging": paging})
    done = story.sync()
    if told in ("more", "huge"):
        assert done.of()["error"]["kind"] == "bad_answer"
        return
    assert done.of()["status"] == "ok", done
    assert done.of()["raw"]["orders"] == len(story.shop.orders(TEST))
    assert story.contact(MARISOL)["Order Count"] == str(3 + 14)


@pytest.mark.parametrize("told", ["page", "fewer", "null"])
def test_c10_a_total_ends_nothing_where_the_dates_are_ignored(story: Story, told: str) -> None:
    story.shop.set_switches(
        {"total_key": "total", "order_total": told, "page_cap": 5, "date_filter": "ignored"},
    )
    assert story.synced()["raw"]["orders"] == len(story.shop.orders(TEST))
    story.shop.add_order(700101, orderNumber="LATEST", purchasedAt=datetime.now(UTC).isoformat(), total="20.00")
    story.synced()
    assert story.contact(MARISOL)["Order Count"] == "4"


@pytest.mark.parametrize(
    ("page", "whole"),
    [
        ("DE", True),  # the next page
        ("CDE", True),  # an order begins on one page and ends on the next
        ("BCD", True),  # pages overlap
        ("BC", True),  # a part of what was met
        ("", True),
        ("AC", False),  # B should be between them
        ("CB", False),
        ("BD", False),  # C should be before anything new
        ("DA", False),  # what was met comes first
        ("CDA", False),
    ],
)
def test_whether_a_page_goes_on_with_its_list(page: str, whole: bool) -> None:
    assert goes_on("ABC", page) is whole


def test_c10_an_empty_page_that_tells_of_orders_is_no_end(story: Story) -> None:
    release(story, 3, 700101)
    story.shop.set_switches({"total_key": "total", "order_total": "more"})
    story.failed("bad_answer", system="vinoshipper")


def test_c10_a_list_that_shows_its_last_page_again_past_its_end_is_at_its_end(story: Story) -> None:
    story.shop.set_switch("customers_past_the_end", "last_page")
    for told in ("true", "page", "zero"):
        story.shop.set_switch("customers_total", told)
        assert story.synced("--full")["raw"]["customers"] == 13


@pytest.mark.parametrize("told", ["page", "zero", "null"])
def test_c10_pages_that_are_ignored_and_a_total_of_the_page_are_no_proof(story: Story, told: str) -> None:
    """Five of thirteen; the free-text search shows another one."""
    story.shop.set_switches({"customers_paging": "ignored", "customers_page_cap": 5, "customers_total": told})
    story.failed("bad_answer", system="vinoshipper")


def test_c10_pages_that_are_ignored_are_told_where_the_total_alone_says_that_this_is_all(story: Story) -> None:
    story.shop.set_switch("customers_paging", "ignored")
    story.synced()
    assert "ignores its pages" in story.run("sync", "--merchant", TEST).out


@pytest.mark.parametrize("status", [400, 404])
def test_c10_a_page_of_customers_past_the_end_may_be_refused(story: Story, status: int) -> None:
    with refusing(story, lambda told: told.ends("/customers/list") and told.sent["pageIndex"] > 0, status) as wire:
        assert story.synced()["raw"]["customers"] == 13
        wire.rules.append(one_less)
        story.failed("bad_answer", "--full", system="vinoshipper")  # its total says that one is missing


@pytest.mark.parametrize("names", [("pageIndex",), ("pageIndex", "page", "offset")])
def test_refused_page_steps_of_the_order_search_are_no_end(story: Story, names: tuple[str, ...]) -> None:
    """Section 5: names for paging that are refused are another way that has no effect, and no last page."""
    story.shop.set_switch("page_cap", 25)
    release(story, 24, 700101, day="2026-03-04")
    release(story, 24, 700101, day="2026-03-05")
    with refusing(story, lambda told: told.ends("/orders") and bool(told.query.keys() & set(names)), 400):
        assert story.synced()["raw"]["orders"] == len(story.shop.orders(TEST))
    assert story.contact(MARISOL)["Order Count"] == str(3 + 48)


@pytest.mark.parametrize("status", [400, 405])
def test_an_order_search_that_takes_no_query_string_is_asked_by_body(story: Story, status: int) -> None:
    """Section 5, facts 12: both ways exist. What the body's page past its end answers is not known either."""
    release(story, 30, 700101)

    def which(told: Told) -> bool:
        past = told.ends("/orders/search") and bool(told.sent.get("pageIndex"))
        return (told.method == "GET" and told.ends("/orders")) or past

    with refusing(story, which, status):
        assert story.synced()["raw"]["orders"] == len(story.shop.orders(TEST))
    assert story.contact(MARISOL)["Order Count"] == str(3 + 30)


def test_c10_what_a_sync_costs(story: Story) -> None:
    """A total that is not believed costs a request for a list of one page, and nothing in a quiet sync."""
    patient(story)
    story.shop.set_switch("total_key", "total")
    story.synced()
    first = Counter(entry["path"].split("/")[-1] for entry in story.shop.journal(TEST))
    # By how many windows the order history is searched depends on the hour at which the world begins: 16 to 18.
    assert first["list"] == 2
    assert 16 <= first["orders"] <= 18
    story.clear_journals()
    assert story.synced()["calls"]["vinoshipper"] <= 4


# --- C22: a list that shuffles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["true", "page", "fewer", "null"])
@pytest.mark.slow
def test_c22_a_customer_list_that_shuffles_is_walked_until_nobody_new_comes(story: Story, told: str) -> None:
    story.shop.set_switches({"customers_order": "shuffled", "customers_page_cap": 5, "customers_total": told})
    for _ in range(3):
        assert story.synced()["raw"]["customers"] == 13
    assert rows(story, "select count(*) from raw.vinoshipper_customers where missing > 0") == [(0,)]
    unseen = story.run("sync", "--merchant", TEST).out
    assert ("comes in another order" in unseen) is (told != "true")
    story.clean()


def test_c22_nobody_is_missing_from_a_shuffled_list_that_is_not_known_to_be_complete(story: Story) -> None:
    story.synced()
    story.shop.set_switches({"customers_order": "shuffled", "customers_page_cap": 5, "customers_total": "page"})
    story.shop.delete_customer(700126)
    story.synced()
    assert rows(story, "select count(*) from raw.vinoshipper_customers where missing > 0") == [(0,)]
    story.shop.set_switch("customers_total", "true")
    story.synced()
    assert rows(story, "select customer_id from raw.vinoshipper_customers where missing > 0") == [(700126,)]


def test_c22_orders_that_shuffle_are_all_read(story: Story) -> None:
    """Smaller windows have fewer pages."""
    release(story, 20, 700101, day=RELEASE)
    release(story, 20, 700101, day="2026-03-12")
    for told in ("none", "total"):
        story.shop.set_switches({"order_sort": "shuffled", "total_key": told})
        assert story.synced("--full")["raw"]["orders"] == len(story.shop.orders(TEST))


# --- C11, R24: days that cannot be seen whole ---------------------------------------------------------------------


def test_c11_a_day_that_cannot_be_seen_whole_is_told_and_its_sums_are_left_as_they_are(story: Story) -> None:
    story.begin_synced()
    before = {phone: story.contact(phone) for phone in (MARISOL, RENSKE)}
    release(story, 80, 700101, 700108)
    story.shop.set_switches(NOTHING_ORDERS)
    done = story.sync("--full")
    assert partial(done)["synced"]["rejected"] == 0
    assert rows(story, "select day::varchar, shown from raw.unseen_windows where told") == [(RELEASE, 25)]
    assert {story.contact(phone)[field] == before[phone][field] for phone in before for field in SUMS} == {True}
    # All else goes on; Marisol's newest order is younger than that day, and is known.
    story.shop.patch_customer(700101, shippingAddress={"city": "Bodega", "stateCode": "CA"})
    newest = story.contact(MARISOL)["VS Last Order Number"]
    story.shop.patch_order(newest, orderStatus="DELIVERED")
    for _ in range(2):
        partial(story.sync("--full"))
    assert story.contact(MARISOL)["City"] == "Bodega"
    assert story.contact(MARISOL)["Order Status"] == "Delivered"
    told = story.run("sync", "--merchant", TEST).out
    assert f"25 orders of {RELEASE}" in told
    assert "asked for again every week" in told
    doubts = story.run("check", "--merchant", TEST, "--json").of()["doubts"]
    assert sum(RELEASE in doubt for doubt in doubts) == 1
    with story.as_run().open() as db:
        found = metrics.unseen("order")(story.as_run(), db)
    assert RELEASE in found.detail
    story.clean()


def test_r24_fields_of_the_newest_order_wait_where_it_may_not_be_the_newest(story: Story) -> None:
    """A first sync: nothing is known of the day of the release, and it is today."""
    today = datetime.now(UTC).date().isoformat()
    release(story, 60, 700101, 700108, day=today)
    story.shop.set_switches(NOTHING_ORDERS)
    partial(story.sync())
    said = story.contact(MARISOL)
    assert said["City"]
    assert not {*SUMS, "Last Order Date", "VS Last Order Number", "Order Total", "Tracking Number"} & set(said)


@pytest.mark.slow
def test_r24_a_standing_plan_keeps_saying_so_and_the_day_is_asked_for_again_after_a_week(story: Story) -> None:
    patient(story)
    release(story, 60, 700101, 700108, day="2025-11-05")  # none of the days that are compared in turn
    story.shop.set_switches(NOTHING_ORDERS)
    for _ in range(4):
        partial(story.sync())
    story.clear_journals()
    partial(story.sync())
    asked = [entry["query"].get("processed.start") for entry in story.shop.journal(TEST)]
    assert "2025-11-05" not in asked
    assert RELEASE not in json.dumps(asked)
    story.shop.set_switches({"paging": "pageIndex", "order_sort": "works"})
    partial(story.sync(now=later(5)))
    story.synced(now=later(8))
    assert "unseen" not in story.run("sync", "--merchant", TEST, now=later(8)).out
    assert story.contact(MARISOL)["Order Count"] == "33"


def test_r24_what_was_cut_is_found_by_halves_where_the_page_is_smaller_than_was_ever_seen(story: Story) -> None:
    """The newest day shows five rows, as every window does; that they are cut is seen from the older ones."""
    release(story, 9, 700101, 700108)
    story.shop.set_switches({**NOTHING_ORDERS, "page_cap": 5})
    partial(story.sync())
    assert (datetime.fromisoformat(RELEASE).date(),) in rows(story, "select day from raw.unseen_windows where told")
    held = {row[0] for row in rows(story, "select order_number from raw.vinoshipper_orders")}
    days = {
        row[0] for row in rows(story, "select day + i::int from raw.unseen_windows, range(-1, 2) as r(i) where told")
    }
    for order in story.shop.orders(TEST):
        day = datetime.fromisoformat(order["purchasedAt"]).date()
        assert order["orderNumber"] in held or str(day) in {str(found)[:10] for found in days}


@pytest.mark.parametrize("switches", [NOTHING_ORDERS, {"paging": "none"}, {**NOTHING_ORDERS, "inclusive_end": False}])
@pytest.mark.slow
def test_r24_a_tiny_shop_and_pages_that_are_not_cut_are_no_false_alarm(story: Story, switches: Record) -> None:
    for order in story.shop.orders(TEST):
        story.shop.delete_order(order["orderNumber"])
    release(story, 12, 700101, 700108)
    story.shop.set_switches(switches)
    for _ in range(3):
        story.synced("--full")
        assert "unseen" not in story.run("sync", "--merchant", TEST).out
    assert story.contact(MARISOL)["Order Count"] == "6"


def test_r24_days_beside_each_other_are_told_apart_where_the_end_belongs_to_the_window(story: Story) -> None:
    """Twenty on each of two days: the window of the first shows both, and the first by itself is whole."""
    release(story, 20, 700101, day=RELEASE)
    release(story, 20, 700101, day="2026-03-06")
    story.shop.set_switches(NOTHING_ORDERS)
    story.synced()
    assert story.contact(MARISOL)["Order Count"] == "43"


def test_r24_shipments_of_one_day_that_cannot_all_be_seen_are_told_and_stop_nothing(story: Story) -> None:
    story.begin_synced()
    release(story, 40, 700101, 700108)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    story.shop.set_switches(NOTHING_ORDERS)
    for order in story.shop.orders(TEST):
        if order["orderNumber"].startswith("REL") and int(order["orderNumber"][-3:]) < 20:
            story.shop.patch_order(order["orderNumber"], purchasedAt=f"2026-04-02T10:00:{order['orderNumber'][-2:]}Z")
    for order in story.shop.orders(TEST):
        if order["orderNumber"].startswith("REL"):
            story.shop.patch_order(order["orderNumber"], orderStatus="SHIPPED", shippedAt=now)
    story.synced()
    assert "not every shipment shows by itself" in story.run("sync", "--merchant", TEST).out


# --- C14: marks that only grow ------------------------------------------------------------------------------------


def test_c14_a_membership_of_a_year_to_come_does_not_blind_the_feed(story: Story) -> None:
    story.begin_synced()
    patient(story)
    first = story.shop.customer(700101)["memberships"][0]["id"]
    story.shop.patch_membership(first, modified="2221-01-01T00:00:00Z")
    story.synced()
    mark = json.loads(rows(story, "select value from raw.marks where name = 'memberships'")[0][0])
    assert datetime.fromisoformat(mark["at"]) <= datetime.now(UTC)
    story.clear_journals()
    story.synced()
    assert not [entry for entry in story.shop.journal(TEST) if "/customers/7" in entry["path"]], "told once"
    story.shop.add_membership(700108, clubName="After All")
    story.synced()
    assert story.contact(RENSKE)["Club Name"].endswith("After All")
    story.shop.patch_membership(first, hold=True, modified="2222-01-01T00:00:00Z")
    story.synced()
    assert story.contact(MARISOL)["Club Status"]


def test_c14_a_mark_that_is_ahead_already_is_drawn_back_and_what_it_hid_is_found(story: Story) -> None:
    story.begin_synced()
    patient(story)
    with story.as_run().open() as db:
        db.execute(
            """update raw.marks set value = '{"at": "2221-01-01T00:00:00+00:00", "ids": ["1"]}'
               where name = 'memberships'"""
        )
    story.shop.add_membership(700108, clubName="Hidden")
    story.synced()
    assert story.contact(RENSKE)["Club Name"].endswith("Hidden")
    mark = json.loads(rows(story, "select value from raw.marks where name = 'memberships'")[0][0])
    assert datetime.fromisoformat(mark["at"]) <= datetime.now(UTC)
    story.clear_journals()
    story.synced()
    assert not any("customers/list" in entry["path"] for entry in story.shop.journal(TEST)), "it is walked once"


# --- what two answers prove ---------------------------------------------------------------------------------------


def bought(*moments: str | int) -> list[OrderRow]:
    """Rows named by their letter and bought at their minute: `a5`; without a minute, nobody says when."""
    found = []
    for moment in map(str, moments):
        at = f"2026-03-05T10:{int(moment[1:]):02d}:00Z" if moment[1:] else None
        found.append(OrderRow(moment[0], None, at, None, ""))
    return found


@pytest.mark.parametrize(
    ("down", "up", "works", "whole"),
    [
        (["a9", "b8", "c7"], ["e1", "d2", "c7"], True, True),
        (["a9", "b8", "c7"], ["e1", "d2", "f3"], True, False),
        (["a9", "b8", "c7"], ["c7", "b8", "a9"], True, True),
        (["a9", "b8", "c7"], ["a9", "b8", "c7"], False, True),  # the same order both times
        (["c7", "a9", "b8"], ["b8", "c7", "a9"], False, True),  # no order at all
        (["a5", "b5"], ["a5", "b5"], None, False),  # of one moment
        (["a5", "b5"], ["b5", "a5"], True, True),
        (["a9", "b5", "c5"], ["d1", "b5", "c5"], True, False),  # more of that moment may be there
        (["a9", "b5", "c5"], ["d1", "e5", "c5"], True, True),
        (["a", "b", "c"], ["c", "b", "a"], True, True),
        (["a", "b", "c"], ["a", "b", "c"], False, False),
        (["a5"], ["a5"], None, True),
    ],
)
def test_what_both_directions_prove(down: list[str], up: list[str], works: bool | None, whole: bool) -> None:
    assert sort_has_effect(bought(*down), bought(*up)) is works
    if works is not False:
        assert meet(bought(*down), bought(*up)) is whole


def test_ffion_has_two_contacts_and_both_keep_their_sums(story: Story) -> None:
    """R24 holds for whoever stands for the merchant's customers, by whichever contact."""
    story.begin_synced()
    before = story.contact(FFION)
    release(story, 80, 700110)
    story.shop.set_switches(NOTHING_ORDERS)
    partial(story.sync("--full"))
    assert {field: story.contact(FFION).get(field) for field in SUMS} == {field: before.get(field) for field in SUMS}
