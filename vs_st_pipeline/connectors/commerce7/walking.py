"""Walks a list by its cursor, and believes no walk that goes in circles or does not show all (orders.md 3).

Data flow: the first cursor -> a page and the next cursor -> ... -> pages, or `bad_answer`.

Page numbers are never used. An empty page that has a cursor is followed once, since some lists end with one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.client import PAGE, START, bad_answer
from vs_st_pipeline.domain.records import id_text

_MOST_PAGES: Final = 100_000
_LONGEST_TOTAL: Final = 16


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer. asked_at: monotonic seconds, before it was asked for."""

    rows: list[Any]
    asked_at: float


def pages(ask: Callable[[str], Mapping[str, Any]], key: str, call: str) -> Iterator[Page]:
    """Yield the pages of a list; whoever comes to the end has all of it.

    Args:
        ask: returns the answer for a cursor. key: of its rows. call: its name, for errors.

    Raises:
        BadAnswer: no list of rows, a cursor met before, a page equal to the last one, more rows in all than were shown.
    """
    cursor, met, last, shown, empty = START, {START}, None, 0, 0
    for _ in range(_MOST_PAGES):
        asked_at = time.monotonic()
        answer = ask(cursor)
        rows = answer.get(key)
        if not isinstance(rows, list):
            raise bad_answer("the answer holds no list of records", call)
        if rows and rows == last:
            raise bad_answer("a page is equal to the one before it, so the cursor has no effect", call)
        shown, last, following = shown + len(rows), rows, cursor_of(answer, call)
        if following is None:
            if (_total_of(answer) or 0) > shown:
                raise bad_answer("there are more records than were shown, and no cursor leads to them", call)
            yield Page(rows, asked_at)
            return
        empty = 0 if rows else empty + 1
        if rows and following in met:
            raise bad_answer("a cursor came twice, so the list goes in circles", call)
        yield Page(rows, asked_at)
        if empty > 1:
            return
        met.add(following)
        cursor = following
    raise bad_answer("the list has no end", call)


def cursor_of(answer: Mapping[str, Any], call: str) -> str | None:
    """Return the next cursor; None where the walk ends: absent, null or blank."""
    said = answer.get("cursor")
    if said is None or (isinstance(said, str) and not said.strip()):
        return None
    found = id_text(said)
    if found is None:
        raise bad_answer("a cursor is of another form than expected", call)
    return said if isinstance(said, str) else found


def next_of(answer: Mapping[str, Any], cursor: str, shown: int, call: str) -> str | None:
    """Return the next cursor; None: that was the end. A list that tells a total in place of one knows pages alone.

    Args:
        cursor: of this page. shown: its rows.

    Raises:
        BadAnswer: there is more, and no way to it.
    """
    number, before = _page_of(cursor)
    following = cursor_of(answer, call)
    if following is not None and not number:
        return following
    total = _total_of(answer)
    if total is None:
        return None
    if not number and cursor != START:
        if total > shown:
            raise bad_answer("a cursor has no effect any more", call)
        return None
    if total <= before + shown:
        return None
    if not shown:
        raise bad_answer("there are more records than were shown, and no page shows them", call)
    return f"{PAGE}{max(number, 1) + 1}:{before + shown}"


def _total_of(answer: Mapping[str, Any]) -> int | None:
    """Return how many rows a list has in all, a number or its digits; None where it does not say."""
    told = id_text(answer.get("total"))
    return int(told) if told is not None and told.isascii() and told.isdigit() and len(told) < _LONGEST_TOTAL else None


def _page_of(cursor: str) -> tuple[int, int]:
    """Return the number of a page and how many rows were shown before it; (0, 0): the cursor is the other side's."""
    if not cursor.startswith(PAGE):
        return 0, 0
    number, _, before = cursor.removeprefix(PAGE).partition(":")
    return int(number), int(before)
