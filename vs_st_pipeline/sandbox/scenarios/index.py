"""Lists the scenarios and the merchants of each; the same name, seed and day always give the same world."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial

from vs_st_pipeline.sandbox.scenarios.bulk import (
    fill_blue_oak,
    fill_estate,
    fill_growing,
    fill_hillside,
    fill_linked_only,
    fill_mailing,
    fill_three_rivers,
    fill_tiny,
    fill_valley,
)
from vs_st_pipeline.sandbox.scenarios.consumers import fill_bare_soap, fill_crowd, fill_glow_skin
from vs_st_pipeline.sandbox.scenarios.fifty import wineries
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder, Merchant
from vs_st_pipeline.sandbox.scenarios.orders import fill_neighbor_winery, fill_order_crowd, fill_order_winery
from vs_st_pipeline.sandbox.scenarios.parcels import parcel_merchants
from vs_st_pipeline.sandbox.scenarios.shop_worlds import shop_merchants
from vs_st_pipeline.sandbox.scenarios.small import fill_other_winery, fill_test_winery

Fill = Callable[[Builder], None]

WINERY_SYSTEMS = ("vinoshipper", "simpletexting")
CONSUMER_SYSTEMS = ("sopost", "hubspot", "klaviyo", "salesforce")
ORDER_SYSTEMS = ("commerce7", "vinoshipper")
SHOP_SYSTEMS = ("vinoshipper", "commerce7", "shop", "waymore")
PARCEL_SYSTEMS = ("eshopbox", "gupshup")
LATER_SYSTEMS = (*CONSUMER_SYSTEMS, "commerce7", "shop", "waymore", *PARCEL_SYSTEMS)
"""Systems whose records are left out of a world that is built for another one."""


def _listed(scenario: str) -> list[tuple[str, str, Fill]]:
    if scenario == "demo":
        return [
            ("hillside-cellars", "Hillside Cellars", fill_hillside),
            ("blue-oak-vineyards", "Blue Oak Vineyards", fill_blue_oak),
            ("three-rivers-winery", "Three Rivers Winery", fill_three_rivers),
        ]
    if scenario == "small":
        return [("test-winery", "Test Winery", fill_test_winery), ("other-winery", "Other Winery", fill_other_winery)]
    if scenario == "big":
        return [("big-winery", "Big Winery", fill_linked_only)]
    if scenario == "estate":
        return [("estate-winery", "Estate Winery", fill_estate)]
    if scenario == "fleet":
        return wineries()
    if scenario == "consumers":
        return [("glow-skin", "Glow Skin", fill_glow_skin), ("bare-soap", "Bare Soap", fill_bare_soap)]
    if scenario == "orders":
        return [("hillside", "Hillside", fill_order_winery), ("blue-oak", "Blue Oak", fill_neighbor_winery)]
    kind, _, number = scenario.partition(":")
    if scenario == "shop_small":
        return shop_merchants(None)
    if kind == "shop" and number.isdigit() and int(number) > 0:
        return shop_merchants(int(number))
    if scenario == "parcels":
        return parcel_merchants(None)
    if kind == "parcels" and number.isdigit() and int(number) > 0:
        return parcel_merchants(int(number))
    if kind == "orders" and re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", number):
        return _crowds(*(int(part) for part in number.split("x")))
    if kind == "consumers" and number.isdigit() and int(number) > 0:
        return [("glow-skin", "Glow Skin", partial(fill_crowd, people=int(number)))]
    if kind == "mailing" and number.isdigit() and int(number) > 0:
        return [("mailing-winery", "Mailing Winery", partial(fill_mailing, people=int(number)))]
    if kind == "growing" and number.isdigit() and int(number) > 0:
        return [("growing-winery", "Growing Winery", partial(fill_growing, linked=int(number)))]
    if kind == "fleet" and number.isdigit() and int(number) > 0:
        return [(f"winery-{i:04d}", f"Winery {i}", fill_tiny) for i in range(1, int(number) + 1)]
    if kind == "valley" and number.isdigit() and int(number) > 0:
        fills: list[Fill] = [fill_valley, *[_same] * (int(number) - 1)]
        return [(f"winery-{i:04d}", f"Winery {i}", fill) for i, fill in enumerate(fills, 1)]
    raise ValueError(
        f"no scenario {scenario!r}; there are demo, small, big, estate, fleet, consumers, orders, shop_small, parcels, "
        "mailing:N, growing:N, fleet:N, valley:N, consumers:N, orders:N, orders:NxWINERIES, shop:N, parcels:N"
    )


def _crowds(orders: int, wineries: int = 1) -> list[tuple[str, str, Fill]]:
    if wineries == 1:
        return [("hillside", "Hillside", partial(fill_order_crowd, orders=orders))]
    return [
        (f"winery-{i:04d}", f"Winery {i}", partial(fill_order_crowd, orders=orders, number=i))
        for i in range(1, wineries + 1)
    ]


def systems_of(scenario: str) -> tuple[str, ...]:
    """Return the systems for which a scenario has records."""
    shop = {"shop_small": SHOP_SYSTEMS, "shop": SHOP_SYSTEMS}
    own = {"consumers": CONSUMER_SYSTEMS, "orders": ORDER_SYSTEMS, "parcels": PARCEL_SYSTEMS, **shop}
    return own.get(scenario.partition(":")[0], WINERY_SYSTEMS)


def _same(b: Builder) -> None:
    """Add nothing: the records are those of the winery before; see `load`."""


def merchants_of(scenario: str) -> list[Merchant]:
    """Return the merchants with their keys, still without records."""
    return [
        Merchant(id, name, 340 + i, f"{340 + i}.SANDBOX", f"vs-secret-of-{id}", f"st-token-of-{id}")
        for i, (id, name, _) in enumerate(_listed(scenario), 2)
    ]


def load(scenario: str, now: datetime, without: Collection[str] = ()) -> list[Merchant]:
    """Build the whole world of a scenario; unwanted kinds of records may be left out where that saves time."""
    merchants = merchants_of(scenario)
    # Contacts carry the texting service's own time, which is the real clock's, so no time is later than that.
    until = min(now, datetime.now(UTC))
    for index, (merchant, (_, _, fill)) in enumerate(zip(merchants, _listed(scenario), strict=True)):
        if fill is _same:
            _share(merchants[index - 1], merchant)
        else:
            fill(Builder(merchant, now, until, without))
    return merchants


def _share(known: Merchant, merchant: Merchant) -> None:
    """Give another winery the same record objects: thousands of copies would not fit into memory.

    Copying the first winery's warehouse for the others shows no change in any of them. A change of a record of the shop
    makes a new object; a contact is changed in place, but never deeper than itself.
    """
    merchant.producer = known.producer
    merchant.customers, merchant.memberships = dict(known.customers), dict(known.memberships)
    merchant.orders, merchant.lists = dict(known.orders), dict(known.lists)
    merchant.contacts = {id: dict(contact) for id, contact in known.contacts.items()}
    merchant.custom_fields = [dict(entry) for entry in known.custom_fields]
