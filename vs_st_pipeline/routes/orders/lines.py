"""Turns an order's lines into the lines that are sent, to the cent, and says what is wrong with them (orders.md 5.2).

Data flow: lines, bundles, sums as the shop wrote them -> `Goods` (what goes, what is left out, which discount).

Each check is asked in the order of the table of rules; `goods` is asked only where none of them found anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.domain.shop_order import BundleItem, ShopLine, ShopOrder
from vs_st_pipeline.routes.orders.money import cents, is_above_zero, is_below_zero, whole
from vs_st_pipeline.routes.orders.texts import clean, word

AS_ITEMS: Final = "as_items"
BUNDLE: Final = "bundle"

Says = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SentLine:
    """A line as it is sent; price in cents, for one."""

    sku: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class Goods:
    """What goes of an order. Amounts in cents.

    Attributes:
        lines: as they are sent. left_out: whether any line stays here.
        taxes: of the lines that go. deposits: of the lines that go.
        discount: by which the lines are above their sum.
    """

    lines: tuple[SentLine, ...]
    left_out: bool
    taxes: int
    deposits: int
    discount: int

    @property
    def sum(self) -> int:
        """Return price times quantity of all lines that go."""
        return sum(line.price * line.quantity for line in self.lines)


def goes(line: ShopLine) -> bool:
    """Say whether a line is to be shipped; one whose quantity is no number may be, and is looked at."""
    return line.has_shipping and not _is_none(line.quantity)


def _is_none(quantity: Any) -> bool:
    """Say whether a quantity is a number that is not above zero."""
    return whole(quantity) is not None and not is_above_zero(quantity) or is_below_zero(quantity)


def _splits(line: ShopLine, bundles: str) -> bool:
    return bundles == AS_ITEMS and word(line.type) == BUNDLE


def _parts(order: ShopOrder, bundles: str) -> Iterator[ShopLine | BundleItem]:
    """Yield what would stand on a line of its own, with the quantity and price as they came."""
    for line in order.lines:
        if goes(line):
            yield from line.bundle if _splits(line, bundles) else (line,)


# --- what may be wrong, in the order of the rules ------------------------------------------------------------------


def no_sku(order: ShopOrder, bundles: str) -> Says | None:
    """Say how many lines that go have no SKU; None where each has one."""
    count = sum(clean(part.sku) is None for part in _parts(order, bundles))
    return {"lines": count} if count else None


def bad_quantity(order: ShopOrder, bundles: str) -> Says | None:
    """Name the lines whose quantity is no whole number; of a bundle that is split, one below zero as well.

    Lines that stay here count too: without their quantity nobody can add the order up.
    """
    found = [line.sku or "" for line in order.lines if whole(line.quantity) is None]
    for line in order.lines:
        if goes(line) and _splits(line, bundles):
            counts = [(item.sku or "", whole(item.quantity)) for item in line.bundle]
            found += [sku for sku, count in counts if count is None or count < 0]
    return {"skus": sorted(set(found))} if found else None


def bad_money(order: ShopOrder, bundles: str) -> Says | None:
    """Name the amounts that are no whole cents, or below zero.

    Of what is not sent only the price counts: the sum of the lines is made of it, and a line below zero that stays here
    would be money that the shipper never hears of.
    """
    amounts: list[tuple[str, Any]] = []
    left_out = _leaves_out(order)
    for line in order.lines:
        amounts.append(("items.price", line.price))
        if goes(line):
            amounts.append(("items.bottleDeposit", line.deposit))
            if left_out:
                amounts.append(("items.tax", line.tax))
            if _splits(line, bundles):
                amounts += [("items.bundleItems.price", item.price) for item in line.bundle]
    amounts += [("subTotal", order.sub_total), ("shipTotal", order.ship_total)]
    if left_out:
        amounts += [("shipping.tax", way.tax) for way in order.shipping]
    else:
        amounts.append(("taxTotal", order.tax_total))
    bad = [name for name, value in amounts if (read := cents(value)) is None or read < 0]
    return {"amounts": sorted(set(bad))} if bad else None


def sum_mismatch(order: ShopOrder, bundles: str) -> Says | None:
    """Say what the lines add up to where that does not fit their sum: below it, or above it with lines left out."""
    del bundles  # at their own price here
    total, said = _all_lines(order), cents(order.sub_total) or 0
    unsaid = order.sub_total is None and total > 0  # a sum that is missing is no discount of everything
    if total < said or unsaid or (total > said and _leaves_out(order)):
        return {"lines": total, "sum": None if unsaid else said}
    return None


def bundle_unclear(order: ShopOrder, bundles: str) -> Says | None:
    """Name the bundles whose parts' prices fit neither one bundle nor all of the line."""
    found = [line.sku or "" for line in order.lines if goes(line) and _splits(line, bundles) and _factor(line) is None]
    return {"skus": sorted(set(found))} if found else None


def _factor(line: ShopLine) -> int | None:
    """Return by what the quantities of a bundle's parts are to be multiplied; None where nobody can say.

    Their prices tell: they add up to one bundle, or to all bundles of the line; both at once only of a single one.
    """
    price, quantity = cents(line.price) or 0, whole(line.quantity) or 0
    inside = sum((cents(item.price) or 0) * (whole(item.quantity) or 0) for item in line.bundle)
    if not any(whole(item.quantity) for item in line.bundle):
        return None
    if inside == price * quantity and (quantity == 1 or inside != price):
        return 1
    return quantity if inside == price and inside != price * quantity else None


def _leaves_out(order: ShopOrder) -> bool:
    return any(not goes(line) and is_above_zero(line.quantity) for line in order.lines)


def _all_lines(order: ShopOrder) -> int:
    return sum((cents(line.price) or 0) * (whole(line.quantity) or 0) for line in order.lines)


# --- what goes -----------------------------------------------------------------------------------------------------


def goods(order: ShopOrder, bundles: str) -> Goods:
    """Return what goes; lines of one SKU and price are one, in the order in which they first stand.

    Nothing is checked here: what is no amount counts as 0, and a bundle that nobody can split is left out.
    """
    kept: dict[tuple[str, int], int] = {}
    taxes = deposits = 0
    for line in order.lines:
        if not goes(line):
            continue
        quantity = whole(line.quantity) or 0
        taxes += cents(line.tax) or 0
        deposits += (cents(line.deposit) or 0) * quantity
        factor = (_factor(line) or 0) if _splits(line, bundles) else quantity
        for part in line.bundle if _splits(line, bundles) else (line,):
            count = factor * ((whole(part.quantity) or 0) if isinstance(part, BundleItem) else 1)
            key = (clean(part.sku) or "", cents(part.price) or 0)
            if count > 0:
                kept[key] = kept.get(key, 0) + count
    lines = tuple(SentLine(sku, quantity, price) for (sku, price), quantity in kept.items())
    return Goods(lines, _leaves_out(order), taxes, deposits, max(_all_lines(order) - (cents(order.sub_total) or 0), 0))
