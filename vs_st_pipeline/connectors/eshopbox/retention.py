"""Takes bodies away that nothing needs any more (routes.md R58): of orders of which nothing can come.

What was seen of them stays, without anything that names a person: statuses, times, and the ids of parcels.
"""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN, ORDERS
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED


def prune(db: Db, before: datetime) -> None:
    """Reduce the bodies of orders that are over and were read last before a moment (UTC without zone).

    The next answer of such an order is stored again. Hooks that came before that moment go with them.
    """
    over = f"select parcel_id from {KNOWN} where not is_open and read_at < $before"
    db.execute(
        f"""update {ORDERS.table} set body = null, kept = null, sha = '{REDUCED}'
            where body is not null and id in ({over})""",
        {"before": before},
    )
    db.execute(
        f"delete from {HOOKS} where received_at < $before and read_at is not null and parcel_id in ({over})",
        {"before": before},
    )
