"""Walks the whole customer list: pages that may shift, be cut short or be ignored, until the list is complete.

Data flow: pages of `POST /customers/list` -> raw.vinoshipper_customers, raw.walked -> CustomerWalk.

The end is an empty page, or one shorter than the longest of the walk; a total never ends the walk, it only proves that
customers are missing. A list that moved during the walk, or gave fewer customers than its total, is walked once more
from the start. A list whose order changes all the time is walked as long as that brings a new customer; it marks no
customer as missing unless it is known to be complete. A list that gives fewer than its total is not taken for complete:
`BadAnswer`. A walk that was cut off resumes at its page.

It is long because storing pages and resuming behind them must agree with every way in which a list can end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vs_st_pipeline.connectors.vinoshipper.client import CustomerPage, VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.landing import CustomerItem, customer_item, land_customers_in
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.waiting import Waiting
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import clear_state, get_state, is_due, set_state

PAGE_SIZE = 250  # used by public client code in production; the maximum is unknown
WALK = "customer_walk"
GO_ON_WITHIN = timedelta(hours=1)  # pages read longer ago are read again
MOST_WALKS, MOST_PAGES = 12, 600  # over a list whose order changes all the time
QUIET_WALKS = 3  # walks in a row that bring no new customer: more walks are not worth their requests
ANYBODY = "@"  # occurs in nearly every customer's e-mail


@dataclass(slots=True)
class CustomerWalk:
    """One walk over the customer list: distinct ids seen, the totals given on the way, and its progress.

    Attributes:
        lines: items as they came, duplicates and unusable ones included.
        longest: items of the longest page.
        twice: whether a customer was seen twice, so that another one may have slipped from page to page.
        page_totals: whether each total counted its own page, so that totals may differ.
        feed_cursor: the membership feed's cursor when the walk began, as JSON; None where the feed gives none.
        complete: whether a customer that was not seen is not in the list.
        by_total: whether only the total says that this is all.
    """

    ids: set[int] = field(default_factory=set)
    unusable: int = 0
    pages: int = 0
    lines: int = 0
    longest: int = 0
    twice: bool = False
    page_totals: bool = True
    first_total: int | None = None
    last_total: int | None = None
    next_page: int = 0
    feed_cursor: Mapping[str, Any] | None = None
    complete: bool = True
    by_total: bool = False

    @property
    def seen(self) -> int:
        """Return how many distinct customers came, unusable items included."""
        return len(self.ids) + self.unusable

    @property
    def moved(self) -> bool:
        """Say whether the list changed during the walk."""
        return self.twice or (self.first_total != self.last_total and not self.page_totals)

    def add(self, page: CustomerPage, ids: list[int]) -> None:
        """Add a page to the walk."""
        self.twice = self.twice or len(set(ids)) < len(ids) or not self.ids.isdisjoint(ids)
        self.ids.update(ids)
        self.unusable += len(page.items) - len(ids)
        self.lines += len(page.items)
        self.longest = max(self.longest, len(page.items))

    def begin_again(self) -> None:
        """Reset the walk: nothing that was seen so far counts."""
        self.ids.clear()
        self.unusable = self.next_page = self.lines = self.longest = 0
        self.twice, self.page_totals = False, True

    @property
    def short(self) -> bool:
        """Say whether the list gave fewer customers than its total."""
        return self.last_total is not None and self.seen < self.last_total


def walk_customers(run: Run, vs: VinoshipperClient, feed_cursor: Mapping[str, Any] | None = None) -> CustomerWalk:
    """Walk the whole list and land its items, page by page; a walk that an earlier run left is resumed.

    Args:
        feed_cursor: the membership feed's cursor now; kept with the walk, whose pages are as old as its beginning.

    Raises:
        BadAnswer: the list gave fewer customers than its total, or paging had no effect, twice in a row.
    """
    walk = _walk_and_land(run, vs, _resumable(run) or CustomerWalk(feed_cursor=feed_cursor))
    joined, quiet, pages = set(walk.ids), 0, walk.pages
    for _ in range(MOST_WALKS):
        if not walk.moved and not walk.short:
            return walk
        # It changed during the walk: once more from the start, and again as long as it shuffles.
        walk = _walk_and_land(run, vs, CustomerWalk(feed_cursor=feed_cursor))
        pages += walk.pages
        new = walk.ids - joined
        joined |= new
        quiet = 0 if new else quiet + 1
        if not walk.twice:
            break
        told = walk.last_total if walk.first_total == walk.last_total else None
        if not new and told == len(joined) + walk.unusable and told > walk.longest:
            walk.ids, walk.pages = joined, pages
            return walk
        if quiet >= QUIET_WALKS or pages > MOST_PAGES:
            break
    if walk.twice:
        walk.ids, walk.pages, walk.complete = joined, pages, False
        return walk
    if walk.short:
        with run.open() as db, db.transaction():
            forget_walk(db)
        raise BadAnswer(
            f"the customer list says it has {walk.last_total} but gave {walk.seen}; nothing is taken from it",
            system=VINOSHIPPER,
            call="list_customers",
        )
    return walk


def keep_met(db: Db, ids: set[int]) -> None:
    """Record who is in a list that is not known to be complete; it says nothing about other customers."""
    with db.batch({"customer_id": sorted(ids)}, {"customer_id": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_customers set missing = 0, deleted_at = null
                where (missing > 0 or deleted_at is not null) and customer_id in (select customer_id from {batch})"""
        )
        db.execute(
            f"""update raw.vinoshipper_customers set detail_leads = false
                where detail_leads and customer_id in (select customer_id from {batch})"""
        )
    db.execute("delete from raw.lookups")


