"""Stories of wineries: an order is paid at Commerce7, ships by Vinoshipper, and its customer is told, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.routes.notices.others_world import Parcels
from vs_st_pipeline_tests.support.orders import hurrying

GIFT = "+17075559999"


@pytest.fixture(scope="module")
def wineries() -> Iterator[Sandbox]:
    with Sandbox("orders", ports={"gupshup": 0}) as box:
        yield box


@pytest.fixture
def winery(wineries: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parcels]:
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Parcels(wineries, tmp_path)
    found.begin_alone()
    found.told_of()
    with hurrying():
        yield found
    found.inbox.close()
    wineries.reset()


def _placed(winery: Parcels, **fields: Any) -> tuple[dict[str, Any], str]:
    order = winery.place("PINOT22", **fields)
    phone = order["customer"]["phones"][0]["phone"]
    winery.gupshup.allow(phone, "eshopbox-house")
    return order, phone


def _synced(winery: Parcels, *, orders: bool = True) -> None:
    if orders:
        winery.synced_route("orders")
    winery.synced_route()
    winery.received()
    winery.later(minutes=10)


def test_a_gift_is_told_of_from_payment_to_delivery_once_each_to_who_bought_it(winery: Parcels) -> None:
    _synced(winery)
    order, phone = _placed(winery)
    winery.change(order, shipTo={**order["shipTo"], "phone": GIFT, "firstName": "Someone"})
    _synced(winery)
    assert winery.messages_to() == [("created", phone)]
    for step in (winery.label, winery.scan, winery.deliver):
        step(order)
        _synced(winery)
    _synced(winery)
    assert [status for status, _ in winery.messages_to()] == ["created", "packed", "on_the_way", "delivered"]
    assert {to for _, to in winery.messages_to()} == {phone}
    assert winery.rows("select distinct merchant_order, source from staged.notice_orders") == [
        {"merchant_order": f"commerce7:{order['id']}", "source": "commerce7"}
    ]
    assert winery.rows("select phone from staged.recipients") == [{"phone": phone}]
    assert all(GIFT not in str(row) for row in winery.rows("select * from staged.notice_orders"))
    assert winery.found() == []


@pytest.mark.slow
def test_without_route_orders_both_systems_are_read_here(winery: Parcels) -> None:
    """Who sent the order to Vinoshipper does not matter: `metaFields` say whose it is (R37)."""
    _synced(winery)
    order, phone = _placed(winery)
    winery.synced_route("orders")
    winery.told_of(without=["orders"])
    check = winery.run("check", "--merchant", winery.merchant, "--route", "notices", "--json")
    assert (check.exit_code, check.of(winery.merchant)["errors"]) == (0, []), check
    _synced(winery, orders=False)
    winery.scan(order)
    _synced(winery, orders=False)
    winery.deliver(order)
    _synced(winery, orders=False)
    assert winery.messages_to() == [("created", phone), ("on_the_way", phone), ("delivered", phone)]
    assert winery.found() == []


@pytest.mark.slow
def test_what_was_there_at_the_start_is_history(winery: Parcels) -> None:
    order, _ = _placed(winery)
    winery.synced_route("orders")
    winery.scan(order)
    _synced(winery)
    _synced(winery)
    assert winery.messages_to() == []
    rows = winery.rows("select status from staged.journey_events where in_baseline order by 1")
    assert [row["status"] for row in rows] == ["created", "on_the_way"]


def test_a_label_that_was_cancelled_is_told_of_no_more(winery: Parcels) -> None:
    """It waited when Vinoshipper took it back: what is not packed any more is not told as packed."""
    winery.told_of(without=["commerce7", "orders"])
    _synced(winery, orders=False)
    buyer = winery.shipper.add_customer(
        winery.merchant, firstName="Ada", lastName="Example", primaryPhone={"number": "7075551234", "country": "1"}
    )
    number = winery.shipper.add_order(
        buyer["id"], winery.merchant, orderStatus="OPEN", purchasedAt=winery.now.isoformat()
    )["orderNumber"]
    winery.gupshup.allow("+17075551234", "eshopbox-house")
    _synced(winery, orders=False)
    assert winery.messages_to() == [("created", "+17075551234")]
    winery.told_of(without=["commerce7", "orders"], settle="10m")
    winery.shipper.advance(number, winery.merchant, to="LABELS_GENERATED")
    winery.synced_route()
    assert winery.stand()[-1] == ("packed", "waiting", "settling")
    winery.shipper.patch_order(number, winery.merchant, orderStatus="OPEN")
    winery.synced_route()
    assert winery.stand()[-1] == ("packed", "dropped", "superseded")
    winery.later(minutes=30)
    winery.synced_route()
    assert winery.messages_to() == [("created", "+17075551234")]


@pytest.mark.slow
def test_a_hint_leads_to_the_message_of_its_order_alone(winery: Parcels) -> None:
    """Where nobody else reads the systems: one call each, and no list is walked."""
    _synced(winery)
    order, phone = _placed(winery)
    _synced(winery)
    other, _ = _placed(winery)
    winery.synced_route("orders")
    winery.told_of(without=["orders"])
    _synced(winery, orders=False)
    told = winery.messages_to()
    for one in (order, other):
        winery.scan(one)
    winery.hinted("vinoshipper", winery.number(order))
    report = winery.worked()[-1]
    assert (report["trigger"], report["calls"]["vinoshipper"], report["synced"]["accepted"]) == ("hint", 1, 1)
    assert winery.messages_to() == [*told, ("on_the_way", phone)]
    made, to = _placed(winery)
    winery.hinted("commerce7", made["id"])
    report = winery.worked()[-1]
    assert (report["calls"]["commerce7"], report["synced"]["accepted"]) == (1, 1)
    assert winery.messages_to()[-1] == ("created", to)
    assert winery.found() == []


@pytest.mark.slow
def test_a_forgotten_customer_is_told_of_nothing_more_and_stands_nowhere(winery: Parcels) -> None:
    _synced(winery)
    order, phone = _placed(winery)
    _synced(winery)
    done = winery.run("forget", "--merchant", winery.merchant, "--yes", "--json", phone)
    assert done.exit_code == 0, done
    winery.scan(order)
    winery.change(order, shippingStatus="In Transit")
    _synced(winery)
    assert winery.messages_to() == [("created", phone)]
    assert winery.rows("select 1 from staged.recipients") == []
    for table in ("notice_orders", "source_orders", "source_words"):
        assert phone.removeprefix("+1") not in str(winery.rows(f"select * from staged.{table}"))
