"""Stores calls from one thread, many in one commit, and says of each call whether the disk has it.

Data flow: event loop -> queue -> `Inbox.put` (one commit) -> event loop: the answers.

While one commit is under way the next calls gather, so the disk sets the pace and each commit takes what is there. The
same thread notes every 10 seconds that the receiver lives (H13), and refusals, so a call that is refused costs no disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from vs_st_pipeline.operations.receiver.figures import Figures
from vs_st_pipeline.platform import crash_reports
from vs_st_pipeline.platform.inbox.disk import InboxUnusable
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox

MOST_WAITING: Final = 1_000  # entries
MOST_IN_A_COMMIT: Final = 500
BEAT_SECONDS: Final = 10.0
MOST_REFUSALS: Final = 100  # of one merchant and system that are noted in one beat
RECEIVER: Final = "receiver"


@dataclass(slots=True)
class _Waiting:
    """A call that waits for the disk; `done` belongs to the event loop."""

    arrivals: Sequence[Arrival]
    done: asyncio.Future[bool]
    since: float


class Writer:
    """The one who writes into the inbox.

    Attributes:
        waiting: entries that wait for the disk; the event loop alone changes it.
    """

    def __init__(
        self, inbox: Inbox, figures: Figures, tell: Callable[..., None], *, beat: float = BEAT_SECONDS
    ) -> None:
        self._inbox, self._figures, self._tell, self._beat_seconds = inbox, figures, tell, beat
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._refusals = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._last_write = self._next_beat = time.monotonic()
        self._told_at = -60.0
        self.waiting = 0

    def prove(self) -> None:
        """Write once, before anybody is told that we listen.

        Raises:
            InboxUnusable: it cannot be written.
        """
        try:
            self._inbox.beat(RECEIVER)
        except (sqlite3.Error, OSError) as error:
            raise InboxUnusable(
                f"the inbox {self._inbox.path} cannot be written: {_why(error)}; if it is damaged, stop all processes, "
                "move it away and start again"
            ) from None
        finally:
            self._inbox.close()
        self._last_write, self._next_beat = time.monotonic(), time.monotonic() + self._beat_seconds

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to write what this event loop hands over."""
        self._loop = loop
        self._thread.start()

    def put(self, arrivals: Sequence[Arrival]) -> asyncio.Future[bool]:
        """Hand a call over; what is returned says whether it is on the disk, as soon as that is known."""
        assert self._loop is not None, "it was started"
        done = self._loop.create_future()
        self.waiting += len(arrivals)
        self._queue.put(_Waiting(arrivals, done, time.monotonic()))
        return done

    def refuse(self, merchant: str, system: str) -> None:
        """Note soon that a call had a right URL and a wrong header or signature."""
        with self._refusals:
            self._refused[merchant, system] += 1

    def is_alive(self, within: float) -> bool:
        """Say whether the inbox took a write in the last seconds."""
        return time.monotonic() - self._last_write < within

    def stop(self) -> None:
        """Write what waits, and end; the event loop has nothing more to hand over."""
        self._queue.put(None)
        self._thread.join(timeout=5.0)

    # --- the thread ---

    def _run(self) -> None:
        ends = False
        while not ends:
            batch: list[_Waiting] = []
            ends = self._gather(batch)
            if batch:
                self._store(batch)
            if time.monotonic() >= self._next_beat or ends:
                self._beat()
        self._inbox.close()

    def _gather(self, batch: list[_Waiting]) -> bool:
        """Take what waits, as much as one commit may have; returns true where nothing comes any more."""
        entries = 0
        try:
            one = self._queue.get(timeout=max(0.0, self._next_beat - time.monotonic()))
            while True:
                if one is None:
                    return True
                batch.append(one)
                entries += len(one.arrivals)
                if entries >= MOST_IN_A_COMMIT:
                    return False
                one = self._queue.get_nowait()
        except Empty:
            return False

    def _store(self, batch: list[_Waiting]) -> None:
        wanted = [one for one in batch if not one.done.done()]  # who was told 503 meanwhile sends it again
        stored = self._put(wanted)
        # Where one of them is what cannot be stored, it must not keep the others back.
        results = {id(one): bool(self._put([one]) if stored is None else stored) for one in wanted}
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for an answer any more
            self._loop.call_soon_threadsafe(self._answer, batch, results)

    def _put(self, batch: Sequence[_Waiting]) -> bool | None:
        """Store calls in one commit; False where the disk takes none, None where one of them cannot be stored."""
        try:
            self._inbox.put([arrival for one in batch for arrival in one.arrivals])
        except (sqlite3.OperationalError, OSError) as error:  # full, locked, gone
            self._complain(_why(error))
            return False
        except Exception as error:
            self._complain(crash_reports.location(error))
            return None
        self._last_write = time.monotonic()
        return True

    def _beat(self) -> None:
        self._next_beat = time.monotonic() + self._beat_seconds
        with self._refusals:
            refused, self._refused = self._refused, Counter()
        try:
            if refused:
                self._inbox.refuse([key for key, count in refused.items() for _ in range(min(count, MOST_REFUSALS))])
            self._inbox.beat(RECEIVER)
        except Exception as error:
            self._complain(_why(error))
        else:
            self._last_write = time.monotonic()

    def _complain(self, why: str) -> None:
        if time.monotonic() - self._told_at >= 60.0:
            self._told_at = time.monotonic()
            self._tell(f"warning: the inbox takes nothing ({why}); calls are answered 503 until it does")

    # --- the event loop ---

    def _answer(self, batch: Sequence[_Waiting], results: dict[int, bool]) -> None:
        now = time.monotonic()
        for one in batch:
            self.waiting -= len(one.arrivals)
            if id(one) in results and not one.done.done():
                if stored := results[id(one)]:
                    self._figures.stored(now - one.since)
                one.done.set_result(stored)


def _why(error: Exception) -> str:
    """Return what SQLite or the system says of its file, which is nothing of what was to be stored."""
    return f"{type(error).__name__}: {error}" if isinstance(error, sqlite3.OperationalError | OSError) else (
        crash_reports.location(error)
    )  # fmt: skip
