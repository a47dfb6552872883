"""Does what a person says: try single items again, give them up, say what became of them; start a file over.

Data flow: keys, entities, codes -> once.outbox, claims. Under the route's sync lock, as everything that writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline.once import erasure
from vs_st_pipeline.pipeline.once.claims import Claimed
from vs_st_pipeline.pipeline.once.items import Row, State
from vs_st_pipeline.pipeline.once.outbox import Outbox
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import log_of


@dataclass(slots=True)
class Repaired:
    """Keys of what was done, and of what a retry does not touch: it may be out, and is never sent again by a retry."""

    done: list[str] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)


def select(
    outbox: Outbox, *, entities: Collection[str] = (), codes: Collection[str] = (), every: bool = False
) -> list[Row]:
    """Return the open rows that a person means: of these entities, with these codes, or all."""
    with outbox.run.open() as db:
        rows = outbox.open_rows(db)
    return [row for row in rows if every or row.entity in entities or (row.reason or "") in codes]


def retry(outbox: Outbox, rows: Collection[Row], *, who: str) -> Repaired:
    """Have rejected and held items sent at the next sync. What is unknown keeps its kind's rule."""
    told = Repaired()
    for row in rows:
        if row.state not in (State.REJECTED, State.HELD):
            told.untouched.append(row.key)
            continue
        outbox.claims.settle(outbox.as_claim(row, Claimed.RELEASED))
        with outbox.run.open() as db, db.transaction():
            outbox.rows.release(db, row, who)
        told.done.append(row.key)
    return told


def drop(outbox: Outbox, rows: Collection[Row], *, who: str) -> Repaired:
    """Give items up for good."""
    told = Repaired()
    for row in rows:
        outbox.claims.settle(outbox.as_claim(row, Claimed.DROPPED))
        with outbox.run.open() as db, db.transaction():
            outbox.rows.settle_by_hand(db, row, State.DROPPED, "given up", who)
        told.done.append(row.key)
    return told


def resolve(outbox: Outbox, row: Row, *, sent: bool, who: str) -> bool:
    """Take a person's word on whether an unknown item was sent; says whether there was anything to resolve."""
    if row.state not in (State.UNKNOWN, State.HELD):
        return False
    outbox.claims.settle(outbox.as_claim(row, Claimed.ACCEPTED if sent else Claimed.RELEASED))
    with outbox.run.open() as db, db.transaction():
        if sent:
            outbox.rows.settle_by_hand(db, row, State.ACCEPTED, "", who)
        else:
            outbox.rows.release(db, row, who, is_out=False)
    return True


def set_aside(run: Run, connectors: Sequence[Connector[Any]] = ()) -> Path | None:
    """Set the route's file aside, readable or not; the next sync fills a new one from the claims.

    Returns where it lies now, None where there was none. What was stored and never sent is planned anew by then.

    Raises:
        TryLater: a sync of the route is running.
    """
    with run.sync_lock():
        path = run.file()
        if path.exists():
            # The copy of the hashes beside it is whole after this. What cannot be read has told all that it can.
            with suppress(BadSettings):
                erasure.begin(run, connectors)
        aside = path.with_name(f"{path.name}.{utc_now_naive():%Y%m%dT%H%M%S%f}.bak")
        if log_of(path).exists():  # first: it must never be read into the new file
            log_of(path).rename(log_of(aside))
        if not path.exists():
            return None
        path.rename(aside)
        return aside
