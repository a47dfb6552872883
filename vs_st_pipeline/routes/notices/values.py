"""Finds the value of each variable of a template in an order as it is staged (notices.md 6).

Data flow: staged.notice_orders, staged.recipients -> `Order`, `Values`. Pure, but for `order_of` and `values_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from vs_st_pipeline.connectors.gupshup.variables import cleaned, written
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.phones import masked
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.systems import ESHOPBOX

_RETURN: Final = "return:"
COLUMNS: Final = (
    "merchant_order, source, order_number, vendor_order_number, placed_at, country, state, postal, items, payment, "
    "invoice, tracking_id, courier, ndr, refund_amount, more, whatsapp_flag, read_at, read_real"
)


@dataclass(frozen=True, slots=True)
class Order:
    """A row of staged.notice_orders, its JSON read."""

    merchant_order: str
    source: str
    order_number: str
    vendor_order_number: str | None = None
    placed_at: datetime | None = None
    country: str | None = None
    state: str | None = None
    postal: str | None = None
    items: Sequence[Mapping[str, Any]] = ()
    payment: str | None = None
    invoice: str | None = None
    tracking_id: str | None = None
    courier: str | None = None
    ndr: Mapping[str, Any] = field(default_factory=dict)
    refund_amount: Decimal | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    whatsapp_flag: bool | None = None
    read_at: datetime | None = None
    read_real: float | None = None

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Order:
        """Return what a row of `COLUMNS` says."""
        values = list(row)
        values[8] = _json(values[8], [])
        values[13] = _json(values[13], {})
        values[15] = _json(values[15], {})
        return cls(*values)

    def items_of(self, unit_key: str) -> list[Mapping[str, Any]]:
        """Return the lines of a unit in their order; of the whole order where no line is the unit's."""
        own = [one for one in self.items if one.get("unit_key") == unit_key]
        return sorted(own or self.all_items(), key=lambda one: _number(one.get("line")))

    def all_items(self) -> list[Mapping[str, Any]]:
        """Return the lines of the order itself; those of its returns are the same goods once more."""
        forward = [one for one in self.items if not str(one.get("unit_key") or "").startswith(_RETURN)]
        return list(forward or self.items)

    def of_unit(self, unit_key: str, key: str) -> Any:
        """Return what is known of one shipment or return, such as its tracking id."""
        units = self.more.get("units")
        own = units.get(unit_key) if isinstance(units, Mapping) else None
        return own.get(key) if isinstance(own, Mapping) else None

    def ndr_of(self, unit_key: str) -> Mapping[str, Any]:
        """Return what is said of a unit's failed delivery; where nothing is, of the order's."""
        found = self.ndr.get(unit_key) or self.ndr.get("") or {}
        return found if isinstance(found, Mapping) else {}


class Values:
    """The values of all variables for one unit of an order; text, or None where one is missing."""

    def __init__(
        self, order: Order, unit_key: str, name: str | None, phone: str | None, settings: NoticesSettings,
        merchant: Merchant,
    ) -> None:  # fmt: skip
        self._order, self._unit_key, self._name, self._phone = order, unit_key, name, phone
        self._settings, self._merchant = settings, merchant

    def __call__(self, key: str) -> str | None:
        """Return a variable's text."""
        read = _READERS.get(key)
        return written(key, read(self) if read is not None else self._order.more.get(key))

    def _items(self, key: str) -> list[Any]:
        return [one.get(key) for one in self._order.items_of(self._unit_key)]

    def _of_unit(self, key: str, otherwise: Any) -> Any:
        return self._order.of_unit(self._unit_key, key) or otherwise

    def _brand(self) -> Any:
        own = next((text for one in self._items("brand") if (text := cleaned(one)) is not None), None)
        return own or cleaned(self._order.more.get("brand")) or self._settings.brand or self._merchant.name

    def _payment(self) -> Any:
        return self._order.payment if self._order.source == ESHOPBOX else "Paid"

    def _address(self) -> str | None:
        address = self._order.more.get("address")
        lines = address if isinstance(address, list) else [address]
        return ", ".join(text for one in lines if (text := cleaned(one)) is not None) or None

    def _quantity(self) -> str | None:
        found = [_decimal(one.get("quantity")) for one in self._order.all_items()]
        known = [one for one in found if one is not None]
        if not known or len(known) < len(found):  # a sum that leaves out a line would be wrong
            return None
        return f"{sum(known):f}".rstrip("0").rstrip(".") if any(one % 1 for one in known) else str(int(sum(known)))

    def _refund(self) -> Any:
        own = self._of_unit("refund_amount", None)
        return own if own is not None else self._order.refund_amount

    def _date(self) -> Any:
        at = self._order.placed_at
        return None if at is None else local(at, self._merchant.time_zone).date()


def local(at: datetime, zone: ZoneInfo) -> datetime:
    """Return a time (UTC without zone) by the clock of a zone."""
    return at.replace(tzinfo=UTC).astimezone(zone)


def begin_of(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins in a zone (UTC without zone)."""
    return datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None)


_READERS: Final[Mapping[str, Callable[[Values], Any]]] = {
    "customer_order_id": lambda it: cleaned(it._order.vendor_order_number) or it._order.order_number,
    "brand": Values._brand,
    "sku": lambda it: it._items("sku"),
    "gtin": lambda it: it._items("gtin"),
    "ean": lambda it: it._items("ean"),
    "upc": lambda it: it._items("upc"),
    "product_title": lambda it: it._items("title"),
    "customer_name": lambda it: it._name,
    "customer_phone": lambda it: None if it._phone is None else masked(it._phone),
    "address": Values._address,
    "city": lambda it: it._order.more.get("city"),
    "state": lambda it: it._order.more.get("state") or it._order.state,
    "pincode": lambda it: it._order.more.get("pincode") or it._order.postal,
    "payment_method": Values._payment,
    "invoice": lambda it: it._order.invoice,
    "quantity": Values._quantity,
    "refund_amount": Values._refund,
    "tracking_id": lambda it: it._of_unit("tracking_id", it._order.tracking_id),
    "tracking_url": lambda it: it._of_unit("tracking_url", it._order.more.get("tracking_url")),
    "courier": lambda it: it._of_unit("courier", it._order.courier),
    "failure_reason": lambda it: it._order.ndr_of(it._unit_key).get("reason") or it._of_unit("reason", None),
    "order_date": Values._date,
    "merchant_name": lambda it: it._merchant.name,
}
"""Where a variable's value stands; the rest is looked up in `more` by its own key."""


def order_of(db: Db, merchant_order: str) -> Order | None:
    """Return an order as it is staged."""
    row = db.row(f"select {COLUMNS} from staged.notice_orders where merchant_order = ?", [merchant_order])
    return None if row is None else Order.of_row(row)


def values_of(
    db: Db, merchant: Merchant, settings: NoticesSettings, merchant_order: str, unit_key: str | None = None
) -> Values | None:
    """Return the values for an order's unit, as staged; None: the order is not known. For texts of answers (8.5)."""
    order = order_of(db, merchant_order)
    if order is None:
        return None
    row = db.row("select name, phone from staged.recipients where merchant_order = ?", [merchant_order])
    name, phone = row if row is not None else (None, None)
    return Values(order, unit_key or "", name, phone, settings, merchant)


def _json(text: str | None, empty: Any) -> Any:
    if not text:
        return empty
    found = msgspec.json.decode(text)
    return found if isinstance(found, type(empty)) else empty


def _number(line: object) -> float:
    found = _decimal(line)
    return float(found) if found is not None else float("inf")


def _decimal(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        return None
    return found if found.is_finite() else None
