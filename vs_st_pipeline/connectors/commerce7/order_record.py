"""Understands an order of Commerce7: what it says, what it lacks, and what of it is never stored (orders.md 4, 5, 10).

Data flow: an answer's JSON -> `stripped` -> raw -> `read_order` -> `ShopOrder`. What its parts mean is the route's.

It is long because every key that orders.md 4.1, 5 and 7.2 read has its place here, with what stands there in each form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.domain.birth import says_a_birth
from vs_st_pipeline.domain.codec import Beyond
from vs_st_pipeline.domain.errors import BadRecord
from vs_st_pipeline.domain.records import RecordKind, id_text, is_error, is_hollow
from vs_st_pipeline.domain.shop_order import (
    BundleItem,
    ShopAddress,
    ShopCustomer,
    ShopFulfilment,
    ShopLine,
    ShopOrder,
    ShopShipping,
)

# --- which keys are read --------------------------------------------------------------------------------------------

_READ: Final = (
    *("orderPaidDate", "purchaseType", "orderDeliveryMethod", "paymentStatus", "fulfillmentStatus", "complianceStatus"),
    *("carrierPickupLocation", "previousOrderId", "linkedOrders", "customerId", "customer", "shipTo", "billTo"),
    *("items", "shipping", "subTotal", "shipTotal", "taxTotal", "total", "giftMessage", "shippingInstructions"),
    "selectedShippingOptions",
)
_OF_ADDRESS: Final = (
    *("firstName", "lastName", "company", "phone", "address", "address2", "city", "stateCode", "zipCode"),
    *("countryCode", "birthDate"),
)
_OF_CUSTOMER: Final = ("firstName", "lastName", "emails", "phones", "birthDate")
_OF_LINE: Final = ("sku", "quantity", "price", "hasShipping", "type", "tax")
_OF_SHIPPING: Final = ("carrier", "code")
_PARTS: Final[Mapping[str, Sequence[str]]] = {
    "shipTo": _OF_ADDRESS,
    "billTo": _OF_ADDRESS,
    "customer": _OF_CUSTOMER,
    "selectedShippingOptions": ("requestedShipDate",),
}
_LISTS: Final[Mapping[str, Sequence[str]]] = {"items": _OF_LINE, "shipping": _OF_SHIPPING}

_ALWAYS: Final = (
    *("orderNumber", "paymentStatus", "fulfillmentStatus", "orderDeliveryMethod", "items", "subTotal", "total"),
)  # without one of these a read says too little: of what is not said nothing must follow

_DOCUMENTED: Final = (
    *(f"{key}!" if key == "items" else key for key in _READ),
    *("orderSubmittedDate", "createdAt", "updatedAt", "fulfillments", "taxesAdjusted"),
    *(f"{part}.{key}" for part, keys in _PARTS.items() for key in keys if key != "birthDate"),
    *(f"{part}[].{key}" for part, keys in _LISTS.items() for key in keys),
    *("items[].quantityFulfilled", "items[].bottleDeposit", "items[].bundleItems"),
)

ORDER: Final = RecordKind(
    system=COMMERCE7,
    name="order",
    id_keys=("id",),
    always=_ALWAYS,
    documented=_DOCUMENTED,
    sticky={f"{part}.birthDate": says_a_birth for part in ("customer", "billTo", "shipTo")},
)

CUSTOMER: Final = RecordKind(
    system=COMMERCE7,
    name="customer",
    id_keys=("id",),
    always=("firstName", "lastName", "emails"),
    documented=("phones",),
    sticky={"birthDate": says_a_birth},
)


class Unreadable(BadRecord):
    """It is no order that can be used: no object, no id, no number, no readable date (orders.md 10)."""


def lacks(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys that rules and payload read and this answer lacks: then it is no read (rulings, orders 2).

    What has a value of null is there. Only what every answer of the vendor's pages has is asked for.
    """
    return frozenset(_lacking(body))


def _lacking(body: Mapping[str, Any]) -> Iterator[str]:
    yield from (key for key in _READ if key not in body)
    if "items" in body and body["items"] is None:  # the vendor documents a list
        yield "items"
    if is_hollow(body.get("orderPaidDate")):
        if "orderSubmittedDate" not in body:
            yield "orderSubmittedDate"
        elif is_hollow(body["orderSubmittedDate"]) and "createdAt" not in body:
            yield "createdAt"
    for part, keys in _PARTS.items():
        inside = body.get(part)
        if isinstance(inside, Mapping) and inside:
            yield from (f"{part}.{key}" for key in keys if key not in inside)
    for part, keys in _LISTS.items():
        for one in _rows(body.get(part)):
            yield from (f"{part}[].{key}" for key in keys if key not in one)


