"""Finds every order of an account through a search that may ignore its filter, its paging, or both.

Data flow: `GET /orders` or `POST /orders/search`, page by page -> OrderRow, and the days that cannot be seen whole.

Known: `processed.start/.end` and the sort are documented; the names for paging are not, a page seems to hold 25
rows whatever is asked, and unknown names are ignored with a 200. So nothing is believed without a check of the
rows: rows outside the window mean the filter had no effect, the same page twice means the page step had none.
Then the next way is tried (other paging names, the search by body, smaller windows, the other sort direction).
A total never ends anything, it only proves that something is missing. A day that holds more than any way shows is kept
in `unseen_days`, to be reported; where not even days can be asked for the answer is `BadAnswer`, never a shorter list.

It is long because each way of asking is proved by the rows of the others: the proofs share what was learned on the way,
and one that stood in another file would have to believe this one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from vs_st_pipeline.connectors.vinoshipper import typed_bodies
from vs_st_pipeline.connectors.vinoshipper.client import OrderPage, VinoshipperClient, whole_number
from vs_st_pipeline.connectors.vinoshipper.limitations import UnseenDay
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.parse import shop_moment
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.domain.formats import instant
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.domain.single_reads import IN_A_ROW
from vs_st_pipeline.platform.http.tape import Tape

ASK_ROWS = 100
CAP_SEEN = 25  # the server's page size as public clients saw it
FIRST_WINDOW = timedelta(days=32)
LARGEST_WINDOW = timedelta(days=2048)
MANY_PAGES = 20  # repeated by a run that is killed; narrower windows would cost a part of a page each
SLACK = timedelta(days=3)  # two days for zones and inclusive ends, one for the length of a day
ONE_DAY = timedelta(days=1)
FAR = timedelta(days=3650)
MOST_IN_VAIN = 50  # pages that bring no new order, where one order may have a row for each of its items
CAME_IN = 3
MOST_READINGS = 20  # of a day whose rows shift between its pages
QUIET_READINGS = 5  # in a row that bring nothing new: where pages are shuffled, each misses up to a third of the orders

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
    """One finished window of the history walk: its start, the size of the next one, and its orders."""

    start: date
    next_size: timedelta
    rows: list[OrderRow]


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[OrderRow]
    lines: int  # rows as they came: one order may have several
    total: int | None
    places: Sequence[OrderRow | None] = ()  # as they came; None names no order, and an order may be behind it

    @property
    def numbers(self) -> list[str]:
        return [row.number for row in self.rows]

    @property
    def told_more(self) -> bool:
        """Say whether the total proves that something is missing; it may count orders or rows of line items."""
        return self.total is not None and len(self.rows) < self.total != self.lines

    @property
    def told_all(self) -> bool:
        """Say whether the total says that nothing is missing; it may count the rows of this page alone."""
        return self.total is not None and not self.told_more


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a window, to judge a page that may have been cut.

    Attributes:
        expected: orders that the window shows unless they are gone.
        is_known: tells whether a row is stored exactly as it came.
    """

    expected: Collection[str]
    is_known: Callable[[OrderRow], bool]

    def lacks(self, rows: Sequence[OrderRow]) -> bool:
        """Say whether an expected order is missing."""
        return not {row.number for row in rows}.issuperset(self.expected)

    def doubts(self, rows: Sequence[OrderRow]) -> bool:
        """Say whether the page may be longer than it looks: something is missing, or its last row is new.

        Newest first and with days of overlap, known rows are at the end. A single new order is believed.
        """
        return self.lacks(rows) or (len(rows) > 1 and not self.is_known(rows[-1]))


