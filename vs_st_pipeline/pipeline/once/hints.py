"""Keeps records that are to be read before others, with the reason, until they have been read.

Data flow: inbox, feeds -> once.hints -> reads.

A hint never says what a record holds: it says that it may have changed. Whether a read settles one is told by numbers,
not by times: a clock may jump.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from vs_st_pipeline.domain.hints import Hint as InboxHint
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True, slots=True)
class Hint:
    """A record that is to be read first.

    Attributes:
        seq: grows with every hint; a read settles what was hinted before it began.
    """

    system: str
    object: str
    id: str
    reason: str
    seq: int = 0

    @property
    def record(self) -> tuple[str, str, str]:
        """Return what names its record, as hints of the inbox do."""
        return self.system, self.object, self.id


def take(run: Run, claimed: Sequence[InboxHint]) -> int:
    """Turn hints of the inbox, which this run has claimed, into the route's own; returns how many were new.

    The database's commit comes first, then the inbox's: one that comes a second time is known by its number and by when
    it was stored, which a replay changes. A dry run takes none.
    """
    if run.dry_run or not claimed:
        return 0
    keys = {_key(hint): hint for hint in claimed}
    with run.open() as db, db.transaction():
        with db.batch({"key": list(keys)}) as batch:
            # What was taken and is not claimed again was settled in the inbox, and never comes again.
            db.execute(f"delete from once.taken where event_key not in (from {batch})")
            known = {row[0] for row in db.rows("select event_key from once.taken")}
        fresh = {key: hint for key, hint in keys.items() if key not in known}
        store(db, (own(hint) for hint in fresh.values()), run.now())
        for key in sorted(fresh):
            db.execute("insert into once.taken values (?, ?)", [key, run.now()])
    return len(fresh)


def own(hint: InboxHint) -> Hint:
    """Return a hint of the inbox as the route's own."""
    return Hint(*hint.record, hint.event or "a webhook")


def unread(run: Run, claimed: Sequence[InboxHint]) -> set[int]:
    """Return the numbers of the hints whose records were not read since they were taken."""
    with run.open() as db:
        open_ones = {one.record for one in waiting(db)}
    return {hint.hint for hint in claimed if hint.record in open_ones}


def _key(hint: InboxHint) -> str:
    return f"{hint.hint} {hint.stored_at:.6f}"


def store(db: Db, hints: Iterable[Hint], now: datetime) -> None:
    """Store hints inside the caller's transaction; one that is there already becomes newer, and keeps its place."""
    for hint in hints:
        seq = _next(db)
        db.execute(
            """insert into once.hints values (?, ?, ?, ?, ?, ?)
               on conflict do update set seq = excluded.seq, reason = excluded.reason""",
            [hint.system, hint.object, hint.id, seq, hint.reason, now],
        )


def waiting(db: Db) -> list[Hint]:
    """Return the hints that wait, the oldest first."""
    rows = db.rows("select system, object, id, reason, seq from once.hints order by hinted_at, seq")
    return [Hint(*row) for row in rows]


def settle(db: Db, hints: Iterable[Hint]) -> None:
    """Settle hints in the transaction that stores what was read; one that became newer meanwhile stays."""
    for hint in hints:
        db.execute(
            "delete from once.hints where system = ? and object = ? and id = ? and seq <= ?",
            [hint.system, hint.object, hint.id, hint.seq],
        )


def _next(db: Db) -> int:
    db.execute("insert into once.sequences values ('hints', 1) on conflict do update set value = value + 1")
    return int(db.value("select value from once.sequences where name = 'hints'"))


QUEUE = Queue(lambda run, claimed: _hand_over(run, claimed), unread)
"""What a whole sync takes hints into."""


def _hand_over(run: Run, claimed: Sequence[InboxHint]) -> None:
    take(run, claimed)