def forget_walk(db: Db) -> None:
    """Forget a walk that has ended; the next one begins at the first page."""
    clear_state(db, WALK)
    db.execute("delete from raw.walked")


def _resumable(run: Run) -> CustomerWalk | None:
    with run.open() as db:
        saved = get_state(db, WALK)
        if run.full or saved is None or not saved["page"] or is_due(db, WALK, GO_ON_WITHIN, run.now()):
            return None
        ids = {row[0] for row in db.rows("select customer_id from raw.walked")}
    if "longest" not in saved:  # stored by an earlier version, which did not need it to know the end
        return None
    return CustomerWalk(
        ids=ids,
        unusable=saved["unusable"],
        lines=saved["lines"],
        longest=saved["longest"],
        twice=saved["twice"],
        page_totals=saved["page_totals"],
        first_total=saved["total"],
        last_total=saved["total"],
        next_page=saved["page"],
        feed_cursor=saved["feed"],
    )


def _walk_and_land(run: Run, vs: VinoshipperClient, walk: CustomerWalk) -> CustomerWalk:
    if not walk.next_page:
        with run.open() as db, db.transaction():
            forget_walk(db)
    with Waiting[_Landed](lambda pages: _land(run, pages)) as waiting:
        met: dict[int, str] = {}
        for items in _pages(vs, walk):
            unique = {item.customer_id: item for item in items}
            if any(met.get(item.customer_id, item.text) != item.text for item in unique.values()):
                waiting.land()  # one that changes during the walk has changed, though it may change back
                met = {}
            met.update((item.customer_id, item.text) for item in unique.values())
            page = _Landed(unique, [item.customer_id for item in items], _progress(walk))
            if waiting.add(page, sum(len(item.text) for item in items), len(items)):
                met = {}
            run.progress(f"customers {walk.seen}" + (f" of {walk.last_total}" if walk.last_total else ""))
    return walk


@dataclass(frozen=True, slots=True)
class _Landed:
    """A page of the walk, and the walk's progress behind it."""

    items: dict[int, CustomerItem]
    ids: list[int]
    progress: dict[str, Any]


def _progress(walk: CustomerWalk) -> dict[str, Any]:
    return {
        "page": walk.next_page,
        "total": walk.first_total,
        "unusable": walk.unusable,
        "lines": walk.lines,
        "longest": walk.longest,
        "twice": walk.twice,
        "page_totals": walk.page_totals,
        "feed": walk.feed_cursor,
    }


