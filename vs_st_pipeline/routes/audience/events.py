"""Renders the `data` of each event exactly (audience.md 6.1, 6.2): pure functions of staged rows, no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vs_st_pipeline.routes.audience import forms, items
from vs_st_pipeline.routes.audience.forms import text
from vs_st_pipeline.routes.audience.items import Record, Style
from vs_st_pipeline.routes.audience.words import Event

About = Mapping[str, Any]


def data_of(event: Event, record: Record, about: About, style: Style) -> dict[str, Any]:
    """Return the `data` of an event.

    Args:
        record: the staged row with its parts; of an OrderAdd besides `customer` (the customer's row or None) and
            `newsletter` (whether the order's address is subscribed). Not looked at by Newsletter, Wishlist and Search;
            of a CartUpdate `customer_id`, `lines`, `cart_url`, and of one that is gone `customer_id` alone will do.
        about: what the news says besides:
            Newsletter `email`, `subscription` (boolean), `customer_id` (None: nobody's);
            WishlistAdd, WishlistDelete `customer_id`, `product_id`;
            ProductStockUpdate `option_id` (None: the product's own) and, where a post came without a number,
            `"numberless": true`; OrderStatusUpdate `status`; Search `customer_id` (None: a guest), `search_string`.
    """
    return _DATA[event](record, about, style)


def body(event: str, data: bytes, uuid: str) -> bytes:
    """Return an event's body as it is sent (6.1); `data` is the JSON object that the outbox keeps."""
    return b'{"event":%b,"uuid":%b,"data":%b}' % (items.encoded(event), items.encoded(uuid), data)


def _customer(record: Record, about: About, style: Style) -> dict[str, Any]:
    return items.customer(record, style)


def _newsletter(record: Record, about: About, style: Style) -> dict[str, Any]:
    return {
        "customer_id": forms.customer_id(about.get("customer_id")),
        "email": text(about["email"]),
        "subscription": bool(about["subscription"]),
    }


def _product(record: Record, about: About, style: Style) -> dict[str, Any]:
    return items.product(record, style)


def _stock(record: Record, about: About, style: Style) -> dict[str, Any]:
    option_id = about.get("option_id")
    said: dict[str, Any] = {"product_id": record["product_id"], "option_id": option_id}
    number = record["stock"]
    if option_id is not None:
        options = record.get("options") or ()
        number = next((one["stock"] for one in options if one["option_id"] == option_id), None)
    if number is not None and not about.get("numberless"):
        said["stock_quantity"] = forms.stock(number)
    return said


def _out_of_stock(record: Record, about: About, style: Style) -> dict[str, Any]:
    return {"product_id": record["product_id"]}


def _wish(record: Record, about: About, style: Style) -> dict[str, Any]:
    return {"product_id": about["product_id"], "customer_id": about["customer_id"]}


def _cart(record: Record, about: About, style: Style) -> dict[str, Any]:
    return {
        "customer_id": forms.customer_id(record["customer_id"] or None),  # all guests together are ""
        "cart_products": [
            {
                "product_id": line["product_id"],
                "option_id": line["option_id"],
                "quantity": forms.quantity(line["quantity"]),
            }
            for line in record.get("lines") or ()
        ],
        "cart_url": text(record.get("cart_url") or style.cart_link),
    }


def _order(record: Record, about: About, style: Style) -> dict[str, Any]:
    who = record.get("customer") or {}

    def of_order_or_customer(name: str) -> str:
        return text(record[name] or who.get(name))

    details = {
        "order_id": record["order_id"],
        "order_status": text(record["status"]),
        "shipping_method": text(record["shipping_method"]),
        "payment_method": text(record["payment_method"]),
        "total_price": forms.money(record["total"]),
        "lastname": of_order_or_customer("last_name"),
        "firstname": of_order_or_customer("first_name"),
        "birthday": forms.day(record["birth_date"] or who.get("birth_date"), style.dates),
        "email": of_order_or_customer("email"),
        "company": forms.text_or_null(record["company"]),
        "newsletter": bool(record.get("newsletter")),
        "website": forms.text_or_null(record["website"]),
        "address1": text(record["address1"]),
        "address2": text(record["address2"]),
        "postcode": text(record["postcode"]),
        "phone": of_order_or_customer("phone"),
        "phone_mobile": text(record["phone_mobile"]),
        "city": text(record["city"]),
        "country": forms.country(record["country"]),
    }
    if record["extra"] and style.extras:
        details |= items.new_keys(record["extra"], details)
    return {
        "customer_id": forms.customer_id(record["customer_id"]),
        "order_details": details,
        "order_products": [
            {
                "product_id": line["product_id"] or "",
                "quantity": forms.quantity(line["quantity"]),
                "option_id": line["option_id"],
            }
            for line in record.get("lines") or ()
        ],
    }


def _payment(record: Record, about: About, style: Style) -> dict[str, Any]:
    return {"customer_id": forms.customer_id(record["customer_id"]), "order_id": record["order_id"]}


def _status(record: Record, about: About, style: Style) -> dict[str, Any]:
    return _payment(record, about, style) | {"order_status": text(about["status"])}


def _search(record: Record, about: About, style: Style) -> dict[str, Any]:
    return {"customer_id": about.get("customer_id") or "", "search_string": text(about["search_string"])}


_DATA: Final[dict[Event, Callable[[Record, About, Style], dict[str, Any]]]] = {
    Event.CUSTOMER_ADD: _customer,
    Event.CUSTOMER_UPDATE: _customer,
    Event.CART_UPDATE: _cart,
    Event.PRODUCT_ADD: _product,
    Event.PRODUCT_UPDATE: _product,
    Event.PRODUCT_STOCK_UPDATE: _stock,
    Event.PRODUCT_OUT_OF_STOCK: _out_of_stock,
    Event.ORDER_ADD: _order,
    Event.ORDER_STATUS_UPDATE: _status,
    Event.ORDER_PAYMENT_CONFIRMED: _payment,
    Event.WISHLIST_ADD: _wish,
    Event.WISHLIST_DELETE: _wish,
    Event.NEWSLETTER: _newsletter,
    Event.SEARCH: _search,
}
