"""Declares what Eshopbox is asked for, and where it stands.

Its name is no `orders`: by that, `vs-st forget` would delete what other tables know under `order_id`.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.hints import ORDER as HINTED
from vs_st_pipeline.platform.warehouse.streams import Stream

ORDER: Final = HINTED  # as hints name it
STORED: Final = "eshopbox_order"  # as what is stored of one is named; no other system has this kind
ORDERS: Final = Stream("parcels", STORED, "raw.eshopbox_orders", "id", hinted=ORDER)
STREAMS: Final = (ORDERS,)
KNOWN: Final = "raw.eshopbox_known"
SIGHTINGS: Final = "raw.eshopbox_sightings"
HOOKS: Final = "raw.eshopbox_hooks"
PASSES: Final = "raw.eshopbox_passes"
