"""Checks records and events by WayMore's guide: which keys they have, and of which form; lenient where the guide is.

It is long because every record and every event of the guide stands here, key by key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.waymore.names import (
    BLOCKS,
    CUSTOMERS,
    ORDERS,
    PRODUCTS,
    SUBSCRIBERS,
    WISHLIST,
    entity_of,
    id_of,
)

CAPITALISED = dict(zip(("Customers", "Subscribers", "Products", "Wishlists", "Orders"), BLOCKS, strict=True))
_ANY_NAME = {**{name.lower(): block for name, block in CAPITALISED.items()}, **{block: block for block in BLOCKS}}
_DATES = {
    "iso": re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"),
    "dmy": re.compile(r"(?P<d>\d\d)/(?P<m>\d\d)/(?P<y>\d{4})"),
    "mdy": re.compile(r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d{4})"),
}
_NUMBER = re.compile(r"\d+(\.\d+)?")


class Bad(Exception):
    """A record or an event that WayMore does not take; the text says why."""


class Rules(NamedTuple):
    """What is taken, by the switches.

    Attributes:
        dates: any, iso, dmy, mdy. unknown: keys beyond the guide's are taken. reject: ids that are bad.
    """

    dates: str
    unknown: bool
    reject: frozenset[str]


def rules_of(switches: Record) -> Rules:
    """Return the rules in force."""
    rejected = frozenset(str(id) for id in switches["reject"])
    return Rules(str(switches["dates"]), switches["unknown_keys"] == "accept", rejected)


def block_of(name: Any, switches: Record) -> str:
    """Return the block of a name."""
    taken = switches["block_names"]
    known = {"lower": {block: block for block in BLOCKS}, "capitalised": CAPITALISED}.get(taken)
    found = known.get(str(name)) if known is not None else _ANY_NAME.get(str(name).lower())
    if found is None:
        raise Bad(f"unknown name {name!r}")
    return found


def items_of(data: Any, switches: Record) -> Iterator[tuple[str, Any]]:
    """Yield block and item of all that a mass request holds, in any of the three shapes of the guide."""
    if not isinstance(data, list) or not data:
        raise Bad("data is missing")
    for block in data:
        yield from _of_block(block, switches, "object")


def _of_block(block: Any, switches: Record, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(block, dict) or not isinstance(block.get("description"), str):
        raise Bad("name or description is missing")
    kind, listed = block_of(block.get("name"), switches), block.get(key)
    if not isinstance(listed, list) or not listed:
        raise Bad(f"{key} of {kind} is missing")
    for item in listed:
        if isinstance(item, dict) and set(item) == {"name", "description", "data"}:
            yield from _of_block(item, switches, "data")  # shape (b): a block nested among flat items
        else:
            yield kind, item


Check = Callable[[Any, Rules], None]


def _text(value: Any, rules: Rules) -> None:
    if not isinstance(value, str):
        raise Bad("a text is none")


def _text_or_null(value: Any, rules: Rules) -> None:
    if value is not None:
        _text(value, rules)


def _id(value: Any, rules: Rules) -> None:
    if not (isinstance(value, str | int) and not isinstance(value, bool)) or value == "":
        raise Bad("an id is missing")


def _id_or_null(value: Any, rules: Rules) -> None:
    if value is not None:
        _id(value, rules)


def _anybody(value: Any, rules: Rules) -> None:
    if value != "":
        _id(value, rules)


def _number(value: Any, rules: Rules) -> None:
    good = isinstance(value, int | Decimal) and not isinstance(value, bool) and value >= 0
    if not good and not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise Bad("a number is none")


def _whole(value: Any, rules: Rules) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Bad("a whole number is none")


def _quantity_or_null(value: Any, rules: Rules) -> None:
    if value not in (None, ""):
        _number(value, rules)


def _boolean(value: Any, rules: Rules) -> None:
    if not isinstance(value, bool) and value not in ("true", "false"):  # the plugin says so
        raise Bad("a boolean is none")


def _date(value: Any, rules: Rules) -> None:
    _text(value, rules)
    forms = _DATES.values() if rules.dates == "any" else (_DATES[rules.dates],)
    if value and not any(_is_day(form, value) for form in forms):
        raise Bad("a date is none")


def _is_day(form: re.Pattern[str], text: str) -> bool:
    found = form.fullmatch(text)
    try:
        return found is not None and bool(date(*(int(found[part]) for part in "ymd")))
    except ValueError:
        return False


def _texts(value: Any, rules: Rules) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Bad("categories are no list of texts")


def _ids(value: Any, rules: Rules) -> None:
    if not isinstance(value, list) or not value:
        raise Bad("ids are missing")
    for one in value:
        _id(one, rules)


def _one(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None, empty: bool = False) -> Check:
    """Return the check of an object with these keys; `empty`: it may be {} or, as the plugin says it, []."""
    all_keys = {**required, **(optional or {})}

    def check(value: Any, rules: Rules) -> None:
        if empty and value in ({}, []):
            return
        if not isinstance(value, dict):
            raise Bad("an object is none")
        for name in required:
            if name not in value:
                raise Bad(f"{name} is missing")
        for name, given in value.items():
            if name in all_keys:
                try:
                    all_keys[name](given, rules)
                except Bad as bad:
                    raise Bad(f"{name}: {bad}") from None
            elif not rules.unknown:
                raise Bad(f"unknown key {name}")

    return check


def _many(one: Check, least: int = 0) -> Check:
    def check(value: Any, rules: Rules) -> None:
        if not isinstance(value, list) or len(value) < least:
            raise Bad("a list is none")
        for entry in value:
            one(entry, rules)

    return check


_ADDRESS = _one(dict.fromkeys(("country", "city", "address1", "postcode", "company"), _text))
_WHO = _one(
    {"id": _id, "lastname": _text, "firstname": _text, "birthday": _date, "email": _text, "phone": _text},
)
_PERSON: dict[str, Check] = {"customer": _WHO, "addresses": _many(_ADDRESS, 1)}
_CART = _one({"cart_products": _many(_one({"product_id": _anybody, "quantity": _number}), 1)}, empty=True)
_DISCOUNT = _one({"price": _number, "date_start": _date, "date_end": _date, "quantity": _quantity_or_null}, empty=True)
_OPTION = _one(
    {"option_id": _id, "discount": _DISCOUNT},
    {"size": _text, "color": _text, "stock_quantity": _whole, "price": _number},
)
_PRODUCT = _one(
    {
        "product_id": _id,
        "name": _text,
        "description": _text,
        "short_description": _text,
        "categories": _texts,
        "product_options": _many(_OPTION),
        "image_link": _text,
        "product_link": _text,
    },
    {"stock_quantity": _whole, "price": _number, "discount": _DISCOUNT},
)
_SUBSCRIBER = _one(
    {
        "subscriber": _one(
            {
                "id": _id,
                "id_shop": _text,
                "id_shop_group": _text,
                "email": _text,
                "newsletter_date_add": _text,
                "ip_registration_newsletter": _text,
                "http_referer": _text,
                "active": _whole,
            }
        )
    }
)
_WAY: dict[str, Check] = {"order_status": _text, "shipping_method": _text, "payment_method": _text}
_ORDER = _one(
    {
        "order_details": _one({"customer_id": _id, "order_id": _id, **_WAY, "total_price": _number}),
        "order_products": _many(_one({"product_id": _anybody, "quantity": _number})),
    }
)
ITEMS: dict[str, Check] = {
    CUSTOMERS: _one({**_PERSON, "cart": _CART}),
    SUBSCRIBERS: _SUBSCRIBER,
    PRODUCTS: _PRODUCT,
    WISHLIST: _one({"customer_id": _id, "product_id": _ids}),
    ORDERS: _ORDER,
}
_LINE = _one({"product_id": _anybody, "quantity": _number, "option_id": _id_or_null})
_BUYER = dict.fromkeys(
    ("lastname", "firstname", "email", "address1", "address2", "postcode", "phone", "phone_mobile", "city", "country"),
    _text,
)
_DETAILS = _one(
    {
        "order_id": _id,
        **_WAY,
        "total_price": _number,
        **_BUYER,
        "birthday": _date,
        "newsletter": _boolean,
        "company": _text_or_null,
        "website": _text_or_null,
    }
)
_OF_ORDER: dict[str, Check] = {"customer_id": _id, "order_id": _id}
_WISH = _one({"product_id": _id, "customer_id": _id})
EVENTS: dict[str, Check] = {
    "CustomerAdd": _one(_PERSON),
    "CustomerUpdate": _one(_PERSON),
    "CartUpdate": _one({"customer_id": _id, "cart_products": _many(_LINE), "cart_url": _text}),
    "ProductAdd": _PRODUCT,
    "ProductUpdate": _PRODUCT,
    "ProductStockUpdate": _one({"product_id": _id, "option_id": _id_or_null}, {"stock_quantity": _whole}),
    "ProductOutOfStock": _one({"product_id": _id}),
    "OrderAdd": _one({"customer_id": _id, "order_details": _DETAILS, "order_products": _many(_LINE)}),
    "OrderStatusUpdate": _one({**_OF_ORDER, "order_status": _text}),
    "OrderPaymentConfirmed": _one(_OF_ORDER),
    "WishlistAdd": _WISH,
    "WishlistDelete": _WISH,
    "Newsletter": _one({"customer_id": _id, "email": _text, "subscription": _boolean}),
    "Search": _one({"customer_id": _anybody, "search_string": _text}),
    "Uninstall": _one({}, empty=True),
}


def checked_item(block: str, item: Any, rules: Rules) -> str:
    """Return the id of a record of a block. Raises Bad."""
    ITEMS[block](item, rules)
    id = id_of(block, item)
    _not_rejected([id, str(item["subscriber"]["id"])] if block == SUBSCRIBERS else [id], rules)
    return id


def checked_event(event: Any, data: Any, rules: Rules) -> Record:
    """Return an event's data as an object, which the plugin may send as a list of one. Raises Bad."""
    if event not in EVENTS:
        raise Bad("unknown event")
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    EVENTS[event](data, rules)
    found: Record = data or {}
    entity = entity_of(event, found)
    _not_rejected(entity[1:] if entity else (), rules)
    return found


def _not_rejected(ids: Iterable[str], rules: Rules) -> None:
    if any(id in rules.reject for id in ids):
        raise Bad("the data is not valid")
