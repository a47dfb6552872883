"""What the list of memberships tells of its changes, and when it cannot be believed."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.membership_feed import MOST_PAGES, PAGE_SIZE, FeedCursor, read_feed
from vs_st_pipeline.domain.errors import Refused

CURSOR = FeedCursor("2026-05-01T00:00:00+00:00", ("1",))


class Pages:
    """Only what `read_feed` asks of the client; the story tests read the real feed."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = [json.dumps(row).encode() for row in rows]
        self.asked = 0
        self.server_time: float | None = None

    def memberships(self, page_index: int, page_size: int) -> list[bytes]:
        self.asked += 1
        return self.rows[page_index * page_size : (page_index + 1) * page_size]


def row(id: int, day: int, customer: int | None = None, **fields: Any) -> dict[str, Any]:
    moved = f"2026-05-{day:02d}T00:00:00Z" if day else "2026-04-30T00:00:00Z"
    return {"id": id, "modifiedAt": moved, "customerId": customer or 700000 + id, **fields}


def look(rows: list[dict[str, Any]], cursor: FeedCursor | None = CURSOR) -> Any:
    pages = Pages(rows)
    return read_feed(cast(VinoshipperClient, pages), cursor), pages.asked


def test_what_moved_since_the_cursor_is_told_and_the_rest_is_not_asked_for() -> None:
    rows = [row(5, 9), row(4, 8), *(row(100 + i, 0) for i in range(3 * PAGE_SIZE))]
    feed, asked = look(rows)
    assert (feed.moved, feed.blind, feed.cut, asked) == ({700005, 700004}, None, False, 1)
    assert feed.cursor == FeedCursor("2026-05-09T00:00:00+00:00", ("5",))


def test_two_that_moved_in_the_moment_of_the_cursor_are_told_apart() -> None:
    feed, _ = look([row(2, 1), row(1, 1), row(3, 0)])
    assert feed.moved == {700002}
    assert feed.cursor == FeedCursor("2026-05-01T00:00:00+00:00", ("1", "2"))


def test_without_a_cursor_one_page_says_where_the_feed_is() -> None:
    feed, asked = look([row(i, 9) for i in range(3 * PAGE_SIZE)], cursor=None)
    assert (feed.moved, asked) == (set(), 1)
    assert feed.cursor is not None


@pytest.mark.parametrize(
    ("rows", "blind"),
    [
        ([{"id": 5, "customerId": 700005}], "do not say"),
        ([{"id": 5, "modifiedAt": "2026-05-09T00:00:00Z"}], "do not say"),
        ([row(4, 3), row(5, 9), row(1, 1)], "not in the order"),
    ],
)
def test_a_list_that_does_not_tell_says_so(rows: list[dict[str, Any]], blind: str) -> None:
    assert blind in look(rows)[0].blind


@pytest.mark.parametrize(("oldest", "cut"), [(row(1, 1), False), (row(3, 1), True)])
def test_a_page_past_the_end_may_be_refused(oldest: dict[str, Any], cut: bool) -> None:
    """Only where the cursor's own row was met is it known that nothing below was missed."""

    class Refusing(Pages):
        def memberships(self, page_index: int, page_size: int) -> list[bytes]:
            if page_index:
                raise Refused("past the end", http_status=400)
            return super().memberships(page_index, page_size)

    feed = read_feed(cast(VinoshipperClient, Refusing([row(5, 9), oldest])), CURSOR)
    assert (700005 in feed.moved, feed.blind, feed.cut) == (True, None, cut)


def test_no_memberships_at_all_is_no_blindness() -> None:
    feed, _ = look([])
    assert (feed.moved, feed.cursor, feed.blind) == (set(), CURSOR, None)


def test_more_than_it_can_show_is_told_so_that_the_whole_list_is_walked() -> None:
    feed, asked = look([row(i, 9) for i in range(MOST_PAGES * PAGE_SIZE + 1)])
    assert asked == MOST_PAGES
    assert feed.cut
