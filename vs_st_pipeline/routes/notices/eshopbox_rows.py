"""Makes the rows of an order of Eshopbox: what messages and actions need of it, and whose phone it is (4, 6).

Data flow: an order's body as it is believed, its units -> rows of staged.notice_orders and staged.recipients. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.eshopbox.order_record import (
    RETURN,
    SHIPMENT_KEYS,
    TIME_KEYS,
    OrderSaid,
    first,
    line_of,
    rows_in,
    tracking_of,
)
from vs_st_pipeline.connectors.eshopbox.times import UnreadableTime, read_time
from vs_st_pipeline.domain.records import id_text, is_given
from vs_st_pipeline.platform.kept_records import as_json
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.units import Units

BAD_REFUND: Final = "unreadable_refund"
_CENT: Final = Decimal("0.01")
_FLAG: Final = "isWhatsAppEnabledForNotifications"
_ITEM_KEYS: Final = {
    "sku": ("sku",),
    "gtin": ("gtin", "GTIN"),
    "ean": ("ean", "EAN"),
    "upc": ("upc", "UPC"),
    "brand": ("brand",),
    "title": ("productName", "title"),
    "quantity": ("quantity",),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of both tables, by name, but for what is read of a phone. faults: reasons of what cannot be used."""

    order: Mapping[str, Any]
    recipient: Mapping[str, Any]
    faults: list[str]


def rows_of(
    body: Mapping[str, Any], said: OrderSaid, units: Units, zone: ZoneInfo, event_at: Mapping[str, datetime]
) -> Rows:
    """Return an order's rows.

    Args:
        said: what the body tells, whose names are added to `units`.
        zone: of its times.
        event_at: by unit, when the newest answer of its customer to a failed delivery was told.
    """
    address = _part(body, "shippingAddress")
    faults = list(said.faults)
    keys = {unit.key: units.of(unit.key, unit.names) for unit in said.units}
    by_line = {line: keys[unit.key] for unit in said.units if unit.resource != RETURN for line in unit.lines}
    lines = [(line_of(item, place), item) for place, item in enumerate(rows_in(body.get("items")))]
    items, of_units = _items(lines, by_line)
    refund = _add_returns(body, keys, items, of_units, faults)
    merchant_order = f"{ESHOPBOX}:{said.key}"
    country = id_text(first(address, ("countryCode", "country")))
    forward = next((one for one in of_units.values() if one.get("tracking_id")), {})
    order = {
        "merchant_order": merchant_order,
        "source": ESHOPBOX,
        "order_number": said.number,
        "vendor_order_number": id_text(body.get("vendorOrderNumber")),
        "placed_at": said.placed_at.isoformat() if said.placed_at is not None else None,
        "country": country,
        "state": id_text(address.get("state")),
        "postal": id_text(first(address, ("postalCode", "pincode"))),
        "items": _json(items),
        "payment": _payment(body),
        "invoice": id_text(body.get("invoiceNumber")),
        "tracking_id": forward.get("tracking_id"),
        "courier": next((one["courier"] for one in of_units.values() if one.get("courier")), None),
        "ndr": _ndr(body, lines, by_line, zone, event_at),
        "refund_amount": refund,
        "more": _json(
            {
                "address": [address.get(key) for key in ("addressLine1", "addressLine2") if is_given(address.get(key))],
                "city": address.get("city"),
                "state": address.get("state"),
                "pincode": first(address, ("postalCode", "pincode")),
                "brand": body.get("brand"),
                "invoice_url": first(body, ("invoice_url", "invoiceUrl")),
                "units": of_units,
            }
        ),
        "contact_phone": _as_it_is(address.get("contactPhone")),
        "whatsapp_flag": _flag(body),
    }
    recipient = {
        "merchant_order": merchant_order,
        "phone_raw": order["contact_phone"],
        "name": id_text(address.get("customerName")),
        "country": country,
        "state": order["state"],
    }
    return Rows(order, recipient, faults)


_Lines = Sequence[tuple[str, Mapping[str, Any]]]
"""An order's items, each with its line."""


