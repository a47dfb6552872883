"""Looks at what other routes of the merchant have read, and hints at what they should read (R18, R34, R37)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.pipeline.once.readers import reader_of
from vs_st_pipeline.platform.inbox.store import Arrival
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.systems import COMMERCE7

T = TypeVar("T")
_ORDERS: Final = "orders"


def look_at(run: Run, readers: Sequence[str], read: Callable[[Db], T]) -> T:
    """Return what `read` reads of the file of the route that reads a system for all.

    Raises:
        TryLater: it cannot be had now: go on without news.
    """
    reader = reader_of(readers, run.merchant.routes)
    if reader is None or reader == run.route:
        with run.open() as db:
            return read(db)
    return run.peek(reader, read)


def hint_reader(run: Run, readers: Sequence[str], system: str, records: Sequence[str]) -> None:
    """Have the route that reads a system read these orders soon; a dry run hints at nothing."""
    reader = reader_of(readers, run.merchant.routes)
    if run.inbox is None or run.dry_run or reader is None or not records:
        return
    at = run.clock().isoformat()
    run.inbox.put([Arrival(run.merchant.id, system, Call(ORDER, one), (reader,), at) for one in records])


def prefix_of(merchant: Merchant) -> str | None:
    """Return what stands before the hyphen in numbers of Commerce7's orders at Vinoshipper; None: there are none."""
    own = getattr(merchant.sections.get(_ORDERS), "number_prefix", None)
    if own is not None:
        return str(own)
    if COMMERCE7 in merchant.sections:
        return merchant.section(Commerce7Settings).tenant.upper()
    return None
