"""Orders of Commerce7 and Vinoshipper as they are staged: one journey where both tell of one order (3.6; R37)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.routes.notices import journey, journeys, status_map
from vs_st_pipeline.routes.notices.messages import notice_id
from vs_st_pipeline.routes.notices.other_orders import OtherOrder
from vs_st_pipeline.routes.notices.other_tables import note_reads
from vs_st_pipeline.routes.notices.others import Read, Staging
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.vinoshipper_rows import Customer
from vs_st_pipeline_tests.routes.notices.test_other_rows import DETAIL, LISTED, NOON, of_commerce7, of_vinoshipper

ROUTE = "notices"
C7, VS = "commerce7:o-1", "vinoshipper:9001"
BUYER = Customer(LISTED, DETAIL)


class Desk:
    """A merchant's file, and what is taken over into it."""

    def __init__(self, folder: Path) -> None:
        own = read_lineage(ROUTE, resources.files("vs_st_pipeline.routes.notices") / "sql")
        self.warehouse = Warehouse(folder, {ROUTE: Layout((SHARED, own), None, ())}, wait_seconds=5)
        self.now = NOON + timedelta(minutes=1)
        self.settings = NoticesSettings(countries=("US",))
        self.statuses = status_map.read(self.settings.statuses)
        self._versions = 0

    @property
    def run(self) -> Run:
        merchant = Merchant("one", "One", time_zone=ZoneInfo("America/Los_Angeles"), routes=(ROUTE,))
        return Run(merchant, self.warehouse, lambda: self.now.replace(tzinfo=UTC), route=ROUTE)

    def take(self, source: str, *orders: OtherOrder, linked: dict[str, str] | None = None, **how: Any) -> None:
        self.now += timedelta(minutes=10)
        self._versions += 1
        with self.run.open() as db, db.transaction():
            staging = Staging(self.run, db, source, self.settings, self.statuses)
            staging.take([Read(one, str(self._versions), self.now) for one in orders], **how)
            if source == "vinoshipper":
                staging.resolve(linked)

    def c7(self, **changed: Any) -> None:
        self.take("commerce7", of_commerce7(**changed))

    def vs(self, *, linked: dict[str, str] | None = None, **changed: Any) -> None:
        self.take("vinoshipper", of_vinoshipper(BUYER, prefix="HILLSIDE", **changed), linked=linked)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.run.open() as db:
            return db.rows(sql)

    def events(self) -> list[tuple[str, str]]:
        return self.rows("select merchant_order, status from staged.journey_events order by 1, rank")

    def newest(self, unit: str) -> str | None:
        with self.run.open() as db:
            found = journey.newest(journeys.of_units(db, self.statuses, [unit]).get(unit, []))
        return None if found is None else found.status

    def waits(self, status: str, merchant_order: str) -> str:
        """Let a notice wait, as a plan does; its id."""
        own = notice_id("one", f"order:{merchant_order}", status, 1)
        with self.run.open() as db, db.transaction():
            db.execute(
                """insert into synced.notices (notice_id, kind, unit_key, status, occurrence, merchant_order, state,
                       first_seen_at, changed_at) values (?, 'notice', ?, ?, 1, ?, 'waiting', ?, ?)""",
                [own, f"order:{merchant_order}", status, merchant_order, self.now, self.now],
            )
        return own


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    yield found
    found.warehouse.close()


SHIPPED: dict[str, Any] = {"orderStatus": "SHIPPED", "shippedAt": "2026-06-10T12:20:00Z"}
META: dict[str, Any] = {"metaFields": {"c7_order_id": "o-1"}}


@pytest.mark.parametrize("link", [META, {"number": "HILLSIDE-1001"}])
def test_what_both_tell_of_is_one_journey_with_commerce7s_phone(desk: Desk, link: dict[str, Any]) -> None:
    desk.c7()
    desk.vs(**link, **SHIPPED)
    assert desk.events() == [(C7, "created"), (C7, "on_the_way")]
    assert desk.rows("select unit_key, merchant_order, kind from staged.units") == [(f"order:{C7}", C7, "order")]
    assert desk.rows("select merchant_order, phone from staged.recipients") == [(C7, "+17075551001")]
    assert [row[0] for row in desk.rows("select merchant_order from staged.notice_orders")] == [C7]


def test_until_its_commerce7_side_is_known_it_is_no_unit(desk: Desk) -> None:
    desk.vs(**META, **SHIPPED)
    assert (desk.events(), desk.rows("select 1 from staged.recipients")) == ([], [])
    desk.c7()
    desk.vs(**META, **SHIPPED)
    assert desk.events() == [(C7, "created"), (C7, "on_the_way")]
    assert not any(row[0] for row in desk.rows("select in_baseline from staged.journey_events"))


def test_it_joins_without_news_of_its_own(desk: Desk) -> None:
    desk.vs(**META, **SHIPPED)
    desk.c7()
    desk.take("vinoshipper")
    assert desk.events() == [(C7, "created"), (C7, "on_the_way")]


