"""What a large merchant costs in requests: 10,000 customers, 60,000 orders since 2019, 800 linked contacts.

Intervals are the defaults, syncs are five minutes apart as the schedule has them, and the day is always the same one,
so the counts are too. The shop shows 25 orders a page.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.connectors.vinoshipper.landing_orders import land_order_rows
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.state import set_state
from vs_st_pipeline.routes.contacts.session import open_session
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.story import Story

pytestmark = pytest.mark.slow

ESTATE = "estate-winery"
DAY = datetime(2026, 6, 17, 19, tzinfo=UTC)
WALKED_BACK_TO = "2019-03-01"
# 40 full pages of 250, and an empty one: no total is the end of a list (C10), and the last of them is as long as any.
WALK = 41
LINKED = range(701000, 701800)
BUYER, JOINS = LINKED[7], LINKED.stop + 100  # the first has a contact, the second has none


@dataclass(frozen=True)
class Cost:
    """The requests of one sync."""

    shop: Counter[str]
    texting: Counter[str]
    paths: list[str]

    def about(self, *words: str) -> int:
        """How many were about one of these: ids of customers, orders or contacts."""
        return sum(any(f"/{word}" in path for word in words) for path in self.paths)


@dataclass
class Costs:
    """What the syncs of the module cost, and the world as they found it."""

    first: Cost
    at_once: Cost
    quiet: Cost
    new_order: Cost
    new_opt_in: Cost
    shipped: Cost
    list_due: Cost
    ordered: str = ""
    shipped_order: str = ""
    orders_of_joined: int = 0


def name(entry: dict[str, Any]) -> str:
    """A request without ids: GET orders/* is a detail, GET orders a search."""
    parts = entry["path"].split("/api/")[1].removeprefix("v3/p/").split("/")
    known = ("orders", "customers", "list", "receipt", "clubs", "memberships", "contacts", "custom-fields")
    return f"{entry['method']} {'/'.join(part if part in known else '*' for part in parts)}"


def sync(story: Story, after_minutes: int) -> Cost:
    """One sync so long after the first; what it cost."""
    for control in (story.shop, story.texting):
        control.clear_journal()
    done = story.run("sync", "--merchant", ESTATE, "--json", now=DAY + timedelta(minutes=after_minutes))
    assert (done.exit_code, done.of(ESTATE)["status"]) == (0, "ok"), done
    shop, texting = story.shop.journal(), story.texting.journal()
    return Cost(Counter(map(name, shop)), Counter(map(name, texting)), [entry["path"] for entry in [*shop, *texting]])


def begin(story: Story) -> list[OrderRow]:
    """Tables as a first sync left them that was stopped when it had walked order history back to 2019.

    The rows are the shop's own, from large pages; walked by pages of 25 they alone take longer than all the rest. The
    sync that follows walks what is left of them, and reads all else, as ever.
    """
    merchant = read_merchants(story.folder / "merchants.yaml", {}).merchants[0]
    run = Run(merchant, warehouse_at(story.data), lambda: DAY)
    rows: list[OrderRow] = []
    story.shop.set_switch("page_cap", 10_000)
    with open_session(run) as visit:
        for page in range(7):
            wanted = {"processed.start": WALKED_BACK_TO, "pageIndex": page, "pageSize": 10_000}
            for text in visit.vinoshipper.search_orders(wanted).rows:
                row = json.loads(text)
                owner = row["customer"]["id"]
                rows.append(OrderRow(row["orderNumber"], owner, row["purchasedAt"], row["shippedAt"], text.decode()))
        with run.open() as db, db.transaction():
            land_order_rows(db, rows, run.now())
            reached = {"reached": WALKED_BACK_TO, "size": 32, "started": run.today().isoformat(), "complete": False}
            set_state(db, "order_history", reached, run.now())
    assert visit.report.error is None
    story.shop.set_switch("page_cap", 25)
    return rows


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Costs]:
    """One day of the estate: a sync after each thing that happens."""
    with pytest.MonkeyPatch.context() as patch, Sandbox("estate", now=DAY) as box:
        patch.setattr(cli_sync, "_warehouse", None)
        story = Story(box, tmp_path_factory.mktemp("estate"))
        quick = {"requests_per_second": 100_000}
        box.write_settings(story.folder, vinoshipper=quick, simpletexting=quick)
        rows = begin(story)
        found = Costs(*[sync(story, 0)] * 7)
        # SimpleTexting's `Date` tells whole seconds, and no mark goes past it (C14): one that is set within the
        # second in which 800 were written lies before them all. The schedule never asks so soon.
        time.sleep(1.1)
        sync(story, 0)  # the contacts come back as the first sync has written them
        found.at_once = sync(story, 0)
        found.quiet = sync(story, 5)

        at = (DAY + timedelta(minutes=6)).isoformat()
        found.ordered = story.shop.add_order(BUYER, orderNumber="NEW1", purchasedAt=at, total="20.00")["orderNumber"]
        found.new_order = sync(story, 10)

        found.orders_of_joined = sum(row.customer_id == JOINS for row in rows)
        number = story.shop.customer(JOINS)["primaryPhone"]["number"]
        story.texting.add_contact("".join(c for c in number if c.isdigit())[-10:])
        found.new_opt_in = sync(story, 15)

        waiting = [row for row in rows if row.customer_id in LINKED and "LABELS_GENERATED" in row.text]
        found.shipped_order = waiting[0].number
        at = (DAY + timedelta(minutes=50)).isoformat()
        story.shop.patch_order(found.shipped_order, orderStatus="SHIPPED", shippedAt=at)
        found.shipped = sync(story, 55)

        found.list_due = sync(story, 60)
        yield found


ROTATION = ("GET customers/*", "GET orders/*")  # details, read again evenly over their period


def asked_always(cost: Cost) -> Counter[str]:
    """What the shop was asked for but details and receipts: the questions of every sync."""
    details = (*ROTATION, "GET orders/*/receipt")
    return Counter({what: count for what, count in cost.shop.items() if what not in details})


