"""Fills scenarios `shop_small` and `shop:N`: three merchants, whose one made-up shop three systems keep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import sender_of
from vs_st_pipeline.sandbox.scenarios.shop_as_tables import as_tables
from vs_st_pipeline.sandbox.scenarios.shop_at_commerce7 import at_commerce7
from vs_st_pipeline.sandbox.scenarios.shop_at_vinoshipper import at_vinoshipper
from vs_st_pipeline.sandbox.scenarios.shop_crowd import crowded_shop
from vs_st_pipeline.sandbox.scenarios.shop_model import COMMERCE7, SHOP, VINOSHIPPER, MadeShop, readers_of
from vs_st_pipeline.sandbox.scenarios.shop_small import MINOR, OPTED_OUT, PLAIN, small_shop

RIVER_BEND, STONE_MILL, CORNER_SHOP = "river-bend", "stone-mill", "corner-shop"
SOURCE_OF = {RIVER_BEND: VINOSHIPPER, STONE_MILL: COMMERCE7, CORNER_SHOP: SHOP}
"""Where each merchant's shop is kept."""
NAMES = {RIVER_BEND: "River Bend Vineyards", STONE_MILL: "Stone Mill Cellars", CORNER_SHOP: "The Corner Shop"}
USUAL_AGE = {VINOSHIPPER: 21, COMMERCE7: 21, SHOP: 0}
"""Under how many years nobody is told, where the settings say nothing."""
_RENDER: dict[str, Callable[[Builder, MadeShop], None]] = {
    VINOSHIPPER: at_vinoshipper,
    COMMERCE7: at_commerce7,
    SHOP: as_tables,
}


def account_at_waymore(merchant: str) -> Record:
    """Return the name and the password with which a merchant registers, and the website that it registers."""
    return {
        "username": f"{merchant}@waymore.example",
        "password": f"waymore-secret-of-{merchant}",
        "domain": f"https://www.{merchant}.example",
    }


def shop_merchants(number: int | None) -> list[tuple[str, str, Callable[[Builder], None]]]:
    """Return the merchants of a world; `number` is that of `shop:N`."""
    make = small_shop if number is None else lambda now: crowded_shop(number)
    return [(id, name, partial(_fill, make=make)) for id, name in NAMES.items()]


def _fill(b: Builder, make: Callable[[datetime], MadeShop]) -> None:
    source = SOURCE_OF[b.merchant.id]
    shop = make(b.now)
    _RENDER[source](b, shop)
    if "waymore" not in b.without:
        # What the shop knows of consent: nobody else may be told as subscribed. Of those under age it says yes too.
        yes = readers_of(shop, source, USUAL_AGE[source] > 0)
        b.merchant.parts["waymore"] = {**account_at_waymore(b.merchant.id), "consents": sorted(yes)}
    if source != SHOP and "gupshup" not in b.without:
        # By attestation: who orders has asked to be written.
        phones = {"".join(sign for sign in str(one.phone or "") if sign.isdigit())[-10:] for one in shop.people}
        b.merchant.parts["gupshup"] = sender_of(b.merchant.id).part({f"+1{phone}" for phone in phones if phone})
    if source == VINOSHIPPER and "contacts" not in b.without:
        _contacts(b, shop)


def _contacts(b: Builder, shop: MadeShop) -> None:
    """Add the texting account of a winery that has one: two of its customers are linked, one of them a minor."""
    b.all_custom_fields()
    for person in list(shop.people)[: max(MINOR, 4)]:
        if person.number in (PLAIN, OPTED_OUT, MINOR) and person.phone:
            b.contact(person.phone, days=20 + person.number)


def reasons(now: datetime) -> dict[str, dict[str, Any]]:
    """Return what is there for what in `shop_small`: by kind (person, good, sale, cart) the record's number and why."""
    shop = small_shop(now)
    return {
        "person": {str(one.number): one.why for one in shop.people},
        "good": {str(one.number): one.why for one in shop.goods},
        "sale": {str(one.number): one.why for one in shop.sales},
        "cart": {str(one.number): one.why for one in shop.baskets},
    }
