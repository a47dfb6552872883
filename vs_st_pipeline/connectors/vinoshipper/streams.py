"""Declares what Vinoshipper is asked for, and where it stands."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, ORDER

CUSTOMERS: Final = Stream("customers", CUSTOMER, "raw.vinoshipper_customers", "customer_id")
ORDERS: Final = Stream("orders", ORDER, "raw.vinoshipper_orders", "order_number", ("receipt",))
STREAMS: Final = (CUSTOMERS, ORDERS)
BY_KIND: Final = {stream.kind: stream for stream in STREAMS}
