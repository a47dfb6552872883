"""Every order of an account through a search that may ignore its filter, its paging, or both.

Known: `processed.start/.end` and the sort are documented; the names for paging are not, a page seems to hold 25
rows whatever is asked, and unknown names are ignored with a 200. So nothing is believed without a look at the
rows: rows outside the window mean the filter had no effect, the same page twice means the page step had none.
Then the next way is tried (other paging names, the search by body, smaller windows, the other sort direction),
and where none shows everything the answer is `BadAnswer`, never a shorter list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
MANY_PAGES = 20  # what a run that is killed repeats; narrower windows would cost a part of a page each
SLACK = timedelta(days=3)  # two days for zones and inclusive ends, one for the length of a day
ONE_DAY = timedelta(days=1)

STYLES = ("pageIndex", "page", "offset")
PROCESSED, SHIPPED = "processed", "shipped"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as a search shows it: a pointer; the detail is authoritative."""

    number: str
    customer_id: int | None
    purchased_at: str | None
    shipped_at: str | None
    text: str
    owner_told: bool = True  # false: the row has no customer id at all, not even null


class FilterIgnored(Exception):
    """Rows came from outside the window that was asked for."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window of the history walk that is done: where it starts, how large the next is to be, and its orders."""

    start: date
    next_size: timedelta
    rows: list[OrderRow]


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[OrderRow]
    lines: int  # rows as they came: one order may have several
    total: int | None

    @property
    def numbers(self) -> list[str]:
        return [row.number for row in self.rows]

    @property
    def is_all(self) -> bool:
        """Whether the total says that nothing else is there; it may count orders or rows of line items."""
        return self.total is not None and (len(self.rows) >= self.total or self.lines >= self.total)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a window, by which a page is judged that may have been cut.

    Attributes:
        expected: orders that the window shows unless they are gone.
        is_known: whether a row is stored just as it came.
    """

    expected: Collection[str]
    is_known: Callable[[OrderRow], bool]

    def lacks(self, rows: Sequence[OrderRow]) -> bool:
        """Whether an order is not there that should be."""
        return not {row.number for row in rows}.issuperset(self.expected)

    def doubts(self, rows: Sequence[OrderRow]) -> bool:
        """Whether the page may be longer than it looks: something is missing, or its end is as new as its beginning.

        Newest first and with days of overlap, what is known stands at the end. One new order alone is believed.
        """
        return self.lacks(rows) or (len(rows) > 1 and not self.is_known(rows[-1]))


class OrderSearch:
    """Searches one merchant's orders and learns, while doing so, what this account's search obeys.

    Attributes:
        style: paging names that had an effect, None until one did.
        paging_works: None until a second page was needed, then whether any style had an effect.
        filter_works: None until a window proved otherwise.
        by_body: whether the search with a JSON body is used, because the query string's filter had no effect.
    """

    def __init__(self, vs: VinoshipperClient, learnt: Mapping[str, Any] | None = None) -> None:
        """Start from what was learnt of this account before, if anything (`as_learnt`)."""
        learnt = learnt or {}
        self._vs = vs
        self._family = PROCESSED
        self.style: str | None = learnt.get("style")
        self.paging_works: bool | None = learnt.get("paging_works")
        self.filter_works: bool | None = learnt.get("filter_works")
        self.by_body: bool = bool(learnt.get("by_body"))
        self._cap: int = learnt.get("cap") or CAP_SEEN
        self._checked_cap: int = learnt.get("checked_cap") or 0
        self._moved = False  # whether the total changed while pages were turned
        # Rows and orders of the smallest page that had another one after it: less than both is the last page.
        self._full_lines: int = learnt.get("full_lines") or 0
        self._full_orders: int = learnt.get("full_orders") or 0

    @property
    def can_filter(self) -> bool:
        """Whether the date filter has an effect, as far as is known."""
        return self.filter_works is not False

    def as_learnt(self) -> dict[str, Any]:
        """What this account's search obeys, to be kept for the next run."""
        return {
            "style": self.style,
            "paging_works": self.paging_works,
            "filter_works": self.filter_works,
            "by_body": self.by_body,
            "cap": self._cap,
            "checked_cap": self._checked_cap,
            "full_lines": self._full_lines,
            "full_orders": self._full_orders,
        }

    def history(self, newest: date, oldest: date, size: timedelta) -> Iterator[Window]:
        """All orders processed in [oldest, newest), newest first, a window at a time.

        Windows grow while they are empty and shrink when they take many pages. Each says where it starts and how
        large the next one is to be, so that a walk can go on where it was left.

        Raises:
            FilterIgnored: the date filter has no effect.
            BadAnswer: not all orders of a day can be seen.
        """
        end = newest
        while end > oldest:
            start = max(oldest, end - size)
            pages = list(self.window(start, end))
            if not any(pages):
                size = min(size * 2, LARGEST_WINDOW)
            elif len(pages) > MANY_PAGES:
                size = max(size // 2, ONE_DAY)
            yield Window(start, size, [row for rows in pages for row in rows])
            end = start

    def window(
        self, start: date, end: date, family: str = PROCESSED, stored: Stored | None = None
    ) -> Iterator[list[OrderRow]]:
        """All orders processed (or shipped) in [start, end), by pages, by halves or by both sort directions.

        Args:
            stored: what of the window is stored; without it a page as short as last pages are is taken for the last.
        """
        self._family = family
        first = self._ask(start, end)
        if not first.rows:
            return
        if first.is_all or (
            first.total is None and self._is_last(first) and not (stored and stored.doubts(first.rows))
        ):
            yield first.rows
            return
        if self.paging_works is not False:
            yield first.rows
            found: list[list[OrderRow]] = []
            if self._page_on(first, start, end, found):
                if self._moved:  # rows came or went while pages were turned, and one may have slipped from page to page
                    found = []
                    first = self._ask(start, end)
                    yield first.rows
                    self._page_on(first, start, end, found)
                yield from found
                return
        if not self._may_be_cut(first, start, end):
            yield first.rows
            return
        days = (end - start).days
        if days > 1:
            middle = start + timedelta(days=days // 2)
            yield from self.window(middle, end, family)
            yield from self.window(start, middle, family)
            return
        yield self._both_ends(first, start, end)

    def _is_last(self, page: _Page) -> bool:
        """A first page that is smaller, in rows and in orders, than any first page that had another one after it."""
        return page.lines < self._full_lines and len(page.rows) < self._full_orders

    def _had_a_next(self, page: _Page) -> None:
        self._full_lines = min(self._full_lines or page.lines, page.lines)
        self._full_orders = min(self._full_orders or len(page.rows), len(page.rows))

    def _page_on(
        self,
        first: _Page,
        start: date | None,
        end: date | None,
        found: list[list[OrderRow]],
        enough: Callable[[list[OrderRow]], bool] | None = None,
    ) -> bool:
        """Read the pages after the first into `found`; False where no paging style has an effect."""
        self._moved = False
        learnt = [self.style] if self.style else []
        for style in [*learnt, *(style for style in STYLES if style not in learnt)]:
            # Whether a page is counted in orders or in rows (one order may have several) is unknown. Stepping by
            # orders, the smaller of the two, pages may overlap but never leave a gap.
            before, seen, lines, step = first, set(first.numbers), first.lines, max(1, len(first.rows))
            page_number = 1
            while True:
                try:
                    page = self._ask(
                        start, end, style=style, page_number=page_number, size=step, offset=page_number * step
                    )
                except Refused:
                    if first.total is not None and len(seen) < first.total and lines < first.total:
                        raise
                    page = _Page([], 0, None)  # asked past the end
                if page.rows and page.numbers == before.numbers:
                    break  # this style has no effect (or no longer)
                latest = page.total if page.total is not None else first.total
                self._moved = self._moved or latest != first.total
                self.style, self.paging_works = style, True
                if page.rows:
                    if page_number == 1:
                        self._had_a_next(first)
                    found.append(page.rows)
                    seen.update(page.numbers)
                    lines += page.lines
                told = min(first.total, latest) if first.total is not None and latest is not None else 0
                ended = page.lines < step  # however a page is counted, a full one has as many rows as were asked for
                if ended and len(seen) < told and lines < told:
                    raise BadAnswer(
                        f"the order search says it has {told} but gave {len(seen)}; nothing is taken from it",
                        system=VINOSHIPPER,
                        call=self._call,
                    )
                if ended or (latest is not None and len(seen) >= latest):
                    return True
                if enough is not None and enough(page.rows):
                    return True
                before = page
                page_number += 1
            if page_number > 1:
                raise BadAnswer(
                    "a page of orders came twice: paging stopped having an effect", system=VINOSHIPPER, call=self._call
                )
        self.style, self.paging_works = None, False
        return False

    def _may_be_cut(self, page: _Page, start: date, end: date) -> bool:
        """Whether this single page may hold less than the window does."""
        if page.total is not None:
            return len(page.rows) < page.total and page.lines != page.total
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
        same = len(met) == len(rows) and newest_first.lines >= (told or 0)  # the total may count rows of line items
        if (told is not None and len(rows) >= told) or (told is None and met) or same:
            return list(rows.values())
        raise BadAnswer(
            f"orders of {start} cannot all be seen: paging has no effect and the day holds more than one page",
            system=VINOSHIPPER,
            call=self._call,
        )

    def unfiltered(self, enough: Callable[[list[OrderRow]], bool] | None = None) -> Iterator[list[OrderRow]]:
        """Where the date filter has no effect: page through everything newest first, if pages at least work.

        Args:
            enough: told of each page; True ends the walk (everything older is known).

        Raises:
            BadAnswer: paging has no effect either.
        """
        self._family = PROCESSED
        first = self._ask(None, None)
        yield first.rows
        if not first.rows or self._is_last(first) or (enough is not None and enough(first.rows)):
            return
        if not (first.total is not None and len(first.rows) >= first.total):
            found: list[list[OrderRow]] = []
            if self.paging_works is False or not self._page_on(first, None, None, found, enough):
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
            page = _page(self._vs.search_orders(_query(self._family, start, end, direction, paging)))
            if start is None or end is None or _inside(page, self._family, start, end):
                return page
            self.by_body = True  # the documented query string is ignored here: the body is the other way
        try:
            page = _page(self._vs.search_orders_by_body(_body(self._family, start, end, direction, paging)))
        except Refused:
            self.by_body = False
            raise FilterIgnored from None
        if start is not None and end is not None and not _inside(page, self._family, start, end):
            self.by_body = False
            raise FilterIgnored
        return page


def _query(
    family: str, start: date | None, end: date | None, direction: str, paging: dict[str, int]
) -> dict[str, str | int]:
    query: dict[str, str | int] = {}
    if start is not None and end is not None:
        query = {f"{family}.start": start.isoformat(), f"{family}.end": end.isoformat()}
    return {**query, "sort[0].field": "ORDER_DATE", "sort[0].direction": direction, **paging}


def _body(family: str, start: date | None, end: date | None, direction: str, paging: dict[str, int]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if start is not None and end is not None:
        body = {family: {"start": start.isoformat(), "end": end.isoformat()}}
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
        purchased_at, shipped_at = body.get("purchasedAt"), body.get("shippedAt")
        rows[number] = OrderRow(
            number,
            whole_number(customer.get("id")) if isinstance(customer, dict) else None,
            purchased_at if isinstance(purchased_at, str) else None,
            shipped_at if isinstance(shipped_at, str) else None,
            text.decode(),
            isinstance(customer, dict) and "id" in customer,
        )
    return _Page(list(rows.values()), len(answer.rows), answer.total)


def _inside(page: _Page, family: str, start: date, end: date) -> bool:
    """Whether every row that tells its time lies in the window, give or take two days."""
    for row in page.rows:
        moment = parse_moment(row.purchased_at if family == PROCESSED else row.shipped_at)
        if moment is not None and not start - SLACK <= instant(moment).date() <= end + SLACK:
            return False
    return True
