"""Wherever the power goes in a sync, the next one goes on: nothing is sent twice, and nothing is forgotten."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline_tests.routes.orders.desk_office import Office, open_office
from vs_st_pipeline_tests.routes.orders.dispatch import PowerCut, power, shop_order

FINDS = {
    "a1": ("sent", None),
    "a2": ("not_required", "refunded"),
    "a3": ("sent", None),  # adopted: a lost ledger sent it
    "a4": ("waiting", "not_paid"),
    "a5": ("not_required", "dont_send"),
    "r2": ("not_required", "refund"),
}


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    """An office that has an order for each way to be judged."""
    found = open_office(monkeypatch, tmp_path)
    found.add()
    found.add(order_id="a2", number="1002", linkedOrders=[{"orderId": "r2"}])
    found.add(
        order_id="r2", number="1003", purchaseType="Refund", total=-9500, previousOrderId="a2",
        items=[{**shop_order()["items"][0], "quantity": -2}],
    )  # fmt: skip
    found.add(order_id="a3", number="1004", fulfillmentStatus="Fulfilled")
    found.add(order_id="a4", number="1005", paymentStatus="Authorized")
    found.add(order_id="a5", number="1006", orderPaidDate="2026-12-01T12:00:00.000Z")
    found.add(order_id="b6", number="900", orderPaidDate="2026-10-01T12:00:00.000Z")
    found.shop.said = {"a5": "Don't Send"}
    found.shipper.held["HILLSIDE-1004"] = HeldOrder(
        "HILLSIDE-1004", "SUCCESS", "SHIPPED", shop_order_id="a3", body="{}"
    )
    return found


def places(office: Office) -> int:
    """Return how many places a sync has where the power may go."""
    failpoints.enable("any:0")
    try:
        office.whole()
        return failpoints.reached[failpoints.ANY]
    finally:
        failpoints._armed = False


def live_through(office: Office, place: int) -> None:
    with contextlib.suppress(PowerCut), power(f"any:{place}", pytest.MonkeyPatch()):
        office.whole()
    office.warehouse.db._in_transaction = office.warehouse.db._begun = False
    with contextlib.suppress(Exception):
        office.warehouse.db._cursor.execute("rollback")
    for _ in range(4):  # what is unknown is settled by three reads
        office.later(minutes=11)
        office.whole()


@pytest.mark.slow
@pytest.mark.parametrize("share", range(4))
def test_o6_wherever_the_power_goes_the_next_sync_goes_on(office: Office, share: int) -> None:
    empty, there = office.copy(), dict(office.shipper.held)
    count = places(office)
    began = office.at
    for at in range(1 + share, count + 1, 4):
        office.at = began
        office.put_back(empty)
        (office.folder / "merchants" / "hillside" / "orders.evidence.jsonl").unlink(missing_ok=True)
        office.shipper.held = dict(there)
        office.shipper.accepted.clear()
        office.shipper.findings.clear()
        live_through(office, at)
        assert {one: office.stands(one) for one in FINDS} == FINDS, at
        assert office.shipper.accepted == {"a1": ["HILLSIDE-1001"]}, at
        assert office.shipper.findings == [], at
        kinds = [row[0] for row in office.rows("select kind from synced.order_activity where order_id = 'a2'")]
        assert kinds.count("seen") == 1, at
