"""Renders the history's items exactly (audience.md 5.2-5.5): pure functions of staged rows, no database.

A record is a mapping of the columns of staged.shop_* (4.1), its parts as lists under `addresses`, `options`, `lines`;
a wishlist's is `customer_id` and `product_ids`, a subscriber's a row of planned.audience_addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any, Final

import msgspec

from vs_st_pipeline.routes.audience import forms
from vs_st_pipeline.routes.audience.forms import text
from vs_st_pipeline.routes.audience.words import CAPITALISED, DESCRIPTIONS, Block

Record = Mapping[str, Any]

NOT_KNOWN: Final = "N/A"  # what the vendor's own plugin says of a subscriber where it knows nothing
_NO_ADDRESS: Final = {"country": "", "city": "", "address1": "", "postcode": "", "company": ""}
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode
_HEAD: Final = b'{"data"'


@dataclass(frozen=True, slots=True)
class Style:
    """How a merchant's settings want things written.

    Attributes:
        dates: iso, dmy or mdy. extras: whether extras and `order_create_date` go. today: in the merchant's zone.
        product_link, cart_link: templates, or None.
    """

    dates: str
    extras: bool
    today: date
    zone: tzinfo
    product_link: str | None = None
    cart_link: str | None = None


def item(block: Block, record: Record, style: Style) -> dict[str, Any]:
    """Return one item of a block (5.3). A customer's `lines` are those of the cart, if any."""
    return _ITEMS[block](record, style)


def maker(block: Block) -> Callable[[Record, Style], dict[str, Any]]:
    """Return what makes a block's items, for many of them."""
    return _ITEMS[block]


def body(block: Block, items: Sequence[Any], *, block_names: str) -> bytes:
    """Return a part's body without the uuid (5.2): compact JSON that begins with `{"data"`; `with_uuid` completes it.

    Args:
        items: as `item` returns them, or as they were `encoded`.
    """
    name = CAPITALISED[block] if block_names == "capitalised" else str(block)
    return encoded({"data": [{"name": name, "description": DESCRIPTIONS[block], "object": items}]})


def with_uuid(body_without: bytes, uuid: str) -> bytes:
    """Return the body as it is sent."""
    if not body_without.startswith(_HEAD):
        raise ValueError("this is no part's body")
    return b'{"uuid":' + _ENCODE(uuid) + b"," + body_without[1:]


def encoded(value: Any) -> bytes:
    """Return a value as compact JSON; a Decimal is a number."""
    return _ENCODE(value)


def items_of(body_without: bytes) -> list[msgspec.Raw]:
    """Return the items of a part's body, each as its bytes stand there."""
    return msgspec.json.decode(body_without, type=_Part).data[0].object


def block_names_of(body_without: bytes) -> str:
    """Return how the block of a part's body is named, as the setting `block_names` says it."""
    name = msgspec.json.decode(body_without, type=_Part).data[0].name
    return "capitalised" if name in CAPITALISED.values() else "lower"


class _Block(msgspec.Struct):
    name: str
    object: list[msgspec.Raw]


class _Part(msgspec.Struct):
    data: list[_Block]


def customer(record: Record, style: Style) -> dict[str, Any]:
    """Return `customer` and `addresses`, as the history and the events have them."""
    birthday = record["birth_date"]
    who = {
        "id": record["customer_id"],
        "lastname": text(record["last_name"]),
        "firstname": text(record["first_name"]),
        "birthday": "" if birthday is None else forms.day(birthday, style.dates),
        "email": text(record["email"]),
        "phone": text(record["phone"]),
    }
    if record["extra"] and style.extras:
        who |= new_keys(record["extra"], who)
    addresses = [_address(address, style) for address in record.get("addresses") or ()]
    return {"customer": who, "addresses": addresses or [_NO_ADDRESS]}


def product(record: Record, style: Style) -> dict[str, Any]:
    """Return a product as the history and the events have it."""
    options = record.get("options") or ()
    said: dict[str, Any] = {
        "product_id": record["product_id"],
        "name": text(record["name"]),
        "description": text(record["description"]),
        "short_description": text(record["short_description"]),
        "categories": [text(one) for one in record["categories"] or ()],
    }
    number = total_stock(record)
    if number is not None:
        said["stock_quantity"] = forms.stock(number)
    if all(option["price"] is None for option in options):
        if record["price"] is not None:
            said["price"] = forms.money(record["price"])
        said["discount"] = _discount(record, style)
    said["product_options"] = [_option(option, style) for option in options]
    said["image_link"] = text(record["image_link"])
    link = record["product_link"] or forms.filled(
        style.product_link, {name: record[name] for name in ("product_id", "sku", "slug")}
    )
    said["product_link"] = text(link)
    if record["extra"] and style.extras:
        said |= new_keys(record["extra"], said)
    return said


