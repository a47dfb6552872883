"""Limits how many threads compute at once: a thread that computes holds a CPU slot, one that waits frees it.

Many merchants are synced in one process at once. A hundred threads that compute in turns of a few milliseconds cost
half as much again as three: all caches are cold, and each waits for Python's lock at every step. A sync waits most of
its time (for an answer, for a permit to ask, for a file that another process holds), so there are many threads, but
hardly more CPU slots than processors.

Code that waits says so at the place where it waits (`waiting`), deep inside; in a thread without a CPU slot that has no
effect. What else a thread should not hold while it waits, it lets go of there too (`letting_go`).
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
    slots: CpuSlots | None = None
    let_go: tuple[Callable[[], None], ...] = ()


_THREAD = _Holder()


class CpuSlots:
    """Slots for so many threads to compute at once.

    Args:
        count: how many slots; None: one more than this process may use processors, since a thread that computes
            waits for the disk at times.
    """

    def __init__(self, count: int | None = None) -> None:
        self._free = threading.Semaphore(count or _processors() + 1)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a CPU slot, and keep it while the block lasts, except inside of `waiting`."""
        self._acquire()
        try:
            yield
        finally:
            self._release()

    def _acquire(self) -> None:
        self._free.acquire()
        _THREAD.slots = self

    def _release(self) -> None:
        _THREAD.slots = None
        self._free.release()


@contextmanager
def waiting() -> Iterator[None]:
    """Free this thread's CPU slot, if it has one, while the block lasts, because the thread only waits in it."""
    for let_go in _THREAD.let_go:
        let_go()
    slots = _THREAD.slots
    if slots is None:
        yield
        return
    slots._release()
    try:
        yield
    finally:
        slots._acquire()


@contextmanager
def letting_go(let_go: Callable[[], None]) -> Iterator[None]:
    """Call this whenever the thread is about to wait, while the block lasts: others may need what it holds."""
    before = _THREAD.let_go
    _THREAD.let_go = (*before, let_go)
    try:
        yield
    finally:
        _THREAD.let_go = before


def releasing(wait: Callable[P, T]) -> Callable[P, T]:
    """Return the same function, which waits, as one that frees its CPU slot meanwhile."""

    @wraps(wait)
    def waits(*args: P.args, **kwargs: P.kwargs) -> T:
        with waiting():
            return wait(*args, **kwargs)

    return waits


def _processors() -> int:
    """Return how many this process may use; where the system does not say, as on macOS, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
