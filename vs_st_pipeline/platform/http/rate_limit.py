"""Holds back requests so that all processes that speak with one key never ask its system more often than allowed.

The rule (GCRA, a leaky bucket kept as one number) is pyrate-limiter's; where that number lies is ours. The library's
shared bucket, SQLite behind a file lock, takes 0.3 to 0.4 ms of CPU a permit and grows by a row each time; a few bytes
in a file under `flock` take 0.01 ms, and the kernel takes the lock from a process that was killed. Permits are
spaced evenly: a window that is counted and then emptied would let two bursts meet at its edge. Waiting threads do not
queue; a free permit goes to the first that asks, of those whose requests are the most urgent (`Urgency`).

Whoever has to wait leaves a mark in the file: that somebody of this urgency will ask again, and until when. Whoever is
less urgent leaves a free permit alone while such a mark is good. A mark is good for a quarter of a second after the
permit is free, so one that was killed while it waited keeps nobody from more than that; and whoever has waited for a
minute takes a free permit all the same, so that nobody waits for ever. Where nobody waits there is no mark, and nothing
is asked or written for it. First walks take at most every second permit while reading in turn waits.

The clock is the monotonic one: all processes of a machine share it, and nothing sets it back. Another machine (or this
one before its last restart) has another, so the file keeps the time by the wall clock as well, and a process that finds
another machine's number reads that one. Between machines the rate is thus as exact as their clocks agree: where they
alternate, the gap between two permits may be shorter by as much as the clocks differ.

It is long because the file's number, its window and its marks are read and written under one lock, in one step.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import platform
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Final

from pyrate_limiter import GCRA, Rate

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.platform.cpu_slots import waiting
from vs_st_pipeline.platform.own_folder import make_own_folder

_RULE: Final = GCRA()
# Until when permits are given away, in microseconds: by its machine's monotonic clock, by the wall clock; the machine.
_NUMBER: Final = struct.Struct("<qq16s")
# Until when somebody waits who is that urgent, in microseconds by the wall clock, for all but the least urgent; and 1
# where the last permit went to a first walk while others waited.
_CROWD: Final = struct.Struct("<qqqq")
_NOBODY: Final = bytes(_CROWD.size)
# How many permits of a window are listed, by how much the wall clock was ahead of the monotonic one; the machine. Then
# the time of each permit, in microseconds of that machine's monotonic clock.
_WINDOW: Final = struct.Struct("<qq16s")
_MOST_BYTES: Final = 2**16
MINUTE: Final = 61.0
"""Seconds that hold a minute's permits: the later one of two requests may be up to a second quicker on its way."""
# One second may hold 20 % more than the rate. A tenth of that margin goes to catching up after a late wake-up, which
# high rates need (the gap is shorter than a sleep is exact); the rest is for what delays a request after its permit.
_BURST_SHARE: Final = 0.02
_BUSY_SECONDS: Final = 0.0005  # another process holds the file: it does so for microseconds
_STOP_SECONDS: Final = 0.2  # how often `stop` is asked
GRACE_SECONDS: Final = 0.25  # by so much whoever is woken for a permit may be late, on a machine that is busy
_LATE: Final = int(2_000_000 * GRACE_SECONDS)  # microseconds
_ASK_SECONDS: Final = 0.01  # how soon, at the least, one asks again who left a permit to somebody more urgent
PATIENCE_SECONDS: Final = 60.0  # after which somebody less urgent takes a free permit all the same


class Urgency(IntEnum):
    """What a request is for, the most urgent first (routes.md R49): a permit goes to the most urgent who waits."""

    WRITE = 0
    HINT = 1
    TURN = 2
    FIRST_WALK = 3


def _machine() -> bytes:
    """Return a name of the monotonic clock that this process reads: one for all that read it, new after a restart."""
    told = []
    with suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        told.append(os.readlink("/proc/self/ns/time"))  # a container may have a clock of its own
    return hashlib.sha256("".join(told or [platform.node()]).encode()).digest()[:16]