@dataclass(slots=True)
class Walk:
    """A walk from the newest order down, and the positions of rows that name no order.

    Such a row is not of a newer day than the one above it, if the walk really is newest first. So it is reported like a
    day that cannot be seen whole.

    Attributes:
        unnamed: the day of the order above each such row, None where there is none.
        days: days of the orders that were seen, by number, None where an order does not tell it.
        in_order: whether no order was newer than the one above it.
        whole: whether the walk went down to the oldest order.
    """

    unnamed: set[date | None] = field(default_factory=set)
    days: dict[str, date | None] = field(default_factory=dict)
    in_order: bool = True
    whole: bool = True
    _above: datetime | None = None

    def begin(self, places: Sequence[OrderRow | None]) -> None:
        """Take in the first page, or the first page of another reading of the same orders."""
        self._above = None
        self.go_on(places)

    def go_on(self, places: Sequence[OrderRow | None]) -> None:
        """Take in the next page."""
        for row in places:
            if row is None:
                self.unnamed.add(self._above.date() if self._above else None)
                continue
            moment = _bought(row)
            self.days[row.number] = moment.date() if moment else None
            if moment is not None:
                self.in_order = self.in_order and (self._above is None or moment <= self._above)
                self._above = moment

    def unseen(self, today: date) -> dict[date, UnseenDay]:
        """Return the newest possible day of each row that names no order."""
        days = {min(day, today) if day and self.in_order else today for day in self.unnamed}
        shown = Counter(self.days.values())
        return {day: UnseenDay(shown[day], shown[day], True) for day in days}

    def seen_from(self, today: date) -> date:
        """Return the oldest day that the walk has passed as a whole; a list without any order has shown none."""
        if self.whole and self.days:
            return date.min
        return min(self._above.date(), today) + ONE_DAY if self._above else date.max


