"""Tests Commerce7 as a source against its stand-in: each mapping of audience.md 4.2, and each switch of 11."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.routes.audience import sources_table
from vs_st_pipeline.sandbox.commerce7.server import Commerce7
from vs_st_pipeline.sandbox.scenarios import shop_small as small
from vs_st_pipeline.sandbox.scenarios.shop_worlds import STONE_MILL
from vs_st_pipeline_tests.routes.audience.source_world import SourceWorld, clear, extra, secret
from vs_st_pipeline_tests.sandbox.served import Served, served

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

SYSTEM = "commerce7"


@pytest.fixture(scope="module")
def box() -> Iterator[Served]:
    with served(Commerce7, "shop_small") as found:
        yield found


@pytest.fixture
def world(box: Served, tmp_path: Path) -> Iterator[SourceWorld]:
    box.control.first_merchant = STONE_MILL
    clear(box)
    box.control.set_switch("limit_per_minute", None)
    found = _world(box, tmp_path)
    yield found
    found.close()


def _world(box: Served, folder: Path) -> SourceWorld:
    keys = box.control.keys()
    settings = Commerce7Settings(
        base_url=f"{box.url}/v1", tenant=keys["tenant"], app_id=secret(keys["app_id"]),
        app_secret=secret(keys["app_secret"]),
    )  # fmt: skip
    return SourceWorld(folder, {SYSTEM: settings})


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vs_st_pipeline.pipeline.session.CancellableLimiter.wait", lambda self: 0.0)


def _ids(box: Served, kind: str) -> dict[str, Any]:
    return {one["id"]: one for one in box.app.records(box.app.merchants[STONE_MILL], kind)}


def _change(box: Served, kind: str, own: str, **fields: Any) -> None:
    box.app.change_record(box.app.merchants[STONE_MILL], kind, own, fields, replace=False, touch=True)


def test_each_row_says_what_commerce7_says(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.2, column `commerce7`, against the stand-in's own records, by a second reading of them."""
    session, arrived = world.sync(monkeypatch)
    people, told = _ids(box, "customers"), arrived.rows["customers"]
    assert told.keys() == people.keys()
    for own, one in people.items():
        row = told[own]
        assert row["email"] == next((e["email"].strip() for e in one["emails"] if e["email"]), None)
        assert row["phone"] == next((p["phone"] for p in one["phones"] if p["phone"]), None)
        status = one["emailMarketingStatus"]
        assert row["opted_in"] == {"Subscribed": True, "Unsubscribed": False, None: None}[status]
        if status is not None:
            evidence = json.loads(row["evidence"])
            assert (evidence["system"], evidence["value"]) == (SYSTEM, status)
        homes = sorted(
            (a for a in _ids(box, "addresses").values() if a["customerId"] == own),
            key=lambda a: (not a["isDefault"], a["createdAt"], a["id"]),
        )
        parts = sorted(arrived.of("shop_addresses", "customer_id", own), key=lambda part: part["position"])
        assert [part["address1"] for part in parts] == [home["address"] for home in homes]
        assert [extra(part) for part in parts] == [
            {"state": home["stateCode"]} if home["stateCode"] else None for home in homes
        ]
    assert session.seen.rows["customers"] == len(people)
    assert all(arrived.told[kind].complete for kind in ("customers", "products", "carts", "orders"))


