"""Stories of wineries: an order is paid at Commerce7, ships by Vinoshipper, and its customer is told, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.routes.notices.others_world import Parcels
from vs_st_pipeline_tests.support.orders import hurrying


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


def test_an_order_is_told_of_from_payment_to_delivery(winery: Parcels) -> None:
    winery.synced_route("orders")
    winery.synced_route()
    winery.later(seconds=5)
    order = winery.place("PINOT22")
    phone = order["customer"]["phones"][0]["phone"]
    winery.gupshup.allow(phone, "eshopbox-house")
    winery.synced_route("orders")
    print(winery.synced_route())
    print(winery.stand(), winery.told())
    print(winery.rows("select * from staged.journey_events"))
    print(winery.rows("select * from staged.source_orders"))
    print(winery.rows("select * from staged.recipients"))
    assert winery.told() == [("created", phone)]
