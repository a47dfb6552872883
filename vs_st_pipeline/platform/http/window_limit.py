"""Holds back requests where a system counts them by the minute: at most so many in any minute, whoever sends them.

Such a system lets half a minute's requests come at once, and an even rate would make each sync of a few requests wait
for nothing. So the file, which all processes that share the account share, lists when permits were given.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Final

from vs_st_pipeline.platform.http.rate_limit import (
    BUSY_SECONDS,
    RateLimiter,
    Urgency,
    wall_ahead,
)

# How many permits are listed, by how much the wall clock was ahead of the monotonic one; the machine. Then the time of
# each permit, in microseconds of that machine's monotonic clock.
_WINDOW: Final = struct.Struct("<qq16s")
_MOST_BYTES: Final = 2**16
MINUTE: Final = 61.0
"""Seconds that hold a minute's permits: the later one of two requests may be up to a second quicker on its way."""


class WindowLimiter(RateLimiter):
    """At most so many requests in any minute, over all threads and processes that share a file.

    The first half of them leave at once, so that a sync of a few requests waits for nothing; from then on they are
    spaced, so that a walk of many leaves room for what others send meanwhile. Nobody is more urgent than another.
    """

    def __init__(self, path: Path | None, requests_per_minute: int, *, fleet: RateLimiter | None = None) -> None:
        """Keep the rate; nothing is opened yet. Arguments and errors are those of `RateLimiter`."""
        super().__init__(path, requests_per_minute / MINUTE, fleet=fleet)
        self._most = requests_per_minute
        self._window = int(MINUTE * 1_000_000)
        self._space = self._window // requests_per_minute
        self._listed = b""

    def _take(self, urgency: Urgency | None = None, mark: int = 0, insists: bool = False) -> tuple[float, int] | None:
        if self._pid != os.getpid():
            self._after_fork()
        with self._guard:
            if self._path is None:
                after, wake_at = self._decide(self._listed)
                self._listed = self._listed if after is None else after
                return None if wake_at is None else (wake_at, mark)
            file = self._open_file(self._path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as in `RateLimiter`
            except BlockingIOError:
                return time.monotonic() + BUSY_SECONDS, mark
            try:
                after, wake_at = self._decide(os.pread(file, _MOST_BYTES, 0))
                if after is not None:
                    os.pwrite(file, after, 0)
                return None if wake_at is None else (wake_at, mark)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def _decide(self, found: bytes) -> tuple[bytes | None, float | None]:
        """Return what to store in place of what is stored (None: nothing), and when to ask again (None: a permit)."""
        now = time.monotonic_ns() // 1000
        given = [at for at in self._given(found, now) if at > now - self._window]
        free = given[-1] + self._space if given and len(given) >= self._most // 2 else now
        if len(given) >= self._most:
            free = max(free, given[-self._most] + self._window)
        if free > now:
            return None, free / 1_000_000
        if self._fleet is not None:
            held_up = self._fleet._take()
            if held_up is not None:
                return None, held_up[0]
        given = [*given, now][-self._most :]
        header = _WINDOW.pack(len(given), wall_ahead(), self._machine)
        return header + struct.pack(f"<{len(given)}q", *given), None

    def _given(self, found: bytes, now: int) -> list[int]:
        """Return when permits were given, by this machine's monotonic clock, none of them later than now."""
        if len(found) < _WINDOW.size:
            return []
        count, ahead, machine = _WINDOW.unpack_from(found)
        if not 0 <= count <= (len(found) - _WINDOW.size) // 8:
            return []
        shift = 0 if machine == self._machine else ahead - wall_ahead()
        return sorted(min(now, at + shift) for at in struct.unpack_from(f"<{count}q", found, _WINDOW.size))
