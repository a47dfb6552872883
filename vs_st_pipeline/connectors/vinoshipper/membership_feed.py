"""The one feed that is documented as newest modification first: whose memberships moved since the last look.

Its schema is not documented, so it is read loosely: no modification time, no customer, or no order means that the
feed says nothing here, and the list walk and the rotation of details show memberships instead.

The mark never goes past Vinoshipper's own clock: one membership modified in a year to come would hide all others. Such
rows are told when they come up or change, and remembered beside the mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient, decode, whole_number
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.domain.formats import as_mapping, instant, parse_moment

PAGE_SIZE = 25
MOST_PAGES = 40  # a feed that never reaches the watermark is not the feed that was documented
CLOCKS_DIFFER = timedelta(minutes=1)  # by so much the shop's own machines may differ
MODIFIED_KEYS = ("modifiedAt", "modified_at", "updatedAt")


@dataclass(frozen=True, slots=True)
class FeedMark:
    """How far the feed was read.

    Attributes:
        at: the greatest modification time met that is not ahead of the shop's clock (ISO, UTC).
        ids: the memberships that have it.
        ahead: memberships that say they moved later than it is, as (id, that time).
    """

    at: str
    ids: tuple[str, ...]
    ahead: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, mark: Mapping[str, Any]) -> FeedMark:
        """The mark as it was kept, by this or an earlier version."""
        return cls(mark["at"], tuple(mark["ids"]), tuple((row[0], row[1]) for row in mark.get("ahead") or ()))


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
    known_ahead = set(mark.ahead) if mark else set()
    drawn_back = False
    now = datetime.now(UTC) + timedelta(days=1)
    moved: set[int] = set()
    times: list[tuple[datetime, str]] = []
    rows_seen, reached, met_mark = 0, False, False
    before: list[bytes] = []
    for page_index in range(MOST_PAGES):
        try:
            rows = vs.memberships(page_index, PAGE_SIZE)
        except Refused:
            return Feed(set(), None, "there is no such feed here")
        if page_index == 0:
            now = _now(vs)
            if since is not None and since > now:
                drawn_back = since - now > CLOCKS_DIFFER  # what moved since it was set was never told
                since = now
        if not rows:
            reached = True
            break
        if rows == before:  # pages have no effect, or the end is shown again: below the mark nothing is looked for
            reached = met_mark
            break
        reached = since is None
        for text in rows:
            rows_seen += 1
            row = as_mapping(decode(text))
            modified, customer_id, membership_id = _modified(row), _customer_id(row), str(row.get("id"))
            if modified is None or customer_id is None:
                continue
            times.append((modified, membership_id))
            met_mark = met_mark or (modified == since and mark is not None and membership_id in mark.ids)
            if since is None or modified < since:
                reached = True
            elif modified > now:
                if (membership_id, modified.isoformat()) not in known_ahead:
                    moved.add(customer_id)
            elif modified > since or (mark is not None and membership_id not in mark.ids):
                moved.add(customer_id)
        if reached:
            break
        before = rows
    if not times:
        return Feed(moved, mark, "its rows do not say whose they are or when they moved" if rows_seen else None)
    # Newest first is what lets a look end at the mark; in any other order what moved may be on any page.
    in_order = all(later[0] <= earlier[0] for earlier, later in pairwise(times))
    blind = None if in_order else "its rows are not in the order of their changes"
    return Feed(moved, _mark(times, now, mark), blind, cut=drawn_back or not reached)


def _now(vs: VinoshipperClient) -> datetime:
    """The shop's clock as its answer told it, and never more than a day ahead of this machine's."""
    latest = datetime.now(UTC) + timedelta(days=1)
    return latest if vs.server_time is None else min(latest, datetime.fromtimestamp(vs.server_time, UTC))


def _mark(times: list[tuple[datetime, str]], now: datetime, mark: FeedMark | None) -> FeedMark:
    ahead = tuple(sorted((found, modified.isoformat()) for modified, found in times if modified > now))
    at = max((modified for modified, _ in times if modified <= now), default=None)
    if at is None:  # all of them are ahead
        kept = mark is not None and datetime.fromisoformat(mark.at) <= now
        return FeedMark(mark.at, mark.ids, ahead) if mark is not None and kept else FeedMark(now.isoformat(), (), ahead)
    return FeedMark(at.isoformat(), tuple(sorted(found for modified, found in times if modified == at)), ahead)


def _modified(row: Mapping[str, object]) -> datetime | None:
    moment = next((found for key in MODIFIED_KEYS if (found := parse_moment(row.get(key))) is not None), None)
    return instant(moment) if moment is not None else None


def _customer_id(row: Mapping[str, object]) -> int | None:
    return whole_number(row.get("customerId")) or whole_number(as_mapping(row.get("customer")).get("id"))
