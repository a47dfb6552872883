"""The walk over the whole customer list: pages that may shift, be cut short or be ignored, until it is complete.

A list that moved under our feet or gave less than it told is walked once more from the start. What is not complete
then is not taken for complete: `BadAnswer`. A walk that was cut off goes on at the page where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vs_st_pipeline.database import Db
from vs_st_pipeline.errors import VINOSHIPPER, BadAnswer
from vs_st_pipeline.marks import forget_mark, is_due, read_mark, write_mark
from vs_st_pipeline.run import Run
from vs_st_pipeline.sources.vinoshipper.client import CustomerPage, VinoshipperClient
from vs_st_pipeline.sources.vinoshipper.landing import CustomerItem, customer_item, land_customers

PAGE_SIZE = 250  # used by public client code in production; the maximum is unknown
WALK = "customer_walk"
GO_ON_WITHIN = timedelta(hours=1)  # what was read longer ago is read again


@dataclass(slots=True)
class CustomerWalk:
    """One walk over the customer list: distinct ids met, the totals told on the way, and how far it is.

    Attributes:
        feed_mark: where the membership feed stood when the walk began, as JSON; None where it says nothing.
    """

    ids: set[int] = field(default_factory=set)
    unusable: int = 0
    pages: int = 0
    first_total: int | None = None
    last_total: int | None = None
    next_page: int = 0
    feed_mark: Mapping[str, Any] | None = None

    @property
    def seen(self) -> int:
        return len(self.ids) + self.unusable

    @property
    def moved(self) -> bool:
        return self.first_total != self.last_total

    def add(self, page: CustomerPage, ids: list[int]) -> None:
        """Take a page in."""
        self.ids.update(ids)
        self.unusable += len(page.items) - len(ids)

    def begin_again(self) -> None:
        """Nothing counts that was met so far."""
        self.ids.clear()
        self.unusable = self.next_page = 0

    @property
    def short(self) -> bool:
        return self.last_total is not None and self.seen < self.last_total


def walk_customers(run: Run, vs: VinoshipperClient, feed_mark: Mapping[str, Any] | None = None) -> CustomerWalk:
    """Walk the whole list and land its items, page by page; a walk that a run left goes on where it was.

    Args:
        feed_mark: where the membership feed stands now; kept with the walk, whose pages are as old as its beginning.

    Raises:
        BadAnswer: the list told more customers than it gave, or paging had no effect, twice over.
    """
    walk = _walk_and_land(run, vs, _left(run) or CustomerWalk(feed_mark=feed_mark))
    if walk.moved or walk.short:  # it changed under our feet: once more from the start
        walk = _walk_and_land(run, vs, CustomerWalk(feed_mark=feed_mark))
    if walk.short:
        with run.open() as db, db.transaction():
            forget_walk(db)
        raise BadAnswer(
            f"the customer list says it has {walk.last_total} but gave {walk.seen}; nothing is taken from it",
            system=VINOSHIPPER,
            call="list_customers",
        )
    return walk


def forget_walk(db: Db) -> None:
    """A walk is at its end; the next one begins at the first page."""
    forget_mark(db, WALK)
    db.execute("delete from raw.walked")


def _left(run: Run) -> CustomerWalk | None:
    with run.open() as db:
        mark = read_mark(db, WALK)
        if run.full or mark is None or not mark["page"] or is_due(db, WALK, GO_ON_WITHIN, run.now()):
            return None
        ids = {row[0] for row in db.rows("select customer_id from raw.walked")}
    return CustomerWalk(ids, mark["unusable"], 0, mark["total"], mark["total"], mark["page"], mark["feed"])


def _walk_and_land(run: Run, vs: VinoshipperClient, walk: CustomerWalk) -> CustomerWalk:
    if not walk.next_page:
        with run.open() as db, db.transaction():
            forget_walk(db)
    for items in _pages(vs, walk):
        land_customers(run, list({item.customer_id: item for item in items}.values()))
        _keep(run, walk, [item.customer_id for item in items])
        run.progress(f"customers {walk.seen}" + (f" of {walk.last_total}" if walk.last_total else ""))
    return walk


def _keep(run: Run, walk: CustomerWalk, ids: list[int]) -> None:
    """How far the walk is, once the page is landed: who dies in between repeats that page."""
    mark = {
        "page": walk.next_page,
        "total": walk.first_total,
        "unusable": walk.unusable,
        "feed": walk.feed_mark,
    }
    with run.open() as db, db.transaction(), db.batch({"customer_id": ids}, {"customer_id": "int"}) as batch:
        if walk.next_page <= 1:  # the first page, perhaps of a walk that had to begin again
            db.execute("delete from raw.walked")
        db.execute(f"insert into raw.walked select customer_id from {batch}")
        write_mark(db, WALK, mark, run.now())


def _pages(vs: VinoshipperClient, walk: CustomerWalk) -> Iterator[list[CustomerItem]]:
    before: list[int] = []
    while True:
        page = vs.list_customers(walk.next_page, PAGE_SIZE)
        walk.pages += 1
        if walk.next_page and not before and page.total != walk.first_total:
            walk.begin_again()  # it was left while the list had another length
            continue
        if walk.next_page == 0:
            walk.first_total = page.total
        walk.last_total = page.total if page.total is not None else walk.last_total
        items = _usable(page)
        ids = [item.customer_id for item in items]
        if before and ids == before:
            yield from _one_page(vs, walk)
            return
        walk.next_page += 1
        walk.add(page, ids)
        yield items
        if not page.items or (page.total is not None and walk.seen >= page.total):
            return
        before = ids


def _one_page(vs: VinoshipperClient, walk: CustomerWalk) -> Iterator[list[CustomerItem]]:
    """Page steps have no effect: the only other documented way is one page that holds all."""
    if walk.last_total is not None and walk.last_total > PAGE_SIZE:
        walk.begin_again()
        page = vs.list_customers(0, walk.last_total)
        walk.pages += 1
        walk.last_total = page.total if page.total is not None else walk.last_total
        items = _usable(page)
        walk.add(page, [item.customer_id for item in items])
        yield items
    elif walk.last_total is None or walk.seen < walk.last_total:
        raise BadAnswer(
            "the customer list gave the same page twice: paging has no effect",
            system=VINOSHIPPER,
            call="list_customers",
        )


def _usable(page: CustomerPage) -> list[CustomerItem]:
    return [item for text in page.items if (item := customer_item(text)) is not None]
