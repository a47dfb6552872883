"""Keeps whose hints are worked on: merchants and their routes, read again when the merchants file has changed.

A file that cannot be read leaves the last good one in force.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vs_st_pipeline import routes
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.worker.turns import Pair
from vs_st_pipeline.pipeline.hinted import takers_of
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.merchants import Merchant

LOOK_SECONDS = 5.0
READ_SECONDS = 600.0  # read again in any case: a key's own file may have changed
_QUARTER = 900  # seconds; at the end of one it may be midnight somewhere, and a merchant may be active no more (H41)

Pairs = Mapping[Pair, tuple[Merchant, Route]]


def pairs_of(merchants: Iterable[Merchant], ids: Collection[str] = ()) -> Pairs:
    """Return the merchants and routes whose hints are worked on, and the accounts that they share.

    Args:
        ids: only these merchants; empty: all.
    """
    merchants = list(merchants)
    among = [route for route in routes.ROUTES if route.hinted is not None]
    found = dict(_pairs(among, merchants, ids))
    for route in among:
        on = [one for one in merchants if (one.id, route.name) in found]
        found |= {(name, route.name): (taker, route) for name, taker in takers_of(route.hinted, on).items()}
    return found


def timed_of(merchants: Iterable[Merchant], ids: Collection[str] = ()) -> Pairs:
    """Return the merchants and routes that say themselves when they are due: a worker starts their whole syncs (R13).

    Args:
        ids: as in `pairs_of`.
    """
    return _pairs([route for route in routes.ROUTES if route.next_due_at is not None], merchants, ids)


def _pairs(among: Sequence[Route], merchants: Iterable[Merchant], ids: Collection[str]) -> Pairs:
    return {
        (merchant.id, route.name): (merchant, route)
        for merchant in merchants
        if not ids or merchant.id in ids
        for route in among
        if route.is_on(merchant)
    }


def stamp_of(path: Path) -> tuple[object, ...]:
    """Return what changes when a file or folder of merchants does, or the day; `merchants.d` belongs to it."""
    found: list[object] = [int(time.time()) // _QUARTER]
    beside = path.parent / "merchants.d"
    for folder in (path, beside):
        for one in [folder, *(sorted(folder.glob("*.yaml")) if folder.is_dir() else ())]:
            try:
                known = os.stat(one)
            except OSError:
                continue
            found.append((str(one), known.st_ino, known.st_size, known.st_mtime_ns))
    return tuple(found)


@dataclass(slots=True)
class Roster:
    """The roster of one worker.

    Attributes:
        read: reads the merchants; whether a file of which nobody can be used is told as any other, which at the
            beginning it is not: then whoever started it is told. stamp: changes when what it reads does.
        ids: only these merchants; empty: all.
        warn: told why the last good one stays in force.
    """

    read: Callable[[bool], Iterable[Merchant]]
    stamp: Callable[[], object]
    ids: Collection[str] = ()
    warn: Callable[[str], None] = lambda _: None
    monotonic: Callable[[], float] = time.monotonic
    _pairs: Pairs | None = None
    _timed: Pairs = field(default_factory=dict)
    _stamp: object = None
    _looked_at: float = 0.0
    _read_at: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def pairs(self) -> Pairs:
        """Return who is worked on now.

        Raises:
            BadSettings: the file cannot be used, and no good one was ever read.
        """
        with self._guard:
            now = self.monotonic()
            if self._pairs is not None and now < self._looked_at + LOOK_SECONDS:
                return self._pairs
            self._looked_at, stamp = now, self.stamp()
            if self._pairs is None or stamp != self._stamp or now >= self._read_at + READ_SECONDS:
                self._stamp, self._read_at = stamp, now
                try:
                    merchants = list(self.read(self._pairs is not None))
                    self._pairs, self._timed = pairs_of(merchants, self.ids), timed_of(merchants, self.ids)
                except BadSettings as error:
                    if self._pairs is None:
                        raise
                    self.warn(f"the merchants file as it was stays in force: {error.message}")
            return self._pairs

    def timed(self) -> Pairs:
        """Return whose whole syncs are started by time; as it was when `pairs` was asked last."""
        with self._guard:
            return self._timed

    def read_again(self) -> None:
        """Read the file at the next look: something that it names may have changed, such as a key."""
        with self._guard:
            self._stamp, self._looked_at = None, 0.0
