"""Says who reads Commerce7 and Vinoshipper for all routes of a merchant, and looks at it (routes.md R18, R34).

Data flow: the merchant's routes -> its reader -> (one short look) -> rows of the reader's raw tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.pipeline.readers import reader_of
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE
from vs_st_pipeline.routes.notices.systems import COMMERCE7, NAME, VINOSHIPPER

T = TypeVar("T")

AUDIENCE: Final = "audience"
ORDERS: Final = "orders"
READERS: Final[Mapping[str, tuple[str, ...]]] = {
    VINOSHIPPER: (DEFAULT_ROUTE, AUDIENCE, NAME),
    COMMERCE7: (AUDIENCE, ORDERS, NAME),
}
"""Who reads a system for all routes: the first that is on."""


def reader(merchant: Merchant, system: str) -> str:
    """Return the route that reads a system for all of the merchant's routes; it may be this one."""
    on = set(merchant.routes)
    if AUDIENCE in on and not _is_source_of_audience(merchant, system):
        on.discard(AUDIENCE)  # it tells of another shop, and reads that one
    return reader_of(READERS[system], on) or NAME


def reads_itself(merchant: Merchant, system: str) -> bool:
    """Say whether this route reads a system, and no other one for it."""
    return reader(merchant, system) == NAME


def look(run: Run, route: str, read: Callable[[Db], T]) -> T:
    """Return what `read` reads of the reader's file, or of our own. Never from within `run.open()`.

    Raises:
        TryLater: another route's file cannot be had within 5 s: do without news.
    """
    if route != NAME:
        return run.peek(route, read)
    with run.open() as db:
        return read(db)


def _is_source_of_audience(merchant: Merchant, system: str) -> bool:
    if not merchant.has(WaymoreSettings):
        return False
    named = merchant.section(WaymoreSettings).source
    return named == system or (named is None and system in merchant.sections)
