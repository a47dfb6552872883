"""Declares what SoPost is asked for, and where it stands."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.hints import ORDER as HINTED
from vs_st_pipeline.platform.warehouse.streams import Stream

ORDER: Final = HINTED  # as hints name it
STORED: Final = "sopost_order"  # as what is stored of one is named; no other system has this kind
ORDERS: Final = Stream("orders", STORED, "raw.sopost_orders", "id", hinted=ORDER)
STREAMS: Final = (ORDERS,)
