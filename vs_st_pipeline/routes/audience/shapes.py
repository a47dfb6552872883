"""Says of each kind of records which staged table holds it, by which key, and what an event of it compares (6.2).

`merging` reads nothing else of a kind: a column is named here once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Part:
    """What belongs to a record and is replaced with it.

    Attributes:
        kind: its word in notes. key: its columns besides the record's key by which two rows of it are one.
        columns: all others. ignored: columns that no event compares.
        place: its rows are numbered anew by this column, in its order.
        needs: columns that a row without is unusable.
    """

    kind: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    ignored: frozenset[str] = frozenset()
    place: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Return all columns but the record's key."""
        return self.key + self.columns


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of records.

    Attributes:
        table: in schema staged. key: its columns. columns: all others of 4.1, with `extra`.
        compared: columns by which an event differs; empty: there is no digest. needs: a row without is unusable (10).
        own: the column that says when a record is from. flag, flag_at, changed: a consent, its own time, its change.
        parts: by staged table.
    """

    kind: str
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    compared: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    own: str | None = None
    updated: str | None = None
    flag: str | None = None
    flag_at: str | None = None
    changed: str | None = None
    parts: dict[str, Part] = field(default_factory=dict)


_STOCK = ("stock", "in_stock", "price", "discount_price", "discount_start", "discount_end", "discount_quantity")
_PRODUCT = (
    "sku", "slug", "name", "description", "short_description", "categories", *_STOCK, "image_link", "product_link",
)  # fmt: skip
_PLACE = ("address1", "address2", "postcode", "city", "country")
_LINE = ("product_id", "option_id", "quantity")

CUSTOMERS: Final = Shape(
    "customer",
    "shop_customers",
    ("customer_id",),
    ("first_name", "last_name", "birth_date", "email", "phone", "opted_in", "opted_at", "created_at", "updated_at",
     "extra"),
    ("first_name", "last_name", "birth_date", "email", "phone", "extra"),
    own="created_at",
    updated="updated_at",
    flag="opted_in",
    flag_at="opted_at",
    changed="opted_changed_at",
    parts={
        "shop_addresses": Part(
            "address", ("position",), ("country", "city", "address1", "address2", "postcode", "company", "extra"),
            place="position",
        )
    },
)  # fmt: skip
SUBSCRIBERS: Final = Shape(
    "subscriber",
    "shop_subscribers",
    ("address",),
    ("subscriber_id", "email", "customer_id", "subscribed", "since"),
    ("subscriber_id", "email", "customer_id", "subscribed"),
    own="since",
    flag="subscribed",
    flag_at="since",
    changed="changed_at",
)
PRODUCTS: Final = Shape(
    "product",
    "shop_products",
    ("product_id",),
    (*_PRODUCT, "created_at", "updated_at", "extra"),
    (*_PRODUCT[1:], "extra"),
    own="created_at",
    updated="updated_at",
    parts={
        "shop_options": Part(
            "option", ("option_id",), ("position", *_STOCK, "attributes"), frozenset({"position"}), needs=("option_id",)
        )
    },
)
WISHLISTS: Final = Shape("wish", "shop_wishlists", ("customer_id", "product_id"), ("added_at",), own="added_at")
ORDERS: Final = Shape(
    "order",
    "shop_orders",
    ("order_id",),
    ("customer_id", "status", "paid", "shipping_method", "payment_method", "total", "created_at", "updated_at", "email",
     "first_name", "last_name", "birth_date", "company", "website", "address1", "address2", "postcode", "phone",
     "phone_mobile", "city", "country", "extra"),
    ("customer_id", "status", "paid", "total", *_PLACE),
    ("status", "total", "created_at"),
    own="created_at",
    updated="updated_at",
    parts={"shop_order_lines": Part("order_line", ("position",), _LINE, place="position")},
)  # fmt: skip
CARTS: Final = Shape(
    "cart",
    "shop_carts",
    ("cart_id",),
    ("customer_id", "cart_url", "updated_at"),
    updated="updated_at",
    parts={"shop_cart_lines": Part("cart_line", ("product_id", "option_id"), ("quantity",), needs=("product_id",))},
)
SHAPES: Final = {
    "customers": CUSTOMERS,
    "subscribers": SUBSCRIBERS,
    "products": PRODUCTS,
    "wishlists": WISHLISTS,
    "orders": ORDERS,
    "carts": CARTS,
}