def _items(lines: _Lines, by_line: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the lines of the order, and what is known of each parcel."""
    items: list[dict[str, Any]] = []
    of_units: dict[str, dict[str, Any]] = {}
    for line, item in lines:
        unit_key = by_line.get(line)
        items.append({"unit_key": unit_key, "line": line, **_of_item(item)})
        if unit_key is not None:
            _add(of_units, unit_key, item)
    return items, of_units


def _of_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: first(item, keys) for name, keys in _ITEM_KEYS.items()}


def _add(of_units: dict[str, dict[str, Any]], unit_key: str, row: Mapping[str, Any]) -> None:
    unit = of_units.setdefault(unit_key, {})
    for name, value in (
        ("tracking_id", tracking_of(row)),
        ("courier", id_text(first(row, ("courierName", "courier")))),
        ("tracking_url", id_text(first(row, ("trackingUrl", "tracking_url", "trackingURL")))),
    ):
        if value is not None:
            unit.setdefault(name, value)


def _add_returns(
    body: Mapping[str, Any],
    keys: Mapping[str, str],
    items: list[dict[str, Any]],
    of_units: dict[str, dict[str, Any]],
    faults: list[str],
) -> str | None:
    """Add the lines of returns, with what the order says of these goods; returns the refund of the first one."""
    known = {one["line"]: one for one in items}
    refund: str | None = None
    for row in rows_in(first(body, ("returns", "returnShipments"))):
        own = id_text(first(row, SHIPMENT_KEYS)) or id_text(row.get("customerReturnNumber"))
        unit_key = keys.get(f"{RETURN}:{ESHOPBOX}:{own}")
        if unit_key is None:
            continue
        _add(of_units, unit_key, row)
        amount = _money(row.get("refundAmount"), faults)
        if amount is not None:
            of_units[unit_key]["refund_amount"] = amount
            refund = refund or amount
        for place, item in enumerate(rows_in(row.get("items"))):
            line, told = line_of(item, place), _of_item(item)
            before = known.get(line, {})
            merged = {name: value if value is not None else before.get(name) for name, value in told.items()}
            items.append({"unit_key": unit_key, "line": line, **merged})
    return refund


def _ndr(
    body: Mapping[str, Any],
    lines: _Lines,
    by_line: Mapping[str, str],
    zone: ZoneInfo,
    event_at: Mapping[str, datetime],
) -> str | None:
    """Return what is said of failed deliveries, by unit; under `""` what stands on the order itself."""
    found: dict[str, dict[str, Any]] = {}
    for line, item in lines:
        unit_key = by_line.get(line)
        if unit_key is not None and unit_key not in found and isinstance(item.get("ndrDetails"), Mapping):
            found[unit_key] = _one_ndr(item["ndrDetails"], zone)
    of_order = _one_ndr(body["ndrDetails"], zone) if isinstance(body.get("ndrDetails"), Mapping) else None
    bare = of_order if of_order is not None and not found else {"reason": None, "resolutions": None, "submitted": None}
    for unit_key, at in event_at.items():
        found[unit_key] = {**found.get(unit_key, bare), "event_at": at.isoformat()}
    if of_order is not None:
        found[""] = of_order
    return _json({key: {"event_at": None, **one} for key, one in found.items()}) if found else None


def _one_ndr(row: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    codes, submitted = row.get("resolutions"), row.get("submittedResolution")
    told: dict[str, Any] | None = None
    if isinstance(submitted, Mapping) and (code := id_text(submitted.get("resolutionCode"))) is not None:
        try:
            at = read_time(first(submitted, TIME_KEYS), zone)
        except UnreadableTime:
            at = None
        told = {"code": code, "at": at.isoformat() if at is not None else None}
    return {
        "reason": id_text(row.get("reason")),
        "resolutions": [code for one in codes if (code := id_text(one)) is not None]
        if isinstance(codes, list)
        else None,
        "submitted": told,
    }


def _payment(body: Mapping[str, Any]) -> str | None:
    written = id_text(body.get("paymentType"))
    return "COD" if written is None and body.get("isCOD") in (1, True, "1") else written


def _flag(body: Mapping[str, Any]) -> bool | None:
    """Return whether the customer opted in with this order: 1 or true alone say so; None: it does not say."""
    value = body.get(_FLAG)
    if value is None:
        return None
    return value is True or value == 1 or (isinstance(value, str) and value.strip().casefold() in ("1", "true"))


def _money(value: Any, faults: list[str]) -> str | None:
    if not is_given(value):
        return None
    try:
        amount = Decimal(str(value).strip()) if not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0 or amount.adjusted() > 12:
        if BAD_REFUND not in faults:
            faults.append(BAD_REFUND)
        return None
    return str(amount.quantize(_CENT, ROUND_HALF_UP))


def _as_it_is(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else id_text(value)


def _part(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}


def _json(value: Any) -> str:
    return as_json(value)
