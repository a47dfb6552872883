"""Names the accounts of the wineries of scenario `orders`, and the wines that both of their shops sell, or only one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from vs_st_pipeline.sandbox.core.asgi import Record

APP_ID, APP_SECRET = "orders-bridge", "c7-secret-of-orders-bridge"
"""The key of the pipeline's app, one for all tenants that installed it."""
OTHER_APP = "vinoshipper"
"""Commerce7's own app, which leaves messages on orders too."""
STARTED_DAYS_AGO = 30


class OrderAccount(NamedTuple):
    """What one winery is called at Commerce7, and what its settings say of the route.

    Attributes:
        prefix: of its order numbers at Vinoshipper, before a hyphen.
        ids: first eight digits of all of its ids; no two wineries share one.
        settings: what stands under `orders` besides `start` and `states`.
    """

    tenant: str
    prefix: str
    ids: str
    states: tuple[str, ...] = ("CA", "NY", "TX")
    settings: dict[str, Any] = {}

    def id(self, kind: str, number: int) -> str:
        """Return the id of a record; `kind` is one hex digit."""
        return f"{self.ids}-0000-4000-{kind}000-{number:012x}"

    def number_there(self, number: Any) -> str:
        """Return the number under which Vinoshipper holds an order of Commerce7."""
        return f"{self.prefix}-{number}"

    def route_settings(self, now: datetime) -> Record:
        """Return the section `orders` of the winery's entry."""
        start = (now - timedelta(days=STARTED_DAYS_AGO)).date().isoformat()
        own = {"number_prefix": self.prefix} if self.prefix != self.tenant.upper() else {}
        return {"start": start, "states": list(self.states), **own, **self.settings}


_KNOWN = {
    "hillside": OrderAccount("hillside", "HILLSIDE", "71000000"),
    # Sends the wines of a bundle in its place, to another set of states, under a prefix of its own.
    "blue-oak": OrderAccount("blue-oak", "BO", "72000000", ("CA", "OR"), {"bundles": "as_items"}),
}


def account_of(merchant: str, number: int = 0) -> OrderAccount:
    """Return the account of a winery; `number` tells those of a large world apart."""
    return _KNOWN.get(merchant) or OrderAccount(merchant, merchant.upper(), f"73{number:06x}")


class Wine(NamedTuple):
    """Something that is sold.

    Attributes:
        cents: its price at Commerce7; None: that shop does not have it.
        there: its price at Vinoshipper; None: likewise.
        sku_there: its SKU at Vinoshipper, where it is written in another way.
        approved: whether Vinoshipper has approved it for sale.
        parts: what a bundle is made of: SKU and quantity of each.
    """

    sku: str
    title: str
    cents: int | None
    there: int | None
    type: str = "Wine"
    ships: bool = True
    deposit: int = 0
    approved: bool = True
    sku_there: str | None = None
    parts: tuple[tuple[str, int], ...] = ()


WINES = {
    wine.sku: wine
    for wine in (
        Wine("PINOT22", "Estate Pinot Noir 2022", 4200, 4200),
        Wine("CHARD23", "Barrel Chardonnay 2023", 3200, 3200),
        Wine("ZIN21", "Old Vine Zinfandel 2021", 3800, 3800),
        Wine("ROSE24", "Creek Rose 2024", 2400, 2600),  # prices differ
        Wine("SPARK20", "Sparkling Brut 2020", 5600, 5600, deposit=10),
        Wine("TRIO", "Three Reds", 11000, 11000, "Bundle", parts=(("PINOT22", 1), ("ZIN21", 2))),
        Wine("GIFTPACK", "Gift Pack", 7000, None, "Bundle", parts=(("CHARD23", 1), ("ZIN21", 1))),
        Wine("LIBRARY", "Library Magnum 2012", 19000, None),  # only here
        Wine("port19", "Late Port 2019", 4400, 4400, sku_there="PORT19"),  # the case differs
        Wine("NEWRED", "Unlabeled Red", 3000, 3000, approved=False),
        Wine("TICKET", "Harvest Dinner", 12500, None, "Event Ticket", ships=False),
        Wine("OLD18", "Old Syrah 2018", None, 3600),  # only there
    )
}