# --- what is never stored (10) --------------------------------------------------------------------------------------

_NEVER: Final = frozenset({"connectionInformation", "idScanUrl"})
_OF_TENDER: Final = ("id", "tenderType", "type", "amountTendered", "amount", "chargeStatus", "status")
_KEPT_OF_CUSTOMER: Final = ("id", "firstName", "lastName", "emails", "phones", "birthDate")
_BEYOND: Final = "a number that nothing can hold"  # a text where an amount should be is no amount, and null would be 0

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=lambda _value: _BEYOND)


def stripped(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order without what is never stored."""
    found: dict[str, Any] = _without(body)
    if "tenders" in found:
        found["tenders"] = [_only(one, _OF_TENDER) for one in _rows(found["tenders"])]
    if isinstance(found.get("customer"), Mapping):
        found["customer"] = stripped_customer(found["customer"])
    return found


def stripped_customer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a customer with id, names, e-mails, phones and birth date alone."""
    found = _only(body, _KEPT_OF_CUSTOMER)
    for key, inside in (("emails", "email"), ("phones", "phone")):
        if isinstance(found.get(key), list):
            found[key] = [_only(one, ("id", inside)) if isinstance(one, Mapping) else one for one in found[key]]
    return found


def as_text(body: Any) -> str:
    """Return JSON as it is stored."""
    return _ENCODER.encode(body).decode()


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(part) for key, part in value.items() if key not in _NEVER}
    return [_without(part) for part in value] if isinstance(value, list) else value


def _only(body: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: body[key] for key in keys if key in body}


# --- what it says ---------------------------------------------------------------------------------------------------

_NUMBER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
NO_TEXT: Final = "(not a text)"
_OBJECTS: Final = ("shipTo", "billTo", "customer", "selectedShippingOptions")
_ARRAYS: Final = ("items", "shipping", "linkedOrders", "fulfillments")


def read_order(body: Any) -> ShopOrder:
    """Return what an order says.

    Raises:
        Unreadable: no object, an error, no id, no number of letters, digits and `-`, no readable date, or a part of
            another form, of which nobody can say what it means.
    """
    if not isinstance(body, Mapping) or is_error(body):
        raise _unreadable("is no order")
    order_id, number = id_text(body.get("id")), number_of(body)
    if order_id is None:
        raise _unreadable("has no id")
    if number is None:
        raise _unreadable("has no usable number")
    paid = paid_date(body)
    if paid is None:
        raise _unreadable("has no readable date")
    if any(not isinstance(body.get(key), Mapping | None) for key in _OBJECTS) or any(
        not isinstance(rows := body.get(key), list | None) or any(not isinstance(one, Mapping) for one in rows or ())
        for key in _ARRAYS
    ):
        raise _unreadable("has parts of another form")
    options = body.get("selectedShippingOptions")
    named = ((id_text(one.get("orderId")), _word(one.get("purchaseType"))) for one in _rows(body.get("linkedOrders")))
    linked = [(found, kind) for found, kind in named if found]
    return ShopOrder(
        id=order_id,
        number=number,
        paid_at=paid,
        created_at=moment(body.get("createdAt")),
        updated_at=moment(body.get("updatedAt")),
        channel=_text(body.get("channel")),
        purchase_type=_word(body.get("purchaseType")),
        delivery_method=_word(body.get("orderDeliveryMethod")),
        payment_status=_word(body.get("paymentStatus")),
        fulfillment_status=_word(body.get("fulfillmentStatus")),
        compliance_status=_word(body.get("complianceStatus")),
        carrier_pickup=not is_hollow(body.get("carrierPickupLocation")),
        ship_to=_address(body.get("shipTo")),
        bill_to=_address(body.get("billTo")),
        customer_id=id_text(body.get("customerId")) or _customer_id(body.get("customer")),
        customer=customer_of(body.get("customer")),
        lines=tuple(_line(one) for one in _rows(body.get("items"))),
        shipping=tuple(
            ShopShipping(
                _text(one.get("carrier")),
                _text(one.get("code")),
                _text(one.get("title")),
                one.get("price"),
                one.get("tax"),
            )
            for one in _rows(body.get("shipping"))
        ),
        sub_total=body.get("subTotal"),
        ship_total=body.get("shipTotal"),
        tax_total=body.get("taxTotal"),
        taxes_adjusted=body.get("taxesAdjusted"),
        total=body.get("total"),
        requested_ship_date=_text(options.get("requestedShipDate")) if isinstance(options, Mapping) else None,
        gift_message=_text(body.get("giftMessage")),
        shipping_instructions=_text(body.get("shippingInstructions")),
        linked=tuple(order_id for order_id, _ in linked),
        linked_kinds=tuple(kind for _, kind in linked),
        previous_id=id_text(body.get("previousOrderId")),
        fulfilments=tuple(_fulfilment(one) for one in _rows(body.get("fulfillments"))),
    )


