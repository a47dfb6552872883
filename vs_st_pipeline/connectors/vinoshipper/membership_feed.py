"""Reads the one feed that is documented as newest modification first: whose memberships changed since the last read.

Data flow: pages of `GET /clubs/memberships` + FeedCursor -> Feed.

Its schema is not documented, so it is read loosely: without a modification time, a customer, or the order the feed says
nothing here, and the list walk and the rotation of details show memberships instead.

The cursor never goes past Vinoshipper's own clock: one membership modified in a year to come would hide all others.
Such rows are reported when they first appear or change, and remembered beside the cursor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient, whole_number
from vs_st_pipeline.connectors.vinoshipper.parse import shop_moment
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.domain.formats import as_mapping, instant

PAGE_SIZE = 25
MOST_PAGES = 40  # a feed that never reaches the cursor is not the feed that was documented
CLOCKS_DIFFER = timedelta(minutes=1)  # the shop's own machines may differ by this much
MODIFIED_KEYS = ("modifiedAt", "modified_at", "updatedAt")


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """How far the feed was read.

    Attributes:
        at: the greatest modification time seen that is not ahead of the shop's clock (ISO, UTC).
        ids: the memberships that have this time.
        ahead: memberships with a modification time ahead of the shop's clock, as (id, that time).
    """

    at: str
    ids: tuple[str, ...]
    ahead: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> FeedCursor:
        """Read a cursor as it was stored, by this or an earlier version."""
        ahead = tuple((row[0], row[1]) for row in stored.get("ahead") or ())
        return cls(stored["at"], tuple(stored["ids"]), ahead)


@dataclass(frozen=True, slots=True)
class Feed:
    """What one read of the feed found.

    Attributes:
        moved: customers whose memberships changed since the cursor.
        cursor: the new cursor; None where the feed gives none.
        blind: why the feed does not tell what changed; None where it does.
        cut: the cursor was not reached, so more may have changed than `moved` has.
        one_page: the next read ends with the first page, if the feed is the same.
    """

    moved: set[int]
    cursor: FeedCursor | None
    blind: str | None = None
    cut: bool = False
    one_page: bool = True


def read_feed(vs: VinoshipperClient, cursor: FeedCursor | None) -> Feed:
    """Read the feed down to the cursor.

    Args:
        cursor: where the last read ended; None only finds out the feed's position now (one page).
    """
    since = datetime.fromisoformat(cursor.at) if cursor else None
    known_ahead = set(cursor.ahead) if cursor else set()
    drawn_back = False
    now = datetime.now(UTC) + timedelta(days=1)
    moved: set[int] = set()
    times: list[tuple[datetime, str]] = []
    rows_seen, reached, met_cursor = 0, False, False
    before: list[bytes] = []
    for page_index in range(MOST_PAGES):
        try:
            rows = vs.memberships(page_index, PAGE_SIZE)
        except Refused:
            if page_index:  # what is past the end may be refused: nothing below the cursor is needed
                reached = met_cursor
                break
            return Feed(set(), None, "there is no such feed here")
        if page_index == 0:
            now = _now(vs)
            if since is not None and since > now:
                drawn_back = since - now > CLOCKS_DIFFER  # changes since it was set were never reported
                since = now
        if not rows:
            reached = True
            break
        if rows == before:  # pages have no effect, or the end is repeated: nothing below the cursor is needed
            reached = met_cursor
            break
        reached = since is None
        for text in rows:
            rows_seen += 1
            row = as_mapping(try_json(text))
            modified, customer_id, membership_id = _modified(row), _customer_id(row), str(row.get("id"))
            if modified is None or customer_id is None:
                continue
            times.append((modified, membership_id))
            met_cursor = met_cursor or (modified == since and cursor is not None and membership_id in cursor.ids)
            if since is None or modified < since:
                reached = True
            elif modified > now:
                if (membership_id, modified.isoformat()) not in known_ahead:
                    moved.add(customer_id)
            elif modified > since or (cursor is not None and membership_id not in cursor.ids):
                moved.add(customer_id)
        if reached:
            break
        before = rows
    if not times:
        return Feed(moved, cursor, "its rows do not say whose they are or when they moved" if rows_seen else None)
    # The order by newest first lets a read end at the cursor; in any other order a change may be on any page.
    in_order = all(later[0] <= earlier[0] for earlier, later in pairwise(times))
    blind = None if in_order else "its rows are not in the order of their changes"
    made = _next_cursor(times, now, cursor)
    one_page = min(times)[0] < datetime.fromisoformat(made.at)
    return Feed(moved, made, blind, cut=drawn_back or not reached, one_page=one_page)


def customer_in_feed(vs: VinoshipperClient, membership_id: str) -> int | None:
    """Return whose a membership is by the feed's first page; None where that does not show it."""
    try:
        rows = [as_mapping(try_json(text)) for text in vs.memberships(0, PAGE_SIZE)]
    except Refused:
        return None
    return next((_customer_id(row) for row in rows if str(row.get("id")) == membership_id), None)


def _now(vs: VinoshipperClient) -> datetime:
    """Return the shop's clock as its answer gave it, and never more than a day ahead of this machine's."""
    latest = datetime.now(UTC) + timedelta(days=1)
    return latest if vs.server_time is None else min(latest, datetime.fromtimestamp(vs.server_time, UTC))


def _next_cursor(times: list[tuple[datetime, str]], now: datetime, cursor: FeedCursor | None) -> FeedCursor:
    ahead = tuple(sorted((found, modified.isoformat()) for modified, found in times if modified > now))
    at = max((modified for modified, _ in times if modified <= now), default=None)
    if at is None:  # all of them are ahead
        if cursor is not None and datetime.fromisoformat(cursor.at) <= now:
            return FeedCursor(cursor.at, cursor.ids, ahead)
        return FeedCursor(now.isoformat(), (), ahead)
    return FeedCursor(at.isoformat(), tuple(sorted(found for modified, found in times if modified == at)), ahead)


def _modified(row: Mapping[str, object]) -> datetime | None:
    moment = next((found for key in MODIFIED_KEYS if (found := shop_moment(row.get(key))) is not None), None)
    return instant(moment) if moment is not None else None


def _customer_id(row: Mapping[str, object]) -> int | None:
    return whole_number(row.get("customerId")) or whole_number(as_mapping(row.get("customer")).get("id"))
