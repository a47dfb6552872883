"""Names the stages of route `orders`; each is the key of the first asset that it makes."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.routes.orders.systems import NAME

SHOP_ORDERS: Final = f"{NAME}/raw/commerce7/orders"
PRODUCTS: Final = f"{NAME}/raw/commerce7/products"  # and raw/vinoshipper/products
SENT_ORDERS: Final = f"{NAME}/raw/vinoshipper/sent_orders"  # and staged/shipments
STAGED: Final = f"{NAME}/staged/shop_orders"
PLAN: Final = f"{NAME}/planned/vinoshipper/orders"  # and planned/commerce7/orders
PUSH: Final = f"{NAME}/synced/vinoshipper/orders"  # and synced/commerce7/orders
STAGES: Final = (SHOP_ORDERS, PRODUCTS, SENT_ORDERS, STAGED, PLAN, PUSH)
