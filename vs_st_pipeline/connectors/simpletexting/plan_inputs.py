"""Declares what a plan depends on of SimpleTexting's tables."""

from __future__ import annotations

from typing import Final

PLAN_VERSION: Final = 1
"""Raised when contacts are understood otherwise, or their fields found otherwise."""

PLAN_INPUTS: Final = (
    "count(*), sum(hash(contact_id, body_hash, gone, first_source)) from raw.simpletexting_contacts",
    "count(*), hash(list((label, merge_tag) order by rowid)) from raw.simpletexting_custom_fields",
)
