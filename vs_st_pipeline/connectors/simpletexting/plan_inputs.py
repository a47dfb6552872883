"""Declares what a plan depends on of SimpleTexting's tables."""

from __future__ import annotations

from typing import Final

PLAN_VERSION: Final = 1
"""Raised when contacts are understood otherwise, or their fields found otherwise."""

PLAN_INPUTS: Final = (
    # What stands beside a body is taken from it by the account's custom fields as they were when it was read.
    """count(*), sum(hash(contact_id, body_hash, gone, phone, email, customer_id, status))
       from raw.simpletexting_contacts""",
    "count(*), hash(list((label, merge_tag) order by rowid)) from raw.simpletexting_custom_fields",
)
