"""Says whether an order changed in anything that matters: hashes of what is read of it, and names of what differs.

Content is all that the rules and the payload read of an order and of those linked to it, and no more (orders.md 4.2):
when it was changed, its tags, messages and shipping status are none. What was sent is section 5's part of it, without
the customer's profile and the bill-to, which people edit (6.5).

A value is written in one form, so that `1900` and `1900.0`, `ca` and `CA`, a date and its midnight are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.domain.formats import parse_moment
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.shop_order import ShopAddress, ShopOrder
from vs_st_pipeline.routes.orders import linked as links
from vs_st_pipeline.routes.orders import people
from vs_st_pipeline.routes.orders.money import whole
from vs_st_pipeline.routes.orders.settings import carrier_key, code_key
from vs_st_pipeline.routes.orders.texts import clean, word

Fields = Mapping[str, Any]

_SHORT: Final = 16  # hexadecimal digits of the hash of one part


def content_hash(order: ShopOrder, linked: Iterable[ShopOrder] = ()) -> str:
    """Return the hash of all that decides about an order and is sent of it.

    Args:
        linked: the orders that are linked to it; only refunds and exchanges among them count.
    """
    refunds, exchanges = links.of_kind(one for one in linked if one.id != order.id)
    told = [
        {
            "id": one.id,
            "kind": kind,
            "total": _number(one.total),
            "items": _sorted([_taken(line) for line in one.lines]),
        }
        for kind, some in ((links.REFUND, refunds), (links.EXCHANGE, exchanges))
        for one in some
    ]
    return _digest({**_content(order), "linked": _sorted(told), "linkedOrders": sorted(order.linked)})


def sent_hash(order: ShopOrder) -> str:
    """Return the hashes of the parts that were sent, as one text: `items=0f3c...,shipTo=77ab...`.

    They stand apart so that two of them tell which part differs, with nothing else kept. The ship-to is one part: the
    hash of a name or a birth date alone could be guessed.
    """
    return ",".join(f"{name}={_digest(value)[:_SHORT]}" for name, value in sorted(_sent(order).items()))


def changed_fields(before: ShopOrder | str, after: ShopOrder | str) -> list[str]:
    """Return the names of the fields that differ, as the shop calls them, sorted.

    Args:
        before, after: two orders: all of their content is compared, key by key; or what `sent_hash` gave of one or
            both: only what was sent is compared, part by part.
    """
    if isinstance(before, ShopOrder) and isinstance(after, ShopOrder):
        return _differing(_content(before), _content(after))
    old, new = ((sent_hash(one) if isinstance(one, ShopOrder) else one) for one in (before, after))
    if old == new:
        return []
    return _differing(_parts(old), _parts(new)) or ["order"]


def _parts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {name: value for name, equals, value in pairs if equals}


def _differing(before: Fields, after: Fields) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


# --- what is read ---------------------------------------------------------------------------------------------------


def _content(order: ShopOrder) -> dict[str, Any]:
    customer = order.customer
    return {
        "orderNumber": order.number,
        "orderPaidDate": order.paid_at.isoformat(),
        "purchaseType": word(order.purchase_type) or "regular",
        "orderDeliveryMethod": word(order.delivery_method),
        "paymentStatus": word(order.payment_status),
        "fulfillmentStatus": word(order.fulfillment_status),
        "complianceStatus": word(order.compliance_status),
        "carrierPickupLocation": order.carrier_pickup,
        "total": _number(order.total),
        **_items_and_money(order),
        **_address("shipTo", order.ship_to),
        **_address("billTo", order.bill_to),
        "customer.emails": people.email(order),
        "customer.firstName": customer and clean(customer.first_name),
        "customer.lastName": customer and clean(customer.last_name),
        "customer.birthDate": customer and clean(customer.birth_date),
        "customer.phones": next(filter(None, map(parse_nanp, customer.phones if customer else ())), None),
    }


def _sent(order: ShopOrder) -> dict[str, Any]:
    to = _address("shipTo", order.ship_to)
    del to["shipTo.countryCode"]  # what is sent says US whatever is written
    return {"orderNumber": order.number, "shipTo": to, **_items_and_money(order)}


def _items_and_money(order: ShopOrder) -> dict[str, Any]:
    return {
        "items": _sorted(
            [
                {
                    **_taken(line),
                    "price": _number(line.price),
                    "hasShipping": line.has_shipping,
                    "type": word(line.type),
                    "tax": _number(line.tax),
                    "bottleDeposit": _number(line.deposit),
                    "bundleItems": _sorted(
                        [[clean(item.sku), _number(item.quantity), _number(item.price)] for item in line.bundle]
                    ),
                }
                for line in order.lines
            ]
        ),
        "shipping": _sorted(
            [[carrier_key(way.carrier), code_key(way.code), _number(way.tax)] for way in order.shipping]
        ),
        "subTotal": _number(order.sub_total),
        "shipTotal": _number(order.ship_total),
        "taxTotal": _number(order.tax_total),
        "requestedShipDate": _day(order.requested_ship_date),
        "giftMessage": clean(order.gift_message),
        "shippingInstructions": clean(order.shipping_instructions),
    }


def _taken(line: Any) -> dict[str, Any]:
    return {"sku": clean(line.sku), "quantity": _number(line.quantity)}


_ADDRESS: Final[Mapping[str, Callable[[ShopAddress], str | None]]] = {
    "firstName": lambda at: clean(at.first_name),
    "lastName": lambda at: clean(at.last_name),
    "company": lambda at: clean(at.company),
    "phone": lambda at: parse_nanp(at.phone),
    "address": lambda at: clean(at.street1),
    "address2": lambda at: clean(at.street2),
    "city": lambda at: clean(at.city),
    "stateCode": people.state,
    "zipCode": lambda at: people.zip_code(at.zip_code) or clean(at.zip_code),
    "countryCode": lambda at: word(at.country_code) or None,
    "birthDate": lambda at: clean(at.birth_date),
}


def _address(name: str, at: ShopAddress | None) -> dict[str, Any]:
    return {f"{name}.{key}": None if at is None else read(at) for key, read in _ADDRESS.items()}


# --- one form for each value ----------------------------------------------------------------------------------------


def _number(value: Any) -> Any:
    """Return a number in one form; what is none stays told apart from every number. No amount is 0."""
    if value is None:
        return 0
    if (exact := whole(value)) is not None:
        return exact
    return (
        f"{value.normalize()}"
        if isinstance(value, Decimal) and value.is_finite()
        else f"{type(value).__name__} {value}"
    )


def _day(text: str | None) -> str | None:
    """Return a wanted day, or the moment that a text gives, since its day depends on a zone."""
    moment = parse_moment(text)
    return clean(text) if moment is None else moment.isoformat().removesuffix("T00:00:00+00:00")


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=lambda one: json.dumps(one, sort_keys=True))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
