"""Names what is known besides an order when it is judged or written (orders.md 4.1, 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.routes.orders.settings import OrdersSettings


@dataclass(frozen=True, slots=True)
class Known:
    """What the merchant, the day and the tables say.

    Attributes:
        number_prefix: of order numbers at the shipper. tenant: at the shop.
        zone: the merchant's. today: its day. now: UTC without zone.
        linked: the orders that this one names as linked, and those that name this one as theirs.
        absent: ids that this order names and that need not be read: the shop answers 404, or they were paid before
            `start`. Any other one that is not in `linked` keeps the order waiting: it may be a refund.
        catalogue: SKUs that the shipper sells; None: not known, not believed, or not read since the order was first
            seen.
        dont_send: a person said so. forgotten: its person was erased.
        accept: codes that a person passes, this once.
        dropped_keys: keys that the shipper refused before.
        vs_number: the number that the order had at its first try; None: it had none yet.
    """

    settings: OrdersSettings
    number_prefix: str
    tenant: str
    zone: ZoneInfo
    today: date
    now: datetime
    linked: Sequence[ShopOrder] = ()
    catalogue: frozenset[str] | None = None
    dont_send: bool = False
    forgotten: bool = False
    accept: frozenset[str] = frozenset()
    dropped_keys: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    vs_number: str | None = None

    def number_of(self, order: ShopOrder) -> str:
        """Return the order's number at the shipper: kept at the first try, and never another one."""
        return self.vs_number or f"{self.number_prefix}-{order.number}"
