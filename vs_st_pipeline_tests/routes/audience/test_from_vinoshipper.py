"""Tests Vinoshipper as a source against its stand-in: each mapping of audience.md 4.2, the feed's switches, R34."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.routes.audience import sources_table
from vs_st_pipeline.sandbox.scenarios.shop_worlds import RIVER_BEND
from vs_st_pipeline.sandbox.vinoshipper.server import Vinoshipper
from vs_st_pipeline_tests.routes.audience.source_world import SourceWorld, clear, extra, secret
from vs_st_pipeline_tests.sandbox.served import Served, served

SYSTEM = "vinoshipper"


@pytest.fixture(scope="module")
def box() -> Iterator[Served]:
    with served(Vinoshipper, "shop_small") as found:
        yield found


@pytest.fixture
def settings(box: Served) -> VinoshipperSettings:
    box.control.first_merchant = RIVER_BEND
    clear(box)
    winery = box.app.merchants[RIVER_BEND]
    return VinoshipperSettings(
        base_url=box.url, api_key=secret(winery.vs_key), api_secret=secret(winery.vs_secret)
    )  # fmt: skip


@pytest.fixture
def world(settings: VinoshipperSettings, tmp_path: Path) -> Iterator[SourceWorld]:
    found = SourceWorld(tmp_path, {SYSTEM: settings})
    yield found
    found.close()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vs_st_pipeline.pipeline.session.CancellableLimiter.wait", lambda self: 0.0)


def _records(box: Served, kind: str, key: str) -> dict[str, Any]:
    return {str(one[key]): one for one in box.app.records(box.app.merchants[RIVER_BEND], kind)}


def _change(box: Served, kind: str, own: str, **fields: Any) -> None:
    box.app.change_record(box.app.merchants[RIVER_BEND], kind, own, fields, replace=False, touch=True)


def _calls(box: Served) -> list[str]:
    return [one["path"] for one in box.control.journal()]


def test_customers_say_what_their_details_say(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.2: detail of everybody; opt-in by `optedIntoMarketingEmails` alone; phone with +1 where its country is 1."""
    session, arrived = world.sync(monkeypatch)
    people, told = _records(box, "customers", "id"), arrived.rows["customers"]
    assert told.keys() == people.keys()
    for own, one in people.items():
        row, home, phone = told[own], one["shippingAddress"], one["primaryPhone"]
        assert row["opted_in"] is one["optedIntoMarketingEmails"]
        assert json.loads(row["evidence"])["field"] == "optedIntoMarketingEmails"
        assert "created_at" not in row or row["created_at"] is None
        if phone and str(phone["country"]) == "1" and phone["number"]:
            assert row["phone"].startswith("+1")
        parts = arrived.of("shop_addresses", "customer_id", own)
        assert len(parts) == (1 if home else 0)
        for part in parts:
            assert (part["address1"], part["city"]) == (home["street1"], home["city"])
            assert (extra(part) or {}).get("state") == home["stateCode"]
    assert arrived.told["customers"].complete
    assert any("opts in or out" in one for one in session.seen.unseen)