def total_stock(record: Record) -> float | None:
    """Return how much there is of a product: its options' sum where all are known, else its own; None: not known."""
    options = record.get("options") or ()
    numbers = [option["stock"] for option in options]
    if numbers and None not in numbers:
        return float(sum(numbers))
    found: float | None = record["stock"]
    return found


def _customer(record: Record, style: Style) -> dict[str, Any]:
    said = customer(record, style)
    said["cart"] = cart = {}
    if lines := record.get("lines"):
        quantities: dict[str, float] = {}
        for line in lines:
            quantities[line["product_id"]] = quantities.get(line["product_id"], 0) + line["quantity"]
        cart["cart_products"] = [
            {"product_id": product_id, "quantity": forms.quantity(number)} for product_id, number in quantities.items()
        ]
    return said


def _address(address: Record, style: Style) -> dict[str, Any]:
    said = {
        "country": forms.country(address["country"]),
        "city": text(address["city"]),
        "address1": text(address["address1"]),
        "postcode": text(address["postcode"]),
        "company": text(address["company"]),
    }
    if address["extra"] and style.extras:
        said |= new_keys(address["extra"], said)
    return said


def _subscriber(record: Record, style: Style) -> dict[str, Any]:
    email = text(record["email"] or record["address"])
    return {
        "subscriber": {
            "id": record["subscriber_id"] or record["customer_id"] or email,
            "id_shop": "1",
            "id_shop_group": "1",
            "email": email,
            "newsletter_date_add": forms.moment(record["since"]) or NOT_KNOWN,
            "ip_registration_newsletter": NOT_KNOWN,
            "http_referer": NOT_KNOWN,
            "active": 1,
        }
    }


def _option(option: Record, style: Style) -> dict[str, Any]:
    more = dict(forms.extras_of(option["attributes"])) if option["attributes"] else {}
    said: dict[str, Any] = {"option_id": option["option_id"]}
    if "size" in more:
        said["size"] = more.pop("size")
    if option["stock"] is not None:
        said["stock_quantity"] = forms.stock(option["stock"])
    if option["price"] is not None:
        said["price"] = forms.money(option["price"])
    said["discount"] = _discount(option, style)
    if "color" in more:
        said["color"] = more.pop("color")
    return said | {name: value for name, value in more.items() if name not in _OF_AN_OPTION}


_OF_AN_OPTION: Final = ("option_id", "stock_quantity", "price", "discount")


def _discount(record: Record, style: Style) -> dict[str, Any]:
    ends = record["discount_end"]
    if record["discount_price"] is None or (ends is not None and ends < style.today):
        return {}
    return {
        "price": forms.money(record["discount_price"]),
        "date_start": forms.day(record["discount_start"], style.dates),
        "date_end": forms.day(ends, style.dates),
        "quantity": forms.quantity_number(record["discount_quantity"]),
    }


def _wishlist(record: Record, style: Style) -> dict[str, Any]:
    return {"customer_id": record["customer_id"], "product_id": list(record["product_ids"])}


def _order(record: Record, style: Style) -> dict[str, Any]:
    details = {
        "customer_id": forms.customer_id(record["customer_id"]),
        "order_id": record["order_id"],
        "order_status": text(record["status"]),
        "shipping_method": text(record["shipping_method"]),
        "payment_method": text(record["payment_method"]),
        "total_price": forms.money_text(record["total"]),
    }
    if style.extras:  # beyond the guide: without it an old order looks new
        details["order_create_date"] = forms.moment(record["created_at"])
        if record["extra"]:
            details |= new_keys(record["extra"], details)
    lines = [
        {"product_id": line["product_id"] or "", "quantity": forms.quantity(line["quantity"])}
        for line in record["lines"] or ()
    ]
    return {"order_details": details, "order_products": lines}


def new_keys(extra: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return extras without those that would take the place of a key of the guide's."""
    return {name: value for name, value in forms.extras_of(extra).items() if name not in said}


_ITEMS: Final = {
    Block.CUSTOMERS: _customer,
    Block.SUBSCRIBERS: _subscriber,
    Block.PRODUCTS: product,
    Block.WISHLIST: _wishlist,
    Block.ORDERS: _order,
}