def test_the_first_sync_has_seen_the_whole_estate(costs: Costs) -> None:
    assert costs.first.shop["POST customers/list"] == WALK
    assert costs.first.shop["GET customers/*"] == 800
    assert costs.first.shop["GET orders/*/receipt"] <= 800
    assert costs.first.texting.total() <= 20


def test_a_quiet_sync_costs_at_most_6_and_2(costs: Costs) -> None:
    assert costs.at_once.shop.total() <= 6, costs.at_once.shop
    assert costs.at_once.texting.total() <= 2, costs.at_once.texting


def test_five_minutes_later_it_costs_the_share_of_details_more_whose_turn_it_is(costs: Costs) -> None:
    assert asked_always(costs.quiet).total() <= 6, costs.quiet.shop
    assert costs.quiet.texting.total() <= 2, costs.quiet.texting
    # 800 customers a day are 2.8 in five minutes, open orders of 800 people every hour are less than one.
    assert sum(costs.quiet.shop[what] for what in ROTATION) <= 4, costs.quiet.shop


def test_the_customer_list_costs_at_most_45_more(costs: Costs) -> None:
    assert costs.list_due.shop["POST customers/list"] == WALK
    assert costs.list_due.shop.total() <= costs.quiet.shop.total() + 45, costs.list_due.shop
    assert costs.list_due.texting.total() <= costs.quiet.texting.total(), costs.list_due.texting


def test_a_new_order_costs_its_detail_its_receipt_and_its_write(costs: Costs) -> None:
    assert costs.new_order.about(costs.ordered) == 2
    assert costs.new_order.texting["PUT contacts/*"] == 1
    assert asked_always(costs.new_order).total() <= asked_always(costs.quiet).total(), costs.new_order.shop
    # A contact that was not updated lately is in no listing, and nobody is written whom the sync has not read.
    read = costs.new_order.texting["GET contacts/*"]
    assert read <= 1
    assert costs.new_order.texting.total() <= costs.quiet.texting.total() + 1 + read, costs.new_order.texting


def test_a_new_opt_in_costs_his_details_one_receipt_and_one_write(costs: Costs) -> None:
    assert costs.new_opt_in.about(str(JOINS)) == 1
    assert costs.new_opt_in.shop["GET orders/*/receipt"] <= 1
    assert costs.new_opt_in.texting["PUT contacts/*"] == 1
    assert costs.new_opt_in.shop["GET orders/*"] <= costs.orders_of_joined + 1
    assert asked_always(costs.new_opt_in) == asked_always(costs.new_order), costs.new_opt_in.shop


def test_a_shipped_order_costs_its_detail_and_its_write(costs: Costs) -> None:
    assert costs.shipped.about(costs.shipped_order) == 1
    assert costs.shipped.texting["PUT contacts/*"] <= 1
