"""Says what became of an order's goods by the orders that are linked to it: refunds and exchanges (orders.md 4.1).

A refund is known by its content, not by its label alone: the shop may leave the type out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.routes.orders.money import cents, is_above_zero, is_below_zero, whole
from vs_st_pipeline.routes.orders.texts import word

REFUND, EXCHANGE = "refund", "exchange"
TYPES: Final = {"": "regular", "regular": "regular", "corporate order": "regular", "pickup to ship": "regular"}


def is_exchange(order: ShopOrder) -> bool:
    """Say whether an order is an exchange: by its type, or since it takes goods back and gives others."""
    return word(order.purchase_type) == EXCHANGE or (_takes(order) and _gives(order))


def is_refund(order: ShopOrder) -> bool:
    """Say whether an order is a refund: by its type, by a total below zero, or since it only takes goods back."""
    return word(order.purchase_type) == REFUND or is_below_zero(order.total) or (_takes(order) and not _gives(order))


def _takes(order: ShopOrder) -> bool:
    return any(is_below_zero(line.quantity) for line in order.lines)


def _gives(order: ShopOrder) -> bool:
    return any(is_above_zero(line.quantity) for line in order.lines)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What the linked orders took back of an order. `wholly` and `partly` are never both true."""

    wholly: bool = False
    partly: bool = False


def taken_back(order: ShopOrder, linked: Iterable[ShopOrder]) -> TakenBack:
    """Return what refunds and exchanges took back, all refunds added up per SKU.

    A refund of shipping, tip or price alone is neither.
    """
    others = [one for one in linked if one.id != order.id]
    refunds, exchanges = of_kind(others)
    wanted = goods(order)
    back: Counter[str | None] = Counter()
    money, doubtful = 0, False
    for refund in refunds:
        amount = cents(refund.total) or 0
        money += abs(amount) if word(refund.purchase_type) == REFUND else max(-amount, 0)
        for line in refund.lines:
            quantity = whole(line.quantity)
            if quantity is None or (quantity > 0 and not _takes(refund)):  # takes back, but nobody can say how much
                doubtful = doubtful or line.sku in wanted
            else:
                back[line.sku] += max(-quantity, 0)
    total = cents(order.total) or 0
    all_goods = bool(wanted) and all(back[sku] >= quantity for sku, quantity in wanted.items())
    wholly = all_goods or 0 < total <= money
    partly = bool(exchanges) or doubtful or any(back[sku] > 0 for sku in wanted)
    return TakenBack(wholly, partly and not wholly)


def of_kind(linked: Iterable[ShopOrder]) -> tuple[Sequence[ShopOrder], Sequence[ShopOrder]]:
    """Return the refunds and the exchanges among linked orders; a type that says which it is outweighs the content."""
    refunds, exchanges = [], []
    for one in linked:
        kind = word(one.purchase_type)
        if kind != REFUND and is_exchange(one):
            exchanges.append(one)
        elif is_refund(one):
            refunds.append(one)
    return refunds, exchanges


def goods(order: ShopOrder) -> Counter[str | None]:
    """Return the quantities by SKU of the lines that ship."""
    found: Counter[str | None] = Counter()
    for line in order.lines:
        quantity = whole(line.quantity)
        if line.has_shipping and quantity is not None and quantity > 0:
            found[line.sku] += quantity
    return found