def number_of(body: Mapping[str, Any]) -> str | None:
    """Return an order's number as people know it; None where it is none."""
    found = id_text(body.get("orderNumber"))
    return found if found is not None and _NUMBER.fullmatch(found) else None


def paid_date(body: Mapping[str, Any]) -> datetime | None:
    """Return the paid date of orders.md 4.1 (UTC without zone); None where no date can be read."""
    keys = ("orderPaidDate", "orderSubmittedDate", "createdAt")
    return next((found for key in keys if (found := moment(body.get(key))) is not None), None)


def moment(value: object) -> datetime | None:
    """Return an ISO date or time as UTC without zone; None where it is none."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        found = found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        return None
    return found if _FIRST_YEAR <= found.year <= _LAST_YEAR else None


def customer_of(value: Any) -> ShopCustomer | None:
    """Return what a customer's record says; None where there is none."""
    if not isinstance(value, Mapping):
        return None
    return ShopCustomer(
        id=id_text(value.get("id")),
        first_name=_text(value.get("firstName")),
        last_name=_text(value.get("lastName")),
        emails=_listed(value.get("emails"), "email"),
        phones=_listed(value.get("phones"), "phone"),
        birth_date=_text(value.get("birthDate")),
    )


def _customer_id(value: Any) -> str | None:
    return id_text(value.get("id")) if isinstance(value, Mapping) else None


def _address(value: Any) -> ShopAddress | None:
    if not isinstance(value, Mapping):
        return None
    return ShopAddress(*(_text(value.get(key)) for key in _OF_ADDRESS))


def _line(one: Mapping[str, Any]) -> ShopLine:
    return ShopLine(
        sku=_text(one.get("sku")),
        quantity=one.get("quantity"),
        price=one.get("price"),
        has_shipping=_is_true(one.get("hasShipping")),
        type=_text(one.get("type")),
        tax=one.get("tax"),
        deposit=one.get("bottleDeposit"),
        quantity_fulfilled=one.get("quantityFulfilled"),
        bundle=tuple(
            BundleItem(
                _text(part.get("sku")),
                part.get("quantity"),
                part.get("price"),
                None if part.get("hasShipping") is None else _is_true(part.get("hasShipping")),
            )
            for part in _rows(one.get("bundleItems"))
        ),
    )


def _fulfilment(one: Mapping[str, Any]) -> ShopFulfilment:
    shipped = one.get("shipped") if isinstance(one.get("shipped"), Mapping) else {}
    assert isinstance(shipped, Mapping)
    numbers = shipped.get("trackingNumbers")
    return ShopFulfilment(
        id=id_text(one.get("id")),
        type=_text(one.get("type")),
        at=_text(one.get("fulfillmentDate")),
        tracking_numbers=tuple(
            found for part in (numbers if isinstance(numbers, list) else [numbers]) if (found := _text(part))
        ),
        carrier=_text(shipped.get("carrier")),
    )


def _listed(value: Any, key: str) -> tuple[str, ...]:
    """Return the texts of a list of `{key: text}`, or of texts."""
    rows = value if isinstance(value, list) else []
    told = [_text(one.get(key) if isinstance(one, Mapping) else one) for one in rows]
    return tuple(one for one in told if one)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Return a text without outer blanks, and of a whole number its digits; None where nothing stands there."""
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, Beyond) else id_text(value)


def _word(value: Any) -> str | None:
    """Return a word of the vendor's own; what is given and is no text is no word that it documents."""
    return None if is_hollow(value) else _text(value) or NO_TEXT


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _unreadable(what: str) -> Unreadable:
    return Unreadable(f"an order {what}; what is known stands", system=COMMERCE7, call="order")
