"""Names the blocks, and says which record an item and whose order an event is about."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record

CUSTOMERS, SUBSCRIBERS, PRODUCTS, WISHLIST, ORDERS = "customers", "subscribers", "products", "wishlist", "orders"
BLOCKS = (CUSTOMERS, SUBSCRIBERS, PRODUCTS, WISHLIST, ORDERS)


def id_of(block: str, item: Record) -> str:
    """Return the id of a record: of a subscriber the address, as no two may have it."""
    match block:
        case "customers":
            return str(item["customer"]["id"])
        case "subscribers":
            return address_of(item["subscriber"]["email"])
        case "products":
            return str(item["product_id"])
        case "wishlist":
            return str(item["customer_id"])
    return str(item["order_details"]["order_id"])


def entity_of(event: str, data: Record) -> tuple[str, ...] | None:
    """Return whose order an event keeps: kind and ids; None: nobody's."""
    if event in ("CustomerAdd", "CustomerUpdate"):
        return ("customer", str(data["customer"]["id"]))
    if event == "CartUpdate":
        return ("cart", str(data["customer_id"]))
    if event == "Newsletter":
        return ("address", address_of(data["email"]))
    if event.startswith("Wishlist"):
        return ("wish", str(data["customer_id"]), str(data["product_id"]))
    if event.startswith("Product"):
        return ("product", str(data["product_id"]))
    if event == "OrderAdd":
        return ("order", str(data["order_details"]["order_id"]))
    return ("order", str(data["order_id"])) if event.startswith("Order") else None


def address_of(email: Any) -> str:
    """Return an address as two are compared."""
    return str(email).strip().lower()
