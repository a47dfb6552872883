"""Compares what both shops sell, SKU by SKU, from the catalogues that were read last; calls no system.

Data flow: raw.commerce7_products, raw.vinoshipper_products -> `vs-st orders products`, checks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import show, told

Record = dict[str, Any]

BOTH: Final = "both"
ONLY_SHOP: Final = "only_commerce7"
ONLY_THERE: Final = "only_vinoshipper"
CASE_DIFFERS: Final = "case_differs"
SAYS: Final = {
    BOTH: "both sell it",
    ONLY_SHOP: "only Commerce7 sells it: orders with it fail with unknown_sku",
    ONLY_THERE: "only Vinoshipper sells it",
    CASE_DIFFERS: "both sell it, and write the SKU in other letters: orders with it fail with unknown_sku",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One SKU at both shops, as Commerce7 writes it. Prices in dollars; difference: Vinoshipper's less Commerce7's."""

    sku: str
    found: str
    shop_price: Decimal | None
    there_price: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """Return by how much Vinoshipper's price is higher; None where one is not known."""
        if self.shop_price is None or self.there_price is None:
            return None
        return self.there_price - self.shop_price

    def as_json(self) -> Record:
        """Return its row of `orders products --json`."""
        return {
            "sku": self.sku,
            "found": self.found,
            "commerce7_price": two_places(self.shop_price),
            "vinoshipper_price": two_places(self.there_price),
            "difference": two_places(self.difference),
        }


def compare(db: Db) -> list[Compared]:
    """Return every SKU of both catalogues, by SKU."""
    shop = {row[0]: _dollars(row[1], cents=True) for row in db.rows("select sku, cents from raw.commerce7_products")}
    there = {row[0]: _dollars(row[1]) for row in db.rows("select sku, price from raw.vinoshipper_products")}
    left: dict[str, list[str]] = {}
    for sku in sorted(there, reverse=True):
        if sku not in shop:
            left.setdefault(sku.casefold(), []).append(sku)
    found: list[Compared] = []
    for sku, price in sorted(shop.items()):
        if sku in there:
            found.append(Compared(sku, BOTH, price, there[sku]))
        elif others := left.get(sku.casefold()):
            found.append(Compared(sku, CASE_DIFFERS, price, there[others.pop()]))
        else:
            found.append(Compared(sku, ONLY_SHOP, price, None))
    found += [Compared(sku, ONLY_THERE, None, there[sku]) for others in left.values() for sku in others]
    return sorted(found, key=lambda one: (one.sku.casefold(), one.sku))


def products(run: Run) -> Record:
    """Return the object of `orders products --json`."""
    if not run.file().exists():
        return {"merchant": run.merchant.id, "products": []}
    with run.open() as db:
        return {"merchant": run.merchant.id, "products": [one.as_json() for one in compare(db)]}


def read_at(run: Run) -> dict[str, Any]:
    """Return when each shop's catalogue was read last, by system."""
    if not run.file().exists():
        return {}
    with run.open() as db:
        return dict(db.rows("select system, read_at from raw.catalogues where read_at is not null order by system"))


def is_known(db: Db, system: str) -> bool:
    """Say whether a system's catalogue was ever read and believed."""
    return db.value("select 1 from raw.catalogues where system = ? and read_at is not null", [system]) is not None


def lines(run: Run, answer: Record) -> list[str]:
    """Say it for people: what to look at first; times are in the merchant's zone."""
    rows = answer["products"]
    at = read_at(run)
    when = ", ".join(f"{name} {show.at(told.time_of(moment), run.merchant.time_zone)}" for name, moment in at.items())
    said = [f"{run.merchant.name}: {len(rows)} SKUs; read {when or 'never: the next sync reads both catalogues'}"]
    counts = Counter(row["found"] for row in rows)
    said += [f"  {counts[word]:5} {means}" for word, means in SAYS.items() if counts[word]]
    differ = sum(row["difference"] not in (None, "0.00") for row in rows)
    said += [f"  {differ:5} with another price there"] * bool(differ)
    if rows:
        width = max(len("SKU"), *(len(row["sku"]) for row in rows))
        said += ["", f"  {'SKU':{width}}  {'Commerce7':>10}  {'Vinoshipper':>11}  {'difference':>10}  found"]
    for row in sorted(rows, key=lambda row: (row["found"] == BOTH, row["difference"] in (None, "0.00"))):
        prices = [row[name] or "-" for name in ("commerce7_price", "vinoshipper_price", "difference")]
        said.append(f"  {row['sku']:{width}}  {prices[0]:>10}  {prices[1]:>11}  {prices[2]:>10}  {row['found']}")
    return said


def two_places(amount: Decimal | None) -> str | None:
    """Return dollars as text with two places."""
    return None if amount is None else f"{amount:.2f}"


def _dollars(text: str | None, *, cents: bool = False) -> Decimal | None:
    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        return None
    if amount is None or not amount.is_finite():
        return None
    return amount / 100 if cents else amount