def test_an_order_of_commerce7_that_has_no_journey_gives_none_to_vinoshippers(desk: Desk) -> None:
    desk.c7(orderDeliveryMethod="Pickup")
    desk.vs(**META, **SHIPPED)
    assert desk.events() == []


def test_an_order_of_vinoshipper_alone_is_a_unit_of_its_own(desk: Desk) -> None:
    desk.c7()
    desk.vs()
    assert desk.events() == [(C7, "created"), (VS, "created")]


def test_what_becomes_one_later_tells_nothing_of_before(desk: Desk) -> None:
    """Somebody may have been told already, as of an order of Vinoshipper's own."""
    desk.vs()
    waiting = desk.waits("created", VS)
    desk.c7()
    desk.vs(**META, orderStatus="LABELS_GENERATED")
    assert desk.events() == [(C7, "created"), (C7, "packed")]
    assert desk.rows("select distinct in_baseline from staged.journey_events") == [(True,)]
    assert desk.rows("select notice_id, state, reason from synced.notices") == [(waiting, "dropped", "superseded")]
    assert [row[0] for row in desk.rows("select merchant_order from staged.notice_orders")] == [C7]
    desk.vs(**META, **SHIPPED)
    told = desk.rows("select status, in_baseline from staged.journey_events order by rank")
    assert told == [("created", True), ("packed", True), ("on_the_way", False)]


def test_what_a_person_linked_in_route_orders_is_one_as_well(desk: Desk) -> None:
    desk.c7()
    desk.vs(linked={"9001": "o-1"}, **SHIPPED)
    assert {order for order, _ in desk.events()} == {C7}


def test_a_link_that_was_once_said_stays(desk: Desk) -> None:
    desk.c7()
    desk.vs(**META)
    desk.vs(**SHIPPED)
    assert desk.events() == [(C7, "created"), (C7, "on_the_way")]


def test_what_is_taken_back_is_told_no_more(desk: Desk) -> None:
    desk.vs(orderStatus="LABELS_GENERATED")
    own = desk.waits("packed", VS)
    desk.vs()
    assert desk.newest(f"order:{VS}") == "created"
    assert desk.rows("select notice_id, state, reason, rule from synced.notices") == [(own, "dropped", "superseded", 4)]


def test_a_status_without_a_time_is_between_two_reads(desk: Desk) -> None:
    desk.vs()
    before = desk.now
    desk.vs(orderStatus="LABELS_GENERATED")
    rows = desk.rows("select basis, occurred_at from staged.journey_events where status = 'packed'")
    assert rows == [("between", before)]


def test_a_read_with_the_same_row_makes_an_order_fresh(desk: Desk) -> None:
    desk.c7()
    desk.vs(**META)
    older, newer = desk.now - timedelta(minutes=10), desk.now
    read_at = "select read_at from staged.notice_orders"
    assert desk.rows(read_at) == [(older,)]  # as old as the older one of both
    with desk.run.open() as db, db.transaction():
        note_reads(db, "commerce7", [("o-1", newer + timedelta(hours=1))])
    assert desk.rows(read_at) == [(newer,)]
    with desk.run.open() as db, db.transaction():
        note_reads(db, "commerce7", [("o-1", older)])  # nothing becomes older
    assert desk.rows(read_at) == [(newer,)]


def test_tracking_comes_from_vinoshipper_where_commerce7_has_none(desk: Desk) -> None:
    desk.c7()
    shipping = {"carrier": "UPS", "packages": [{"trackingNumber": "1Z9"}]}
    desk.vs(**META, **SHIPPED, shipping=shipping)
    assert desk.rows("select tracking_id, courier from staged.notice_orders") == [("1Z9", "UPS")]
    desk.c7(fulfillments=[{"id": "f", "shipped": {"trackingNumbers": ["1Z7"], "carrier": "UPS"}}])
    assert desk.rows("select tracking_id from staged.notice_orders") == [("1Z7",)]


def test_an_order_taken_over_twice_is_the_same(desk: Desk) -> None:
    desk.vs(**SHIPPED)
    before = desk.rows("select * from staged.journey_events"), desk.rows("select * from staged.source_words")
    desk.vs(**SHIPPED)
    assert (desk.rows("select * from staged.journey_events"), desk.rows("select * from staged.source_words")) == before


def test_times_are_of_the_source() -> None:
    assert of_vinoshipper(**SHIPPED).words[0].at == datetime(2026, 6, 10, 12, 20)


def test_a_customer_known_as_under_age_at_vinoshipper_is_so_for_both(desk: Desk) -> None:
    young = {"day": 1, "month": 1, "year": 2010}
    desk.c7()
    desk.vs(**META, customer={"id": 7, "dateOfBirth": young})
    desk.c7(giftMessage="Cheers")
    assert desk.rows("select merchant_order, under_age from staged.recipients") == [(C7, True)]
    assert desk.rows("select own, version from staged.source_orders where source = 'vinoshipper'") == [("9001", None)]
    desk.vs(**META, customer={"id": 7, "dateOfBirth": {**young, "year": 1980}})  # a typing error
    assert desk.rows("select under_age from staged.recipients") == [(False,)]
