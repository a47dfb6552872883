"""Describes one run for one merchant: which merchant, when, how far, and where the run keeps what it learns.

Every stage takes a Run and nothing global, so that the command line, a schedule, a backfill and a test run alike.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.inbox.yielding import Yielding
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE, Warehouse

T = TypeVar("T")


def new_run_id() -> str:
    """Return a new run id: sortable by time, and unique without a central counter."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class RequestLogEntry:
    """One kind of question of a run: what was asked, why, how many records it was about, and what it found.

    Attributes:
        again: what the next sync says if it asks and hears the same; None where it does not ask this in every sync.
    """

    what: str
    why: str
    records: int
    found: str
    again: RequestLogEntry | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage of one merchant's run needs to know.

    Attributes:
        merchant: the merchant whose accounts are read and written.
        warehouse: where the merchant's files are.
        route: whose file and lock the run uses.
        clock: now, aware UTC; `VS_ST_NOW` where that is set.
        run_id: names this run in every table that it writes.
        started_by: the person or program that started it, for records that name one.
        who: who asks for one thing by name, for rows that say so: `cli:ann`; None: nobody, a sync does what is due.
        trigger: `command`, `schedule`, `backfill` or `hint`.
        inbox: where hints wait; None: nobody looks for any.
        lock_wait: seconds to wait for another sync of the same route to end; None: as the warehouse does.
        full: read everything again.
        allow_unsafe: let the brake pass once.
        dry_run: nothing that a later sync decides by may change.
        progress: called with one short sentence now and then.
        budget: requests to the sources after which what can wait is left for the next run; None: no end. Lists and
            searches are always made whole, so a run may take somewhat more.
        stop: asked before every request; True ends the run with what it has done so far (a person pressed Ctrl-C).
        fleet_rates: requests a second for all merchants together, by system; a system that is not in it has none.
        request_log: what was asked so far and why, for people who look at the run.
        yielding: whether the run has ended its reading in turn because a hint was due.
    """

    merchant: Merchant
    warehouse: Warehouse
    clock: Callable[[], datetime]
    route: str = field(default=DEFAULT_ROUTE, kw_only=True)
    run_id: str = field(default_factory=new_run_id)
    started_by: str = "vs-st"
    who: str | None = None
    trigger: str = "command"
    inbox: Inbox | None = None
    lock_wait: float | None = None
    full: bool = False
    allow_unsafe: bool = False
    dry_run: bool = False
    budget: int | None = None
    progress: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False
    fleet_rates: Mapping[str, float] = field(default_factory=dict)
    request_log: list[RequestLogEntry] = field(default_factory=list)
    yielding: Yielding = field(default_factory=Yielding)

    def open(self) -> AbstractContextManager[Db]:
        """Open the route's file of this merchant; hold it for a moment, never while waiting for an answer."""
        return self.warehouse.use(self.merchant.id, self.route)

    def file(self) -> Path:
        """Return where the route's file of this merchant is or would be."""
        return self.warehouse.file(self.merchant.id, self.route)

    def keeping(self) -> AbstractContextManager[None]:
        """Keep the route's file attached between two uses while the block lasts."""
        return self.warehouse.keeping(self.merchant.id, self.route)

    def release(self) -> None:
        """Close the route's file of this merchant until its next use."""
        self.warehouse.release(self.merchant.id, self.route)

    def sync_lock(self) -> AbstractContextManager[None]:
        """Hold the route's sync lock of this merchant."""
        return self.warehouse.sync_lock(self.merchant.id, self.route, wait_seconds=self.lock_wait)

    def rewrite(self) -> None:
        """Copy the route's file, so that what was deleted leaves the disk; under the sync lock."""
        self.warehouse.rewrite(self.merchant.id, self.route)

    def peek(self, route: str, read: Callable[[Db], T]) -> T:
        """Return what `read` reads of another route's file (`Warehouse.peek`). Raises TryLater: do without news."""
        return self.warehouse.peek(self.merchant.id, route, read)

    def now(self) -> datetime:
        """Return the time now as the tables hold it: UTC without zone."""
        return self.clock().astimezone(UTC).replace(tzinfo=None)

    def today(self) -> date:
        """Return the date in the merchant's own time zone, by which people come of age."""
        return self.clock().astimezone(self.merchant.time_zone).date()

    def over_budget(self, sent: int) -> bool:
        """Say whether a run that has sent so many requests to the sources must leave the rest for the next one."""
        return (self.budget is not None and sent >= self.budget) or self.gives_way()

    def gives_way(self) -> bool:
        """Say whether a whole sync reads no further what can wait, because a hint is due (routes.md R63)."""
        if self.inbox is None or self.dry_run or self.trigger == "hint":
            return False
        return self.yielding.must(self.inbox, self.merchant.id, self.route)