def _land(run: Run, pages: Sequence[_Landed]) -> None:
    """Store pages with the walk's progress behind the last: a crash only repeats pages that were not stored."""
    ids: list[int] = []
    again = False
    for page in pages:
        if page.progress["page"] <= 1:  # the first page, perhaps of a walk that had to begin again
            again, ids = True, []
        ids += page.ids
    with run.open() as db, db.transaction():
        land_customers_in(run, db, list({own: item for page in pages for own, item in page.items.items()}.values()))
        if again:
            db.execute("delete from raw.walked")
        with db.batch({"customer_id": ids}, {"customer_id": "int"}) as batch:
            db.execute(f"insert into raw.walked select customer_id from {batch}")
        set_state(db, WALK, pages[-1].progress, run.now())


def _pages(vs: VinoshipperClient, walk: CustomerWalk) -> Iterator[list[CustomerItem]]:
    before: Sequence[object] = []
    resumed = walk.next_page > 0
    while True:
        try:
            page = vs.list_customers(walk.next_page, PAGE_SIZE)
        except Refused:
            # What is past the end may be refused: it is the end only if all came that the list says it has.
            if not walk.next_page or walk.last_total not in (walk.lines, walk.seen):
                raise
            page = CustomerPage(walk.last_total, [])
        walk.pages += 1
        own_total = page.total == len(page.items)
        if resumed and page.total != walk.first_total and not (walk.page_totals and own_total):
            resumed = False
            walk.begin_again()  # the list had another length when the walk was interrupted
            continue
        resumed = False
        if walk.next_page == 0:
            walk.first_total = page.total
        walk.last_total = page.total if page.total is not None else walk.last_total
        walk.page_totals = walk.page_totals and own_total
        items = _usable(page)
        ids = [item.customer_id for item in items]
        shown: Sequence[object] = ids or page.items
        if shown and shown == before:
            yield from _handle_repeated_page(vs, walk, page)
            return
        walk.next_page += 1
        brings_nobody = bool(ids) and walk.ids.issuperset(ids)
        walk.add(page, ids)
        yield items
        if not page.items or brings_nobody or (len(page.items) < walk.longest and not walk.short):
            return
        before = shown


def _handle_repeated_page(
    vs: VinoshipperClient, walk: CustomerWalk, page: CustomerPage
) -> Iterator[list[CustomerItem]]:
    """Handle the same page twice: past its end the list may repeat its last page, or page steps have no effect.

    Items asked for one by one tell the two apart. Where pages have no effect, the only other documented way is one page
    that holds all, and only its total says that it does.
    """
    if not walk.short and walk.lines > 1:
        last, beyond = (vs.list_customers(index, 1) for index in (walk.lines - 1, walk.lines))
        walk.pages += 2
        if len(last.items) == 1 and last.items[0] == page.items[-1] and beyond.items in ([], last.items):
            return
    told = walk.last_total
    size = 1 + max(told or 0, 2 * len(page.items))
    if told is not None and (told > PAGE_SIZE or len(page.items) >= PAGE_SIZE):
        walk.begin_again()
        page = vs.list_customers(0, size)
        walk.pages += 1
        walk.last_total = page.total if page.total is not None else told
        items = _usable(page)
        walk.add(page, [item.customer_id for item in items])
        yield items
        if walk.short:
            return
    if walk.last_total != walk.seen or len(page.items) >= size or _finds_another(vs, walk):
        raise BadAnswer(
            "the customer list gave the same page twice: paging has no effect",
            system=VINOSHIPPER,
            call="list_customers",
        )
    walk.by_total = True


def _finds_another(vs: VinoshipperClient, walk: CustomerWalk) -> bool:
    """Return whether the free-text search shows a customer that the list did not."""
    try:
        found = vs.search_customers(ANYBODY)
    except Refused:
        return False
    return any((item := customer_item(text)) is not None and item.customer_id not in walk.ids for text in found)


def _usable(page: CustomerPage) -> list[CustomerItem]:
    return [item for text in page.items if (item := customer_item(text)) is not None]
