"""Stories of wineries that another route reads for all: `contacts` at Vinoshipper, `audience` at Commerce7 (R34)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.routes.notices.others_world import HOUSE, Parcels
from vs_st_pipeline_tests.support.orders import hurrying

RIVER_BEND, STONE_MILL = "river-bend", "stone-mill"
PHONE = "+17075551234"


@pytest.fixture(scope="module")
def shops() -> Iterator[Sandbox]:
    with Sandbox("shop_small", ports={"gupshup": 0, "simpletexting": 0}) as box:
        yield box


@pytest.fixture
def shop(shops: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parcels]:
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Parcels(shops, tmp_path)
    found.begin()
    found.gupshup.allow(PHONE, HOUSE)
    with hurrying():
        yield found
    found.inbox.close()
    shops.reset()


def _synced(shop: Parcels, reader: str) -> None:
    shop.synced_route(reader)
    shop.synced_route()
    shop.received()
    shop.later(minutes=10)


def _calls(shop: Parcels, system: str) -> int:
    return int(shop.synced_route()["calls"].get(system, 0))


def test_what_contacts_reads_at_vinoshipper_is_told(shop: Parcels) -> None:
    """Of a customer without a contact, too. What is heard of only after the first sync is as old as it is."""
    shop.merchant = RIVER_BEND
    shop.told_of()
    shop.synced_route()  # the reader has no file yet: there is no news
    _synced(shop, "contacts")
    buyer = shop.shipper.add_customer(
        RIVER_BEND, firstName="Ada", lastName="Example", primaryPhone={"number": PHONE[2:], "country": "1"}
    )
    number = shop.shipper.add_order(buyer["id"], RIVER_BEND, orderStatus="OPEN", purchasedAt=shop.now.isoformat())
    _synced(shop, "contacts")
    shop.shipper.advance(number["orderNumber"], RIVER_BEND, to="SHIPPED")
    _synced(shop, "contacts")
    assert shop.messages_to() == [("created", PHONE), ("on_the_way", PHONE)]
    assert _calls(shop, "vinoshipper") == 0
    assert shop.found() == []


def test_what_audience_reads_at_commerce7_is_told(shop: Parcels) -> None:
    shop.merchant = STONE_MILL
    shop.told_of()
    _synced(shop, "audience")
    order = shop.place()
    phone = order["customer"]["phones"][0]["phone"]
    shop.gupshup.allow(phone, HOUSE)
    shop.synced_route("audience")
    [planned] = shop.planned()["messages"]  # a dry run looks at the other route's rows as well
    assert (planned["status"], planned["phone"]) == ("created", phone)
    shop.synced_route()
    shop.received()
    shop.later(minutes=10)
    assert shop.messages_to() == [("created", phone)]
    shop.change(order, shippingStatus="In Transit")
    _synced(shop, "audience")
    shop.change(order, shippingStatus="Delivered")
    _synced(shop, "audience")
    assert shop.messages_to() == [("created", phone), ("on_the_way", phone), ("delivered", phone)]
    assert _calls(shop, "commerce7") == 0
    assert shop.found() == []


@pytest.mark.slow
def test_an_order_that_was_read_too_long_ago_is_asked_for_at_its_reader(shop: Parcels) -> None:
    shop.merchant = RIVER_BEND
    shop.told_of(settle="10m")
    _synced(shop, "contacts")
    buyer = shop.shipper.add_customer(
        RIVER_BEND, firstName="Ada", lastName="Example", primaryPhone={"number": PHONE[2:], "country": "1"}
    )
    number = shop.shipper.add_order(buyer["id"], RIVER_BEND, orderStatus="OPEN", purchasedAt=shop.now.isoformat())
    shop.synced_route("contacts")
    shop.synced_route()
    assert shop.stand()[-1] == ("created", "waiting", "settling")
    shop.later(hours=2)
    shop.synced_route()
    assert shop.stand()[-1] == ("created", "waiting", "source_stale")
    asked = [(one.route, one.system, one.record) for one in shop.inbox.waiting([RIVER_BEND])]
    assert asked == [("contacts", "vinoshipper", number["orderNumber"])]
    shop.synced_route()  # still waiting: no second hint
    assert [one.count for one in shop.inbox.waiting([RIVER_BEND])] == [1]
    _synced(shop, "contacts")
    assert shop.messages_to() == [("created", PHONE)]
