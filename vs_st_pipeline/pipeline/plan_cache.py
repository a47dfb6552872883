"""Decides whether anything that a plan is made of has changed since syncs that found nothing to write.

Data flow: raw.*, settings, map, date, versions -> one fingerprint -> the former plan stands, or a new one is made.

Most syncs find nothing, and working that out again for every contact costs many times what asking both systems does.
So a sync that found nothing to write keeps the fingerprint of all that it depended on. The fingerprint is believed from
the second such sync in a row on (the first may itself have changed what it depended on), and never by a run that is
full, a dry run, or of single stages. Code that changes what a plan depends on need not know of this: what is stored is
compared, not reported. A plan stands for a day, more or less, so that not all merchants plan again at once.

What a plan depends on is declared where it is known: each connector says which columns of its tables count
(`Connector.plan_inputs`), the route says the rest (`PlanInputs`). Another version of the program may work out something
else from the same input, so connectors, route and this room have a number each, which is raised with such a change
(`vs_st_pipeline_tests/house/test_plan_versions.py` reminds of it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import CLOCK_SLACK, NOTHING_TO_WRITE, get_state, set_state

PLAN_VERSION: Final = 1
"""Raised when the domain or this room works out something else from the same input."""

STANDS_FOR = timedelta(days=1)  # half of it to half as much again


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """All that the plan of a route depends on.

    Attributes:
        connectors: the systems that it joins.
        version: the route's own number.
        settings: what counts of the merchant's settings; compared by its text.
        stored: what counts of the tables besides the connectors' own, each as the rest of a query after `select`: a
            count and a hash.
        unsettled: queries for counts of what is open besides the outbox, in the same form; none may be above 0.
        values: what `stored` and `unsettled` may use as `$name`; `$run` is this run's id.
    """

    connectors: Sequence[Connector[Any]]
    version: int
    settings: tuple[object, ...]
    stored: Sequence[str] = ()
    unsettled: Sequence[str] = ()
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def versions(self) -> tuple[int, ...]:
        """Return the numbers of all that works a plan out."""
        return (PLAN_VERSION, self.version, *(connector.plan_version for connector in self.connectors))


@dataclass(frozen=True, slots=True)
class CachedPlan:
    """A plan with nothing to write, and what it was made of.

    Attributes:
        fingerprint: names all that it depends on.
        plan_run: the run that made it; if `planned` holds another run's plan, this one does not stand.
        made_at: when it was made (ISO, UTC).
        confirmed: a second sync depended on the same and came to the same.
        planned, held, noted: its numbers, as a report tells them.
        extras: ids of what it needs to be read besides, such as orders whose receipts a map wants.
    """

    fingerprint: str
    plan_run: str
    made_at: str
    confirmed: bool
    planned: dict[str, int]
    held: dict[str, int]
    noted: dict[str, int]
    extras: list[str]

    def apply_to(self, report: Report) -> None:
        """Say in a report what this plan says."""
        report.plan = self.plan_run
        report.planned |= self.planned
        report.held, report.noted = Counter(self.held), Counter(self.noted)
        report.waiting = (0, 0)


def load_cached_plan(run: Run, db: Db, inputs: PlanInputs) -> CachedPlan | None:
    """Return the former plan, if a plan made now would be the same and have nothing to write; else None."""
    if run.full or run.dry_run or run.allow_unsafe:
        return None
    kept = _read(db)
    if kept is None or not kept.confirmed or kept.plan_run != _plan_run(db) or not _is_current(kept, run.now()):
        return None
    if kept.fingerprint != _fingerprint(db, inputs):
        return None
    return None if _something_open(run, db, inputs) else kept


def save_cached_plan(run: Run, db: Db, inputs: PlanInputs, report: Report, extras: Sequence[str]) -> None:
    """Keep the plan of a whole sync, if it had nothing to write and left nothing open."""
    if run.full or run.dry_run or run.allow_unsafe:
        return
    if report.to_write or report.rejected or report.unknown or _something_open(run, db, inputs):
        return
    made = CachedPlan(
        _fingerprint(db, inputs),
        _plan_run(db),
        run.now().isoformat(),
        confirmed=False,
        planned=dict(report.planned),
        held=dict(report.held),
        noted=dict(report.noted),
        extras=sorted(extras),
    )
    kept = _read(db)
    if kept is not None and replace(kept, plan_run=made.plan_run, made_at=made.made_at, confirmed=False) == made:
        made = replace(made, confirmed=True)
    if made != kept:
        set_state(db, NOTHING_TO_WRITE, asdict(made), run.now())


def _read(db: Db) -> CachedPlan | None:
    found: dict[str, Any] | None = get_state(db, NOTHING_TO_WRITE)
    try:
        return CachedPlan(**found) if found else None
    except TypeError:  # kept by another version
        return None


def _is_current(kept: CachedPlan, now: datetime) -> bool:
    """Say whether the plan is young enough; one that was made in the future, by a wrong clock, does not stand."""
    return now - datetime.fromisoformat(kept.made_at) >= -CLOCK_SLACK and now < _end_of(kept)


def _end_of(kept: CachedPlan) -> datetime:
    digest = blake2b(kept.plan_run.encode(), digest_size=2).digest()
    spread = int.from_bytes(digest) / 2**16  # plans that were made at the same moment end at different ones
    return datetime.fromisoformat(kept.made_at) + STANDS_FOR * (0.5 + spread)


def stands_until(run: Run, db: Db) -> datetime | None:
    """Return how long the plan stands if nothing changes (UTC without zone); None where it does not stand now."""
    kept = _read(db)
    if kept is None or not kept.confirmed or not _is_current(kept, run.now()):
        return None
    return _end_of(kept)


def _plan_run(db: Db) -> str:
    return db.value("select run_id from planned.plan where unsafe is null") or ""


_OUTBOX = (
    "count(*) from synced.rejects",
    "count(*) from synced.writes where outcome is null or phone is not null",
)


def _something_open(run: Run, db: Db, inputs: PlanInputs) -> bool:
    """Say whether a write waits for an answer or another try, or the route has something that was never settled."""
    values = {**inputs.values, "run": run.run_id}
    return any(count for _, count in _union(db, [*_OUTBOX, *inputs.unsettled], values))


# What all routes share of the tables. A connector's columns that it does not declare (when a record was read, whether
# it is to be read again) decide what is asked, not what is planned.
_SHARED = (
    "count(*), sum(hash(what, rows)) from raw.reads",
    "count(*), sum(hash(system, object, id)) from synced.doubted",
    "count(*), max(seq) from synced.history",
    "count(*), 0 from raw.forgotten",
    "count(*), sum(hash(kind, id)) from raw.unreadable",
)


def _fingerprint(db: Db, inputs: PlanInputs) -> str:
    declared = [sql for connector in inputs.connectors for sql in connector.plan_inputs]
    stored = _union(db, [*declared, *_SHARED, *inputs.stored], inputs.values)
    return blake2b(repr((inputs.versions, inputs.settings, stored)).encode(), digest_size=16).hexdigest()


def _union(db: Db, parts: Sequence[str], values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Ask all in one query: as subqueries of one row the same costs three times as much, all of it for planning it."""
    sql = " union all ".join(f"select {place} as part, {part}" for place, part in enumerate(parts))
    return sorted(db.rows(sql, {name: value for name, value in values.items() if f"${name}" in sql}))