class OrderSearch:
    """Searches one merchant's orders and learns, while doing so, what this account's search obeys.

    Attributes:
        style: paging names that had an effect, None until one did.
        paging_works: None until a second page was needed, then whether any style had an effect.
        filter_works: None until a window proved otherwise.
        sort_works: None until the other direction was asked for, then whether it had an effect.
        by_body: whether the search with a JSON body is used, because the query string's filter had no effect.
        unseen_days: days that may have more orders than were shown; judge them by `cut_at` at the end.
        shipped_cut: whether more orders were shipped on some day than were shown.
        walk: the last walk without dates (`unfiltered`).
    """

    def __init__(self, vs: VinoshipperClient, learned: Mapping[str, Any] | None = None) -> None:
        """Start from what was learned about this account before, if anything (`capabilities`)."""
        learned = learned or {}
        self._vs = vs
        self._family = PROCESSED
        self.style: str | None = learned.get("style")
        self.paging_works: bool | None = learned.get("paging_works")
        self.filter_works: bool | None = learned.get("filter_works")
        self.sort_works: bool | None = learned.get("sort_works")
        self.by_body: bool = bool(learned.get("by_body"))
        self.unseen_days: dict[date, UnseenDay] = {}
        self.shipped_cut = False
        self.walk = Walk()
        self._cut_at: int | None = learned.get("cut_at")  # rows of the shortest page that was proved to be cut
        # The longest page that was checked: a page with fewer rows and fewer orders is not cut.
        self._checked_lines: int = learned.get("checked_lines") or 0
        self._checked_orders: int = learned.get("checked_orders") or 0
        # Rows and orders of the smallest page that had another one after it: a page with fewer of both is the last.
        self._full_lines: int = learned.get("full_lines") or 0
        self._full_orders: int = learned.get("full_orders") or 0
        # And of the longest page: the server's page is no smaller than that.
        self._longest_lines: int = learned.get("longest_lines") or 0
        self._longest_orders: int = learned.get("longest_orders") or 0
        self._moved = False  # whether rows came, went or shifted between pages
        self._twice = False  # whether an order was on two of the pages
        self._lines = 0  # rows on all pages of the last reading together
        self._has_unnamed = False  # whether a row of this window named no order
        self._widest: _Page | None = None  # the page of the widest window
        self._met: set[str] = set()
        self._query_is_taken = False  # whether the search by query string answered in this run
        self._end_included: bool | None = None  # whether a window includes its end day; None: not known

    @property
    def tape(self) -> Tape:
        """Return what records the requests."""
        return self._vs.http.tape

    @property
    def can_filter(self) -> bool:
        """Say whether the date filter has an effect, as far as is known."""
        return self.filter_works is not False

    def capabilities(self) -> dict[str, Any]:
        """Return what this account's search obeys, to be kept for the next run."""
        return {
            "style": self.style,
            "paging_works": self.paging_works,
            "filter_works": self.filter_works,
            "sort_works": self.sort_works,
            "by_body": self.by_body,
            "cut_at": self._cut_at,
            "checked_lines": self._checked_lines,
            "checked_orders": self._checked_orders,
            "full_lines": self._full_lines,
            "full_orders": self._full_orders,
            "longest_lines": self._longest_lines,
            "longest_orders": self._longest_orders,
        }

    @property
    def cut_at(self) -> int:
        """Return from how many rows on a page may be cut, as far as is known."""
        return self._cut_at or max(CAP_SEEN, self._longest_lines)

    @property
    def proved_cut_at(self) -> int | None:
        """Return from how many rows on pages were proved to be cut, None where none was."""
        # The widest window shows less than other windows did; a few orders may have come in since.
        widest = self._widest
        if widest and len(self._met.difference(widest.numbers)) > CAME_IN and widest.lines < self.cut_at:
            self._cut_at = widest.lines
        return self._cut_at

    def history(self, newest: date, oldest: date, size: timedelta) -> Iterator[Window]:
        """Yield all orders processed in [oldest, newest), newest first, a window at a time.

        Windows grow while they are empty and shrink when they take many pages. Each gives its start and the size of
        the next one, so that a walk can be resumed.

        Raises:
            FilterIgnored: the date filter has no effect.
            BadAnswer: an answer contradicts itself.
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
        """Yield all orders processed (or shipped) in [start, end), by pages, by halves or by both sort directions.

        Args:
            stored: what of the window is stored; without it a page as short as last pages are is taken for the last.
        """
        self._family, self._has_unnamed = family, False
        shown: set[str] = set()
        for rows in self._window(start, end, stored):
            shown.update(row.number for row in rows)
            yield rows
        if not self._has_unnamed:
            return
        # An order may be behind a row that names none: smaller windows show its day, or show the order after all.
        if end - start > ONE_DAY:
            middle = start + timedelta(days=(end - start).days // 2)
            yield from self.window(middle, end, family)
            yield from self.window(start, middle, family)
        else:
            self._keep_unseen(start, len(shown), len(shown), proved=True)

    def _window(self, start: date, end: date, stored: Stored | None) -> Iterator[list[OrderRow]]:
        first = self._ask_window(start, end)
        yield first.rows
        if not first.lines or (self._is_last(first) and not (stored and stored.doubts(first.rows))):
            return
        if self.paging_works is not False:
            found: list[list[OrderRow]] = []
            if self._read_next_pages(first, start, end, found):
                yield from found
                if self._moved:
                    yield from self._read_again(
                        start, end, {row.number for rows in (first.rows, *found) for row in rows}
                    )
                return
        yield from self._by_days(first, start, end)

    def _ask_window(self, start: date, end: date) -> _Page:
        page = self._ask(start, end)
        if not page.lines and page.told_more:
            raise self._short(page.total, 0)
        return page

    def _read_again(self, start: date, end: date, met: set[str]) -> Iterator[list[OrderRow]]:
        """Read a window again whose rows came, went or shifted between its pages: an order may have been skipped.

        Where they shift each time, smaller windows are asked for, which have fewer pages.
        """
        quiet = 0
        for _ in range(MOST_READINGS):
            first = self._ask_window(start, end)
            found = [first.rows]
            if not self._read_next_pages(first, start, end, found):
                break
            yield from found
            new = {row.number for rows in found for row in rows} - met
            met |= new
            quiet = 0 if new else quiet + 1
            if not self._twice:
                return
            if end - start > ONE_DAY:
                middle = start + timedelta(days=(end - start).days // 2)
                family = self._family
                yield from self.window(middle, end, family)
                yield from self.window(start, middle, family)
                return
            if self._is_settled(first, met, quiet):
                return
        self._keep_unseen(start, len(met), len(met), proved=True)

    def _is_settled(self, first: _Page, met: Collection[str], quiet: int) -> bool:
        """Return whether readings of pages that shift have shown everything.

        Args:
            first: the first page of the last reading.
            met: all orders that were seen.
            quiet: how many readings in a row brought nothing new.
        """
        if first.total is not None and first.total == len(met) > first.lines:
            return True  # it is more than a page, so it counts all orders
        counted = max(len(met), self._lines)  # a total may count rows, of which an order may have several
        return quiet >= QUIET_READINGS and (first.total is None or first.total <= counted)

    def _is_last(self, page: _Page) -> bool:
        """Return whether no page comes after this first one, by its length.

        It is the last if it is smaller, in rows and in orders, than any first page that had another one after it. Where
        the total says the same, it is enough that a longer page was seen.
        """
        if page.told_more:
            return False
        if page.lines < self._full_lines and len(page.rows) < self._full_orders:
            return True
        return page.told_all and page.lines < self._longest_lines and len(page.rows) < self._longest_orders

    def _learn_full_page(self, page: _Page) -> None:
        self._full_lines = min(self._full_lines or page.lines, page.lines)
        self._full_orders = min(self._full_orders or len(page.rows), len(page.rows))

    def _read_next_pages(
        self,
        first: _Page,
        start: date | None,
        end: date | None,
        found: list[list[OrderRow]],
        enough: Callable[[list[OrderRow]], bool] | None = None,
    ) -> bool:
        """Read the pages after the first into `found`; return False where no paging style has an effect."""
        self._moved = self._twice = refused = False
        known = self.style, self.paging_works
        learned = [self.style] if self.style else []
        for style in [*learned, *(style for style in STYLES if style not in learned)]:
            # Whether a page is counted in orders or in rows (one order may have several) is unknown. Stepping by
            # orders, the smaller of the two, pages may overlap but never leave a gap.
            before, seen, lines, step = first, set(first.numbers), first.lines, max(1, len(first.rows))
            page_number, in_vain, sequence = 1, 0, [*first.numbers]
            while True:
                try:
                    page = self._ask(
                        start, end, style=style, page_number=page_number, size=step, offset=page_number * step
                    )
                except Refused:
                    if page_number == 1 and style != self.style:
                        refused = True  # perhaps these names are, and not what is past the end
                        break
                    if first.total is not None and len(seen) < first.total and lines < first.total:
                        raise
                    page = _Page([], 0, None)  # a refusal past the end
                plain = first.lines == len(first.rows) and page.lines == len(page.rows)
                # Later pages of one order with many rows may be the same, and so may small pages that are shuffled.
                if page.rows and page.numbers == before.numbers and (plain or page_number == 1):
                    break  # this style has no effect (or no longer)
                latest = page.total if page.total is not None else first.total
                self._moved = self._moved or latest != first.total
                self.style, self.paging_works = style, True
                self.walk.go_on(page.places)
                if not (seen.isdisjoint(page.numbers) if plain else goes_on(sequence, page.numbers)):
                    self._twice = self._moved = True
                sequence += [number for number in page.numbers if number not in seen]
                in_vain = in_vain + 1 if page.rows and seen.issuperset(page.numbers) else 0
                if in_vain > (0 if plain else MOST_IN_VAIN):  # a search that shuffles or starts over has no end
                    self._twice = self._moved = True
                    return True
                if page.rows:
                    if page_number == 1:
                        self._learn_full_page(first)
                    found.append(page.rows)
                    seen.update(page.numbers)
                    lines += page.lines
                    self._lines = lines
                told = min(first.total, latest) if first.total is not None and latest is not None else 0
                ended = page.lines < step  # however pages are counted, a full one has as many rows as were asked for
                if ended and len(seen) < told and lines < told and not self._twice:
                    raise self._short(told, len(seen))
                if ended:
                    return True
                if enough is not None and enough(page.rows):
                    return True
                before = page
                page_number += 1
            if page_number > 1:
                if start is not None and end is not None and self._ask_window(start, end).numbers != first.numbers:
                    # An order came in meanwhile. The page after a first one of one order then shows that one again, and
                    # a style without effect shows another first page: neither says what the style does.
                    self.style, self.paging_works = known
                    self._twice = self._moved = True
                    return True
                raise BadAnswer(
                    "a page of orders came twice: paging stopped having an effect", system=VINOSHIPPER, call=self._call
                )
        # Where a page step was refused, there may be only one page of this window, and more of others.
        self.style, self.paging_works = None, None if refused else False
        return False

    def _by_days(self, page: _Page, start: date, end: date) -> Iterator[list[OrderRow]]:
        """Find without paging what a page that may be cut does not show, by halves of its window down to days."""
        if not self._may_be_cut(page, start, end):
            return
        if end - start <= ONE_DAY:
            yield self._one_day(page, start, end)
            return
        middle = start + timedelta(days=(end - start).days // 2)
        found: set[str] = set()
        for low, high in ((middle, end), (start, middle)):
            part = self._ask_window(low, high)
            for rows in [part.rows, *self._by_days(part, low, high)]:
                found.update(row.number for row in rows)
                yield rows
        # An order that came in meanwhile is in the whole window too.
        if not found.issubset(page.numbers) and page.lines < self.cut_at:
            again = self._ask(start, end)
            if not found.issubset(again.numbers):
                self._cut_at = min(self.cut_at, again.lines)

    def _may_be_cut(self, page: _Page, start: date, end: date) -> bool:
        """Return whether this single page may hold less than the window does."""
        if not page.lines:
            return False
        if page.told_more or page.lines >= self.cut_at:
            return True
        if page.lines < self._checked_lines and len(page.rows) < self._checked_orders:
            return False
        # The server's page may be smaller than was ever seen, and as large as the longest page so far: the other
        # sort direction tells, or where it has no effect the halves of the window. A shorter page cannot be cut.
        whole = None
        if self.sort_works is not False:
            other = self._ask(start, end, direction="ASC")
            whole = self._shows_all(page, other)
            if set(other.numbers) != set(page.numbers):
                self._cut_at = min(self.cut_at, page.lines, other.lines or page.lines)
                return True
        self._checked_lines = max(self._checked_lines, page.lines)
        self._checked_orders = max(self._checked_orders, len(page.rows))
        return not whole and len(page.rows) > 1

    def _shows_all(self, newest_first: _Page, oldest_first: _Page) -> bool:
        """Return whether both directions together show everything; learn whether the sort has an effect."""
        works = sort_has_effect(newest_first.rows, oldest_first.rows)
        if works is not None:
            self.sort_works = works
        most = newest_first.lines + oldest_first.lines
        return bool(works) and meet(newest_first.rows, oldest_first.rows) and (newest_first.total or 0) <= most

    def _one_day(self, page: _Page, day: date, end: date) -> list[OrderRow]:
        """Return the orders at both ends of a day that may overflow one page; keep it as unseen unless proved whole."""
        rows = {row.number: row for row in page.rows}
        narrow = self._ask_alone(day)
        if narrow is not None and not narrow.lines and not narrow.told_more and self._end_is_included(day):
            return list(rows.values())  # all of them are of the next day
        if narrow is not None and narrow.rows:  # the window includes its end, and so it included the next day
            self._end_included = True
            rows.update((row.number, row) for row in narrow.rows)
            if narrow.lines < page.lines and len(narrow.rows) < len(page.rows) and not narrow.told_more:
                return list(rows.values())
            page, end = narrow, day
            rows = {row.number: row for row in page.rows}
        proved = page.told_more
        if self.sort_works is not False:
            other = self._ask(day, end, direction="ASC")
            rows.update((row.number, row) for row in other.rows)
            if self._shows_all(page, other):
                return list(rows.values())
            proved = proved or len(rows) > len(page.rows)
        if not proved and self._cut_at is None:
            self._ask_widest(day)
        self._keep_unseen(day, len(rows), page.lines, proved=proved)
        return list(rows.values())

    def _keep_unseen(self, day: date, shown: int, lines: int, *, proved: bool) -> None:
        if self._family == PROCESSED:
            self.unseen_days[day] = UnseenDay(shown, lines, proved)
        elif proved or lines >= self.cut_at:
            self.shipped_cut = True

    def _ask_alone(self, day: date) -> _Page | None:
        """Ask for the window that holds this day alone if the end is included, and nothing if it is not."""
        by_body = self.by_body
        try:
            return self._ask(day, day)
        except (Refused, FilterIgnored):
            return None
        finally:
            self.by_body = by_body

    def _end_is_included(self, day: date) -> bool:
        """Return whether a window includes its end day, so that a single day can be asked for."""
        if self._end_included is None:
            following = self._ask_alone(day + ONE_DAY)
            self._end_included = True if following is not None and following.rows else None
        return bool(self._end_included)

    def _ask_widest(self, day: date) -> None:
        """Ask once for the widest window: it shows whether a page can be longer than this day's."""
        if self._widest is None:
            self._widest = self._ask(day - FAR, day + FAR)

    def unfiltered(self, enough: Callable[[list[OrderRow]], bool] | None = None) -> Iterator[list[OrderRow]]:
        """Yield all orders newest first where the date filter has no effect, if paging works at least.

        `walk` keeps the days that rows without an order leave open, once all is read.

        Args:
            enough: called with each page; True ends the walk (everything older is known), if it is newest first indeed.

        Raises:
            BadAnswer: paging has no effect either.
        """
        self._family = PROCESSED
        before: list[datetime] = []
        in_order = True

        def is_enough(rows: list[OrderRow]) -> bool:
            nonlocal in_order
            before.extend(moment for row in rows if (moment := _bought(row)) is not None)
            in_order = in_order and all(later >= earlier for later, earlier in pairwise(before))
            del before[:-1]
            self.walk.whole = not (enough is not None and in_order and enough(rows))
            return not self.walk.whole

        self.walk = Walk()
        first = self._ask(None, None)
        self.walk.begin(first.places)
        yield first.rows
        if not first.lines and first.told_more:
            raise self._short(first.total, 0)
        if not first.lines or is_enough(first.rows) or self._is_last(first):
            return
        found: list[list[OrderRow]] = []
        if self.paging_works is not False and self._read_next_pages(first, None, None, found, is_enough):
            yield from found
            met = {row.number for rows in (first.rows, *found) for row in rows}
            shifts, quiet = self._twice, 0
            for _ in range(MOST_READINGS):
                if not self._moved:
                    return
                found = []
                first = self._ask(None, None)
                self.walk.whole = True
                self.walk.begin(first.places)
                yield first.rows
                self._read_next_pages(first, None, None, found)
                yield from found
                new = {row.number for rows in (first.rows, *found) for row in rows} - met
                met |= new
                quiet, shifts = 0 if new else quiet + 1, shifts or self._twice
                if not shifts and quiet and (first.total is None or first.total <= len(met)):
                    return
                if self._is_settled(first, met, quiet):
                    return
            if first.total is not None and first.total > len(met):
                raise self._short(first.total, len(met))
            raise BadAnswer(
                "the pages of the order search are shuffled, and its date filters have no effect: it cannot be known "
                "whether all orders were seen",
                system=VINOSHIPPER,
                call=self._call,
            )
        if not first.told_more:
            oldest_first = self._ask(None, None, direction="ASC")
            self.walk.begin(oldest_first.places[::-1])
        if first.told_more or not self._shows_all(first, oldest_first):
            raise BadAnswer(
                "date filters and paging of the order search have no effect: only the newest orders can be seen",
                system=VINOSHIPPER,
                call=self._call,
            )

    def _short(self, told: int | None, seen: int) -> BadAnswer:
        return BadAnswer(
            f"the order search says it has {told} but gave {seen}; nothing is taken from it",
            system=VINOSHIPPER,
            call=self._call,
        )

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
        page = self._request_page(start, end, direction, paging)
        self._met.update(page.numbers)
        self._has_unnamed = self._has_unnamed or None in page.places
        if not page_number:
            self._longest_lines = max(self._longest_lines, page.lines)
            self._longest_orders = max(self._longest_orders, len(page.rows))
        return page

    def _request_page(self, start: date | None, end: date | None, direction: str, paging: dict[str, int]) -> _Page:
        refused: Refused | None = None
        if not self.by_body:
            try:
                page = _page(self._vs.search_orders(_query(self._family, start, end, direction, paging)))
                self._query_is_taken = True
                if start is None or end is None or _inside(page, self._family, start, end):
                    return page
            except Refused as error:
                if self._query_is_taken:
                    raise
                refused = error
            self.by_body = True  # the documented query string is refused or ignored here: the body is the other way
        try:
            page = _page(self._vs.search_orders_by_body(_body(self._family, start, end, direction, paging)))
        except Refused:
            if paging:  # as with the query string: perhaps what is past the end
                raise
            self.by_body = False
            raise (refused or FilterIgnored) from None
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
    places: list[OrderRow | None] = []
    for text in answer.rows:
        if (row := typed_bodies.search_row(text)) is not None:
            own, at = row.orderNumber, (row.purchasedAt, row.shippedAt)
            rows[own] = OrderRow(own, row.owner, *at, text.decode(), row.owner_told)
            places.append(rows[own])
            continue
        body = try_json(text)
        told = body.get("orderNumber") if isinstance(body, dict) else None
        number = told if isinstance(told, str) else id_text(told)
        if not number or not number.strip():
            places.append(None)
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
        places.append(rows[number])
    if len(places) >= IN_A_ROW and not rows:
        raise BadAnswer("the order search gave rows, but none of them is an order", system=VINOSHIPPER)
    return _Page(list(rows.values()), len(answer.rows), answer.total, places)


