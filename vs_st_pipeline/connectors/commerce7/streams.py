"""Declares what Commerce7 is asked for, and where it stands.

Their names are no `orders` and `customers`: by these, `vs-st forget` would delete what the ledger knows of an order,
and it would be sent again.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.hints import ORDER as HINTED
from vs_st_pipeline.platform.warehouse.streams import Stream

ORDER: Final = HINTED  # as hints name it
PRODUCT: Final = "product"
STORED: Final = "commerce7_order"  # as what is stored of one is named; no other system has this kind
STORED_CUSTOMER: Final = "commerce7_customer"
ORDERS: Final = Stream("shop_orders", STORED, "raw.commerce7_orders", "id", hinted=ORDER)
CUSTOMERS: Final = Stream("shop_customers", STORED_CUSTOMER, "raw.commerce7_customers", "id")
STREAMS: Final = (ORDERS, CUSTOMERS)
