"""Stores what is to be said before it is sent, and moves the ledger with the answer, in one transaction.

Data flow: items -> once.outbox -> answers -> once.ledger, once.history.

A key is stored once: enqueueing it again changes nothing, whatever became of it. In a dry run everything is worked out
and nothing is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vs_st_pipeline.pipeline.once.claims import Claim, Claimed, Claims
from vs_st_pipeline.pipeline.once.items import (
    FORGOTTEN,
    Accepted,
    Answer,
    Item,
    Kind,
    NotSent,
    Person,
    Rejected,
    Row,
    State,
)
from vs_st_pipeline.pipeline.once.rows import Rows, Settled, dump, read_rows
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed

MELTED, NO_BODY = "melted", "text lost"


@dataclass(slots=True)
class Enqueued:
    """What became of items that were to be stored.

    Attributes:
        new: keys of those that were stored, or in a dry run would be.
        known: how many had been stored before.
        forgotten: how many name a forgotten person.
        melted: keys whose place a newer item has taken.
    """

    new: list[str] = field(default_factory=list)
    known: int = 0
    forgotten: int = 0
    melted: list[str] = field(default_factory=list)


class Outbox:
    """What one merchant's route says once, under its sync lock (`session.opened`)."""

    def __init__(self, run: Run, kinds: Iterable[Kind], claims: Claims, settled: Settled) -> None:
        self.run = run
        self.kinds = {kind.name: kind for kind in kinds}
        self.claims = claims
        self.rows = Rows(run, self.kinds, settled)

    # --- storing --------------------------------------------------------------------------------------------------

    def enqueue(self, items: Sequence[Item], also: Callable[[Db], None] = lambda _: None) -> Enqueued:
        """Store items that are not stored yet, in this order.

        Args:
            also: run in the same transaction: what the route must move together with them.
        """
        told = Enqueued()
        with self.run.open() as db:
            forgotten, known = read_suppressed(db), _known(db, [item.key for item in items])
            fresh: dict[str, Item] = {}
            lost: list[Item] = []  # stored before the database was lost: the evidence kept their keys, not their texts
            for item in items:
                kept_out = any(forgotten.knows(*name) for name in item.people)
                if item.key in known or item.key in fresh:
                    told.known += 1
                    lost += [item] if known.get(item.key) is False and not kept_out else []
                elif kept_out:
                    told.forgotten += 1
                else:
                    fresh[item.key] = item
            told.new = list(fresh)
            if self.run.dry_run:
                return told
            with db.transaction():
                for item in lost:
                    db.execute(
                        """update once.outbox set body = $body, body_hash = md5($body)
                           where key = $key and not forgotten and state not in ('accepted', 'dropped')""",
                        {"body": item.body, "key": item.key},
                    )
                seq = int(db.value("select coalesce(max(seq), 0) from once.outbox"))
                self._insert(db, [(item, number) for number, item in enumerate(fresh.values(), seq + 1)], told)
                also(db)
        return told

    def _insert(self, db: Db, items: Sequence[tuple[Item, int]], told: Enqueued) -> None:
        rows = [
            (
                *(item.key, self._melt(db, item, told) or number, item.kind, item.entity, item.body),
                *(dump(item.evidence), dump([list(one) for one in item.people])),
            )
            for item, number in items
        ]
        names = ("key", "seq", "kind", "entity", "body", "evidence", "people")
        columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
        with db.batch(columns, {"seq": "int"}) as batch:
            db.execute(
                f"""insert into once.outbox by name
                    select *, md5(body) as body_hash, 'waiting' as state, 0 as tries, 0 as reads, 0 as refusals,
                           false as may_be_out, false as forgotten, $at::timestamp as stored_at from {batch}""",
                {"at": self.run.now()},
            )
            db.execute(
                f"""insert into once.history by name
                    select (select coalesce(max(seq), 0) from once.history) + row_number() over (order by b.seq) as seq,
                           key, kind, entity, 'stored' as event, $at::timestamp as happened_at, $who as who,
                           $run as run_id
                    from {batch} as b""",
                {"at": self.run.now(), "who": self.run.started_by, "run": self.run.run_id},
            )

    def _melt(self, db: Db, item: Item, told: Enqueued) -> int | None:
        """Drop what the item takes the place of, and return its place; only of what nothing is out."""
        if not self.kinds[item.kind].melts:
            return None
        places = []
        of_it = "kind = ? and entity = ? and state in ('waiting', 'rejected') and not may_be_out"
        for row in read_rows(db, of_it, [item.kind, item.entity]):
            self.rows.settle(db, row, State.DROPPED, MELTED)
            told.melted.append(row.key)
            places.append(row.seq)
        return min(places, default=None)

    # --- reading --------------------------------------------------------------------------------------------------

    def open_rows(self, db: Db) -> list[Row]:
        """Return what is neither accepted nor dropped, in the order of storing."""
        rows = read_rows(db, "state not in ('accepted', 'dropped')", [])
        return [row for row in rows if row.kind in self.kinds]  # a later version may know fewer

    def item(self, db: Db, row: Row) -> Item | None:
        """Return the item of a row; None where its text was lost with a database."""
        found = db.row("select body, evidence, people from once.outbox where key = ?", [row.key])
        if found is None or found[0] is None:
            return None
        return Item(row.kind, row.entity, row.key, found[0], json.loads(found[1]), _people(found[2]))

    # --- what becomes of a row; each in one transaction -----------------------------------------------------------

    def about_to_send(self, row: Row) -> Row:
        """Store that a try is about to leave."""
        with self.run.open() as db, db.transaction():
            db.execute(
                """update once.outbox set state = 'sending', reason = null, tries = tries + 1, reads = 0, tried_at = ?,
                                          next_at = null where key = ?""",
                [self.run.now(), row.key],
            )
            self.rows.note(db, row.key, row.kind, row.entity, State.SENDING)
            return self.rows.again(db, row)

    def record(self, row: Row, answer: Answer) -> Row:
        """Record the answer to a send with all that moves with it."""
        with self.run.open() as db, db.transaction():
            if isinstance(answer, Accepted):
                self.rows.accept(db, row, answer, "answer")
            elif isinstance(answer, Rejected):
                self.rows.reject(db, row, answer)
            elif isinstance(answer, NotSent):
                self.rows.back_to_waiting(db, row, answer.error.kind)
            else:
                self.rows.mark_unknown(db, row, answer)
            return self.rows.again(db, row)

    def drop(self, row: Row, reason: str) -> None:
        """Give an item up for good."""
        if row.tries:
            self.claims.settle(self.as_claim(row, Claimed.DROPPED))
        with self.run.open() as db, db.transaction():
            self.rows.settle(db, row, State.DROPPED, reason)

    def wait(self, row: Row, reason: str, until: datetime | None) -> None:
        """Note why an item may not be sent now; one that may be out stays unknown."""
        if (row.reason, row.next_at) != (reason, until):
            with self.run.open() as db, db.transaction():
                db.execute("update once.outbox set reason = ?, next_at = ? where key = ?", [reason, until, row.key])

    def found(self, row: Row, answer: Accepted, settled_by: str) -> None:
        """Record that an item is there, by another way than the answer to its send."""
        self.claims.settle(self.as_claim(row, Claimed.ACCEPTED, answer.detail))
        with self.run.open() as db, db.transaction():
            self.rows.accept(db, row, answer, settled_by)

    def missing(self, row: Row) -> bool:
        """Count a read that does not show an unknown item; say whether it may be sent again now."""
        kind, now = self.kinds[row.kind], self.run.now()
        tried_at = row.tried_at or now
        ahead = tried_at > now  # the clock was ahead then: wait once more, rather than till that time comes
        tried_at = min(tried_at, now)
        again = row.reads + 1 >= kind.reads and not ahead and now - tried_at >= kind.settle_wait
        if again:
            self.claims.settle(self.as_claim(row, Claimed.RELEASED))
        with self.run.open() as db, db.transaction():
            db.execute(
                "update once.outbox set reads = reads + 1, tried_at = ?, may_be_out = ? where key = ?",
                [tried_at, not again, row.key],
            )
            if again and row.forgotten:
                self.rows.settle(db, row, State.DROPPED, FORGOTTEN)
            elif again:
                self.rows.move(db, row, State.WAITING, "resend", None)
            elif row.reads + 1 >= kind.reads:
                self.rows.move(db, row, State.UNKNOWN, row.reason, tried_at + kind.settle_wait)
            self.rows.note(db, row.key, row.kind, row.entity, "missing")
        return again

    def as_claim(
        self, row: Row, state: Claimed, detail: Mapping[str, Any] | None = None, item: Item | None = None
    ) -> Claim:
        """Return a row's claim in this state."""
        evidence, people = (item.evidence, item.people) if item else ({}, ())
        return Claim(
            row.key, row.kind, row.entity, row.tries, state, self.run.now(), evidence, people, dict(detail or {})
        )


def _known(db: Db, keys: Collection[str]) -> dict[str, bool]:
    """Return which of these keys have a row, and whether nothing is to be added to it."""
    with db.batch({"key": sorted(set(keys))}) as batch:
        rows = db.rows(
            f"""select key, body is not null or state in ('accepted', 'dropped')
                from once.outbox semi join {batch} using (key)"""
        )
    return {key: bool(whole) for key, whole in rows}


def _people(text: str) -> tuple[Person, ...]:
    return tuple((str(kind), str(value)) for kind, value in json.loads(text))
