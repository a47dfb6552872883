"""The one feed that is documented as newest modification first: whose memberships moved since the last look.

Its schema is not documented, so it is read loosely: no modification time, no customer, or no order means that the
feed says nothing here, and the list walk and the rotation of details show memberships instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

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


@dataclass(frozen=True, slots=True)
class Feed:
    """What one look at the feed found.

    Attributes:
        moved: customers whose memberships moved since the mark.
        mark: the new mark; None where there is none to be had.
        blind: why the feed does not tell what moved; None where it does.
        cut: the mark was not reached, so more may have moved than is told.
    """

    moved: set[int]
    mark: FeedMark | None
    blind: str | None = None
    cut: bool = False


def read_feed(vs: VinoshipperClient, mark: FeedMark | None) -> Feed:
    """Read the feed down to the watermark.

    Args:
        mark: where the last look ended; None only finds out where the feed stands now (one page).
    """
    since = datetime.fromisoformat(mark.at) if mark else None
    moved: set[int] = set()
    times: list[tuple[datetime, str]] = []
    rows_seen, reached = 0, False
    before: list[bytes] = []
    for page_index in range(MOST_PAGES):
        try:
            rows = vs.memberships(page_index, PAGE_SIZE)
        except Refused:
            return Feed(set(), None, "there is no such feed here")
        if not rows or rows == before:
            reached = True
            break
        reached = since is None
        for text in rows:
            rows_seen += 1
            row = as_mapping(decode(text))
            modified, customer_id, membership_id = _modified(row), _customer_id(row), str(row.get("id"))
            if modified is None or customer_id is None:
                continue
            times.append((modified, membership_id))
            if since is None or modified < since:
                reached = True
            elif modified > since or (mark is not None and membership_id not in mark.ids):
                moved.add(customer_id)
        if reached:
            break
        before = rows
    if not times:
        return Feed(moved, mark, "its rows do not say whose they are or when they moved" if rows_seen else None)
    at = max(modified for modified, _ in times)
    newest = FeedMark(at.isoformat(), tuple(sorted(found for modified, found in times if modified == at)))
    # Newest first is what lets a look end at the mark; in any other order what moved may be on any page.
    in_order = all(later[0] <= earlier[0] for earlier, later in pairwise(times))
    return Feed(moved, newest, None if in_order else "its rows are not in the order of their changes", not reached)


def _modified(row: Mapping[str, object]) -> datetime | None:
    moment = next((found for key in MODIFIED_KEYS if (found := parse_moment(row.get(key))) is not None), None)
    return instant(moment) if moment is not None else None


def _customer_id(row: Mapping[str, object]) -> int | None:
    return whole_number(row.get("customerId")) or whole_number(as_mapping(row.get("customer")).get("id"))
