"""Deletes raw bodies that nothing needs any more, where the merchant says how long they are kept.

Nothing that a plan reads is lost: of records that nobody is linked to, and of those that are gone, the row stays with
the pointers by which it is found, linked and forgotten. Such a record counts again as one that was never read, so that
any change (a customer signs up or comes back, the setting is taken away) makes a sync read it before anything is
written. Each connector says in its own `retention` what that means for its records.

Only here does a stored body become something other than what a system said. What is deleted leaves the tables at once,
and the file's free blocks when they are used again, or with the next `vs-st forget`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import is_due, set_state, state_set_at

EVERY, STATE = timedelta(days=1), "retention"


def due_at(run: Run, db: Db) -> datetime | None:
    """Return when bodies are pruned next (UTC without zone); None where that is due now."""
    if run.merchant.keep_raw_bodies is None:
        return datetime.max
    at = state_set_at(db, STATE)
    return at + EVERY if at is not None else None


def prune_raw(run: Run, connectors: Iterable[Connector[Any]]) -> None:
    """Prune once a day, if the merchant has set `keep_raw_bodies`; a dry run deletes nothing."""
    keep = run.merchant.keep_raw_bodies
    if keep is None or run.dry_run:
        return
    with run.open() as db:
        if not is_due(db, STATE, EVERY, run.now()):
            return
        with db.transaction():
            for connector in connectors:
                connector.prune(db, run.now() - keep)
            set_state(db, STATE, True, run.now())
