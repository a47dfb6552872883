"""Names the generic shop's tables, their keys and columns: those of a drop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record

KEYS: dict[str, tuple[str, ...]] = {
    "customers": ("customer_id",),
    "addresses": ("customer_id", "position"),
    "subscribers": ("email",),
    "products": ("product_id",),
    "options": ("product_id", "option_id"),
    "wishlists": ("customer_id", "product_id"),
    "orders": ("order_id",),
    "order_lines": ("order_id", "position"),
    "carts": ("cart_id",),
    "cart_lines": ("cart_id", "product_id", "option_id"),
}
_PRICED = "price discount_price discount_start discount_end discount_quantity"
_WHO = "first_name last_name birth_date email"
COLUMNS: dict[str, tuple[str, ...]] = {
    table: tuple(columns.split())
    for table, columns in {
        "customers": f"customer_id {_WHO} phone opted_in opted_at created_at updated_at",
        "addresses": "customer_id position country city address1 address2 postcode company",
        "subscribers": "subscriber_id email customer_id subscribed since",
        "products": f"product_id sku slug name description short_description categories stock in_stock {_PRICED} "
        "image_link product_link created_at updated_at",
        "options": f"product_id option_id position stock in_stock {_PRICED} attributes",
        "wishlists": "customer_id product_id added_at",
        "orders": "order_id customer_id status paid shipping_method payment_method total created_at updated_at email "
        "first_name last_name birth_date company website address1 address2 postcode phone phone_mobile city country",
        "order_lines": "order_id position product_id option_id quantity",
        "carts": "cart_id customer_id cart_url updated_at",
        "cart_lines": "cart_id product_id option_id quantity",
    }.items()
}
PARTS = {"options": "products", "order_lines": "orders", "cart_lines": "carts"}
"""Tables whose rows are parts of another table's, and go with it whole."""

_MONEY = {"price", "discount_price", "total"}
_DAYS = {"birth_date", "discount_start", "discount_end"}
_MOMENTS = {"opted_at", "created_at", "updated_at", "since", "added_at"}
_YES_NO = {"opted_in", "subscribed", "in_stock", "paid"}


def key_of(table: str, row: Record) -> str:
    """Return a row's key as one text."""
    return "/".join("" if row.get(name) is None else str(row[name]) for name in KEYS[table])


def parent_of(table: str, row: Record) -> str:
    """Return the key of that of which a row is a part."""
    return str(row.get(KEYS[table][0]))


def type_of(column: str, rows: Iterable[Record]) -> str:
    """Return a column's type in a file that has types; of one with a value that is none of it, text."""
    if column == "categories":
        return "VARCHAR[]"
    values = [row[column] for row in rows if row.get(column) is not None]
    if column in _YES_NO and all(isinstance(one, bool) for one in values):
        return "BOOLEAN"
    if column in _DAYS and all(map(_is_day, values)):
        return "DATE"
    if column in _MONEY and all(str(one).replace(".", "", 1).isdigit() for one in values):
        return "DECIMAL(18,2)"
    if column in _MOMENTS and all(str(one).endswith("Z") for one in values):
        return "TIMESTAMPTZ"
    if column == "position" and all(isinstance(one, int) for one in values):
        return "BIGINT"
    return "VARCHAR"


def _is_day(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(str(value)))
    except ValueError:
        return False
