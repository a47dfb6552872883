"""Names what this route counts, holds and notes, and the events and blocks that it sends (audience.md 5, 6, 8-10)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What waits for itself alone (rulings, audience 3): no entity's trouble holds up another one."""

    CUSTOMER = "customer"  # id: customer_id
    ADDRESS = "subscriber"  # id: the e-mail, trimmed and in lower case
    PRODUCT = "product"  # id: product_id; with its options
    WISH = "wish"  # id: JSON of customer_id and product_id, in SQL `to_json([customer_id, product_id])`
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
    POSTS_WAIT = "posts_wait"
    PRODUCT_GONE = "product_gone"
    TOLD_BEFORE = "told_before"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_PRODUCT = "unknown_product"
    UNREADABLE = "unreadable"
    UNSIGNED_CONSENT = "unsigned_consent"
    WAITING_RETRY = "waiting_retry"


FORGOTTEN_CUSTOMER: Final = "audience customer"
FORGOTTEN_ORDER: Final = "audience order"
SHOPPERS: Final = "('customer', 'cart')"
"""Kinds of holds that are a customer's: `cart` of one whom no record shows, whose orders and addresses are judged
alone."""
"""Under which names a forgotten person's ids are kept out: a customer's, and a guest's order's."""

HELD_MEANS: Final = {
    Held.FORGOTTEN: "was forgotten by `vs-st forget`",
    Held.UNDER_AGE: "is younger than waymore.minimum_age",
    Held.AGE_UNKNOWN: "has no birth date, and waymore.require_age_evidence asks for one",
    Held.NOT_OPTED_IN: "is not subscribed, and waymore.people is opted_in",
    Held.REHEARSAL: "is not named by waymore.only",
}
NOTED_MEANS: Final = {
    Noted.BASE_LOST: "the database was lost; blocks that were told before are taken as told, in silence",
    Noted.BAD_VALUE: "a value cannot be read and counts as unknown; put it right at the source",
    Noted.CARTS_UNREADABLE: "the shop does not show its carts; everything else goes on",
    Noted.DUPLICATE_KEY: "one key stands twice; the newer row counts",
    Noted.EXTRA_COLUMN: "a column that nobody knows is ignored; name it x_ something to send it",
    Noted.GONE: "is not in the source any more; WayMore has no call to delete it",
    Noted.GUEST_CART: "a cart of nobody's; it goes only with waymore.guest_carts",
    Noted.LATE: "seen too late to be worth an event, and not sent",
    Noted.MAYBE_TWICE: "sent again because the answer was lost: WayMore may have it twice",
    Noted.MIXED_CONSENT: "several records share an address and do not agree; the no wins",
    Noted.ORDER_CHANGED: "changed in a way that WayMore has no event for",
    Noted.ORPHAN: "belongs to a record that is not there",
    Noted.PART_TOO_LARGE: "WayMore takes only smaller parts; the size that passed is kept",
    Noted.POSTS_WAIT: "posts have come that the next sync takes in; this plan is without them",
    Noted.PRODUCT_GONE: "is not in the source any more and was told as out of stock",
    Noted.TOLD_BEFORE: "was told before and is held now: have it erased at WayMore",
    Noted.UNKNOWN_CUSTOMER: "names a customer who is not there; sent all the same",
    Noted.UNKNOWN_PRODUCT: "names a product that is not there; sent all the same",
    Noted.UNREADABLE: "cannot be read; what was known of it stands",
    Noted.UNSIGNED_CONSENT: "an opt-in came by a post without signature and counts for nothing",
    Noted.WAITING_RETRY: "was refused and is tried again with growing gaps",
}
MEANINGS: Final[dict[str, str]] = {str(word): says for word, says in (HELD_MEANS | NOTED_MEANS).items()}
WORDS: Final = {
    "held": {str(word): says for word, says in HELD_MEANS.items()},
    "noted": {str(word): says for word, says in NOTED_MEANS.items()},
}