def test_orders_say_what_their_details_say(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.2; rulings, audience 7; R37: PENDING, DELETED and totals below 0 are no orders."""
    _, arrived = world.sync(monkeypatch)
    orders, told = _records(box, "orders", "orderNumber"), arrived.rows["orders"]
    wanted = {
        own
        for own, one in orders.items()
        if one["status"] not in ("PENDING", "DELETED") and Decimal(str(one["total"])) >= 0
    }
    assert told.keys() == wanted
    assert len(wanted) < len(orders)
    for own in wanted:
        row, one = told[own], orders[own]
        assert row["status"] == one["orderStatus"]
        assert row["paid"] is (one["status"] == "SUCCESS")
        assert row["total"] == Decimal(str(one["total"]))
        assert row["shipping_method"] == one["shipping"]["rateDescription"]
        assert row["customer_id"] == (None if one["customer"]["id"] is None else str(one["customer"]["id"]))
        lines = arrived.of("shop_order_lines", "order_id", own)
        assert [part["quantity"] for part in lines] == [float(item["quantity"]) for item in one["products"]]
    assert all(row["own_at"] is not None for row in told.values())


@pytest.mark.parametrize("value", ["works", "no_inventory"])
def test_products_of_the_feed(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """4.2, 11 `feed`: none for members alone; without a number the stock is unknown."""
    box.control.set_switch("feed", value)
    _, arrived = world.sync(monkeypatch)
    app: Any = box.app
    shelf = app.desks[RIVER_BEND].catalog.products
    shown = {str(own): one for own, one in shelf.items() if one["approved"] and not one.get("member_only")}
    assert arrived.rows["products"].keys() == shown.keys()
    for own, one in shown.items():
        row = arrived.rows["products"][own]
        stock = None if value == "no_inventory" or one["inventory"] is None else float(one["inventory"])
        assert row["stock"] == stock
        assert row["in_stock"] is (None if stock is None else stock > 0)
        assert row["slug"] == one.get("slug")


def test_a_feed_that_is_not_there_is_told_and_the_rest_is_read(
    world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10; 11 `feed: 404`: nothing is derived of products, and their block does not begin."""
    box.control.set_switch("feed", 404)
    session, arrived = world.sync(monkeypatch)
    assert isinstance(session.seen.failed["products"], Refused)
    assert "products" not in arrived.rows
    assert arrived.rows["customers"]
    stands = world.is_complete()
    assert (stands["products"], stands["customers"], stands["orders"]) == (False, True, True)


def test_what_leaves_the_feed_is_gone(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """11 `sold_out: ignored`, `feed: empty`: a complete read lacks them."""
    _, arrived = world.sync(monkeypatch)
    box.control.set_switch("sold_out", "ignored")
    _, fewer = world.sync(monkeypatch)
    assert fewer.rows["products"].keys() < arrived.rows["products"].keys()
    assert fewer.told["products"].complete
    box.control.set_switch("feed", "empty")
    _, none = world.sync(monkeypatch)
    assert (none.rows["products"], none.told["products"].complete) == ({}, True)


def test_a_second_sync_stages_what_changed(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """12b: cost by what changed; a changed opt-in shows when the detail is read again (4.2)."""
    world.sync(monkeypatch)
    _, quiet = world.sync(monkeypatch)
    assert not quiet.rows.keys() & {"customers", "orders"}
    own = next(iter(_records(box, "customers", "id")))
    before = _records(box, "customers", "id")[own]["optedIntoMarketingEmails"]
    _change(box, "customers", own, optedIntoMarketingEmails=not before)
    world.moved = timedelta(hours=25)
    _, arrived = world.sync(monkeypatch)
    assert arrived.rows["customers"][own]["opted_in"] is not before


def test_a_budget_breaks_the_walk_off_and_the_next_sync_goes_on(
    world: SourceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R54; 5.1.1: a block begins when all details were read once, and the orders walked to `history_from`."""
    world.sync(monkeypatch, budget=5)
    assert not world.is_complete()["customers"]
    source = sources_table.source_of(world.merchant)
    with world.session() as session:
        size = source.first_walk(session)
    assert size is not None
    assert size.requests > 5
    for _ in range(40):
        world.sync(monkeypatch, budget=30)
        if all(world.is_complete().values()):
            return
    raise AssertionError(world.is_complete())


def test_hinted_records_are_read_singly(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.2, R13: an opt-in shows at once after a webhook."""
    world.sync(monkeypatch)
    source = sources_table.source_of(world.merchant)
    own, number = next(iter(_records(box, "customers", "id"))), next(iter(_records(box, "orders", "orderNumber")))
    _change(box, "customers", own, firstName="Another")
    with world.session() as session:
        assert source.read_one(session, "customer", own) is True
        assert source.read_one(session, "order", number) is False
        assert source.read_one(session, "order", "nothing") is None
        with pytest.raises(KeyError):
            source.read_one(session, "product", "1")


def test_where_contacts_reads_its_rows_are_looked_at(
    settings: VinoshipperSettings, box: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R34, R18: one route reads for both; the other looks at its rows, and goes without news where it cannot."""
    world = SourceWorld(tmp_path, {SYSTEM: settings}, routes=("contacts", "audience"))
    session, arrived = world.sync(monkeypatch)
    assert not session.seen.failed
    assert arrived.rows.keys() == {"products"}
    assert world.is_complete() == {
        "customers": False, "subscribers": False, "products": True, "wishlist": True, "orders": False,
    }  # fmt: skip
    alone = SourceWorld(tmp_path / "alone", {SYSTEM: settings})
    _, wanted = alone.sync(monkeypatch)
    alone.close()
    source = alone.warehouse.file("hillside", "audience")
    target = world.warehouse.file("hillside", "contacts")
    target.write_bytes(source.read_bytes())
    box.control.clear_journal()
    _, arrived = world.sync(monkeypatch)
    assert all("feed" in path or "profile" in path for path in _calls(box)), "it read by itself"
    assert arrived.rows["customers"].keys() == wanted.rows["customers"].keys()
    assert arrived.rows["orders"].keys() == wanted.rows["orders"].keys()
    assert all(world.is_complete().values())
    world.close()


def test_staging_once_more_changes_nothing(world: SourceWorld) -> None:
    """4.1, 12b: all tables are filled through `merging`, and a second sync that hears the same writes nothing."""
    first = world.stage()
    for name in ("shop_customers", "shop_addresses", "shop_products", "shop_orders", "shop_order_lines"):
        assert first[name] > 0, name
    second = world.stage()
    assert second["generation"] == first["generation"]
    assert {k: v for k, v in second.items() if k != "shop_reads"} == {
        k: v for k, v in first.items() if k != "shop_reads"
    }
