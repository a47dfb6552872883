"""The pages that `landing` reads: what Vinoshipper would answer for one large account, from a seeded generator.

Run with a folder and a number of customers and orders (a multiple of 5,000) it writes three folders of JSON files:
`load/` has everything, `tick/` the whole customer list again with 1 % of it changed and the orders that moved,
`changed/` only what changed. `customers-*` and `rows-*` are answers as they come; `orders-*` are arrays of details,
each of which is an answer of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import dumps
from vs_st_pipeline.sandbox.scenarios.bulk import AREAS, Crowd
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder, Merchant
from vs_st_pipeline.sandbox.vinoshipper.shop import Shop

NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)
PEOPLE_PAGE, ORDER_PAGE = 250, 200  # as the product asks for the list, and as it lands details
PART = 5_000  # people made and forgotten at a time, so that the generator stays small
EVERY = 100  # each hundredth record changes


class Part(Crowd):
    """One part of the account's people, with phones that no other part has."""

    def phone(self, i: int) -> str:
        return f"{AREAS[i % len(AREAS)]}{555 + self.b.merchant.account}{1000 + i // len(AREAS):04d}"


def write_pages(folder: Path, count: int) -> None:
    """Write the three folders."""
    for part in range(count // PART):
        merchant = Merchant(f"part-{part}", "Part", part, "", "", "")
        crowd = Part(Builder(merchant, NOW, NOW))
        crowd.customers(PART, 701_000 + part * PART)
        crowd.orders(PART)
        ids, numbers = list(merchant.customers), list(merchant.orders)
        _write(folder / "load", part, merchant, count, ids, numbers)
        for id in ids[::EVERY]:
            merchant.customers[id]["email"] = f"moved.{id}@example.com"
        for number in numbers[::EVERY]:
            merchant.orders[number] |= {"orderStatus": "RETURNED", "deliveredAt": NOW.isoformat()}
        _write(folder / "tick", part, merchant, count, ids, numbers[::EVERY])
        _write(folder / "changed", part, merchant, count // EVERY, ids[::EVERY], numbers[::EVERY])


def _write(folder: Path, part: int, merchant: Merchant, total: int, ids: list[int], numbers: list[str]) -> None:
    shop = Shop(merchant)
    folder.mkdir(parents=True, exist_ok=True)
    for at, page in _pages(ids, PEOPLE_PAGE):
        items = [shop.item(id) for id in page]
        (folder / f"customers-{part:03d}-{at:03d}.json").write_bytes(dumps({"total": total, "items": items}))
    for at, page in _pages(numbers, ORDER_PAGE):
        rows = [shop.row(number, False) for number in page]
        (folder / f"rows-{part:03d}-{at:03d}.json").write_bytes(dumps({"results": rows, "total": len(rows)}))
        details = [merchant.orders[number] for number in page]
        (folder / f"orders-{part:03d}-{at:03d}.json").write_bytes(dumps(details))


def _pages(keys: list[Any], size: int) -> Iterable[tuple[int, list[Any]]]:
    return ((start // size, keys[start : start + size]) for start in range(0, len(keys), size))


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), int(sys.argv[2]))
