"""Asks the brake whether a plan is safe: how many targets that were synced before would lose something.

Data flow: synced.ledger, synced.links, synced.baseline -> the brake's verdicts.

What counts as a loss is the route's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY


@dataclass(frozen=True, slots=True)
class LinkedBefore:
    """Which record a target stood for when it was last synced, and how new what was known of that was."""

    subject: Ref
    subject_at: str | None = None


def check_safety(
    db: Db,
    there: Collection[Ref],
    reads: Mapping[str, int],
    loses: Callable[[Ref, LinkedBefore | None], bool],
    carried: Callable[[], Mapping[Ref, LinkedBefore]] = dict,
) -> list[Verdict]:
    """Return why the plan is not safe to push; nothing where it is safe.

    Args:
        there: the records that the destination still has.
        reads: rows of this sync's complete reads, by name.
        loses: says whether a record would lose something by this plan.
        carried: returns what the records themselves say of what they stand for: asked where the ledger is lost, or
            this is the first sync.
    """
    synced = {Ref(*row) for row in db.rows(f"select distinct {KEY} from synced.ledger")}
    links: Mapping[Ref, LinkedBefore] = {
        Ref(*row[:3]): LinkedBefore(Ref(*row[3:6]), row[6])
        for row in db.rows(
            f"select {KEY}, subject_system, subject_object, subject_id, subject_at from synced.links"
        )  # fmt: skip
    }
    if not synced:
        links = carried()
        synced = set(links)
    still_there = synced.intersection(there)
    losing = sum(loses(ref, links.get(ref)) for ref in still_there)
    last = dict(db.rows("select what, rows from synced.baseline"))
    return brake.judge(len(synced), losing, len(still_there), last, reads)
