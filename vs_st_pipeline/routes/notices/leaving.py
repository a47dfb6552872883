"""Says what keeps a merchant from being removed (routes.md R57): messages under 48 h old of which nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.notices.systems import NAME
from vs_st_pipeline.routes.notices.words import ActionState, State

SETTLES: Final = timedelta(hours=48)


def under_way(warehouse: Warehouse, merchant_id: str) -> list[str]:
    """Say what nobody would bring to an end any more."""
    if not warehouse.file(merchant_id, NAME).exists():
        return []
    since = datetime.now(UTC).replace(tzinfo=None) - SETTLES
    with warehouse.open(merchant_id, NAME) as db:
        messages = db.value(
            "select count(*) from synced.notices where state in (?, ?) and claimed_at > ?",
            [State.UNKNOWN, State.SENDING, since],
        )
        actions = db.value("select count(*) from synced.actions where state = ?", [ActionState.SENDING])
    found = []
    if messages:
        found.append(f"{messages} messages may be with customers, and whether they are is not known yet")
    if actions:
        found.append(f"{actions} answers are being acted on, and whether Eshopbox did it is not known")
    return found


def count_stored(warehouse: Warehouse, merchant_id: str) -> int:
    """Count the orders that are kept of a merchant."""
    if not warehouse.file(merchant_id, NAME).exists():
        return 0
    with warehouse.open(merchant_id, NAME) as db:
        return int(db.value("select count(*) from staged.notice_orders"))
