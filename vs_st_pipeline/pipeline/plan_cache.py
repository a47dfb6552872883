"""Decides whether anything that a plan is made of has changed since it was made: then it stands, and nothing is staged.

Data flow: raw.*, settings, map, date, versions -> one fingerprint -> the former plan stands, or it is looked at anew.

Most syncs find nothing, and looking at every stage to see that costs many times what asking both systems does. So a
plan is stored with the fingerprint of all that it was made from, as it was then (`planned.basis`), and a sync that had
nothing to write keeps the plan's numbers. While the fingerprint is the same, and nothing is open that time alone or
this run could move, a plan made now would be the same. It is never believed by a run that is full, a dry run, or of
single stages. Code that changes what a plan depends on need not know of this: what is stored is compared, not reported.
Which targets must be planned where it is not the same is decided in `incremental`.

What a plan depends on is declared where it is known: each connector says which columns of its tables count
(`Connector.plan_inputs`), the route says the rest (`PlanInputs`). Another version of the program may work out something
else from the same input, so connectors, route and this room have a number each, which is raised with such a change
(`vs_st_pipeline_tests/house/test_plan_versions.py` reminds of it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Final

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.platform.warehouse.state import NOTHING_TO_WRITE, get_state, set_state

PLAN_VERSION: Final = 2
"""Raised when the domain or this room works out something else from the same input."""


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """All that the plan of a route depends on.

    Attributes:
        connectors: the systems that it joins.
        version: the route's own number.
        settings: what counts of the merchant's settings, and of what else every target depends on; compared by its
            text. Another one plans everybody anew.
        stored: what counts of the tables besides the connectors' own, each as the rest of a query after `select`: a
            count and a hash.
        unsettled: queries for counts of what is open besides the outbox, in the same form; none may be above 0.
        values: what `stored` and `unsettled` may use as `$name`; `$run` is this run's id.
        of_the_moment: names of those that are others each time. What is made of them is looked at in every sync.
    """

    connectors: Sequence[Connector[Any]]
    version: int
    settings: tuple[object, ...]
    stored: Sequence[str] = ()
    unsettled: Sequence[str] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    of_the_moment: frozenset[str] = frozenset()

    @property
    def versions(self) -> tuple[int, ...]:
        """Return the numbers of all that works a plan out."""
        return (PLAN_VERSION, self.version, *(connector.plan_version for connector in self.connectors))


@dataclass(frozen=True, slots=True)
class CachedPlan:
    """The numbers of a plan with nothing to write.

    Attributes:
        plan_run: the run that made it; if `planned` holds another run's plan, this one does not stand.
        planned, held, noted: its numbers, as a report tells them.
        extras: ids of what it needs to be read besides, such as orders whose receipts a map wants.
    """

    plan_run: str
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
    kept = None if db.news else _read(db)
    if kept is None or kept.plan_run != _plan_run(db):
        return None
    return None if not is_of_now(db, inputs) or _something_open(run, db, inputs) else kept


def is_of_now(db: Db, inputs: PlanInputs) -> bool:
    """Say whether the plan was made from what is stored now."""
    if db.cached(_MADE, tuple) == _now(db, inputs):
        return True
    return bool(db.value("select fingerprint from planned.basis") == fingerprint(db, inputs))


def save_cached_plan(run: Run, db: Db, inputs: PlanInputs, report: Report, extras: Sequence[str]) -> bool:
    """Keep the numbers of a whole sync's plan, if it had nothing to write and left nothing open; return whether so.

    What the push learned by it is no reason to look again: whoever is not settled by that is found as open.
    """
    if run.full or run.dry_run or run.allow_unsafe:
        return False
    if report.to_write or report.rejected or report.unknown or _something_open(run, db, inputs):
        return False
    made = CachedPlan(
        _plan_run(db),
        planned=dict(report.planned),
        held=dict(report.held),
        noted=dict(report.noted),
        extras=sorted(extras),
    )
    if made != _read(db):
        set_state(db, NOTHING_TO_WRITE, asdict(made), run.now())
    return True


def _read(db: Db) -> CachedPlan | None:
    found: dict[str, Any] | None = get_state(db, NOTHING_TO_WRITE)
    try:
        return CachedPlan(**found) if found else None
    except TypeError:  # kept by another version
        return None


def _plan_run(db: Db) -> str:
    return db.value("select run_id from planned.plan where unsafe is null") or ""


_OPEN = (
    "count(*) from synced.rejects",
    "count(*) from synced.writes where outcome is null or phone is not null",
    "count(*) from planned.changes",
    # Written or learned since, and not settled by that.
    f"""count(*) from synced.history as h
        left join planned.targets as t using ({KEY}) left join synced.settled as s using ({KEY})
        where h.seq > (select coalesce(max(history), -1) from planned.basis)
          and (t.fingerprint is null or s.fingerprint is distinct from t.fingerprint)""",
)


def _something_open(run: Run, db: Db, inputs: PlanInputs) -> bool:
    """Say whether a write waits for an answer or another try, or the route has something that was never settled."""
    values = {**inputs.values, "run": run.run_id}
    return any(count for _, count in _union(db, [*_OPEN, *inputs.unsettled], values))


# What all routes share of the tables. A connector's columns that it does not declare (when a record was read, whether
# it is to be read again) decide what is asked, not what is planned.
_SHARED = (
    "count(*), sum(hash(what, rows)) from raw.reads",
    "count(*), sum(hash(system, object, id)) from synced.doubted",
    "count(*), 0 from raw.forgotten",
    "count(*), sum(hash(kind, id)) from raw.unreadable",
)


def fingerprint(db: Db, inputs: PlanInputs) -> str:
    """Return a hash of all that a plan made now depends on, besides what was written and learned since the last."""
    declared = [sql for connector in inputs.connectors for sql in connector.plan_inputs]
    stored = _union(db, [*declared, *_SHARED, *inputs.stored], inputs.values)
    return _digest((inputs.versions, inputs.settings, stored))


def note_made(db: Db, inputs: PlanInputs) -> None:
    """Note that the plan was made, with its fingerprint, from what is stored now, before it is stored itself."""
    db.uncache(_MADE)
    db.cached(_MADE, lambda: _now(db, inputs))


def _now(db: Db, inputs: PlanInputs) -> tuple[object, ...]:
    """Return what differs after anything that a fingerprint is made of was written since this file was opened."""
    written = sum(count for table, count in db.writes.items() if not table.startswith(_NO_INPUTS))
    values = {name: value for name, value in inputs.values.items() if name not in inputs.of_the_moment}
    return inputs.versions, inputs.settings, values, written


_MADE = "made from"
# What a plan and its push write, and no fingerprint is made of.
_NO_INPUTS = (
    *("planned.", "temp", "raw.marks"),
    *(f"synced.{name}" for name in ("ledger", "history", "links", "settled", "baseline", "runs", "writes")),
)


def hash_of_basis(inputs: PlanInputs, stored: tuple[object, ...]) -> str:
    """Return a hash of what the plan of every target depends on."""
    return _digest((inputs.versions, inputs.settings, stored))


def _digest(of: object) -> str:
    return blake2b(repr(of).encode(), digest_size=16).hexdigest()


def _union(db: Db, parts: Sequence[str], values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Ask all in one query: as subqueries of one row the same costs three times as much, all of it for planning it."""
    sql = " union all ".join(f"select {place} as part, {part}" for place, part in enumerate(parts))
    return sorted(db.rows(sql, {name: value for name, value in values.items() if f"${name}" in sql}))
