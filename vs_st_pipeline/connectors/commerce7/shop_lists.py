"""Names the lists that show a whole shop, and what of their records is kept (audience.md 4.2; routes.md R22, R23).

Data flow: a row's JSON -> `keep` (only what is read of it) -> raw; `map` (what is staged of it, `shop_rows`) -> raw.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import shop_rows
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.connectors.commerce7.streams import STORED_CUSTOMER
from vs_st_pipeline.domain.birth import says_a_birth
from vs_st_pipeline.domain.records import RecordKind, id_text
from vs_st_pipeline.platform.kept_records import KeptTable
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed

CUSTOMERS, ADDRESSES, PRODUCTS, CARTS, ORDERS = "customers", "addresses", "products", "carts", "orders"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShopList:
    """One list of a shop.

    Attributes:
        name: as `raw.commerce7_walks` names it. key: of the rows in an answer. call: its name, for errors.
        ask: asks for a page by its cursor. kept: where its records stand.
        is_one: whether a row is one of these at all. owner: the key that names the record's customer.
    """

    name: str
    key: str
    call: str
    ask: Callable[[Commerce7Client, str], Mapping[str, Any]]
    kept: KeptTable
    is_one: Callable[[Body], bool] = lambda _row: True
    owner: str | None = None

    @property
    def table(self) -> str:
        """Return the table of its records."""
        return self.kept.table


def _kind(name: str, documented: tuple[str, ...], *, sticky: tuple[str, ...] = ()) -> RecordKind:
    return RecordKind(
        system=COMMERCE7,
        name=name,
        id_keys=("id",),
        documented=documented,
        sticky=dict.fromkeys(sticky, says_a_birth),
    )


def _forgotten(db: Db, owners: Collection[str]) -> set[str]:
    forgotten = read_suppressed(db)
    return {one for one in owners if forgotten.knows(STORED_CUSTOMER, one)} if forgotten else set()


def _table(
    table: str,
    kind: RecordKind,
    keys: tuple[str, ...],
    map: Callable[[Body, datetime, date], dict[str, Any] | None],
) -> KeptTable:
    return KeptTable(
        f"raw.commerce7_{table}",
        kind,
        keys,
        lambda body, run: map(body, run.now(), run.today()),
        "shop_customer_id",
        _forgotten,
    )


_OF_PERSON: Final = ("firstName", "lastName", "emails", "phones", "emailMarketingStatus", "createdAt", "updatedAt")
_OF_ADDRESS: Final = (
    *("address", "address2", "city", "stateCode", "zipCode", "countryCode", "company", "isDefault"),
    "createdAt",
)
_OF_PRODUCT: Final = (
    *("title", "content", "teaser", "slug", "image", "type", "collections", "webStatus", "adminStatus"),
    *("variants", "updatedAt", "availableTo|security"),
)
_OF_VARIANT: Final = ("title", "price", "comparePrice", "hasInventory", "inventory|availableForSaleCount")

SHOP_LISTS: Final = (
    ShopList(
        CUSTOMERS,
        "customers",
        "list_customers",
        lambda client, cursor: client.customers(cursor),
        _table(
            "people",
            _kind("customer", _OF_PERSON, sticky=("birthDate",)),
            ("id", "birthDate", *_OF_PERSON),
            shop_rows.customer,
        ),
        owner="id",
    ),
    ShopList(
        ADDRESSES,
        "customerAddresses|addresses|customer-addresses",
        "list_addresses",
        lambda client, cursor: client.addresses(cursor),
        _table("addresses", _kind("address", _OF_ADDRESS), ("id", "customerId", *_OF_ADDRESS), shop_rows.address),
        lambda row: id_text(row.get("customerId")) is not None,
        "customerId",
    ),
    ShopList(
        PRODUCTS,
        "products",
        "list_products",
        lambda client, cursor: client.products(cursor),
        _table(
            "goods",
            _kind("product", (*_OF_PRODUCT, *(f"variants[].{key}" for key in _OF_VARIANT))),
            ("id", "availableTo", "security", *_OF_PRODUCT),
            shop_rows.product,
        ),
    ),
    ShopList(
        CARTS,
        "carts",
        "list_carts",
        lambda client, cursor: client.carts(cursor),
        _table(
            "carts",
            _kind("cart", ("customerId", "updatedAt")),
            ("id", "customerId", "items", "updatedAt"),
            shop_rows.cart,
        ),
        lambda row: "customerId" in row and isinstance(row.get("items"), list),
        "customerId",
    ),
)
BY_NAME: Final = {one.name: one for one in SHOP_LISTS}
