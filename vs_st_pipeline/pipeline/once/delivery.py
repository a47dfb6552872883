"""Sends what is due, in order, and settles what is unknown by its kind's rule.

Data flow: once.outbox -> the route's gate -> claim -> the send -> its answer -> claim, ledger.

An entity's item waits for the one before it, a later phase for an earlier one. What each step leaves behind where the
power goes is told in `recovery`.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.domain.single_reads import waits
from vs_st_pipeline.pipeline.once.claims import Claimed
from vs_st_pipeline.pipeline.once.items import (
    FORGOTTEN,
    Accepted,
    Answer,
    Drop,
    Gate,
    Go,
    Item,
    Kind,
    Look,
    Missing,
    NotSent,
    OnUnknown,
    Rejected,
    Row,
    State,
    Unknown,
    Wait,
    answer_of,
)
from vs_st_pipeline.pipeline.once.outbox import NO_BODY, Outbox

UNKNOWN_IN_A_ROW = 3  # entities whose sends end so, one after the other, are the system's trouble


class Sender(Protocol):
    """What a route knows of its destination."""

    def gate(self, item: Item, row: Row) -> Gate:
        """Say, right before each send, repeats too, whether the item may be said now."""
        ...

    def send(self, item: Item, row: Row) -> Answer:
        """Send it, once. A `PipelineError` that is raised means what `answer_of` says."""
        ...

    def look(self, item: Item | None, row: Row) -> Look:
        """Read at the destination whether an unknown item is there; asked for kinds that are settled by reading."""
        ...


@dataclass(slots=True)
class Delivered:
    """What came of the sends and reads of one sync.

    Attributes:
        waiting: items that the gate did not let pass, by reason.
        dropped: by reason.
    """

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    waiting: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    error: PipelineError | None = None


class Order:
    """Hands out what is due, one after the other: an entity's items in order, and phase after phase."""

    def __init__(self, rows: Iterable[Row], kinds: dict[str, Kind], now: datetime) -> None:
        self._kinds, self._now = kinds, now
        self._queues: dict[str, deque[Row]] = defaultdict(deque)
        self._open: Counter[int] = Counter()
        # By phase first: one of a later phase waits for it anyway, and must not be what it waits for.
        for row in sorted(rows, key=lambda row: (self._phase(row), row.seq)):
            self._queues[row.entity].append(row)
            self._open[self._phase(row)] += not self._is_lost(row)
        self._heads: list[tuple[int, int, Row]] = []
        for entity in list(self._queues):
            self._push(entity)

    def __iter__(self) -> Iterator[Row]:
        while self._heads:
            phase, _, row = heapq.heappop(self._heads)
            if not any(count for number, count in self._open.items() if number < phase):
                yield row

    def done(self, row: Row, after: Row | None) -> None:
        """Go on with what waited for a row; `after` is the row as it stands now, None where it is settled."""
        if after is not None and not self._is_lost(after):
            return
        queue = self._queues[row.entity]
        if queue and queue[0].key == row.key:
            queue.popleft()
        self._open[self._phase(row)] -= not self._is_lost(row)
        self._push(row.entity)

    def _push(self, entity: str) -> None:
        queue = self._queues[entity]
        while queue:
            row = queue[0]
            if is_due(row, self._kinds[row.kind], self._now):
                heapq.heappush(self._heads, (self._phase(row), row.seq, row))
                return
            if not self._is_lost(row):
                return
            queue.popleft()

    def _phase(self, row: Row) -> int:
        return self._kinds[row.kind].phase

    def _is_lost(self, row: Row) -> bool:
        """Say whether only its text, which was lost with a database, could move it: it may never be planned again."""
        resends = self._kinds[row.kind].on_unknown is OnUnknown.RESEND
        may_go = row.state in (State.WAITING, State.REJECTED) or (row.state is State.UNKNOWN and resends)
        return may_go and not row.has_body


def is_due(row: Row, kind: Kind, now: datetime) -> bool:
    """Say whether a row is to be sent now, as far as its state and time say."""
    if row.state is State.UNKNOWN:
        return kind.on_unknown is OnUnknown.RESEND and row.has_body and not waits(row.next_at, now)
    if row.state is State.REJECTED:
        return row.next_at is not None and not waits(row.next_at, now)
    return row.state is State.WAITING and not waits(row.next_at, now)


