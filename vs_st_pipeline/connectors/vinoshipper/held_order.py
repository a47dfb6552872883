"""Reads an order's detail for who wrote it: what it says that can be compared with what was sent (orders.md 4.3, 6.6).

The vendor documents next to nothing of it, so every value is read in any likely form, and one that cannot be read is
None: it says nothing. Money never passes a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.connectors.vinoshipper.parse import shop_moment, status_word
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.formats import (
    as_code,
    as_decimal,
    as_flag,
    as_mapping,
    as_rows,
    as_text,
    calendar_date,
    dated,
    instant,
)
from vs_st_pipeline.domain.order_desk import Compliance, HeldOrder, Package, Problem
from vs_st_pipeline.domain.records import id_text, is_hollow

META_ID: Final = "c7_order_id"
VIOLATION: Final = "COMPLIANCE_VIOLATION"
_SUCCESS: Final = "SUCCESS"
_ZIP: Final = re.compile(r"([0-9]{5})(?:[- ]?[0-9]{4})?", re.ASCII)


def held_order(body: Mapping[str, Any], *, text: str = "", trace_id: str | None = None) -> HeldOrder | None:
    """Read an order; None where it has no number.

    Args:
        body: decoded with fractions as Decimal.
        text: the same, as it came.
        trace_id: the vendor's id of the request.
    """
    number = number_in(body)
    if number is None:
        return None
    status = word(body.get("status"))
    to, shipping = as_mapping(body.get("shipToAddress")), as_mapping(body.get("shipping"))
    meta = _meta(body.get("metaFields"))
    problems = problems_in(body.get("orderProblems"))
    instructions = as_mapping(body.get("specialInstructions"))
    ship_date = calendar_date(instructions.get("shipDate"))
    return HeldOrder(
        number=number,
        status=status,
        order_status=word(body.get("orderStatus")),
        compliance=compliance_of(as_flag(body.get("isCompliant")), problems, status),
        problems=problems,
        age_verified=as_flag(as_mapping(body.get("ageVerification")).get("verified")),
        shop_order_id=id_text(meta.get(META_ID)),
        zip5=_zip5(to.get("postalCode")),
        state=_upper(to.get("stateCode")),
        quantities=_quantities(_lines(body)),
        ship_date=ship_date,
        tells_ship_date="shipDate" in instructions and (ship_date is not None or is_hollow(instructions["shipDate"])),
        total=_first_amount(body.get("total"), body.get("saleAmount")),
        taxes=as_decimal(body.get("taxesTotal")),
        taxes_adjusted=as_decimal(body.get("taxesAdjusted")),
        packages=_packages(shipping.get("packages"), as_text(shipping.get("carrier"))),
        purchased_at=_moment(body.get("purchasedAt")),
        shipped_at=_moment(body.get("shippedAt")),
        delivered_at=_moment(body.get("deliveredAt")),
        canceled_at=_moment(body.get("canceledAt")) or _moment(body.get("cancelledAt")),
        cancel_reason=as_text(body.get("cancelReason")),
        trace_id=trace_id,
        body=text,
    )


def read_held(text: str, *, trace_id: str | None = None) -> HeldOrder | None:
    """Read an order from its JSON text, such as one that is stored; None where it is no order."""
    body = try_json(text)
    return held_order(body, text=text, trace_id=trace_id) if isinstance(body, dict) else None


def number_in(body: Mapping[str, Any]) -> str | None:
    """Return the order's number; a text, that may come as a whole number."""
    return id_text(body.get("orderNumber"))


def word(value: object) -> str | None:
    """Return a status in capital letters, in our spelling where it is one of those that are known."""
    found = status_word(value) or ""
    return "_".join(found.upper().replace("-", " ").replace("_", " ").split()) or None


def compliance_of(
    is_compliant: bool | None, problems: Iterable[Problem], status: str | None, *, error: bool = False
) -> Compliance:
    """Say what an answer tells of compliance (4.3); a violation weighs more than a flag that denies it.

    Args:
        error: the answer is an error of the type for it.
    """
    if is_compliant is False or error or any(_upper(one.type) == VIOLATION for one in problems):
        return Compliance.NOT_COMPLIANT
    if is_compliant or (is_compliant is None and status == _SUCCESS):
        return Compliance.COMPLIANT
    return Compliance.NOT_CHECKED


def problems_in(rows: object, type: str | None = None) -> tuple[Problem, ...]:
    """Return problems as they came; a text alone is the description of one.

    Args:
        type: of a problem that tells none.
    """
    found = []
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            told = next((said for key in _DESCRIPTIONS if (said := as_text(row.get(key))) is not None), None)
            found.append(Problem(as_code(row.get("code")), told, as_text(row.get("type")) or type))
        elif (said := as_text(row)) is not None:
            found.append(Problem(None, said, type))
    return tuple(found)


_DESCRIPTIONS: Final = ("description", "message", "shortDescription")


def _meta(value: object) -> Mapping[str, object]:
    """Return meta fields, which are an object of texts, or else a list of names with values."""
    if isinstance(value, list):
        return {str(row.get("key", row.get("name"))): row.get("value") for row in as_rows(value)}
    return as_mapping(value)


def _zip5(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100_000:
        return f"{value:05}"  # a number has lost its leading zeros
    found = _ZIP.fullmatch((as_code(value) or "").strip())
    return found[1] if found else None


def _upper(value: object) -> str | None:
    text = as_text(value)
    return text.strip().upper() if text else None


def _lines(body: Mapping[str, Any]) -> list[Mapping[str, object]] | None:
    """Return what was ordered: a pack stands for its members, which point back at it.

    None where there is no list of products, or something in it is no product.
    """
    products, packs = body.get("products"), body.get("packs")
    packs = [] if packs is None else packs
    if not isinstance(products, list) or not isinstance(packs, list):
        return None
    if any(not isinstance(row, Mapping) for row in (*products, *packs)):
        return None
    known = {id_text(pack.get("productId")) for pack in packs} - {None}
    alone = [row for row in products if id_text(row.get("packProductId")) not in known]
    listed = {id_text(row.get("productId")) for row in alone}
    # A pack may stand among the products as well; it is not counted twice.
    return [*alone, *(pack for pack in packs if id_text(pack.get("productId")) not in listed)]


def _quantities(lines: list[Mapping[str, object]] | None) -> dict[str, int] | None:
    if lines is None:
        return None
    found: dict[str, int] = {}
    for line in lines:
        sku, quantity = as_code(line.get("sku")), _whole(line.get("quantity"))
        if sku is None or quantity is None:
            return None
        found[sku.strip()] = found.get(sku.strip(), 0) + quantity
    return found


def _whole(value: object) -> int | None:
    amount = as_decimal(value)
    return int(amount) if amount is not None and amount == amount.to_integral_value() else None


def _first_amount(*values: object) -> Decimal | None:
    return next((amount for value in values if (amount := as_decimal(value)) is not None), None)


def _packages(rows: object, carrier_of_all: str | None) -> tuple[Package, ...]:
    """Return the packages; one that names no carrier goes with the order's."""
    found = []
    for row in as_rows(rows):
        number = as_code(row.get("trackingNumber"))
        carrier = as_text(row.get("carrier")) or carrier_of_all
        found.append(Package(carrier.strip() if carrier else None, number.strip() if number else None))
    return tuple(found)


def _moment(value: object) -> datetime | None:
    moment = dated(shop_moment(value))
    return instant(moment).astimezone(UTC).replace(tzinfo=None) if moment is not None else None
