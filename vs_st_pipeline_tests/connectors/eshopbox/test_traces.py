"""What names a person in an order, and that who was forgotten stays out (notices.md 9.4; routes.md R20)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.eshopbox import CONNECTOR, landing, retention, stored, traces
from vs_st_pipeline.connectors.eshopbox.landing import Read
from vs_st_pipeline.connectors.eshopbox.order_record import read_order
from vs_st_pipeline.connectors.eshopbox.streams import ORDERS, STORED
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, PHONE, Identifiers, erase, suppress

NOON = datetime(2026, 11, 29, 12)


def order(number: str, phone: Any, email: str | None = None, country: str | None = "IN", **more: Any) -> dict[str, Any]:
    address = {"customerName": "Asha Rao", "contactPhone": phone, "email": email, "countryCode": country}
    item = {"externalShipmentID": f"S{number}", "status": "packed", "statusUpdatedAt": "2026-11-29 12:00:00"}
    return {
        "id": int(number[1:]),
        "customerOrderNumber": number,
        "orderDate": "2026-11-29 12:00:00",
        "shippingAddress": address,
        "items": [item],
        **more,
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    assert CONNECTOR.migrations is not None
    layout = Layout((SHARED, read_lineage("eshopbox", CONNECTOR.migrations)), None, (("eshopbox", ORDERS),))
    warehouse = Warehouse(tmp_path, {"notices": layout}, wait_seconds=5)
    return Run(Merchant("m", "M"), warehouse, lambda: NOON.replace(tzinfo=UTC), route="notices")


def land(run: Run, *bodies: dict[str, Any]) -> set[str]:
    zone = ZoneInfo("Asia/Kolkata")
    reads = [Read(body, read_order(body, body["customerOrderNumber"], zone), NOON, time.time()) for body in bodies]
    with run.open() as db, db.transaction():
        return landing.land(run, db, reads)


def count(run: Run) -> dict[str, int]:
    with run.open() as db:
        return {
            table: db.value(f"select count(*) from raw.eshopbox_{table}")
            for table in ("orders", "known", "sightings", "hooks")
        }


@pytest.mark.parametrize("typed", ["9845000001", "09845000001", "+91 98450 00001", 9845000001])
def test_a_phone_leads_to_all_orders_that_have_it_however_it_was_typed(run: Run, typed: Any) -> None:
    land(run, order("A1", typed, "asha@example.com"), order("A2", "9845000002"))
    names = Identifiers(phones={"919845000001"})
    with run.open() as db:
        traces.find_person(db, names)
    assert names.records == {STORED: {"A1"}}
    assert names.emails == {"asha@example.com"}


def test_an_email_that_other_phones_have_too_names_nobody(run: Run) -> None:
    """9.4, `forget PHONE`: a shop that writes its own e-mail for all does not forget them all with one."""
    shared = "orders@shop.example"
    land(run, order("A1", "9845000001", shared), order("A2", "9845000002", shared), order("A3", "9845000001"))
    names = Identifiers(phones={"919845000001"})
    with run.open() as db:
        traces.find_person(db, names)
    assert names.records == {STORED: {"A1", "A3"}}
    assert shared not in names.emails


def test_an_email_or_a_number_leads_to_the_phone(run: Run) -> None:
    land(run, order("A1", "9845000001", "asha@example.com"))
    for given in (Identifiers(emails={"asha@example.com"}), Identifiers(records={STORED: {"A1"}})):
        found = Identifiers()
        with run.open() as db:
            traces.find_named(db, given, found)
        assert found.records == {STORED: {"A1"}}
        assert "919845000001" in found.phones


def test_forgetting_an_order_leaves_nothing_of_it(run: Run) -> None:
    land(run, order("A1", "9845000001"), order("A2", "9845000002"))
    with run.open() as db, db.transaction():
        erase(db, [(STORED, "A1")], NOON)
    assert count(run) == {"orders": 1, "known": 1, "sightings": 2, "hooks": 0}


@pytest.mark.parametrize("name", [(PHONE, "919845000001"), (EMAIL, "asha@example.com")])
def test_orders_of_forgotten_people_are_kept_out_and_not_asked_for_again(run: Run, name: tuple[str, str]) -> None:
    with run.open() as db, db.transaction():
        suppress(db, [name], NOON)
        stored.hear_of(db, {"A1": None}, stored.NEW, NOON)
    assert land(run, order("A1", "9845000001", "asha@example.com")) == set()
    assert count(run) == {"orders": 0, "known": 0, "sightings": 0, "hooks": 0}
    with run.open() as db, db.transaction():
        stored.hear_of(db, {"A1": None}, stored.NEW, NOON)
    assert count(run)["known"] == 0


def test_bodies_of_orders_that_are_over_go_and_what_was_seen_stays(run: Run) -> None:
    land(run, order("A1", "9845000001"), order("A2", "9845000002"))
    with run.open() as db, db.transaction():
        stored.note_open(db, {"A1": False})
        retention.prune(db, datetime(2026, 11, 30))
    with run.open() as db:
        assert db.rows("select id, body is null from raw.eshopbox_orders order by id") == [("A1", True), ("A2", False)]
    assert count(run)["sightings"] == 4
    assert land(run, order("A1", "9845000001")) == {"A1"}  # read again, it is there again
    assert count(run)["sightings"] == 4
