"""Keeps records that could not be read apart, with growing gaps, so that they stop no other one (routes.md R40).

Data flow: outcomes of single reads -> raw.unreadable -> which records wait, `check`, `why`, the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.single_reads import gap_after, waits
from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not be read when it was last asked for; times are UTC without zone.

    Attributes:
        kind: `customer`, `order` or `contact`.
        why: the error in a fixed sentence.
        error: the error's kind, such as `try_later`.
    """

    kind: str
    id: str
    error: str
    why: str
    http_status: int | None
    attempts: int
    first_at: datetime
    last_at: datetime
    next_at: datetime

    @property
    def sentence(self) -> str:
        """Return what a person is told: which record, since when, why, and what comes next."""
        status = f", HTTP {self.http_status}" if self.http_status else ""
        return (
            f"{self.kind} {self.id} cannot be read since {self.first_at:%Y-%m-%d %H:%M} UTC ({self.why}{status}; "
            f"{self.attempts} tries): what was last read stands, and it is asked for again after "
            f"{self.next_at:%Y-%m-%d %H:%M} UTC"
        )


def read_unreadable(db: Db, kind: str | None = None) -> list[Unreadable]:
    """Return all records that could not be read, or those of one kind."""
    rows = db.rows(
        """select kind, id, error, why, http_status, attempts, first_at, last_at, next_at from raw.unreadable
           where kind = coalesce(?, kind) order by kind, id""",
        [kind],
    )
    return [Unreadable(*row) for row in rows]


def unreadable_ids(db: Db, kind: str) -> set[str]:
    """Return the ids of the records of this kind that could not be read."""
    return {record_id for known, record_id in _next_tries(db) if known == kind}


def waiting_ids(db: Db, kind: str, now: datetime) -> set[str]:
    """Return ids of records that wait for their next try."""
    return {
        record_id for (known, record_id), next_at in _next_tries(db).items() if known == kind and waits(next_at, now)
    }


def next_tries(db: Db, *kinds: str) -> list[datetime]:
    """Return when records of these kinds that could not be read are asked for again (UTC without zone)."""
    return [next_at for (kind, _), next_at in _next_tries(db).items() if kind in kinds]


_CACHED = "unreadable"


def _next_tries(db: Db) -> dict[tuple[str, str], datetime]:
    """Kind and id of each record, with its next try: few rows, and a sync asks for them a dozen times."""
    return db.cached(
        _CACHED, lambda: {(row[0], row[1]): row[2] for row in db.rows("select kind, id, next_at from raw.unreadable")}
    )


def uncache_unreadable(db: Db) -> None:
    """Read the records again at the next use: somebody deletes rows of the table by itself."""
    db.uncache(_CACHED)


def record_unreadable(
    db: Db, kind: str, failed: Mapping[str, PipelineError], now: datetime, *, dry_run: bool = False
) -> None:
    """Record that these could not be read; a dry run does not count as a try, so it makes no gap longer."""
    for record_id, error in failed.items():
        known = db.row("select attempts, first_at from raw.unreadable where kind = ? and id = ?", [kind, record_id])
        if dry_run and known:
            continue
        attempts = (known[0] if known else 0) + (0 if dry_run else 1)
        first_at = known[1] if known else now
        db.execute(
            "insert or replace into raw.unreadable values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(kind, record_id, error.kind, error.message, error.http_status, attempts),
                *(first_at, now, now + gap_after(attempts)),
            ],
        )
    uncache_unreadable(db)


def forget_unreadable(db: Db, kind: str, ids: Iterable[str]) -> None:
    """Forget that these could not be read: they were read, or are gone."""
    if known := unreadable_ids(db, kind) & set(ids):
        with db.batch({"id": sorted(known)}) as batch:
            db.execute(f"delete from raw.unreadable where kind = ? and id in (select id from {batch})", [kind])
        uncache_unreadable(db)
