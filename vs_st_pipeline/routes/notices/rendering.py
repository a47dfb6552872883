"""Renders a message: which value fills which placeholder, and how the whole reads (notices.md 6, 9 "preview").

Data flow: an order as staged, the settings' params, the template -> params and text, or what is missing. Pure, but for
`order_of`, which reads the staged order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.gupshup.settings import TemplateSettings
from vs_st_pipeline.connectors.gupshup.variables import VARIABLES, cleaned, written
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.messages import Button
from vs_st_pipeline.routes.notices.phones import masked
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.template_fit import PLACEHOLDER, Template

LONGEST: Final = 1024  # characters of a body
_IN_TEXT = re.compile(r"\{([a-z_]+)\}")
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


@dataclass(frozen=True, slots=True)
class Param:
    """What fills placeholder `n`. Variable: None for a fixed text."""

    n: int
    variable: str | None
    value: str

    def as_json(self) -> dict[str, Any]:
        """Return it as `preview` shows it."""
        return {"n": self.n, "variable": self.variable, "value": self.value}


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable has no value, and the settings name nothing in its place."""

    variable: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it reads."""

    params: Sequence[Param]
    text: str
    buttons: Sequence[Button] = ()


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


def samples_of(settings: NoticesSettings) -> Callable[[str], str | None]:
    """Return the samples: the merchant's, else the house's."""
    return lambda key: settings.samples.get(key) or VARIABLES[key].sample


def params_of(wanted: TemplateSettings, value: Callable[[str], str | None]) -> list[Param] | Missing:
    """Return what fills each placeholder, in order; or the first variable that is missing. None is ever empty."""
    found = []
    for n, one in enumerate(wanted.params, 1):
        text = cleaned(one.text) if one.text is not None else None
        if one.variable is not None:
            text = value(one.variable) or cleaned(one.fallback)
        if text is None:
            return Missing(one.variable or f"params[{n}]")
        found.append(Param(n, one.variable, text))
    return found


def render(template: Template, wanted: TemplateSettings, value: Callable[[str], str | None]) -> Rendered | Missing:
    """Return a message as it would read."""
    params = params_of(wanted, value)
    if isinstance(params, Missing):
        return params
    actions = dict(enumerate(wanted.buttons))
    buttons = [Button(actions.get(index), title) for index, title in enumerate(template.quick_replies)]
    return Rendered(params, fill(template.data or "", params), buttons)


def fill(text: str, params: Sequence[Param]) -> str:
    """Return a template's text with its placeholders filled; what a value holds is not looked at again."""
    values = {str(one.n): one.value for one in params}
    return PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), text)


def fill_text(text: str, value: Callable[[str], str | None]) -> str | Missing:
    """Return an answer's text with its `{variable}`s filled (8.5); or the first that is missing.

    Braces around what is no variable stay as they are.
    """
    known = [name for name in dict.fromkeys(_IN_TEXT.findall(text)) if name in VARIABLES]
    values = {name: value(name) for name in known}
    missing = next((name for name, found in values.items() if found is None), None)
    if missing is not None:
        return Missing(missing)
    return _IN_TEXT.sub(lambda found: values.get(found.group(1)) or found.group(0), text)


def preview(template: Template, wanted: TemplateSettings, value: Callable[[str], str | None]) -> dict[str, Any]:
    """Return header, body, footer, buttons and params for people to look at; a missing value shows as `{{n}}`."""
    params = []
    for n, one in enumerate(wanted.params, 1):
        filled = params_of(TemplateSettings(id=wanted.id, params=(one,)), value)
        params.append(Param(n, one.variable, "" if isinstance(filled, Missing) else filled[0].value))
    known = [one for one in params if one.value]
    return {
        "header": fill(template.header, known) if template.header else None,
        "body": fill(template.data or "", known),
        "footer": template.footer,
        "buttons": [str(one.get("text") or "") for one in template.buttons],
        "params": [one.as_json() | {"value": one.value or None} for one in params],
    }


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
    found = json.loads(text)
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
