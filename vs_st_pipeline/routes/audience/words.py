"""Names what this route counts, holds and notes, and the events and blocks that it sends (audience.md 5, 6, 8-10)."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What waits for itself alone (rulings, audience 3): no entity's trouble holds up another one."""

    CUSTOMER = "customer"  # id: customer_id
    ADDRESS = "subscriber"  # id: the e-mail, trimmed and in lower case
    PRODUCT = "product"  # id: product_id; with its options
    WISH = "wish"  # id: `wish_id`
    CART = "cart"  # id: customer_id; "" for all guests together
    ORDER = "order"  # id: order_id
    SEARCH = "search"  # id: the post's


class Block(StrEnum):
    """The five blocks of the history, in the order in which they are sent (5.1)."""

    CUSTOMERS = "customers"
    SUBSCRIBERS = "subscribers"
    PRODUCTS = "products"
    WISHLIST = "wishlist"
    ORDERS = "orders"


BLOCKS: Final = tuple(Block)
CAPITALISED: Final = {
    Block.CUSTOMERS: "Customers",
    Block.SUBSCRIBERS: "Subscribers",
    Block.PRODUCTS: "Products",
    Block.WISHLIST: "Wishlists",
    Block.ORDERS: "Orders",
}
DESCRIPTIONS: Final = {block: f"shop {block}" for block in BLOCKS}


class Event(StrEnum):
    """The events of 6.2; `Uninstall` is none of those that a merchant may switch off."""

    CUSTOMER_ADD = "CustomerAdd"
    CUSTOMER_UPDATE = "CustomerUpdate"
    CART_UPDATE = "CartUpdate"
    PRODUCT_ADD = "ProductAdd"
    PRODUCT_UPDATE = "ProductUpdate"
    PRODUCT_STOCK_UPDATE = "ProductStockUpdate"
    PRODUCT_OUT_OF_STOCK = "ProductOutOfStock"
    ORDER_ADD = "OrderAdd"
    ORDER_STATUS_UPDATE = "OrderStatusUpdate"
    ORDER_PAYMENT_CONFIRMED = "OrderPaymentConfirmed"
    WISHLIST_ADD = "WishlistAdd"
    WISHLIST_DELETE = "WishlistDelete"
    NEWSLETTER = "Newsletter"
    SEARCH = "Search"


UNINSTALL: Final = "Uninstall"


class Rank(StrEnum):
    """The groups of 6.3, in the order in which they go; within an order, its events in the order listed."""

    UNSUBSCRIBE = "0"  # Newsletter false
    CUSTOMER = "1"  # CustomerAdd, CustomerUpdate
    SUBSCRIBE = "2"  # Newsletter true
    PRODUCT = "3"  # ProductAdd, ProductUpdate, ProductStockUpdate, ProductOutOfStock
    WISH = "4"  # WishlistDelete, WishlistAdd
    CART = "5"
    ORDER = "6"  # OrderAdd, OrderPaymentConfirmed, OrderStatusUpdate
    SEARCH = "7"


class Held(StrEnum):
    """Why a person is told to nobody, the first that fits (8.4, R66)."""

    FORGOTTEN = "forgotten"
    UNDER_AGE = "under_age"
    AGE_UNKNOWN = "age_unknown"
    NOT_OPTED_IN = "not_opted_in"
    REHEARSAL = "rehearsal"


class Noted(StrEnum):
    """What a report counts besides; each entity once per word (rulings, All routes 2)."""

    BASE_LOST = "base_lost"
    BAD_VALUE = "bad_value"
    CARTS_UNREADABLE = "carts_unreadable"
    DUPLICATE_KEY = "duplicate_key"
    EXTRA_COLUMN = "extra_column"
    GONE = "gone"
    GUEST_CART = "guest_cart"
    LATE = "late"
    MAYBE_TWICE = "maybe_twice"
    MIXED_CONSENT = "mixed_consent"
    ORDER_CHANGED = "order_changed"
    ORPHAN = "orphan"
    PART_TOO_LARGE = "part_too_large"
    PRODUCT_GONE = "product_gone"
    TOLD_BEFORE = "told_before"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_PRODUCT = "unknown_product"
    UNREADABLE = "unreadable"
    UNSIGNED_CONSENT = "unsigned_consent"
    WAITING_RETRY = "waiting_retry"


def wish_id(customer_id: str, product_id: str) -> str:
    """Return the id of a wish: in SQL `to_json([customer_id, product_id])::varchar`."""
    return json.dumps([customer_id, product_id], ensure_ascii=False, separators=(",", ":"))
