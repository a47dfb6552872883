"""Compares an order with what the shipper holds: is it ours, and is it as it was sent? (orders.md 6.2, 6.6)

What an answer does not tell is no difference; who is looked for and does not show enough is nobody of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.routes.orders import lines, people

_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that stands otherwise at the shipper. Both values are nobody's data."""

    name: str
    ours: str | None
    theirs: str | None

    def __str__(self) -> str:
        return f"{self.name}: {self.ours or 'none'} here, {self.theirs or 'none'} there"


# --- is it ours? ----------------------------------------------------------------------------------------------------


def is_ours(order: ShopOrder | Mapping[str, Any], held: HeldOrder, order_id: str) -> bool:
    """Say whether an order that the shipper holds is the shop's one of this id (6.2).

    Args:
        order: as the shop has it, or what was kept of it when it was sent (`Payload.sent`).
    """
    if held.shop_order_id is not None:
        return held.shop_order_id == order_id
    return goes_to_same_zip(order, held) and _same_quantities(order, held)


def looks_like(order: ShopOrder | Mapping[str, Any], held: HeldOrder, order_id: str | None = None) -> bool:
    """Say whether an order under the bare number of the shop may be this one (`also_look_for: plain`).

    That is one that ships to the same ZIP or is of the same quantities, and does not say that it is another one.

    Args:
        order: as in `is_ours`. order_id: its id at the shop, where `order` does not tell it.
    """
    if held.shop_order_id is not None:
        return held.shop_order_id == (order_id or (order.id if isinstance(order, ShopOrder) else None))
    return goes_to_same_zip(order, held) or _same_quantities(order, held)


def goes_to_same_zip(order: ShopOrder | Mapping[str, Any], held: HeldOrder) -> bool:
    """Say whether both ship to the same ZIP code, by its five digits."""
    if isinstance(order, ShopOrder):
        ours = people.zip5(order.ship_to.zip_code) if order.ship_to else None
    else:
        ours = people.zip5(_text(order.get("zip")))
    return ours is not None and people.zip5(held.zip5) == ours


def _same_quantities(order: ShopOrder | Mapping[str, Any], held: HeldOrder) -> bool:
    if not held.quantities:
        return False
    theirs = _folded(held.quantities)
    if not isinstance(order, ShopOrder):
        return _folded(quantities(order)) == theirs
    ways = ("as_sku", lines.AS_ITEMS)  # it may have been sent under another setting than today's
    return any(_folded(_counted(order, way)) == theirs for way in ways)


def _counted(order: ShopOrder, bundles: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in lines.goods(order, bundles).lines:
        found[line.sku] += line.quantity
    return found


def _folded(counted: Mapping[str, int]) -> dict[str, int]:
    """Return quantities by SKU in any case: the shipper may show its own spelling of ours."""
    found: Counter[str] = Counter()
    for sku, quantity in counted.items():
        found[sku.casefold()] += quantity
    return {sku: quantity for sku, quantity in found.items() if quantity}


# --- is it as it was sent? ------------------------------------------------------------------------------------------


def differences(sent: Mapping[str, Any], held: HeldOrder) -> list[Difference]:
    """Return what stands otherwise at the shipper than it was sent, from one cent on (6.6).

    Args:
        sent: what was kept of the order (`Payload.sent`), as it was made or read back from JSON; of an adopted order
            what was read then, which may lack prices.
    """
    found: list[Difference] = []
    if held.quantities is not None:
        ours, theirs = quantities(sent), held.quantities
        found += [
            Difference(f"quantity of {sku}", _count(ours.get(sku, 0)), _count(theirs.get(sku, 0)))
            for sku in sorted(ours.keys() | theirs.keys())
            if ours.get(sku, 0) != theirs.get(sku, 0)
        ]
    found += _unlike("state", _text(sent.get("state")), held.state and held.state.strip().upper())
    found += _unlike("ZIP", people.zip5(_text(sent.get("zip"))), people.zip5(held.zip5))
    shows_day = held.ship_date is not None or held.tells_ship_date
    if shows_day and (_text(sent.get("ship_date")) or None) != (theirs_day := _iso(held)):
        found.append(Difference("shipDate", _text(sent.get("ship_date")) or None, theirs_day))
    total = amount(_money(sent).get("total", sent.get("total")))
    if total is not None and held.total is not None and abs(total - held.total) >= _CENT:
        found.append(Difference("total", f"{total:.2f}", f"{held.total:.2f}"))
    return found


def quantities(sent: Mapping[str, Any]) -> dict[str, int]:
    """Return the quantities by SKU of what was sent."""
    found: Counter[str] = Counter()
    given = sent.get("lines")
    for line in given if isinstance(given, Sequence) and not isinstance(given, str) else ():
        if isinstance(line, Mapping) and isinstance(line.get("quantity"), int):
            found[str(line.get("sku"))] += line["quantity"]
    return dict(found)


def amount(value: object) -> Decimal | None:
    """Return an amount of dollars as it is kept, None where it is none."""
    try:
        found = Decimal(str(value)) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def _unlike(name: str, ours: str | None, theirs: str | None) -> list[Difference]:
    return [Difference(name, ours, theirs)] if theirs and ours != theirs else []


def _iso(held: HeldOrder) -> str | None:
    return held.ship_date.isoformat() if held.ship_date else None


def _money(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    found = sent.get("money")
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(quantity: int) -> str | None:
    return str(quantity) if quantity else None
