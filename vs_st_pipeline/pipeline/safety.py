"""Asks the brake whether a plan is safe: how many targets that were synced before would lose something.

Data flow: planned.*, synced.ledger, synced.links, synced.losses, synced.baseline -> the brake's verdicts.

A target loses something if it stands for another subject than when it was last synced, or for none: that is counted by
SQL over the whole plan, also of targets that were not planned in this run. Which values are a loss is the route's to
say, of those that change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.brake import FEWEST, Verdict
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline.targets import Planned
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns

COUNTED_FOR: Final = timedelta(days=1)  # how long what a targeted sync took counts


@dataclass(frozen=True, slots=True)
class LinkedBefore:
    """Which record a target stood for when it was last synced, and how new what was known of that was."""

    subject_id: str
    subject_at: str | None = None


# Where the ledger is lost, or this is the first sync, records themselves say what they stand for.
_BY_LEDGER = (f"(select {KEY}, subject_id from synced.links)", f"(select distinct {KEY} from synced.ledger)")
_AS_NAMED = (
    f"(select {KEY}, named as subject_id from planned.inputs where named is not null)",
    f"(select {KEY} from planned.inputs where named is not null)",
)


def linked_before(db: Db, targets: Sequence[Planned]) -> dict[Ref, LinkedBefore]:
    """Return what these records stood for when they were last synced."""
    if not _any_ledger(db):
        return {one.ref: LinkedBefore(one.named) for one in targets if one.named is not None}
    with db.batch(key_columns(one.ref for one in targets)) as batch:
        rows = db.rows(f"select {KEY}, subject_id, subject_at from synced.links semi join {batch} using ({KEY})")
    return {Ref(*row[:3]): LinkedBefore(*row[3:]) for row in rows}


def check_safety(db: Db, reads: Mapping[str, int], losing_values: Collection[Ref], now: datetime) -> list[Verdict]:
    """Return why the plan that is stored is not safe to push; nothing where it is safe.

    What targeted syncs took within a day counts with it: by small steps nothing may be lost that no plan may take.

    Args:
        reads: rows of this sync's complete reads, by name.
        losing_values: the targets that would lose a value.
        now: UTC without zone.
    """
    last = dict(db.rows("select what, rows from synced.baseline"))
    return _judge(db, "planned.inputs", last, reads, losing_values, now)


def check_some(
    db: Db, refs: Collection[Ref], losing_values: Collection[Ref], now: datetime
) -> tuple[list[Verdict], set[Ref]]:
    """Return why the plan of these targets alone is not safe to push, and which of them would lose something.

    Args:
        losing_values: those of them that would lose a value. now: as in `check_safety`.
    """
    links, _ = _BY_LEDGER if _any_ledger(db) else _AS_NAMED
    with db.batch(key_columns(refs)) as these, db.batch(key_columns(losing_values)) as batch:
        inputs = f"(select * from planned.inputs semi join {these} using ({KEY}))"
        losing = {Ref(*row) for row in db.rows(_lost(links, inputs, batch))}
        return _judge(db, inputs, {}, {}, losing_values, now), losing


def _lost(links: str, inputs: str, losing_values: str) -> str:
    """Return a query for the targets that stand for another subject than before, or for none, or lose a value."""
    return f"""select {KEY} from {links} as l join {inputs} as i using ({KEY})
               where not coalesce(contains(i.subjects, ' ' || l.subject_id || ' '), false)
               union select {KEY} from {losing_values}"""


def _judge(
    db: Db,
    inputs: str,
    last: Mapping[str, int],
    reads: Mapping[str, int],
    losing_values: Collection[Ref],
    now: datetime,
) -> list[Verdict]:
    links, synced = _BY_LEDGER if _any_ledger(db) else _AS_NAMED
    # Only whether there are a few matters of how many there were, so that not all of the ledger is looked at.
    few = db.value(f"select count(*) from (select * from {synced} limit {FEWEST})")
    losing = there = 0
    with db.batch(key_columns(losing_values)) as batch:
        lost = f"""{_lost(links, inputs, batch)}
                   union select {KEY} from synced.losses
                   where abs(epoch(lost_at) - epoch(timestamp '{now}')) < {COUNTED_FOR.total_seconds()}"""
        if few == FEWEST and db.value(f"select count(*) from (select 1 from ({lost}) limit 1)"):
            losing = db.value(f"select count(*) from ({lost}) semi join {synced} using ({KEY})")
    if losing:
        there = db.value(f"select count(*) from planned.inputs semi join {synced} using ({KEY})")
    return brake.judge(few, losing, there, last, reads)


def _any_ledger(db: Db) -> bool:
    return bool(db.value("select count(*) from (select 1 from synced.ledger limit 1)"))