def settle(outbox: Outbox, sender: Sender, told: Delivered, *, entities: Collection[str] | None = None) -> None:
    """Read each unknown item of a kind that is settled by reading, once; call it before anything is planned.

    A dry run counts no read.

    Args:
        entities: only theirs; None: all.
    """
    if outbox.run.dry_run:
        return
    with outbox.run.open() as db:
        rows = [
            row
            for row in outbox.open_rows(db)
            if row.state is State.UNKNOWN and (entities is None or row.entity in entities)
        ]
    for row in rows:
        rule = outbox.kinds[row.kind].on_unknown
        if row.forgotten and rule is OnUnknown.RESEND:  # its text is gone
            outbox.drop(row, FORGOTTEN)
            told.dropped[FORGOTTEN] += 1
        elif rule is OnUnknown.READ and not outbox.run.stop():
            _look(outbox, sender, row, told)


def deliver(
    outbox: Outbox,
    sender: Sender,
    told: Delivered,
    *,
    most: int | None = None,
    entities: Collection[str] | None = None,
) -> None:
    """Send what is due, one after the other.

    Args:
        most: sends after which the rest is left for the next sync.
        entities: only theirs; None: all. What waits for another one's item goes on waiting for it.

    Raises:
        PipelineError: the system's trouble, such as a key that is not accepted; all that was sent is recorded.
    """
    run = outbox.run
    if run.dry_run:
        raise RuntimeError("a dry run sends nothing")
    with run.open() as db:
        order = Order(outbox.open_rows(db), outbox.kinds, run.now())
    sends = in_a_row = 0
    for row in order:
        if run.stop():
            raise TryLater("stopped by hand; the next sync goes on where this one was")
        if most is not None and sends >= most:
            return
        if entities is not None and row.entity not in entities:
            order.done(row, row)
            continue
        with run.open() as db:
            item = outbox.item(db, row)
        if item is None and row.forgotten:
            outbox.drop(row, FORGOTTEN)
            told.dropped[FORGOTTEN] += 1
            order.done(row, None)
            continue
        if item is None:
            outbox.wait(row, NO_BODY, None)
            told.waiting[NO_BODY] += 1
            order.done(row, row)
            continue
        gate = sender.gate(item, row)
        if isinstance(gate, Wait):
            outbox.wait(row, gate.reason, gate.until)
            told.waiting[gate.reason] += 1
        elif isinstance(gate, Drop):
            outbox.drop(row, gate.reason)
            told.dropped[gate.reason] += 1
            order.done(row, None)
        elif isinstance(gate, Accepted):
            _found(outbox, row, gate, told)
            order.done(row, None)
        else:
            assert isinstance(gate, Go)
            sends += 1
            after, answer = _send(outbox, sender, item, row, told)
            order.done(row, None if after.state in (State.ACCEPTED, State.DROPPED) else after)
            if isinstance(answer, NotSent):
                raise answer.error
            in_a_row = in_a_row + 1 if after.state in (State.UNKNOWN, State.HELD) else 0
            if in_a_row >= UNKNOWN_IN_A_ROW:
                raise TryLater("Several writes in a row ended without an answer that says what became of them")


def _send(outbox: Outbox, sender: Sender, item: Item, row: Row, told: Delivered) -> tuple[Row, Answer]:
    row = outbox.about_to_send(row)
    outbox.claims.claim(outbox.as_claim(row, Claimed.OPEN, item=item))
    answer: Answer
    try:
        answer = sender.send(item, row)
    except PipelineError as error:
        answer = answer_of(error)
    if isinstance(answer, Accepted):
        outbox.claims.settle(outbox.as_claim(row, Claimed.ACCEPTED, answer.detail))
    elif isinstance(answer, Rejected | NotSent):
        outbox.claims.settle(outbox.as_claim(row, Claimed.RELEASED))
    row = outbox.record(row, answer)
    told.accepted += isinstance(answer, Accepted)
    told.rejected += isinstance(answer, Rejected)
    told.unknown += isinstance(answer, Unknown)
    if isinstance(answer, Unknown) and outbox.kinds[row.kind].on_unknown is OnUnknown.READ:
        row = _look(outbox, sender, row, told, sent_now=True)
    return row, answer


def _look(outbox: Outbox, sender: Sender, row: Row, told: Delivered, *, sent_now: bool = False) -> Row:
    with outbox.run.open() as db:
        item = outbox.item(db, row)
    try:
        look = sender.look(item, row)
    except PipelineError:
        return row  # it says nothing, so nothing changes
    if isinstance(look, Accepted):
        told.unknown -= sent_now
        _found(outbox, row, look, told)
    elif isinstance(look, Missing):
        outbox.missing(row)
    with outbox.run.open() as db:
        return outbox.rows.again(db, row)


def _found(outbox: Outbox, row: Row, answer: Accepted, told: Delivered) -> None:
    outbox.found(row, answer, "read")
    told.accepted += 1
