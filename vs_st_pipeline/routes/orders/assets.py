"""Lists what the stages of this route make, as Dagster shows it."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors import commerce7, vinoshipper
from vs_st_pipeline.pipeline.route import Asset
from vs_st_pipeline.routes.orders.stage_names import PLAN, PRODUCTS, PUSH, SENT_ORDERS, SHOP_ORDERS, STAGED
from vs_st_pipeline.routes.orders.systems import NAME

SHOP_TITLE: Final = commerce7.CONNECTOR.title
SHIPPER_TITLE: Final = vinoshipper.CONNECTOR.title
PRODUCTS_THERE: Final = f"{NAME}/raw/vinoshipper/products"
SHIPMENTS: Final = f"{NAME}/staged/shipments"
PLAN_BACK: Final = f"{NAME}/planned/commerce7/orders"
PUSH_BACK: Final = f"{NAME}/synced/commerce7/orders"

_API, _PYTHON = frozenset({"api", "duckdb"}), frozenset({"python", "duckdb"})

ASSETS: Final = (
    Asset(SHOP_ORDERS, SHOP_ORDERS, f"The orders of {SHOP_TITLE} since `start`, as it says them.", (), _API),
    Asset(PRODUCTS, PRODUCTS, f"What {SHOP_TITLE} sells, by SKU.", (), _API),
    Asset(PRODUCTS_THERE, PRODUCTS, f"What {SHIPPER_TITLE} sells, by SKU.", (), _API),
    Asset(SENT_ORDERS, SENT_ORDERS, f"What {SHIPPER_TITLE} says of the orders that it holds for us.", (), _API),
    Asset(SHIPMENTS, SENT_ORDERS, "One row per order there: status, problems, packages.", (SENT_ORDERS,), _PYTHON),
    Asset(STAGED, STAGED, "One row per order of the shop, in our words, nobody's data.", (SHOP_ORDERS,), _PYTHON),
    Asset(
        PLAN, PLAN,
        f"What would be sent to {SHIPPER_TITLE} now, by every rule; each other order stands with its code.",
        (STAGED, PRODUCTS, PRODUCTS_THERE, SHIPMENTS), _PYTHON,
    ),
    Asset(
        PLAN_BACK, PLAN, f"What would be told to {SHOP_TITLE} now: fulfillments and messages.",
        (STAGED, SHIPMENTS), _PYTHON,
    ),
    Asset(
        PUSH, PUSH,
        f"How each order stands, and all that happened to it. Making it is what sends orders to {SHIPPER_TITLE}.",
        (PLAN,), _API,
    ),
    Asset(
        PUSH_BACK, PUSH, f"What {SHOP_TITLE} was told: fulfillments, of which customers are mailed once, and messages.",
        (PLAN_BACK,), _API,
    ),
)  # fmt: skip