_MACHINE: Final = _machine()


def limiter_path(folder: Path, system: str, base_url: str, key: str) -> Path:
    """Return the file of permits that all callers of a system with this key share, whatever the merchant id."""
    return folder / f"{system}-{hashlib.sha256(f'{system} {base_url} {key}'.encode()).hexdigest()[:24]}"


class RateLimiter:
    """At most so many requests a second, over all threads and processes that share a file.

    Over t seconds at most `requests_per_second` x t + 1 permits are given (+ 2 % of the rate, where that is above 1).
    Objects are cheap until the first `wait`, which opens the file; one file handle each from then until `close`.
    """

    # Where in the file it keeps what it goes by, and the marks of those who wait.
    _state_at, _state_end = 0, _NUMBER.size
    _crowd_at, _crowd_end = _NUMBER.size, _NUMBER.size + _CROWD.size
    _most_bytes = _crowd_end

    def __init__(self, path: Path | None, requests_per_second: float, *, fleet: RateLimiter | None = None) -> None:
        """Keep the rate; nothing is opened yet.

        Args:
            path: file that holds the next free permit, made with mode 0600; None: in memory, for this process.
            requests_per_second: more than 0; a fraction is fine.
            fleet: a limiter shared by several merchants; a permit is taken from both at once or from neither.

        Raises:
            ValueError: the rate is not a positive number.
        """
        if not 0 < requests_per_second < math.inf:
            raise ValueError("requests_per_second must be more than 0")
        # A thousand permits in so many milliseconds, rounded to the slower side: the library's rates are whole numbers.
        burst = max(1, int(requests_per_second * _BURST_SHARE))
        self._rate = Rate(1000, math.ceil(1_000_000 / requests_per_second), burst=burst)
        self._furthest = burst * self._rate.interval  # microseconds from now that the next free permit can lie ahead
        self._spacing = self._rate.interval / 1_000_000  # seconds between two permits
        self._longest = self._furthest + (fleet._furthest if fleet else 0) + _LATE  # the same that a mark can lie ahead
        self._path = path
        self._machine = _MACHINE
        self._fleet = fleet
        self._guard = threading.Lock()
        self._memory, self._crowd = b"", _NOBODY
        self._file: int | None = None
        self._pid = os.getpid()

    def wait(self, stop: Callable[[], bool] | None = None, urgency: Urgency = Urgency.TURN) -> float:
        """Wait until a request may leave.

        Args:
            stop: asked about every 0.2 s while waiting; once it answers True the wait is given up.
            urgency: what the request is for; who is less urgent than others that wait lets them pass.

        Returns:
            Seconds waited; 0.0 where a permit was free.

        Raises:
            TryLater: `stop` answered True; no permit was taken.
            OSError: the file cannot be opened or written.
        """
        again = self._take(urgency)
        if again is None:
            return 0.0
        began = time.monotonic()
        with waiting():
            while again is not None:
                wake_at, mark = again
                left = wake_at - time.monotonic()
                if stop is not None:
                    if stop():
                        raise TryLater("Stopped while waiting for a permit to send a request")
                    left = min(left, _STOP_SECONDS)
                if left > 0:
                    time.sleep(left)
                if wake_at <= time.monotonic():
                    again = self._take(urgency, mark, time.monotonic() - began >= PATIENCE_SECONDS)
        return time.monotonic() - began

    def close(self) -> None:
        """Close the file. A later `wait` opens it again; the fleet's limiter is its owner's to close."""
        with self._guard:
            self._close_file()

    def _take(self, urgency: Urgency | None = None, mark: int = 0, insists: bool = False) -> tuple[float, int] | None:
        """Take a permit: None where one was free, else the monotonic time (seconds) at which to ask again, and a mark.

        Args:
            urgency: None: it lets nobody pass, and leaves no mark.
            mark: what this one has left in the file so far; 0: nothing.
            insists: it has waited for so long that it lets nobody pass any more.
        """
        if self._pid != os.getpid():
            self._after_fork()
        with self._guard:
            if self._path is None:
                state, wake_at, crowd, mark = self._ask(self._memory, self._crowd, urgency, mark, insists)
                self._memory = self._memory if state is None else state
                self._crowd = self._crowd if crowd is None else crowd
                return None if wake_at is None else (wake_at, mark)
            file = self._open_file(self._path)
            try:
                # Not the blocking call: a process stopped (Ctrl-Z) with the lock held must not hold us for ever.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return time.monotonic() + _BUSY_SECONDS, mark
            try:
                found = os.pread(file, self._most_bytes, 0)
                state, crowd = found[self._state_at : self._state_end], found[self._crowd_at : self._crowd_end]
                after, wake_at, crowd_after, mark = self._ask(state, crowd, urgency, mark, insists)
                if after is not None:
                    os.pwrite(file, after, self._state_at)
                if crowd_after is not None:
                    os.pwrite(file, crowd_after, self._crowd_at)
                return None if wake_at is None else (wake_at, mark)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def _ask(
        self, state: bytes, crowd: bytes, urgency: Urgency | None, mark: int, insists: bool
    ) -> tuple[bytes | None, float | None, bytes | None, int]:
        """Return the state to store, when to ask again (None: the permit is ours), marks to store, and our own."""
        if urgency is None:
            return *self._decide(state, 0.0), None, 0
        if crowd == _NOBODY or len(crowd) != _CROWD.size:
            after, wake_at = self._decide(state, 0.0)
            if wake_at is None:
                return after, None, None, 0
            marks = [0] * 4
        else:
            marks = list(_CROWD.unpack(crowd))
            after, wake_at = self._decide(state, 0.0 if insists else self._lets_pass(marks, urgency))
        if wake_at is None:
            if urgency is not Urgency.FIRST_WALK and marks[urgency] == mark:
                marks[urgency] = 0  # else another one waits longer
            marks[-1] = int(urgency is Urgency.FIRST_WALK)
        elif urgency is not Urgency.FIRST_WALK:
            until = time.time_ns() // 1000 + int((wake_at - time.monotonic() + GRACE_SECONDS) * 1_000_000)
            if marks[urgency] == mark or until > marks[urgency] or not self._is_good(marks[urgency]):
                marks[urgency] = mark = until
        kept = _CROWD.pack(*marks)
        return after, wake_at, None if kept == (crowd or _NOBODY) else kept, mark

    def _lets_pass(self, marks: list[int], urgency: Urgency) -> float:
        """Return for how many seconds a free permit is left to somebody more urgent; 0: nobody more urgent waits."""
        for one in range(urgency):
            if self._is_good(marks[one]):
                if one == Urgency.TURN and not marks[-1]:
                    continue  # a first walk takes every second permit
                good_for = (marks[one] - time.time_ns() // 1000) / 1_000_000
                return min(max(self._spacing, _ASK_SECONDS), max(good_for, 0.001))
        return 0.0

    def _is_good(self, mark: int) -> bool:
        """Say whether somebody still waits: a mark that lies too far ahead is of a clock that was wrong."""
        return mark > 0 and 0 < mark - time.time_ns() // 1000 <= self._longest

    def _decide(self, found: bytes, lets_pass: float) -> tuple[bytes | None, float | None]:
        """Return what to store in place of what is stored (None: nothing), and when to ask again (None: a permit).

        Args:
            lets_pass: seconds for which a free permit is left to others; 0.0: it is taken.
        """
        before = self._as_written(found)
        after, wake_at = self._step(before, lets_pass)
        return (None if after == before else _NUMBER.pack(after, after + _wall_ahead(), self._machine)), wake_at

    def _as_written(self, found: bytes) -> int:
        """Return the stored number by this machine's monotonic clock; one that cannot be read means a free permit."""
        if len(found) != _NUMBER.size:
            return 0
        number: int
        by_wall: int
        number, by_wall, machine = _NUMBER.unpack(found)
        return max(0, number if machine == self._machine else by_wall - _wall_ahead())

    def _step(self, before: int, lets_pass: float) -> tuple[int, float | None]:
        """Return the number to store after the stored one, and when to ask again (None: the permit is ours)."""
        now = time.monotonic_ns() // 1_000_000
        # Further ahead than this rate can put it: written at a slower rate, or by a machine whose clock is wrong.
        before = min(before, now * 1000 + self._furthest)
        state, decision = _RULE.step([self._rate], (before,), now, 1)
        if not decision.allowed:
            return before, (now + (decision.retry_after_ms or 0)) / 1000
        if lets_pass:
            return before, now / 1000 + lets_pass
        if (held_up := self._held_up()) is not None:
            return before, held_up
        return int(state[0]), None

    def _held_up(self) -> float | None:
        """Take the fleet's permit, too; return when to ask for it again, where it is not free."""
        # Merchants share that one, and none of them is more urgent than another.
        again = None if self._fleet is None else self._fleet._take()
        return None if again is None else again[0]

    def _open_file(self, path: Path) -> int:
        if self._file is None:
            make_own_folder(path.parent)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _after_fork(self) -> None:
        """Open the file again: a forked child shares its parent's open file, and with it the lock."""
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._close_file()


class WindowLimiter(RateLimiter):
    """At most so many requests in any minute, over all threads and processes that share a file.

    The first half of them leave at once, so that a sync of a few requests waits for nothing; from then on they are
    spaced, so that a walk of many leaves room for what others send meanwhile. The file holds when permits were given.
    """

    _crowd_at, _crowd_end = 0, _CROWD.size
    _state_at, _state_end = _CROWD.size, _MOST_BYTES
    _most_bytes = _MOST_BYTES

    def __init__(self, path: Path | None, requests_per_minute: int, *, fleet: RateLimiter | None = None) -> None:
        """Keep the rate; nothing is opened yet. Arguments and errors are those of `RateLimiter`."""
        super().__init__(path, requests_per_minute / MINUTE, fleet=fleet)
        self._most = requests_per_minute
        self._window = int(MINUTE * 1_000_000)
        self._gap = self._window // requests_per_minute
        self._longest += self._window

    def _decide(self, found: bytes, lets_pass: float) -> tuple[bytes | None, float | None]:
        now = time.monotonic_ns() // 1000
        given = [at for at in self._given(found, now) if at > now - self._window]
        free = given[-1] + self._gap if given and len(given) >= self._most // 2 else now
        if len(given) >= self._most:
            free = max(free, given[-self._most] + self._window)
        if free > now:
            return None, free / 1_000_000
        if lets_pass:
            return None, now / 1_000_000 + lets_pass
        if (held_up := self._held_up()) is not None:
            return None, held_up
        given = [*given, now][-self._most :]
        header = _WINDOW.pack(len(given), _wall_ahead(), self._machine)
        return header + struct.pack(f"<{len(given)}q", *given), None

    def _given(self, found: bytes, now: int) -> list[int]:
        """Return when permits were given, by this machine's monotonic clock, none of them later than now."""
        if len(found) < _WINDOW.size:
            return []
        count, ahead, machine = _WINDOW.unpack_from(found)
        if not 0 <= count <= (len(found) - _WINDOW.size) // 8:
            return []
        shift = 0 if machine == self._machine else ahead - _wall_ahead()
        return sorted(min(now, at + shift) for at in struct.unpack_from(f"<{count}q", found, _WINDOW.size))


def _wall_ahead() -> int:
    """Return by how many microseconds the wall clock is ahead of the monotonic one."""
    return (time.time_ns() - time.monotonic_ns()) // 1000
