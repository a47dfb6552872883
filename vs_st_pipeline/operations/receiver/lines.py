"""Prints a line per call, from a thread of its own: a terminal or a pipe that does not read keeps no answer back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from vs_st_pipeline.domain.formats import counted

Tell = Callable[..., None]
MOST_WAITING: Final = 10_000
_AT_ONCE: Final = 500
_EVERY: Final = 60.0


class Lines:
    """What is printed of calls.

    A call to a URL that is none is counted, and told by the minute: its path may be a token with a slip in it (H2).
    """

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._unknown = self._unprinted = 0
        self._told_at = clock()
        self._thread = threading.Thread(target=self._print, name="lines", daemon=True)
        self._thread.start()

    def add(self, line: str) -> None:
        """Print a line soon; where nothing is read any more it is dropped, and counted."""
        if self._queue.qsize() < MOST_WAITING:
            self._queue.put(line)
        else:
            self._unprinted += 1

    def count_unknown(self) -> None:
        """Count a call that is answered as one to a URL that is none, such as one with a wrong header."""
        self._unknown += 1

    def each_minute(self) -> None:
        """Tell the counts, if a minute has passed; called now and then."""
        if self._clock() - self._told_at >= _EVERY:
            self._tell_counts()

    def close(self) -> None:
        """Print what is left, within a second."""
        self._tell_counts()
        self._queue.put(None)
        self._thread.join(timeout=1.0)

    def _tell_counts(self) -> None:
        self._told_at = self._clock()
        if self._unknown:
            what = "to URLs that do not exist, or with a wrong header or signature"
            self.add(f"{counted(self._unknown, 'calls')} in the last minute {what}: 404")
        if self._unprinted:
            self.add(f"{counted(self._unprinted, 'lines')} not printed")
        self._unknown = self._unprinted = 0

    def _print(self) -> None:
        while (line := self._queue.get()) is not None:
            lines = [line]
            try:
                while len(lines) < _AT_ONCE:
                    if (more := self._queue.get_nowait()) is None:
                        self._tell(*lines)
                        return
                    lines.append(more)
            except Empty:
                pass
            self._tell(*lines)
