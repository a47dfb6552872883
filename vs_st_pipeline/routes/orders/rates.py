"""Finds the shipper's rate for the ways of shipping that an order bought (orders.md 5.3); titles decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vs_st_pipeline.domain.shop_order import ShopShipping
from vs_st_pipeline.routes.orders.settings import RateRow, carrier_key, code_key


@dataclass(frozen=True, slots=True)
class Rate:
    """A way of shipping as the shipper calls it."""

    carrier: str
    code: str


def find(way: ShopShipping, table: Sequence[RateRow]) -> Rate | None:
    """Return the shipper's rate for one entry; None where no row, or more than one, may be meant."""
    carrier, code = carrier_key(way.carrier), code_key(way.code)
    if not code:
        return None
    rows = [row for row in table if row.key[1] == code and (not carrier or row.key[0] == carrier)]
    return Rate(rows[0].rate_carrier, rows[0].rate_code) if len(rows) == 1 else None


def unknown(ways: Sequence[ShopShipping], table: Sequence[RateRow]) -> ShopShipping | None:
    """Return the first entry that no row fits, an empty one where nothing was bought; None: all are known."""
    if not ways:
        return ShopShipping(None, None)
    return next((way for way in ways if find(way, table) is None), None)


def all_of(ways: Sequence[ShopShipping], table: Sequence[RateRow]) -> list[Rate]:
    """Return the different rates that an order names, in its order; those that are not known are left out."""
    return list(dict.fromkeys(rate for way in ways if (rate := find(way, table)) is not None))
