"""Keeps what is hinted at until it is read, and says which hints the route wants (routes.md R13, R30; 4.4).

Data flow: hints of the inbox -> posts stored, orders and customers at the head of the read queue -> read, gone from it.

A whole sync walks Commerce7's lists, and reads the orders that changed since the day before its last read: that shows
whatever its hints name, so nothing of them need be kept. Where another route reads Vinoshipper for all, its hints are
its own (R34). A post is no hint but content, and is stored whole before the inbox is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED, hint, is_hinted
from vs_st_pipeline.domain.hints import CUSTOMER, ORDER, WHOLE, Hint
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.pipeline.readers import reader_of
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.audience import from_shop
from vs_st_pipeline.routes.audience.from_vinoshipper import READERS, reads_itself
from vs_st_pipeline.routes.audience.sources import source_name
from vs_st_pipeline.routes.audience.systems import COMMERCE7, SHOP, VINOSHIPPER

PRODUCT: Final = "product"
WANTS: Final = {
    VINOSHIPPER: frozenset({ORDER, CUSTOMER, WHOLE}),
    COMMERCE7: frozenset({ORDER, CUSTOMER, PRODUCT, WHOLE}),
    SHOP: frozenset({from_shop.KIND, WHOLE}),
}


def hand_over(run: Run, hints: Sequence[Hint]) -> None:
    """Store hints and posts; what is stored already stays as it is."""
    from_shop.take(run, [one for one in hints if one.system == SHOP])
    named = [one for one in hints if _is_queued(run, one)]
    if named:
        with run.open() as db, db.transaction():
            for kind in (CUSTOMER, ORDER):
                hint(db, kind, [one.id or "" for one in named if one.kind == kind], HINTED, run.now())


def routes_of(run: Run, system: str) -> tuple[str, ...]:
    """Return the routes that want what this one hints at: the one that reads the system for all, and this one (R34)."""
    reader = reader_of(READERS, run.merchant.routes) if system == VINOSHIPPER else None
    return (reader, run.route) if reader not in (None, run.route) else (run.route,)


def _is_queued(run: Run, one: Hint) -> bool:
    return (
        one.system == VINOSHIPPER
        and one.kind in (CUSTOMER, ORDER)
        and bool(one.id)
        and source_name(run.merchant) == VINOSHIPPER
        and reads_itself(run)
    )


def _unread(run: Run, hints: Sequence[Hint]) -> list[int]:
    named = [one for one in hints if _is_queued(run, one)]
    if not named:
        return []
    with run.open() as db:
        return [one.hint for one in named if is_hinted(db, one.kind, one.id or "")]


QUEUE: Final = Queue(hand_over, _unread)
