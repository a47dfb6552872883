"""Decides whose turn it is: which records of which merchant are read now (webhooks-onboarding.md H25, H27, H28, H30).

Pure: what waits, what is under way and the time go in, turns come out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vs_st_pipeline.domain.hints import WHOLE
from vs_st_pipeline.pipeline.hinted import MOST_RECORDS
from vs_st_pipeline.platform.inbox.store import Record

MOST_WAITING = 100  # distinct records of a merchant and route; where more wait, a whole sync does them (H25)

Pair = tuple[str, str]
"""A merchant's id and a route's name."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is done for one merchant and route in one go.

    Attributes:
        since: since when its oldest due hint has been due; who was served last stands behind who waits longer.
        free: records whose hints cost no request: they make a whole sync due, or are dropped.
        records: to be read, ten at most; or all that wait, where they are handed over.
        hands_over: more wait than is a hint's work.
    """

    pair: Pair
    since: float
    free: tuple[Record, ...] = ()
    records: tuple[Record, ...] = ()
    hands_over: bool = False

    @property
    def keys(self) -> set[tuple[str, ...]]:
        """Return the names of all that it is about."""
        return {key_of(one) for one in (*self.free, *self.records)}


@dataclass(slots=True)
class Standing:
    """What a worker knows beside the inbox.

    Attributes:
        busy: pairs that are being worked on. served: when a pair last had a turn. again: when a pair whose lock was
            held, or that could not begin, is tried again.
    """

    busy: set[Pair] = field(default_factory=set)
    served: dict[Pair, float] = field(default_factory=dict)
    again: dict[Pair, float] = field(default_factory=dict)


def key_of(one: Record) -> tuple[str, ...]:
    """Return what names a record with waiting hints of a route."""
    return one.merchant, one.route, one.system, one.kind, one.record


def ready_at(one: Record, now: float) -> float:
    """Return when something can be done about a record: at once, where that costs no request."""
    return one.first if is_free(one, now) else one.due_at


def is_free(one: Record, now: float) -> bool:
    """Say whether its hints cost no request: they make a whole sync due, or are dropped."""
    return one.kind == WHOLE or one.is_barred(now)


def by_pair(waiting: Iterable[Record]) -> dict[Pair, list[Record]]:
    """Return the records by merchant and route."""
    found: dict[Pair, list[Record]] = {}
    for one in waiting:
        found.setdefault((one.merchant, one.route), []).append(one)
    return found


def turns(
    waiting: Iterable[Record], standing: Standing, now: float, *, closed: Collection[Pair] | Mapping[Pair, str] = ()
) -> list[Turn]:
    """Return the turns that can be taken now, in their order: merchants take turns by their oldest due hint (H30).

    Args:
        closed: pairs at rest, or that have had no good whole sync: their hints wait.
    """
    found = [
        turn
        for pair, records in by_pair(waiting).items()
        if pair not in standing.busy and pair not in closed and now >= standing.again.get(pair, 0.0)
        if (turn := _turn(pair, records, standing.served.get(pair, 0.0), now)) is not None
    ]
    return sorted(found, key=lambda turn: (turn.since, turn.pair))


def _turn(pair: Pair, records: Sequence[Record], served: float, now: float) -> Turn | None:
    free = [one for one in records if is_free(one, now)]
    # What waits because a route of ours wrote it is nobody's work yet, not even a whole sync's (R49).
    costly = [one for one in records if not is_free(one, now) and one.held_until <= now]
    due = sorted(
        (one for one in costly if one.due_at <= now),
        key=lambda one: (not one.opted_out, one.due_at, one.first, one.record),  # R49: opt-outs first
    )
    if not free and not due:
        return None
    since = max(served, min([*(one.due_at for one in due), *(one.first for one in free)]))
    if due and sum(one.count > 0 for one in costly) > MOST_WAITING:
        # No list shows who is held by a false report of an opt-out: they wait for a reading of their own (H23, H27).
        over = tuple(one for one in costly if one.count and not one.opted_out)
        if over:
            return Turn(pair, since, tuple(free), over, hands_over=True)
    return Turn(pair, since, tuple(free), tuple(due[:MOST_RECORDS]))


def next_at(waiting: Iterable[Record], standing: Standing, now: float) -> float | None:
    """Return when the next of these records is due, or a pair that was held up is tried again; None: nothing waits."""
    times = [
        max(ready_at(one, now), standing.again.get((one.merchant, one.route), 0.0))
        for one in waiting
        if (one.merchant, one.route) not in standing.busy
    ]
    return min(times, default=None)