def _inside(page: _Page, family: str, start: date, end: date) -> bool:
    """Return whether every row that gives its time is in the window, give or take two days."""
    for row in page.rows:
        moment = shop_moment(row.purchased_at if family == PROCESSED else row.shipped_at)
        if moment is not None and not start - SLACK <= instant(moment).date() <= end + SLACK:
            return False
    return True


def _bought(row: OrderRow) -> datetime | None:
    moment = shop_moment(row.purchased_at)
    return instant(moment) if moment is not None else None


def sort_has_effect(newest_first: Sequence[OrderRow], oldest_first: Sequence[OrderRow]) -> bool | None:
    """Say from the answers to both directions whether the sort has an effect; None where they cannot tell."""
    down, up = [_bought(row) for row in newest_first], [_bought(row) for row in oldest_first]
    told_down, told_up = [at for at in down if at is not None], [at for at in up if at is not None]
    if len(told_down) == len(down) and len(told_up) == len(up) and len({*told_down, *told_up}) > 1:
        return (
            all(later >= earlier for later, earlier in pairwise(told_down))
            and all(earlier <= later for earlier, later in pairwise(told_up))
            and told_down[0] >= told_up[-1]
            and told_up[0] <= told_down[-1]
        )
    there = {row.number for row in oldest_first}
    common = [row.number for row in newest_first if row.number in there]
    places = {row.number: place for place, row in enumerate(oldest_first)}
    if len(common) < 2:
        return None
    steps = {places[later] < places[earlier] for earlier, later in pairwise(common)}
    # Rows of one moment may have the same order both times: that says nothing about the sort.
    return True if steps == {True} else None if len({*told_down, *told_up}) == 1 and steps == {False} else False


