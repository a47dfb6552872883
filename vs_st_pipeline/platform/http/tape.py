"""Records what one sync asks and gets, and hands out answers that were fetched a moment ago.

Data flow: requests of all clients of a run -> `Exchange` (a question and a digest of its answer) -> the next sync.

A recorded question can be asked again without looking at what the answer says: is it the same? An answer that is not
the same is kept, and the request that the ordinary way makes a moment later takes it over, so that no question is asked
twice. An answer is taken over once: whoever asks again wants a new one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

MOST_RECORDED: Final = 4_000  # a first sync asks for more; nothing of it is asked again
EVERY_SYNC, ONCE = "", "once"


class Exchange(msgspec.Struct, frozen=True, array_like=True):
    """A question, and what is remembered of its answer; times are epoch seconds (UTC).

    Attributes:
        system: the connector's name. call: the call's name, as reports count it.
        path: with the query, as it is appended to the system's base URL. body: what was sent, None for nothing.
        digest: of the answer's body, or of a refusal's status and code.
        server_time: the answer's own `Date`, None where it had none.
    """

    system: str
    call: str
    method: str
    path: str
    body: bytes | None
    digest: bytes
    server_time: float | None = None

    @property
    def key(self) -> Key:
        return (self.system, self.method, self.path, self.body)


Key = tuple[str, str, str, bytes | None]


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """What a question is asked for.

    Attributes:
        name: `EVERY_SYNC`, `ONCE`, or the name of something that is read again in turn, such as `customer_list`.
        item: which one of these, `""` where there is only one.
    """

    name: str = EVERY_SYNC
    item: str = ""


@dataclass(slots=True)
class Tape:
    """What one run asked of all its systems.

    Attributes:
        recording: whether exchanges are kept.
        stage: the stage under way.
        turn: what the questions are asked for now.
        exchanges: by stage and turn, in the order in which they were asked.
        void: why the next sync will ask otherwise than this one; None where nothing is known that says so.
        records: how many distinct records something in turn added to those that the run has seen.
        shown: ids of records that the questions of every sync have shown, beside which those in turn are counted.
        dropped: what was asked for in turn in this run, and cannot be asked in its place.
        began: when the run began to ask (monotonic seconds): no answer that is taken over is older.
    """

    recording: bool = False
    stage: str = ""
    turn: Turn = Turn()
    exchanges: list[tuple[str, Turn, Exchange]] = field(default_factory=list)
    void: str | None = None
    records: dict[Turn, int] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    dropped: set[Turn] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)
    _ready: dict[Key, Any] = field(default_factory=dict)

    @contextmanager
    def asking_for(self, name: str, item: str = "") -> Iterator[None]:
        """Say what the questions in this block are asked for, where it is not something that every sync asks."""
        before, self.turn = self.turn, Turn(name, item)
        try:
            yield
        finally:
            self.turn = before

    def asks_otherwise(self, why: str) -> None:
        """Say that the next sync will not ask what this one asked."""
        self.void = self.void or why

    def record(self, exchange: Exchange) -> None:
        """Keep what was asked and heard."""
        if not self.recording or self.void is not None or self.turn.name == ONCE:
            return
        if len(self.exchanges) >= MOST_RECORDED:
            self.exchanges.clear()
            self.void = "too much was asked"
            return
        self.exchanges.append((self.stage, self.turn, exchange))

    def drop(self, name: str, item: str = "") -> None:
        """Forget what was asked for something in turn: the same answer would mean something else the next time."""
        turn = Turn(name, item)
        self.dropped.add(turn)
        self.exchanges = [one for one in self.exchanges if one[1] != turn]

    def add_records(self, name: str, item: str, records: int) -> None:
        """Count what something in turn added."""
        turn = Turn(name, item)
        self.records[turn] = self.records.get(turn, 0) + records

    def of_turn(self, name: str, item: str = "") -> list[Exchange]:
        """Return what was asked for something in turn."""
        turn = Turn(name, item)
        return [exchange for _, found, exchange in self.exchanges if found == turn]

    def keep_ready(self, key: Key, heard: Any) -> None:
        """Keep an answer for the request that will be made for it."""
        self._ready[key] = heard

    def take(self, key: Key) -> Any:
        """Return an answer that was kept ready, once; None where there is none."""
        return self._ready.pop(key, None) if self._ready else None

    def forget_ready(self) -> None:
        """Drop answers that nobody took: from here on an answer has to be new."""
        self._ready.clear()
