"""The one feed that is documented as newest modification first: whose memberships moved since the last look.

Its schema is not documented, so it is read loosely: no modification time, no customer, or no order means that the
feed says nothing here, and the list walk and the rotation of details show memberships instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vs_st_pipeline.errors import Refused
from vs_st_pipeline.sources.vinoshipper.client import VinoshipperClient, decode, whole_number
from vs_st_pipeline.text_forms import as_mapping, instant, parse_moment

PAGE_SIZE = 25
MOST_PAGES = 40  # a feed that never reaches the watermark is not the feed that was documented
MODIFIED_KEYS = ("modifiedAt", "modified_at", "updatedAt")


@dataclass(frozen=True, slots=True)
class FeedMark:
    """How far the feed was read: the greatest modification time met (ISO, UTC) and the memberships that have it."""

    at: str
    ids: tuple[str, ...]


def read_feed(vs: VinoshipperClient, mark: FeedMark | None) -> tuple[set[int], FeedMark | None]:
    """Read the feed down to the watermark.

    Args:
        mark: where the last look ended; None only finds out where the feed stands now (one page).

    Returns:
        Customers whose memberships moved since the mark, and the new mark (None: the feed says nothing here).
    """
    moved: set[int] = set()
    since = datetime.fromisoformat(mark.at) if mark else None
    newest: list[tuple[datetime, str]] = []
    before: list[bytes] = []
    for page_index in range(MOST_PAGES):
        try:
            rows = vs.memberships(page_index, PAGE_SIZE)
        except Refused:
            return set(), None
        if not rows or rows == before:
            break
        reached = since is None
        for text in rows:
            row = as_mapping(decode(text))
            modified, customer_id, membership_id = _modified(row), _customer_id(row), str(row.get("id"))
            if modified is None or customer_id is None:
                continue
            newest.append((modified, membership_id))
            if since is None or modified < since:
                reached = True
            elif modified > since or (mark is not None and membership_id not in mark.ids):
                moved.add(customer_id)
        if reached:
            break
        before = rows
    if not newest:
        return moved, mark
    at = max(modified for modified, _ in newest)
    return moved, FeedMark(at.isoformat(), tuple(sorted(found for modified, found in newest if modified == at)))


def _modified(row: Mapping[str, object]) -> datetime | None:
    moment = next((found for key in MODIFIED_KEYS if (found := parse_moment(row.get(key))) is not None), None)
    return instant(moment) if moment is not None else None


def _customer_id(row: Mapping[str, object]) -> int | None:
    return whole_number(row.get("customerId")) or whole_number(as_mapping(row.get("customer")).get("id"))
