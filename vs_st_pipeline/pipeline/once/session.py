"""Opens a route's outbox: its lock, its file, and everything that must be in step before anything is decided.

with opened(run, KINDS) as outbox:
    settle(outbox, sender, told)          what is unknown, before anything is planned
    outbox.enqueue(items)                 stored before it is sent
    deliver(outbox, sender, told)         and sent, once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.pipeline.once import erasure
from vs_st_pipeline.pipeline.once.claims import Claims
from vs_st_pipeline.pipeline.once.items import Kind, OnUnknown, Row, State
from vs_st_pipeline.pipeline.once.outbox import Outbox
from vs_st_pipeline.pipeline.once.recovery import recover
from vs_st_pipeline.pipeline.once.rows import Settled
from vs_st_pipeline.pipeline.schedule import SOON, write_next_due
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db


@contextmanager
def opened(
    run: Run,
    kinds: Iterable[Kind],
    connectors: Sequence[Connector[Any]] = (),
    *,
    settled: Settled = lambda db, row, answer: None,
    next_due: Callable[[], datetime | None] = lambda: None,
) -> Iterator[Outbox]:
    """Hold the route's sync lock, and give its outbox with everything in step.

    Args:
        connectors: the systems whose records of forgotten people are erased.
        settled: what of the route's own tables moves with an answer (`Rows`).
        next_due: asked at the end, well or not: when the route itself wants to run next. What the outbox waits for may
            be earlier.

    Raises:
        TryLater: another sync of the route is running.
    """
    with run.sync_lock(), run.keeping():
        erasure.begin(run, connectors)
        outbox = Outbox(run, kinds, Claims(EvidenceFile.of(run)), settled)
        recover(outbox)
        try:
            yield outbox
        finally:
            if not run.dry_run:
                with run.open() as db:
                    found = [at for at in (next_due(), _next_try(outbox, db)) if at is not None]
                write_next_due(run, min(found, default=None))


def _next_try(outbox: Outbox, db: Db) -> datetime | None:
    """Return when the outbox has something to do next, None where nothing waits for time alone."""
    now = outbox.run.now()
    times = [_next(outbox, row, now) for row in outbox.open_rows(db)]
    return min((at for at in times if at is not None), default=None)


def _next(outbox: Outbox, row: Row, now: datetime) -> datetime | None:
    if row.state is State.HELD or (row.state is State.REJECTED and row.next_at is None):
        return None
    if row.state is State.UNKNOWN and outbox.kinds[row.kind].on_unknown is OnUnknown.NEVER:
        return None
    return max(row.next_at or now, now + SOON)
