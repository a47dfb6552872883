"""The walk over the whole customer list: pages that may shift, be cut short or be ignored, until it is complete.

A list that moved under our feet or gave less than it told is walked once more from the start. What is not complete
then is not taken for complete: `BadAnswer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vs_st_pipeline.errors import VINOSHIPPER, BadAnswer
from vs_st_pipeline.run import Run
from vs_st_pipeline.sources.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.sources.vinoshipper.landing import CustomerItem, customer_item, land_customers

PAGE_SIZE = 250  # used by public client code in production; the maximum is unknown
LAND_EVERY = 2_000


@dataclass(slots=True)
class CustomerWalk:
    """One walk over the customer list: distinct ids met, and the totals told on the way."""

    ids: set[int] = field(default_factory=set)
    unusable: int = 0
    pages: int = 0
    first_total: int | None = None
    last_total: int | None = None

    @property
    def seen(self) -> int:
        return len(self.ids) + self.unusable

    @property
    def moved(self) -> bool:
        return self.first_total != self.last_total

    @property
    def short(self) -> bool:
        return self.last_total is not None and self.seen < self.last_total


def walk_customers(run: Run, vs: VinoshipperClient) -> CustomerWalk:
    """Walk the whole list and land its items.

    Raises:
        BadAnswer: the list told more customers than it gave, or paging had no effect, twice over.
    """
    walk = _walk_and_land(run, vs)
    if walk.moved or walk.short:  # it changed under our feet: once more from the start
        walk = _walk_and_land(run, vs)
    if walk.short:
        raise BadAnswer(
            f"the customer list says it has {walk.last_total} but gave {walk.seen}; nothing is taken from it",
            system=VINOSHIPPER,
            call="list_customers",
        )
    return walk


def _walk_and_land(run: Run, vs: VinoshipperClient) -> CustomerWalk:
    walk = CustomerWalk()
    waiting: dict[int, CustomerItem] = {}
    for items in _pages(vs, walk):
        waiting.update((item.customer_id, item) for item in items)
        run.progress(f"customers {walk.seen}" + (f" of {walk.last_total}" if walk.last_total else ""))
        if len(waiting) >= LAND_EVERY:
            land_customers(run, list(waiting.values()))
            waiting = {}
    land_customers(run, list(waiting.values()))
    return walk


def _pages(vs: VinoshipperClient, walk: CustomerWalk, page_size: int = PAGE_SIZE) -> Iterator[list[CustomerItem]]:
    before: list[int] = []
    page_index = 0
    while True:
        page = vs.list_customers(page_index, page_size)
        walk.pages += 1
        if page_index == 0:
            walk.first_total = page.total
        walk.last_total = page.total if page.total is not None else walk.last_total
        items = [item for text in page.items if (item := customer_item(text)) is not None]
        ids = [item.customer_id for item in items]
        if page_index and ids and ids == before:
            if page_size == PAGE_SIZE and walk.last_total and walk.last_total > PAGE_SIZE:
                # Page steps have no effect: the only other documented way is one page that holds all.
                walk.ids.clear()
                walk.unusable = 0
                yield from _pages(vs, walk, page_size=walk.last_total)
                return
            if walk.last_total is None or walk.seen < walk.last_total:
                raise BadAnswer(
                    "the customer list gave the same page twice: paging has no effect",
                    system=VINOSHIPPER,
                    call="list_customers",
                )
            return
        walk.ids.update(ids)
        walk.unusable += len(page.items) - len(items)
        yield items
        if not page.items or (page.total is not None and walk.seen >= page.total):
            return
        if page_size != PAGE_SIZE:
            return
        before = ids
        page_index += 1
