"""Every order of an account through a search that may ignore its filter, its paging, or both.

Known: `processed.start/.end` and the sort are documented; the names for paging are not, a page seems to hold 25
rows whatever is asked, and unknown names are ignored with a 200. So nothing is believed without a look at the
rows: rows outside the window mean the filter had no effect, the same page twice means the page step had none.
Then the next way is tried (other paging names, the search by body, smaller windows, the other sort direction),
and where none shows everything the answer is `BadAnswer`, never a shorter list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from vs_st_pipeline.errors import VINOSHIPPER, BadAnswer, Refused
from vs_st_pipeline.sources.vinoshipper.client import OrderPage, VinoshipperClient, decode, whole_number
from vs_st_pipeline.text_forms import instant, parse_moment

ASK_ROWS = 100
CAP_SEEN = 25  # the server's page as public clients met it
FIRST_WINDOW = timedelta(days=32)
LARGEST_WINDOW = timedelta(days=2048)
MANY_PAGES = 8
SLACK = timedelta(days=3)  # two days for zones and inclusive ends, one for the length of a day
ONE_DAY = timedelta(days=1)

STYLES = ("pageIndex", "page", "offset")


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as a search shows it: a pointer; the detail is authoritative."""

    number: str
    customer_id: int | None
    purchased_at: str | None
    text: str


class FilterIgnored(Exception):
    """Rows came from outside the window that was asked for."""


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[OrderRow]
    lines: int  # rows as they came: one order may have several
    total: int | None

    @property
    def numbers(self) -> list[str]:
        return [row.number for row in self.rows]


