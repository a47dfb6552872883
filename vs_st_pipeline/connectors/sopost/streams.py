"""Declares what SoPost is asked for, and where it stands."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.hints import ORDER as HINTED
from vs_st_pipeline.platform.warehouse.streams import Stream

ORDER: Final = HINTED
ORDERS: Final = Stream("orders", ORDER, "raw.sopost_orders", "id")
STREAMS: Final = (ORDERS,)