def test_products_and_their_options(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.2: what cannot be bought by anybody is no product; two variants are options; what cost more before is cut."""
    _, arrived = world.sync(monkeypatch)
    told = arrived.rows["products"]
    shown = {
        own: one
        for own, one in _ids(box, "products").items()
        if (one["webStatus"], one["adminStatus"]) == ("Available", "Available")
        and one.get("availableTo", one.get("security", {}).get("availableTo")) == "Public"
    }
    assert told.keys() == shown.keys()
    assert len(shown) < len(_ids(box, "products"))
    for own, one in shown.items():
        row, variants = told[own], one["variants"]
        options = sorted(arrived.of("shop_options", "product_id", own), key=lambda part: part["position"])
        assert row["name"] == (one["title"].strip() or None)
        titles = [shelf["title"] for shelf in one["collections"]]
        assert row["categories"] == (titles or [one["type"]])
        if len(variants) > 1:
            assert [json.loads(part["attributes"])["size"] for part in options] == [v["title"] for v in variants]
            assert row["price"] is None
            continue
        assert options == []
        [variant] = variants
        before, price = variant["comparePrice"], variant["price"]
        cut = before is not None and price is not None and before > price
        assert row["price"] == (None if price is None else Decimal(before if cut else price) / 100)
        assert row["discount_price"] == (Decimal(price) / 100 if cut else None)
        stock = sum(one["availableForSaleCount"] for one in variant["inventory"]) if variant["hasInventory"] else None
        assert row["stock"] == stock
        assert row["in_stock"] is (stock is None or stock > 0)


def test_orders_refunds_and_carts(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.2; rulings, audience 7: a refund is no order, its root is `Refunded`; cancelled beats refunded."""
    _, arrived = world.sync(monkeypatch)
    orders, told = _ids(box, "orders"), arrived.rows["orders"]
    back = {one["previousOrderId"] for one in orders.values() if one["purchaseType"] in ("Refund", "Exchange")}
    plain = {own: one for own, one in orders.items() if one["purchaseType"] not in ("Refund", "Exchange")}
    assert back
    assert told.keys() == {own for own, one in plain.items() if one["total"] >= 0}
    for own, row in told.items():
        one = plain[own]
        status = "Refunded" if own in back else one["fulfillmentStatus"]
        assert row["status"] == ("Cancelled" if one["paymentStatus"] == "Cancelled" else status)
        assert row["paid"] is (one["paymentStatus"] == "Paid")
        assert row["total"] == Decimal(one["total"]) / 100
        assert row["customer_id"] == one["customerId"]
        lines = arrived.of("shop_order_lines", "order_id", own)
        assert [part["product_id"] for part in lines] == [item["productId"] for item in one["items"]]
    options = {part["option_id"] for part in arrived.parts["shop_options"]}
    named = {part["option_id"] for part in arrived.parts["shop_order_lines"]} - {None}
    assert named <= options
    carts = _ids(box, "carts")
    assert arrived.rows["carts"].keys() == carts.keys()
    assert {own: row["customer_id"] for own, row in arrived.rows["carts"].items()} == {
        own: one["customerId"] for own, one in carts.items()
    }


def test_a_second_sync_asks_for_changed_orders_alone(
    world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4.2: `updatedAt=gte:` the day before the last read; what changed arrives, and who is not in it is not gone."""
    world.sync(monkeypatch)
    assert world.is_complete() == dict.fromkeys(("customers", "subscribers", "products", "wishlist", "orders"), True)
    box.control.clear_journal()
    order = next(one for one in _ids(box, "orders").values() if one["paymentStatus"] == "Paid")
    _change(box, "orders", order["id"], fulfillmentStatus="Fulfilled", giftMessage="Another")
    _, arrived = world.sync(monkeypatch)
    asked = [one["query"] for one in box.control.journal() if one["path"] == "/v1/order"]
    assert all("updatedAt" in str(query) for query in asked)
    assert order["id"] in arrived.rows["orders"]
    assert not arrived.told["orders"].complete
    _, quiet = world.sync(monkeypatch)
    assert "orders" not in quiet.rows


@pytest.mark.parametrize("value", [404, "other_shape"])
def test_carts_that_cannot_be_read_stop_nothing(
    world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    """4.2, 11 `carts`: noted `carts_unreadable`, the rest goes on, and the note goes when they can be read again."""
    box.control.set_switch("carts", value)
    session, arrived = world.sync(monkeypatch)
    assert not session.seen.failed
    assert "carts" not in arrived.rows
    assert ("carts_unreadable", "cart", "") in world.notes()
    box.control.set_switch("carts", "works")
    _, arrived = world.sync(monkeypatch)
    assert arrived.rows["carts"]
    assert "carts_unreadable" not in {word for word, _, _ in world.notes()}


def test_what_names_products_waits_until_they_are_known(
    world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4.2, one variant: no option. Which lines name an option is not known before, and no cart changes when it is."""
    box.control.set_fault("hollow", path_regex="/v1/product$")
    session, arrived = world.sync(monkeypatch)
    assert set(session.seen.failed) == {"products"}
    assert not {"carts", "orders"} & set(arrived.rows)
    box.control.clear_faults()
    _, arrived = world.sync(monkeypatch)
    assert arrived.rows["carts"].keys() == _ids(box, "carts").keys()
    assert arrived.rows["orders"]
    options = {part["option_id"] for part in arrived.parts["shop_options"]}
    assert {part["option_id"] for part in arrived.parts["shop_cart_lines"]} - {None} <= options


@pytest.mark.parametrize(("name", "value"), [("cursor", "ignored"), ("moves_during_walk", True)])
def test_every_way_to_walk_shows_all(
    world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    """11, `cursor`, `moves_during_walk`: all are there, in their newest state, and nobody is gone."""
    box.control.set_switch("page_cap", 5)
    box.control.set_switch(name, value)
    before = {kind: _ids(box, kind).keys() for kind in ("customers", "carts")}
    _, arrived = world.sync(monkeypatch)
    late = [row["first_name"] for row in arrived.rows["customers"].values()].count("Late")
    assert late == (name == "moves_during_walk")  # who came between two pages is found in the same sync
    for kind, known in before.items():
        assert arrived.rows[kind].keys() >= known, kind
    _, arrived = world.sync(monkeypatch)
    for kind in before:
        assert arrived.rows[kind].keys() == _ids(box, kind).keys(), kind
    names = {own: one["lastName"] for own, one in _ids(box, "customers").items()}
    assert {own: row["last_name"] for own, row in arrived.rows["customers"].items()} == names


def test_a_budget_breaks_a_walk_off_and_the_next_sync_goes_on(
    world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R54; 4.2: no block begins before its kind was read completely."""
    box.control.set_switch("page_cap", 5)
    for _ in range(40):
        world.sync(monkeypatch, budget=2)
        if all(world.is_complete().values()):
            break
    else:
        raise AssertionError(world.is_complete())
    _, arrived = world.sync(monkeypatch)
    assert arrived.rows["customers"].keys() == _ids(box, "customers").keys()


def test_hinted_records_are_read_singly(world: SourceWorld, box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """R13: news, nothing new, gone; a product that cannot be read by itself is a whole sync's."""
    world.sync(monkeypatch)
    source = sources_table.source_of(world.merchant)
    person, product, order = (next(iter(_ids(box, kind))) for kind in ("customers", "products", "orders"))
    _change(box, "customers", person, firstName="Another")
    with world.session() as session:
        assert source.read_one(session, "customer", person) is True
        assert source.read_one(session, "customer", person) is False
        assert source.read_one(session, "product", product) is False
        assert source.read_one(session, "order", order) is False
        assert source.read_one(session, "customer", "nobody") is None
        with pytest.raises(KeyError):
            source.read_one(session, "product", "all")
        with session.run.open() as db:
            assert source.is_known(db, "customer", person)
            assert not source.is_known(db, "customer", "nobody")


def test_check_says_what_a_first_read_takes(world: SourceWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """9, `check`: requests and time; nothing once it was made."""
    source = sources_table.source_of(world.merchant)
    with world.session() as session:
        size = source.first_walk(session)
    assert size is not None
    assert size.requests >= 5
    assert "min" in size.says
    world.sync(monkeypatch)
    with world.session() as session:
        assert source.first_walk(session) is None


def test_under_age_is_known_from_the_birth_date(world: SourceWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """8.4: the people of the world who are under age arrive with a birth date."""
    _, arrived = world.sync(monkeypatch)
    minors = [row for row in arrived.rows["customers"].values() if row["last_name"] == "Young"]
    assert [row["birth_date"] is not None for row in minors] == [True]
    assert small.MINOR


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
