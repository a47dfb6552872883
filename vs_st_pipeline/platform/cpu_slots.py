"""Many merchants under way in one process, and few of them computing: who computes has a seat, who waits leaves it.

A hundred threads that compute by turns of a few milliseconds cost half as much again as three: all caches are cold, and
each waits for Python's lock at every step. A sync waits most of its time (for an answer, for its turn to ask, for a
file that somebody holds), so there are many threads, but hardly more seats than processors.

Who waits says so where it waits (`pending`), deep inside; outside of a seat that means nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Holder(threading.local):
    seats: CpuSlots | None = None


_THREAD = _Holder()


class CpuSlots:
    """So many threads compute at once.

    Args:
        count: None: one more than this process may use processors, since who computes waits for the disk at times.
    """

    def __init__(self, count: int | None = None) -> None:
        self._free = threading.Semaphore(count or _processors() + 1)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a seat, and keep it while the block lasts, but for what is inside of `pending`."""
        self._sit_down()
        try:
            yield
        finally:
            self._get_up()

    def _sit_down(self) -> None:
        self._free.acquire()
        _THREAD.seats = self

    def _get_up(self) -> None:
        _THREAD.seats = None
        self._free.release()


@contextmanager
def waiting() -> Iterator[None]:
    """While the block lasts this thread only waits: its seat, if it has one, is somebody else's."""
    seats = _THREAD.seats
    if seats is None:
        yield
        return
    seats._get_up()
    try:
        yield
    finally:
        seats._sit_down()


def releasing(wait: Callable[P, T]) -> Callable[P, T]:
    """A function that waits, made one that leaves its seat meanwhile."""

    @wraps(wait)
    def waits(*args: P.args, **kwargs: P.kwargs) -> T:
        with waiting():
            return wait(*args, **kwargs)

    return waits


def _processors() -> int:
    """How many this process may use; where the system does not say, as macOS, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
