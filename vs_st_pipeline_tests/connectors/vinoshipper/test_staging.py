"""Staging by itself: batches, what is made again, and that reading a part of a body finds what the whole would say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from vs_st_pipeline.connectors.vinoshipper import carried, landing, landing_orders, staging, staging_orders
from vs_st_pipeline.connectors.vinoshipper.known_fields import KNOWN_ORDER
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow
from vs_st_pipeline.connectors.vinoshipper.parse import order_from
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import staged_batches
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names

SETTINGS = """
merchants:
  - {id: one, name: One, time_zone: America/Los_Angeles,
     vinoshipper: {api_key: "env:KEY", api_secret: "env:KEY"}, simpletexting: {api_token: "env:KEY"}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "merchants.yaml").write_text(SETTINGS)
    merchant = read_merchants(tmp_path / "merchants.yaml", {"KEY": "none"}).merchants[0]
    return Run(merchant, warehouse_at(tmp_path / "data"), lambda: datetime(2026, 3, 1, tzinfo=UTC))


def _land(run: Run, number: int, **fields: object) -> None:
    row = OrderRow(f"A{number}", 7, "2026-01-02", None, json.dumps({"orderNumber": f"A{number}"}))
    with run.open() as db, db.transaction():
        landing_orders.land_order_rows(db, [row], run.now())
    text = json.dumps({"orderNumber": row.number, "purchasedAt": None, "shipping": {}, "customer": {}, **fields})
    landing_orders.land_order_details(run, [carried.Detail(row.number, text)], run.now())


def test_more_rows_than_a_batch_are_all_staged_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_batches, "BATCH", 3)
    landing.land_customers(run, [landing.CustomerItem(i, None, json.dumps({"id": i})) for i in range(1, 11)])
    for number in range(7):
        _land(run, number, status="SUCCESS", total=number)
    assert staging.stage(run) == {"customers": 10, "orders": 7, "unusable": 7}
    assert staging.stage(run) == {"customers": 0, "orders": 0, "unusable": 7}
    _land(run, 4, status="SUCCESS", total=400)
    assert staging.stage(run)["orders"] == 1
    with run.open() as db:
        totals = dict(db.rows("select order_number, total from staged.orders"))
    assert totals == {f"A{number}": str(number) for number in range(7)} | {"A4": "400"}


def test_a_detail_that_is_gone_keeps_the_body_that_was_known(run: Run) -> None:
    _land(run, 1, status="SUCCESS", customer={"id": 9})
    landing_orders.land_order_details(run, [carried.Detail("A1", None)], run.now())
    with run.open() as db:
        row = db.row("select detail_status, detail_body is not null, customer_id from raw.vinoshipper_orders")
    assert row == (404, True, 7)


def test_an_order_whose_search_row_tells_its_owner_late_is_his(run: Run) -> None:
    """Its detail names nobody and does not change."""
    _land(run, 1, status="SUCCESS")
    staging.stage(run)
    owned = OrderRow("A1", 8, "2026-01-02", None, json.dumps({"orderNumber": "A1", "customer": {"id": 8}}))
    with run.open() as db, db.transaction():
        landing_orders.land_order_rows(db, [owned], run.now())
    staging.stage(run)
    with run.open() as db:
        assert db.value("select customer_id from staged.orders") == 8


def test_only_what_is_new_or_changed_counts_as_such(run: Run) -> None:
    rows = [OrderRow(f"A{number}", 7, None, None, "{}") for number in range(4)]
    with run.open() as db:
        assert landing_orders.land_order_rows(db, rows[:3], run.now()) == 3
        assert landing_orders.land_order_rows(db, rows, run.now()) == 1
        assert landing_orders.land_order_rows(db, [replace(rows[0], text='{"a":1}'), *rows[1:]], run.now()) == 1
        assert landing_orders.land_order_rows(db, rows[:1], run.now()) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"orderNumber":"1","total":12345678901234567.89,"shipping":{"packages":[{"trackingNumber":5}]},"products":[1.5]}',
        '{"orderNumber":7,"shipping":1.5,"customer":"x","status":["SUCCESS"],"orderStatus":"ON_A_BOAT","newThing":{}}',
        '{"orderNumber":"1","orderNumber":"2","status":{"a":1},"total":"3.10","customer":{"id":"8"},"odd name":null}',
        "{}",
    ],
)
def test_a_part_of_an_order_says_what_the_whole_says(text: str) -> None:
    whole = msgspec.json.Decoder(float_hook=Decimal).decode(text)
    part = staging_orders._order_fields(text)
    assert part is not None
    assert order_from(part, today=date(2026, 6, 1)) == order_from(whole, today=date(2026, 6, 1))
    assert unexpected_names(KNOWN_ORDER, part) == unexpected_names(KNOWN_ORDER, whole)


@pytest.mark.parametrize("text", ["[1]", "null", '"x"', None])
def test_what_is_no_object_is_no_order(text: str | None) -> None:
    assert staging_orders._order_fields(text) is None
