"""Declares what a plan depends on of Vinoshipper's tables."""

from __future__ import annotations

from typing import Final

PLAN_VERSION: Final = 1
"""Raised when reading or staging makes something else of the same answers."""

PLAN_INPUTS: Final = (
    """count(*), sum(hash(customer_id, phone, list_hash, detail_hash, detail_leads, detail_status, detail_at is null,
                          deleted_at, list_kept, detail_kept))
       from raw.vinoshipper_customers""",
    """count(*), sum(hash(order_number, customer_id, detail_hash, detail_status, detail_at is null, receipt_url,
                          receipt_state, detail_kept, detail_wanted, owner_unknown, purchased_on))
       from raw.vinoshipper_orders""",
    "count(*), sum(hash(id, first_at, last_at)) from raw.unreadable where kind = 'order'",  # of nobody: for how long
    "count(*), sum(hash(day)) from raw.unseen_windows where told",
)
