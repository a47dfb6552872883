"""Orders of Commerce7 and Vinoshipper, as their reader has them (notices.md 3.5, 3.6, 5.7; routes.md R34, R37)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors import commerce7, vinoshipper
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.routes.notices import sources_table
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.shop_said import of_commerce7, of_vinoshipper

TODAY = date(2026, 11, 29)
NOON = datetime(2026, 11, 29, 12)
PACIFIC = ZoneInfo("America/Los_Angeles")
HOUR = timedelta(hours=1)


def vs(**more: Any) -> dict[str, Any]:
    return {
        "orderNumber": "90001",
        "status": "SUCCESS",
        "orderStatus": "OPEN",
        "purchasedAt": "2026-11-29T10:00:00Z",
        "total": 40,
        "customer": {"id": 7, "firstName": "Ann", "lastName": "Lee"},
        "shipToAddress": {
            "firstName": "Gift",
            "phone": "7075550199",
            "stateCode": "CA",
            "country": "US",
            "city": "Napa",
        },
        "shipping": {"carrier": "UPS", "packages": [{"trackingNumber": "1Z"}]},
        "products": [{"sku": "PN", "name": "Pinot Noir", "quantity": 2}],
        **more,
    }


def c7(**more: Any) -> dict[str, Any]:
    return {
        "id": "o-1",
        "orderNumber": "1001",
        "orderPaidDate": "2026-11-29T10:00:00.000Z",
        "orderDeliveryMethod": "Ship",
        "paymentStatus": "Paid",
        "fulfillmentStatus": "Not Fulfilled",
        "total": 4000,
        "customerId": "c-1",
        "customer": {"firstName": "Ann", "lastName": "Lee", "phones": [{"phone": "+17075550142"}]},
        "shipTo": {"phone": "+17075550199", "countryCode": "US", "stateCode": "CA", "city": "Napa"},
        "items": [{"sku": "PN", "productTitle": "Pinot Noir", "quantity": 2}],
        **more,
    }


def words_of_vs(**more: Any) -> dict[str, datetime | None]:
    said = of_vinoshipper(vs(**more), None, {"primaryPhone": "7075550142"}, TODAY, PACIFIC, "HILL")
    assert said is not None
    return {one.name: one.own_at or one.bound for one in said.words}


TEN = datetime(2026, 11, 29, 10)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, {"vinoshipper.OPEN": TEN}),
        ({"status": "PENDING"}, {}),
        ({"orderStatus": "LABELS_GENERATED"}, {"vinoshipper.OPEN": TEN, "vinoshipper.LABELS_GENERATED": None}),
        (
            {"orderStatus": "SHIPPED", "shippedAt": "2026-11-29T11:00:00Z"},
            {"vinoshipper.OPEN": TEN, "vinoshipper.SHIPPED": TEN + HOUR},
        ),
        (
            {"orderStatus": "SHIPPED", "shippedAt": "2026-11-29"},  # a day alone: not before it began
            {"vinoshipper.OPEN": TEN, "vinoshipper.SHIPPED": datetime(2026, 11, 29, 8)},
        ),
        (
            {"orderStatus": "DELIVERED", "shippedAt": "2026-11-29T11:00:00Z", "deliveredAt": "2026-11-29T12:00:00Z"},
            {
                "vinoshipper.OPEN": TEN,
                "vinoshipper.DELIVERED": TEN + 2 * HOUR,
                "vinoshipper.SHIPPED": TEN + HOUR,
            },
        ),
        ({"orderStatus": "CANCELLED"}, {"vinoshipper.OPEN": TEN, "vinoshipper.CANCELLED": None}),
    ],
)
def test_words_of_vinoshipper(more: Mapping[str, Any], words: Mapping[str, datetime | None]) -> None:
    assert words_of_vs(**more) == words


def test_a_gifts_receiver_is_written_nothing() -> None:
    said = of_vinoshipper(vs(), {"primaryPhone": "7075550141"}, {"primaryPhone": "7075550142"}, TODAY, PACIFIC, None)
    assert said is not None
    assert (said.recipient["phone_raw"], said.recipient["name"]) == ("7075550142", "Ann Lee")
    only_listed = of_vinoshipper(vs(), {"primaryPhone": "7075550141"}, {}, TODAY, PACIFIC, None)
    assert only_listed is not None
    assert only_listed.recipient["phone_raw"] == "7075550141"
    nobody = of_vinoshipper(vs(), None, None, TODAY, PACIFIC, None)
    assert nobody is not None
    assert nobody.recipient["phone_raw"] is None
    shop = of_commerce7(c7(), None, TODAY)
    assert shop is not None
    assert shop.recipient["phone_raw"] == "+17075550142"
    person = of_commerce7(c7(), {"phones": [{"phone": "+17075550143"}]}, TODAY)
    assert person is not None
    assert person.recipient["phone_raw"] == "+17075550143"


@pytest.mark.parametrize(("born", "under"), [("2005-11-29", False), ("2005-11-30", True), (None, False)])
def test_a_customer_known_to_be_under_21_is_held(born: str | None, under: bool) -> None:
    said = of_vinoshipper(vs(), None, {"dateOfBirth": born}, TODAY, PACIFIC, None)
    assert said is not None
    assert said.recipient["under_age"] is under


@pytest.mark.parametrize(
    ("more", "other"),
    [
        ({}, None),
        ({"orderNumber": "HILL-1001"}, "1001"),
        ({"orderNumber": "HILLS-1001"}, None),
        ({"metaFields": {"c7_order_id": "o-1"}}, "o-1"),
        ({"metaFields": [{"key": "c7_order_id", "value": "o-1"}]}, "o-1"),
    ],
)
def test_which_orders_of_vinoshipper_are_commerce7s(more: Mapping[str, Any], other: str | None) -> None:
    said = of_vinoshipper(vs(**more), None, None, TODAY, PACIFIC, "HILL")
    assert said is not None
    assert said.other == other


def test_a_correction_is_no_order() -> None:
    assert of_vinoshipper(vs(total=-1), None, None, TODAY, PACIFIC, None) is None
    assert of_commerce7(c7(total=-1), None, TODAY) is None
    assert of_commerce7(c7(purchaseType="Refund"), None, TODAY) is None
    assert of_commerce7(c7(purchaseType="Exchange"), None, TODAY) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, {"Paid", "Not Fulfilled"}),
        ({"orderDeliveryMethod": "Pickup"}, {"Not Fulfilled"}),
        ({"orderPaidDate": None}, {"Not Fulfilled"}),
        ({"fulfillmentStatus": "Fulfilled", "shippingStatus": "In Transit"}, {"Paid", "Fulfilled", "In Transit"}),
        ({"paymentStatus": "Cancelled"}, {"Paid", "Not Fulfilled", "Cancelled"}),
    ],
)
def test_words_of_commerce7(more: Mapping[str, Any], words: set[str]) -> None:
    said = of_commerce7(c7(**more), None, TODAY)
    assert said is not None
    assert {one.name.removeprefix("commerce7.") for one in said.words} == words


# --- staged ---------------------------------------------------------------------------------------------------------


class Shop:
    """A merchant whose orders other routes read; what they have read is put into their files as it is."""

    def __init__(self, folder: Path, *routes: str) -> None:
        own = read_lineage("notices", resources.files("vs_st_pipeline.routes.notices") / "sql")
        lineages = [
            read_lineage(one.name, one.migrations)
            for one in (vinoshipper.CONNECTOR, commerce7.CONNECTOR)
            if one.migrations is not None
        ]
        streams = tuple((one.name, s) for one in (vinoshipper.CONNECTOR, commerce7.CONNECTOR) for s in one.streams)
        layout = Layout((SHARED, *lineages), None, streams)
        layouts = {"notices": Layout((SHARED, *lineages, own), None, streams), "contacts": layout, "orders": layout}
        self.warehouse = Warehouse(folder, layouts, wait_seconds=5)
        self.inbox = Inbox(folder)
        self.now = NOON
        self.routes = (*routes, "notices")
        self.settings = NoticesSettings(countries=("US",))

    @property
    def run(self) -> Run:
        sections: dict[str, Any] = {"notices": self.settings, "vinoshipper": VinoshipperSettings.model_construct()}
        if "orders" in self.routes:
            sections |= {"commerce7": Commerce7Settings.model_construct(tenant="hill")}
        merchant = Merchant("m", "M", time_zone=PACIFIC, routes=self.routes, sections=sections)
        return Run(merchant, self.warehouse, lambda: self.now.replace(tzinfo=UTC), route="notices", inbox=self.inbox)

    @property
    def session(self) -> Any:
        return SimpleNamespace(run=self.run, settings=self.settings, only=None)

    def put_vs(self, body: Mapping[str, Any]) -> None:
        with self.warehouse.open("m", "contacts") as db, db.transaction():
            db.execute(
                "insert or replace into raw.vinoshipper_customers (customer_id, list_body, list_hash) values (7, ?, 'x')",
                [json.dumps({"id": 7, "primaryPhone": "7075550142"})],
            )
            db.execute(
                """insert or replace into raw.vinoshipper_orders
                       (order_number, customer_id, detail_body, detail_at, detail_status, detail_hash)
                   values (?, 7, ?, ?, 200, ?)""",
                [body["orderNumber"], json.dumps(body), self.now, str(hash(json.dumps(body)))],
            )

    def put_c7(self, body: Mapping[str, Any]) -> None:
        text = json.dumps(body)
        with self.warehouse.open("m", "orders") as db, db.transaction():
            db.execute(
                """insert or replace into raw.commerce7_orders (id, order_number, body, body_sha256, paid_at,
                       first_seen_at, first_seen_by, read_at, read_at_real, whole)
                   values (?, ?, ?, ?, ?, ?, 'paid', ?, ?, true)""",
                [body["id"], body["orderNumber"], text, str(hash(text)), TEN, self.now, self.now, self.now],
            )

    def stage(self) -> None:
        sources_table.stage(self.session)

    def events(self) -> dict[str, tuple[str, datetime | None, str | None]]:
        with self.run.open() as db:
            rows = db.rows("select status, unit_key, occurred_at, basis from staged.journey_events order by status")
        return {row[0]: tuple(row[1:]) for row in rows}


def test_orders_of_the_route_that_reads_the_winery_are_staged_as_they_come(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "contacts")
    assert not sources_table.is_complete(shop.session)
    shop.stage()
    assert not sources_table.is_complete(shop.session)  # there is no file to look at yet
    shop.put_vs(vs())
    shop.stage()
    assert sources_table.is_complete(shop.session)
    unit = "order:vinoshipper:90001"
    assert shop.events() == {"created": (unit, TEN, "read")}
    with shop.run.open() as db:
        assert db.row(
            """select phone, name, under_age, order_number, tracking_id, courier from staged.recipients
               join staged.notice_orders using (merchant_order) where merchant_order = 'vinoshipper:90001'"""
        ) == ("+17075550142", "Ann Lee", False, "90001", "1Z", "UPS")
    shop.now += HOUR
    shop.put_vs(vs(orderStatus="LABELS_GENERATED"))
    shop.stage()
    assert shop.events()["packed"] == (unit, NOON, "between")  # not before the last read, which showed less
    shop.now += HOUR
    shop.put_vs(vs(orderStatus="SHIPPED", shippedAt="2026-11-29T13:30:00Z"))
    shop.stage()
    shop.stage()
    assert shop.events()["on_the_way"] == (unit, NOON + 1.5 * HOUR, "read")
    with shop.run.open() as db:
        assert db.value("select read_at from staged.notice_orders") == shop.now
        assert db.value("select count(*) from staged.shop_sightings") == 3


def test_an_order_in_both_systems_is_one_and_is_commerce7s(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "contacts", "orders")
    shop.put_vs(vs(orderNumber="HILL-1001", orderStatus="SHIPPED", shippedAt="2026-11-29T11:00:00Z"))
    shop.stage()
    assert shop.events() == {}  # until its side at Commerce7 is known
    shop.put_c7(c7())
    shop.stage()
    unit = "order:commerce7:o-1"
    assert shop.events() == {"created": (unit, TEN, "read"), "on_the_way": (unit, TEN + HOUR, "read")}
    with shop.run.open() as db:
        assert db.rows("select merchant_order, order_number, tracking_id from staged.notice_orders") == [
            ("commerce7:o-1", "1001", "1Z")
        ]
        assert db.rows("select phone from staged.recipients") == [("+17075550142",)]


def test_an_order_that_another_route_reads_is_hinted_to_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "contacts")
    shop.put_vs(vs())
    shop.stage()
    assert sources_table.read_again(shop.session, "vinoshipper:90001") is False
    [record] = shop.inbox.waiting(["m"], route="contacts")
    assert (record.system, record.kind, record.record) == ("vinoshipper", "order", "90001")
    with pytest.raises(KeyError):
        sources_table.read_hinted(shop.session, "90001", "vinoshipper")
    shop.inbox.close()
