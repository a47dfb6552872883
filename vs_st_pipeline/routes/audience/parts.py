"""Keeps the part of the history that is under way, and what it was halved into (audience.md 5.1.3, 5.1.4).

Data flow: rendered items -> synced.audience_parts, and the base -> WayMore -> synced.audience_told.

A part enters with its ids, its whole body and the base of its records in one transaction, before it is sent. What goes
again after a crash or without an outcome is thus the very same bytes, and agrees with the base whatever is staged now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases, items, keys, part_ids
from vs_st_pipeline.routes.audience.words import Block

WAITING, UNKNOWN = "waiting", "unknown"
ACCEPTED, REJECTED = "accepted", "rejected"
HISTORY, LATE = "history", "late"
_NEWEST = "audience_parts_newest"  # a part a hundred records: asked once, not for each


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it stands in the outbox.

    Attributes:
        evidence: of a part of subscribers: by address, why it may be told as subscribed (JSON).
        unknown_syncs: in how many syncs running it had no outcome.
        sized: it is half of one that was too large.
    """

    number: int
    key: str
    block: Block
    late: bool
    ids: tuple[str, ...]
    body: bytes
    evidence: Mapping[str, str]
    tries: int = 0
    unknown_syncs: int = 0
    state: str = WAITING
    run_id: str = ""
    sized: bool = False

    @property
    def call(self) -> str:
        """Return how the ledger names it."""
        return LATE if self.late else HISTORY


_READ = """select number, key, block, late, ids, body, evidence, tries, unknown_syncs, state, run_id, sized
           from synced.audience_parts order by number"""


def open_part(db: Db) -> Part | None:
    """Return the part that goes next of those that are under way, None where there is none."""
    row = db.row(f"{_READ} limit 1")
    return None if row is None else _part(row)


def all_open(db: Db) -> list[Part]:
    """Return all parts under way: the one that goes next, and what it was halved into."""
    return [_part(row) for row in db.rows(_READ)]


def _part(row: Sequence[Any]) -> Part:
    number, key, block, late, ids, body, evidence, *rest = row
    return Part(
        number,
        key,
        Block(block),
        late,
        part_ids.read(ids),
        body.encode(),
        json.loads(evidence) if evidence else {},
        *rest,
    )


def new_part(
    db: Db,
    block: Block,
    ids: Sequence[str],
    body: bytes,
    now: datetime,
    run_id: str,
    *,
    late: bool = False,
    evidence: Mapping[str, str] | None = None,
    sized: bool = False,
) -> Part:
    """Make a part with a number and a key of its own; `enter` stores it."""
    newest = db.cached(_NEWEST, lambda: [int(db.value("select coalesce(max(number), 0) from synced.audience_parts"))])
    # By the real clock, so that no key comes again where an older copy of the file was put back.
    number = newest[0] = max(newest[0] + 1, time.time_ns() // 1000)
    key = keys.key_of(keys.salt_of(db, now), "part", block, number)
    return Part(number, key, block, late, tuple(ids), body, dict(evidence or {}), run_id=run_id, sized=sized)


def enter(db: Db, part: Part, *, settled: str | None = None) -> None:
    """Store a part, inside the transaction that moves the base of its records.

    Args:
        settled: the key of a part that leaves the outbox with the same transaction: one statement does both.
    """
    row = [
        part.number, part.key, part.block, part.late, part_ids.as_text(part.ids), part.body.decode(),
        json.dumps(part.evidence) if part.evidence else None, WAITING, part.run_id, part.sized,
    ]  # fmt: skip
    if settled is None:
        db.execute(
            """insert into synced.audience_parts (number, key, block, late, ids, body, evidence, state, run_id, sized)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            row,
        )
    else:
        db.execute(
            """update synced.audience_parts set number = ?, key = ?, block = ?, late = ?, ids = ?, body = ?,
                   evidence = ?, state = ?, run_id = ?, sized = ?, tries = 0, unknown_syncs = 0
               where key = ?""",
            [*row, settled],
        )


def remove(db: Db, key: str) -> None:
    """Take a part out of the outbox, inside the caller's transaction."""
    db.execute("delete from synced.audience_parts where key = ?", [key])


def tell(db: Db, part: Part, state: str, *, tries: int, http_status: int | None, at: datetime, run_id: str) -> None:
    """Add a settled part to the ledger."""
    db.execute(
        """insert into synced.audience_told (key, call, block, ids, evidence, state, tries, http_status, "at", run_id)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            part.key, part.call, part.block, part_ids.as_text(part.ids),
            json.dumps(part.evidence) if part.evidence else None, state, part.tries + tries, http_status, at, run_id,
        ],
    )  # fmt: skip


def note_unknown(db: Db, part: Part, tries: int, *, silent: bool) -> None:
    """Note that nobody knows whether a part has arrived; the same bytes go again. `silent`: there was no answer."""
    db.execute(
        """update synced.audience_parts set state = 'unknown', tries = tries + ?, unknown_syncs = unknown_syncs + ?
           where key = ?""",
        [tries, int(silent), part.key],
    )


def halve(db: Db, part: Part, now: datetime, *, sized: bool, block_names: str) -> None:
    """Put two halves in the place of a part; the base of their records stays, under their keys."""
    remove(db, part.key)
    raws = items.items_of(part.body)
    middle = (len(part.ids) + 1) // 2
    for some in (slice(0, middle), slice(middle, None)):
        ids = part.ids[some]
        half = new_part(
            db, part.block, ids, items.body(part.block, raws[some], block_names=block_names), now, part.run_id,
            late=part.late, evidence={one: part.evidence[one] for one in ids if one in part.evidence},
            sized=sized or part.sized,
        )  # fmt: skip
        enter(db, half)
        _rename(db, half)


def _rename(db: Db, part: Part) -> None:
    """Let the base of a part's records name its key."""
    column = bases.IDS[part.block]
    with db.batch({"id": part.ids}) as ids:
        db.execute(
            f"update {bases.TABLES[part.block]} set told_key = ? where {column} in (select id from {ids})", [part.key]
        )


def without(part: Part, ids: Collection[str], *, block_names: str) -> Part:
    """Return a part without these records, under the same key (8.3)."""
    kept = [(one, raw) for one, raw in zip(part.ids, items.items_of(part.body), strict=True) if one not in ids]
    return replace(
        part,
        ids=tuple(one for one, _ in kept),
        body=items.body(part.block, [raw for _, raw in kept], block_names=block_names),
        evidence={one: said for one, said in part.evidence.items() if one not in ids},
    )


def store_again(db: Db, part: Part) -> None:
    """Store what is left of a part that something was taken out of."""
    db.execute(
        "update synced.audience_parts set ids = ?, body = ?, evidence = ? where key = ?",
        [
            part_ids.as_text(part.ids),
            part.body.decode(),
            json.dumps(part.evidence) if part.evidence else None,
            part.key,
        ],
    )