class OrderSearch:
    """Searches one merchant's orders and learns, while doing so, what this account's search obeys.

    Attributes:
        style: paging names that had an effect, None until one did.
        paging_works: None until a second page was needed, then whether any style had an effect.
        filter_works: None until a window proved otherwise.
        by_body: whether the search with a JSON body is used, because the query string's filter had no effect.
    """

    def __init__(self, vs: VinoshipperClient) -> None:
        self._vs = vs
        self.style: str | None = None
        self.paging_works: bool | None = None
        self.filter_works: bool | None = None
        self.by_body = False
        self._cap = CAP_SEEN
        self._checked_cap = 0

    def everything(self, newest: date, oldest: date) -> Iterator[list[OrderRow]]:
        """All orders processed in [oldest, newest), newest first, a window at a time.

        Windows grow while they are empty and shrink when they take many pages.

        Raises:
            BadAnswer: neither filter nor paging lets all orders be seen.
        """
        end, size = newest, FIRST_WINDOW
        while end > oldest:
            start = max(oldest, end - size)
            try:
                pages = list(self.window(start, end))
            except FilterIgnored:
                self.filter_works = False
                yield from self._unfiltered()
                return
            yield from pages
            if not any(pages):
                size = min(size * 2, LARGEST_WINDOW)
            elif len(pages) > MANY_PAGES:
                size = max(size // 2, ONE_DAY)
            end = start

    def window(self, start: date, end: date) -> Iterator[list[OrderRow]]:
        """All orders processed in [start, end), by pages, by halves or by both sort directions."""
        first = self._ask(start, end)
        if not first.rows:
            return
        if first.total is not None and len(first.rows) >= first.total:
            yield first.rows
            return
        if self.paging_works is not False:
            yield first.rows
            found: list[list[OrderRow]] = []
            if self._page_on(first, start, end, found):
                yield from found
                return
        if not self._may_be_cut(first, start, end):
            yield first.rows
            return
        days = (end - start).days
        if days > 1:
            middle = start + timedelta(days=days // 2)
            yield from self.window(middle, end)
            yield from self.window(start, middle)
            return
        yield self._both_ends(first, start, end)

    def _page_on(self, first: _Page, start: date | None, end: date | None, found: list[list[OrderRow]]) -> bool:
        """Read the pages after the first into `found`; False where no paging style has an effect."""
        for style in [self.style] if self.style else STYLES:
            assert style is not None
            before, seen, step = first, set(first.numbers), first.lines
            page_number = 1
            while True:
                page = self._ask(start, end, style=style, page_number=page_number, size=step, offset=page_number * step)
                if page.rows and page.numbers == before.numbers:
                    break  # this style has no effect (or no longer)
                self.style, self.paging_works = style, True
                if page.rows:
                    found.append(page.rows)
                    seen.update(page.numbers)
                if not page.rows or (page.total is not None and len(seen) >= page.total):
                    return True
                before = page
                page_number += 1
            if self.style:
                raise BadAnswer(
                    "a page of orders came twice: paging stopped having an effect", system=VINOSHIPPER, call=self._call
                )
        self.paging_works = False
        return False

    def _may_be_cut(self, page: _Page, start: date, end: date) -> bool:
        """Whether this single page may hold less than the window does."""
        if page.total is not None:
            return len(page.rows) < page.total
        if page.lines >= self._cap:
            return True
        if page.lines >= self._checked_cap:
            # The server's page may be smaller than was ever seen, and as large as the longest page so far: the other
            # sort direction tells. Only a shorter page cannot be cut.
            other = self._ask(start, end, direction="ASC")
            self._checked_cap = page.lines
            if set(other.numbers) != set(page.numbers):
                self._cap = min(self._cap, page.lines, other.lines or page.lines)
                return True
        return False

    def _both_ends(self, newest_first: _Page, start: date, end: date) -> list[OrderRow]:
        """A day that overflows one page: newest and oldest page together, if they meet."""
        oldest_first = self._ask(start, end, direction="ASC")
        rows = {row.number: row for row in [*newest_first.rows, *oldest_first.rows]}
        told = newest_first.total
        met = set(newest_first.numbers) & set(oldest_first.numbers)
        if (told is not None and len(rows) >= told) or (told is None and met):
            return list(rows.values())
        raise BadAnswer(
            f"orders of {start} cannot all be seen: paging has no effect and the day holds more than one page",
            system=VINOSHIPPER,
            call=self._call,
        )

    def _unfiltered(self) -> Iterator[list[OrderRow]]:
        """The date filter has no effect: page through everything, if pages at least work."""
        first = self._ask(None, None)
        yield first.rows
        if first.rows and not (first.total is not None and len(first.rows) >= first.total):
            found: list[list[OrderRow]] = []
            if self.paging_works is False or not self._page_on(first, None, None, found):
                raise BadAnswer(
                    "date filters and paging of the order search have no effect: only the newest orders can be seen",
                    system=VINOSHIPPER,
                    call=self._call,
                )
            yield from found

    @property
    def _call(self) -> str:
        return "search_orders_by_body" if self.by_body else "search_orders"

    def _ask(
        self,
        start: date | None,
        end: date | None,
        *,
        style: str | None = None,
        page_number: int = 0,
        size: int = ASK_ROWS,
        offset: int = 0,
        direction: str = "DESC",
    ) -> _Page:
        paging: dict[str, int] = {}
        if page_number:
            paging = {
                "pageIndex": {"pageIndex": page_number, "pageSize": size},
                "page": {"page": page_number, "size": size},
                "offset": {"offset": offset, "limit": size},
            }[style or "pageIndex"]
        if not self.by_body:
            page = _page(self._vs.search_orders(_query(start, end, direction, paging)))
            if start is None or end is None or _inside(page, start, end):
                return page
            self.by_body = True  # the documented query string is ignored here: the body is the other way
        try:
            page = _page(self._vs.search_orders_by_body(_body(start, end, direction, paging)))
        except Refused:
            self.by_body = False
            raise FilterIgnored from None
        if start is not None and end is not None and not _inside(page, start, end):
            self.by_body = False
            raise FilterIgnored
        return page


def _query(start: date | None, end: date | None, direction: str, paging: dict[str, int]) -> dict[str, str | int]:
    query: dict[str, str | int] = {}
    if start is not None and end is not None:
        query = {"processed.start": start.isoformat(), "processed.end": end.isoformat()}
    return {**query, "sort[0].field": "ORDER_DATE", "sort[0].direction": direction, **paging}


def _body(start: date | None, end: date | None, direction: str, paging: dict[str, int]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if start is not None and end is not None:
        body = {"processed": {"start": start.isoformat(), "end": end.isoformat()}}
    return {**body, "sort": [{"field": "ORDER_DATE", "direction": direction}], **paging}


def _page(answer: OrderPage) -> _Page:
    rows: dict[str, OrderRow] = {}
    for text in answer.rows:
        body = decode(text)
        number = body.get("orderNumber") if isinstance(body, dict) else None
        if isinstance(number, int) and not isinstance(number, bool):
            number = str(number)
        if not isinstance(number, str) or not number:
            continue
        customer = body.get("customer")
        purchased_at = body.get("purchasedAt")
        rows[number] = OrderRow(
            number,
            whole_number(customer.get("id")) if isinstance(customer, dict) else None,
            purchased_at if isinstance(purchased_at, str) else None,
            text.decode(),
        )
    return _Page(list(rows.values()), len(answer.rows), answer.total)


def _inside(page: _Page, start: date, end: date) -> bool:
    """Whether every row that tells its time lies in the window, give or take two days."""
    for row in page.rows:
        moment = parse_moment(row.purchased_at) if row.purchased_at else None
        if moment is not None and not start - SLACK <= instant(moment).date() <= end + SLACK:
            return False
    return True
