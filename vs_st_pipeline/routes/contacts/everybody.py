"""Says whether this route reads a winery for other routes as well (routes.md R34), and who everybody is."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db

OTHER: Final = "audience"
NOTICES: Final = "notices"


def are_wanted(merchant: Merchant) -> bool:
    """Say whether another route of the merchant wants everybody's records of Vinoshipper, and not only linked ones."""
    if NOTICES in merchant.routes and VINOSHIPPER in merchant.sections:
        return True
    return OTHER in merchant.routes and merchant.section(WaymoreSettings).source in (None, VINOSHIPPER)


def everybody(db: Db) -> list[int]:
    """Return the ids of all customers who are there."""
    return [
        row[0]
        for row in db.rows("select customer_id from raw.vinoshipper_customers where deleted_at is null order by 1")
    ]
