"""Keeps what one winery sells: products for orders to name, lists and feed of them, and how many bottles are left."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

CLOSED_STATES = ("UT", "AL")
"""States to which nobody ships wine, where the world names none."""
MOST_BOTTLES = 36
"""So many go to one person in one state within thirty days, where the world says nothing else."""
_USUAL = (  # what the wineries of worlds without a catalog have in their orders
    {"id": 31001, "sku": "RPN22", "name": "Ridge Pinot Noir", "price": Decimal("38.00")},
    {"id": 31007, "sku": "CRO24", "name": "Creek Rose", "price": Decimal("26.00")},
)
_STATES = {"CA": "California", "NY": "New York", "OR": "Oregon", "TX": "Texas", "WA": "Washington"}


class Catalog:
    """The products of one winery, by id as text; each is {id, sku, name, price, approved, inventory}.

    The feed shows these as well, where a product has them: desc, img, slug, category, member_only.
    """

    def __init__(self, merchant: Merchant, part: Record) -> None:
        self.merchant = merchant
        self.products: dict[str, Record] = {}
        for product in part.get("products") or _USUAL:
            self.add(product)

    def add(self, fields: Record) -> Record:
        """Add a product; what is not given is filled in."""
        id = int(fields.get("id") or max((int(key) for key in self.products), default=31000) + 1)
        usual = {"sku": f"NEW{id}", "name": f"Wine {id}", "price": Decimal(30), "approved": True, "inventory": 1000}
        self.products[str(id)] = {**usual, **fields, "id": id}
        return self.products[str(id)]

    def find(self, key: str) -> str:
        """Return the id of a product, by its id or its SKU."""
        found = key if key in self.products else None
        found = found or next((id for id, product in self.products.items() if product["sku"] == key), None)
        if found is None:
            raise NoSuchRecord(f"products {key}")
        return found

    def change(self, id: str, fields: Record, replace: bool) -> Record:
        """Change a product."""
        before = self.products[id]
        self.products[id] = {**fields, "id": before["id"]} if replace else merged(before, fields)
        return self.products[id]

    def named(self, id: Any, how: str, match: str) -> Record | None:
        """Return the product that an order names.

        Args:
            how: SKU, or VS_ID.
            match: whether the case of a SKU counts: exact, or any_case.
        """
        if how == "VS_ID":
            return self.products.get(str(id))
        for product in self.products.values():
            if product["sku"] == id or (match == "any_case" and str(product["sku"]).lower() == str(id).lower()):
                return product
        return None

    def moved(self, lines: dict[str, int], sign: int) -> None:
        """Put so many bottles by SKU back (1), or take them (-1)."""
        for product in self.products.values():
            if product["sku"] in lines and product["inventory"] is not None:
                product["inventory"] += sign * lines[product["sku"]]

    def stock(self) -> dict[str, int]:
        """Return how many are left, by SKU."""
        return {product["sku"]: product["inventory"] for product in self.products.values()}

    def listed(self) -> list[Record]:
        """Return the products as the producer's own list shows them."""
        return [
            {
                "id": product["id"],
                "sku": product["sku"],
                "upc": "",
                "name": product["name"],
                "price": product["price"],
                "inventory": product["inventory"],
                "status": "APPROVED" if product["approved"] else "PENDING",
                "summary": None,
                "detail": {"vintage": None, "abv": None, "bottleSize": {"units": 750, "ml": 750, "desc": "750ml"}},
                "taxonomy": {"id": 3, "externalId": "11000", "displayName": "Wine", "sortOrder": 0},
            }
            for product in self.products.values()
        ]

    def feed(self, sold_out: bool, closed: tuple[str, ...]) -> Record:
        """Return the feed of a shop window: approved products, and the sold out ones only if asked for."""
        shown = [p for p in self.products.values() if p["approved"] and (sold_out or in_stock(p))]
        products = [
            {
                "id": product["id"],
                "name": product["name"],
                "desc": product.get("desc"),
                "img": product.get("img"),
                "inventory": product["inventory"],
                "price": product["price"],
                "pack": False,
                "alcohol": True,
                "productCategory": product.get("category", "Wine"),
                "priceMeta": {"increments": 1, "minOrder": 1, "maxOrder": None, "caseSize": 12},
                "alcoholMeta": {"vintage": None, "abv": None, "type": None, "varietal": None},
                "notAvailableIn": [{"abbr": state, "name": state} for state in closed],
                "sku": product["sku"],
                "memberOnly": bool(product.get("member_only")),
                "weight": {"lbs": 3},
                **({"urlSlug": product["slug"]} if "slug" in product else {}),
            }
            for product in shown
        ]
        states = [{"abbr": abbr, "name": name} for abbr, name in _STATES.items() if abbr not in closed]
        return {"producer": self.merchant.producer, "products": products, "states": states}


def in_stock(product: Record) -> bool:
    """Say whether there are bottles left; where nobody has counted there are."""
    return product["inventory"] is None or product["inventory"] > 0