def goes_on(sequence: Sequence[str], page: Sequence[str]) -> bool:
    """Say whether a page continues a list or shows a part of it again, where one order may have several rows.

    Pages may overlap, and an order may begin on one and end on another. But orders that were seen before come first and
    in the same order, up to the end of the list if anything new follows; any other page belongs to another list.
    """
    if not page:
        return True
    known = set(sequence)
    if page[0] not in known:
        return known.isdisjoint(page)
    start = sequence.index(page[0])
    again = sequence[start : start + len(page)]
    return [*page[: len(again)]] == [*again] and known.isdisjoint(page[len(again) :])


def meet(newest_first: Sequence[OrderRow], oldest_first: Sequence[OrderRow]) -> bool:
    """Say whether two pages, one from the newest and one from the oldest order of a window, leave none between them."""
    if not newest_first or not oldest_first:
        return True
    last_down, last_up = _bought(newest_first[-1]), _bought(oldest_first[-1])
    down, up = [row.number for row in newest_first], [row.number for row in oldest_first]
    if last_down is not None and last_up is not None:
        if last_up != last_down:
            return last_up > last_down
        # Of one moment there may be more than both show, if it has the same order in both directions.
        down = [row.number for row in newest_first if _bought(row) == last_down]
        up = [row.number for row in oldest_first if _bought(row) == last_up]
    return not set(down).isdisjoint(up) and (down[0] != up[0] or len(down) == len(up) == 1)
