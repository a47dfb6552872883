"""Describes what a connector reads again in turn, so that a quiet sync can do it without opening the merchant's file.

Data flow: a connector's tables after a sync -> `Rereads` -> the same questions asked again -> what was seen unchanged.

A record that is read again and is the same changes nothing but the time at which it was read. A connector that says
which records come next, what was heard of each the last time, and how to note that a record was read again, gets the
quiet path of every route that polls it (`pipeline/quiet.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from vs_st_pipeline.platform.http.tape import Exchange
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import share


class Reread(msgspec.Struct, array_like=True):
    """One thing that is read again; times are epoch seconds (UTC).

    Attributes:
        item: its id in its rotation.
        at: when it was read last.
        asks: what is asked for it, and what was heard; empty where only an ordinary sync can read it.
        proof: names what is stored of it: what was heard counts only while that is the same.
        records: distinct records that it adds to those that a sync has seen.
    """

    item: str
    at: float
    asks: list[Exchange] = []
    proof: bytes = b""
    records: int = 0


class Rotation(msgspec.Struct, array_like=True):
    """Things that are all read again within a period, evenly spread (`platform.warehouse.state.rotation_quota`).

    Attributes:
        name: as in `rotation_quota` and on the tape.
        count: how many there are; 0 where nothing is read before the period is over.
        seconds: the period.
        at, left: when a share was last worked out, and the fraction that was left of it.
        most: more than this many at once are read by an ordinary sync.
        items: those that come next, the oldest first; of those of one time, by their ids as text.
    """

    name: str
    count: int
    seconds: float
    at: float
    left: float
    most: int
    items: list[Reread]

    @property
    def goes_on(self) -> bool:
        """Say whether more come behind those that are known."""
        return self.count > len(self.items)

    @property
    def known(self) -> int:
        """Return how many can be read without knowing more; the last of them tells whether the next are overdue."""
        return len(self.items) - self.goes_on

    def due(self, now: float) -> tuple[int, int, float]:
        """Return how many items are read now, how many of these are overdue, and the fraction that is left."""
        quota, left = share(self.count, self.seconds, now - self.at, self.left)
        overdue = sum(now - item.at >= self.seconds for item in self.items)
        return max(quota, overdue), overdue, left


@dataclass(frozen=True, slots=True)
class Rereads:
    """What the next syncs read of one system, as far as a quiet one can.

    Attributes:
        due_at: when something is due that only an ordinary sync does; epoch seconds.
    """

    due_at: float
    rotations: list[Rotation]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was asked in this sync for things in turn, and what earlier syncs heard.

    Attributes:
        now: (rotation, item) -> what was asked, and how many records it added.
        earlier: (rotation, item) -> as it was kept.
        shown: ids of records that the questions of every sync have shown.
    """

    now: Mapping[tuple[str, str], tuple[list[Exchange], int]]
    earlier: Mapping[tuple[str, str], Reread]
    shown: frozenset[str] = frozenset()

    def of(self, name: str, item: str, proof: bytes) -> tuple[list[Exchange], int]:
        """Return what was asked for an item when it was last read in the ordinary way; nothing where that is over."""
        if (name, item) in self.now:
            return self.now[name, item]
        kept = self.earlier.get((name, item))
        return (kept.asks, kept.records) if kept is not None and kept.proof == proof else ([], 0)


class Seen(NamedTuple):
    """Something that was read again and was the same; `digest` of what was heard of it first."""

    rotation: str
    item: str
    at: float
    digest: bytes


@dataclass(frozen=True, slots=True)
class Rereading:
    """How one system's records are read again in turn.

    Attributes:
        plan: at the end of an ordinary sync: what comes next; None where the next sync has to be an ordinary one.
        note: stores that these were read again and were the same; what is stored otherwise by now stays as it is.
        say: what a sync that read these says that it asked, by rotation: how many, and of these how many overdue.
    """

    plan: Callable[[Run, Db, Heard], Rereads | None]
    note: Callable[[Db, Sequence[Seen]], None] = lambda _db, _seen: None
    say: Callable[[Mapping[str, tuple[Sequence[Reread], int]]], list[RequestLogEntry]] = lambda _done: []
